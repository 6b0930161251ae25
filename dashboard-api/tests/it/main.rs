//! The interface against a real store and a real socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod browser;
mod connections;
mod dashboards;
mod decider;
mod documents;
mod filled;
mod protection;
mod routes;
mod server;
