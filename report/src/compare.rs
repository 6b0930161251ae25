//! The report itself.

use std::path::Path;

use arrow::datatypes::Schema;
use contract::{Contract, Severity, printable};
use datafusion::dataframe::DataFrame;
use detectors::judge::{self, ColumnComparison, DetectorComparison, REPORT_LEVEL};
use detectors::profile::ColumnProfile;
use serde::Serialize;
use tokio::time::Instant;

use crate::columns::{Column, MAX_COLUMNS, choose};
use crate::error::{Error, Result};
use crate::performance::{self, Performance};
use crate::profiles::{Profiles, profile};

/// How many columns an error names.
const NAMED_COLUMNS: usize = 10;

/// What to compare, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Without one, the columns and their types are those of the data.
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
    /// The worst of all columns, or that a side is empty.
    pub severity: Severity,
    /// Why nothing was judged, where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
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
        self.severity
    }
}

/// Compares two files or folders. Memory: a profile a column and a batch of rows, whatever the size of the files.
pub async fn compare(reference: &Path, current: &Path, options: Options<'_>) -> Result<Report> {
    let started = Instant::now();
    let reference_data = open(reference, options).await?;
    let current_data = open(current, options).await?;
    let (schema_before, schema_now) = (reference_data.schema().as_arrow(), current_data.schema().as_arrow());
    let columns = choose(options.contract, schema_before, schema_now);
    check((reference, schema_before), (current, schema_now), &columns)?;
    let opened = Instant::now();
    let before = profile(reference, reference_data.clone(), &columns, |column| column.in_reference).await?;
    let now = profile(current, current_data.clone(), &columns, |column| column.in_current).await?;
    let performance = performance::compare((reference, reference_data), (current, current_data)).await?;
    let profiled = Instant::now();
    let reports = judge_columns(&columns, &before, &now);
    let drifted_columns =
        reports.iter().filter(|report| report.comparison.drifted).map(|report| report.name.clone()).collect();
    let rows = Pair { reference: before.rows, current: now.rows };
    let (emptiness, reason) = nothing_judged(rows, &reports);
    Ok(Report {
        schema_version: 1,
        product_version: env!("CARGO_PKG_VERSION"),
        rows,
        severity: reports.iter().map(|report| report.comparison.severity).fold(emptiness, Severity::max),
        reason,
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

async fn open(path: &Path, options: Options<'_>) -> Result<DataFrame> {
    Ok(match options.contract {
        Some(contract) => ingest::dataset::read_declared(path, contract).await?,
        None => ingest::dataset::read(path).await?,
    })
}

/// Whether both sides have something that can be compared.
fn check(reference: (&Path, &Schema), current: (&Path, &Schema), columns: &[Column]) -> Result<()> {
    if columns.len() > MAX_COLUMNS {
        return Err(Error::TooManyColumns { path: reference.0.to_owned(), limit: MAX_COLUMNS });
    }
    let some = |names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<_> = names.take(NAMED_COLUMNS).map(|name| printable(name)).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let without = |(path, schema): (&Path, &Schema), is_wanted: fn(&Column) -> bool| Error::NoColumns {
        path: path.to_owned(),
        expected: some(&mut columns.iter().filter(|column| is_wanted(column)).map(|column| &column.name)),
        found: some(&mut schema.fields().iter().map(|field| field.name())),
    };
    // Only a contract can want columns that the reference lacks.
    let is_wanted = |column: &Column| column.declared.is_some() || column.in_reference;
    if !columns.iter().any(|column| column.in_reference) {
        return Err(without(reference, |_| true));
    }
    if !columns.iter().any(|column| column.in_current && is_wanted(column)) {
        return Err(without(current, is_wanted));
    }
    Ok(())
}

/// Why nothing was judged, if nothing was, and how bad that is.
fn nothing_judged(rows: Pair<u64>, reports: &[ColumnReport]) -> (Severity, Option<&'static str>) {
    let is_judged = |report: &ColumnReport| report.comparison.detectors.iter().any(|result| result.level.is_some());
    match (rows.reference, rows.current) {
        (0, 0) => (Severity::None, Some("Nothing could be compared: neither data set has rows.")),
        (0, _) => (Severity::Critical, Some("Nothing could be compared: the reference has no rows.")),
        (_, 0) => (Severity::Critical, Some("Nothing could be compared: the current data has no rows.")),
        _ if reports.iter().any(is_judged) => (Severity::None, None),
        _ => (Severity::None, Some("No column was judged.")),
    }
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
                let (nulls, rows) = profile.as_ref().map(|p| (p.nulls(), p.rows().saturating_add(p.mistyped())))?;
                (rows > 0).then(|| nulls as f64 / rows as f64)
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

/// A column that is gone or of another type is a fault, a new one is news, one of a kind that isn't compared is named.
fn not_compared(column: &Column) -> ColumnComparison {
    let (severity, explanation) = match (column.in_reference, column.in_current, &column.clash) {
        (true, false, _) => (Severity::Critical, format!("is missing from the current data{}", similar(column))),
        (false, true, _) if column.declared.is_some() => {
            (Severity::Info, format!("is missing from the reference{}", similar(column)))
        }
        (false, true, _) => (Severity::Info, "is new: only the current data has it".to_owned()),
        (false, false, _) => (Severity::Warning, format!("is in neither data set{}", similar(column))),
        (true, true, Some(clash)) => (Severity::Critical, clash.clone()),
        (true, true, None) => (Severity::None, "is of a type that is not compared (dates, lists, binaries)".to_owned()),
    };
    let severity = if column.judge { severity } else { Severity::None };
    ColumnComparison { detectors: Vec::new(), drifted: severity == Severity::Critical, severity, explanation }
}

fn similar(column: &Column) -> String {
    column.similar.as_ref().map_or_else(String::new, |name| format!("; there is `{name}`"))
}

fn explained(column: &Column, mut comparison: ColumnComparison) -> ColumnComparison {
    if !comparison.explanation.is_empty() {
        comparison.explanation = format!("{} {}.", column.name, comparison.explanation.trim_end_matches('.'));
    }
    comparison
}
