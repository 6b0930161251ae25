//! `bellwether status`: what a running service says of itself.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;

use super::answer::{at, list, show, word};
use super::client::Client;
use crate::cli::Connection;
use crate::exit::Outcome;

pub async fn execute(connection: &Connection) -> Outcome {
    let status = Client::new(connection)?.get(&["status"], &[]).await?;
    show(&status, connection.format, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Value) -> String {
    let mut out = String::new();
    let is_ready = at(status, "/ready").as_bool().unwrap_or(false);
    let _ = writeln!(out, "ready: {}", if is_ready { "yes" } else { "no" });
    for reason in list(at(status, "/reasons")) {
        let _ = writeln!(out, "  {}", word(reason));
    }
    for model in list(at(status, "/models")) {
        model_text(&mut out, model);
    }
    let notifications = counts(at(status, "/outbox/notifications"), &["waiting", "delivered", "dead"]);
    let _ = writeln!(out, "notifications: {notifications}");
    out
}

fn model_text(out: &mut String, model: &Value) {
    let owner = at(model, "/owner").as_str().map_or(String::new(), |owner| format!(" ({owner})"));
    let _ = writeln!(out, "{}{owner}: {}", word(at(model, "/model")), word(at(model, "/health/words")));
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:14}{text}");
    };
    let window = at(model, "/latest_window");
    if !window.is_null() {
        let fault = at(window, "/fault").as_str().map_or(String::new(), |fault| format!(", quarantined: {fault}"));
        line("newest window", format!("{}, {} rows{fault}", word(at(window, "/start")), word(at(window, "/rows"))));
    }
    let matured = at(model, "/latest_matured");
    if let Some(log_loss) = at(matured, "/log_loss").as_f64() {
        let limit = at(matured, "/limit").as_f64().map_or(String::new(), |limit| format!(" (limit {limit:.3})"));
        let coverage = at(matured, "/coverage").as_f64().unwrap_or(0.0) * 100.0;
        let start = word(at(matured, "/start"));
        line("performance", format!("{start}, log_loss {log_loss:.3}{limit}, {coverage:.0} % of the rows labelled"));
    }
    let (windows, quarantined) = (word(at(model, "/windows")), word(at(model, "/quarantined_windows")));
    line("windows", format!("{windows} judged, {quarantined} quarantined"));
    line("alerts", counts(at(model, "/alerts"), &["firing", "pending", "resolved"]));
    let retraining = at(model, "/retraining");
    if !retraining.is_null() {
        let (state, time, reason) =
            (at(retraining, "/state"), at(retraining, "/event_time"), at(retraining, "/reason"));
        line("retraining", format!("{} {}: {}", word(state), word(time), word(reason)));
        let waits_for = at(retraining, "/waits_for");
        if !waits_for.is_null() {
            line("waits for", format!("{} ({})", word(waits_for), word(at(retraining, "/id"))));
        }
    }
    for (kind, watermark) in [("predictions", "/prediction_watermark"), ("labels", "/label_watermark")] {
        let shards = list(at(model, "/shards"));
        let sum = |outcome: &str| {
            shards.iter().filter_map(|shard| at(shard, &format!("/counts/{kind}/{outcome}")).as_u64()).sum::<u64>()
        };
        let until = shards.iter().filter_map(|shard| at(shard, watermark).as_str()).min().unwrap_or("the beginning");
        let outcomes = ["accepted", "duplicate", "late", "dead_letter", "other_model"];
        let outcomes = outcomes.map(|outcome| format!("{} {}", sum(outcome), outcome.replace('_', " ")));
        line(kind, format!("read to {until}: {}", outcomes.join(", ")));
    }
    if let Some(lag) = at(model, "/lag_records").as_u64() {
        line("lag", format!("{lag} records"));
    }
}

/// "1 firing, 0 pending", from an object of counts.
fn counts(value: &Value, names: &[&str]) -> String {
    let count = |name: &&str| format!("{} {name}", value.get(*name).and_then(Value::as_u64).unwrap_or(0));
    names.iter().map(count).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_in_a_status_that_they_are_awaited() {
        let status = json!({ "ready": true, "models": [{
            "model": "fraud", "health": { "words": "All is well." },
            "retraining": { "id": "fraud-7", "state": "registered", "event_time": "2026-03-02T11:00:00Z",
                            "reason": "rule PerformanceDecay fired", "waits_for": "approval of the rollout" },
        }] });
        let told = super::text(&status);
        let expected = "  retraining    registered 2026-03-02T11:00:00Z: rule PerformanceDecay fired\n  \
                        waits for     approval of the rollout (fraud-7)\n";
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn people_read_a_status_at_a_glance() {
        let shard = |accepted: u64, read: &str| {
            json!({
                "prediction_watermark": read, "label_watermark": null,
                "counts": { "predictions": { "accepted": accepted, "dead_letter": 1 }, "labels": {} },
            })
        };
        let status = json!({
            "ready": false,
            "reasons": ["waiting for the consumer group"],
            "models": [{
                "model": "fraud", "owner": "risk-team", "windows": 3, "quarantined_windows": 1, "lag_records": 7,
                "health": { "state": "quiet", "words": "Nothing is beyond its limit in the newest window." },
                "latest_window": { "start": "2026-03-02T10:00:00Z", "rows": 900, "fault": "unit_change" },
                "latest_matured": { "start": "2026-03-02T09:00:00Z", "log_loss": 0.51234, "limit": 0.6, "coverage": 0.98 },
                "alerts": { "firing": 1, "resolved": 2 },
                "retraining": { "state": "vetoed", "event_time": "2026-03-02T11:00:00Z", "reason": "a fault stands" },
                "shards": [shard(10, "2026-03-02T10:30:00Z"), shard(5, "2026-03-02T10:20:00Z")],
            }],
            "outbox": { "notifications": { "waiting": 1, "delivered": 2 } },
        });
        insta::assert_snapshot!(super::text(&status), @r"
        ready: no
          waiting for the consumer group
        fraud (risk-team): Nothing is beyond its limit in the newest window.
          newest window 2026-03-02T10:00:00Z, 900 rows, quarantined: unit_change
          performance   2026-03-02T09:00:00Z, log_loss 0.512 (limit 0.600), 98 % of the rows labelled
          windows       3 judged, 1 quarantined
          alerts        1 firing, 0 pending, 2 resolved
          retraining    vetoed 2026-03-02T11:00:00Z: a fault stands
          predictions   read to 2026-03-02T10:20:00Z: 15 accepted, 0 duplicate, 0 late, 2 dead letter, 0 other model
          labels        read to the beginning: 0 accepted, 0 duplicate, 0 late, 0 dead letter, 0 other model
          lag           7 records
        notifications: 1 waiting, 2 delivered, 0 dead
        ");
    }
}
