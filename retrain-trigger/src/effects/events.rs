//! Reading events back from the history, one file at a time.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use contract::artifact::hash_file;
use contract::{Contract, EventTime};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use store::HistoryFileRow;

use super::scores::key;
use crate::world::{Outcome, Trouble};

/// A prediction as it was served.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PredictionEvent {
    pub id: u128,
    pub time: EventTime,
    pub version: String,
    /// None where there is none in [0, 1].
    pub score: Option<f64>,
    /// Seconds.
    pub latency: Option<f64>,
    pub is_error: bool,
    /// What another version would have said.
    pub shadow: Option<(String, f64)>,
}

/// A label as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LabelEvent {
    pub time: EventTime,
    pub offset: i64,
    pub id: u128,
    pub value: Option<bool>,
}

/// Names of a contract's prediction columns in the history.
#[derive(Clone, Debug)]
pub(super) struct PredictionNames {
    event_id: String,
    time: String,
    version: String,
    score: String,
    latency: String,
    error: String,
    shadow_version: String,
    shadow_score: String,
}

impl PredictionNames {
    pub fn of(contract: &Contract) -> Self {
        let own = |name| ingest::dataset::own_name(contract, name);
        Self {
            event_id: own("event_id"),
            time: own("time"),
            version: own("version"),
            score: own("score"),
            latency: own("latency"),
            error: own("error"),
            shadow_version: own("shadow_version"),
            shadow_score: own("shadow_score"),
        }
    }

    fn all(&self) -> [&str; 8] {
        let Self { event_id, time, version, score, latency, error, shadow_version, shadow_score } = self;
        [event_id, time, version, score, latency, error, shadow_version, shadow_score]
    }
}

/// A file's predictions at `since` or later.
pub(super) fn predictions(
    state: &Path,
    file: &HistoryFileRow,
    names: &PredictionNames,
    since: EventTime,
) -> Outcome<Vec<PredictionEvent>> {
    let mut events = Vec::new();
    for batch in reader(state, file, &names.all())? {
        let read = batch.map_err(|error| error.to_string());
        let read = read.and_then(|batch| read_predictions(&batch, names, since, &mut events));
        read.map_err(|detail| unreadable(state, file, &detail))?;
    }
    Ok(events)
}

fn read_predictions(
    batch: &RecordBatch,
    names: &PredictionNames,
    since: EventTime,
    events: &mut Vec<PredictionEvent>,
) -> Result<(), String> {
    let ids = texts(batch, &names.event_id)?.ok_or("it has no event ids")?;
    let times = times(batch, &names.time)?;
    let versions = texts(batch, &names.version)?;
    let scores = floats(batch, &names.score)?;
    let latencies = floats(batch, &names.latency)?;
    let errors = booleans(batch, &names.error)?;
    let shadow_versions = texts(batch, &names.shadow_version)?;
    let shadow_scores = floats(batch, &names.shadow_score)?;
    for (row, time) in times.into_iter().enumerate().filter(|(_, time)| *time >= since) {
        let shadow_version = text(shadow_versions.as_ref(), row);
        let shadow_score = probability(shadow_scores.as_ref(), row);
        events.push(PredictionEvent {
            id: key(ids.value(row)),
            time,
            version: text(versions.as_ref(), row).unwrap_or_default().to_owned(),
            score: probability(scores.as_ref(), row),
            latency: number(latencies.as_ref(), row).filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
            is_error: errors.as_ref().is_some_and(|errors| errors.is_valid(row) && errors.value(row)),
            shadow: shadow_version.map(str::to_owned).zip(shadow_score),
        });
    }
    Ok(())
}

/// A file's labels at `since` or later.
pub(super) fn labels(state: &Path, file: &HistoryFileRow, since: EventTime) -> Outcome<Vec<LabelEvent>> {
    let mut events = Vec::new();
    for batch in reader(state, file, &["event_id", "time", "label", "offset"])? {
        let read = batch.map_err(|error| error.to_string()).and_then(|batch| read_labels(&batch, since, &mut events));
        read.map_err(|detail| unreadable(state, file, &detail))?;
    }
    Ok(events)
}

fn read_labels(batch: &RecordBatch, since: EventTime, events: &mut Vec<LabelEvent>) -> Result<(), String> {
    let ids = texts(batch, "event_id")?.ok_or("it has no event ids")?;
    let values = booleans(batch, "label")?.ok_or("it has no labels")?;
    let offsets = batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let offsets = offsets.ok_or("it has no offsets")?;
    for (row, time) in times(batch, "time")?.into_iter().enumerate().filter(|(_, time)| *time >= since) {
        let value = values.is_valid(row).then(|| values.value(row));
        events.push(LabelEvent { time, offset: offsets.value(row), id: key(ids.value(row)), value });
    }
    Ok(())
}

/// A file's batches with those of the columns that it has. Its bytes are compared with the SHA-256 that was recorded.
fn reader(state: &Path, file: &HistoryFileRow, columns: &[&str]) -> Outcome<ParquetRecordBatchReader> {
    let path = state.join(&file.path);
    let (sha256, _) = hash_file(&path).map_err(|error| unreadable(state, file, &error.to_string()))?;
    if sha256 != file.sha256 {
        return Err(unreadable(state, file, "it was changed: its SHA-256 is not the one that was recorded"));
    }
    let open = || -> Result<ParquetRecordBatchReader, String> {
        let opened = File::open(&path).map_err(|error| error.to_string())?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| error.to_string())?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder.with_projection(mask).build().map_err(|error| error.to_string())
    };
    open().map_err(|detail| unreadable(state, file, &detail))
}

/// It may come back, from a backup.
fn unreadable(state: &Path, file: &HistoryFileRow, detail: &str) -> Trouble {
    Trouble::Passing(format!("the history file {} can't be read: {detail}", state.join(&file.path).display()))
}

fn times(batch: &RecordBatch, name: &str) -> Result<Vec<EventTime>, String> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let times = column.ok_or_else(|| format!("it has no times in `{name}`"))?;
    Ok(times.values().iter().map(|micros| EventTime::from_micros(*micros)).collect())
}

fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<Option<ArrayRef>, String> {
    let column = batch.column_by_name(name).map(|column| cast(column, kind));
    column.transpose().map_err(|error| error.to_string())
}

fn texts(batch: &RecordBatch, name: &str) -> Result<Option<StringArray>, String> {
    Ok(column(batch, name, &DataType::Utf8)?.map(|column| column.as_string::<i32>().clone()))
}

fn floats(batch: &RecordBatch, name: &str) -> Result<Option<Float64Array>, String> {
    Ok(column(batch, name, &DataType::Float64)?.map(|column| column.as_primitive::<Float64Type>().clone()))
}

fn booleans(batch: &RecordBatch, name: &str) -> Result<Option<BooleanArray>, String> {
    Ok(column(batch, name, &DataType::Boolean)?.map(|column| column.as_boolean().clone()))
}

fn text(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

fn number(column: Option<&Float64Array>, row: usize) -> Option<f64> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

fn probability(column: Option<&Float64Array>, row: usize) -> Option<f64> {
    number(column, row).filter(|score| (0.0..=1.0).contains(score))
}
