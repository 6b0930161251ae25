//! One file a resource; `tests/it/routes` mirrors it.

pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod commands;
pub(crate) mod dead_letters;
pub(crate) mod findings;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod notifications;
pub(crate) mod page;
pub(crate) mod retrainings;
pub(crate) mod status;
pub(crate) mod timeline;
pub(crate) mod tokens;
pub(crate) mod versions;

use serde_json::Value;

/// Text that the monitor stored as JSON, as JSON again; anything else as the text that it is.
fn stored_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
