//! The `bellwether` program, as a user runs it: commands, exit codes, what is printed; and against Apache Kafka itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod access;
mod check;
mod commands;
mod kafka;
mod oracle;
mod program;
mod replay;
mod report;
mod secrets;
mod service;
mod stream;
