//! The loss of one scored event, and sums of losses.

/// The largest loss of one event, in nats.
///
/// A log loss has no upper bound: one event that was scored 1e-6 and happened costs 13.8, as much as 25 ordinary ones, and would
/// decide a comparison of 100 alone. At 3 (a score of .05 for what happened) the mean keeps its order on honest models, and its
/// variance is bounded, which the intervals rely on.
pub const LOSS_CAP: f64 = 3.0;

/// Scores are clipped to [this, 1 - this]; only matters where the cap is larger than 13.8 nats.
const SCORE_CLIP: f64 = 1e-6;

/// Log loss of a score, in nats, at most [`LOSS_CAP`]. A score that is no number is as bad as can be.
pub fn loss(score: f64, label: bool) -> f64 {
    if score.is_nan() {
        return LOSS_CAP;
    }
    let score = score.clamp(SCORE_CLIP, 1.0 - SCORE_CLIP);
    (-(if label { score } else { 1.0 - score }).ln()).min(LOSS_CAP)
}

/// Count, sum and sum of squares of losses or of their differences, all of them within ±[`LOSS_CAP`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub count: u64,
    sum: f64,
    squares: f64,
}

impl Sums {
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// 0 without values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Sum of squared distances from the mean.
    pub fn scatter(&self) -> f64 {
        (self.squares - self.sum * self.mean()).max(0.0)
    }

    /// Sample variance; 0 below two values.
    pub fn variance(&self) -> f64 {
        if self.count < 2 { 0.0 } else { self.scatter() / (self.count - 1) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::{LOSS_CAP, Sums, loss};

    #[test]
    fn a_loss_is_a_log_loss_up_to_the_cap() {
        assert!((loss(0.8, true) - 0.223_143_551_314_209_76).abs() < 1e-15);
        assert!((loss(0.8, false) - 1.609_437_912_434_100_4).abs() < 1e-15);
        for score in [0.0, -3.0, f64::NEG_INFINITY, 1e-9, f64::NAN] {
            assert_eq!(loss(score, true), LOSS_CAP, "{score}");
        }
        assert!(loss(f64::INFINITY, true) < 1e-5);
    }

    #[test]
    fn sums_give_the_moments() {
        let mut sums = Sums::default();
        assert_eq!((sums.mean(), sums.variance()), (0.0, 0.0));
        for value in [0.5, 1.5, 2.5] {
            sums.add(value);
        }
        assert_eq!((sums.mean(), sums.variance(), sums.scatter()), (1.5, 1.0, 2.0));
    }
}
