//! Data sets for the tests: reproducible numbers, and files of every format.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use report::{Options, Report, compare};
use serde_json::Value;
use tempfile::TempDir;

/// Numbers that look random and are the same everywhere (a 64-bit linear congruential generator, upper bits).
pub struct Numbers(u64);

impl Numbers {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal, mean 0, variance 1: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// `rows` nearly normal numbers around `mean`.
pub fn normals(seed: u64, rows: usize, mean: f64, deviation: f64) -> Vec<f64> {
    let mut numbers = Numbers::seeded(seed);
    (0..rows).map(|_| mean + deviation * numbers.normal()).collect()
}

/// A CSV file: a header and rows of cells, which are written as they are.
pub fn csv(folder: &Path, name: &str, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> PathBuf {
    let mut text = header.join(",");
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "{}", row.join(","));
    }
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A CSV file with one column of numbers.
pub fn numbers_csv(folder: &Path, name: &str, values: &[f64]) -> PathBuf {
    csv(folder, name, &["amount"], values.iter().map(|value| vec![value.to_string()]))
}

pub fn parquet(folder: &Path, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = folder.join(name);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path
}

pub fn arrow_file(folder: &Path, name: &str, batch: &RecordBatch) -> PathBuf {
    let path = folder.join(name);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    path
}

pub fn batch(columns: Vec<(&str, arrow::array::ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, Arc::clone(&array), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A report without a contract.
pub async fn report_of(reference: &Path, current: &Path) -> Report {
    compare(reference, current, Options::default()).await.unwrap()
}

/// The report as `--format json` prints it.
pub fn json(report: &Report) -> Value {
    serde_json::from_str(&serde_json::to_string(report).unwrap()).unwrap()
}

/// The column of that name.
pub fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

/// One detector's result of a column.
pub fn detector<'a>(report: &'a Value, name: &str, detector: &str) -> &'a Value {
    let results = column(report, name)["detectors"].as_array().unwrap();
    let found = results.iter().find(|result| result["detector"] == detector);
    found.unwrap_or_else(|| panic!("column {name} has no detector {detector}"))
}

pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
