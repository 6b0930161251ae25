//! Has the accuracy really decayed? Judged on matured windows, against the daily wobble of the baseline's own figures.
//!
//! One metric, a proper score, is tested at each version's share of the performance level; the others are shown. The interval of a
//! figure is the wobble of the baseline's windows, not the sampling error of its rows: days differ far more than rows do
//! (on the flights data the row-level standard error is 8 times too small).

use contract::{Finding, Severity, Subject as About};

use crate::Statistic;
use crate::profile::{PerformanceProfile, WindowProfile};
use crate::univariate::Scale;

use super::baseline::Baseline;
use super::columns::{blank, learning};
use super::limits::Wobble;
use super::{MINIMUM_ROWS, Subject};

/// The metric that is tested: a proper score (promise T3 asks the same of candidates).
pub const TESTED_METRIC: &str = "log_loss";

/// A rise of the log loss below this many nats is never a warning.
const MINIMUM_EFFECT: f64 = 0.02;
/// Critical: beyond the limit of a level this much smaller …
const CRITICAL_LEVEL_FACTOR: f64 = 1e-2;
/// … and by at least this many nats.
const CRITICAL_EFFECT: f64 = 0.1;
/// How many segments an explanation names.
const NAMED_SEGMENTS: usize = 3;

/// A segment's part in the baseline and in the window under judgement.
#[derive(Clone, Debug)]
pub struct SegmentShare {
    /// "origin=EWR".
    pub segment: String,
    pub baseline: PerformanceProfile,
    pub current: PerformanceProfile,
}

/// One figure of a performance profile, by scikit-learn's name.
pub fn metric(profile: &PerformanceProfile, name: &str) -> Statistic {
    match name {
        "log_loss" => profile.log_loss(),
        "brier_score" => profile.brier_score(),
        "accuracy" => profile.accuracy(),
        "roc_auc" => profile.roc_auc(),
        _ => Statistic::Undefined("unknown metric"),
    }
}

/// The figures that are computed, the tested one first.
pub const METRICS: [&str; 4] = ["log_loss", "brier_score", "accuracy", "roc_auc"];

/// Whether more of a metric is better.
fn is_gain(name: &str) -> bool {
    matches!(name, "accuracy" | "roc_auc")
}

pub(super) fn judge(
    subject: &Subject<'_>,
    baseline: &Baseline,
    current: &WindowProfile,
    segments: &[SegmentShare],
) -> Vec<Finding> {
    METRICS.iter().map(|name| judge_metric(subject, baseline, current, segments, name)).collect()
}

fn judge_metric(
    subject: &Subject<'_>,
    baseline: &Baseline,
    current: &WindowProfile,
    segments: &[SegmentShare],
    name: &str,
) -> Finding {
    let mut finding = blank(subject, About::Performance, "", name);
    let labelled = current.performance.labelled();
    if labelled < MINIMUM_ROWS {
        finding.reason = Some(format!("{labelled} labelled rows of the {MINIMUM_ROWS} needed"));
        return finding;
    }
    let value = match metric(&current.performance, name) {
        Statistic::Value(value) => value,
        undefined => {
            finding.reason = Some(undefined.to_string());
            return finding;
        }
    };
    finding.statistic = Some(value);
    let usable = baseline.windows.iter().filter(|window| window.performance.labelled() >= MINIMUM_ROWS);
    let figures = usable.filter_map(|window| metric(&window.performance, name).value());
    let wobble = match Wobble::to_judge(Scale::Signed, false, figures) {
        Ok(wobble) => wobble,
        Err(windows) => {
            finding.reason = Some(learning(windows));
            return finding;
        }
    };
    let level = subject.levels.of_one_version();
    finding.interval = wobble.interval(value);
    finding.effect = Some(value - wobble.usual());
    finding.level = Some(level);
    // One-sided: getting better is no decay. Signed limits split their level over both sides, hence the doubling.
    let worst = |level: f64| {
        let (lower, upper) = wobble.limits(2.0 * level);
        if is_gain(name) { lower.unwrap_or(f64::NEG_INFINITY) } else { upper }
    };
    let is_worse = |limit: f64| if is_gain(name) { value < limit } else { value > limit };
    let limit = worst(level);
    finding.limit = Some(limit);
    if is_worse(limit) {
        let far = is_worse(worst(level * CRITICAL_LEVEL_FACTOR));
        finding.severity = severity(name, (value - wobble.usual()).abs(), far);
        finding.explanation = explain(name, value, wobble.usual(), limit, &current.performance, segments, baseline);
    }
    finding
}

/// Only the tested metric can be more than `info`: one test, one level.
fn severity(name: &str, effect: f64, far_beyond: bool) -> Severity {
    if name != TESTED_METRIC || effect < MINIMUM_EFFECT {
        Severity::Info
    } else if far_beyond && effect >= CRITICAL_EFFECT {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

fn explain(
    name: &str,
    value: f64,
    usual: f64,
    limit: f64,
    current: &PerformanceProfile,
    segments: &[SegmentShare],
    baseline: &Baseline,
) -> String {
    let coverage = current.coverage().map_or(String::new(), |share| format!(" of {:.0} %", share * 100.0));
    let mut text = format!(
        "{name} is {value:.3} where {usual:.3} is usual in {} (limit {limit:.3}; {} labelled rows, coverage{coverage}).",
        baseline.description,
        current.labelled()
    );
    if name == TESTED_METRIC {
        let worst = worst_segments(segments, current.labelled());
        if !worst.is_empty() {
            text.push_str(" Most of the rise comes from ");
            text.push_str(&worst.join(", "));
            text.push('.');
        }
    }
    text
}

/// The segments that add most to the rise of the log loss: rows × rise in the segment. Explained, not tested.
fn worst_segments(segments: &[SegmentShare], labelled: u64) -> Vec<String> {
    let mut shares: Vec<(f64, String)> = segments
        .iter()
        .filter_map(|share| {
            let now = share.current.log_loss().value()?;
            let before = share.baseline.log_loss().value()?;
            let rows = share.current.labelled();
            let added = (now - before) * rows as f64 / labelled.max(1) as f64;
            (rows >= MINIMUM_ROWS && added > 0.0)
                .then(|| (added, format!("{} ({before:.2} → {now:.2}, {rows} rows)", share.segment)))
        })
        .collect();
    shares.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    shares.into_iter().take(NAMED_SEGMENTS).map(|(_, text)| text).collect()
}
