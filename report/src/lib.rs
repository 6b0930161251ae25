//! `bellwether report`: two data sets side by side, column by column.
//!
//! - [`columns`] says which columns are compared, and as what; [`types`], what can be compared with what.
//! - [`profiles`] makes their profiles, with the same DataFusion aggregates as the stream.
//! - [`compare()`] judges them; [`text`] writes the result for people; serde writes it for machines.

mod columns;
mod compare;
mod error;
mod performance;
mod profiles;
pub mod text;
mod types;

pub use compare::{ColumnReport, Options, Pair, Report, Seconds, compare};
pub use error::{Class, Error, Result};
