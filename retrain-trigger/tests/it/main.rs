//! Tests of retraining: the planner and executor under a simulator, and the effects on real files, processes and sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod commands;
mod dataset;
mod evidence;
mod plan;
mod registry;
mod runner;
mod scene;
mod simulator;
mod subject;
mod target;
