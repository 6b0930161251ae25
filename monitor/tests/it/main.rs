//! The monitor on a real store: from publications to windows, findings, alerts, notifications and retraining decisions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod d2_baselines;
mod i1_once;
mod i2_late_parts;
mod r1_restarts;
mod r3_delivery;
mod story;
mod stream;
mod t3_registered_baselines;
mod t5_faults;
mod vocabulary;
