//! `bellwether status`: what a running service says of itself.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::cli::Format;
use crate::exit::{Failure, Outcome, print};

pub async fn execute(server: &str, format: Format) -> Outcome {
    let status = fetch(server).await.map_err(Failure::dependency)?;
    match format {
        Format::Json => print(&format!("{status}\n"))?,
        Format::Text => print(&text(&status))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn fetch(server: &str) -> anyhow::Result<Value> {
    rules::channels::install_tls_provider();
    let url = format!("{}/api/v1/status", server.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let response = client.get(&url).send().await.with_context(|| format!("no service answers at {server}"))?;
    response.error_for_status()?.json().await.with_context(|| format!("{url} answered something else than JSON"))
}

fn text(status: &Value) -> String {
    let mut out = String::new();
    let ready = status.get("ready").and_then(Value::as_bool).unwrap_or(false);
    let _ = writeln!(out, "ready: {}", if ready { "yes" } else { "no" });
    for reason in status.get("reasons").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(out, "  {}", words(reason));
    }
    for model in status.get("models").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(out, "model {}", model.get("model").map(words).unwrap_or_default());
        for (name, value) in model.as_object().into_iter().flatten().filter(|(name, _)| *name != "model") {
            let _ = writeln!(out, "  {}: {}", name.replace('_', " "), words(value));
        }
    }
    out
}

/// A JSON value the way a person writes it.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), words(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}
