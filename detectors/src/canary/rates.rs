//! Bounds of a rate, and of a quantile, that hold at any time of looking.
//!
//! If each of n events happens with probability p, the mixture of all rates against p, `B(½ + x, ½ + n - x) / (B(½, ½) pˣ (1 - p)ⁿ⁻ˣ)`
//! with x events that happened, is a martingale that starts at 1: it ever reaches 1/α with probability α at most (Ville). The
//! rates at which it hasn't are a confidence sequence (Robbins 1970), exact for every n. The number of values at or below the q-quantile
//! is such a count with p = q, which bounds quantiles (Howard and Ramdas, "Sequential estimation of quantiles", 2022).

use std::cmp::Ordering;

use statrs::function::beta::ln_beta;

const BISECTIONS: u32 = 50;

/// Logarithm of the mixture against `rate`, for `happened` of `events`.
fn log_evidence(happened: u64, events: u64, rate: f64) -> f64 {
    let (x, rest) = (happened as f64, events.saturating_sub(happened) as f64);
    let times_ln = |count: f64, probability: f64| if count > 0.0 { count * probability.ln() } else { 0.0 };
    ln_beta(0.5 + x, 0.5 + rest) - ln_beta(0.5, 0.5) - times_ln(x, rate) - times_ln(rest, 1.0 - rate)
}

/// Bounds of the rate at which `happened` of `events` did; they are ever wrong with probability `level` at most. (0, 1) without
/// events.
pub(super) fn rate_bounds(happened: u64, events: u64, level: f64) -> (f64, f64) {
    if events == 0 {
        return (0.0, 1.0);
    }
    let limit = -level.ln();
    let seen = happened.min(events) as f64 / events as f64;
    let refuted = |rate: f64| log_evidence(happened.min(events), events, rate) >= limit;
    let towards = |outermost: f64| {
        if !refuted(outermost) {
            return outermost;
        }
        let (mut out, mut possible) = (outermost, seen);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (out + possible);
            if refuted(middle) { out = middle } else { possible = middle }
        }
        out
    };
    (towards(0.0), towards(1.0))
}

/// Whether a count at or below a value says that the value is no `quantile`: `Less` if it lies below it, `Greater` if above.
pub(super) fn side_of_quantile(at_or_below: u64, events: u64, quantile: f64, level: f64) -> Ordering {
    if events == 0 || log_evidence(at_or_below, events, quantile) < -level.ln() {
        return Ordering::Equal;
    }
    if (at_or_below as f64) < quantile * events as f64 { Ordering::Less } else { Ordering::Greater }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{log_evidence, rate_bounds, side_of_quantile};

    #[test]
    fn the_bounds_enclose_the_rate_and_shrink() {
        assert_eq!(rate_bounds(0, 0, 0.01), (0.0, 1.0));
        let (lower, upper) = rate_bounds(0, 100, 0.01);
        assert!(lower.total_cmp(&0.0).is_eq() && upper < 0.09, "{upper}");
        let (lower, upper) = rate_bounds(100, 100, 0.01);
        assert!(upper.total_cmp(&1.0).is_eq() && lower > 0.91, "{lower}");
        let (few, many) = (rate_bounds(5, 50, 0.01), rate_bounds(500, 5_000, 0.01));
        assert!(few.0 < many.0 && many.0 < 0.1 && 0.1 < many.1 && many.1 < few.1);
        assert!((log_evidence(500, 5_000, many.1) - 100.0_f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn counts_far_from_the_quantile_tell_the_side() {
        assert_eq!(side_of_quantile(900, 1_000, 0.95, 0.01), Ordering::Less);
        assert_eq!(side_of_quantile(951, 1_000, 0.95, 0.01), Ordering::Equal);
        assert_eq!(side_of_quantile(990, 1_000, 0.95, 0.01), Ordering::Greater);
        assert_eq!(side_of_quantile(0, 0, 0.95, 0.01), Ordering::Equal);
    }
}
