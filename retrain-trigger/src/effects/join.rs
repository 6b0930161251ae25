//! Predictions with their labels, joined by DataFusion over the history's Parquet files in bounded memory.
//!
//! As docs/semantics.md has it for performance: an event counts once, with the last of its labels by (time, offset) that lies
//! within the horizon. Late predictions are left out; quarantined windows are, after it ([`super::split`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use contract::EventTime;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;

use super::manifest::{DataKind, Selection};
use crate::world::{Outcome, Trouble};

/// What sorts and joins hold before they spill to the disk.
const MEMORY: usize = 512 << 20;
/// Rows of a batch.
pub(super) const BATCH_ROWS: usize = 8_192;
/// Threads: the monitor goes on beside it.
const PARTITIONS: usize = 2;

/// Columns of [`Join::rows`] before the features, in this order.
pub(super) const OWN_COLUMNS: usize = 5;

/// The tables of one selection.
pub(super) struct Join<'a> {
    context: SessionContext,
    selection: &'a Selection,
}

impl<'a> Join<'a> {
    /// `scratch` is where sorts spill to.
    pub fn open(state: &Path, selection: &'a Selection, scratch: &Path) -> Outcome<Self> {
        let context = session(scratch).map_err(|error| trouble(&error))?;
        register(&context, "prediction", state, selection, prediction_schema(selection))?;
        register(&context, "label", state, selection, label_schema())?;
        Ok(Self { context, selection })
    }

    /// `event_id`, `time`, `version`, `score`, `label` and the features, by (time, event id). Events without a label have a
    /// null there.
    pub async fn rows(&self) -> Outcome<SendableRecordBatchStream> {
        let names = &self.selection.names;
        let features: Vec<String> = self
            .selection
            .columns
            .iter()
            .enumerate()
            .map(|(n, column)| format!("{} AS f{n}", quoted(&column.name)))
            .collect();
        let taken = |prefix: &str| -> String {
            (0..features.len()).fold(String::new(), |text, n| format!("{text}, {prefix}f{n}"))
        };
        let inner: String = features.iter().fold(String::new(), |text, feature| format!("{text}, {feature}"));
        // Labels have no features that could be called the same: `event_id`, `time`, `label`, `offset` as they are.
        let sql = format!(
            r#"WITH served AS (
                 SELECT id, at, version, score{columns} FROM (
                     SELECT {event_id} AS id, {time} AS at, {version} AS version, {score} AS score{inner},
                         ROW_NUMBER() OVER (PARTITION BY {event_id} ORDER BY {time} DESC, {offset} DESC) AS place
                     FROM prediction WHERE {within} AND NOT {late}
                 ) WHERE place = 1
             ), known AS (
                 SELECT id, label FROM (
                     SELECT served.id AS id, label."label" AS label,
                         ROW_NUMBER() OVER (PARTITION BY served.id ORDER BY label."time" DESC, label."offset" DESC) AS place
                     FROM served JOIN label ON label."event_id" = served.id
                     WHERE CAST(label."time" AS BIGINT) - CAST(served.at AS BIGINT) BETWEEN -{horizon} AND {horizon}
                 ) WHERE place = 1
             )
             SELECT served.id, served.at, served.version, served.score, known.label{result}
             FROM served LEFT JOIN known ON known.id = served.id
             ORDER BY served.at, served.id"#,
            columns = taken(""),
            result = taken("served."),
            event_id = quoted(&names.event_id),
            time = quoted(&names.time),
            version = quoted(&names.version),
            score = quoted(&names.score),
            offset = quoted(&names.offset),
            late = quoted(&names.late),
            within = self.within(),
            horizon = self.selection.label_horizon,
        );
        let data = self.context.sql(&sql).await.map_err(|error| trouble(&error))?;
        data.execute_stream().await.map_err(|error| trouble(&error))
    }

    /// Predictions of the span that came after their window was closed.
    pub async fn late_rows(&self) -> Outcome<u64> {
        let late = quoted(&self.selection.names.late);
        let sql = format!("SELECT {late} FROM prediction WHERE {} AND {late}", self.within());
        let data = self.context.sql(&sql).await.map_err(|error| trouble(&error))?;
        Ok(data.count().await.map_err(|error| trouble(&error))? as u64)
    }

    fn within(&self) -> String {
        let time = quoted(&self.selection.names.time);
        format!("{time} >= {} AND {time} < {}", instant(self.selection.from), instant(self.selection.to))
    }
}

fn session(scratch: &Path) -> Result<SessionContext, DataFusionError> {
    let mode = DiskManagerMode::Directories(vec![scratch.to_owned()]);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(MEMORY)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_batch_size(BATCH_ROWS)
        .with_collect_statistics(false);
    // Joins by sorting can spill, joins by hashing can't.
    config.options_mut().optimizer.prefer_hash_join = false;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn register(
    context: &SessionContext,
    kind: &str,
    state: &Path,
    selection: &Selection,
    schema: SchemaRef,
) -> Outcome<()> {
    let mut urls = Vec::new();
    for file in selection.files.iter().filter(|file| file.kind == kind) {
        let path: PathBuf = state.join(&file.path);
        urls.push(ingest::dataset::file_url(&path).map_err(|error| Trouble::Lasting(error.to_string()))?);
    }
    if urls.is_empty() {
        // The span was chosen when everything of it was read and listed, so none will come.
        return Err(Trouble::Lasting(format!(
            "the history has no {kind}s from {} to {}",
            selection.from, selection.to
        )));
    }
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(|error| trouble(&error))?;
    context.register_table(kind, Arc::new(table)).map_err(|error| trouble(&error))?;
    Ok(())
}

/// Files of earlier contracts fit into it: columns that they lack are null, other types are cast.
fn prediction_schema(selection: &Selection) -> SchemaRef {
    let names = &selection.names;
    let mut fields = vec![
        Field::new(&names.event_id, DataType::Utf8, true),
        Field::new(&names.time, time_type(), true),
        Field::new(&names.version, DataType::Utf8, true),
        Field::new(&names.score, DataType::Float64, true),
        Field::new(&names.late, DataType::Boolean, true),
        Field::new(&names.offset, DataType::Int64, true),
    ];
    fields.extend(selection.columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true)));
    Arc::new(Schema::new(fields))
}

fn label_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("event_id", DataType::Utf8, true),
        Field::new("time", time_type(), true),
        Field::new("label", DataType::Boolean, true),
        Field::new("offset", DataType::Int64, true),
    ]))
}

impl DataKind {
    pub fn data_type(self) -> DataType {
        match self {
            Self::Float64 => DataType::Float64,
            Self::Int64 => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::String => DataType::Utf8,
        }
    }
}

/// Times of the history, and of the data files.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn instant(time: EventTime) -> String {
    format!("arrow_cast({}, 'Timestamp(Microsecond, Some(\"UTC\"))')", time.micros())
}

/// What DataFusion complains of. Later lines may quote data and are left out.
pub(super) fn trouble(error: &DataFusionError) -> Trouble {
    let words = error.to_string();
    let words = words.lines().next().unwrap_or_default();
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Trouble::Lasting(format!(
            "the data are too large to be joined ({words}); make retrain.dataset.span shorter"
        )),
        DataFusionError::IoError(_) => Trouble::Passing(format!("the history can't be read: {words}")),
        _ => Trouble::Lasting(format!("the history can't be joined: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_cannot_leave_their_quotes() {
        assert_eq!(quoted("a"), "\"a\"");
        assert_eq!(quoted("a\"; DROP TABLE b"), "\"a\"\"; DROP TABLE b\"");
    }
}
