//! The compact binary form of profiles: a kind byte, a version byte, then variable-length integers.
//!
//! Integers are LEB128 (seven bits a byte, the lowest first); signed ones are zigzag-coded; doubles are eight bytes, lowest
//! first. Reading trusts nothing: every count is bounded before anything is allocated, and every error is a value.

use crate::Error;

/// The version that this release writes. Older ones stay readable.
pub(crate) const VERSION: u8 = 1;

/// Appends to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts a profile of that kind.
    pub fn start(kind: u8) -> Self {
        Self { bytes: vec![kind, VERSION] }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn unsigned(&mut self, value: u64) {
        self.wide(u128::from(value));
    }

    pub fn signed(&mut self, value: i128) {
        self.wide((value.wrapping_shl(1) ^ (value >> 127)).cast_unsigned());
    }

    pub fn float(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn wide(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Reads what [`Writer`] wrote, or anything else without harm.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    profile: &'static str,
}

impl<'a> Reader<'a> {
    /// Checks kind and version.
    pub fn start(bytes: &'a [u8], kind: u8, profile: &'static str) -> Result<Self, Error> {
        let mut reader = Self { rest: bytes, profile };
        if reader.byte()? != kind {
            return Err(reader.error("it is of another kind"));
        }
        if reader.byte()? != VERSION {
            return Err(reader.error("its version is unknown to this release"));
        }
        Ok(reader)
    }

    pub fn error(&self, reason: &'static str) -> Error {
        Error::Decode { profile: self.profile, reason }
    }

    /// Nothing may follow.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("bytes are left over")) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(self.error("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.rest.split_first().ok_or(self.error("it is cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub fn unsigned(&mut self) -> Result<u64, Error> {
        u64::try_from(self.wide()?).map_err(|_| self.error("a number is too large"))
    }

    /// A count of things that follow, each at least one byte long.
    pub fn length(&mut self, limit: usize) -> Result<usize, Error> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| self.error("a length is too large"))?;
        if length > limit || length > self.rest.len() {
            return Err(self.error("a length is too large"));
        }
        Ok(length)
    }

    pub fn signed(&mut self) -> Result<i128, Error> {
        let value = self.wide()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A signed number that fits 64 bits.
    pub fn signed_64(&mut self) -> Result<i64, Error> {
        i64::try_from(self.signed()?).map_err(|_| self.error("a number is too large"))
    }

    pub fn float(&mut self) -> Result<f64, Error> {
        let mut buffer = [0_u8; 8];
        buffer.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(buffer))
    }

    pub fn text(&mut self, limit: usize) -> Result<&'a str, Error> {
        let length = self.length(limit)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a name is not UTF-8"))
    }

    fn wide(&mut self) -> Result<u128, Error> {
        let mut value = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if shift == 126 && part > 3 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                // One form a number: no padding with zero bytes.
                return if part == 0 && shift > 0 { Err(self.error("a number is padded")) } else { Ok(value) };
            }
        }
        Err(self.error("a number is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        let mut writer = Writer::start(b'X');
        let signed = [0, 1, -1, 63, -64, 64, i128::from(i64::MIN), i128::MAX, i128::MIN];
        for value in signed {
            writer.signed(value);
        }
        writer.unsigned(u64::MAX);
        writer.float(-0.5);
        writer.text("Größe");
        let bytes = writer.finish();
        let mut reader = Reader::start(&bytes, b'X', "test").unwrap();
        for value in signed {
            assert_eq!(reader.signed().unwrap(), value);
        }
        assert_eq!(reader.unsigned().unwrap(), u64::MAX);
        assert!((reader.float().unwrap() + 0.5).abs() < f64::EPSILON);
        assert_eq!(reader.text(64).unwrap(), "Größe");
        reader.finish().unwrap();
    }

    #[test]
    fn d3_garbage_is_an_error() {
        assert!(Reader::start(&[], b'X', "test").is_err());
        assert!(Reader::start(&[b'X', 99], b'X', "test").is_err());
        let mut endless = vec![b'X', VERSION];
        endless.extend([0xff; 40]);
        assert!(Reader::start(&endless, b'X', "test").unwrap().unsigned().is_err());
        let mut huge = vec![b'X', VERSION];
        huge.extend([0xff, 0xff, 0xff, 0x7f, 1]);
        assert!(Reader::start(&huge, b'X', "test").unwrap().length(1 << 40).is_err());
    }
}
