//! `bellwether retrainings`: those under way, those that ended, those that were vetoed; or one with all that was done.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::answer::{at, figure, list, show, table, word};
use super::client::Client;
use crate::cli::{Connection, Rows};
use crate::exit::Outcome;

pub async fn execute(id: Option<&str>, rows: &Rows, connection: &Connection) -> Outcome {
    let client = Client::new(connection)?;
    if let Some(id) = id {
        show(&client.get(&["retrainings", id], &[]).await?, connection.format, one_text)?;
    } else {
        let limit = rows.limit.map(|limit| limit.to_string());
        let query = [("model", rows.model.as_deref()), ("limit", limit.as_deref())];
        show(&client.get(&["retrainings"], &query).await?, connection.format, list_text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list_text(answer: &Value) -> String {
    let columns = [
        ("ID", "/id"),
        ("MODEL", "/model"),
        ("STATE", "/state"),
        ("VERSION", "/version"),
        ("ASKED FOR", "/event_time"),
        ("RULE", "/rule"),
        ("WAITS FOR", "/waits_for"),
        ("REASON", "/reason"),
    ];
    table(list(at(answer, "/retrainings")), &columns, "no retraining was ever asked for")
}

fn one_text(retraining: &Value) -> String {
    let document = at(retraining, "/document");
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", word(at(retraining, "/id")), word(at(retraining, "/state")));
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:14}{text}");
        }
    };
    line("model", word(at(retraining, "/model")));
    line("asked for", asked(retraining));
    line("data", data(at(document, "/manifest")));
    line("training", training(document));
    line("gate", verdict(at(document, "/gate")));
    let overridden = at(document, "/overridden");
    if !overridden.is_null() {
        line("overridden", format!("by {}: {}", word(at(overridden, "/by")), word(at(overridden, "/reason"))));
    }
    let candidate = at(document, "/candidate");
    if !candidate.is_null() {
        line(
            "candidate",
            format!("version {}, sha256 {}", word(at(candidate, "/version")), word(at(candidate, "/sha256"))),
        );
    }
    let rollout = at(document, "/rollout");
    if !rollout.is_null() {
        line("traffic", format!("{} % since {}", word(at(rollout, "/weight")), word(at(rollout, "/since"))));
        line("live events", verdict(at(rollout, "/analysis")));
    }
    let waits_for = at(document, "/waits_for");
    if waits_for != at(rollout, "/analysis/reason") {
        line("waits for", word(waits_for));
    }
    line("outcome", word(at(document, "/outcome")));
    let effects = list(at(retraining, "/effects"));
    if !effects.is_empty() {
        let columns = [("BEGUN", "/begun"), ("ENDED", "/ended"), ("EFFECT", "/effect"), ("OUTCOME", "/outcome")];
        let _ = write!(out, "\n{}", table(effects, &columns, ""));
    }
    out
}

fn asked(retraining: &Value) -> String {
    let document = at(retraining, "/document");
    let person = at(document, "/asked_by/person");
    let by = if person.is_null() { format!("rule {}", word(at(retraining, "/rule"))) } else { word(person) };
    let reason = [at(document, "/reason"), at(retraining, "/reason")].into_iter().find(|reason| !reason.is_null());
    format!("{} by {by}: {}", word(at(retraining, "/event_time")), reason.map(word).unwrap_or_default())
}

fn data(manifest: &Value) -> String {
    if manifest.is_null() {
        return String::new();
    }
    let [labelled, rows, from, to] = ["/labelled", "/rows", "/from", "/to"].map(|pointer| word(at(manifest, pointer)));
    let left_out = match list(at(manifest, "/left_out")).len() {
        0 => String::new(),
        windows => format!(", {windows} quarantined windows left out"),
    };
    format!("{labelled} labelled of {rows} predictions, {from} to {to}{left_out}")
}

fn training(document: &Value) -> String {
    let (attempts, progress) = (at(document, "/attempts").as_u64().unwrap_or(0), at(document, "/progress"));
    if attempts == 0 {
        return String::new();
    }
    let mut parts = vec![if attempts == 1 { "started once".to_owned() } else { format!("started {attempts} times") }];
    let phase = word(at(progress, "/phase"));
    if !phase.is_empty() {
        parts.push(format!("phase {phase}"));
    }
    if let Some(fraction) = at(progress, "/fraction").as_f64() {
        parts.push(format!("{:.0} % done", fraction * 100.0));
    }
    if let (Some(epoch), Some(of)) = (at(progress, "/epoch").as_u64(), at(progress, "/of").as_u64()) {
        parts.push(format!("epoch {epoch} of {of}"));
    }
    if at(progress, "/loss").is_number() {
        parts.push(format!("loss {}", figure(at(progress, "/loss"))));
    }
    parts.join(", ")
}

/// A phase with its reason.
fn verdict(value: &Value) -> String {
    let phase = word(at(value, "/phase"));
    if phase.is_empty() { phase } else { format!("{phase}: {}", word(at(value, "/reason"))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_how_far_a_retraining_is() {
        let retraining = json!({
            "id": "flights-7", "model": "flights", "state": "canary", "rule": "PerformanceDecay",
            "event_time": "2013-06-17T00:00:00Z", "reason": "rule PerformanceDecay fired",
            "waits_for": "not enough labels yet",
            "document": {
                "asked_by": { "rule": "PerformanceDecay" }, "reason": "rule PerformanceDecay fired", "attempts": 2,
                "manifest": { "labelled": 50107, "rows": 51230, "from": "2013-04-15T00:00:00Z",
                              "to": "2013-06-17T00:00:00Z", "left_out": ["2013-05-09: unit_change"] },
                "progress": { "phase": "write", "fraction": 0.984, "epoch": 8, "of": 8, "loss": 0.4971 },
                "gate": { "phase": "successful", "candidate": 0.513, "stable": 0.554, "rows": 6214,
                          "reason": "log loss 0.513 against stable's 0.554 on the same 6214 rows of 7 days" },
                "candidate": { "version": "2", "sha256": "3b5e" },
                "rollout": { "weight": 10, "since": "2013-06-19T00:00:00Z",
                             "analysis": { "phase": "inconclusive", "reason": "not enough labels yet" } },
                "waits_for": "not enough labels yet",
            },
            "effects": [
                { "begun": "2026-11-24T10:00:01Z", "ended": "2026-11-24T10:00:02Z", "effect": "pin", "outcome": "done" },
                { "begun": "2026-11-24T10:00:02Z", "ended": null, "effect": "train", "outcome": "" },
            ],
        });
        insta::assert_snapshot!(super::one_text(&retraining), @r"
        flights-7: canary
          model         flights
          asked for     2013-06-17T00:00:00Z by rule PerformanceDecay: rule PerformanceDecay fired
          data          50107 labelled of 51230 predictions, 2013-04-15T00:00:00Z to 2013-06-17T00:00:00Z, 1 quarantined windows left out
          training      started 2 times, phase write, 98 % done, epoch 8 of 8, loss 0.497
          gate          successful: log loss 0.513 against stable's 0.554 on the same 6214 rows of 7 days
          candidate     version 2, sha256 3b5e
          traffic       10 % since 2013-06-19T00:00:00Z
          live events   inconclusive: not enough labels yet

        BEGUN                 ENDED                 EFFECT  OUTCOME
        2026-11-24T10:00:01Z  2026-11-24T10:00:02Z  pin     done
        2026-11-24T10:00:02Z  -                     train   -
        ");
    }

    #[test]
    fn people_read_in_the_list_and_in_one_that_a_person_is_awaited() {
        let retraining = json!({
            "id": "flights-7", "model": "flights", "state": "registered", "rule": "PerformanceDecay", "version": "2",
            "event_time": "2013-06-17T00:00:00Z", "reason": "rule PerformanceDecay fired",
            "waits_for": "approval of the rollout",
            "document": { "asked_by": { "rule": "PerformanceDecay" }, "reason": "rule PerformanceDecay fired",
                          "candidate": { "version": "2", "sha256": "3b5e" }, "waits_for": "approval of the rollout" },
        });
        insta::assert_snapshot!(super::one_text(&retraining), @r"
        flights-7: registered
          model         flights
          asked for     2013-06-17T00:00:00Z by rule PerformanceDecay: rule PerformanceDecay fired
          candidate     version 2, sha256 3b5e
          waits for     approval of the rollout
        ");
        insta::assert_snapshot!(super::list_text(&json!({ "retrainings": [retraining] })), @r"
        ID         MODEL    STATE       VERSION  ASKED FOR             RULE              WAITS FOR                REASON
        flights-7  flights  registered  2        2013-06-17T00:00:00Z  PerformanceDecay  approval of the rollout  rule PerformanceDecay fired
        ");
    }
}
