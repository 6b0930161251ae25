//! The judge: from statistics to findings whose false alarms the owner chose (promise D2).
//!
//! A statistic says how far a window is from its baseline; only the baseline itself says how far windows *usually* are.
//! So a window is beyond its limit when both hold:
//!
//! 1. its statistic lies outside the **t-predictive limit** of the baseline's own windows (each compared with the others;
//!    on logarithms where the statistic is skewed), which carries the data's natural wobble and the bias of the statistic
//!    at this number of rows and categories ([`limits`]); and
//! 2. where a two-sample null is known, its p-value is below the same level, which guards windows with fewer rows than the
//!    baseline's had.
//!
//! The level comes from the contract's budget, shared over every test of a window ([`budget`]). Evidence without an
//! effect above the detector's minimum is `info`, never a warning. Faults of the pipeline are told from real shifts by
//! [`faults`]; [`performance`] has a share of the budget of its own.
//!
//! Sources: t-predictive limits are Shewhart limits for a future observation (Hahn and Meeker, *Statistical Intervals*,
//! section 4.8).

pub mod baseline;
pub mod budget;
mod columns;
mod explain;
pub mod faults;
pub mod limits;
pub mod performance;
mod runs;
mod two_sample;

use contract::{Contract, Finding, Window};

pub use baseline::Baseline;
pub use budget::Levels;
pub use runs::Previous;
pub use two_sample::{ColumnComparison, DetectorComparison, REPORT_LEVEL, compare};

use crate::profile::WindowProfile;

/// Baselines with fewer windows than this judge nothing; findings say what is missing.
pub const MINIMUM_BASELINE_WINDOWS: usize = 8;

/// Windows with fewer rows than this are not judged.
pub const MINIMUM_ROWS: u64 = 30;

/// Everything about one window that a judgement needs besides its profile and its baseline.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub contract: &'a Contract,
    pub window: Window,
    pub revision: u32,
    /// Empty for inputs.
    pub version: &'a str,
    /// The findings of the window judged before this one, for runs and onset.
    pub previous: &'a Previous,
    /// Of the whole window, whatever part of it is judged.
    pub levels: Levels,
}

/// Judges the inputs of a window: feature drift, data quality, volume, faults. Over all versions.
///
/// Cost: O(windows × columns × cells).
pub fn judge_inputs(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Vec<Finding> {
    let mut findings = columns::judge_features(subject, baseline, current);
    faults::apply(subject, baseline, current, &mut findings);
    findings.push(columns::judge_volume(subject, baseline, current));
    subject.previous.continue_runs(&mut findings);
    findings
}

/// Judges what one version put out: score and prediction drift.
pub fn judge_outputs(subject: &Subject<'_>, baseline: &Baseline, current: &WindowProfile) -> Vec<Finding> {
    let mut findings = columns::judge_outputs(subject, baseline, current);
    subject.previous.continue_runs(&mut findings);
    findings
}

/// Judges the labelled performance of one version. `segments` explain where a change comes from; they are not tested.
pub fn judge_performance(
    subject: &Subject<'_>,
    baseline: &Baseline,
    current: &WindowProfile,
    segments: &[performance::SegmentShare],
) -> Vec<Finding> {
    let mut findings = performance::judge(subject, baseline, current, segments);
    subject.previous.continue_runs(&mut findings);
    findings
}
