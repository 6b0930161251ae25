//! The report itself.

use std::path::Path;

use contract::{Contract, Severity};
use detectors::judge::{self, ColumnComparison, DetectorComparison, REPORT_LEVEL};
use detectors::profile::ColumnProfile;
use serde::Serialize;
use tokio::time::Instant;

use crate::columns::{Column, Kind, MAX_COLUMNS, choose};
use crate::error::{Error, Result};
use crate::performance::{self, Performance};
use crate::profiles::{Profiles, profile};

/// What to compare, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Without one, the columns are those of the reference.
    pub contract: Option<&'a Contract>,
}

/// The same figure of both data sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pair<T> {
    pub reference: T,
    pub current: T,
}

/// The whole report; serialised as docs/report.md says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema_version: u32,
    pub product_version: &'static str,
    pub rows: Pair<u64>,
    pub columns: Vec<ColumnReport>,
    pub drifted_columns: Vec<String>,
    /// Multivariate detectors come with a later version.
    pub multivariate: Vec<DetectorComparison>,
    pub performance: Performance,
    pub seconds: Seconds,
}

/// One column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnReport {
    pub name: String,
    pub kind: &'static str,
    /// Share of the rows.
    pub missing: Pair<Option<f64>>,
    /// NaN and infinities.
    pub non_finite: Pair<u64>,
    #[serde(flatten)]
    pub comparison: ColumnComparison,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seconds {
    /// Opening the files.
    pub read: f64,
    /// Decoding them and counting.
    pub profile: f64,
    pub judge: f64,
}

impl Report {
    pub fn worst(&self) -> Severity {
        self.columns.iter().map(|column| column.comparison.severity).max().unwrap_or_default()
    }
}

/// Compares two files or folders. Memory: a profile a column and a batch of rows, whatever the size of the files.
pub async fn compare(reference: &Path, current: &Path, options: Options<'_>) -> Result<Report> {
    let started = Instant::now();
    let reference_data = ingest::dataset::read(reference).await?;
    let current_data = ingest::dataset::read(current).await?;
    let columns = choose(options.contract, reference_data.schema().as_arrow(), current_data.schema().as_arrow());
    check(reference, current, &columns)?;
    let opened = Instant::now();
    let before = profile(reference, reference_data.clone(), &columns, |column| column.in_reference).await?;
    let now = profile(current, current_data.clone(), &columns, |column| column.in_current).await?;
    let performance = performance::compare((reference, reference_data), (current, current_data)).await?;
    let profiled = Instant::now();
    let reports = judge_columns(&columns, &before, &now);
    let drifted_columns =
        reports.iter().filter(|report| report.comparison.drifted).map(|report| report.name.clone()).collect();
    Ok(Report {
        schema_version: 1,
        product_version: env!("CARGO_PKG_VERSION"),
        rows: Pair { reference: before.rows, current: now.rows },
        columns: reports,
        drifted_columns,
        multivariate: Vec::new(),
        performance,
        seconds: Seconds {
            read: (opened - started).as_secs_f64(),
            profile: (profiled - opened).as_secs_f64(),
            judge: profiled.elapsed().as_secs_f64(),
        },
    })
}

fn check(reference: &Path, current: &Path, columns: &[Column]) -> Result<()> {
    if columns.len() > MAX_COLUMNS {
        return Err(Error::TooManyColumns { path: reference.to_owned(), limit: MAX_COLUMNS });
    }
    let expected = || {
        let names: Vec<&str> = columns.iter().take(10).map(|column| column.name.as_str()).collect();
        names.join(", ")
    };
    if !columns.iter().any(|column| column.in_reference) {
        return Err(Error::NoColumns { path: reference.to_owned(), expected: expected() });
    }
    if !columns.iter().any(|column| column.in_current) {
        return Err(Error::NoColumns { path: current.to_owned(), expected: expected() });
    }
    Ok(())
}

fn judge_columns(columns: &[Column], before: &Profiles, now: &Profiles) -> Vec<ColumnReport> {
    let profiles = before.columns.iter().zip(&now.columns);
    let pairs: Vec<(ColumnProfile, ColumnProfile, bool)> = columns
        .iter()
        .zip(profiles)
        .filter_map(|(column, (before, now))| Some((before.clone()?, now.clone()?, column.judge)))
        .collect();
    let mut comparisons = judge::compare(&pairs, REPORT_LEVEL).into_iter();
    columns
        .iter()
        .zip(before.columns.iter().zip(&now.columns))
        .map(|(column, (before, now))| {
            let both = before.as_ref().zip(now.as_ref());
            let comparison = both.and_then(|_| comparisons.next()).unwrap_or_else(|| not_compared(column));
            let missing = |profile: &Option<ColumnProfile>| {
                profile.as_ref().filter(|p| p.rows() > 0).map(|p| p.nulls() as f64 / p.rows() as f64)
            };
            let non_finite = |profile: &Option<ColumnProfile>| match profile {
                Some(ColumnProfile::Numeric(numeric)) => numeric.nans() + numeric.infinities(),
                _ => 0,
            };
            ColumnReport {
                name: column.name.clone(),
                kind: column.kind.name(),
                missing: Pair { reference: missing(before), current: missing(now) },
                non_finite: Pair { reference: non_finite(before), current: non_finite(now) },
                comparison: explained(column, comparison),
            }
        })
        .collect()
}

/// A column that only one side has is a fault; a column of a kind that isn't compared is named.
fn not_compared(column: &Column) -> ColumnComparison {
    let is_gone = column.kind != Kind::Other && (column.in_reference != column.in_current);
    let explanation = match (column.kind, column.in_reference, column.in_current) {
        (Kind::Other, ..) => "is of a type that is not compared (dates, lists, binaries).",
        (_, true, false) => "is missing from the current data.",
        (_, false, true) => "is missing from the reference.",
        _ => "is in neither data set.",
    };
    ColumnComparison {
        detectors: Vec::new(),
        drifted: is_gone,
        severity: if is_gone { Severity::Critical } else { Severity::None },
        explanation: explanation.to_owned(),
    }
}

fn explained(column: &Column, mut comparison: ColumnComparison) -> ColumnComparison {
    if !comparison.explanation.is_empty() {
        comparison.explanation = format!("{} {}.", column.name, comparison.explanation.trim_end_matches('.'));
    }
    comparison
}
