//! Rule files, the life of alerts, and channels against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod conditions;
mod e1_rule_files;
mod formats;
mod letters;
mod packs;
mod r1_lifecycle;
mod r1_properties;
mod r3_email;
mod r3_webhook;
mod scene;
