//! Limits learnt from how much the baseline's own windows differ from each other.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::MINIMUM_BASELINE_WINDOWS;

/// On which scale a statistic's window-to-window values are close enough to normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Signed, roughly symmetric: judged on both sides as it is.
    Signed,
    /// A distance: positive and skewed; judged after a transformation, upwards only.
    Positive,
    /// A difference of rates: judged as it is, upwards only.
    Rate,
}

/// This share of the usual distance is added before taking logarithms, so that a distance of zero is a number.
const LOGARITHM_FLOOR: f64 = 1e-3;

/// The function after which a statistic's values are judged as normal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Transform {
    Identity,
    /// ln(x + floor): for distances whose windows wobble, which have long tails whatever the number of bins.
    Logarithm {
        floor: f64,
    },
    /// x^(2/3): the square of a distance between samples of one distribution is close to a sum of squared normals, whose
    /// cube root is close to normal (Wilson and Hilferty, 1931). Logarithms would be too cautious by factors of 10 to 100.
    CubeRootOfSquare,
}

impl Transform {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Logarithm { floor } => (value.max(0.0) + floor).ln(),
            Self::CubeRootOfSquare => value.max(0.0).powf(2.0 / 3.0),
        }
    }

    fn invert(self, value: f64) -> f64 {
        match self {
            Self::Identity => value,
            Self::Logarithm { floor } => (value.exp() - floor).max(0.0),
            Self::CubeRootOfSquare => value.max(0.0).powf(1.5),
        }
    }
}

/// Mean and standard deviation of a statistic over K windows of the baseline, on its scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wobble {
    scale: Scale,
    transform: Transform,
    mean: f64,
    deviation: f64,
    windows: usize,
}

impl Wobble {
    /// None with fewer than two finite values. `is_steady`: the windows differ no more than samples of one distribution
    /// do; it matters for distances only.
    pub fn learn(scale: Scale, is_steady: bool, values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let windows = values.len();
        if windows < 2 {
            return None;
        }
        let transform = match scale {
            Scale::Signed | Scale::Rate => Transform::Identity,
            Scale::Positive if is_steady => Transform::CubeRootOfSquare,
            Scale::Positive => {
                // Relative, so that the judgement doesn't depend on a column's unit.
                let usual = values.iter().map(|value| value.abs() / windows as f64).sum::<f64>();
                Transform::Logarithm { floor: (usual * LOGARITHM_FLOOR).max(f64::MIN_POSITIVE) }
            }
        };
        for value in &mut values {
            *value = transform.apply(*value);
        }
        // From the first value on, so that equal values have exactly that mean, and nothing equal lies beyond it.
        let first = values.first().copied().unwrap_or(0.0);
        let mean = first + values.iter().map(|value| value - first).sum::<f64>() / windows as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { scale, transform, mean, deviation: (squares / (windows - 1) as f64).sqrt(), windows })
    }

    /// The same to judge by. Err with the number of usable values where they are too few ([`MINIMUM_BASELINE_WINDOWS`]).
    pub fn to_judge(scale: Scale, is_steady: bool, values: impl IntoIterator<Item = f64>) -> Result<Self, usize> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let windows = values.len();
        Self::learn(scale, is_steady, values).filter(|_| windows >= MINIMUM_BASELINE_WINDOWS).ok_or(windows)
    }

    /// The usual value, on the statistic's own scale.
    pub fn usual(&self) -> f64 {
        self.transform.invert(self.mean)
    }

    /// Half the width of the interval that a new window's value falls into with probability 1 - `level`, on the
    /// transformed scale: s·√(1 + 1/K)·t(K − 1).
    fn half_width(&self, upper_tail: f64) -> f64 {
        let degrees = (self.windows - 1) as f64;
        let Ok(student) = StudentsT::new(0.0, 1.0, degrees) else { return f64::INFINITY };
        let quantile = student.inverse_cdf(1.0 - upper_tail.clamp(1e-15, 0.5));
        self.deviation * (1.0 + 1.0 / self.windows as f64).sqrt() * quantile
    }

    /// The smallest and the largest value, on the statistic's own scale, that a new window may have at this level.
    /// One-sided scales have no lower limit.
    pub fn limits(&self, level: f64) -> (Option<f64>, f64) {
        match self.scale {
            Scale::Signed => {
                let half = self.half_width(level / 2.0);
                (Some(self.mean - half), self.mean + half)
            }
            Scale::Positive | Scale::Rate => (None, self.transform.invert(self.mean + self.half_width(level))),
        }
    }

    /// Whether a new window's value lies beyond the limits, and the limit that it is nearest to.
    pub fn beyond(&self, value: f64, level: f64) -> (bool, f64) {
        let (lower, upper) = self.limits(level);
        match lower {
            Some(lower) if value < self.mean => (value < lower, lower),
            _ => (value > upper, upper),
        }
    }

    /// How many standard deviations of a new window's value a value is away from the usual one, on the transformed scale.
    /// Windows that differ by less than `least` count as differing by that.
    pub fn distance(&self, value: f64, least: f64) -> f64 {
        let spread = self.deviation * (1.0 + 1.0 / self.windows as f64).sqrt();
        (self.transform.apply(value) - self.mean).abs() / spread.max(least)
    }

    /// The interval around an observed value of a signed statistic that the wobble leaves plausible (95 %).
    pub fn interval(&self, value: f64) -> Option<(f64, f64)> {
        let degrees = (self.windows - 1) as f64;
        let student = StudentsT::new(0.0, 1.0, degrees).ok()?;
        let half = self.deviation * student.inverse_cdf(0.975);
        Some((value - half, value + half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats: for K = 28, s·√(1+1/28)·t.ppf(1-0.005, 27) with the sample below.
    #[test]
    fn d2_the_t_predictive_limit_agrees_with_scipy() {
        let values: Vec<f64> = (0..28).map(|i| f64::from(i % 7)).collect();
        let wobble = Wobble::learn(Scale::Signed, false, values.iter().copied()).unwrap();
        let (lower, upper) = wobble.limits(0.01);
        assert!((upper - 8.742_935_6).abs() < 1e-6, "{upper}");
        assert!((lower.unwrap() + 2.742_935_6).abs() < 1e-6);
    }

    #[test]
    fn distances_are_judged_on_logarithms_and_upwards_only() {
        let wobble =
            Wobble::learn(Scale::Positive, false, [0.01, 0.02, 0.015, 0.03, 0.012, 0.018, 0.022, 0.017]).unwrap();
        let (lower, upper) = wobble.limits(0.001);
        assert_eq!(lower, None);
        assert!(upper > 0.03 && upper < 0.3, "{upper}");
        assert!(wobble.beyond(upper * 1.01, 0.001).0);
        assert!(!wobble.beyond(0.0, 0.001).0);
        let values = [0.01, 0.02, 0.015, 0.03, 0.012, 0.018, 0.022, 0.017];
        let steady = Wobble::learn(Scale::Positive, true, values).unwrap();
        assert!(steady.limits(0.001).1 < upper && (steady.usual() / 0.0177 - 1.0).abs() < 0.02);
    }

    #[test]
    fn d2_what_is_as_always_is_not_beyond_the_limit() {
        for rows in 1..500_u32 {
            let value = f64::from(rows).ln();
            let wobble = Wobble::to_judge(Scale::Signed, false, vec![value; 28]).unwrap();
            assert!(!wobble.beyond(value, 1e-3).0, "{rows}");
        }
        assert_eq!(Wobble::to_judge(Scale::Signed, false, [1.0, 2.0, f64::NAN]), Err(2));
    }

    #[test]
    fn a_baseline_of_one_window_has_no_limit() {
        assert_eq!(Wobble::learn(Scale::Signed, false, [1.0]), None);
        assert_eq!(Wobble::learn(Scale::Signed, false, [1.0, f64::NAN]), None);
    }
}
