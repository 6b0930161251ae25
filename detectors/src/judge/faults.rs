//! Telling a broken pipeline from a changed world (promise D4): units, constants, vanished columns, changed types.
//!
//! **Unit change.** Only conversions of a column's *declared* unit are tried, only against the baseline's windows, and for
//! all columns of one source and unit together. By the signed means, at least one is beyond its limit as it came, none is
//! beyond after converting back, and converting back more than halves the distance. By the standard deviations within the
//! windows, converting back must not fit clearly worse: a cold day moves the mean, degrees Celsius also shrink the spread.
//! On the flights data this found Celsius for Fahrenheit on all four days and nothing in the clean ones.
//!
//! **Frozen columns.** One value in every row is a fault only if that has not the least chance: with the largest share that
//! the value had in a window of the baseline, so many rows would all have it with a probability below the level of a test.
//!
//! Columns that the contract doesn't judge have no faults either.

use std::collections::BTreeMap;
use std::fmt;

use contract::model::Column;
use contract::{Fault, Finding, Severity, Subject as About};

use crate::profile::{ColumnProfile, WindowProfile};
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
/// By how much the squared distances of the spreads, in units of their wobble, may grow by converting back. Spreads of
/// weather wobble by factors: on the flights data 295 of 302 converted days stay within this, and 137 of 336 ordinary
/// days' spreads would be taken for converted ones.
const SPREAD_TOLERANCE: f64 = 3.0;
/// The logarithm of a spread wobbles by at least this much, since it is estimated from rows.
const LEAST_SPREAD_WOBBLE: f64 = 0.02;
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

/// A judged column: what it was in the baseline's usable windows, and what it is now.
struct Watched<'a> {
    column: &'a Column,
    before: Vec<&'a ColumnProfile>,
    now: &'a ColumnProfile,
}

/// Adds a critical finding per faulty column, and marks the other findings of that column with the fault.
///
/// Values of a wrong type are dead letters and no rows, so each column is looked at whatever the window's number of rows.
pub(super) fn apply(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile, findings: &mut Vec<Finding>) {
    let columns = watched(subject, baseline, current);
    let mut faults = unit_changes(subject, &columns);
    faults.extend(columns.iter().filter_map(|column| shape_fault(subject, column)));
    for fault in &faults {
        for finding in findings.iter_mut().filter(|f| f.feature == fault.feature && f.severity > Severity::None) {
            finding.fault = fault.fault;
        }
    }
    findings.append(&mut faults);
}

/// The judged columns whose baseline has windows enough.
fn watched<'a>(subject: &Subject<'a>, baseline: &'a Baseline, current: &'a WindowProfile) -> Vec<Watched<'a>> {
    let columns = subject.contract.schema.iter().zip(&current.columns).enumerate();
    let judged = columns.filter(|(_, (column, _))| column.judge).map(|(index, (column, now))| {
        let before = baseline.windows.iter().filter_map(|window| window.columns.get(index));
        Watched { column, before: before.filter(|window| window.rows() >= MINIMUM_ROWS).collect(), now }
    });
    judged.filter(|column| column.before.len() >= MINIMUM_BASELINE_WINDOWS).collect()
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
    /// The logarithm of the standard deviation within a window: what it usually is, and now. None for constants.
    spread: Option<(Wobble, f64)>,
}

impl Measured<'_> {
    /// Distance of a mean from the usual one, in units of the limit's half-width: beyond 1 is beyond the limit.
    fn distance(&self, mean: f64) -> f64 {
        let (_, upper) = self.usual.limits(UNIT_LEVEL);
        let half = (upper - self.usual.usual()).max(f64::MIN_POSITIVE);
        (mean - self.usual.usual()).abs() / half
    }

    /// By how much the squared distance of the spread from the usual one grows when values are divided by a factor.
    fn spread_growth(&self, factor: f64) -> f64 {
        self.spread.as_ref().map_or(0.0, |(usual, now)| {
            let squared = |spread: f64| usual.distance(spread, LEAST_SPREAD_WOBBLE).powi(2);
            squared(now - factor.ln()) - squared(*now)
        })
    }
}

fn unit_changes(subject: &Subject<'_>, columns: &[Watched<'_>]) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, &str), Vec<Measured<'_>>> = BTreeMap::new();
    for watched in columns {
        let Some(unit) = watched.column.unit.as_deref() else { continue };
        let Some(measured) = measure(watched) else { continue };
        groups
            .entry((watched.column.source.as_deref().unwrap_or(&watched.column.name), unit))
            .or_default()
            .push(measured);
    }
    groups.into_iter().flat_map(|((_, unit), group)| unit_change(subject, unit, &group)).collect()
}

fn measure<'a>(watched: &Watched<'a>) -> Option<Measured<'a>> {
    let numeric = |profile: &'a ColumnProfile| profile.as_numeric().filter(|numeric| numeric.finite() >= MINIMUM_ROWS);
    let log_spread = |profile| {
        let deviation = numeric(profile)?.standard_deviation()?;
        (deviation > 0.0).then(|| deviation.ln())
    };
    let before = || watched.before.iter().copied();
    let mean = numeric(watched.now)?.mean()?;
    let usual = Wobble::to_judge(Scale::Signed, false, before().filter_map(|p| numeric(p)?.mean())).ok()?;
    let spreads = Wobble::to_judge(Scale::Signed, false, before().filter_map(log_spread)).ok();
    Some(Measured { column: watched.column, usual, mean, spread: spreads.zip(log_spread(watched.now)) })
}

fn unit_change(subject: &Subject<'_>, unit: &str, group: &[Measured<'_>]) -> Vec<Finding> {
    let farthest = |distance: &dyn Fn(&Measured<'_>) -> f64| group.iter().map(distance).fold(0.0, f64::max);
    let raw = farthest(&|measured| measured.distance(measured.mean));
    if raw <= 1.0 {
        return Vec::new();
    }
    let explained = CONVERSIONS.iter().filter(|conversion| conversion.declared == unit).find(|conversion| {
        let back = farthest(&|measured| measured.distance((measured.mean - conversion.offset) / conversion.factor));
        let growth: f64 = group.iter().map(|measured| measured.spread_growth(conversion.factor)).sum();
        back < 1.0 && back < raw * REMAINING_SHARE && growth < SPREAD_TOLERANCE
    });
    let Some(conversion) = explained else { return Vec::new() };
    group.iter().map(|measured| unit_finding(subject, measured, conversion)).collect()
}

fn unit_finding(subject: &Subject<'_>, measured: &Measured<'_>, conversion: &Conversion) -> Finding {
    let Measured { column, usual, mean, .. } = measured;
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
fn shape_fault(subject: &Subject<'_>, watched: &Watched<'_>) -> Option<Finding> {
    let (name, now) = (&watched.column.name, watched.now);
    let rows = |profile: &ColumnProfile| profile.rows().saturating_add(profile.mistyped());
    if rows(now) < MINIMUM_ROWS {
        return None;
    }
    let share = |count: u64, profile: &ColumnProfile| count as f64 / rows(profile).max(1) as f64;
    let missing = |profile: &ColumnProfile| share(profile.nulls(), profile);
    if missing(now) >= VANISHED_SHARE && watched.before.iter().all(|window| missing(window) <= PRESENT_SHARE) {
        let share = missing(now) * 100.0;
        let text =
            format!("{name} is missing in {share:.1} % of the rows; it used to be there. A fault of the pipeline.");
        return Some(fault_finding(subject, name, Fault::MissingColumn, text));
    }
    let mistyped = share(now.mistyped(), now);
    if now.mistyped() >= MINIMUM_ROWS && mistyped >= MISTYPED_SHARE {
        let share = mistyped * 100.0;
        let text = format!("{share:.1} % of the values of {name} have a wrong type. A fault of the pipeline.");
        return Some(fault_finding(subject, name, Fault::TypeChange, text));
    }
    frozen(subject, watched)
}

/// A column with one value in every row that has a value, where that can't be chance.
fn frozen(subject: &Subject<'_>, watched: &Watched<'_>) -> Option<Finding> {
    let name = &watched.column.name;
    let value = Constant::of(watched.now)?;
    let before: Vec<_> = watched.before.iter().filter(|window| values(window) >= MINIMUM_ROWS).collect();
    // A column that is constant within windows (the weekday of a day) has not frozen.
    if before.len() < MINIMUM_BASELINE_WINDOWS || before.iter().any(|window| Constant::of(window).is_some()) {
        return None;
    }
    let usual = before.iter().map(|window| value.share_of(window)).fold(0.0, f64::max);
    let rows = values(watched.now);
    (rows as f64 * usual.ln() < subject.levels.of_one().ln()).then(|| {
        let text = format!(
            "{name} has the one value {value} in all {rows} rows that have a value; it used to vary, with that value in at \
             most {:.1} % of a window's rows. A fault of the pipeline.",
            usual * 100.0
        );
        fault_finding(subject, name, Fault::ConstantColumn, text)
    })
}

/// The one value of a column.
enum Constant<'a> {
    Number(f64),
    Name(&'a str),
}

impl<'a> Constant<'a> {
    /// None unless the column has at least [`MINIMUM_ROWS`] values, all the same.
    fn of(profile: &'a ColumnProfile) -> Option<Self> {
        if values(profile) < MINIMUM_ROWS {
            return None;
        }
        match profile {
            ColumnProfile::Numeric(numeric) => {
                let (low, high) = (numeric.min()?, numeric.max()?);
                low.total_cmp(&high).is_eq().then_some(Self::Number(low))
            }
            ColumnProfile::Categorical(categorical) => {
                let mut counts = categorical.counts();
                let (name, _) = counts.next()?;
                (counts.next().is_none() && !categorical.is_collapsed()).then_some(Self::Name(name))
            }
        }
    }

    /// At least its share of a profile's values: cells may hold other numbers, and names that were given up are in any of
    /// the groups.
    fn share_of(&self, profile: &ColumnProfile) -> f64 {
        let count = match (self, profile) {
            (Self::Number(value), ColumnProfile::Numeric(numeric)) => {
                numeric.cells().find(|cell| (cell.low..=cell.high).contains(value)).map_or(0, |cell| cell.count)
            }
            (Self::Name(name), ColumnProfile::Categorical(categorical)) => categorical
                .count(name)
                .unwrap_or_else(|| categorical.counts().map(|(_, count)| count).max().unwrap_or(0)),
            _ => 0,
        };
        count as f64 / values(profile).max(1) as f64
    }
}

impl fmt::Display for Constant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Rows with a value: a finite number, or a name.
fn values(profile: &ColumnProfile) -> u64 {
    match profile {
        ColumnProfile::Numeric(numeric) => numeric.finite(),
        ColumnProfile::Categorical(categorical) => categorical.valid(),
    }
}
