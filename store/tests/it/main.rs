//! The store against a real SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod accepted;
mod access;
mod alerts;
mod dead_letters;
mod findings;
mod history;
mod notifications;
mod opening;
mod parts;
mod registry;
mod retrainings;
mod shards;
mod transactions;
mod upgrade;
mod windows;

use contract::{EventTime, Window};

const MODEL: &str = "flights";
const DAY: i64 = 86_400_000_000;

/// The `day`-th window of one day.
fn window(day: i64) -> Window {
    Window { start: EventTime::from_micros(day * DAY), end: EventTime::from_micros((day + 1) * DAY) }
}
