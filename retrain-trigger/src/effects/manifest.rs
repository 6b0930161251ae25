//! `manifest.json`: exactly which rows a retraining learns from and is judged on.
//!
//! It is written last, once all data files are on the disk: with it the data are pinned, without it nothing is. From its list
//! of history files the data files can be made again, byte for byte.

use std::path::Path;

use contract::model::{ColumnKind, Contract, Privacy};
use contract::{EventTime, artifact};
use serde::{Deserialize, Serialize};

use super::files;
use crate::retraining::Manifest;
use crate::world::{Outcome, Trouble};

/// Within a retraining's folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// Version of the file's form.
pub(super) const SCHEMA_VERSION: u32 = 1;
/// Bytes of a manifest: a line for each of the history's files.
const MAX_BYTES: u64 = 256 << 20;
/// Runs of left-out windows that are told to people.
const TOLD: usize = 20;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    #[serde(flatten)]
    pub selection: Selection,
    #[serde(flatten)]
    pub results: Results,
}

/// What is chosen before anything is joined: the same selection gives the same data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Selection {
    pub schema_version: u32,
    pub model: String,
    pub retraining: String,
    /// Predictions at this time or later, and before `to`; those from `held_out_from` on are held out.
    pub from: EventTime,
    pub held_out_from: EventTime,
    pub to: EventTime,
    /// Microseconds: a label counts if its prediction is at most so far away.
    pub label_horizon: i64,
    /// Quarantined windows: nothing of them is used.
    pub left_out: Vec<LeftOut>,
    pub names: Names,
    /// Features in the contract's order, without those that are never kept.
    pub columns: Vec<DataColumn>,
    /// Columns none of whose values may become worse.
    pub segments: Vec<String>,
    pub files: Vec<SourceFile>,
}

/// Consecutive quarantined windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut {
    pub from: EventTime,
    pub to: EventTime,
    /// In words: "unit_change of dewp, temp"; empty when the findings don't tell.
    pub faults: String,
}

/// How the event's own columns are called: with underscores in front where a feature has the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    pub event_id: String,
    pub time: String,
    pub version: String,
    pub score: String,
    pub prediction: String,
    pub late: String,
    pub offset: String,
    pub label: String,
}

impl Names {
    pub fn of(contract: &Contract) -> Self {
        let own = |name| ingest::dataset::own_name(contract, name);
        Self {
            event_id: own("event_id"),
            time: own("time"),
            version: own("version"),
            score: own("score"),
            prediction: own("prediction"),
            late: own("late"),
            offset: own("offset"),
            label: own("label"),
        }
    }
}

/// A feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: DataKind,
}

/// Types as a trainer's `spec.json` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DataKind {
    Float64,
    Int64,
    Boolean,
    String,
}

/// The columns that the history has: hashed ones are text, dropped ones aren't there.
pub(super) fn columns(contract: &Contract) -> Vec<DataColumn> {
    let kept = contract.schema.iter().filter(|column| column.privacy != Privacy::Drop);
    let columns = kept.map(|column| DataColumn {
        name: column.name.clone(),
        kind: match (column.privacy, column.kind) {
            (Privacy::Hash, _) | (_, ColumnKind::String) => DataKind::String,
            (_, ColumnKind::Float64) => DataKind::Float64,
            (_, ColumnKind::Int64) => DataKind::Int64,
            (_, ColumnKind::Boolean) => DataKind::Boolean,
        },
    });
    columns.collect()
}

/// One file of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceFile {
    /// `prediction` or `label`.
    pub kind: String,
    /// Relative to the state folder.
    pub path: String,
    pub sha256: String,
    pub rows: u64,
    /// Rows `[first, last)` hold all events of the span.
    pub first: u64,
    pub last: u64,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    /// Predictions of the span, each event once, without left-out windows and late ones; and those that have a label.
    pub rows: u64,
    pub labelled: u64,
    pub coverage: f64,
    /// Predictions that came after their window was closed. No window holds them, so nobody has looked for faults in them,
    /// and nothing is learnt from them.
    pub late_rows: u64,
    pub data: DataFiles,
}

/// Paths are relative to the retraining's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFiles {
    pub train: DataFile,
    /// Without labels.
    pub held_out: DataFile,
    /// Labels and live scores of the held-out rows, in the same order. No trainer is told of it.
    pub truth: DataFile,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataFile {
    pub path: String,
    pub sha256: String,
    pub rows: u64,
}

impl DataFiles {
    /// Whether all of them are there as they were.
    pub fn are_there(&self, folder: &Path) -> bool {
        let is_there = |file: &DataFile| {
            artifact::hash_file(&folder.join(&file.path)).is_ok_and(|(sha256, _)| sha256 == file.sha256)
        };
        [&self.train, &self.held_out, &self.truth].into_iter().all(is_there)
    }
}

impl ManifestFile {
    /// None if nothing is pinned yet.
    pub fn read(folder: &Path) -> Outcome<Option<Self>> {
        let path = folder.join(MANIFEST);
        let text = files::read(&path, MAX_BYTES).map_err(|error| files::cannot_read(&path, &error))?;
        let Some(text) = text else { return Ok(None) };
        let wrong = |detail: String| Trouble::Lasting(format!("{} can't be read: {detail}", path.display()));
        let file: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.selection.schema_version != SCHEMA_VERSION {
            return Err(wrong(format!("its form is version {}", file.selection.schema_version)));
        }
        Ok(Some(file))
    }

    /// The manifest of data that must be pinned by now.
    pub fn pinned(folder: &Path) -> Outcome<Self> {
        Self::read(folder)?.ok_or_else(|| {
            Trouble::Lasting(format!("{} is gone: the data were pinned there", folder.join(MANIFEST).display()))
        })
    }

    pub fn write(&self, folder: &Path) -> Outcome<()> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_vec(self).map_err(|error| Trouble::Lasting(error.to_string()))?;
        files::write(&path, &text).map_err(|error| files::cannot_write(&path, &error))
    }

    /// What the retraining's document keeps of it.
    pub fn summary(&self, folder: &Path) -> Outcome<Manifest> {
        let path = folder.join(MANIFEST);
        let (sha256, _) = artifact::hash_file(&path).map_err(|error| files::cannot_read(&path, &error))?;
        let Self { selection, results } = self;
        Ok(Manifest {
            sha256,
            path: path.to_string_lossy().into_owned(),
            rows: results.rows,
            labelled: results.labelled,
            train_rows: results.data.train.rows,
            held_out_rows: results.data.held_out.rows,
            coverage: results.coverage,
            from: selection.from,
            to: selection.to,
            held_out_from: selection.held_out_from,
            left_out: told(&selection.left_out),
        })
    }
}

/// Left-out windows in words; of many, the first ones.
fn told(left_out: &[LeftOut]) -> Vec<String> {
    let words = |run: &LeftOut| match run.faults.as_str() {
        "" => format!("{} to {}", run.from, run.to),
        faults => format!("{} to {}: {faults}", run.from, run.to),
    };
    let mut told: Vec<String> = left_out.iter().take(TOLD).map(words).collect();
    if let Some(more) = left_out.len().checked_sub(TOLD).filter(|more| *more > 0) {
        told.push(format!("and {more} more"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_left_out_windows_the_first_are_told() {
        let run = |day: i64| LeftOut {
            from: EventTime::from_micros(day * 86_400_000_000),
            to: EventTime::from_micros((day + 1) * 86_400_000_000),
            faults: if day == 0 { "unit_change of temp".to_owned() } else { String::new() },
        };
        let runs: Vec<_> = (0..22).map(|day| run(day * 2)).collect();
        let told = told(&runs);
        assert_eq!(told[0], "1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z: unit_change of temp");
        assert_eq!(told[1], "1970-01-03T00:00:00Z to 1970-01-04T00:00:00Z");
        assert_eq!((told.len(), told[20].as_str()), (21, "and 2 more"));
    }
}
