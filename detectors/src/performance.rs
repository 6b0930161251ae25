//! Figures of a binary classifier that need labels, by scikit-learn's names and definitions.
//!
//! All of them are read off a [`PerformanceProfile`]. `log_loss`, `brier_score` and `accuracy` are exact (to the fixed
//! point of 2^-60 a row); `roc_auc` is read off 1000 score bins and carries its bound.

use crate::Statistic;
use crate::profile::PerformanceProfile;

impl PerformanceProfile {
    /// Mean of -ln of the probability given to the truth, in nats; scores are kept 1e-15 away from 0 and 1. Rows without a
    /// score in [0, 1] are left out.
    pub fn log_loss(&self) -> Statistic {
        self.mean(self.log_loss_sum())
    }

    /// The standard error of the log loss if rows were independent; rows of one day are not, so it is a lower bound.
    pub fn log_loss_standard_error(&self) -> Statistic {
        if let Err(insufficient) = Statistic::require(self.scored(), 2) {
            return insufficient;
        }
        let rows = self.scored() as f64;
        let mean = self.log_loss_sum() / rows;
        let variance = (self.log_loss_squares_sum() / rows - mean * mean).max(0.0) * rows / (rows - 1.0);
        Statistic::of((variance / rows).sqrt())
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

    /// The probability that a positive row scores higher than a negative one, ties counting half. Rows in the same score
    /// bin count as ties, so it is off by at most [`Self::roc_auc_error_bound`].
    pub fn roc_auc(&self) -> Statistic {
        if let Err(insufficient) = Statistic::require(self.scored(), 2) {
            return insufficient;
        }
        match self.pairs() {
            None => Statistic::Undefined("only one class has labelled rows"),
            Some(pairs) => Statistic::of((pairs.higher + pairs.tied / 2.0) / pairs.all),
        }
    }

    /// Half the share of the pairs that the bins can't order. 0 without pairs.
    pub fn roc_auc_error_bound(&self) -> f64 {
        self.pairs().map_or(0.0, |pairs| pairs.tied / 2.0 / pairs.all)
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
        let mut pairs = Pairs { higher: 0.0, tied: 0.0, all: 0.0 };
        let (mut negatives, mut positives) = (0.0, 0.0);
        for (_, bin) in self.score_bins() {
            let (here_negative, here_positive) = (bin.negatives.max(0) as f64, bin.positives.max(0) as f64);
            pairs.higher += here_positive * negatives;
            pairs.tied += here_positive * here_negative;
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
    tied: f64,
    all: f64,
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

    #[test]
    fn the_standard_error_is_that_of_a_mean() {
        let mut profile = PerformanceProfile::new();
        let scores = [0.9, 0.6, 0.3, 0.8];
        for score in scores {
            profile.add(score, None, true, 0);
        }
        let losses = scores.map(|score: f64| -score.ln());
        let mean = losses.iter().sum::<f64>() / 4.0;
        let expected = (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 3.0 / 4.0).sqrt();
        assert!((profile.log_loss_standard_error().value().unwrap() - expected).abs() < 1e-12);
    }
}
