//! Two data sets side by side, as `bellwether report` has them: no windows to learn a wobble from, so each test uses the
//! null distribution of two independent samples, corrected over every column and detector of the report.

use contract::{Severity, Subject as About};
use serde::Serialize;

use crate::Statistic;
use crate::profile::ColumnProfile;
use crate::univariate::{Detector, builtin_detectors};

use super::columns::{is_judging, minimum_effect, severity};

/// Family-wise level of a whole report.
pub const REPORT_LEVEL: f64 = 0.01;
/// A critical column's p-value is this much below the level.
const CRITICAL_P_FACTOR: f64 = 1e-3;

/// A column of two data sets.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnComparison {
    pub detectors: Vec<DetectorComparison>,
    pub drifted: bool,
    pub severity: Severity,
    pub explanation: String,
}

/// One detector's result. `status` is `scored`, `insufficient_data` or `undefined` (then `reason`).
#[derive(Clone, Debug, Serialize)]
pub struct DetectorComparison {
    pub detector: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Level of this one test, after correction. Absent for detectors that are shown but don't judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// The smallest size of the statistic that is beyond `level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bound: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Compares columns pairwise: `(baseline, current, judged)` in, one comparison each out, in order.
///
/// Cost: O(columns × detectors × cells).
pub fn compare(columns: &[(ColumnProfile, ColumnProfile, bool)], family_level: f64) -> Vec<ColumnComparison> {
    let detectors = builtin_detectors();
    let judges = |detector: &dyn Detector, column: &(ColumnProfile, ColumnProfile, bool)| {
        column.2 && is_judging(detector) && detector.applies_to(&column.1)
    };
    let tests: usize =
        columns.iter().map(|column| detectors.iter().filter(|d| judges(d.as_ref(), column)).count()).sum();
    let level = family_level / tests.max(1) as f64;
    columns
        .iter()
        .map(|column| {
            let applicable = detectors.iter().filter(|detector| detector.applies_to(&column.1));
            let results: Vec<(DetectorComparison, Severity)> = applicable
                .map(|d| compare_one(d.as_ref(), &column.0, &column.1, judges(d.as_ref(), column).then_some(level)))
                .collect();
            summarize(results, &column.0, &column.1)
        })
        .collect()
}

fn compare_one(
    detector: &dyn Detector,
    baseline: &ColumnProfile,
    current: &ColumnProfile,
    level: Option<f64>,
) -> (DetectorComparison, Severity) {
    let mut result = DetectorComparison {
        detector: detector.name(),
        status: "scored",
        statistic: None,
        effect: None,
        p_value: None,
        level,
        threshold: None,
        error_bound: None,
        method: None,
        reason: None,
    };
    match detector.statistic(baseline, current) {
        Statistic::Value(value) => result.statistic = Some(value),
        undefined => {
            let is_short = matches!(undefined, Statistic::InsufficientData { .. });
            result.status = if is_short { "insufficient_data" } else { "undefined" };
            result.reason = Some(undefined.to_string());
            result.level = None;
            return (result, Severity::None);
        }
    }
    result.effect = detector.effect(baseline, current).value();
    result.p_value = detector.p_value(baseline, current);
    result.error_bound = detector.error_bound(baseline, current);
    result.method = Some(method(baseline, current));
    let Some(level) = level else { return (result, Severity::None) };
    result.threshold = detector.threshold(baseline, current, level);
    let found = match result.p_value {
        Some(p) if p < level => severity(result.effect, detector.name(), p < level * CRITICAL_P_FACTOR),
        _ => Severity::None,
    };
    (result, found)
}

fn method(baseline: &ColumnProfile, current: &ColumnProfile) -> &'static str {
    match (baseline, current) {
        (ColumnProfile::Numeric(a), ColumnProfile::Numeric(b)) if !(a.is_exact() && b.is_exact()) => "binned",
        (ColumnProfile::Categorical(a), _) if a.is_collapsed() => "hashed",
        (_, ColumnProfile::Categorical(b)) if b.is_collapsed() => "hashed",
        _ => "exact",
    }
}

fn summarize(
    results: Vec<(DetectorComparison, Severity)>,
    baseline: &ColumnProfile,
    current: &ColumnProfile,
) -> ColumnComparison {
    let worst = results.iter().map(|(_, severity)| *severity).max().unwrap_or_default();
    let strongest = results
        .iter()
        .filter(|(_, severity)| *severity == worst && worst > Severity::None)
        .max_by(|(a, _), (b, _)| relative_effect(a).total_cmp(&relative_effect(b)));
    let explanation = strongest.map_or(String::new(), |(result, _)| {
        super::explain::change(About::Feature, "", result.detector, result.statistic, baseline, current)
    });
    ColumnComparison {
        drifted: worst >= Severity::Warning,
        severity: worst,
        explanation,
        detectors: results.into_iter().map(|(result, _)| result).collect(),
    }
}

fn relative_effect(result: &DetectorComparison) -> f64 {
    result.effect.map_or(0.0, |effect| effect.abs() / minimum_effect(result.detector))
}
