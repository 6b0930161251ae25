//! Parquet files of events: each row becomes a JSON object, so that it goes the way that every event goes.
//!
//! That is slow next to reading the columns as they are, and simple: pointers, types and refusals are the same for both
//! kinds of files. Times become RFC 3339 text in UTC; NaN and infinities become the texts that the decoder knows.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, WriterBuilder};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::Error;

type Result<T, E = Error> = std::result::Result<T, E>;

const BATCH_ROWS: usize = 1_024;

/// Reads events of a Parquet file.
pub(super) struct ParquetLines {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    lines: VecDeque<Vec<u8>>,
}

impl ParquetLines {
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |detail: String| Error::File { path: path.to_owned(), detail };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(error.to_string()))?;
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { path: path.to_owned(), batches, lines: VecDeque::new() })
    }

    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while self.lines.is_empty() {
            let Some(batch) = self.batches.next() else { return Ok(None) };
            let lines = batch.and_then(|batch| json_lines(&batch));
            let lines = lines.map_err(|error| Error::File { path: self.path.clone(), detail: error.to_string() })?;
            self.lines = lines;
        }
        Ok(self.lines.pop_front())
    }
}

fn json_lines(batch: &RecordBatch) -> Result<VecDeque<Vec<u8>>, ArrowError> {
    let batch = in_utc(batch)?;
    let mut json = Vec::new();
    let builder = WriterBuilder::new().with_encoder_factory(Arc::new(FloatTexts));
    let mut writer = builder.build::<_, LineDelimited>(&mut json);
    writer.write(&batch)?;
    writer.finish()?;
    drop(writer);
    let lines: VecDeque<Vec<u8>> = json.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    Ok(lines.into_iter().filter(|line| !line.is_empty()).collect())
}

/// Times and dates without a zone are taken as UTC.
fn in_utc(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let unit = match field.data_type() {
            DataType::Timestamp(unit, None) => Some(*unit),
            DataType::Date32 | DataType::Date64 => Some(TimeUnit::Millisecond),
            _ => None,
        };
        let Some(unit) = unit else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        };
        let utc = DataType::Timestamp(unit, Some("UTC".into()));
        // Naive times have to become naive instants first, so that no zone is applied to them.
        columns.push(cast(&cast(column, &DataType::Timestamp(unit, None))?, &utc)?);
        fields.push(Arc::new(Field::new(field.name(), utc, field.is_nullable())));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Writes NaN and infinities as texts; JSON has no numbers for them, and a null would be another thing.
#[derive(Debug)]
struct FloatTexts;

impl EncoderFactory for FloatTexts {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let nulls = array.nulls().cloned();
        if let Some(values) = array.as_primitive_opt::<Float64Type>() {
            let encoder = Floats { values: values.values(), is_finite: |value: f64| value.is_finite() };
            return Ok(Some(NullableEncoder::new(Box::new(encoder), nulls)));
        }
        if let Some(values) = array.as_primitive_opt::<Float32Type>() {
            let encoder = Floats { values: values.values(), is_finite: |value: f32| value.is_finite() };
            return Ok(Some(NullableEncoder::new(Box::new(encoder), nulls)));
        }
        Ok(None)
    }
}

struct Floats<'a, T> {
    values: &'a [T],
    is_finite: fn(T) -> bool,
}

impl<T: Copy + std::fmt::Debug> Encoder for Floats<'_, T> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let Some(value) = self.values.get(row).copied() else { return };
        // Writing to a vector can't fail.
        let _ = if (self.is_finite)(value) {
            write!(out, "{value:?}")
        } else {
            let text = match format!("{value:?}").as_str() {
                "inf" => "Infinity",
                "-inf" => "-Infinity",
                _ => "NaN",
            };
            write!(out, "\"{text}\"")
        };
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::UInt64Array;

    use super::*;

    #[test]
    fn i4_ids_beyond_64_signed_bits_keep_all_their_digits() {
        let ids: ArrayRef = Arc::new(UInt64Array::from(vec![7, 1 << 63, u64::MAX]));
        let lines = json_lines(&RecordBatch::try_from_iter([("id", ids)]).unwrap()).unwrap();
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(lines, [r#"{"id":7}"#, r#"{"id":9223372036854775808}"#, r#"{"id":18446744073709551615}"#]);
    }
}
