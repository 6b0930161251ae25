//! Limits learnt from how much the baseline's own windows differ from each other.

use statrs::distribution::{ContinuousCDF, StudentsT};

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
        let mean = values.iter().sum::<f64>() / windows as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { scale, transform, mean, deviation: (squares / (windows - 1) as f64).sqrt(), windows })
    }

    pub fn windows(&self) -> usize {
        self.windows
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

    /// The probability that a new window's value exceeds `value`.
    pub fn upper_tail(&self, value: f64) -> f64 {
        let spread = self.deviation * (1.0 + 1.0 / self.windows as f64).sqrt();
        let distance = self.transform.apply(value) - self.mean;
        if spread <= 0.0 {
            return if distance > 0.0 { 0.0 } else { 1.0 };
        }
        StudentsT::new(0.0, 1.0, (self.windows - 1) as f64).map_or(1.0, |student| student.sf(distance / spread))
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
    fn a_baseline_of_one_window_has_no_limit() {
        assert_eq!(Wobble::learn(Scale::Signed, false, [1.0]), None);
        assert_eq!(Wobble::learn(Scale::Signed, false, [1.0, f64::NAN]), None);
    }
}
