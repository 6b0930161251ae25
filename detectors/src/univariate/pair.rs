//! Two numeric profiles on one grid: the coarser of both levels, so that counts of both are exact in every cell.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::Statistic;
use crate::kernel::kolmogorov;
use crate::kernel::moments::{self, Moments};
use crate::profile::dyadic::{self, DyadicCounts};
use crate::profile::numeric::bounds;
use crate::profile::{ColumnProfile, NumericProfile};

/// Above this size, distances are taken of halved values, which don't overflow.
const LARGE: f64 = 1e300;

/// One cell of the common grid; `low` and `high` are the ends of what it can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PairedCell {
    pub number: u64,
    pub low: f64,
    pub high: f64,
    pub baseline: u64,
    pub current: u64,
}

/// The finite values of two numeric profiles. Both have at least one.
pub(crate) struct NumericPair<'a> {
    pub baseline: &'a NumericProfile,
    pub current: &'a NumericProfile,
    pub level: u8,
    pub cells: Vec<PairedCell>,
}

/// The area between two distributions, with what a test of it needs. In units of the values times `scale`.
pub(crate) struct Area {
    pub distance: f64,
    /// How far the true one may be, since values within a cell are taken as evenly spread.
    pub bound: f64,
    /// What is expected if nothing changed.
    pub expected: f64,
    /// 1, or less where values are too large.
    pub scale: f64,
}

/// Both sides as numbers with at least `needed` finite values each.
pub(crate) fn numeric<'a>(
    baseline: &'a ColumnProfile,
    current: &'a ColumnProfile,
    needed: u64,
) -> Result<(&'a NumericProfile, &'a NumericProfile), Statistic> {
    let (Some(baseline), Some(current)) = (baseline.as_numeric(), current.as_numeric()) else {
        return Err(Statistic::Undefined("the column is not numeric on both sides"));
    };
    Statistic::require(baseline.finite().min(current.finite()), needed)?;
    Ok((baseline, current))
}

/// What tests need to know of a profile with at least two finite values.
pub(crate) fn moments(profile: &NumericProfile) -> Option<Moments> {
    let (mean, deviation) = (profile.mean()?, profile.standard_deviation()?);
    (mean.is_finite() && deviation.is_finite()).then_some(Moments { rows: profile.finite(), mean, deviation })
}

/// The unit of effects: the baseline's standard deviation, or where the baseline is constant (or a single value) that of
/// both sides as one. None when all values are one.
pub(crate) fn unit(baseline: &NumericProfile, current: &NumericProfile) -> Option<f64> {
    let single = |profile: &NumericProfile| {
        let deviation = profile.standard_deviation().unwrap_or(0.0);
        Some(Moments { rows: profile.finite(), mean: profile.mean()?, deviation })
    };
    let (before, now) = (single(baseline)?, single(current)?);
    let unit = if before.deviation > 0.0 { before.deviation } else { moments::combined_deviation(&before, &now) };
    (unit > 0.0 && unit.is_finite()).then_some(unit)
}

impl<'a> NumericPair<'a> {
    pub fn new(baseline: &'a NumericProfile, current: &'a NumericProfile) -> Self {
        let level = baseline.counts().level().max(current.counts().level());
        let extremes =
            (baseline.extremes().0.min(current.extremes().0), baseline.extremes().1.max(current.extremes().1));
        let (left, right) = (at_level(baseline.counts(), level), at_level(current.counts(), level));
        let cells = join(left.cells(), right.cells())
            .into_iter()
            .map(|(number, baseline, current)| {
                let (low, high) = bounds(number, level);
                let (low, high) = (dyadic::value(low.max(extremes.0)), dyadic::value(high.min(extremes.1)));
                PairedCell { number, low, high, baseline, current }
            })
            .collect();
        Self { baseline, current, level, cells }
    }

    /// The cell that a finite value lies in.
    pub fn cell_of(&self, value: f64) -> u64 {
        dyadic::key(value) >> self.level
    }

    /// The Kolmogorov–Smirnov statistic at the ends of cells, and how much larger it could be within one. Infinities are
    /// values below and above all others.
    pub fn kolmogorov(&self) -> (f64, f64) {
        let total = |profile: &NumericProfile| profile.finite() + profile.infinities();
        let (n, m) = (total(self.baseline), total(self.current));
        let (mut before, mut now) = (self.baseline.negative_infinities(), self.current.negative_infinities());
        let mut farthest = kolmogorov::difference(before, n, now, m);
        let mut possible = farthest;
        for cell in &self.cells {
            let (next_before, next_now) = (before + cell.baseline, now + cell.current);
            farthest = farthest.max(kolmogorov::difference(next_before, n, next_now, m));
            if cell.low < cell.high {
                let within = kolmogorov::difference(next_before, n, now, m);
                possible = possible.max(within).max(kolmogorov::difference(before, n, next_now, m));
            }
            (before, now) = (next_before, next_now);
        }
        let pairs = n as f64 * m as f64;
        (farthest as f64 / pairs, possible.max(farthest) as f64 / pairs - farthest as f64 / pairs)
    }

    /// The area between the two distributions of finite values. Under the null, with Brownian bridges, the expected
    /// distance is √(2/π) ∫ √(F(1-F)/N + G(1-G)/n) dx.
    pub fn area(&self) -> Area {
        let (n, m) = (self.baseline.finite() as f64, self.current.finite() as f64);
        let largest = self.cells.iter().fold(0.0_f64, |most, cell| most.max(cell.low.abs()).max(cell.high.abs()));
        let scale = if largest > LARGE { 0.5 } else { 1.0 };
        let mut area = Area { distance: 0.0, bound: 0.0, expected: 0.0, scale };
        let (mut before, mut now) = (0_u64, 0_u64);
        let mut last = None;
        let shares = |before: u64, now: u64| (before as f64 / n, now as f64 / m);
        let spread = |(f, g): (f64, f64)| (f * (1.0 - f) / n + g * (1.0 - g) / m).max(0.0).sqrt();
        for cell in &self.cells {
            let left = shares(before, now);
            if let Some(last) = last {
                let gap = scale * cell.low - scale * last;
                area.distance += (left.0 - left.1).abs() * gap;
                area.expected += spread(left) * gap;
            }
            (before, now) = (before + cell.baseline, now + cell.current);
            let width = scale * cell.high - scale * cell.low;
            if width > 0.0 {
                let right = shares(before, now);
                area.distance += mean_size(left.0 - left.1, right.0 - right.1) * width;
                area.expected += 0.5 * (spread(left) + spread(right)) * width;
                area.bound += 0.5 * (cell.baseline as f64 / n + cell.current as f64 / m) * width;
            }
            last = Some(cell.high);
        }
        area.expected *= (2.0 / std::f64::consts::PI).sqrt();
        area
    }

    /// Σ (x - own mean)⁴ over both sides, in units of `unit`⁴; values of a cell count as its middle.
    pub fn fourth_moments(&self, baseline_mean: f64, current_mean: f64, unit: f64) -> f64 {
        let sum = self.cells.iter().map(|cell| {
            let middle = 0.5 * cell.low + 0.5 * cell.high;
            let fourth = |mean: f64| ((0.5 * middle - 0.5 * mean) / (0.5 * unit)).powi(4);
            let part = |count: u64, mean: f64| if count > 0 { count as f64 * fourth(mean) } else { 0.0 };
            part(cell.baseline, baseline_mean) + part(cell.current, current_mean)
        });
        sum.sum()
    }
}

/// The mean of |x| while x goes evenly from `from` to `to`.
fn mean_size(from: f64, to: f64) -> f64 {
    if from * to >= 0.0 {
        return 0.5 * (from.abs() + to.abs());
    }
    0.5 * (from * from + to * to) / (from.abs() + to.abs())
}

fn at_level(counts: &DyadicCounts, level: u8) -> Cow<'_, DyadicCounts> {
    if counts.level() == level {
        return Cow::Borrowed(counts);
    }
    let mut coarse = counts.clone();
    coarse.coarsen(level);
    Cow::Owned(coarse)
}

/// (cell, baseline's count, current count), ascending.
fn join(mut left: &[(u64, u64)], mut right: &[(u64, u64)]) -> Vec<(u64, u64, u64)> {
    let mut joined = Vec::with_capacity(left.len() + right.len());
    while let ([(a, before), left_rest @ ..], [(b, now), right_rest @ ..]) = (left, right) {
        match a.cmp(b) {
            Ordering::Less => {
                joined.push((*a, *before, 0));
                left = left_rest;
            }
            Ordering::Greater => {
                joined.push((*b, 0, *now));
                right = right_rest;
            }
            Ordering::Equal => {
                joined.push((*a, *before, *now));
                (left, right) = (left_rest, right_rest);
            }
        }
    }
    joined.extend(left.iter().map(|(cell, count)| (*cell, *count, 0)));
    joined.extend(right.iter().map(|(cell, count)| (*cell, 0, *count)));
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(values: impl IntoIterator<Item = f64>) -> NumericProfile {
        let mut profile = NumericProfile::default();
        profile.update_values(values);
        profile
    }

    #[test]
    fn profiles_of_different_levels_meet_at_the_coarser() {
        let fine = profile((0..100).map(f64::from));
        let coarse = profile((0..5_000).map(|i| f64::from(i) * 0.37));
        let pair = NumericPair::new(&fine, &coarse);
        assert!(pair.level > 0);
        assert_eq!(pair.cells.iter().map(|cell| cell.baseline).sum::<u64>(), 100);
        assert_eq!(pair.cells.iter().map(|cell| cell.current).sum::<u64>(), 5_000);
        assert!(pair.cells.windows(2).all(|pair| pair[0].number < pair[1].number && pair[0].high < pair[1].low));
    }

    #[test]
    fn differences_that_change_sign_cancel_nowhere() {
        assert_eq!(mean_size(1.0, -1.0), 0.5);
        assert_eq!(mean_size(0.0, 2.0), 1.0);
        assert_eq!(mean_size(0.0, 0.0), 0.0);
    }
}
