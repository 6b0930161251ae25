//! JSON lines, and one array of objects. The type of a column is that of all its values; a mixture is text, as in CSV.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use super::files::BYTE_ORDER_MARK;
use super::json_cells::Cells;
use crate::error::{Error, Result};

/// Different keys of all rows.
const COLUMNS_LIMIT: usize = 10_000;
/// Bytes of one line.
const LINE_LIMIT: u64 = 16 << 20;
/// Batches between the thread that reads and the query.
const BATCHES_WAITING: usize = 2;

const INTEGER: u8 = 1;
const FLOAT: u8 = 1 << 1;
const BOOLEAN: u8 = 1 << 2;
/// `"NaN"` and its like: a number among numbers, a word among words.
const NAMED_NUMBER: u8 = 1 << 3;
const TEXT: u8 = 1 << 4;
const LIST: u8 = 1 << 5;
const OBJECT: u8 = 1 << 6;

/// How rows follow each other in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Lines,
    Array,
}

/// The files as a table; they are read once for the types of their columns, and again for every query.
pub fn table(files: Vec<PathBuf>, form: Form) -> Result<StreamingTable> {
    let schema = scan(&files, form)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let partition = |files: &[PathBuf]| -> Arc<dyn PartitionStream> {
        Arc::new(Part { files: files.to_vec(), form, schema: Arc::clone(&schema) })
    };
    let partitions = files.chunks(files.len().div_ceil(cores).max(1)).map(partition).collect();
    let path = files.into_iter().next().unwrap_or_default();
    StreamingTable::try_new(schema, partitions).map_err(|error| Error::Format { path, detail: error.to_string() })
}

/// The columns of all rows, in the order in which they are met.
fn scan(files: &[PathBuf], form: Form) -> Result<SchemaRef> {
    let mut columns: Vec<(String, u8)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for file in files {
        rows(file, form, &mut |row| {
            for (name, value) in row.0 {
                let place = places.get(&name).copied().unwrap_or_else(|| {
                    columns.push((name.clone(), 0));
                    places.insert(name, columns.len() - 1);
                    columns.len() - 1
                });
                if let Some((_, seen)) = columns.get_mut(place) {
                    *seen |= classify(&value);
                }
            }
            columns.len() <= COLUMNS_LIMIT
        })?;
        if columns.len() > COLUMNS_LIMIT {
            let detail = format!("its rows have more than {COLUMNS_LIMIT} different keys");
            return Err(Error::Format { path: file.clone(), detail });
        }
    }
    let fields = columns.into_iter().map(|(name, seen)| Field::new(name, data_type(seen), true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn classify(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => BOOLEAN,
        Value::Number(number) if number.is_i64() => INTEGER,
        Value::Number(_) => FLOAT,
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => NAMED_NUMBER,
        Value::String(_) => TEXT,
        Value::Array(_) => LIST,
        Value::Object(_) => OBJECT,
    }
}

/// Lists and objects are only known to be there: nobody compares what they hold.
fn data_type(seen: u8) -> DataType {
    match seen {
        0 => DataType::Null,
        INTEGER => DataType::Int64,
        BOOLEAN => DataType::Boolean,
        LIST => DataType::List(Arc::new(Field::new_list_field(DataType::Null, true))),
        OBJECT => DataType::Struct(Fields::empty()),
        NAMED_NUMBER => DataType::Utf8,
        kinds if kinds & !(INTEGER | FLOAT | NAMED_NUMBER) == 0 => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// Some of the files.
#[derive(Debug)]
struct Part {
    files: Vec<PathBuf>,
    form: Form,
    schema: SchemaRef,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BATCHES_WAITING);
        let (sender, schema, files, form) = (builder.tx(), Arc::clone(&self.schema), self.files.clone(), self.form);
        builder.spawn_blocking(move || {
            let send = |batch: RecordBatch| sender.blocking_send(Ok(batch)).is_ok();
            decode(&schema, &files, form, send).map_err(|error| DataFusionError::External(Box::new(error)))
        });
        builder.build()
    }
}

/// Makes batches of the rows, until `send` wants no more.
fn decode(schema: &SchemaRef, files: &[PathBuf], form: Form, send: impl Fn(RecordBatch) -> bool) -> Result<()> {
    let mut cells = Cells::new(schema);
    for file in files {
        let mut problem = None;
        let mut is_wanted = true;
        rows(file, form, &mut |row| {
            cells.append(row.0);
            if cells.is_full() {
                match cells.finish() {
                    Ok(batch) => is_wanted = send(batch),
                    Err(error) => problem = Some(error),
                }
            }
            is_wanted && problem.is_none()
        })?;
        if let Some(error) = problem {
            return Err(error.into());
        }
        if !is_wanted {
            return Ok(());
        }
    }
    send(cells.finish()?);
    Ok(())
}

/// One object; of a key that is there twice the last value counts.
struct Row(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Row(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Hands every row of a file to `take`, until that returns false.
fn rows(file: &Path, form: Form, take: &mut dyn FnMut(Row) -> bool) -> Result<()> {
    let unread = |error: std::io::Error| Error::File { path: file.to_owned(), detail: error.to_string() };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(file).map_err(unread)?);
    if reader.fill_buf().map_err(unread)?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    if form == Form::Array {
        return array(file, reader, take);
    }
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line).map_err(unread)? == 0 {
            break;
        }
        if line.len() as u64 == LINE_LIMIT {
            let detail = format!("line {number} is longer than {} MiB", LINE_LIMIT >> 20);
            return Err(Error::Format { path: file.to_owned(), detail });
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = serde_json::from_slice(&line).map_err(|error| failed(file, number, &error))?;
        if !take(row) {
            break;
        }
    }
    Ok(())
}

/// The rows of one array, without holding more than one of them.
fn array(file: &Path, reader: impl Read, take: &mut dyn FnMut(Row) -> bool) -> Result<()> {
    struct Elements<'a> {
        take: &'a mut dyn FnMut(Row) -> bool,
        is_stopped: &'a mut bool,
    }
    impl<'de> Visitor<'de> for Elements<'_> {
        type Value = ();

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an array of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> std::result::Result<(), A::Error> {
            while let Some(row) = elements.next_element()? {
                if !(self.take)(row) {
                    *self.is_stopped = true;
                    return Err(A::Error::custom("no more rows are wanted"));
                }
            }
            Ok(())
        }
    }
    let mut is_stopped = false;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let read = deserializer.deserialize_seq(Elements { take, is_stopped: &mut is_stopped });
    match read.and_then(|()| deserializer.end()) {
        Err(error) if !is_stopped => Err(failed(file, error.line() as u64, &error)),
        _ => Ok(()),
    }
}

/// Never quotes the file: values are nobody's business in an error.
fn failed(file: &Path, line: u64, error: &serde_json::Error) -> Error {
    let path = file.to_owned();
    let what = match error.classify() {
        Category::Io => return Error::File { path, detail: error.to_string() },
        Category::Syntax => "malformed JSON",
        Category::Data => "no JSON object",
        Category::Eof => "the JSON ends too early",
    };
    Error::Format { path, detail: format!("line {line}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_make_types() {
        for (values, expected) in [
            ("[null]", DataType::Null),
            ("[1, null, -2]", DataType::Int64),
            ("[1, 0.5]", DataType::Float64),
            ("[9223372036854775808]", DataType::Float64),
            (r#"[1, "NaN", "-Infinity"]"#, DataType::Float64),
            (r#"["NaN"]"#, DataType::Utf8),
            ("[true]", DataType::Boolean),
            ("[true, 1]", DataType::Utf8),
            (r#"[1, "x"]"#, DataType::Utf8),
            ("[1, {}]", DataType::Utf8),
            ("[{}, null]", DataType::Struct(Fields::empty())),
        ] {
            let Value::Array(elements) = serde_json::from_str(values).unwrap() else { panic!("{values}") };
            assert_eq!(
                data_type(elements.iter().map(classify).fold(0, |seen, kind| seen | kind)),
                expected,
                "{values}"
            );
        }
    }
}
