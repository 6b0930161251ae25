//! Distances between two rows of counts, `(baseline, current)` a bin. None where one side is empty.

/// What PSI does about shares of zero, where its logarithm has no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZeroPolicy {
    /// Exact zeros become this share, without renormalising: the industry's habit.
    Replace(f64),
    /// Shares below this one become it.
    Floor(f64),
    /// Shares of (c + ½) / (n + k/2), k being the number of bins.
    AddHalfCount,
}

/// Both sides' totals; None unless both have rows.
fn totals(counts: &[(u64, u64)]) -> Option<(f64, f64)> {
    let sum = |side: fn(&(u64, u64)) -> u64| counts.iter().map(|pair| u128::from(side(pair))).sum::<u128>();
    let (baseline, current) = (sum(|pair| pair.0), sum(|pair| pair.1));
    (baseline > 0 && current > 0).then_some((baseline as f64, current as f64))
}

/// The population stability index, Σ (q - p) ln(q / p).
pub fn psi(counts: &[(u64, u64)], policy: ZeroPolicy) -> Option<f64> {
    let (baseline, current) = totals(counts)?;
    let bins = counts.len() as f64;
    let share = |count: u64, total: f64| {
        let share = count as f64 / total;
        match policy {
            ZeroPolicy::Replace(small) => {
                if count == 0 {
                    small
                } else {
                    share
                }
            }
            ZeroPolicy::Floor(small) => share.max(small),
            ZeroPolicy::AddHalfCount => (count as f64 + 0.5) / (total + 0.5 * bins),
        }
    };
    let terms = counts.iter().map(|(b, c)| {
        let (p, q) = (share(*b, baseline), share(*c, current));
        (q - p) * (q / p).ln()
    });
    Some(terms.sum())
}

/// The Jensen–Shannon distance: the root of the divergence in bits, between 0 and 1 (Endres and Schindelin, 2003).
pub fn js_distance(counts: &[(u64, u64)]) -> Option<f64> {
    let (baseline, current) = totals(counts)?;
    let divergence: f64 = counts
        .iter()
        .map(|(b, c)| {
            let (p, q) = (*b as f64 / baseline, *c as f64 / current);
            let middle = 0.5 * (p + q);
            let part = |share: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
            0.5 * (part(p) + part(q))
        })
        .sum();
    Some(divergence.clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_disjoint_rows_are_at_their_maximum() {
        let disjoint = [(5, 0), (0, 9)];
        assert_eq!(js_distance(&disjoint), Some(1.0));
        assert!(psi(&disjoint, ZeroPolicy::Replace(1e-4)).unwrap() > 18.0);
    }

    #[test]
    fn d3_an_empty_side_has_no_distance() {
        for empty in [&[][..], &[(3, 0)], &[(0, 3), (0, 4)]] {
            assert_eq!(js_distance(empty), None);
            assert_eq!(psi(empty, ZeroPolicy::AddHalfCount), None);
        }
    }
}
