//! Drift of input columns, of the score and of the predicted class; quality of input columns; volume.

use contract::{Contract, Finding, Severity, Subject as About};

use crate::Statistic;
use crate::profile::{CategoricalProfile, ColumnProfile, NumericProfile, WindowProfile};
use crate::univariate::{Detector, Scale, builtin_detectors};

use super::baseline::{Baseline, ColumnBaseline};
use super::limits::Wobble;
use super::{MINIMUM_BASELINE_WINDOWS, MINIMUM_ROWS, Subject, explain};

/// A critical finding is beyond the limit of a level this much smaller …
const CRITICAL_LEVEL_FACTOR: f64 = 1e-3;
/// … with an effect this many times the minimum.
const CRITICAL_EFFECT_FACTOR: f64 = 3.0;

/// The detectors that judge by default: few, and complementary (docs/quality.md). The others' statistics are computed
/// and shown.
const JUDGING: [&str; 9] = [
    "location",
    "log_variance",
    "wasserstein",
    "js",
    "missing_rate",
    "non_finite_rate",
    "unseen_categories",
    "range",
    "type_mismatch",
];

/// Whether a detector judges a column: on numbers JS adds little to location, variance and W1 but catches changes of
/// shape; on categories it is the one judge of drift.
pub(super) fn is_judging(detector: &dyn Detector) -> bool {
    JUDGING.contains(&detector.name())
}

/// The smallest effect worth a warning, in the detector's natural units.
pub(super) fn minimum_effect(detector: &str) -> f64 {
    match detector {
        "location" | "wasserstein" => 0.1,
        "log_variance" => 0.2,
        "missing_rate" | "unseen_categories" | "non_finite_rate" | "range" | "type_mismatch" => 0.01,
        _ => 0.05,
    }
}

/// How many tests share the drift budget of a window: every judging detector of every judged column, whether the column
/// froze ([`super::faults`]), the outputs of each version, and the volume.
pub(super) fn tests(contract: &Contract, versions: usize) -> usize {
    let detectors = builtin_detectors();
    let judging = |column: &ColumnProfile, is_output: bool| {
        let applies = |d: &dyn Detector| is_judging(d) && applies(column, is_output, d);
        detectors.iter().filter(|detector| applies(detector.as_ref())).count()
    };
    let judged = contract.schema.iter().filter(|column| column.judge);
    let inputs: usize = judged.map(|column| judging(&ColumnProfile::new(column.kind, column.range), false) + 1).sum();
    let fields = &contract.fields.predictions;
    let score = fields.score.as_ref().map(|_| ColumnProfile::Numeric(NumericProfile::default()));
    let prediction = fields.prediction.as_ref().map(|_| ColumnProfile::Categorical(CategoricalProfile::new()));
    let outputs: usize = score.iter().chain(&prediction).map(|column| judging(column, true)).sum();
    inputs + versions * outputs + 1
}

/// Outputs are judged for drift alone.
fn applies(column: &ColumnProfile, is_output: bool, detector: &dyn Detector) -> bool {
    detector.applies_to(column) && (!is_output || detector.subject() == About::Feature)
}

/// One column under judgement.
struct ColumnUnderTest<'a> {
    name: &'a str,
    about: Option<About>,
    judge: bool,
    baseline: ColumnBaseline<'a>,
    current: &'a ColumnProfile,
}

pub(super) fn judge_features(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Vec<Finding> {
    let columns: Vec<_> = subject
        .contract
        .schema
        .iter()
        .zip(&current.columns)
        .enumerate()
        .map(|(index, (column, profile))| ColumnUnderTest {
            name: &column.name,
            about: None,
            judge: column.judge,
            baseline: baseline.column(index),
            current: profile,
        })
        .collect();
    judge_columns(subject, baseline, &columns)
}

pub(super) fn judge_outputs(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Vec<Finding> {
    let fields = &subject.contract.fields.predictions;
    let score = ColumnProfile::Numeric(current.score.clone());
    let prediction = ColumnProfile::Categorical(current.prediction.clone());
    let mut columns = Vec::new();
    if fields.score.is_some() {
        let baseline = baseline.score();
        columns.push(ColumnUnderTest { name: "", about: Some(About::Score), judge: true, baseline, current: &score });
    }
    if fields.prediction.is_some() {
        let baseline = baseline.prediction();
        let about = Some(About::Prediction);
        columns.push(ColumnUnderTest { name: "", about, judge: true, baseline, current: &prediction });
    }
    judge_columns(subject, baseline, &columns)
}

fn judge_columns(subject: &Subject<'_>, baseline: &Baseline, columns: &[ColumnUnderTest<'_>]) -> Vec<Finding> {
    let detectors = builtin_detectors();
    let mut findings = Vec::new();
    for column in columns {
        let applies = |detector: &dyn Detector| applies(column.current, column.about.is_some(), detector);
        for detector in detectors.iter().filter(|detector| applies(detector.as_ref())) {
            findings.push(judge_one(subject, baseline, column, detector.as_ref()));
        }
    }
    findings
}

fn judge_one(
    subject: &Subject<'_>,
    baseline: &Baseline,
    column: &ColumnUnderTest<'_>,
    detector: &dyn Detector,
) -> Finding {
    let about = column.about.unwrap_or(detector.subject());
    let mut finding = blank(subject, about, column.name, detector.name());
    let Some(pooled) = &column.baseline.pooled else {
        finding.reason = Some(learning(column.baseline.windows.len()));
        return finding;
    };
    let rows = rows_seen(detector, column.current);
    if rows < MINIMUM_ROWS {
        finding.reason = Some(format!("{rows} rows of the {MINIMUM_ROWS} needed"));
        return finding;
    }
    let statistic = match detector.statistic(pooled, column.current) {
        Statistic::Value(value) => value,
        undefined => {
            finding.reason = Some(undefined.to_string());
            return finding;
        }
    };
    finding.statistic = Some(statistic);
    finding.effect = detector.effect(pooled, column.current).value();
    if !column.judge || !is_judging(detector) {
        return finding;
    }
    let wobble = match column.baseline.wobble(detector) {
        Ok(wobble) => wobble,
        Err(windows) => {
            finding.reason = Some(learning(windows));
            return finding;
        }
    };
    let level = subject.levels.of_one();
    finding.level = Some(level);
    let p_value = detector.p_value(pooled, column.current);
    let (beyond, limit) = wobble.beyond(statistic, level);
    finding.limit = Some(limit);
    if beyond && p_value.is_none_or(|p| p < level) {
        let far = wobble.beyond(statistic, level * CRITICAL_LEVEL_FACTOR).0;
        finding.severity = severity(finding.effect, detector.name(), far);
        finding.explanation =
            explain::column(about, column.name, pooled, column.current, &finding, &baseline.description);
    }
    finding
}

/// The rows that a detector looks at. Values of a wrong type are in no figure but their own rate.
fn rows_seen(detector: &dyn Detector, column: &ColumnProfile) -> u64 {
    let mistyped = if detector.name() == "type_mismatch" { column.mistyped() } else { 0 };
    column.rows().saturating_add(mistyped)
}

/// Evidence is given: the effect decides how much it matters.
pub(super) fn severity(effect: Option<f64>, detector: &str, far_beyond: bool) -> Severity {
    let minimum = minimum_effect(detector);
    match effect.map(f64::abs) {
        Some(effect) if far_beyond && effect >= minimum * CRITICAL_EFFECT_FACTOR => Severity::Critical,
        Some(effect) if effect >= minimum => Severity::Warning,
        _ => Severity::Info,
    }
}

/// The number of rows against the baseline's windows, as a logarithm of the ratio; both sides.
pub(super) fn judge_volume(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Finding {
    /// A third less, or half as much again.
    const MINIMUM_EFFECT: f64 = 0.4;
    let mut finding = blank(subject, About::Volume, "", "volume");
    finding.statistic = Some(current.rows as f64);
    let rows = |rows: u64| (rows.max(1) as f64).ln();
    let usual = baseline.windows.iter().map(|window| rows(window.rows));
    let wobble = match Wobble::to_judge(Scale::Signed, false, usual) {
        Ok(wobble) => wobble,
        Err(windows) => {
            finding.reason = Some(learning(windows));
            return finding;
        }
    };
    let level = subject.levels.of_one();
    let value = rows(current.rows);
    let (beyond, limit) = wobble.beyond(value, level);
    let effect = value - wobble.usual();
    finding.effect = Some(effect);
    finding.level = Some(level);
    finding.limit = Some(limit.exp());
    if beyond {
        finding.severity = if effect.abs() >= MINIMUM_EFFECT { Severity::Warning } else { Severity::Info };
        let usual = wobble.usual().exp();
        finding.explanation = format!("{} rows where {usual:.0} are usual in {}.", current.rows, baseline.description);
    }
    finding
}

/// A finding that says nothing yet.
pub(super) fn blank(subject: &Subject<'_>, about: About, feature: &str, detector: &str) -> Finding {
    Finding {
        model: subject.contract.model.clone(),
        version: subject.version.to_owned(),
        segment: String::new(),
        window: subject.window.into(),
        revision: subject.revision,
        subject: about,
        feature: feature.to_owned(),
        detector: detector.to_owned(),
        statistic: None,
        interval: None,
        limit: None,
        level: None,
        effect: None,
        severity: Severity::None,
        fault: None,
        since: subject.window.start,
        consecutive: 0,
        explanation: String::new(),
        reason: None,
    }
}

/// `windows`: those that can be used.
pub(super) fn learning(windows: usize) -> String {
    format!("learning: the baseline has {windows} windows of the {MINIMUM_BASELINE_WINDOWS} needed")
}
