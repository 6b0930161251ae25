//! The mean difference over days that wobble: a meta-analysis in which each day is a study.
//!
//! Day d has the difference Dd with sampling variance vd, known well from the losses of all days; the true difference of a day
//! wobbles with variance τ² about Δ. τ² is that of Paule and Mandel (1982), for which Σ wd (Dd - Δ)² = k - 1 with wd = 1 / (vd + τ²),
//! but for k + 1 on the right: a scatter that is 2 above its expectation is still luck. Then Δ = Σ wd Dd / Σ wd with standard error
//! (Σ wd)^-½ (random effects as in DerSimonian and Laird 1986). Its degrees of freedom are Satterthwaite's: few where days wobble
//! visibly, since then the wobble is learnt from them; many where sampling explains all.

use super::boundary::{mixture, student};
use super::settings::Settings;
use super::verdict::Interval;

/// Days kept at most; the oldest go. A rollout that isn't decided in 400 days won't be.
pub const MAX_BLOCKS: usize = 400;
/// Labels that a day needs of each arm.
pub(super) const MINIMUM_LABELS: u64 = 10;

/// No day's difference is taken to be known better than this, in nats: where events are many, days still wobble, and three of them
/// can't tell by how much.
const LEAST_DEVIATION: f64 = 0.03;
/// Where the boundary of days is tightest: about nine days.
const RHO_DAYS: f64 = 1.0;
/// The boundary is for a process with a known variance that is watched at each instant for ever. Days come one by one, and the
/// scatter's floor is cautious: where sampling explains the scatter, this factor is enough …
const STEADY_FACTOR: f64 = 0.85;
/// … and where all of it is wobble, this one is needed, since τ² comes from the same few days. Both were set by simulation
/// (docs/canary.md has the figures).
const WOBBLING_FACTOR: f64 = 1.2;
/// How far above its expectation a scatter is taken for luck.
const LUCK: f64 = 2.0;
const NEWTON_STEPS: u32 = 60;

/// A day's difference, candidate less stable, and its sampling variance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    pub difference: f64,
    pub variance: f64,
}

/// The mean over days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub mean: f64,
    pub standard_error: f64,
    /// Kish's number of days: (Σw)² / Σw². A day with few labels counts for little.
    pub effective_days: f64,
    /// Degrees of freedom of the standard error.
    pub degrees: f64,
    /// The wobble's part in a day's variance, 0 to 1.
    pub wobble_share: f64,
}

impl Estimate {
    /// `None` below two days.
    pub fn of(days: &[Day]) -> Option<Self> {
        if days.len() < 2 {
            return None;
        }
        let least = LEAST_DEVIATION * LEAST_DEVIATION;
        let days: Vec<Day> = days.iter().map(|day| Day { variance: day.variance.max(least), ..*day }).collect();
        let wobble = wobble_variance(&days);
        let Weighted { weights, squares, mean, .. } = Weighted::of(&days, wobble);
        let effective_days = weights * weights / squares;
        let sampling = days.len() as f64 / days.iter().map(|day| 1.0 / day.variance).sum::<f64>();
        let degrees = degrees_of_freedom(effective_days, sampling, wobble);
        let wobble_share = wobble / (sampling + wobble);
        Some(Self { mean, standard_error: weights.sqrt().recip(), effective_days, degrees, wobble_share })
    }

    /// Lower bound at the level of a rollback, upper bound at that of passing, at any time of looking.
    pub fn interval(&self, settings: &Settings) -> Interval {
        let limit = |level: f64, factor: f64| {
            student(factor * mixture(self.effective_days, level, RHO_DAYS), self.degrees) * self.standard_error
        };
        let factor = STEADY_FACTOR + (WOBBLING_FACTOR - STEADY_FACTOR) * self.wobble_share;
        Interval {
            estimate: self.mean,
            lower: self.mean - limit(settings.step_level(), factor),
            upper: self.mean + limit(settings.passing_level(), factor.max(1.0)),
        }
    }

    /// Whether the days weigh as much as `minimum` full ones, less half a day for the one that runs.
    pub fn has_days(&self, minimum: u32) -> bool {
        self.effective_days >= f64::from(minimum) - 0.5
    }
}

/// Satterthwaite's degrees of freedom of the variance `sampling + wobble`, of which only the wobble is estimated from the days.
/// Never more than (k - 1) (k - 2): a few steady days may be luck.
fn degrees_of_freedom(effective_days: f64, sampling: f64, wobble: f64) -> f64 {
    let days = (effective_days - 1.0).max(1.0);
    let most = days * (days - 1.0).max(1.0);
    if wobble <= 0.0 { most } else { (days * ((sampling + wobble) / wobble).powi(2)).min(most) }
}

/// Sums over days with the weights 1 / (v + τ²).
struct Weighted {
    weights: f64,
    squares: f64,
    mean: f64,
    /// Σ w (D - mean)², and its derivative by τ² with the sign changed.
    scatter: f64,
    slope: f64,
}

impl Weighted {
    fn of(days: &[Day], wobble: f64) -> Self {
        let (mut weights, mut squares, mut sum) = (0.0, 0.0, 0.0);
        for day in days {
            let weight = 1.0 / (day.variance + wobble);
            weights += weight;
            squares += weight * weight;
            sum += weight * day.difference;
        }
        let mean = sum / weights;
        let (mut scatter, mut slope) = (0.0, 0.0);
        for day in days {
            let weight = 1.0 / (day.variance + wobble);
            let part = weight * (day.difference - mean).powi(2);
            scatter += part;
            slope += weight * part;
        }
        Self { weights, squares, mean, scatter, slope }
    }
}

/// τ² as above. The scatter falls with τ² and is convex: Newton's steps from zero rise to the solution.
fn wobble_variance(days: &[Day]) -> f64 {
    let expected = (days.len() - 1) as f64 + LUCK;
    let mut wobble = 0.0;
    for _ in 0..NEWTON_STEPS {
        let Weighted { scatter, slope, .. } = Weighted::of(days, wobble);
        let excess = scatter - expected;
        if excess <= 1e-6 * expected || slope <= 0.0 {
            break;
        }
        wobble += excess / slope;
    }
    wobble
}

#[cfg(test)]
mod tests {
    use super::{Day, Estimate, wobble_variance};

    fn days(differences: &[f64], variance: f64) -> Vec<Day> {
        differences.iter().map(|&difference| Day { difference, variance }).collect()
    }

    #[test]
    fn equal_days_that_wobble_have_the_standard_error_of_their_mean() {
        let differences = [0.1, 0.4, -0.2, 0.3];
        let days = days(&differences, 0.002);
        let mean = 0.15;
        // Over k + 1: a scatter of 2 more than k - 1 is taken for luck.
        let variance = differences.iter().map(|difference: &f64| (difference - mean).powi(2)).sum::<f64>() / 5.0;
        assert!((wobble_variance(&days) - (variance - 0.002)).abs() < 1e-6);
        let estimate = Estimate::of(&days).unwrap();
        assert!((estimate.mean - mean).abs() < 1e-12);
        assert!((estimate.standard_error - (variance / 4.0).sqrt()).abs() < 1e-6);
        assert!((estimate.effective_days - 4.0).abs() < 1e-9);
        assert!(estimate.degrees > 3.0 && estimate.degrees < 3.5, "{}", estimate.degrees);
    }

    #[test]
    fn days_that_agree_by_luck_keep_their_sampling_error() {
        let estimate = Estimate::of(&days(&[0.05, 0.05, 0.05], 0.003)).unwrap();
        assert!((estimate.standard_error - (0.003_f64 / 3.0).sqrt()).abs() < 1e-12);
        let many_rows = Estimate::of(&days(&[0.05, 0.05, 0.05], 1e-9)).unwrap();
        assert!((many_rows.standard_error - 0.03 / 3.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_day_with_few_labels_is_no_full_day() {
        let mut days = days(&[0.1, 0.1], 0.002);
        days.push(Day { difference: 0.5, variance: 0.2 });
        let estimate = Estimate::of(&days).unwrap();
        assert!(!estimate.has_days(3), "{}", estimate.effective_days);
        assert!(estimate.has_days(2));
        assert!(estimate.mean < 0.11, "{}", estimate.mean);
    }

    #[test]
    fn one_day_is_no_estimate() {
        assert!(Estimate::of(&days(&[0.1], 0.1)).is_none());
    }
}
