//! Splits joined rows by time into training data, held-out data and the truth about the latter, as Parquet.
//!
//! The files are functions of the rows alone: batches are cut anew, so the same selection gives the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{BatchCoalescer, cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::files;
use super::join::{BATCH_ROWS, OWN_COLUMNS, time_type};
use super::manifest::{DataFile, DataFiles, LeftOut, Selection};
use crate::world::{Outcome, Trouble};

/// Rows with labels that one retraining takes, for training and held out: candidates' scores of them are held in memory.
pub(super) const MAX_LABELLED_ROWS: u64 = 10_000_000;

const TRAIN: &str = "train.parquet";
const HELD_OUT: &str = "held_out.parquet";
const TRUTH: &str = "held_out_truth.parquet";
/// Rows of a row group.
const GROUP_ROWS: usize = 128 * 1_024;

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub rows: u64,
    pub labelled: u64,
    /// Training rows whose label is true.
    pub positive: u64,
}

/// Takes joined rows in order and writes three files, none of which is seen before [`Split::finish`].
pub(super) struct Split<'a> {
    selection: &'a Selection,
    /// Indexes of the segment columns among the joined ones.
    segments: Vec<usize>,
    train: DataWriter,
    held_out: DataWriter,
    truth: DataWriter,
    pub counts: Counts,
}

impl<'a> Split<'a> {
    pub fn begin(folder: &Path, selection: &'a Selection) -> Outcome<Self> {
        let place = |name: &String| selection.columns.iter().position(|column| column.name == *name);
        let segments: Vec<usize> =
            selection.segments.iter().filter_map(place).map(|place| place + OWN_COLUMNS).collect();
        let failed = |error: ParquetError| trouble(folder, &error);
        Ok(Self {
            train: DataWriter::begin(folder, Arc::new(train_schema(selection, true))).map_err(failed)?,
            held_out: DataWriter::begin(folder, Arc::new(train_schema(selection, false))).map_err(failed)?,
            truth: DataWriter::begin(folder, Arc::new(truth_schema(selection, &segments))).map_err(failed)?,
            segments,
            selection,
            counts: Counts::default(),
        })
    }

    /// Takes a batch of [`super::join::Join::rows`].
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        let labels = batch.column(4).as_boolean();
        let held_out_from = self.selection.held_out_from.micros();
        let (mut train, mut held_out) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
        for (row, time) in times.values().iter().enumerate() {
            let is_used = !is_left_out(&self.selection.left_out, *time);
            let is_labelled = is_used && labels.is_valid(row);
            let is_train = is_labelled && *time < held_out_from;
            self.counts.rows += u64::from(is_used);
            self.counts.labelled += u64::from(is_labelled);
            self.counts.positive += u64::from(is_train && labels.value(row));
            train.push(is_train);
            held_out.push(is_labelled && !is_train);
        }
        let features = OWN_COLUMNS..batch.num_columns();
        let train_rows = filter_record_batch(batch, &BooleanArray::from(train))?;
        let held_out_rows = filter_record_batch(batch, &BooleanArray::from(held_out))?;
        self.train.add(&train_rows, [0, 1].into_iter().chain(features.clone()).chain([4]))?;
        self.held_out.add(&held_out_rows, [0, 1].into_iter().chain(features))?;
        self.truth.add(&held_out_rows, (0..OWN_COLUMNS).chain(self.segments.iter().copied()))
    }

    /// Puts the files in place, on the disk.
    pub fn finish(self, folder: &Path) -> Outcome<DataFiles> {
        Ok(DataFiles {
            train: self.train.finish(folder, TRAIN)?,
            held_out: self.held_out.finish(folder, HELD_OUT)?,
            truth: self.truth.finish(folder, TRUTH)?,
        })
    }
}

/// Whether a time is in a left-out window; the runs are in order.
fn is_left_out(left_out: &[LeftOut], micros: i64) -> bool {
    let place = left_out.partition_point(|run| run.to.micros() <= micros);
    left_out.get(place).is_some_and(|run| run.from.micros() <= micros)
}

fn train_schema(selection: &Selection, has_labels: bool) -> Schema {
    let names = &selection.names;
    let mut fields =
        vec![Field::new(&names.event_id, DataType::Utf8, false), Field::new(&names.time, time_type(), false)];
    fields.extend(selection.columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true)));
    if has_labels {
        fields.push(Field::new(&names.label, DataType::Boolean, false));
    }
    Schema::new(fields)
}

fn truth_schema(selection: &Selection, segments: &[usize]) -> Schema {
    let names = &selection.names;
    let mut fields = vec![
        Field::new(&names.event_id, DataType::Utf8, false),
        Field::new(&names.time, time_type(), false),
        Field::new(&names.version, DataType::Utf8, true),
        Field::new(&names.score, DataType::Float64, true),
        Field::new(&names.label, DataType::Boolean, false),
    ];
    let columns = segments.iter().filter_map(|place| selection.columns.get(place - OWN_COLUMNS));
    fields.extend(columns.map(|column| Field::new(&column.name, column.kind.data_type(), true)));
    Schema::new(fields)
}

/// Writes one Parquet file of a given schema.
pub(super) struct DataWriter {
    schema: SchemaRef,
    batches: BatchCoalescer,
    writer: ArrowWriter<Hashing>,
    rows: u64,
}

impl DataWriter {
    pub fn begin(folder: &Path, schema: SchemaRef) -> Result<Self, ParquetError> {
        let file = files::begin(folder)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let hashing = Hashing { inner: BufWriter::new(file.reopen()?), file, hash: Sha256::new() };
        Ok(Self {
            writer: ArrowWriter::try_new(hashing, schema.clone(), Some(properties))?,
            batches: BatchCoalescer::new(schema.clone(), BATCH_ROWS),
            schema,
            rows: 0,
        })
    }

    /// Takes these columns of a batch, as the schema has them.
    pub fn add(&mut self, batch: &RecordBatch, columns: impl Iterator<Item = usize>) -> Result<(), ParquetError> {
        let arrays: Vec<ArrayRef> = columns
            .zip(self.schema.fields())
            .map(|(column, field)| cast(batch.column(column), field.data_type()))
            .collect::<Result<_, ArrowError>>()?;
        self.rows += batch.num_rows() as u64;
        self.batches.push_batch(RecordBatch::try_new(self.schema.clone(), arrays)?)?;
        self.write_complete()
    }

    fn write_complete(&mut self) -> Result<(), ParquetError> {
        while let Some(batch) = self.batches.next_completed_batch() {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    /// Puts the file in its place.
    pub fn finish(mut self, folder: &Path, name: &str) -> Outcome<DataFile> {
        let path = folder.join(name);
        let failed = |error: &ParquetError| trouble(&path, error);
        self.batches.finish_buffered_batch().map_err(|error| failed(&error.into()))?;
        self.write_complete().map_err(|error| failed(&error))?;
        let Hashing { file, mut inner, hash } = self.writer.into_inner().map_err(|error| failed(&error))?;
        inner.flush().and_then(|()| files::keep(file, &path)).map_err(|error| files::cannot_write(&path, &error))?;
        Ok(DataFile { path: name.to_owned(), sha256: super::hexadecimal(&hash.finalize()), rows: self.rows })
    }
}

/// Hashes what passes through.
struct Hashing {
    file: NamedTempFile,
    inner: BufWriter<File>,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// Writing fails for want of space, or because a column doesn't fit.
pub(super) fn trouble(path: &Path, error: &ParquetError) -> Trouble {
    let words = format!("{} can't be written: {error}", path.display());
    match error {
        ParquetError::External(_) => Trouble::Passing(words),
        _ => Trouble::Lasting(words),
    }
}

#[cfg(test)]
mod tests {
    use contract::EventTime;

    use super::*;

    #[test]
    fn t5_left_out_runs_are_half_open() {
        let run = |from, to| LeftOut {
            from: EventTime::from_micros(from),
            to: EventTime::from_micros(to),
            faults: String::new(),
        };
        let runs = [run(10, 20), run(30, 40)];
        let found: Vec<i64> = (0..50).filter(|time| is_left_out(&runs, *time)).collect();
        assert_eq!(found, (10..20).chain(30..40).collect::<Vec<_>>());
        assert!(!is_left_out(&[], 5));
    }
}
