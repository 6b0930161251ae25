//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod dataset;
mod history_columns;
mod i1_exactly_once;
mod i2_final_revision;
mod i3_late_is_visible;
mod i4_bad_input;
mod i5_labels;
mod kafka;
mod state;
mod stream;
