//! How far an estimate may stray, in standard errors, however often one looks.
//!
//! Robbins' normal mixture: for a sum of n standard normal steps, S/√n stays below
//! `√(2 (1 + ρ/n) ln(√((n + ρ)/ρ) / 2α + 1))` for all n at once but with probability α (one-sided; Howard, Ramdas, McAuliffe and
//! Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021, proposition 6). ρ decides where it is tightest, and
//! only that. With estimated variances it holds asymptotically (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
//! central limit theory and asymptotic confidence sequences", 2024). For few degrees of freedom it is carried to Student's t at
//! the same tail probability.

/// The exponent beyond which a limit is as good as infinite.
const LARGEST_EXPONENT: f64 = 500.0;

/// One-sided limit in standard errors after `steps` steps, at `level`, tightest where ρ is about a ninth of the steps.
pub(super) fn mixture(steps: f64, level: f64, rho: f64) -> f64 {
    let steps = steps.max(1e-9);
    (2.0 * (1.0 + rho / steps) * (((steps + rho) / rho).sqrt() / (2.0 * level)).ln_1p()).sqrt()
}

/// The limit of Student's t with the tail probability that `limit` has in the normal distribution.
///
/// Wallace's transformation (1959), solved for t: within 4 % from 4 degrees of freedom on for limits up to 3.2, cautiously large below (at 2 by
/// a quarter).
pub(super) fn student(limit: f64, degrees: f64) -> f64 {
    let degrees = degrees.max(1.0);
    let z = limit * (8.0 * degrees + 3.0) / (8.0 * degrees + 1.0);
    (degrees * (z * z / degrees).min(LARGEST_EXPONENT).exp_m1()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{mixture, student};
    use crate::kernel::tails::{normal_upper, student_limit};

    #[test]
    fn the_mixture_boundary_has_its_closed_form() {
        // Computed by hand: √(2 · 1.1 · ln(√11 / .03 + 1)).
        let by_hand = (2.2 * (11.0_f64.sqrt() / 0.03 + 1.0).ln()).sqrt();
        assert!((mixture(10.0, 0.015, 1.0) - by_hand).abs() < 1e-12);
        assert!((by_hand - 3.220_546_919_7).abs() < 1e-9, "{by_hand}");
    }

    #[test]
    fn the_limit_of_students_t_has_the_tail_of_the_normal_limit() {
        for (degrees, tolerance) in [(4.0, 0.09), (8.0, 0.012), (30.0, 0.002), (1e4, 1e-4)] {
            for limit in [2.5, 3.2, 4.0] {
                let exact = student_limit(normal_upper(limit), degrees);
                let ratio = student(limit, degrees) / exact;
                assert!((ratio - 1.0).abs() < tolerance, "{degrees} degrees, {limit}: {ratio}");
            }
        }
        assert!(student(40.0, 1.0).is_finite());
    }
}
