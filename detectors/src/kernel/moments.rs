//! Tests of means and of variances from rows, mean and standard deviation alone.

use super::tails::{student_two_sided, student_two_sided_limit};

/// What a test of a sample needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// At least 2.
    pub rows: u64,
    pub mean: f64,
    /// Unbiased.
    pub deviation: f64,
}

/// A difference in units of its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanTest {
    pub t: f64,
    pub degrees: f64,
    pub standard_error: f64,
    pub p_value: f64,
}

impl MeanTest {
    /// The difference with p = `level`.
    pub fn limit(&self, level: f64) -> f64 {
        student_two_sided_limit(level, self.degrees) * self.standard_error
    }
}

/// current.mean - baseline.mean, without overflow as long as the result is finite.
pub fn difference(baseline: &Moments, current: &Moments) -> f64 {
    2.0 * (0.5 * current.mean - 0.5 * baseline.mean)
}

/// Welch's test (1947). None where both samples are constant, or too large for doubles.
pub fn welch(baseline: &Moments, current: &Moments) -> Option<MeanTest> {
    let (n, m) = (baseline.rows as f64, current.rows as f64);
    let (left, right) = (baseline.deviation / n.sqrt(), current.deviation / m.sqrt());
    let standard_error = left.hypot(right);
    let (a, b) = ((left / standard_error).powi(2), (right / standard_error).powi(2));
    let degrees = 1.0 / (a * a / (n - 1.0) + b * b / (m - 1.0));
    mean_test(baseline, current, standard_error, degrees)
}

/// Student's test with the variance of both samples as one, whatever their means: the score test of equal means. Defined
/// unless all values are one.
pub fn score(baseline: &Moments, current: &Moments) -> Option<MeanTest> {
    let (n, m) = (baseline.rows as f64, current.rows as f64);
    mean_test(baseline, current, combined_deviation(baseline, current) * (1.0 / n + 1.0 / m).sqrt(), n + m - 2.0)
}

/// The more cautious of Welch's and the score test. With unequal numbers of rows and skewed values, Welch is too eager
/// when the small sample happens to have a small variance, and the score test when one large value sits in it.
pub fn cautious(baseline: &Moments, current: &Moments) -> Option<MeanTest> {
    let (welch, score) = (welch(baseline, current), score(baseline, current)?);
    Some(welch.filter(|welch| welch.p_value > score.p_value).unwrap_or(score))
}

/// The larger of both standard errors with the fewer degrees of freedom, for statistics that are compared with the spread of
/// a mean without being one.
pub fn widest(baseline: &Moments, current: &Moments) -> Option<MeanTest> {
    let score = score(baseline, current)?;
    let Some(welch) = welch(baseline, current) else { return Some(score) };
    let wider = if welch.standard_error > score.standard_error { welch } else { score };
    Some(MeanTest { degrees: welch.degrees.min(score.degrees), ..wider })
}

fn mean_test(baseline: &Moments, current: &Moments, standard_error: f64, degrees: f64) -> Option<MeanTest> {
    let t = difference(baseline, current) / standard_error;
    let is_sound = standard_error > 0.0 && standard_error.is_finite() && t.is_finite() && degrees > 0.0;
    is_sound.then(|| MeanTest { t, degrees, standard_error, p_value: student_two_sided(t, degrees) })
}

/// The standard deviation of both samples as one.
pub fn combined_deviation(baseline: &Moments, current: &Moments) -> f64 {
    let (n, m) = (baseline.rows as f64, current.rows as f64);
    let rest = (n + m - 1.0).max(1.0);
    let left = baseline.deviation * ((n - 1.0).max(0.0) / rest).sqrt();
    let right = current.deviation * ((m - 1.0).max(0.0) / rest).sqrt();
    let between = difference(baseline, current) * (n / (n + m) * m / rest).sqrt();
    left.hypot(right).hypot(between)
}

/// The two-sided test of a log ratio of variances with a standard error from the samples' common kurtosis (Layard, 1973,
/// "Robust large-sample tests for homogeneity of variances"), on Student's distribution with the fewer degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VarianceTest {
    pub standard_error: f64,
    pub degrees: f64,
}

/// Of the uniform distribution.
const EVEN_KURTOSIS: f64 = 1.8;
/// Rows taken off, so that with 30 normal rows small levels hold to within a half (a test below).
const SMALL_SAMPLE: f64 = 4.0;

impl VarianceTest {
    /// `fourths`: both samples' Σ (x - own mean)⁴, in units of `unit`⁴. None unless the kurtosis exists.
    pub fn new(baseline: &Moments, current: &Moments, fourths: f64, unit: f64) -> Option<Self> {
        let (n, m) = (baseline.rows as f64, current.rows as f64);
        let squares = n * (baseline.deviation / unit).powi(2) + m * (current.deviation / unit).powi(2);
        let kurtosis = (n + m) * fourths / (squares * squares);
        // Below the kurtosis of an even distribution the linear approximation of the logarithm has little to go by; and
        // with few rows the variance's logarithm has a longer tail than its standard error says.
        let spread = kurtosis.max(EVEN_KURTOSIS) - 1.0;
        let rows = |rows: f64| 1.0 / (rows - SMALL_SAMPLE).max(1.0);
        let test = Self { standard_error: (spread * (rows(n) + rows(m))).sqrt(), degrees: n.min(m) - 1.0 };
        (test.standard_error.is_finite() && test.degrees > 0.0).then_some(test)
    }

    pub fn p_value(&self, log_ratio: f64) -> f64 {
        student_two_sided(log_ratio / self.standard_error, self.degrees)
    }

    pub fn limit(&self, level: f64) -> f64 {
        student_two_sided_limit(level, self.degrees) * self.standard_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_constants_have_no_welch_test_but_a_score_test_when_they_differ() {
        let constant = |mean| Moments { rows: 40, mean, deviation: 0.0 };
        assert_eq!(welch(&constant(1.0), &constant(2.0)), None);
        assert_eq!(cautious(&constant(1.0), &constant(1.0)), None);
        let differ = cautious(&constant(1.0), &constant(2.0)).unwrap();
        assert!(differ.p_value < 1e-10, "{differ:?}");
    }

    /// 30 normal rows against very many: their variance has an exact chi-squared distribution.
    #[test]
    fn d2_small_levels_hold_for_the_variance_of_few_normal_rows() {
        use crate::kernel::tails::chi_squared_upper;
        let sample = |rows| Moments { rows, mean: 0.0, deviation: 1.0 };
        let (before, now) = (sample(1_000_000_000), sample(30));
        let test = VarianceTest::new(&before, &now, 3.0 * 1_000_000_030.0, 1.0).unwrap();
        for level in [0.01, 1e-3, 7e-5] {
            let limit = test.limit(level);
            let above = chi_squared_upper(29.0 * limit.exp(), 29.0);
            let below = 1.0 - chi_squared_upper(29.0 * (-limit).exp(), 29.0);
            assert!(above + below < 1.5 * level, "{level}: {}", above + below);
        }
    }

    #[test]
    fn the_combined_deviation_is_that_of_all_rows() {
        // 1, 3 and 5, 9, 10: mean 5.6, squares 57.2 + … computed by hand: variance 14.8.
        let baseline = Moments { rows: 2, mean: 2.0, deviation: 2.0_f64.sqrt() };
        let current = Moments { rows: 3, mean: 8.0, deviation: 7.0_f64.sqrt() };
        assert!((combined_deviation(&baseline, &current) - 14.8_f64.sqrt()).abs() < 1e-12);
    }
}
