//! One shard of one model, sans I/O: records in, publications, history rows and checkpoint entries out.
//!
//! docs/semantics.md, "The shard", "Windows" and "Labels", is the specification. Everything is decided record by record,
//! in [`predictions`] and [`labels`]; profiles are then updated by columns, from the rows gathered in [`buffer`].
//!
//! - [`windows`]: the windows' profiles and their phases; [`phases`]: which phase is due, and publications;
//! - [`join`]: event ids, to recognise duplicates and to join labels; [`waiting`]: labels whose prediction hasn't come;
//! - [`guard`]: times that lie too far ahead; [`limits`]: what bounds the state.
//!
//! The key-value form of the state is in [`crate::checkpoint`].

pub(crate) mod buffer;
mod engine;
pub(crate) mod guard;
pub(crate) mod join;
mod labels;
pub(crate) mod limits;
mod phases;
mod predictions;
pub(crate) mod waiting;
pub(crate) mod windows;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use contract::EventTime;

use crate::record::Kind;

pub use engine::Shard;
pub(crate) use engine::Stream;
pub(crate) use guard::JUMP;
pub use limits::Limits;

/// Which shard this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The partition's number.
    pub shard: i32,
    /// How many shards the model has.
    pub shards: i32,
    /// The topics' names, for dead letters.
    pub topics: BTreeMap<Kind, String>,
}

/// Entries of the key-value store that changed. All keys start with `s`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    pub deletes: Vec<Vec<u8>>,
}

/// Accepted rows for the history, in offset order; [`buffer`] says which columns they have.
#[derive(Clone, Debug)]
pub struct Rows {
    pub kind: Kind,
    pub batch: RecordBatch,
    pub first_offset: i64,
    pub last_offset: i64,
    pub min_time: EventTime,
    pub max_time: EventTime,
}

/// How much a shard holds, for limits and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Event ids that duplicates and labels are recognised by.
    pub rows: usize,
    /// Labels whose prediction hasn't come.
    pub waiting_labels: usize,
    pub windows: usize,
    /// Profiles in publications that were not taken yet.
    pub untold_cells: usize,
}
