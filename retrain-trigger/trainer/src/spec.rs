//! `spec.json`: what a retraining asks a trainer for.
//!
//! The contract is docs/retraining.md's, for any program that trains. Keys that this trainer doesn't know are passed over, for a
//! newer Bellwether may add some; a change of meaning changes `schema_version`, and an unknown one is refused.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use contract::model::ColumnKind;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::parameters::Parameters;
use crate::{Column, Error, Result};

/// The one version that is understood.
pub const SCHEMA_VERSION: u64 = 1;
const MAX_SPEC_BYTES: u64 = 1 << 20;
const MAX_COLUMNS: usize = 1_000;
const MAX_THREADS: u32 = 256;

/// A checked specification.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub model: String,
    /// Empty where no retraining asked: the first version of a model.
    pub retraining: String,
    pub parent_version: String,
    pub version: String,
    pub seed: u64,
    pub device: DevicePreference,
    /// Threads of libtorch.
    pub threads: u32,
    /// The features, in the contract's order.
    pub columns: Vec<Column>,
    /// Names of the data's other columns.
    pub event_id: String,
    pub time: String,
    pub label: String,
    /// SHA-256 of the manifest that pins the data; empty without one.
    pub manifest: String,
    pub train: DataFile,
    /// None: no held-out scores.
    pub held_out: Option<DataFile>,
    pub parameters: Parameters,
}

/// A Parquet file that must be as it was when it was pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    pub path: PathBuf,
    /// SHA-256 of the file, in lower-case hexadecimal digits.
    pub sha256: String,
    pub rows: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePreference {
    /// CUDA where there is one.
    #[default]
    Auto,
    Cpu,
    Cuda,
}

/// The file as it stands.
#[derive(Deserialize)]
struct Document {
    model: String,
    #[serde(default)]
    retraining: String,
    task: String,
    #[serde(default)]
    parent_version: String,
    version: String,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    device: DevicePreference,
    #[serde(default)]
    limits: Limits,
    columns: Vec<ColumnDocument>,
    event_id: String,
    time: String,
    label: String,
    manifest: Option<Manifest>,
    data: Data,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// `seconds` is kept by whoever runs the trainer.
#[derive(Default, Deserialize)]
struct Limits {
    threads: Option<u32>,
}

#[derive(Deserialize)]
struct ColumnDocument {
    name: String,
    #[serde(rename = "type", deserialize_with = "column_kind")]
    kind: ColumnKind,
}

#[derive(Deserialize)]
struct Manifest {
    sha256: String,
}

#[derive(Deserialize)]
struct Data {
    train: DataFile,
    held_out: Option<DataFile>,
}

/// `float64`, `int64`, `boolean` or `string`.
pub(crate) fn column_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ColumnKind, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.as_str() {
        "float64" => Ok(ColumnKind::Float64),
        "int64" => Ok(ColumnKind::Int64),
        "boolean" => Ok(ColumnKind::Boolean),
        "string" => Ok(ColumnKind::String),
        _ => Err(serde::de::Error::custom(format!(
            "no column has the type `{name}`; use float64, int64, boolean or string"
        ))),
    }
}

impl Spec {
    /// Errors: [`Error::Spec`], with what is wrong and where.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |detail: String| Error::Spec { path: path.to_owned(), detail };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let read = file.take(MAX_SPEC_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        if read as u64 > MAX_SPEC_BYTES {
            return Err(wrong(format!("it is longer than {MAX_SPEC_BYTES} bytes")));
        }
        Self::parse(&text).map_err(wrong)
    }

    /// Errors in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        // First of all: under another version every other error would mislead.
        match value.get("schema_version").map(|version| (version.as_u64(), version)) {
            Some((Some(SCHEMA_VERSION), _)) => {}
            Some((_, version)) => {
                return Err(format!(
                    "its schema_version is {version}, and this trainer knows {SCHEMA_VERSION} alone; \
                     use the trainer that came with your Bellwether"
                ));
            }
            None => return Err("it has no schema_version".to_owned()),
        }
        let document: Document = serde_json::from_value(value).map_err(|error| error.to_string())?;
        document.checked()
    }
}

impl Document {
    fn checked(self) -> Result<Spec, String> {
        if self.task != "binary_classification" {
            return Err(format!("its task is `{}`; this trainer does binary_classification alone", self.task));
        }
        let threads = self.limits.threads.unwrap_or(1);
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(format!("limits.threads is {threads}; use 1 to {MAX_THREADS}"));
        }
        if self.columns.is_empty() || self.columns.len() > MAX_COLUMNS {
            return Err(format!("it has {} columns; use 1 to {MAX_COLUMNS}", self.columns.len()));
        }
        let mut names = BTreeSet::from([self.event_id.as_str(), self.time.as_str(), self.label.as_str()]);
        if names.len() < 3 {
            return Err("event_id, time and label must be three columns".to_owned());
        }
        for column in &self.columns {
            if !names.insert(&column.name) {
                return Err(format!("the column `{}` is named twice", column.name));
            }
        }
        for (which, file) in [("train", Some(&self.data.train)), ("held_out", self.data.held_out.as_ref())] {
            let Some(file) = file else { continue };
            let is_hash =
                file.sha256.len() == 64 && file.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                return Err(format!("data.{which}.sha256 is no SHA-256 in lower-case hexadecimal digits"));
            }
        }
        let columns = self.columns.into_iter().map(|column| Column { name: column.name, kind: column.kind }).collect();
        Ok(Spec {
            model: self.model,
            retraining: self.retraining,
            parent_version: self.parent_version,
            version: self.version,
            seed: self.seed,
            device: self.device,
            threads,
            columns,
            event_id: self.event_id,
            time: self.time,
            label: self.label,
            manifest: self.manifest.map(|manifest| manifest.sha256).unwrap_or_default(),
            train: self.data.train,
            held_out: self.data.held_out,
            parameters: Parameters::parse(&self.parameters)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "schema_version": 1, "model": "flights", "retraining": "r1", "task": "binary_classification",
            "parent_version": "1", "version": "2", "seed": 7, "device": "cpu", "limits": {"seconds": 60, "threads": 2},
            "columns": [{"name": "temp", "type": "float64"}, {"name": "carrier", "type": "string"}],
            "event_id": "event_id", "time": "time", "label": "label",
            "manifest": {"sha256": "ab", "path": "/m.json"},
            "data": {"train": {"path": "/train.parquet", "sha256": "0".repeat(64), "rows": 10}},
            "parameters": {"epochs": 2}, "a_newer_key": true,
        })
    }

    fn error_with(path: &str, value: Value) -> String {
        let mut document = valid();
        *document.pointer_mut(path).unwrap() = value;
        Spec::parse(&document.to_string()).unwrap_err()
    }

    #[test]
    fn a_specification_is_read_and_unknown_keys_are_passed_over() {
        let spec = Spec::parse(&valid().to_string()).unwrap();
        assert_eq!((spec.seed, spec.threads, spec.device), (7, 2, DevicePreference::Cpu));
        assert_eq!(spec.columns[1], Column { name: "carrier".to_owned(), kind: ColumnKind::String });
        assert_eq!((spec.parameters.epochs, spec.held_out), (2, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(
            error_with("/schema_version", json!(2)).contains("schema_version is 2, and this trainer knows 1 alone")
        );
        assert!(error_with("/schema_version", json!("1")).contains("schema_version is \"1\""));
        assert!(error_with("/task", json!("ranking")).contains("its task is `ranking`"));
        assert!(error_with("/columns/0/type", json!("decimal")).contains("the type `decimal`"));
        assert!(error_with("/columns/0/name", json!("carrier")).contains("`carrier` is named twice"));
        assert!(error_with("/columns/0/name", json!("label")).contains("`label` is named twice"));
        assert!(error_with("/columns", json!([])).contains("0 columns"));
        assert!(error_with("/time", json!("label")).contains("three columns"));
        assert!(error_with("/data/train/sha256", json!("XY")).contains("data.train.sha256"));
        assert!(error_with("/limits/threads", json!(0)).contains("limits.threads is 0"));
        assert!(error_with("/device", json!("tpu")).contains("tpu"));
        assert!(error_with("/parameters", json!({"epoch": 1})).contains("did you mean `epochs`"));
        assert!(Spec::parse("{").is_err());
        assert_eq!(Spec::parse("{}").unwrap_err(), "it has no schema_version");
    }
}
