//! The profiles of one window: every column of the contract, what the model put out, and how well it did.

use contract::Contract;

use crate::Error;

use super::codec::{Reader, Writer};
use super::{CategoricalProfile, ColumnProfile, NumericProfile, PerformanceProfile};

const KIND: u8 = b'W';
/// Columns of a stored window.
const COLUMNS_LIMIT: usize = 1 << 16;

/// All that is known about the rows of one window, of one version, of one segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowProfile {
    pub rows: u64,
    /// In the order of the contract's schema; none in segments.
    pub columns: Vec<ColumnProfile>,
    pub score: NumericProfile,
    pub prediction: CategoricalProfile,
    /// Seconds.
    pub latency: NumericProfile,
    /// Predictions that the serving app reported as failed.
    pub errors: u64,
    pub performance: PerformanceProfile,
}

impl WindowProfile {
    /// An empty profile with the contract's columns.
    pub fn for_contract(contract: &Contract) -> Self {
        let columns = contract.schema.iter().map(|column| ColumnProfile::new(column.kind, column.range)).collect();
        Self { columns, ..Self::default() }
    }

    /// An empty profile without columns.
    pub fn for_segment() -> Self {
        Self::default()
    }

    /// Adds another's rows. Columns that only one of them has are kept as they are.
    pub fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.errors = self.errors.saturating_add(other.errors);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.merge(theirs);
        }
        let known = self.columns.len();
        self.columns.extend(other.columns.iter().skip(known).cloned());
        self.score.merge(&other.score);
        self.prediction.merge(&other.prediction);
        self.latency.merge(&other.latency);
        self.performance.merge(&other.performance);
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::start(KIND);
        writer.unsigned(self.rows);
        writer.unsigned(self.errors);
        writer.unsigned(self.columns.len() as u64);
        for column in &self.columns {
            column.encode(&mut writer);
        }
        self.score.encode(&mut writer);
        self.prediction.encode(&mut writer);
        self.latency.encode(&mut writer);
        self.performance.encode(&mut writer);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::start(bytes, KIND, "window")?;
        let (rows, errors) = (reader.unsigned()?, reader.unsigned()?);
        let length = reader.length(COLUMNS_LIMIT)?;
        let mut columns = Vec::new();
        for _ in 0..length {
            columns.push(ColumnProfile::decode(&mut reader)?);
        }
        let profile = Self {
            rows,
            columns,
            score: NumericProfile::decode(&mut reader)?,
            prediction: CategoricalProfile::decode(&mut reader)?,
            latency: NumericProfile::decode(&mut reader)?,
            errors,
            performance: PerformanceProfile::decode(&mut reader)?,
        };
        reader.finish()?;
        Ok(profile)
    }
}
