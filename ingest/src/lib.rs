//! From sources to windows: decoding, deduplication, label join, event-time windows, checkpoints, dead letters, history.
//!
//! - [`record`] is what sources hand over, [`publication`] what shards tell the monitor.
//! - [`decode`] turns JSON into Arrow by the contract; [`shard`] is the sans-I/O engine (docs/semantics.md, "The shard").
//! - [`checkpoint`] is the key-value form of a shard's state; [`state`] keeps it in SlateDB.
//! - [`history`] writes accepted rows as Parquet; [`dataset`] reads Parquet, CSV and Arrow files.
//! - Drivers: [`kafka`] and [`files`].
//!
//! Nothing here knows what a detector is.

mod checkpoint;
mod codec;
pub mod dataset;
mod decode;
mod error;
pub mod files;
pub mod history;
pub mod kafka;
pub mod publication;
mod publication_codec;
pub mod record;
pub mod shard;
pub mod state;

pub use error::{Class, Error, Result};
pub use publication::{Publication, Sink};
pub use record::{Kind, Record};

/// Whatever a sink's own error is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The largest event, in bytes; larger ones are dead letters.
pub const PAYLOAD_LIMIT: usize = 1 << 20;
