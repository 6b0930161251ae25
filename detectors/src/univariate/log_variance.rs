//! `log_variance`: how much wider or narrower a column became.

use crate::Statistic;
use crate::kernel::moments::VarianceTest;
use crate::profile::{ColumnProfile, NumericProfile};

use super::pair::{NumericPair, moments, numeric};
use super::{Detector, Scale};

/// ln(current variance / baseline's variance) of the finite values; 0 where both are constant. Undefined where both sides
/// together have only two values: then the mean says all about the variance.
pub struct LogVariance;

/// Whether both sides together have exactly two distinct values, known as such.
fn is_binary(before: &NumericProfile, now: &NumericProfile) -> bool {
    let few = |profile: &NumericProfile| profile.is_exact() && profile.counts().cells().len() <= 2;
    few(before) && few(now) && NumericPair::new(before, now).cells.len() == 2
}

fn variance_test(baseline: &ColumnProfile, current: &ColumnProfile) -> Option<VarianceTest> {
    let (before, now) = numeric(baseline, current, 2).ok()?;
    let (left, right) = (moments(before)?, moments(now)?);
    let unit = left.deviation.max(right.deviation);
    if unit <= 0.0 {
        return None;
    }
    let fourths = NumericPair::new(before, now).fourth_moments(left.mean, right.mean, unit);
    VarianceTest::new(&left, &right, fourths, unit)
}

impl Detector for LogVariance {
    fn name(&self) -> &'static str {
        "log_variance"
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        column.as_numeric().is_some()
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        let (before, now) = match numeric(baseline, current, 2) {
            Ok(pair) => pair,
            Err(reason) => return reason,
        };
        if is_binary(before, now) {
            return Statistic::Undefined("there are only two values: their mean says all");
        }
        match (before.standard_deviation(), now.standard_deviation()) {
            (Some(left), Some(right)) if left > 0.0 && right > 0.0 => Statistic::of(2.0 * (right / left).ln()),
            (Some(left), Some(right)) if left == 0.0 && right == 0.0 => Statistic::Value(0.0),
            (Some(0.0), Some(_)) => Statistic::Undefined("the baseline is constant"),
            (Some(_), Some(_)) => Statistic::Undefined("the current values are constant"),
            _ => Statistic::Undefined("a variance is not finite"),
        }
    }

    /// Two-sided, with a standard error from both sides' kurtosis ([`VarianceTest`]). Two constants are no evidence.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let statistic = self.statistic(baseline, current).value()?;
        if statistic == 0.0 {
            return Some(1.0);
        }
        variance_test(baseline, current).map(|test| test.p_value(statistic))
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let limit = variance_test(baseline, current)?.limit(level);
        limit.is_finite().then_some(limit)
    }

    fn scale(&self) -> Scale {
        Scale::Signed
    }
}
