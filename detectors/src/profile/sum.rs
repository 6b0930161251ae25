//! Exact sums of doubles and of their squares, and the mean and variance that follow.
//!
//! A double is an integer times a power of two. Numbers whose exponents lie in the same group of 16 are added as integers,
//! so no addition rounds, and the sums depend only on which numbers were added: not on order, batches or merges. A square
//! is taken exactly as well (106 bits in two parts), so that a variance keeps its digits however far the mean is from zero.

use std::cmp::Ordering;

use crate::Error;

use super::codec::{Reader, Writer};
use super::integer::{Integer, scale};

const GROUP_BITS: usize = 16;
/// Exponent of the lowest bit of a sum: that of the smallest subnormal.
const SUM_EXPONENT: i32 = -1_074;
const SQUARES_EXPONENT: i32 = 2 * SUM_EXPONENT;
const SUM_GROUPS: usize = 128;
const SQUARES_GROUPS: usize = 260;

/// Sums by group of exponents, ascending, none of them zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Groups {
    sums: Vec<(u16, i128)>,
}

impl Groups {
    fn add(&mut self, group: u16, value: i128) {
        match self.sums.binary_search_by_key(&group, |(group, _)| *group) {
            Ok(index) => {
                if let Some((_, sum)) = self.sums.get_mut(index) {
                    *sum = sum.wrapping_add(value);
                    if *sum == 0 {
                        self.sums.remove(index);
                    }
                }
            }
            Err(index) if value != 0 => self.sums.insert(index, (group, value)),
            Err(_) => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        for (group, value) in &other.sums {
            self.add(*group, *value);
        }
    }

    fn remove(&mut self, other: &Self) {
        for (group, value) in &other.sums {
            self.add(*group, value.wrapping_neg());
        }
    }

    /// The sum as (sign, magnitude, exponent of its lowest bit); `lowest` is the exponent of group 0.
    fn total(&self, lowest: i32) -> (Ordering, Integer, i32) {
        let first = self.sums.first().map_or(0, |(group, _)| *group);
        let (mut positive, mut negative) = (Integer::default(), Integer::default());
        for (group, value) in &self.sums {
            let side = if *value < 0 { &mut negative } else { &mut positive };
            side.add_shifted(value.unsigned_abs(), usize::from(group - first) * GROUP_BITS);
        }
        let (sign, magnitude) = positive.difference(&negative);
        (sign, magnitude, lowest + i32::from(first) * GROUP_BITS as i32)
    }

    fn encode(&self, writer: &mut Writer) {
        writer.unsigned(self.sums.len() as u64);
        for (group, value) in &self.sums {
            writer.unsigned(u64::from(*group));
            writer.signed(*value);
        }
    }

    fn decode(reader: &mut Reader<'_>, limit: usize) -> Result<Self, Error> {
        let length = reader.length(limit)?;
        let mut sums: Vec<(u16, i128)> = Vec::with_capacity(length);
        for _ in 0..length {
            let group = u16::try_from(reader.unsigned()?).map_err(|_| reader.error("an exponent is too large"))?;
            let value = reader.signed()?;
            let follows = sums.last().is_none_or(|(last, _)| *last < group);
            if !follows || value == 0 || usize::from(group) >= limit {
                return Err(reader.error("its sums are out of order"));
            }
            sums.push((group, value));
        }
        Ok(Self { sums })
    }
}

/// The exact sum of finite doubles and of their squares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExactSums {
    sum: Groups,
    squares: Groups,
}

/// A batch's sums in plain arrays, reused over its chunks.
pub(crate) struct BatchSums {
    sum: Box<[i128; SUM_GROUPS]>,
    squares: Box<[i128; SQUARES_GROUPS]>,
}

impl BatchSums {
    pub fn new() -> Self {
        Self { sum: Box::new([0; SUM_GROUPS]), squares: Box::new([0; SQUARES_GROUPS]) }
    }

    /// Adds a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let field = (bits >> 52) as usize & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        // Subnormals have the exponent of the smallest normal and no implied bit.
        let (mantissa, exponent) = if field == 0 { (fraction, 0) } else { (fraction | 1 << 52, field - 1) };
        let shifted = i128::from(mantissa) << (exponent % GROUP_BITS);
        if let Some(sum) = self.sum.get_mut(exponent / GROUP_BITS) {
            *sum += if bits >> 63 == 0 { shifted } else { -shifted };
        }
        let square = u128::from(mantissa) * u128::from(mantissa);
        let (group, shift) = (2 * exponent / GROUP_BITS, 2 * exponent % GROUP_BITS);
        if let Some([low, .., high]) = self.squares.get_mut(group..group + 64 / GROUP_BITS + 1) {
            *low += i128::from(square as u64) << shift;
            *high += i128::from((square >> 64) as u64) << shift;
        }
    }
}

impl ExactSums {
    pub(crate) fn absorb(&mut self, batch: &BatchSums) {
        for (groups, sums) in [(&mut self.sum, batch.sum.as_slice()), (&mut self.squares, batch.squares.as_slice())] {
            for (group, value) in sums.iter().enumerate().filter(|(_, value)| **value != 0) {
                groups.add(group as u16, *value);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// Takes back what was added.
    pub(crate) fn remove(&mut self, other: &Self) {
        self.sum.remove(&other.sum);
        self.squares.remove(&other.squares);
    }

    /// The mean of `count` values, within one unit in the last place. None when `count` is 0.
    pub fn mean(&self, count: u64) -> Option<f64> {
        let (sign, magnitude, lowest) = self.sum.total(SUM_EXPONENT);
        let (mantissa, exponent) = magnitude.to_float();
        let mean = scale(mantissa / count as f64, exponent + lowest);
        (count > 0).then_some(if sign == Ordering::Less { -mean } else { mean })
    }

    /// The unbiased variance, within a few units in the last place. None below two values, or when it overflows a double.
    pub fn variance(&self, count: u64) -> Option<f64> {
        let (mantissa, exponent) = self.spread(count)?;
        Some(scale(mantissa, exponent)).filter(|variance| variance.is_finite())
    }

    /// Its square root, which exists even where the variance would overflow or vanish.
    pub fn standard_deviation(&self, count: u64) -> Option<f64> {
        let (mantissa, exponent) = self.spread(count)?;
        let odd = exponent.rem_euclid(2);
        Some(scale((mantissa * f64::from(1 + odd)).sqrt(), (exponent - odd) / 2))
    }

    /// (count × Σx² - (Σx)²) / (count × (count - 1)) as mantissa and exponent; the difference is exact.
    fn spread(&self, count: u64) -> Option<(f64, i32)> {
        if count < 2 {
            return None;
        }
        let (_, sum, sum_lowest) = self.sum.total(SUM_EXPONENT);
        let (_, squares, squares_lowest) = self.squares.total(SQUARES_EXPONENT);
        let (left, left_lowest) = (squares.times(count), squares_lowest);
        let (right, right_lowest) = (sum.product(&sum), 2 * sum_lowest);
        let lowest = if right.is_zero() { left_lowest } else { left_lowest.min(right_lowest) };
        let align = |integer: &Integer, from: i32| integer.shifted(usize::try_from(from - lowest).unwrap_or(0));
        let (ordering, difference) = align(&left, left_lowest).difference(&align(&right, right_lowest));
        if ordering != Ordering::Greater {
            // By Cauchy and Schwarz it is never less, unless a count overflowed.
            return Some((0.0, 0));
        }
        let (mantissa, exponent) = difference.to_float();
        Some((mantissa / (count as f64 * (count - 1) as f64), exponent + lowest))
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        self.sum.encode(writer);
        self.squares.encode(writer);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let sum = Groups::decode(reader, SUM_GROUPS)?;
        Ok(Self { sum, squares: Groups::decode(reader, SQUARES_GROUPS)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[f64]) -> ExactSums {
        let mut batch = BatchSums::new();
        for value in values {
            batch.add(*value);
        }
        let mut sums = ExactSums::default();
        sums.absorb(&batch);
        sums
    }

    #[test]
    fn sums_cancel_exactly() {
        let exact = sums(&[1e300, 1.0, -1e300, 1e-300]);
        assert_eq!(exact.mean(1), Some(1.0));
        assert_eq!(sums(&[0.1, -0.1]), sums(&[]).clone_with_squares_of(&[0.1, -0.1]));
    }

    impl ExactSums {
        fn clone_with_squares_of(&self, values: &[f64]) -> Self {
            Self { sum: self.sum.clone(), squares: sums(values).squares }
        }
    }

    #[test]
    fn d1_variances_keep_their_digits_far_from_zero() {
        let values = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0, 1e9 + 4.0];
        assert_eq!(sums(&values).variance(4), Some(5.0 / 3.0));
        assert_eq!(sums(&values).mean(4), Some(1e9 + 2.5));
        assert_eq!(sums(&[7.3; 5]).variance(5), Some(0.0));
    }

    #[test]
    fn d3_overflow_is_no_number_but_the_deviation_is() {
        let exact = sums(&[1e300, -1e300]);
        assert_eq!(exact.variance(2), None);
        let deviation = exact.standard_deviation(2).unwrap();
        assert!((deviation / (1e300 * 2.0_f64.sqrt()) - 1.0).abs() < 1e-15);
        let tiny = sums(&[1e-200, 3e-200]).standard_deviation(2).unwrap();
        assert!((tiny / (1e-200 * 2.0_f64.sqrt()) - 1.0).abs() < 1e-14);
        let large = sums(&[f64::MAX, f64::MAX]);
        assert_eq!(large.mean(2), Some(f64::MAX));
        assert_eq!(sums(&[5e-324]).mean(1), Some(5e-324));
    }
}
