//! The compact binary form of what this crate stores: a version byte, then variable-length integers.
//!
//! Integers are LEB128 (seven bits a byte, the lowest first); signed ones are zigzag-coded; texts and bytes carry their
//! length. Reading trusts nothing: lengths are bounded by what is left, and every error is a value.

/// Why stored bytes can't be read.
pub(crate) type Damage = &'static str;

/// Appends to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts with the version of the format.
    pub fn versioned(version: u8) -> Self {
        Self { bytes: vec![version] }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn signed(&mut self, value: i64) {
        self.unsigned((value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned());
    }

    pub fn optional_signed(&mut self, value: Option<i64>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.signed(value);
        }
    }

    pub fn float(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn wide(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.unsigned(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Reads what [`Writer`] wrote, or anything else without harm.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn versioned(bytes: &'a [u8], version: u8) -> Result<Self, Damage> {
        let mut reader = Self { rest: bytes };
        if reader.byte()? == version { Ok(reader) } else { Err("its version is unknown to this release") }
    }

    /// Nothing may follow.
    pub fn finish(self) -> Result<(), Damage> {
        if self.rest.is_empty() { Ok(()) } else { Err("bytes are left over") }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Damage> {
        self.take(LENGTH)?.try_into().map_err(|_| "it is cut short")
    }

    pub fn byte(&mut self) -> Result<u8, Damage> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn flag(&mut self) -> Result<bool, Damage> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a flag is neither 0 nor 1"),
        }
    }

    pub fn unsigned(&mut self) -> Result<u64, Damage> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is too large")
    }

    pub fn signed(&mut self) -> Result<i64, Damage> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    pub fn optional_signed(&mut self) -> Result<Option<i64>, Damage> {
        Ok(if self.flag()? { Some(self.signed()?) } else { None })
    }

    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Damage> {
        T::try_from(self.unsigned()?).map_err(|_| "a number is too large")
    }

    /// A count of things that follow, each at least one byte long.
    pub fn length(&mut self) -> Result<usize, Damage> {
        let length = self.small()?;
        if length > self.rest.len() { Err("a length is too large") } else { Ok(length) }
    }

    pub fn float(&mut self) -> Result<f64, Damage> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub fn wide(&mut self) -> Result<u128, Damage> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length()?;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::versioned(1);
        let signed = [0, 1, -1, 63, -64, i64::MAX, i64::MIN];
        for value in signed {
            writer.signed(value);
        }
        writer.unsigned(u64::MAX);
        writer.wide(u128::MAX - 7);
        writer.float(-0.5);
        writer.text("Größe");
        writer.optional_signed(None);
        let bytes = writer.finish();
        let mut reader = Reader::versioned(&bytes, 1).unwrap();
        for value in signed {
            assert_eq!(reader.signed(), Ok(value));
        }
        assert_eq!(reader.unsigned(), Ok(u64::MAX));
        assert_eq!(reader.wide(), Ok(u128::MAX - 7));
        assert_eq!(reader.float().unwrap().to_bits(), (-0.5_f64).to_bits());
        assert_eq!(reader.text(), Ok("Größe"));
        assert_eq!(reader.optional_signed(), Ok(None));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(Reader::versioned(&[], 1).is_err());
        assert!(Reader::versioned(&[2], 1).is_err());
        assert!(Reader::versioned(&[1, 0xff, 0xff], 1).unwrap().unsigned().is_err());
        assert!(Reader::versioned(&[1, 0xff, 0x7f, 0], 1).unwrap().bytes().is_err());
        let endless = [vec![1], vec![0xff; 12]].concat();
        assert!(Reader::versioned(&endless, 1).unwrap().unsigned().is_err());
    }
}
