//! Counts of both sides by bin: deciles of the baseline for numbers, names for categories; and the test that all detectors
//! on bins share.

use std::collections::BTreeMap;

use crate::Statistic;
use crate::kernel::contingency::{self, Test};
use crate::kernel::tails::chi_squared_limit;
use crate::profile::{CategoricalProfile, ColumnProfile, NumericProfile};

use super::pair::NumericPair;

/// Numbers are counted between the baseline's deciles.
const QUANTILE_BINS: u32 = 10;

/// `(baseline, current)` a bin.
pub(crate) struct Bins {
    pub counts: Vec<(u64, u64)>,
    /// Whether neighbouring bins are close to each other.
    is_ordered: bool,
}

impl Bins {
    /// Err with the reason where a side is empty or the sides are of different kinds.
    pub fn of(baseline: &ColumnProfile, current: &ColumnProfile) -> Result<Self, Statistic> {
        match (baseline, current) {
            (ColumnProfile::Numeric(before), ColumnProfile::Numeric(now)) => {
                Statistic::require(before.finite().min(now.finite()), 1)?;
                Ok(Self { counts: between_deciles(before, now), is_ordered: true })
            }
            (ColumnProfile::Categorical(before), ColumnProfile::Categorical(now)) => {
                Statistic::require(before.valid().min(now.valid()), 1)?;
                Ok(Self { counts: by_name(before, now), is_ordered: false })
            }
            _ => Err(Statistic::Undefined("the column is numeric on one side and categorical on the other")),
        }
    }

    /// The two-sample test, after bins with few rows were joined.
    pub fn test(&self) -> Option<Test> {
        let joined = if self.is_ordered {
            contingency::join_neighbours(&self.counts)
        } else {
            contingency::join_rare(&self.counts)
        };
        contingency::cautious(&joined)
    }

    /// The size of a statistic that grows with the chi-squared one to the power of `exponent` which lies just beyond
    /// `level`: a change of the observed shape would have to be so large. So the statistic exceeds it exactly when p is
    /// below the level. None where nothing was observed.
    pub fn threshold(&self, statistic: f64, exponent: f64, level: f64) -> Option<f64> {
        let test = self.test()?;
        let limit = chi_squared_limit(level, test.degrees);
        let threshold = statistic * (limit / test.statistic).powf(exponent);
        (test.statistic > 0.0 && threshold.is_finite()).then_some(threshold)
    }
}

/// Bins (…, e₁], (e₁, e₂], …, (e₉, …) with the distinct type-7 deciles of the baseline's finite values. On a coarse grid an
/// edge moves up to the end of its cell, so that all counts are exact. Infinities are in the outer bins.
///
/// Where an edge is several deciles and the only value that the baseline has in its bin, what lies below it has a bin of its
/// own: so a constant that falls is seen like one that rises.
fn between_deciles(baseline: &NumericProfile, current: &NumericProfile) -> Vec<(u64, u64)> {
    let pair = NumericPair::new(baseline, current);
    let deciles = baseline.quantiles((1..QUANTILE_BINS).map(|i| f64::from(i) / f64::from(QUANTILE_BINS)));
    let deciles: Vec<u64> = deciles.into_iter().map(|edge| pair.cell_of(edge)).collect();
    let runs = deciles.chunk_by(|a, b| a == b);
    let edges: Vec<(u64, bool)> = runs.filter_map(|run| Some((*run.first()?, run.len() > 1))).collect();
    let mut below = vec![(0_u64, 0_u64); edges.len() + 1];
    let mut on = below.clone();
    if let Some(first) = below.first_mut() {
        *first = (baseline.negative_infinities(), current.negative_infinities());
    }
    if let Some(last) = on.last_mut() {
        *last = (baseline.positive_infinities(), current.positive_infinities());
    }
    let mut bin = 0;
    for cell in &pair.cells {
        while edges.get(bin).is_some_and(|(edge, _)| *edge < cell.number) {
            bin += 1;
        }
        let is_on_edge = edges.get(bin).is_some_and(|(edge, _)| *edge == cell.number);
        if let Some((before, now)) = if is_on_edge { &mut on } else { &mut below }.get_mut(bin) {
            *before += cell.baseline;
            *now += cell.current;
        }
    }
    let mut counts = Vec::new();
    for (bin, (below, on)) in below.into_iter().zip(on).enumerate() {
        if below.0 == 0 && edges.get(bin).is_some_and(|(_, is_several)| *is_several) {
            counts.extend([below, on]);
        } else {
            counts.push((below.0 + on.0, below.1 + on.1));
        }
    }
    counts
}

/// By name, or by hash where either side gave its names up.
fn by_name(baseline: &CategoricalProfile, current: &CategoricalProfile) -> Vec<(u64, u64)> {
    match (baseline.is_collapsed(), current.is_collapsed()) {
        (true, false) => joined(baseline, &current.collapsed()),
        (false, true) => joined(&baseline.collapsed(), current),
        _ => joined(baseline, current),
    }
}

fn joined(baseline: &CategoricalProfile, current: &CategoricalProfile) -> Vec<(u64, u64)> {
    let mut counts: BTreeMap<&str, (u64, u64)> = baseline.counts().map(|(name, count)| (name, (count, 0))).collect();
    for (name, count) in current.counts() {
        counts.entry(name).or_default().1 = count;
    }
    counts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(counts: &[(&str, u64)]) -> CategoricalProfile {
        let mut profile = CategoricalProfile::new();
        for (name, count) in counts {
            profile.add(name, *count);
        }
        profile
    }

    fn numbers(values: impl IntoIterator<Item = f64>) -> NumericProfile {
        let mut profile = NumericProfile::default();
        profile.update_values(values);
        profile
    }

    #[test]
    fn what_falls_below_a_constant_has_a_bin_of_its_own() {
        let constant = |value: f64| numbers(std::iter::repeat_n(value, 100));
        for (before, now) in [(f64::MAX, f64::MIN), (5e-324, 0.0), (3.0, 2.0), (2.0, 3.0), (-1e-300, -1e300)] {
            let counts = between_deciles(&constant(before), &constant(now));
            assert!(counts.iter().all(|(before, now)| *before == 0 || *now == 0), "{before} to {now}: {counts:?}");
        }
        // Half zeros, half tens: neither a negative number nor one in between was there before.
        let two = numbers((0..100).map(|i| f64::from(i % 2) * 10.0));
        let counts = between_deciles(&two, &numbers([-1.0, 0.0, 5.0, 5.0, 10.0, f64::NEG_INFINITY]));
        assert_eq!(counts, [(0, 2), (50, 1), (0, 2), (0, 0), (50, 1), (0, 0)]);
        // Whole numbers with a tail below their first decile keep the usual bins.
        let tail = numbers((0..100).map(|i| f64::from((i / 3).min(4))));
        assert_eq!(between_deciles(&tail, &tail).first(), Some(&(12, 12)));
    }

    #[test]
    fn unseen_and_vanished_categories_have_bins() {
        assert_eq!(by_name(&names(&[("a", 3), ("b", 4)]), &names(&[("b", 5), ("c", 1)])), [(3, 0), (4, 5), (0, 1)]);
    }

    #[test]
    fn a_collapsed_side_is_compared_by_hash() {
        let mut many = CategoricalProfile::new();
        (0..2_000).for_each(|i| many.add(&format!("user-{i}"), 1));
        assert!(many.is_collapsed());
        let few = names(&[("user-1", 10), ("user-2", 10)]);
        let counts = by_name(&many, &few);
        assert!(counts.len() <= crate::profile::BUCKETS);
        assert_eq!(counts.iter().map(|(before, _)| before).sum::<u64>(), 2_000);
        assert_eq!(counts.iter().map(|(_, now)| now).sum::<u64>(), 20);
    }
}
