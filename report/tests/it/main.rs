//! `report` as a library: figures against direct computations, the JSON form of the interfaces, odd files, the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod data;
mod figures;
mod odd_files;
mod performance;
mod shape;
mod text;
mod types;
