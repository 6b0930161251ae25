//! Non-negative integers of any size: the little that exact variances need.

use std::cmp::Ordering;

/// Limbs of 64 bits, the lowest first, the highest not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Integer {
    limbs: Vec<u64>,
}

impl Integer {
    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Adds `value` × 2^`shift`.
    pub fn add_shifted(&mut self, value: u128, shift: usize) {
        let (start, bits) = (shift / 64, shift % 64);
        let low = value << bits;
        let high = if bits == 0 { 0 } else { (value >> (128 - bits)) as u64 };
        let parts = [low as u64, (low >> 64) as u64, high];
        if self.limbs.len() < start + parts.len() {
            self.limbs.resize(start + parts.len(), 0);
        }
        let mut carry = false;
        for (limb, part) in self.limbs.iter_mut().skip(start).zip(parts.into_iter().chain(std::iter::repeat(0))) {
            let (sum, first) = limb.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first || second;
        }
        if carry {
            self.limbs.push(1);
        }
        self.trim();
    }

    /// |self - other| and which one is larger.
    pub fn difference(&self, other: &Self) -> (Ordering, Self) {
        let ordering = self.compare(other);
        let (large, small) = if ordering == Ordering::Less { (other, self) } else { (self, other) };
        let mut limbs = Vec::with_capacity(large.limbs.len());
        let mut borrow = false;
        for (a, b) in large.limbs.iter().zip(small.limbs.iter().copied().chain(std::iter::repeat(0))) {
            let (difference, first) = a.overflowing_sub(b);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            limbs.push(difference);
            borrow = first || second;
        }
        let mut result = Self { limbs };
        result.trim();
        (ordering, result)
    }

    pub fn product(&self, other: &Self) -> Self {
        let mut limbs = vec![0_u64; self.limbs.len() + other.limbs.len()];
        for (offset, a) in self.limbs.iter().enumerate() {
            let mut carry = 0_u128;
            let places = limbs.iter_mut().skip(offset);
            for (place, b) in places.zip(other.limbs.iter().copied().chain(std::iter::repeat(0))) {
                let sum = u128::from(*a) * u128::from(b) + u128::from(*place) + carry;
                *place = sum as u64;
                carry = sum >> 64;
            }
        }
        let mut result = Self { limbs };
        result.trim();
        result
    }

    pub fn times(&self, factor: u64) -> Self {
        self.product(&Self { limbs: vec![factor] })
    }

    pub fn shifted(&self, shift: usize) -> Self {
        let mut result = Self::default();
        for (index, limb) in self.limbs.iter().enumerate() {
            result.add_shifted(u128::from(*limb), shift + index * 64);
        }
        result
    }

    /// (m, e) with self = m × 2^e, m rounded once to a double.
    pub fn to_float(&self) -> (f64, i32) {
        let limb =
            |back: usize| self.limbs.len().checked_sub(back).and_then(|i| self.limbs.get(i)).copied().unwrap_or(0);
        let (top, second, third) = (limb(1), limb(2), limb(3));
        let lead = top.leading_zeros();
        let mut bits = (u128::from(top) << 64 | u128::from(second)) << lead;
        bits |= u128::from(third).checked_shr(64 - lead).unwrap_or(0);
        let below = self.limbs.iter().rev().skip(2).any(|limb| *limb != 0);
        bits |= u128::from(below);
        (bits as f64, (self.limbs.len() as i32 - 2) * 64 - lead as i32)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.limbs.len().cmp(&other.limbs.len());
        lengths.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }
}

/// m × 2^e; beyond the range of doubles it is zero or infinite.
pub(crate) fn scale(mut mantissa: f64, mut exponent: i32) -> f64 {
    const STEP: i32 = 900;
    while exponent > STEP && mantissa.is_finite() && mantissa != 0.0 {
        mantissa *= 2.0_f64.powi(STEP);
        exponent -= STEP;
    }
    while exponent < -STEP && mantissa != 0.0 {
        mantissa *= 2.0_f64.powi(-STEP);
        exponent += STEP;
    }
    mantissa * 2.0_f64.powi(exponent.clamp(-STEP, STEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(value: u128) -> Integer {
        let mut integer = Integer::default();
        integer.add_shifted(value, 0);
        integer
    }

    #[test]
    fn arithmetic_agrees_with_128_bits() {
        let (a, b) = (0xfedc_ba98_7654_3210_u128, 0x1234_5678_9abc_def0_u128);
        assert_eq!(integer(a).product(&integer(b)), integer(a * b));
        assert_eq!(integer(b).difference(&integer(a)), (Ordering::Less, integer(a - b)));
        assert_eq!(integer(a).times(3).shifted(7), integer((a * 3) << 7));
        let mut carried = integer(u128::MAX);
        carried.add_shifted(1, 0);
        assert_eq!(carried, integer(1).shifted(128));
        let (mantissa, exponent) = carried.to_float();
        assert_eq!(scale(mantissa, exponent), 2.0_f64.powi(128));
    }

    #[test]
    fn floats_are_rounded_once() {
        for value in [1_u128, 3, (1 << 53) + 1, (1 << 54) + 3, u128::MAX, (1 << 100) + 1] {
            let (mantissa, exponent) = integer(value).to_float();
            assert_eq!(scale(mantissa, exponent), value as f64, "{value}");
        }
        assert_eq!(scale(1.0, 5_000), f64::INFINITY);
        assert_eq!(scale(1.0, -5_000), 0.0);
        assert!(scale(1.0, -1_074) > 0.0);
    }
}
