//! The gate: a trained candidate against the stable version on the same held-out rows (promise T3), and its artifact's way into
//! the registry's store (promise T2).
//!
//! The stable version's scores are those that it gave live, so only rows that it served are compared.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use contract::time::format_duration;
use contract::{Contract, EventTime};
use detectors::canary::{Gate, GateRow, Phase, block, block_length, gate, gate_segments, loss};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::baseline::{self, Labels};
use super::manifest::{ManifestFile, Selection};
use super::scores::Scores;
use super::split::MAX_LABELLED_ROWS;
use super::training::{HELD_OUT_SCORES, OUTPUT, parameters};
use super::{Effects, artifact_store, dataset, files};
use crate::retraining::{GateReport, Retraining};
use crate::world::{Evaluation, Outcome, Trouble};

/// What a trainer says of its model and of itself.
const METRICS: &str = "metrics.json";
pub(super) const ENVIRONMENT: &str = "environment.json";
/// Scores of the training rows by models that hadn't seen them.
const TRAINING_SCORES: [&str; 2] = ["training_scores.parquet", "training_scores.csv"];
/// Bytes of a document that a trainer wrote, and levels within levels: it becomes part of larger documents.
const DOCUMENT_BYTES: u64 = 64 << 10;
const DOCUMENT_DEPTH: usize = 16;
/// Rows that the stable version must have served, and windows that they must be in.
const MINIMUM_ROWS: usize = 200;
const MINIMUM_BLOCKS: usize = 3;
/// Values of a protected column that are told apart, in order of appearance; as for the monitor's segments.
const SEGMENT_VALUES: usize = 100;
const SEGMENT_VALUE_BYTES: usize = 128;

/// Judges what the trainer made, and keeps it.
pub(super) async fn evaluate(effects: &Effects, retraining: &Retraining, stable: Option<&str>) -> Outcome<Evaluation> {
    let folder = effects.folder(&retraining.id);
    let pinned = ManifestFile::pinned(&folder)?;
    dataset::restore(effects, &folder, &pinned).await?;
    let job = Job {
        registry: effects.registry(),
        contract: effects.contract.clone(),
        retraining: retraining.clone(),
        stable: stable.map(str::to_owned),
        folder,
        pinned,
    };
    super::blocking(move || job.evaluate()).await
}

struct Job {
    folder: PathBuf,
    registry: PathBuf,
    contract: Arc<Contract>,
    retraining: Retraining,
    stable: Option<String>,
    pinned: ManifestFile,
}

impl Job {
    fn evaluate(&self) -> Outcome<Evaluation> {
        let output = self.folder.join(OUTPUT);
        let scores = Scores::read(&output, HELD_OUT_SCORES, MAX_LABELLED_ROWS)?;
        let scores = scores.ok_or_else(|| {
            Trouble::Lasting(format!("{} is gone from {}", HELD_OUT_SCORES.join(" or "), output.display()))
        })?;
        let truth = Truth::read(&self.folder.join(&self.pinned.results.data.truth.path), self, &scores)?;
        truth.check(&scores)?;
        let margin = self.contract.retrain.as_ref().map_or(0.0, |retrain| retrain.evaluate.margin);
        let gate = self.judge(&truth, margin);
        let kept = artifact_store::keep(&self.registry, &output, &[])?;
        let has_baseline = self.write_baseline(&output, &truth, &scores, &kept.baseline)?;
        let environment = document(&output.join(ENVIRONMENT))?;
        Ok(Evaluation {
            lineage: self.lineage(&gate, &environment)?,
            gate,
            metrics: document(&output.join(METRICS))?,
            sha256: kept.sha256,
            uri: kept.uri,
            baseline: if has_baseline { kept.baseline.to_string_lossy().into_owned() } else { String::new() },
        })
    }

    fn judge(&self, truth: &Truth, margin: f64) -> GateReport {
        let nothing = |phase, reason: String| {
            let gate = Gate {
                phase,
                reason,
                stable: None,
                candidate: None,
                difference: None,
                rows: truth.compared.len() as u64,
                blocks: truth.blocks() as u64,
            };
            GateReport::new(gate, margin)
        };
        let Some(stable) = &self.stable else {
            return nothing(Phase::Successful, "no version serves yet: there is nothing to compare with".to_owned());
        };
        if truth.compared.len() < MINIMUM_ROWS || truth.blocks() < MINIMUM_BLOCKS {
            let length = format_duration(block_length(self.contract.windows.size));
            let reason = format!(
                "version {stable} served {} of the {} held-out rows, in {} blocks of {length}; {MINIMUM_ROWS} rows in \
                 {MINIMUM_BLOCKS} blocks are needed",
                truth.compared.len(),
                truth.labels.len(),
                truth.blocks()
            );
            return nothing(Phase::Inconclusive, reason);
        }
        let mut report = GateReport::new(gate(&truth.compared, margin), margin);
        report.worse_segments = gate_segments(&truth.segments);
        if !report.worse_segments.is_empty() {
            report.phase = Phase::Failed;
            report.reason = format!("{}; clearly worse for {}", report.reason, report.worse_segments.join(", "));
        }
        report
    }

    /// Out-of-fold scores of the training rows, or else the held-out rows.
    fn write_baseline(&self, output: &Path, truth: &Truth, held_out: &Scores, target: &Path) -> Outcome<bool> {
        let ManifestFile { selection, results } = &self.pinned;
        let version = self.retraining.version.clone().unwrap_or_default();
        if let Some(training) = Scores::read(output, TRAINING_SCORES, MAX_LABELLED_ROWS)? {
            let rows = self.folder.join(&results.data.train.path);
            if baseline::write(&rows, &Labels::Own, &training, selection, &version, target)? {
                return Ok(true);
            }
        }
        let rows = self.folder.join(&results.data.held_out.path);
        baseline::write(&rows, &Labels::Given(&truth.labels), held_out, selection, &version, target)
    }

    fn lineage(&self, gate: &GateReport, environment: &Value) -> Outcome<Value> {
        let manifest = self.pinned.summary(&self.folder)?;
        let executor = self.contract.retrain.as_ref().and_then(|retrain| retrain.executor.as_ref());
        let retraining = &self.retraining;
        Ok(json!({
            "version": retraining.version,
            "retraining": retraining.id,
            "parent_version": self.stable,
            "asked_by": retraining.asked_by,
            "reason": retraining.reason,
            "manifest": { "sha256": manifest.sha256, "path": manifest.path, "from": manifest.from, "to": manifest.to,
                          "held_out_from": manifest.held_out_from, "train_rows": manifest.train_rows,
                          "held_out_rows": manifest.held_out_rows },
            "parameters": executor.map(|executor| parameters(executor, retraining)),
            "seed": executor.map(|executor| executor.seed),
            "command": executor.map(|executor| &executor.command),
            "attempts": retraining.attempts,
            "code_revision": code_revision(environment),
            "environment": environment,
            "bellwether": env!("CARGO_PKG_VERSION"),
            "gate": gate,
            "approvals": retraining.approvals,
        }))
    }
}

/// JSON that a trainer wrote, or null if it didn't.
pub(super) fn document(path: &Path) -> Outcome<Value> {
    let wrong = |detail: String| Trouble::Lasting(format!("{} can't be read: {detail}", path.display()));
    let text = files::read(path, DOCUMENT_BYTES).map_err(|error| wrong(error.to_string()))?;
    let value = text.map(|text| serde_json::from_str(&text)).transpose();
    let value: Value = value.map(Option::unwrap_or_default).map_err(|error| wrong(error.to_string()))?;
    if depth(&value) > DOCUMENT_DEPTH {
        return Err(wrong(format!("it is nested more than {DOCUMENT_DEPTH} deep")));
    }
    Ok(value)
}

/// Levels of lists and mappings.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

/// The commit of the trainer's code, where it says so.
pub(super) fn code_revision(environment: &Value) -> Value {
    let said = ["code_revision", "revision", "git_revision"].into_iter().find_map(|key| environment.get(key));
    said.cloned().unwrap_or_default()
}

/// The held-out rows with what became of them.
#[derive(Debug, Default)]
struct Truth {
    labels: Vec<bool>,
    /// Rows that the candidate didn't score, or not with a number in [0, 1].
    missing: u64,
    invalid: u64,
    /// Rows that both versions scored.
    compared: Vec<GateRow>,
    /// The same by value of each protected column: `origin=EWR`.
    segments: BTreeMap<String, Vec<GateRow>>,
}

impl Truth {
    fn read(path: &Path, job: &Job, scores: &Scores) -> Outcome<Self> {
        let unreadable = |detail: String| Trouble::Lasting(format!("{} can't be read: {detail}", path.display()));
        let file = File::open(path).map_err(|error| files::cannot_read(path, &error))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(ParquetRecordBatchReaderBuilder::build);
        let mut truth = Self::default();
        for batch in reader.map_err(|error| unreadable(error.to_string()))? {
            let batch = batch.map_err(|error| unreadable(error.to_string()))?;
            truth.add(&batch, job, scores).map_err(unreadable)?;
        }
        Ok(truth)
    }

    fn add(&mut self, batch: &RecordBatch, job: &Job, scores: &Scores) -> Result<(), String> {
        let selection: &Selection = &job.pinned.selection;
        let names = &selection.names;
        let column = |name: &str, kind: &DataType| {
            let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
            cast(column, kind).map_err(|error| error.to_string())
        };
        let ids = column(&names.event_id, &DataType::Utf8)?;
        let times = column(&names.time, &super::join::time_type())?;
        let versions = column(&names.version, &DataType::Utf8)?;
        let live = column(&names.score, &DataType::Float64)?;
        let labels = column(&names.label, &DataType::Boolean)?;
        let (ids, versions) = (ids.as_string::<i32>(), versions.as_string::<i32>());
        let (times, live) = (times.as_primitive::<TimestampMicrosecondType>(), live.as_primitive::<Float64Type>());
        let labels = labels.as_boolean();
        let mut segments: Vec<(&str, StringArray)> = Vec::new();
        for name in selection.segments.iter().filter(|name| batch.column_by_name(name).is_some()) {
            segments.push((name, column(name, &DataType::Utf8)?.as_string::<i32>().clone()));
        }
        for row in 0..batch.num_rows() {
            let (id, label) = (ids.value(row), labels.value(row));
            self.labels.push(label);
            let Some(candidate) = scores.of(id) else {
                *(if scores.has(id) { &mut self.invalid } else { &mut self.missing }) += 1;
                continue;
            };
            let is_stable = versions.is_valid(row) && job.stable.as_deref() == Some(versions.value(row));
            let stable = Some(live).filter(|live| is_stable && live.is_valid(row)).map(|live| live.value(row));
            let Some(stable) = stable.filter(|score| (0.0..=1.0).contains(score)) else { continue };
            let block = block(EventTime::from_micros(times.value(row)), job.contract.windows.size);
            let compared = GateRow { block, stable: loss(stable, label), candidate: loss(candidate, label) };
            self.compared.push(compared);
            for (name, values) in segments.iter().filter(|(_, values)| values.is_valid(row)) {
                self.add_segment(name, values.value(row), compared);
            }
        }
        Ok(())
    }

    fn add_segment(&mut self, name: &str, value: &str, row: GateRow) {
        let segment = format!("{name}={value}");
        if let Some(rows) = self.segments.get_mut(&segment) {
            rows.push(row);
            return;
        }
        let prefix = format!("{name}=");
        let known = self.segments.keys().filter(|key| key.starts_with(&prefix)).count();
        if known < SEGMENT_VALUES && value.len() <= SEGMENT_VALUE_BYTES {
            self.segments.insert(segment, vec![row]);
        }
    }

    /// Every held-out row has to have one score.
    fn check(&self, scores: &Scores) -> Outcome<()> {
        let rows = self.labels.len() as u64;
        let unknown = (scores.len() + self.missing).saturating_sub(rows);
        if self.missing + self.invalid + unknown + scores.repeated == 0 {
            return Ok(());
        }
        Err(Trouble::Lasting(format!(
            "the trainer's held-out scores can't be used: of {rows} rows {} have none and {} have no number from 0 to 1; {} \
             events are scored more than once, and {unknown} are no held-out rows",
            self.missing, self.invalid, scores.repeated
        )))
    }

    /// Blocks that compared rows are in.
    fn blocks(&self) -> usize {
        self.compared.iter().map(|row| row.block).collect::<std::collections::BTreeSet<_>>().len()
    }
}
