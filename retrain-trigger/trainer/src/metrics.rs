//! How good scores are, by the names and definitions of scikit-learn. They are exact: for what a model was trained on all
//! rows are at hand.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Scores are kept so far from 0 and 1 in logarithms.
const SMALLEST: f64 = 1e-15;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    pub rows: u64,
    /// Mean of -ln of the probability given to the truth, in nats.
    pub log_loss: f64,
    pub roc_auc: f64,
    /// Mean squared difference of score and label.
    pub brier_score: f64,
    /// Share of rows whose score is on the right side of one half.
    pub accuracy: f64,
}

impl Metrics {
    /// One score a label. Errors: [`Error::Unlearnable`] unless both classes are there.
    pub fn of(scores: &[f64], labels: &[bool]) -> Result<Self> {
        let rows = scores.len().min(labels.len());
        let positives = labels.iter().take(rows).filter(|label| **label).count();
        if positives == 0 || positives == rows {
            return Err(Error::Unlearnable("all labels are the same".to_owned()));
        }
        let (mut log_loss, mut brier_score, mut right) = (0.0, 0.0, 0_usize);
        for (score, label) in scores.iter().zip(labels) {
            let of_truth = if *label { *score } else { 1.0 - score };
            log_loss -= of_truth.clamp(SMALLEST, 1.0).ln();
            brier_score += (1.0 - of_truth) * (1.0 - of_truth);
            right += usize::from((*score >= 0.5) == *label);
        }
        let count = rows as f64;
        Ok(Self {
            rows: rows as u64,
            log_loss: log_loss / count,
            roc_auc: roc_auc(scores, labels, positives as f64),
            brier_score: brier_score / count,
            accuracy: right as f64 / count,
        })
    }
}

/// The Mann-Whitney form: rows of one score share the mean of their ranks.
fn roc_auc(scores: &[f64], labels: &[bool], positives: f64) -> f64 {
    let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    ranked.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut ranks) = (0.0, 0.0);
    for tied in ranked.chunk_by(|one, next| one.0.total_cmp(&next.0).is_eq()) {
        let mean_rank = below + f64::midpoint(1.0, tied.len() as f64);
        ranks += mean_rank * tied.iter().filter(|(_, label)| *label).count() as f64;
        below += tied.len() as f64;
    }
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * (below - positives))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of scikit-learn 1.9 for the same rows.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9];
        let labels = [false, false, true, true, true, false];
        let metrics = Metrics::of(&scores, &labels).unwrap();
        assert!((metrics.log_loss - 0.851_337_940_017_484_3).abs() < 1e-12, "{metrics:?}");
        assert!((metrics.roc_auc - 0.5).abs() < 1e-12, "{metrics:?}");
        assert!((metrics.brier_score - 0.300_416_666_666_666_7).abs() < 1e-12, "{metrics:?}");
        assert!((metrics.accuracy - 0.5).abs() < 1e-12, "{metrics:?}");
    }

    #[test]
    fn certainty_in_error_is_finite_and_one_class_is_refused() {
        let metrics = Metrics::of(&[1.0, 0.0], &[false, true]).unwrap();
        assert!(metrics.log_loss.is_finite() && metrics.log_loss > 30.0);
        assert!(Metrics::of(&[0.5, 0.5], &[true, true]).is_err());
        assert!(Metrics::of(&[], &[]).is_err());
    }
}
