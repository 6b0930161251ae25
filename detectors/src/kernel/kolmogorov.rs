//! The two-sample Kolmogorov–Smirnov statistic and its null distribution.

// The dense recursions below address tables whose sizes they have just chosen.
#![expect(clippy::indexing_slicing, reason = "kernels over tables that they allocate")]

use std::f64::consts::PI;

/// Up to so many pairs of rows the p-value is exact, by counting paths; beyond, it is that of one sample with the
/// harmonic number of rows, as scipy's `ks_asymp`.
const EXACT_PAIRS: u128 = 250_000;
/// Up to so many rows the one-sample distribution is exact.
const EXACT_ROWS: u64 = 140;
/// Up to so many rows the one-sided tail is summed exactly.
const SUMMED_ROWS: u64 = 20_000;
/// From this n d² on, two one-sided tails are the two-sided one, to ten digits …
const TAIL: f64 = 4.0;
/// … or to five, where the expansion has no more.
const TAIL_OF_MANY: f64 = 2.2;

/// The statistic of two samples in which NaN doesn't occur; infinities are values like any other. None where one is empty.
pub fn statistic(baseline: &[f64], current: &[f64]) -> Option<f64> {
    if baseline.is_empty() || current.is_empty() {
        return None;
    }
    let key = |value: &f64| crate::profile::dyadic::key(*value);
    let mut left: Vec<u64> = baseline.iter().map(key).collect();
    let mut right: Vec<u64> = current.iter().map(key).collect();
    left.sort_unstable();
    right.sort_unstable();
    let mut steps: Vec<u64> = left.iter().chain(&right).copied().collect();
    steps.sort_unstable();
    steps.dedup();
    let at_most = |values: &[u64], key: u64| values.partition_point(|value| *value <= key) as u64;
    let (n, m) = (left.len() as u64, right.len() as u64);
    let farthest = steps.iter().map(|step| difference(at_most(&left, *step), n, at_most(&right, *step), m)).max();
    farthest.map(|steps| steps as f64 / (n as f64 * m as f64))
}

/// |a/n - b/m| in steps of 1 / (n m).
pub fn difference(a: u64, n: u64, b: u64, m: u64) -> u128 {
    (u128::from(a) * u128::from(m)).abs_diff(u128::from(b) * u128::from(n))
}

/// P(D ≥ d) for samples of `n` and `m` rows from one continuous distribution; with ties it is too large, never too small.
pub fn p_value(d: f64, n: u64, m: u64) -> f64 {
    if n == 0 || m == 0 {
        return 1.0;
    }
    if u128::from(n) * u128::from(m) <= EXACT_PAIRS {
        return exact(d, n as usize, m as usize);
    }
    let harmonic = n as f64 * (m as f64 / (n as f64 + m as f64));
    one_sample(harmonic.round() as u64, d)
}

/// By counting the lattice paths that leave the band (Hodges, 1957, "The significance probability of the Smirnov
/// two-sample test"): every term is positive, so small probabilities keep their digits. O(n m).
pub fn exact(d: f64, n: usize, m: usize) -> f64 {
    // A path has left the band where |i/n - j/m| ≥ d; half a step allows for the rounding of d.
    let pairs = n as f64 * m as f64;
    let limit = (d * pairs - 0.5).max(0.0);
    let is_outside = |i: usize, j: usize| (i as f64 * m as f64 - j as f64 * n as f64).abs() > limit;
    if d <= 0.0 {
        return 1.0;
    }
    let mut row = vec![0.0_f64; m + 1];
    for (j, cell) in row.iter_mut().enumerate() {
        *cell = f64::from(u8::from(is_outside(0, j)));
    }
    for j in 1..=m {
        row[j] = f64::max(row[j], row[j - 1]);
    }
    for i in 1..=n {
        row[0] = if is_outside(i, 0) { 1.0 } else { row[0] };
        for j in 1..=m {
            let (from_below, from_left) = (row[j], row[j - 1]);
            let all = (i + j) as f64;
            let mixed = from_below * (i as f64 / all) + from_left * (j as f64 / all);
            row[j] = if is_outside(i, j) { 1.0 } else { mixed };
        }
    }
    row[m].clamp(0.0, 1.0)
}

/// P(Dₙ ≥ d) of one sample of `n` rows against a known continuous distribution (scipy's `kstwo.sf`), by the methods that
/// Simard and L'Ecuyer (2011), "Computing the two-sided Kolmogorov–Smirnov distribution", recommend.
pub fn one_sample(n: u64, d: f64) -> f64 {
    let rows = n as f64;
    let scaled = rows * d;
    if n == 0 || scaled <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let probability = if scaled <= 1.0 {
        // Ruben and Gambino (1982): n! (2d - 1/n)^n.
        1.0 - (1..=n).map(|i| (i as f64 * (2.0 * d - 1.0 / rows)).ln()).sum::<f64>().exp()
    } else if scaled >= rows - 1.0 {
        2.0 * (1.0 - d).powf(rows)
    } else if d >= 0.5 || scaled * d >= if n <= EXACT_ROWS { TAIL } else { TAIL_OF_MANY } {
        2.0 * one_sided(n, d)
    } else if n <= EXACT_ROWS {
        1.0 - matrix(n, d)
    } else {
        1.0 - pelz_good(rows, d)
    };
    probability.clamp(0.0, 1.0)
}

/// P(Dₙ⁺ ≥ d): Birnbaum and Tingey's sum (1951), or for many rows Maag and Dicaire's approximation (1971).
fn one_sided(n: u64, d: f64) -> f64 {
    let rows = n as f64;
    if n > SUMMED_ROWS {
        return (-(6.0 * rows * d + 1.0).powi(2) / (18.0 * rows)).exp();
    }
    let last = (rows * (1.0 - d)).floor() as u64;
    let mut sum = 0.0;
    let mut log_choose = 0.0_f64;
    for j in 0..=last {
        let share = j as f64 / rows;
        let rest = 1.0 - d - share;
        if rest > 0.0 {
            sum += (log_choose + (j as f64 - 1.0) * (d + share).ln() + (rows - j as f64) * rest.ln()).exp();
        }
        log_choose += ((rows - j as f64) / (j as f64 + 1.0)).ln();
    }
    d * sum
}

/// P(Dₙ < d) by Marsaglia, Tsang and Wang (2003), "Evaluating Kolmogorov's distribution".
fn matrix(n: u64, d: f64) -> f64 {
    let rows = n as f64;
    let k = (rows * d) as usize + 1;
    let size = 2 * k - 1;
    let h = k as f64 - rows * d;
    let mut start = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..size.min(i + 2) {
            start[i * size + j] = 1.0;
        }
    }
    for i in 0..size {
        start[i * size] -= h.powi(i as i32 + 1);
        start[(size - 1) * size + i] -= h.powi((size - i) as i32);
    }
    if 2.0 * h > 1.0 {
        start[(size - 1) * size] += (2.0 * h - 1.0).powi(size as i32);
    }
    for i in 0..size {
        for j in 0..size.min(i + 2) {
            let steps = i + 1 - j.min(i + 1);
            start[i * size + j] /= (1..=steps).map(|g| g as f64).product::<f64>();
        }
    }
    let (power, mut exponent) = raise(&start, size, n);
    let mut result = power[(k - 1) * size + k - 1];
    for i in 1..=n {
        result *= i as f64 / rows;
        if result < SMALL {
            result *= LARGE;
            exponent -= SCALE;
        }
    }
    result * 10.0_f64.powi(exponent)
}

const SCALE: i32 = 140;
const LARGE: f64 = 1e140;
const SMALL: f64 = 1e-140;

/// matrix^n as (matrix, exponent of ten).
fn raise(matrix: &[f64], size: usize, n: u64) -> (Vec<f64>, i32) {
    if n == 1 {
        return (matrix.to_vec(), 0);
    }
    let (half, half_exponent) = raise(matrix, size, n / 2);
    let mut result = multiply(&half, &half, size);
    if n % 2 == 1 {
        result = multiply(matrix, &result, size);
    }
    let mut exponent = 2 * half_exponent;
    if result[(size / 2) * size + size / 2] > LARGE {
        for value in &mut result {
            *value *= SMALL;
        }
        exponent += SCALE;
    }
    (result, exponent)
}

fn multiply(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for i in 0..size {
        for k in 0..size {
            let factor = left[i * size + k];
            for j in 0..size {
                product[i * size + j] += factor * right[k * size + j];
            }
        }
    }
    product
}

/// P(Dₙ < d) by Pelz and Good's expansion (1976) in 1/√n, for many rows.
fn pelz_good(rows: f64, d: f64) -> f64 {
    let z = rows.sqrt() * d;
    let (z2, z4, z6, z8) = (z.powi(2), z.powi(4), z.powi(6), z.powi(8));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let mut sums = [0.0_f64; 4];
    for k in 1..=terms(z) {
        let odd = f64::from(2 * k - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (-m2 * pi2 / (8.0 * z2)).exp();
        let polynomials = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2 + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z8
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        for (sum, polynomial) in sums.iter_mut().zip(polynomials) {
            *sum += weight * polynomial;
        }
    }
    let root = (2.0 * PI).sqrt();
    for (sum, divisor) in sums.iter_mut().zip([z, 6.0 * z4, 72.0 * z.powi(7), 6_480.0 * z.powi(10)]) {
        *sum *= root / divisor;
    }
    for k in 1..=terms(z) {
        let k2 = f64::from(k).powi(2);
        let weight = (-k2 * pi2 / (2.0 * z2)).exp();
        sums[2] -= weight * k2 * pi2 * root / (36.0 * z.powi(3));
        sums[3] += weight * k2 * (3.0 * z2 - pi2 * k2) * pi2 * root / (216.0 * z6);
    }
    sums[0] + sums[1] / rows.sqrt() + sums[2] / rows + sums[3] / rows.powf(1.5)
}

/// Terms after which those that are left don't count.
fn terms(z: f64) -> u32 {
    (16.0 * z / PI).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_agree_where_they_meet() {
        for d in [0.08, 0.1, 0.13, 0.16] {
            let (exact, expanded) = (1.0 - matrix(150, d), 1.0 - pelz_good(150.0, d));
            assert!((exact - expanded).abs() < 5e-6, "{d}: {exact} {expanded}");
        }
        let d = 0.17;
        assert!((2.0 * one_sided(140, d) / (1.0 - matrix(140, d)) - 1.0).abs() < 1e-9);
        let d = (6.0_f64 / SUMMED_ROWS as f64).sqrt();
        let asymptotic = (-(6.0 * 20_000.0 * d + 1.0).powi(2) / (18.0 * 20_000.0)).exp();
        assert!((one_sided(SUMMED_ROWS, d) / asymptotic - 1.0).abs() < 0.01);
    }

    /// Figures of scipy.stats.kstwo.sf 1.17.1.
    #[test]
    fn d1_large_samples_agree_with_scipy() {
        let figures = [
            (150, 0.1, 0.092_921_322_321_645_85),
            (500, 0.05, 0.158_662_602_238_153_87),
            (500, 0.08, 0.003_130_505_819_935_626_8),
            (5_000, 0.025, 0.003_794_840_520_043_730_6),
            (50_000, 0.0085, 0.001_447_954_370_404_123_8),
            (50_000, 0.012, 1.105_458_913_692_487e-6),
            (1_000_000, 0.002_5, 7.440_785_976_777_697e-6),
        ];
        for (n, d, p) in figures {
            let tolerance = if n > SUMMED_ROWS { 1e-3 } else { 1e-8 };
            assert!((one_sample(n, d) / p - 1.0).abs() < tolerance, "{n} {d}: {} for {p}", one_sample(n, d));
        }
    }

    #[test]
    fn d1_small_samples_are_counted() {
        // Of the 6 orders of two and two rows, 2 have D = 1, and all have D ≥ 1/2.
        assert!((exact(1.0, 2, 2) - 1.0 / 3.0).abs() < 1e-12);
        assert!((exact(0.5, 2, 2) - 1.0).abs() < 1e-12);
        assert_eq!(statistic(&[1.0, f64::INFINITY], &[f64::NEG_INFINITY, 1.0]), Some(0.5));
        assert_eq!(statistic(&[], &[1.0]), None);
    }
}
