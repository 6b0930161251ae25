//! What a shard tells the monitor: parts of windows, watermarks, counts, dead letters, history files.

use std::collections::BTreeMap;

use contract::{EventTime, Window};
use detectors::profile::WindowProfile;
use serde::{Deserialize, Serialize};

pub use crate::publication_codec::{PartContents, decode_cells, encode_cells};
pub use crate::record::Kind;

/// One message of a shard. Publishing it again changes nothing: receivers apply what is newer by (epoch, sequence).
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    pub model: String,
    pub shard: i32,
    /// How many shards the model has.
    pub shards: i32,
    /// The owner's term; a new owner of the shard has a higher one.
    pub epoch: u64,
    /// Counts up by one over the shard's whole life, epochs included.
    pub sequence: u64,
    pub watermarks: Watermarks,
    /// Next offset to be read, by kind.
    pub offsets: BTreeMap<Kind, i64>,
    /// Events since the beginning of the shard's life.
    pub counts: Counts,
    pub parts: Vec<WindowPart>,
    /// Since the publication before this one.
    pub dead_letters: Vec<DeadLetter>,
    pub history_files: Vec<HistoryFile>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// Newest event time that was believed; beyond it only after the end of all input.
    pub prediction: Option<EventTime>,
    pub label: Option<EventTime>,
    pub predictions_idle: bool,
    pub labels_idle: bool,
}

/// What became of the events that were read. Every record counts in exactly one outcome of its kind; only the one event of
/// a file that waits for its time to be confirmed counts in none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub predictions: Outcomes,
    pub labels: Outcomes,
    #[serde(default)]
    pub evicted: Evictions,
}

/// State that went early, because a limit was reached ([`crate::shard::Limits`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evictions {
    pub rows: u64,
    pub waiting_labels: u64,
    pub windows: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Predictions: in a window's profile. Labels: understood, and joined, waiting, or superseded by a newer one.
    pub accepted: u64,
    /// The same event id again within the duplicate horizon (predictions), or the same label again.
    pub duplicate: u64,
    /// Predictions: too late for their window. Labels: beyond the horizon of their prediction, or after its window was
    /// final. In the history, in no window.
    pub late: u64,
    pub dead_letter: u64,
    /// `where` says that it belongs to another model.
    pub other_model: u64,
    /// No outcome of its own: labels among the accepted ones that waited in vain for their prediction.
    #[serde(default)]
    pub unmatched: u64,
}

impl Outcomes {
    /// Records that were decided.
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.late + self.dead_letter + self.other_model
    }
}

/// A shard's share of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowPart {
    pub window: Window,
    /// 0 at the close; grows with each publication of the window.
    pub revision: u32,
    pub phase: Phase,
    /// Predictions that came too late for this window.
    pub late_rows: u64,
    /// A source was idle, or at its end, when the window was first published.
    pub closed_by_idleness: bool,
    /// Next offset to be read when this was taken, by kind.
    pub as_of: BTreeMap<Kind, i64>,
    pub cells: Vec<WindowCell>,
}

/// How far a shard is with a window (docs/semantics.md, "Windows").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Closed,
    Matured,
    Revised,
    Final,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Matured => "matured",
            Self::Revised => "revised",
            Self::Final => "final",
        }
    }
}

/// The profile of one version, or of one segment of it ("origin=EWR"); the whole version's segment is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCell {
    pub version: String,
    pub segment: String,
    pub profile: WindowProfile,
}

/// An event that could not be used, with its original bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub model: String,
    pub kind: Kind,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub reason: Reason,
    /// One sentence for a person. Never contains values of the event (promise E2).
    pub detail: String,
    /// As long as [`crate::PAYLOAD_LIMIT`]; longer ones are cut.
    pub payload: Vec<u8>,
}

/// Why an event could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not JSON, not UTF-8, or empty.
    Undecodable,
    /// A field that the contract asks for is missing or null.
    MissingField,
    /// A field has another type than the contract declares.
    WrongType,
    Oversized,
    /// Far ahead of the broker's timestamp, or of the other events of the file.
    TimeInFuture,
    /// Before 1970 or not a time.
    TimeInvalid,
}

impl Reason {
    pub const ALL: [Self; 6] = [
        Self::Undecodable,
        Self::MissingField,
        Self::WrongType,
        Self::Oversized,
        Self::TimeInFuture,
        Self::TimeInvalid,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::Oversized => "oversized",
            Self::TimeInFuture => "time_in_future",
            Self::TimeInvalid => "time_invalid",
        }
    }
}

/// A Parquet file of accepted events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFile {
    pub kind: Kind,
    /// Relative to the state folder.
    pub path: String,
    pub rows: u64,
    pub min_time: EventTime,
    pub max_time: EventTime,
    /// Hexadecimal.
    pub sha256: String,
    pub first_offset: i64,
    pub last_offset: i64,
}

/// Receives publications: the monitor. Returns once they are durable.
#[async_trait::async_trait]
pub trait Sink: Send + Sync {
    async fn publish(&self, publication: Publication) -> Result<(), crate::BoxError>;
}
