//! Distances between two samples that are at hand row by row.

/// The first Wasserstein distance: the area between the two empirical distributions. None where one is empty or a value is
/// not finite.
pub fn wasserstein(baseline: &[f64], current: &[f64]) -> Option<f64> {
    let is_finite = |values: &[f64]| !values.is_empty() && values.iter().all(|value| value.is_finite());
    if !is_finite(baseline) || !is_finite(current) {
        return None;
    }
    let (n, m) = (baseline.len() as f64, current.len() as f64);
    let steps = baseline.iter().map(|value| (*value, 1_u32, 0_u32)).chain(current.iter().map(|value| (*value, 0, 1)));
    let mut steps: Vec<(f64, u32, u32)> = steps.collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut before, mut now, mut area) = (0_u64, 0_u64, 0.0);
    for pair in steps.windows(2) {
        if let [(left, b, c), (right, ..)] = pair {
            before += u64::from(*b);
            now += u64::from(*c);
            area += (before as f64 / n - now as f64 / m).abs() * (right - left);
        }
    }
    Some(area).filter(|area| area.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_as_far_as_it_goes() {
        assert_eq!(wasserstein(&[1.0, 2.0, 3.0], &[4.0, 3.0, 5.0]), Some(2.0));
        assert_eq!(wasserstein(&[1.0], &[1.0, 1.0]), Some(0.0));
        assert_eq!(wasserstein(&[], &[1.0]), None);
        assert_eq!(wasserstein(&[f64::INFINITY], &[1.0]), None);
    }
}
