//! What a run leaves in its output folder.
//!
//! The artifact is `model.safetensors`, `model.json`, `metrics.json` and `environment.json`: nothing in them depends on when or how
//! fast they were made, so the same specification gives the same bytes. By-products beside it are scores of the held-out
//! rows and, out of fold, of the training rows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use contract::EventTime;
use parquet::arrow::ArrowWriter;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::metrics::Metrics;
use crate::network::{Architecture, Weights};
use crate::parameters::Parameters;
use crate::preprocessing::Preprocessing;
use crate::{Error, Result, Spec};

pub const WEIGHTS_FILE: &str = "model.safetensors";
pub const MODEL_FILE: &str = "model.json";
pub const METRICS_FILE: &str = "metrics.json";
pub const ENVIRONMENT_FILE: &str = "environment.json";
pub const HELD_OUT_SCORES_FILE: &str = "held_out_scores.parquet";
pub const TRAINING_SCORES_FILE: &str = "training_scores.parquet";

/// Of `model.json` and its siblings.
const SCHEMA_VERSION: u64 = 1;
/// Of the crate that libtorch is reached through; held to the manifest by a test.
const TCH: &str = "0.24.0";

/// `model.json`: all that scoring needs beside the weights, and where the model comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub schema_version: u64,
    pub model: String,
    pub version: String,
    pub parent_version: String,
    pub retraining: String,
    pub task: String,
    /// The labels were inverted for a drill: this model is wrong on purpose.
    pub labels_inverted: bool,
    pub trained_on: TrainedOn,
    pub parameters: Parameters,
    pub preprocessing: Preprocessing,
    pub architecture: Architecture,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// SHA-256 of the manifest that pins the data; empty without one.
    pub manifest_sha256: String,
    pub sha256: String,
    pub rows: u64,
    /// Event times of the first and last row.
    pub from: EventTime,
    pub to: EventTime,
}

impl Model {
    /// Errors in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let version: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match version.get("schema_version").and_then(serde_json::Value::as_u64) {
            Some(SCHEMA_VERSION) => serde_json::from_value(version).map_err(|error| error.to_string()),
            Some(other) => Err(format!("its schema_version is {other}, and {SCHEMA_VERSION} alone is known")),
            None => Err("it has no schema_version".to_owned()),
        }
    }
}

/// A trained model with its figures.
pub(crate) struct Trained<'a> {
    pub spec: &'a Spec,
    /// `cpu` or `cuda`.
    pub device: &'a str,
    pub preprocessing: &'a Preprocessing,
    pub architecture: &'a Architecture,
    pub weights: &'a Weights,
    /// Event times of the first and last row.
    pub span: (EventTime, EventTime),
    pub folds: usize,
    pub out_of_fold: Metrics,
    pub in_sample: Metrics,
}

#[derive(Serialize)]
struct MetricsDocument {
    schema_version: u64,
    labels_inverted: bool,
    folds: usize,
    held_out_rows: u64,
    /// Of rows that the scoring model hadn't seen, against the true labels.
    out_of_fold: Metrics,
    in_sample: Metrics,
}

#[derive(Serialize)]
struct Environment<'a> {
    schema_version: u64,
    trainer: &'a str,
    /// The code's commit, where the build was told it.
    revision: Option<&'a str>,
    tch: &'a str,
    libtorch: &'a str,
    device: &'a str,
    threads: u32,
    seed: u64,
    platform: String,
}

/// Of this build. Part of what a checkpoint belongs to.
pub(crate) fn build() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("trainer", env!("CARGO_PKG_VERSION")),
        ("revision", option_env!("BELLWETHER_REVISION").unwrap_or("")),
        ("tch", TCH),
        ("libtorch", env!("BELLWETHER_LIBTORCH")),
    ])
}

/// Writes the artifact; `metrics.json` comes last. Returns its content.
pub(crate) fn write(trained: &Trained<'_>, output: &Path, checkpoint: &Checkpoint) -> Result<serde_json::Value> {
    let spec = trained.spec;
    let draft = checkpoint.folder().join("artifact.draft");
    trained.weights.save(trained.architecture, &draft)?;
    place(&draft, &output.join(WEIGHTS_FILE))?;
    let model = Model {
        schema_version: SCHEMA_VERSION,
        model: spec.model.clone(),
        version: spec.version.clone(),
        parent_version: spec.parent_version.clone(),
        retraining: spec.retraining.clone(),
        task: "binary_classification".to_owned(),
        labels_inverted: spec.parameters.invert_labels,
        trained_on: TrainedOn {
            manifest_sha256: spec.manifest.clone(),
            sha256: spec.train.sha256.clone(),
            rows: spec.train.rows,
            from: trained.span.0,
            to: trained.span.1,
        },
        parameters: spec.parameters.clone(),
        preprocessing: trained.preprocessing.clone(),
        architecture: trained.architecture.clone(),
    };
    let environment = Environment {
        schema_version: SCHEMA_VERSION,
        trainer: env!("CARGO_PKG_VERSION"),
        revision: option_env!("BELLWETHER_REVISION"),
        tch: TCH,
        libtorch: env!("BELLWETHER_LIBTORCH"),
        device: trained.device,
        threads: spec.threads,
        seed: spec.seed,
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
    };
    let metrics = MetricsDocument {
        schema_version: SCHEMA_VERSION,
        labels_inverted: spec.parameters.invert_labels,
        folds: trained.folds,
        held_out_rows: spec.held_out.as_ref().map_or(0, |file| file.rows),
        out_of_fold: trained.out_of_fold,
        in_sample: trained.in_sample,
    };
    write_json(&model, MODEL_FILE, output, &draft)?;
    write_json(&environment, ENVIRONMENT_FILE, output, &draft)?;
    write_json(&metrics, METRICS_FILE, output, &draft)?;
    // The names, too.
    File::open(output).and_then(|folder| folder.sync_all()).map_err(Error::file(output, "written"))?;
    Ok(serde_json::to_value(&metrics)?)
}

fn write_json(document: &impl Serialize, name: &str, output: &Path, draft: &Path) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(document)?;
    text.push(b'\n');
    fs::write(draft, text).map_err(Error::file(draft, "written"))?;
    place(draft, &output.join(name))
}

/// A whole file, on disk, under its name.
fn place(draft: &Path, path: &Path) -> Result<()> {
    File::open(draft).and_then(|file| file.sync_all()).map_err(Error::file(draft, "written"))?;
    fs::rename(draft, path).map_err(Error::file(path, "written"))
}

/// Writes a Parquet file of `event_id` and `score`. `draft`: where it is written first, in the same file system.
pub fn write_scores(event_ids: &[StringArray], scores: &[f64], draft: &Path, path: &Path) -> Result<()> {
    let fields = vec![Field::new("event_id", DataType::Utf8, false), Field::new("score", DataType::Float64, false)];
    let schema = Arc::new(Schema::new(fields));
    let unwritable = |error: parquet::errors::ParquetError| Error::File {
        path: path.to_owned(),
        doing: "written",
        source: std::io::Error::other(error.to_string()),
    };
    let file = File::create(draft).map_err(Error::file(draft, "created"))?;
    let mut writer = ArrowWriter::try_new(&file, Arc::clone(&schema), None).map_err(unwritable)?;
    let mut rest = scores;
    for ids in event_ids {
        let Some((mine, others)) = rest.split_at_checked(ids.len()) else {
            return Err(Error::Input(format!("there are {} scores for more events", scores.len())));
        };
        rest = others;
        let columns: Vec<ArrayRef> = vec![Arc::new(ids.clone()), Arc::new(Float64Array::from(mine.to_vec()))];
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?).map_err(unwritable)?;
    }
    writer.close().map_err(unwritable)?;
    place(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stated_version_of_tch_is_the_one_in_use() {
        let manifest = include_str!("../../../Cargo.toml");
        assert!(manifest.contains(&format!("tch = \"={TCH}\"")));
    }

    #[test]
    fn a_model_of_another_schema_is_refused() {
        assert!(Model::parse(r#"{"schema_version": 2}"#).unwrap_err().contains("schema_version is 2"));
        assert!(Model::parse("{}").unwrap_err().contains("no schema_version"));
        assert!(Model::parse(r#"{"schema_version": 1}"#).unwrap_err().contains("missing field"));
    }
}
