//! The store against a real SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod accepted;
mod alerts;
mod dead_letters;
mod findings;
mod notifications;
mod opening;
mod parts;
mod records;
mod shards;
mod transactions;
mod windows;

use contract::{EventTime, Window};

const MODEL: &str = "flights";
const DAY: i64 = 86_400_000_000;

/// The `day`-th window of one day.
fn window(day: i64) -> Window {
    Window { start: EventTime::from_micros(day * DAY), end: EventTime::from_micros((day + 1) * DAY) }
}
