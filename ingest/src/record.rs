//! What a source hands to a shard: records, as they stand in a log.

use contract::EventTime;
use serde::{Deserialize, Serialize};

/// Which of a model's topics a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Prediction,
    Label,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Prediction, Self::Label];

    pub fn name(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Label => "label",
        }
    }
}

/// One record of a partition. Borrowed from the source's own buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub offset: i64,
    /// The broker's timestamp; None where the source has none (files).
    pub timestamp: Option<EventTime>,
    /// None: a tombstone.
    pub payload: Option<&'a [u8]>,
}
