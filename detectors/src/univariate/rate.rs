//! Detectors of rates: how many of how many rows, before and now.

use contract::Subject;

use crate::Statistic;
use crate::kernel::contingency::fisher_upper;
use crate::profile::ColumnProfile;

use super::{Detector, Scale};

/// The rise of the share of rows that have some defect, judged upwards by Fisher's exact test.
pub struct RateDetector {
    pub(crate) name: &'static str,
    pub(crate) applies_to: fn(&ColumnProfile) -> bool,
    /// Err with the reason where a profile has no such rate.
    pub(crate) rate: fn(&ColumnProfile) -> Result<Rate, Statistic>,
}

impl RateDetector {
    fn rates(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Result<(Rate, Rate), Statistic> {
        Ok(((self.rate)(baseline)?, (self.rate)(current)?))
    }
}

impl Detector for RateDetector {
    fn name(&self) -> &'static str {
        self.name
    }

    fn applies_to(&self, column: &ColumnProfile) -> bool {
        (self.applies_to)(column)
    }

    fn statistic(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Statistic {
        match self.rates(baseline, current) {
            Ok((before, now)) => difference(before, now),
            Err(reason) => reason,
        }
    }

    fn p_value(&self, baseline: &ColumnProfile, current: &ColumnProfile) -> Option<f64> {
        let (before, now) = self.rates(baseline, current).ok()?;
        p_value(before, now)
    }

    fn threshold(&self, baseline: &ColumnProfile, current: &ColumnProfile, level: f64) -> Option<f64> {
        let (before, now) = self.rates(baseline, current).ok()?;
        threshold(before, now, level)
    }

    fn scale(&self) -> Scale {
        Scale::Rate
    }

    fn subject(&self) -> Subject {
        Subject::Quality
    }
}

/// Hits among rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub hits: u64,
    pub rows: u64,
}

impl Rate {
    fn share(self) -> f64 {
        self.hits as f64 / self.rows as f64
    }
}

/// The current share less the baseline's.
pub(crate) fn difference(baseline: Rate, current: Rate) -> Statistic {
    match Statistic::require(baseline.rows.min(current.rows), 1) {
        Err(insufficient) => insufficient,
        Ok(()) => Statistic::of(current.share() - baseline.share()),
    }
}

/// Fisher's exact test, upwards. None where a side has no rows.
pub(crate) fn p_value(baseline: Rate, current: Rate) -> Option<f64> {
    (baseline.rows > 0 && current.rows > 0)
        .then(|| fisher_upper(baseline.hits, baseline.rows, current.hits, current.rows))
}

/// The smallest rise with p below `level`. None where even all rows wouldn't be enough.
pub(crate) fn threshold(baseline: Rate, current: Rate, level: f64) -> Option<f64> {
    let is_beyond = |hits: u64| p_value(baseline, Rate { hits, ..current }).is_some_and(|p| p < level);
    if current.rows == 0 || !is_beyond(current.rows) {
        return None;
    }
    let (mut low, mut high) = (0, current.rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_beyond(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    difference(baseline, Rate { hits: high, ..current }).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_first_rise_beyond_the_level() {
        let (before, now) = (Rate { hits: 10, rows: 1_000 }, Rate { hits: 0, rows: 200 });
        let limit = threshold(before, now, 1e-3).unwrap();
        let hits = ((limit + 0.01) * 200.0).round() as u64;
        assert!(p_value(before, Rate { hits, ..now }).unwrap() < 1e-3);
        assert!(p_value(before, Rate { hits: hits - 1, ..now }).unwrap() >= 1e-3);
        assert_eq!(threshold(Rate { hits: 0, rows: 3 }, Rate { hits: 0, rows: 2 }, 1e-3), None);
    }

    #[test]
    fn d3_no_rows_have_no_rate() {
        let (none, some) = (Rate { hits: 0, rows: 0 }, Rate { hits: 1, rows: 2 });
        assert_eq!(difference(none, some).status(), "insufficient_data");
        assert_eq!(p_value(some, none), None);
    }
}
