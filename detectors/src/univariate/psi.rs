//! `psi`: the population stability index, as credit scoring has it.

use crate::Statistic;
use crate::kernel::binned::{ZeroPolicy, psi};
use crate::profile::ColumnProfile;

use super::bins::Bins;
use super::{Detector, Scale};

/// Σ (q - p) ln(q / p) over ten bins between the baseline's deciles, or over categories. Empty bins count as a share of 1e-4,
/// so that one of them alone adds about 1 and not 2 as with 1e-10.
pub struct Psi;

/// The share that an empty bin counts as.
const EMPTY_SHARE: f64 = 1e-4;

impl Detector for Psi {
    fn name(&self) -> &'static str {
        "psi"
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
                let statistic =
                    Statistic::of_option(psi(&bins.counts, ZeroPolicy::Replace(EMPTY_SHARE)), "one side is empty");
                (statistic, bins.test().map(|test| test.p_value))
            }
            Err(reason) => (reason, None),
        }
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let bins = Bins::of(baseline, current).ok()?;
        bins.threshold(psi(&bins.counts, ZeroPolicy::Replace(EMPTY_SHARE))?, 1.0, level)
    }

    fn scale(&self) -> Scale {
        Scale::Positive
    }
}
