//! What contracts and configurations promise to those who write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod configuration;
mod contract;
mod e1_all_errors_at_once;
mod e1_no_text_panics;
mod generated;
mod limits;
mod retrain;
mod t2_artifacts;
mod yaml;

use std::path::{Path, PathBuf};

/// A file of this folder.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/files").join(name)
}

/// The text of a file of this folder.
fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}
