//! Detectors of one column: functions of a baseline and a current profile.
//!
//! To add one: a file here, a line in [`builtin_detectors`], a golden in `tests/it/goldens.rs`, a row in
//! `docs/detectors.md`.

use contract::Subject;

mod bins;
mod js;
mod ks;
mod location;
mod log_variance;
mod missing_rate;
mod non_finite_rate;
mod pair;
mod psi;
mod range;
mod rate;
mod type_mismatch;
mod unseen_categories;
mod wasserstein;

use crate::Statistic;
pub use crate::judge::limits::Scale;
use crate::profile::ColumnProfile;

pub use js::JensenShannon;
pub use ks::KolmogorovSmirnov;
pub use location::Location;
pub use log_variance::LogVariance;
pub use psi::Psi;
pub use rate::RateDetector;
pub use unseen_categories::UnseenCategories;
pub use wasserstein::Wasserstein;

/// A statistic that compares a current profile with a baseline. Pure: no state, no clock, no randomness.
pub trait Detector: Send + Sync {
    /// The name in findings, reports and contracts.
    fn name(&self) -> &'static str;

    /// Whether it makes sense for such a column.
    fn applies_to(&self, column: &ColumnProfile) -> bool;

    /// The statistic on its own scale.
    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic;

    /// The size of the change in natural units: standard deviations of the baseline, shares of rows, or the distance.
    fn effect(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        self.statistic(baseline, current)
    }

    /// The probability of a statistic at least so extreme if both samples came from one distribution and rows were
    /// independent: the two-sample null, which counts the baseline's rows as well. None where no null is known.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64>;

    /// The statistic with its p-value, for detectors that can share work between both.
    fn tested(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> (Statistic, Option<f64>) {
        (self.statistic(baseline, current), self.p_value(baseline, current))
    }

    /// The smallest size of the statistic that is beyond `level` by [`Self::p_value`], on the statistic's own scale. None
    /// where there is no p-value, or where no size would do.
    fn threshold(&self, _baseline: &ColumnProfile, _current: &ColumnProfile, _level: f64) -> Option<f64> {
        None
    }

    fn scale(&self) -> Scale;

    fn subject(&self) -> Subject {
        Subject::Feature
    }

    /// How far the statistic may be from the one computed on the rows themselves. 0 when it is exact; None when the
    /// statistic is undefined.
    fn error_bound(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        self.statistic(baseline, current).value().map(|_| 0.0)
    }
}

/// Every detector of one column, in the order of reports.
pub fn builtin_detectors() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(Location),
        Box::new(LogVariance),
        Box::new(Wasserstein),
        Box::new(KolmogorovSmirnov),
        Box::new(JensenShannon),
        Box::new(Psi),
        Box::new(missing_rate::detector()),
        Box::new(non_finite_rate::detector()),
        Box::new(range::detector()),
        Box::new(type_mismatch::detector()),
        Box::new(UnseenCategories),
    ]
}
