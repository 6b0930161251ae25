//! Profiles: mergeable summaries of data (design: "a profile is a monoid").
//!
//! - [`NumericProfile`] and [`CategoricalProfile`], one of which is a [`ColumnProfile`];
//! - [`PerformanceProfile`], which can also take back what it was given;
//! - [`WindowProfile`], all of them for one window.
//!
//! The law that every profile keeps: **same rows, any batches, any merge order → the same bytes.** No profile needs a
//! reference or a grid that was agreed on beforehand.

pub(crate) mod categorical;
pub(crate) mod codec;
pub mod dyadic;
mod integer;
pub(crate) mod numeric;
pub(crate) mod performance;
mod sum;
mod window;

use arrow::array::Array;
use contract::model::ColumnKind;

pub use categorical::{BUCKETS, CategoricalProfile, NAMES_LIMIT};
pub use dyadic::CELLS_LIMIT;
pub use numeric::{Cell, NumericProfile};
pub use performance::PerformanceProfile;
pub use sum::ExactSums;
pub use window::WindowProfile;

use crate::Error;
use codec::{Reader, Writer};

const NUMERIC: u8 = 0;
const CATEGORICAL: u8 = 1;
const KIND: u8 = b'L';

/// The profile of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnProfile {
    Numeric(NumericProfile),
    Categorical(CategoricalProfile),
}

impl ColumnProfile {
    /// An empty profile for a column of the contract.
    pub fn new(kind: ColumnKind, range: Option<(f64, f64)>) -> Self {
        if kind.is_numeric() {
            Self::Numeric(NumericProfile::new(range))
        } else {
            Self::Categorical(CategoricalProfile::new())
        }
    }

    /// Adds the rows of an array.
    pub fn update(&mut self, array: &dyn Array) -> Result<(), Error> {
        match self {
            Self::Numeric(profile) => profile.update(array),
            Self::Categorical(profile) => profile.update(array),
        }
    }

    /// Adds another's rows. A profile of the other kind has nothing to add but rows of a wrong type.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Numeric(mine), Self::Numeric(theirs)) => mine.merge(theirs),
            (Self::Categorical(mine), Self::Categorical(theirs)) => mine.merge(theirs),
            (mine, theirs) => mine.add_mistyped(theirs.rows().saturating_add(theirs.mistyped())),
        }
    }

    /// This profile less a part that was merged into it. For comparisons, never stored.
    pub(crate) fn without(&self, part: &Self) -> Self {
        match (self, part) {
            (Self::Numeric(whole), Self::Numeric(part)) => Self::Numeric(whole.without(part)),
            (Self::Categorical(whole), Self::Categorical(part)) => Self::Categorical(whole.without(part)),
            (whole, _) => whole.clone(),
        }
    }

    pub fn rows(&self) -> u64 {
        match self {
            Self::Numeric(profile) => profile.rows(),
            Self::Categorical(profile) => profile.rows(),
        }
    }

    pub fn nulls(&self) -> u64 {
        match self {
            Self::Numeric(profile) => profile.nulls(),
            Self::Categorical(profile) => profile.nulls(),
        }
    }

    pub fn mistyped(&self) -> u64 {
        match self {
            Self::Numeric(profile) => profile.mistyped(),
            Self::Categorical(profile) => profile.mistyped(),
        }
    }

    /// Counts events that were refused because this column's value had a wrong type.
    pub fn add_mistyped(&mut self, rows: u64) {
        match self {
            Self::Numeric(profile) => profile.add_mistyped(rows),
            Self::Categorical(profile) => profile.add_mistyped(rows),
        }
    }

    pub fn as_numeric(&self) -> Option<&NumericProfile> {
        match self {
            Self::Numeric(profile) => Some(profile),
            Self::Categorical(_) => None,
        }
    }

    pub fn as_categorical(&self) -> Option<&CategoricalProfile> {
        match self {
            Self::Categorical(profile) => Some(profile),
            Self::Numeric(_) => None,
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::start(KIND);
        self.encode(&mut writer);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::start(bytes, KIND, "column")?;
        let profile = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(profile)
    }

    /// Reads a column's bytes, or a numeric or a categorical profile's own, as the SQL aggregates return them.
    pub fn from_any_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.first() {
            Some(&numeric::KIND) => NumericProfile::from_bytes(bytes).map(Self::Numeric),
            Some(&categorical::KIND) => CategoricalProfile::from_bytes(bytes).map(Self::Categorical),
            _ => Self::from_bytes(bytes),
        }
    }

    /// The bytes of the numeric or categorical profile itself.
    pub fn to_own_bytes(&self) -> Vec<u8> {
        match self {
            Self::Numeric(profile) => profile.to_bytes(),
            Self::Categorical(profile) => profile.to_bytes(),
        }
    }

    /// About how many bytes it holds besides its own.
    pub fn heap_size(&self) -> usize {
        match self {
            Self::Numeric(profile) => size_of_val(profile.counts().cells()),
            Self::Categorical(profile) => profile.heap_size(),
        }
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Numeric(profile) => {
                writer.byte(NUMERIC);
                profile.encode(writer);
            }
            Self::Categorical(profile) => {
                writer.byte(CATEGORICAL);
                profile.encode(writer);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match reader.byte()? {
            NUMERIC => Ok(Self::Numeric(NumericProfile::decode(reader)?)),
            CATEGORICAL => Ok(Self::Categorical(CategoricalProfile::decode(reader)?)),
            _ => Err(reader.error("a column is of an unknown kind")),
        }
    }
}
