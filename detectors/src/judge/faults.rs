//! Telling a broken pipeline from a changed world (promise D4): units, constants, vanished columns, changed types.
//!
//! **Unit change.** Only conversions of a column's *declared* unit are tried, only against the signed mean of the
//! baseline's windows, and for all columns of one source and unit together: at least one is beyond its limit as it came,
//! none is beyond after converting back, and converting back more than halves the distance. On the flights data this found
//! Celsius for Fahrenheit on all four days and nothing in about 270 clean ones.

use std::collections::BTreeMap;

use contract::model::Column;
use contract::{Fault, Finding, Severity, Subject as About};

use crate::profile::{ColumnProfile, NumericProfile, WindowProfile};
use crate::univariate::Scale;

use super::baseline::Baseline;
use super::columns::blank;
use super::limits::Wobble;
use super::{MINIMUM_BASELINE_WINDOWS, MINIMUM_ROWS, Subject};

/// Level of the mean's test within the fault verdict. The verdict also asks that the conversion explains the change, which
/// is what keeps its false alarms far below this.
const UNIT_LEVEL: f64 = 1e-3;
/// After converting back, at most this share of the distance may remain.
const REMAINING_SHARE: f64 = 0.5;
/// A column that has vanished: missing in at least this share of the rows now …
const VANISHED_SHARE: f64 = 0.95;
/// … and in at most this share of every window of the baseline.
const PRESENT_SHARE: f64 = 0.5;
/// A type has changed when at least this share of a column's values are mistyped.
const MISTYPED_SHARE: f64 = 0.5;

/// `value in the other unit` = `factor` × `value in the declared unit` + `offset`.
struct Conversion {
    declared: &'static str,
    other: &'static str,
    factor: f64,
    offset: f64,
}

/// The mistakes that are made: by declared unit, what arrives instead.
const CONVERSIONS: &[Conversion] = &[
    Conversion { declared: "fahrenheit", other: "celsius", factor: 1.0 / 1.8, offset: -32.0 / 1.8 },
    Conversion { declared: "celsius", other: "fahrenheit", factor: 1.8, offset: 32.0 },
    Conversion { declared: "celsius", other: "kelvin", factor: 1.0, offset: 273.15 },
    Conversion { declared: "kelvin", other: "celsius", factor: 1.0, offset: -273.15 },
    Conversion { declared: "miles", other: "kilometres", factor: 1.609_344, offset: 0.0 },
    Conversion { declared: "kilometres", other: "miles", factor: 1.0 / 1.609_344, offset: 0.0 },
    Conversion { declared: "metres", other: "feet", factor: 3.280_84, offset: 0.0 },
    Conversion { declared: "metres", other: "kilometres", factor: 1e-3, offset: 0.0 },
    Conversion { declared: "kilometres", other: "metres", factor: 1e3, offset: 0.0 },
    Conversion { declared: "feet", other: "metres", factor: 1.0 / 3.280_84, offset: 0.0 },
    Conversion { declared: "kilograms", other: "pounds", factor: 2.204_622_6, offset: 0.0 },
    Conversion { declared: "pounds", other: "kilograms", factor: 1.0 / 2.204_622_6, offset: 0.0 },
    Conversion { declared: "kilograms", other: "grams", factor: 1e3, offset: 0.0 },
    Conversion { declared: "grams", other: "kilograms", factor: 1e-3, offset: 0.0 },
    Conversion { declared: "seconds", other: "milliseconds", factor: 1e3, offset: 0.0 },
    Conversion { declared: "milliseconds", other: "seconds", factor: 1e-3, offset: 0.0 },
    Conversion { declared: "seconds", other: "minutes", factor: 1.0 / 60.0, offset: 0.0 },
    Conversion { declared: "minutes", other: "seconds", factor: 60.0, offset: 0.0 },
    Conversion { declared: "minutes", other: "hours", factor: 1.0 / 60.0, offset: 0.0 },
    Conversion { declared: "hours", other: "minutes", factor: 60.0, offset: 0.0 },
];

/// Adds a critical finding per faulty column, and marks the other findings of that column with the fault.
pub(super) fn apply(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile, findings: &mut Vec<Finding>) {
    if baseline.len() < MINIMUM_BASELINE_WINDOWS || current.rows < MINIMUM_ROWS {
        return;
    }
    let mut faults = unit_changes(subject, baseline, current);
    for (index, (column, profile)) in subject.contract.schema.iter().zip(&current.columns).enumerate() {
        faults.extend(shape_fault(subject, baseline, index, column, profile));
    }
    for fault in &faults {
        for finding in findings.iter_mut().filter(|f| f.feature == fault.feature && f.severity > Severity::None) {
            finding.fault = fault.fault;
        }
    }
    findings.append(&mut faults);
}

fn fault_finding(subject: &Subject<'_>, column: &str, fault: Fault, explanation: String) -> Finding {
    let mut finding = blank(subject, About::Feature, column, fault.name());
    finding.severity = Severity::Critical;
    finding.fault = Some(fault);
    finding.explanation = explanation;
    finding
}

/// One numeric column with a declared unit: its usual daily mean, and the mean now.
struct Measured<'a> {
    column: &'a Column,
    usual: Wobble,
    mean: f64,
}

impl Measured<'_> {
    /// Distance of a mean from the usual one, in units of the limit's half-width: beyond 1 is beyond the limit.
    fn distance(&self, mean: f64) -> f64 {
        let (_, upper) = self.usual.limits(UNIT_LEVEL);
        let half = (upper - self.usual.usual()).max(f64::MIN_POSITIVE);
        (mean - self.usual.usual()).abs() / half
    }
}

fn unit_changes(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, &str), Vec<Measured<'_>>> = BTreeMap::new();
    for (index, (column, profile)) in subject.contract.schema.iter().zip(&current.columns).enumerate() {
        let Some(unit) = column.unit.as_deref() else { continue };
        let Some(measured) = measure(baseline, index, column, profile) else { continue };
        groups.entry((column.source.as_deref().unwrap_or(&column.name), unit)).or_default().push(measured);
    }
    groups.into_iter().flat_map(|((_, unit), group)| unit_change(subject, unit, &group)).collect()
}

fn measure<'a>(baseline: &Baseline, index: usize, column: &'a Column, profile: &ColumnProfile) -> Option<Measured<'a>> {
    let mean_of = |profile: &ColumnProfile| match profile {
        ColumnProfile::Numeric(numeric) if numeric.finite() >= MINIMUM_ROWS => numeric.mean(),
        _ => None,
    };
    let mean = mean_of(profile)?;
    let means = baseline.windows.iter().filter_map(|window| window.columns.get(index).and_then(mean_of));
    let usual = Wobble::learn(Scale::Signed, false, means)?;
    (usual.windows() >= MINIMUM_BASELINE_WINDOWS).then_some(Measured { column, usual, mean })
}

fn unit_change(subject: &Subject<'_>, unit: &str, group: &[Measured<'_>]) -> Vec<Finding> {
    let farthest = |distance: &dyn Fn(&Measured<'_>) -> f64| group.iter().map(distance).fold(0.0, f64::max);
    let raw = farthest(&|measured| measured.distance(measured.mean));
    if raw <= 1.0 {
        return Vec::new();
    }
    let explained = CONVERSIONS.iter().filter(|conversion| conversion.declared == unit).find(|conversion| {
        let back = farthest(&|measured| measured.distance((measured.mean - conversion.offset) / conversion.factor));
        back < 1.0 && back < raw * REMAINING_SHARE
    });
    let Some(conversion) = explained else { return Vec::new() };
    group.iter().map(|measured| unit_finding(subject, measured, conversion)).collect()
}

fn unit_finding(subject: &Subject<'_>, measured: &Measured<'_>, conversion: &Conversion) -> Finding {
    let Measured { column, usual, mean } = measured;
    let source = column.source.as_deref().map_or(String::new(), |source| format!(" from source {source}"));
    let back = (mean - conversion.offset) / conversion.factor;
    let explanation = format!(
        "{}{source} looks like {} where {} is declared: its mean is {mean:.1} where {:.1} is usual, and {back:.1} when \
         converted back. A fault of the pipeline, not drift.",
        column.name,
        conversion.other,
        conversion.declared,
        usual.usual()
    );
    let mut finding = fault_finding(subject, &column.name, Fault::UnitChange, explanation);
    let (lower, upper) = usual.limits(UNIT_LEVEL);
    finding.statistic = Some(*mean);
    finding.limit = if *mean < usual.usual() { lower } else { Some(upper) };
    finding.level = Some(UNIT_LEVEL);
    finding.effect = Some(mean - usual.usual());
    finding
}

/// A column that vanished, froze, or changed its type.
fn shape_fault(
    subject: &Subject<'_>,
    baseline: &Baseline,
    index: usize,
    column: &Column,
    now: &ColumnProfile,
) -> Option<Finding> {
    let name = &column.name;
    let before = || baseline.windows.iter().filter_map(|window| window.columns.get(index));
    let missing = |profile: &ColumnProfile| profile.nulls() as f64 / profile.rows().max(1) as f64;
    if now.rows() >= MINIMUM_ROWS && missing(now) >= VANISHED_SHARE && before().all(|p| missing(p) <= PRESENT_SHARE) {
        let share = missing(now) * 100.0;
        let text =
            format!("{name} is missing in {share:.1} % of the rows; it used to be there. A fault of the pipeline.");
        return Some(fault_finding(subject, name, Fault::MissingColumn, text));
    }
    let mistyped = now.mistyped() as f64 / (now.rows() + now.mistyped()).max(1) as f64;
    if now.mistyped() >= MINIMUM_ROWS && mistyped >= MISTYPED_SHARE {
        let share = mistyped * 100.0;
        let text = format!("{share:.1} % of the values of {name} have a wrong type. A fault of the pipeline.");
        return Some(fault_finding(subject, name, Fault::TypeChange, text));
    }
    let value = constant(now)?;
    let ever_constant = before().any(|profile| constant(profile).is_some());
    (!ever_constant && before().count() > 0).then(|| {
        let text = format!("{name} has the one value {value} in every row; it used to vary. A fault of the pipeline.");
        fault_finding(subject, name, Fault::ConstantColumn, text)
    })
}

/// The one value of a column that has at least [`MINIMUM_ROWS`] values, all the same.
fn constant(profile: &ColumnProfile) -> Option<String> {
    match profile {
        ColumnProfile::Numeric(numeric) => constant_number(numeric).map(|value| value.to_string()),
        ColumnProfile::Categorical(categorical) => {
            let mut counts = categorical.counts();
            let (name, count) = counts.next()?;
            (counts.next().is_none() && !categorical.is_collapsed() && count >= MINIMUM_ROWS).then(|| name.to_owned())
        }
    }
}

fn constant_number(profile: &NumericProfile) -> Option<f64> {
    let (low, high) = (profile.min()?, profile.max()?);
    (profile.finite() >= MINIMUM_ROWS && low.total_cmp(&high).is_eq()).then_some(low)
}
