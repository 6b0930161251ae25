//! `bellwether models`: the models of a running service, and the versions of one.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::{at, figure, grid, list, show, table, word};
use super::client::Client;
use crate::cli::Connection;
use crate::exit::Outcome;

pub async fn execute(model: Option<&str>, connection: &Connection) -> Outcome {
    let client = Client::new(connection)?;
    match model {
        Some(model) => show(&client.get(&["models", model, "versions"], &[]).await?, connection.format, versions_text)?,
        None => show(&client.get(&["models"], &[]).await?, connection.format, models_text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn models_text(answer: &Value) -> String {
    let columns = [
        ("MODEL", "/model"),
        ("OWNER", "/owner"),
        ("STATE", "/health/state"),
        ("WINDOWS", "/windows"),
        ("NEWEST WINDOW", "/latest_window/start"),
        ("FIRING", "/alerts/firing"),
        ("RETRAINING", "/retraining/state"),
        ("WAITS FOR", "/retraining/waits_for"),
    ];
    table(list(at(answer, "/models")), &columns, "no model is configured")
}

fn versions_text(answer: &Value) -> String {
    let rows: Vec<Vec<String>> = list(at(answer, "/versions")).iter().map(row).collect();
    let headings =
        ["VERSION", "ALIASES", "TRAFFIC SET", "VALIDATION", "LOG LOSS AT THE GATE", "RETRAINING", "REGISTERED"];
    grid(&headings, &rows, "no version is registered; `bellwether register` brings one")
}

/// A share of the traffic is what Bellwether has set; where it has set none, it claims none.
fn row(version: &Value) -> Vec<String> {
    let aliases: Vec<String> = list(at(version, "/aliases")).iter().map(word).collect();
    let weight = at(version, "/weight").as_u64().map_or(String::new(), |weight| format!("{weight} %"));
    let gate = at(version, "/gate");
    let gate = if at(gate, "/candidate").is_null() {
        String::new()
    } else {
        format!("{} against {}", figure(at(gate, "/candidate")), figure(at(gate, "/stable")))
    };
    vec![
        word(at(version, "/version")),
        aliases.join(", "),
        weight,
        word(at(version, "/validation")),
        gate,
        word(at(version, "/retraining")),
        word(at(version, "/registered")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_what_each_version_is_for() {
        let versions = json!({ "versions": [
            { "version": "2", "aliases": ["challenger"], "weight": 10, "validation": "passed", "retraining": "flights-7",
              "gate": { "candidate": 0.5131, "stable": 0.5542 }, "registered": "2026-11-24T10:15:00Z" },
            { "version": "1", "aliases": ["champion"], "weight": 90, "validation": "external", "retraining": "",
              "gate": null, "registered": "2026-11-24T10:00:00Z" },
        ] });
        insta::assert_snapshot!(super::versions_text(&versions), @r"
        VERSION  ALIASES     TRAFFIC SET  VALIDATION  LOG LOSS AT THE GATE  RETRAINING  REGISTERED
        2        challenger  10 %         passed      0.513 against 0.554   flights-7   2026-11-24T10:15:00Z
        1        champion    90 %         external    -                     -           2026-11-24T10:00:00Z
        ");
    }

    #[test]
    fn of_traffic_that_bellwether_never_set_nothing_is_claimed() {
        let versions = json!({ "versions": [
            { "version": "1", "aliases": ["champion"], "weight": null, "validation": "external", "retraining": "",
              "gate": null, "registered": "2026-11-24T10:00:00Z" },
        ] });
        insta::assert_snapshot!(super::versions_text(&versions), @r"
        VERSION  ALIASES   TRAFFIC SET  VALIDATION  LOG LOSS AT THE GATE  RETRAINING  REGISTERED
        1        champion  -            external    -                     -           2026-11-24T10:00:00Z
        ");
    }

    #[test]
    fn people_read_which_model_waits_for_them() {
        let models = json!({ "models": [{
            "model": "fraud", "owner": "risk-team", "health": { "state": "quiet" }, "windows": 3,
            "latest_window": { "start": "2026-03-02T10:00:00Z" }, "alerts": { "firing": 1 },
            "retraining": { "state": "registered", "waits_for": "approval of the rollout" },
        }] });
        insta::assert_snapshot!(super::models_text(&models), @r"
        MODEL  OWNER      STATE  WINDOWS  NEWEST WINDOW         FIRING  RETRAINING  WAITS FOR
        fraud  risk-team  quiet  3        2026-03-02T10:00:00Z  1       registered  approval of the rollout
        ");
        assert_eq!(super::models_text(&json!({ "models": [] })), "no model is configured\n");
    }
}
