//! The promises of this crate, D1 to D4.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod budget;
mod canary;
mod canary_rollouts;
mod canary_streams;
mod faults;
mod goldens;
mod judge;
mod laws;
mod simulation;
mod sql;
