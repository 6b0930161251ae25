//! The pinned rows: Parquet files, checked against their SHA-256 before a row is used.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use contract::model::ColumnKind;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::spec::DataFile;
use crate::{Column, Error, Result};

/// All rows are held in memory.
pub const MAX_ROWS: u64 = 50_000_000;
const BATCH_ROWS: usize = 65_536;
const HASHED_BYTES: usize = 1 << 20;

/// Which columns of a file are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    pub features: &'a [Column],
    pub event_id: &'a str,
    pub time: Option<&'a str>,
    pub label: Option<&'a str>,
}

/// The rows of one file, in its order.
#[derive(Debug, Default)]
pub struct Table {
    /// The features, with the schema that [`schema`] gives.
    pub batches: Vec<RecordBatch>,
    /// As many as batches.
    pub event_ids: Vec<StringArray>,
    /// Event time in microseconds, one a row; empty where no time was asked for.
    pub times: Vec<i64>,
    /// One a row; empty where no label was asked for.
    pub labels: Vec<bool>,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Features as Arrow fields, all nullable.
pub fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, data_type(column.kind), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Float64 => DataType::Float64,
        ColumnKind::Int64 => DataType::Int64,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::String => DataType::Utf8,
    }
}

/// Reads a pinned file. `stop` is asked now and then, and ends the reading with [`Error::Interrupted`].
///
/// Errors: [`Error::Data`] for other bytes than were pinned, for missing or mistyped columns, for rows without id, time or label.
pub fn read_pinned(file: &DataFile, layout: &Layout<'_>, stop: &dyn Fn() -> bool) -> Result<Table> {
    let mut opened = open(&file.path)?;
    let found = sha256(&mut opened, &file.path, stop)?;
    if found != file.sha256 {
        return Err(Error::data(
            &file.path,
            format!("its SHA-256 is {found}, and {} was pinned; the file has changed since", file.sha256),
        ));
    }
    let table = read_opened(opened, &file.path, layout, stop)?;
    if table.rows() as u64 != file.rows {
        return Err(Error::data(&file.path, format!("it has {} rows, and {} were pinned", table.rows(), file.rows)));
    }
    Ok(table)
}

/// Reads a file that nobody pinned.
pub fn read(path: &Path, layout: &Layout<'_>) -> Result<Table> {
    read_opened(open(path)?, path, layout, &|| false)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::data(path, error.to_string()))
}

/// Of the whole file; leaves the file at its start.
fn sha256(file: &mut File, path: &Path, stop: &dyn Fn() -> bool) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HASHED_BYTES];
    loop {
        if stop() {
            return Err(Error::Interrupted);
        }
        let read = file.read(&mut buffer).map_err(Error::file(path, "read"))?;
        if read == 0 {
            break;
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
    file.rewind().map_err(Error::file(path, "read"))?;
    Ok(format!("{:x}", hash.finalize()))
}

fn read_opened(file: File, path: &Path, layout: &Layout<'_>, stop: &dyn Fn() -> bool) -> Result<Table> {
    let unreadable = |detail: String| Error::data(path, detail);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(error.to_string()))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if u64::try_from(rows).is_ok_and(|rows| rows > MAX_ROWS) {
        return Err(unreadable(format!("it has {rows} rows; this trainer holds at most {MAX_ROWS}")));
    }
    let features = layout.features.iter().map(|column| column.name.as_str());
    let wanted: Vec<&str> = features.chain([layout.event_id]).chain(layout.time).chain(layout.label).collect();
    let fields = builder.schema().fields();
    let roots = fields.iter().enumerate().filter(|(_, field)| wanted.contains(&field.name().as_str()));
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots.map(|(index, _)| index));
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| unreadable(error.to_string()))?;
    let mut table = Table::default();
    for batch in reader {
        if stop() {
            return Err(Error::Interrupted);
        }
        let batch = batch.map_err(|error| unreadable(error.to_string()))?;
        append(&mut table, &batch, layout).map_err(unreadable)?;
    }
    Ok(table)
}

/// Errors in words.
fn append(table: &mut Table, batch: &RecordBatch, layout: &Layout<'_>) -> Result<(), String> {
    let mut features = Vec::with_capacity(layout.features.len());
    for column in layout.features {
        features.push(feature(batch, column)?);
    }
    if let Some(name) = layout.time {
        let found = complete(batch, name)?;
        if !matches!(found.data_type(), DataType::Timestamp(..)) {
            return Err(format!("the column `{name}` is {}; use a timestamp", found.data_type()));
        }
        let times = converted(found, name, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        table.times.extend_from_slice(times.as_primitive::<TimestampMicrosecondType>().values());
    }
    if let Some(name) = layout.label {
        let labels = complete(batch, name)?;
        let Some(labels) = labels.as_boolean_opt() else {
            return Err(format!("the column `{name}` is {}; use booleans", labels.data_type()));
        };
        table.labels.extend(labels.values().iter());
    }
    let ids = complete(batch, layout.event_id)?;
    if !is_text(ids.data_type()) {
        return Err(format!("the column `{}` is {}; use text", layout.event_id, ids.data_type()));
    }
    table.event_ids.push(converted(ids, layout.event_id, &DataType::Utf8)?.as_string().clone());
    let batch = RecordBatch::try_new(schema(layout.features), features).map_err(|error| error.to_string())?;
    table.batches.push(batch);
    Ok(())
}

fn find<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))
}

fn complete<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    let array = find(batch, name)?;
    match array.logical_null_count() {
        0 => Ok(array),
        missing => Err(format!("the column `{name}` lacks {missing} values")),
    }
}

/// A feature in the type that it was declared with: from narrower numbers and other kinds of text, never from numbers to text or back.
fn feature(batch: &RecordBatch, column: &Column) -> Result<ArrayRef, String> {
    let array = find(batch, &column.name)?;
    let found = array.data_type();
    let fits = match column.kind {
        ColumnKind::Float64 => {
            found.is_numeric() && !matches!(found, DataType::Decimal128(..) | DataType::Decimal256(..))
        }
        ColumnKind::Int64 => found.is_integer(),
        ColumnKind::Boolean => *found == DataType::Boolean,
        ColumnKind::String => is_text(found),
    };
    // A column without any value may have the type of nothing.
    if !fits && *found != DataType::Null {
        return Err(format!("the column `{}` is {found}, and {} is declared", column.name, data_type(column.kind)));
    }
    converted(array, &column.name, &data_type(column.kind))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Values that don't fit are errors, not missing values.
fn converted(array: &ArrayRef, name: &str, to: &DataType) -> Result<ArrayRef, String> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|error| format!("the column `{name}`: {error}"))
}
