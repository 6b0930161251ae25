//! Counts of numbers on the dyadic grid: exact while there are few distinct values, coarser by halves when there are many.
//!
//! Every double has an order-preserving 64-bit key. A cell of level L holds the keys that agree after a shift by L bits, so
//! level 0 gives each distinct value its own cell, and each further level joins cells in pairs. The level is the smallest
//! at which at most [`CELLS_LIMIT`] cells are occupied: it depends only on the *set* of values. So the same rows give the
//! same counts in any batches and any order of merges, without a grid that would have to be agreed on beforehand.
//!
//! Cells are relative: from level 52 - b on, each factor of two has 2^b cells.

use std::cmp::Ordering;

/// At most so many occupied cells.
pub const CELLS_LIMIT: usize = 1_024;

/// At this level at most 2^10 cells exist.
pub(crate) const LEVEL_LIMIT: u8 = 54;

const SIGN: u64 = 1 << 63;

/// The order-preserving key of a finite double or an infinity; both zeros have the same.
pub fn key(value: f64) -> u64 {
    // Adding a positive zero turns -0.0 into 0.0.
    let bits = (value + 0.0).to_bits();
    let mask = ((bits.cast_signed() >> 63).cast_unsigned()) | SIGN;
    bits ^ mask
}

/// The double of a key.
pub fn value(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// Counts by cell, ascending, none of them zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DyadicCounts {
    level: u8,
    cells: Vec<(u64, u64)>,
}

impl DyadicCounts {
    /// Bits that are shifted away from a key.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// (key >> level, count), ascending.
    pub fn cells(&self) -> &[(u64, u64)] {
        &self.cells
    }

    /// Counts a batch of keys; the buffer is used up.
    pub fn add_keys(&mut self, keys: &mut [u64]) {
        let (Some(least), Some(most)) = (keys.iter().min(), keys.iter().max()) else { return };
        let base = least >> self.level;
        let span = ((most >> self.level) - base) as usize;
        let runs = if span < keys.len().saturating_mul(4) {
            count_densely(keys, self.level, base, span)
        } else {
            count_hashed(keys, self.level).unwrap_or_else(|| count_sorted(keys, self.level))
        };
        self.absorb(runs);
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        self.coarsen(other.level);
        let mut cells = other.cells.clone();
        coarsen_cells(&mut cells, self.level - other.level);
        self.absorb(cells);
    }

    /// These counts less a part of them. The level stays, though fewer values might fit a finer one.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let up = self.level - part.level.min(self.level);
        let mut parts = part.cells.as_slice();
        let mut cells = Vec::with_capacity(self.cells.len());
        for (cell, count) in &self.cells {
            let mut count = *count;
            while let [(other, taken), rest @ ..] = parts
                && other >> up <= *cell
            {
                count = count.saturating_sub(*taken);
                parts = rest;
            }
            if count > 0 {
                cells.push((*cell, count));
            }
        }
        Self { level: self.level, cells }
    }

    /// Goes up to at least that level.
    pub fn coarsen(&mut self, level: u8) {
        if level > self.level {
            coarsen_cells(&mut self.cells, level - self.level);
            self.level = level;
        }
    }

    /// The counts from stored parts; None unless they are what [`DyadicCounts`] could have held.
    pub(crate) fn from_parts(level: u8, cells: Vec<(u64, u64)>) -> Option<Self> {
        let ascending = cells.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        let within = cells.iter().all(|(cell, count)| *count > 0 && *cell <= u64::MAX >> level.min(63));
        (level <= LEVEL_LIMIT && cells.len() <= CELLS_LIMIT && ascending && within).then_some(Self { level, cells })
    }

    /// Adds ascending cells of this level, then goes up until the limit holds.
    fn absorb(&mut self, runs: Vec<(u64, u64)>) {
        if self.cells.is_empty() {
            self.cells = runs;
        } else if !runs.is_empty() {
            self.cells = merge_ascending(&self.cells, &runs);
        }
        let up = levels_needed(&self.cells);
        if up > 0 {
            self.coarsen(self.level + up);
        }
    }
}

fn count_sorted(keys: &mut [u64], level: u8) -> Vec<(u64, u64)> {
    for key in &mut *keys {
        *key >>= level;
    }
    keys.sort_unstable();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for cell in keys.iter().copied() {
        match runs.last_mut() {
            Some((last, count)) if *last == cell => *count += 1,
            _ => runs.push((cell, 1)),
        }
    }
    runs
}

/// Without a sort, where the cells lie close together.
fn count_densely(keys: &[u64], level: u8, base: u64, span: usize) -> Vec<(u64, u64)> {
    let mut counts = vec![0_u32; span + 1];
    for key in keys {
        if let Some(count) = counts.get_mut(((key >> level) - base) as usize) {
            *count += 1;
        }
    }
    let occupied = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    occupied.map(|(index, count)| (base + index as u64, u64::from(*count))).collect()
}

/// Slots of the table of [`count_hashed`]: a power of two, a few times [`CELLS_LIMIT`].
const SLOTS: usize = 4_096;
/// With fewer keys than this the table would be mostly empty, and a sort is short.
const FEW_KEYS: usize = 256;
/// No finite number has this key.
const FREE: u64 = u64::MAX;

/// Without a sort, where there are few cells, far apart. None when there are too many, as at first, at a low level.
fn count_hashed(keys: &[u64], level: u8) -> Option<Vec<(u64, u64)>> {
    if keys.len() < FEW_KEYS {
        return None;
    }
    let mut table = vec![(FREE, 0_u32); SLOTS];
    let mut occupied = 0;
    for key in keys {
        let cell = key >> level;
        // Fibonacci hashing: the highest bits of the product are the best mixed.
        let mut slot = (cell.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize;
        loop {
            let (held, count) = table.get_mut(slot)?;
            if *held == cell {
                *count += 1;
                break;
            }
            if *held == FREE {
                (*held, *count) = (cell, 1);
                occupied += 1;
                if occupied > SLOTS / 2 {
                    return None;
                }
                break;
            }
            slot = (slot + 1) % SLOTS;
        }
    }
    let mut runs: Vec<(u64, u64)> =
        table.into_iter().filter(|(cell, _)| *cell != FREE).map(|(cell, count)| (cell, u64::from(count))).collect();
    runs.sort_unstable();
    Some(runs)
}

fn merge_ascending(mut left: &[(u64, u64)], mut right: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let ([(a, m), left_rest @ ..], [(b, n), right_rest @ ..]) = (left, right) {
        match a.cmp(b) {
            Ordering::Less => {
                merged.push((*a, *m));
                left = left_rest;
            }
            Ordering::Greater => {
                merged.push((*b, *n));
                right = right_rest;
            }
            Ordering::Equal => {
                merged.push((*a, m.saturating_add(*n)));
                (left, right) = (left_rest, right_rest);
            }
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    merged
}

/// By how many levels ascending cells must go up until at most [`CELLS_LIMIT`] are left.
fn levels_needed(cells: &[(u64, u64)]) -> u8 {
    if cells.len() <= CELLS_LIMIT {
        return 0;
    }
    // Two neighbours become one cell at the level above their highest differing bit.
    let mut apart_until = [0_usize; 65];
    for pair in cells.windows(2) {
        if let [(a, _), (b, _)] = pair
            && let Some(count) = apart_until.get_mut((64 - (a ^ b).leading_zeros()) as usize)
        {
            *count += 1;
        }
    }
    let mut left = cells.len();
    for (level, joined) in apart_until.iter().enumerate() {
        left -= joined;
        if left <= CELLS_LIMIT {
            return level as u8;
        }
    }
    LEVEL_LIMIT
}

fn coarsen_cells(cells: &mut Vec<(u64, u64)>, up: u8) {
    if up == 0 {
        return;
    }
    for (cell, _) in cells.iter_mut() {
        *cell >>= up;
    }
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[f64]) -> DyadicCounts {
        let mut counts = DyadicCounts::default();
        counts.add_keys(&mut values.iter().map(|value| key(*value)).collect::<Vec<_>>());
        counts
    }

    #[test]
    fn keys_keep_the_order_and_join_the_zeros() {
        let ascending =
            [f64::NEG_INFINITY, -1e300, -1.0, -1e-310, 0.0, 1e-310, 0.5, 1.0, 1.000_000_000_000_000_2, f64::INFINITY];
        assert!(ascending.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(ascending.iter().all(|x| value(key(*x)).to_bits() == x.to_bits()));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn e3_the_number_of_cells_is_bounded_whatever_the_values() {
        let values: Vec<f64> = (0..5_000).map(|i| f64::from(i) * 1.37 - 900.0).collect();
        let whole = counts(&values);
        assert!(whole.level() > 0 && whole.cells().len() <= CELLS_LIMIT && whole.cells().len() > CELLS_LIMIT / 2);
        let spread: Vec<f64> = (0..2_048).map(|i| value(u64::MAX / 2_048 * i)).filter(|x| x.is_finite()).collect();
        assert!(counts(&spread).cells().len() <= CELLS_LIMIT);
    }

    #[test]
    fn every_way_of_counting_agrees() {
        let mut keys: Vec<u64> = (0..3_000_u64).map(|i| key(1.0) + (i * i % 997) * 3).collect();
        let base = key(1.0);
        assert_eq!(count_hashed(&keys[..FEW_KEYS - 1], 0), None);
        let (dense, hashed) = (count_densely(&keys, 0, base, 3_000), count_hashed(&keys, 0).unwrap());
        assert_eq!(dense, hashed);
        assert_eq!(dense, count_sorted(&mut keys, 0));
        let distinct: Vec<u64> = (0..3_000_u64).map(|i| i << 20).collect();
        assert_eq!(count_hashed(&distinct, 0), None);
    }
}
