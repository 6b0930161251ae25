//! Figures of a binary classifier that need labels, by scikit-learn's names and definitions.
//!
//! All of them are read off a [`PerformanceProfile`]. `log_loss`, `brier_score` and `accuracy` are exact (to the fixed
//! point of 2^-60 a row); `roc_auc` is read off score bins, to within a bound.

use crate::Statistic;
use crate::profile::PerformanceProfile;

/// An area that may be off by more than this is none.
const ROC_AUC_BOUND: f64 = 0.01;

impl PerformanceProfile {
    /// Mean of -ln of the probability given to the truth, in nats; scores are kept 1e-15 away from 0 and 1. Rows without a
    /// score in [0, 1] are left out.
    pub fn log_loss(&self) -> Statistic {
        self.mean(self.log_loss_sum())
    }

    /// Mean squared difference of score and truth.
    pub fn brier_score(&self) -> Statistic {
        self.mean(self.squared_error_sum())
    }

    /// Share of the rows with a predicted class whose class was right.
    pub fn accuracy(&self) -> Statistic {
        match Statistic::require(self.decided(), 1) {
            Err(_) if self.labelled() > 0 => Statistic::Undefined("no labelled row has a predicted class"),
            Err(insufficient) => insufficient,
            Ok(()) => Statistic::of(self.correct() as f64 / self.decided() as f64),
        }
    }

    /// The probability that a positive row scores higher than a negative one, ties counting half. Different scores in the
    /// same bin count as ties too, so it is off by at most [`Self::roc_auc_error_bound`]; where that exceeds 0.01, it is
    /// undefined.
    pub fn roc_auc(&self) -> Statistic {
        if let Err(insufficient) = Statistic::require(self.scored(), 2) {
            return insufficient;
        }
        match self.pairs() {
            None => Statistic::Undefined("only one class has labelled rows"),
            Some(pairs) if pairs.error_bound() > ROC_AUC_BOUND => {
                Statistic::Undefined("the scores lie too close together to be put in order")
            }
            Some(pairs) => Statistic::of((pairs.higher + pairs.tied / 2.0) / pairs.all),
        }
    }

    /// Half the share of the pairs that the bins can't order: those in bins with several scores. 0 without pairs.
    pub fn roc_auc_error_bound(&self) -> f64 {
        self.pairs().map_or(0.0, |pairs| pairs.error_bound())
    }

    /// Share of the labelled rows whose label is positive.
    pub fn positive_rate(&self) -> Option<f64> {
        (self.labelled() > 0).then(|| self.positives() as f64 / self.labelled() as f64)
    }

    /// Share of the predictions that have a label.
    pub fn coverage(&self) -> Option<f64> {
        (self.predictions() > 0).then(|| self.labelled() as f64 / self.predictions() as f64)
    }

    fn mean(&self, sum: f64) -> Statistic {
        match Statistic::require(self.scored(), 1) {
            Err(_) if self.labelled() > 0 => Statistic::Undefined("no labelled row has a score between 0 and 1"),
            Err(insufficient) => insufficient,
            Ok(()) => Statistic::of(sum / self.scored() as f64),
        }
    }

    fn pairs(&self) -> Option<Pairs> {
        let mut pairs = Pairs { higher: 0.0, tied: 0.0, unordered: 0.0, all: 0.0 };
        let (mut negatives, mut positives) = (0.0, 0.0);
        for (bin, is_one_score) in self.score_bins() {
            let (here_negative, here_positive) = (bin.negatives.max(0) as f64, bin.positives.max(0) as f64);
            pairs.higher += here_positive * negatives;
            pairs.tied += here_positive * here_negative;
            pairs.unordered += if is_one_score { 0.0 } else { here_positive * here_negative };
            negatives += here_negative;
            positives += here_positive;
        }
        pairs.all = negatives * positives;
        (pairs.all > 0.0).then_some(pairs)
    }
}

/// Pairs of a positive and a negative row.
struct Pairs {
    higher: f64,
    /// In one bin.
    tied: f64,
    /// Those of the tied ones whose scores may differ.
    unordered: f64,
    all: f64,
}

impl Pairs {
    fn error_bound(&self) -> f64 {
        self.unordered / 2.0 / self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_without_labels_or_with_one_class_there_is_no_figure() {
        let mut profile = PerformanceProfile::new();
        let figures = |profile: &PerformanceProfile| {
            [profile.log_loss(), profile.brier_score(), profile.accuracy(), profile.roc_auc()].map(Statistic::status)
        };
        assert_eq!(figures(&profile), ["insufficient_data"; 4]);
        assert_eq!(profile.coverage(), None);
        profile.add(2.0, None, true, 0);
        profile.add_prediction();
        assert_eq!(profile.log_loss().status(), "undefined");
        assert_eq!(profile.accuracy().status(), "undefined");
        profile.add(0.5, Some(true), true, 0);
        profile.add(0.6, Some(true), true, 0);
        assert_eq!(profile.roc_auc(), Statistic::Undefined("only one class has labelled rows"));
        assert_eq!(profile.accuracy(), Statistic::Value(1.0));
        assert_eq!(profile.coverage(), Some(3.0));
    }

    /// The share of pairs in order, by comparing all of them.
    fn area(rows: &[(f64, bool)]) -> f64 {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (positive, _) in rows.iter().filter(|(_, label)| *label) {
            for (negative, _) in rows.iter().filter(|(_, label)| !label) {
                sum += if positive > negative { 1.0 } else { f64::from(u8::from(positive == negative)) / 2.0 };
                pairs += 1.0;
            }
        }
        sum / pairs
    }

    fn labelled(rows: &[(f64, bool)]) -> PerformanceProfile {
        let mut profile = PerformanceProfile::new();
        for (score, label) in rows {
            profile.add(*score, None, *label, 0);
        }
        profile
    }

    #[test]
    fn d1_scores_as_small_as_those_of_fraud_are_put_in_order() {
        for (low, width) in [(0.0, 1e-4), (0.0, 1.0), (1.0 - 1e-4, 1e-4), (1e-7, 1e-9)] {
            let rows: Vec<(f64, bool)> = (0..1_500_u32)
                .map(|i| {
                    let place = f64::from(i * 7_919 % 1_500) / 1_500.0;
                    (low + width * place, f64::from(i * 104_729 % 1_500) / 1_500.0 < place * place)
                })
                .collect();
            let profile = labelled(&rows);
            match profile.roc_auc().value() {
                Some(ours) => {
                    let bound = profile.roc_auc_error_bound();
                    assert!(bound < 0.01 && (ours - area(&rows)).abs() <= bound + 1e-12, "{low}: {ours} ± {bound}");
                    assert!(ours > 0.6, "{low}: {ours}");
                }
                // A billionth apart at 1e-7: one bin and a half hold all of them.
                None => assert!(width < 1e-8 && profile.roc_auc().to_string().contains("too close together")),
            }
        }
    }

    #[test]
    fn d1_few_distinct_scores_are_ties_and_no_error() {
        let rows: Vec<(f64, bool)> =
            (0..300_u32).map(|i| (f64::from(i % 3) * 0.003 + 0.3, i % 7 < i % 3 + 1)).collect();
        let profile = labelled(&rows);
        assert_eq!(profile.roc_auc_error_bound(), 0.0);
        assert!((profile.roc_auc().value().unwrap() - area(&rows)).abs() < 1e-12);
    }
}
