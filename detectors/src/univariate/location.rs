//! `location`: how far the mean moved, signed, in standard deviations of the baseline.

use crate::Statistic;
use crate::kernel::moments::{self, MeanTest};
use crate::profile::ColumnProfile;

use super::pair::{self, numeric};
use super::{Detector, Scale};

/// (current mean - baseline's mean) / baseline's standard deviation, of the finite values. Where the baseline is constant,
/// the unit is the standard deviation of both sides as one; equal means are 0 in any unit.
pub struct Location;

fn mean_test(baseline: &ColumnProfile, current: &ColumnProfile) -> Option<MeanTest> {
    let (before, now) = numeric(baseline, current, 2).ok()?;
    moments::cautious(&pair::moments(before)?, &pair::moments(now)?)
}

impl Detector for Location {
    fn name(&self) -> &'static str {
        "location"
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        column.as_numeric().is_some()
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        let (before, now) = match numeric(baseline, current, 1) {
            Ok(pair) => pair,
            Err(reason) => return reason,
        };
        let (Some(mean_before), Some(mean_now)) = (before.mean(), now.mean()) else {
            return Statistic::Undefined("a mean is not finite");
        };
        let half = 0.5 * mean_now - 0.5 * mean_before;
        if half == 0.0 {
            return Statistic::Value(0.0);
        }
        Statistic::of_option(pair::unit(before, now).map(|unit| half / unit * 2.0), "there is no spread to measure by")
    }

    /// The larger p of Welch's test and of the score test ([`moments::cautious`]). Equal constants are no evidence.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        match mean_test(baseline, current) {
            Some(test) => Some(test.p_value),
            None => (self.statistic(baseline, current) == Statistic::Value(0.0)).then_some(1.0),
        }
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let (before, now) = numeric(baseline, current, 2).ok()?;
        let limit = mean_test(baseline, current)?.limit(level) / pair::unit(before, now)?;
        limit.is_finite().then_some(limit)
    }

    fn scale(&self) -> Scale {
        Scale::Signed
    }
}
