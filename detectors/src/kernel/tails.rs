//! Tail probabilities and their inverses. Each is accurate relative to itself far out, where tests with a budget live.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::gamma_ur;

/// From here on Student's t is taken to the normal by Wallace's transformation, since the continued fraction of the
/// incomplete beta function converges slowly.
const MANY_DEGREES: f64 = 10_000.0;
/// Bisections of a quantile: 2^-80 of the bracket.
const BISECTIONS: u32 = 80;

/// P(Z ≥ z) of the standard normal.
pub fn normal_upper(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// P(T ≥ t) of Student's distribution; `degrees` must be positive, else 1.
pub fn student_upper(t: f64, degrees: f64) -> f64 {
    if degrees.is_nan() || degrees <= 0.0 || t.is_nan() {
        return 1.0;
    }
    if degrees > MANY_DEGREES {
        // Wallace (1959), "Bounds on normal approximations to Student's and the chi-square distributions".
        let z = (degrees * (t * t / degrees).ln_1p()).sqrt() * (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0);
        return normal_upper(if t < 0.0 { -z } else { z });
    }
    StudentsT::new(0.0, 1.0, degrees).map_or(1.0, |student| student.sf(t))
}

/// P(|T| ≥ |t|).
pub fn student_two_sided(t: f64, degrees: f64) -> f64 {
    (2.0 * student_upper(t.abs(), degrees)).min(1.0)
}

/// P(X ≥ x) of the chi-squared distribution; 1 without degrees of freedom.
pub fn chi_squared_upper(x: f64, degrees: f64) -> f64 {
    if x.is_nan() || degrees.is_nan() || x <= 0.0 || degrees <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() { 0.0 } else { gamma_ur(degrees / 2.0, x / 2.0).clamp(0.0, 1.0) }
}

/// The t with P(|T| ≥ t) = `level`.
pub fn student_two_sided_limit(level: f64, degrees: f64) -> f64 {
    upper_limit(level, |t| student_two_sided(t, degrees))
}

/// The t with P(T ≥ t) = `level`, for levels below one half.
pub fn student_limit(level: f64, degrees: f64) -> f64 {
    upper_limit(level, |t| student_upper(t, degrees))
}

/// The x with P(X ≥ x) = `level`.
pub fn chi_squared_limit(level: f64, degrees: f64) -> f64 {
    upper_limit(level, |x| chi_squared_upper(x, degrees))
}

/// Where a falling tail, starting at 0, crosses `level`; infinite where it never does.
fn upper_limit(level: f64, tail: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while tail(high) > level {
        low = high;
        high *= 2.0;
        if high > 1e12 {
            return f64::INFINITY;
        }
    }
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if tail(middle) > level {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left / right - 1.0).abs() < tolerance, "{left} for {right}");
    }

    /// Figures of scipy.stats 1.17: norm.sf, t.sf, chi2.sf.
    #[test]
    fn d1_tails_agree_with_scipy() {
        close(normal_upper(6.0), 9.865_876_450_376_98e-10, 1e-9);
        close(student_upper(2.0, 10.0), 0.036_694_017_385_370_19, 1e-9);
        close(chi_squared_upper(30.0, 9.0), 4.387_217_709_794_793_6e-4, 1e-9);
        close(student_upper(5.0, 10_001.0), 2.915_158_409_534_681_5e-7, 1e-6);
        close(student_upper(6.0, 1e6), 9.869_249_061_772_15e-10, 1e-6);
    }

    #[test]
    fn limits_invert_tails() {
        for level in [0.5, 0.01, 1e-6, 1e-12] {
            close(student_two_sided(student_two_sided_limit(level, 27.0), 27.0), level, 1e-9);
            close(chi_squared_upper(chi_squared_limit(level, 9.0), 9.0), level, 1e-9);
        }
        assert!(student_limit(0.0, 5.0).is_infinite());
    }

    #[test]
    fn d3_nonsense_is_no_evidence() {
        let values = [student_upper(f64::NAN, 3.0), student_upper(1.0, f64::NAN), chi_squared_upper(f64::NAN, 2.0)];
        assert!(values.iter().all(|p| (*p - 1.0).abs() < f64::EPSILON));
    }
}
