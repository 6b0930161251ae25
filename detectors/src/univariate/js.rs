//! `js`: the Jensen–Shannon distance, for changes of shape and of the mix of categories.

use crate::Statistic;
use crate::kernel::binned::js_distance;
use crate::profile::ColumnProfile;

use super::bins::Bins;
use super::{Detector, Scale};

/// The root of the Jensen–Shannon divergence in bits, over ten bins between the baseline's deciles or over categories: 0 for
/// equal shares, 1 for disjoint ones.
pub struct JensenShannon;

impl Detector for JensenShannon {
    fn name(&self) -> &'static str {
        "js"
    }

    fn applies_to(&self, _column: &ColumnProfile) -> bool {
        true
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        self.tested(baseline, current).0
    }

    /// Of the contingency table of the same bins ([`Bins::test`]): it counts the baseline's rows as well.
    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        self.tested(baseline, current).1
    }

    fn tested(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> (Statistic, Option<f64>) {
        match Bins::of(baseline, current) {
            Ok(bins) => {
                let statistic = Statistic::of_option(js_distance(&bins.counts), "one side is empty");
                (statistic, bins.test().map(|test| test.p_value))
            }
            Err(reason) => (reason, None),
        }
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let bins = Bins::of(baseline, current).ok()?;
        bins.threshold(js_distance(&bins.counts)?, 0.5, level)
    }

    fn scale(&self) -> Scale {
        Scale::Positive
    }
}
