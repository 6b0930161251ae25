//! Data with a known answer, and runs on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Float64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainer::progress::Progress;
use trainer::{Result, Spec};

/// 2013-01-01.
const START_MICROS: i64 = 1_356_998_400_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// Columns of the feature part, by name.
pub type Columns = Vec<(&'static str, ArrayRef)>;

/// Rows in the order of time: features, ids, times, labels.
pub struct Sample {
    pub features: Columns,
    pub ids: StringArray,
    pub times: TimestampMicrosecondArray,
    pub labels: BooleanArray,
    /// What the labels were drawn with: no model can do better.
    pub chances: Vec<f64>,
}

/// So many rows over so many days. The label depends on `x` (missing in a tenth), on `flag` and on `city` (four common ones, a
/// rare one now and then); `n`, `constant` and `void` say nothing.
pub fn sample(rows: usize, days: i64, seed: u64) -> Sample {
    let mut random = StdRng::seed_from_u64(seed);
    let x: Vec<Option<f64>> =
        (0..rows).map(|_| random.random_bool(0.9).then(|| random.random_range(-2.0..2.0))).collect();
    let n: Vec<i64> = (0..rows).map(|_| random.random_range(0..1_000)).collect();
    let flag: Vec<bool> = (0..rows).map(|_| random.random_bool(0.3)).collect();
    let city: Vec<String> = (0..rows)
        .map(|_| match random.random_range(0..100) {
            0 => format!("hamlet {}", random.random_range(0..1_000)),
            other => ["Bern", "Oslo", "Rome", "Wien"][other % 4].to_owned(),
        })
        .collect();
    let chance = |row: usize| {
        let effect = if city[row] == "Oslo" { 2.0 } else { 0.0 } - if flag[row] { 1.5 } else { 0.0 };
        let logit = 3.0 * x[row].unwrap_or(-0.5) + effect;
        1.0 / (1.0 + f64::exp(-logit))
    };
    let chances: Vec<f64> = (0..rows).map(chance).collect();
    let labels = chances.iter().map(|chance| Some(random.random_bool(*chance))).collect::<BooleanArray>();
    let step = days * DAY_MICROS / rows as i64;
    Sample {
        features: vec![
            ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
            ("n", Arc::new(Int64Array::from(n))),
            ("flag", Arc::new(BooleanArray::from(flag))),
            ("city", Arc::new(StringArray::from(city))),
            ("constant", Arc::new(Float64Array::from(vec![0.1; rows]))),
            ("void", Arc::new(Float64Array::from(vec![None; rows]))),
        ],
        ids: (0..rows).map(|row| Some(format!("{seed}-{row}"))).collect(),
        times: (0..rows as i64)
            .map(|row| Some(START_MICROS + row * step))
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
        labels,
        chances,
    }
}

impl Sample {
    pub fn batch(&self) -> RecordBatch {
        let all = self.features.clone().into_iter().chain([
            ("event_id", Arc::new(self.ids.clone()) as ArrayRef),
            ("time", Arc::new(self.times.clone())),
            ("label", Arc::new(self.labels.clone())),
        ]);
        RecordBatch::try_from_iter_with_nullable(all.map(|(name, array)| (name, array, true))).unwrap()
    }

    /// The features alone.
    pub fn feature_batch(&self) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(self.features.iter().map(|(name, array)| (*name, array.clone(), true)))
            .unwrap()
    }

    pub fn truth(&self) -> Vec<bool> {
        self.labels.values().iter().collect()
    }
}

/// Writes Parquet, several row groups; returns what a specification says of it.
pub fn write(batch: &RecordBatch, path: &Path) -> Value {
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    for start in (0..batch.num_rows()).step_by(1_500) {
        writer.write(&batch.slice(start, 1_500.min(batch.num_rows() - start))).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    let sha256 = format!("{:x}", Sha256::digest(fs::read(path).unwrap()));
    json!({"path": path, "sha256": sha256, "rows": batch.num_rows()})
}

/// A folder with data and a specification.
pub struct Workplace {
    folder: tempfile::TempDir,
    pub spec: Value,
    pub held_out: Sample,
}

impl Workplace {
    /// 3,000 training rows of five weeks and 600 held-out ones.
    pub fn new(parameters: Value) -> Self {
        Self::with(&sample(3_000, 35, 1), parameters)
    }

    pub fn with(training: &Sample, parameters: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let held_out = sample(600, 7, 2);
        let spec = json!({
            "schema_version": 1, "model": "sample", "retraining": "r1", "task": "binary_classification",
            "parent_version": "1", "version": "2", "seed": 3, "device": "cpu", "limits": {"seconds": 60, "threads": 1},
            "columns": [
                {"name": "x", "type": "float64"}, {"name": "n", "type": "int64"}, {"name": "flag", "type": "boolean"},
                {"name": "city", "type": "string"}, {"name": "constant", "type": "float64"}, {"name": "void", "type": "float64"},
            ],
            "event_id": "event_id", "time": "time", "label": "label",
            "manifest": {"sha256": "ab".repeat(32), "path": "/manifest.json"},
            "data": {
                "train": write(&training.batch(), &folder.path().join("train.parquet")),
                "held_out": write(&held_out.batch(), &folder.path().join("held_out.parquet")),
            },
            "parameters": parameters,
        });
        Self { folder, spec, held_out }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The specification as a file.
    pub fn spec_file(&self) -> PathBuf {
        let path = self.path("spec.json");
        fs::write(&path, self.spec.to_string()).unwrap();
        path
    }

    /// Trains into the folder `output`; the lines that it said, and how it ended. It stops at the question of this number.
    pub fn train(&self, output: &str, stop_at: Option<usize>) -> (Vec<Value>, Result<Value>) {
        let spec = Spec::parse(&self.spec.to_string()).unwrap();
        let mut text = Vec::new();
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            stop_at.is_some_and(|at| asked.get() > at)
        };
        let result = trainer::train(&spec, &self.path(output), &mut Progress::new(&mut text), &stop);
        let lines = String::from_utf8(text).unwrap();
        (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), result)
    }

    /// Everything but the checkpoint, by name.
    pub fn files(&self, output: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path(output)).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
    }

    /// Of a score file.
    pub fn scores(&self, output: &str, file: &str) -> (Vec<String>, Vec<f64>) {
        read_scores(&self.path(output).join(file))
    }
}

pub fn read_scores(path: &Path) -> (Vec<String>, Vec<f64>) {
    let (mut ids, mut scores) = (Vec::new(), Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = batch.column_by_name("event_id").unwrap().as_string::<i32>().clone();
        ids.extend(column.iter().map(|id| id.unwrap().to_owned()));
        let column = batch.column_by_name("score").unwrap();
        assert_eq!(column.null_count(), 0);
        scores.extend_from_slice(column.as_primitive::<Float64Type>().values());
    }
    (ids, scores)
}

/// Lines of one type.
pub fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

/// How many epochs were fitted.
pub fn epochs(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line.get("epoch").is_some()).count()
}
