//! `ks`: the largest difference between the two distribution functions.

use crate::Statistic;
use crate::kernel::kolmogorov;
use crate::profile::{ColumnProfile, NumericProfile};

use super::pair::{NumericPair, numeric};
use super::{Detector, Scale};

/// The two-sample Kolmogorov–Smirnov statistic; infinities are values below and above all others. Exact while both
/// profiles are, else taken at the ends of cells and short of the exact one by at most [`Detector::error_bound`].
pub struct KolmogorovSmirnov;

/// Rows that are numbers.
fn rows(profile: &NumericProfile) -> u64 {
    profile.finite().saturating_add(profile.infinities())
}

impl Detector for KolmogorovSmirnov {
    fn name(&self) -> &'static str {
        "ks"
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        column.as_numeric().is_some()
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        match numeric(baseline, current, 1) {
            Ok((before, now)) => Statistic::of(NumericPair::new(before, now).kolmogorov().0),
            Err(reason) => reason,
        }
    }

    /// Exact for up to 250,000 pairs of rows, asymptotic beyond ([`kolmogorov::p_value`]). Ties and cells make it too
    /// large, never too small.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let statistic = self.statistic(baseline, current).value()?;
        let (before, now) = numeric(baseline, current, 1).ok()?;
        Some(kolmogorov::p_value(statistic, rows(before), rows(now)))
    }

    /// By bisection of the p-value, to nine digits.
    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let (before, now) = numeric(baseline, current, 1).ok()?;
        let is_beyond = |d: f64| kolmogorov::p_value(d, rows(before), rows(now)) < level;
        if !is_beyond(1.0) {
            return None;
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..30 {
            let middle = 0.5 * (low + high);
            if is_beyond(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    fn scale(&self) -> Scale {
        Scale::Positive
    }

    fn error_bound(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let (before, now) = numeric(baseline, current, 1).ok()?;
        Some(NumericPair::new(before, now).kolmogorov().1)
    }
}
