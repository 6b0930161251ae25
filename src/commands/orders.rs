//! Commands to a running service: retrain, approve, override, cancel, promote, rollback, register.

use std::path::{Path, absolute};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::answer::{at, show, word};
use super::client::Client;
use crate::cli::{OfRetraining, Order};
use crate::exit::{Failure, Outcome};

/// Asks for a retraining with some hyper-parameters.
pub async fn retrain(model: &str, parameters: Vec<(String, Value)>, order: &Order) -> Outcome {
    let mut body = json!({ "reason": order.reason });
    if !parameters.is_empty() {
        set(&mut body, "parameters", Value::Object(parameters.into_iter().collect::<Map<_, _>>()));
    }
    send(&["models", model, "retrain"], &body, order).await
}

/// `command`: approve, override or cancel.
pub async fn of_retraining(command: &str, arguments: &OfRetraining) -> Outcome {
    let OfRetraining { retraining, order } = arguments;
    send(&["retrainings", retraining, command], &json!({ "reason": order.reason }), order).await
}

pub async fn promote(model: &str, version: Option<String>, order: &Order) -> Outcome {
    let mut body = json!({ "reason": order.reason });
    if let Some(version) = version {
        set(&mut body, "version", Value::String(version));
    }
    send(&["models", model, "promote"], &body, order).await
}

pub async fn roll_back(model: &str, version: Option<&str>, order: &Order) -> Outcome {
    let mut body = json!({ "reason": order.reason });
    if let Some(version) = version {
        set(&mut body, "version", version.into());
    }
    send(&["models", model, "rollback"], &body, order).await
}

pub async fn register(folder: &Path, model: &str, version: &str, champion: bool, order: &Order) -> Outcome {
    // The service has another folder that it stands in.
    let path = absolute(folder).with_context(|| format!("the folder {}", folder.display())).map_err(Failure::input)?;
    let path = path.to_str().context("the folder's path isn't UTF-8").map_err(Failure::input)?;
    let body = json!({ "reason": order.reason, "path": path, "version": version, "champion": champion });
    send(&["models", model, "versions"], &body, order).await
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

async fn send(path: &[&str], body: &Value, order: &Order) -> Outcome {
    let accepted = Client::new(&order.connection)?.post(path, body).await?;
    show(&accepted, order.connection.format, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(accepted: &Value) -> String {
    let words = word(at(accepted, "/words"));
    let (id, state) = (word(at(accepted, "/retraining")), word(at(accepted, "/state")));
    if id.is_empty() { format!("{words}\n") } else { format!("{words}\nretraining {id}: {state}\n") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_what_became_of_a_command() {
        let accepted = json!({ "retraining": "flights-7", "state": "canary", "words": "it is being rolled back" });
        assert_eq!(super::text(&accepted), "it is being rolled back\nretraining flights-7: canary\n");
        let registered = json!({ "retraining": null, "state": "registered", "words": "version 1 is registered" });
        assert_eq!(super::text(&registered), "version 1 is registered\n");
    }
}
