//! Tests whether two rows of counts come from one distribution.

use statrs::function::gamma::ln_gamma;

use super::tails::chi_squared_upper;

/// Expected counts below this make the chi-squared approximation unsafe (Cochran, 1954); such bins are joined.
const LEAST_EXPECTED: f64 = 5.0;

/// A statistic with its degrees of freedom; chi-squared under the null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    pub statistic: f64,
    pub degrees: f64,
    pub p_value: f64,
}

/// Pearson's test on a 2 × k table; bins that are empty on both sides are left out, and there is no correction for
/// continuity. None where one side is empty. With one bin, p is 1.
pub fn pearson(counts: &[(u64, u64)]) -> Option<Test> {
    test(counts, |observed, expected| (observed - expected).powi(2) / expected)
}

/// The likelihood-ratio test (G) on the same table.
pub fn likelihood_ratio(counts: &[(u64, u64)]) -> Option<Test> {
    // 2 Σ o ln(o/e), term by term with o - e taken off: those sum to 0, and without them nothing cancels.
    test(counts, |observed, expected| {
        let excess = (observed - expected) / expected;
        let grown = if observed > 0.0 { (1.0 + excess) * excess.ln_1p() } else { 0.0 };
        2.0 * expected * (grown - excess)
    })
}

fn test(counts: &[(u64, u64)], term: impl Fn(f64, f64) -> f64) -> Option<Test> {
    let (baseline, current) = totals(counts);
    if baseline <= 0.0 || current <= 0.0 {
        return None;
    }
    let all = baseline + current;
    let mut statistic = 0.0;
    let mut bins = 0_u32;
    for (b, c) in counts.iter().filter(|(b, c)| *b > 0 || *c > 0) {
        let (b, c) = (*b as f64, *c as f64);
        statistic += term(b, (b + c) * (baseline / all)) + term(c, (b + c) * (current / all));
        bins += 1;
    }
    let (statistic, degrees) = (f64::max(statistic, 0.0), f64::from(bins.saturating_sub(1)));
    Some(Test { statistic, degrees, p_value: chi_squared_upper(statistic, degrees) })
}

/// The more cautious of Pearson's and the likelihood-ratio test: with few rows each is too eager in one tail (Pearson when
/// a rare bin gains, the ratio when it loses). Bins with small expectations must have been joined before.
pub fn cautious(counts: &[(u64, u64)]) -> Option<Test> {
    let (pearson, ratio) = (pearson(counts)?, likelihood_ratio(counts)?);
    Some(if ratio.statistic < pearson.statistic { ratio } else { pearson })
}

fn totals(counts: &[(u64, u64)]) -> (f64, f64) {
    let sum = |side: fn(&(u64, u64)) -> u64| counts.iter().map(|pair| u128::from(side(pair))).sum::<u128>() as f64;
    (sum(|pair| pair.0), sum(|pair| pair.1))
}

/// Joins neighbours until each group is expected to have at least five rows on both sides. What is left at the end joins
/// the last group. Groups depend on the sums of both sides alone, so joining doesn't disturb the null.
pub fn join_neighbours(counts: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let (baseline, current) = totals(counts);
    let smaller_share = baseline.min(current) / (baseline + current).max(1.0);
    let mut groups: Vec<(u64, u64)> = Vec::new();
    let mut open = (0_u64, 0_u64);
    for (b, c) in counts {
        open = (open.0.saturating_add(*b), open.1.saturating_add(*c));
        if (open.0 as f64 + open.1 as f64) * smaller_share >= LEAST_EXPECTED {
            groups.push(open);
            open = (0, 0);
        }
    }
    match groups.last_mut() {
        Some(last) => *last = (last.0.saturating_add(open.0), last.1.saturating_add(open.1)),
        None => groups.push(open),
    }
    groups
}

/// The same for bins without an order: the rarest are joined with each other.
pub fn join_rare(counts: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut ascending = counts.to_vec();
    ascending.sort_by_key(|(b, c)| u128::from(*b) + u128::from(*c));
    join_neighbours(&ascending)
}

/// Fisher's exact test, one-sided: the probability of at least `current_hits` among the current rows, given how many hits
/// both have together. Accurate relative to itself, up to the rounding of log-gamma.
pub fn fisher_upper(baseline_hits: u64, baseline_rows: u64, current_hits: u64, current_rows: u64) -> f64 {
    let hits = baseline_hits.saturating_add(current_hits);
    let most = hits.min(current_rows);
    let least = hits.saturating_sub(baseline_rows);
    if current_hits <= least || current_hits > most {
        return 1.0;
    }
    let mean = hits as f64 * (current_rows as f64 / (baseline_rows as f64 + current_rows as f64));
    let parts = Hypergeometric { hits, baseline_rows, current_rows };
    if current_hits as f64 > mean {
        parts.sum_upwards(current_hits, most).min(1.0)
    } else {
        (1.0 - parts.sum_downwards(current_hits - 1, least)).clamp(0.0, 1.0)
    }
}

/// How many of `hits` marked rows are among the current ones.
struct Hypergeometric {
    hits: u64,
    baseline_rows: u64,
    current_rows: u64,
}

impl Hypergeometric {
    fn probability(&self, k: u64) -> f64 {
        let choose = |n: u64, k: u64| {
            let (n, k) = (n as f64, k as f64);
            ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
        };
        let both = self.baseline_rows.saturating_add(self.current_rows);
        let logarithm =
            choose(self.current_rows, k) + choose(self.baseline_rows, self.hits - k) - choose(both, self.hits);
        logarithm.exp()
    }

    /// P(k + 1) / P(k).
    fn ratio(&self, k: u64) -> f64 {
        let k = k as f64;
        let (hits, baseline, current) = (self.hits as f64, self.baseline_rows as f64, self.current_rows as f64);
        (hits - k) * (current - k) / ((k + 1.0) * (baseline - hits + k + 1.0))
    }

    fn sum_upwards(&self, from: u64, most: u64) -> f64 {
        let mut term = self.probability(from);
        let mut sum = term;
        for k in from..most {
            term *= self.ratio(k);
            sum += term;
            if term <= sum * f64::EPSILON {
                break;
            }
        }
        sum
    }

    fn sum_downwards(&self, from: u64, least: u64) -> f64 {
        let mut term = self.probability(from);
        let mut sum = term;
        for k in (least..from).rev() {
            term /= self.ratio(k);
            sum += term;
            if term <= sum * f64::EPSILON {
                break;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By counting: 3 marked of 10 rows; the chance that 4 drawn rows hold at least 2 of them is 1/3.
    #[test]
    fn d1_fisher_counts() {
        assert!((fisher_upper(1, 6, 2, 4) - 1.0 / 3.0).abs() < 1e-12);
        assert!((fisher_upper(3, 6, 0, 4) - 1.0).abs() < 1e-12);
        assert!((fisher_upper(0, 6, 3, 4) - 1.0 / 30.0).abs() < 1e-12);
        // Rare on both sides of a large table: 1/29 to the power of five.
        let p = fisher_upper(0, 14_000_000, 5, 500_000);
        assert!((p / (1.0_f64 / 29.0).powi(5) - 1.0).abs() < 1e-4, "{p}");
    }

    #[test]
    fn groups_have_expectations_that_the_test_needs() {
        assert_eq!(join_neighbours(&[(3, 3), (3, 3), (3, 3), (3, 3), (1, 1)]), [(6, 6), (7, 7)]);
        assert_eq!(join_rare(&[(1, 1), (90, 90), (2, 2), (3, 3)]), [(6, 6), (90, 90)]);
        assert_eq!(join_neighbours(&[]), [(0, 0)]);
    }

    #[test]
    fn d3_one_bin_is_no_evidence_and_an_empty_side_no_test() {
        assert_eq!(cautious(&[(5, 9)]).unwrap().p_value, 1.0);
        assert_eq!(cautious(&[(5, 0), (4, 0)]), None);
        assert_eq!(cautious(&[]), None);
    }
}
