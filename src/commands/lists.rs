//! `bellwether findings | alerts | dead-letters | audit`: lists of a running service, with its filters.

use std::process::ExitCode;

use serde_json::Value;

use super::answer::{at, list, show, table};
use super::client::Client;
use crate::cli::{Alerts, Connection, Findings, Rows};
use crate::exit::Outcome;

pub async fn findings(arguments: &Findings) -> Outcome {
    let Findings { rows, min_severity, segment, from, to, subject, feature, detector, connection } = arguments;
    let filters = [
        ("min_severity", min_severity.as_deref()),
        ("segment", segment.as_deref()),
        ("from", from.as_deref()),
        ("to", to.as_deref()),
        ("subject", subject.as_deref()),
        ("feature", feature.as_deref()),
        ("detector", detector.as_deref()),
    ];
    fetch("findings", rows, &filters, connection, findings_text).await
}

fn findings_text(answer: &Value) -> String {
    let columns = [
        ("WINDOW", "/window_start"),
        ("MODEL", "/model"),
        ("VERSION", "/version"),
        ("SEGMENT", "/segment"),
        ("SEVERITY", "/severity"),
        ("SUBJECT", "/subject"),
        ("FEATURE", "/feature"),
        ("DETECTOR", "/detector"),
        ("EXPLANATION", "/explanation"),
    ];
    table(list(at(answer, "/findings")), &columns, "nothing was found")
}

pub async fn alerts(arguments: &Alerts) -> Outcome {
    let Alerts { rows, state, from, to, connection } = arguments;
    let filters = [("state", state.as_deref()), ("from", from.as_deref()), ("to", to.as_deref())];
    fetch("alerts", rows, &filters, connection, alerts_text).await
}

fn alerts_text(answer: &Value) -> String {
    let columns = [
        ("STATE", "/state"),
        ("MODEL", "/model"),
        ("RULE", "/rule"),
        ("SEGMENT", "/segment"),
        ("FEATURE", "/feature"),
        ("SEVERITY", "/severity"),
        ("STARTED", "/started"),
        ("FIRED", "/fired"),
        ("RESOLVED", "/resolved"),
    ];
    table(list(at(answer, "/alerts")), &columns, "there is no alert")
}

pub async fn dead_letters(rows: &Rows, connection: &Connection) -> Outcome {
    fetch("dead-letters", rows, &[], connection, dead_letters_text).await
}

fn dead_letters_text(answer: &Value) -> String {
    let counts = [("MODEL", "/model"), ("KIND", "/kind"), ("REASON", "/reason"), ("LETTERS", "/letters")];
    let newest = [
        ("SEEN", "/seen"),
        ("MODEL", "/model"),
        ("TOPIC", "/topic"),
        ("PARTITION", "/partition"),
        ("OFFSET", "/offset"),
        ("DETAIL", "/detail"),
    ];
    let letters = list(at(answer, "/dead_letters"));
    let counts = table(list(at(answer, "/counts")), &counts, "every event could be used");
    if letters.is_empty() { counts } else { format!("{counts}\n{}", table(letters, &newest, "")) }
}

pub async fn audit(rows: &Rows, connection: &Connection) -> Outcome {
    fetch("audit", rows, &[], connection, audit_text).await
}

fn audit_text(answer: &Value) -> String {
    let columns = [
        ("TIME", "/at"),
        ("WHO", "/who"),
        ("ROLE", "/role"),
        ("COMMAND", "/command"),
        ("MODEL", "/model"),
        ("SUBJECT", "/subject"),
        ("REASON", "/reason"),
        ("OUTCOME", "/outcome"),
    ];
    table(list(at(answer, "/entries")), &columns, "no command was ever given")
}

async fn fetch(
    name: &str,
    rows: &Rows,
    filters: &[(&str, Option<&str>)],
    connection: &Connection,
    text: fn(&Value) -> String,
) -> Outcome {
    let limit = rows.limit.map(|limit| limit.to_string());
    let query = [&[("model", rows.model.as_deref()), ("limit", limit.as_deref())], filters].concat();
    let answer = Client::new(connection)?.get(&[name], &query).await?;
    show(&answer, connection.format, text)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_the_audit_log() {
        let audit = json!({ "entries": [
            { "at": "2026-11-24T10:00:03Z", "who": "ann", "role": "operator", "command": "cancel", "model": "flights",
              "subject": "flights-1", "outcome": "refused: it is promoted", "reason": "wrong\u{1b}[2Jdata" },
            { "at": "2026-11-24T09:00:00Z", "who": "admin", "role": "admin", "command": "create_token", "model": "",
              "subject": "ann", "outcome": "accepted: role operator", "reason": "" },
        ] });
        insta::assert_snapshot!(super::audit_text(&audit), @r"
        TIME                  WHO    ROLE      COMMAND       MODEL    SUBJECT    REASON              OUTCOME
        2026-11-24T10:00:03Z  ann    operator  cancel        flights  flights-1  wrong\u{1b}[2Jdata  refused: it is promoted
        2026-11-24T09:00:00Z  admin  admin     create_token  -        ann        -                   accepted: role operator
        ");
    }

    #[test]
    fn people_read_alerts_findings_and_dead_letters() {
        let alerts = json!({ "alerts": [
            { "state": "firing", "model": "flights", "rule": "PerformanceDecay", "segment": "", "feature": "",
              "severity": "page", "started": "2013-06-12T00:00:00Z", "fired": "2013-06-15T00:00:00Z", "resolved": null },
        ] });
        insta::assert_snapshot!(super::alerts_text(&alerts), @r"
        STATE   MODEL    RULE              SEGMENT  FEATURE  SEVERITY  STARTED               FIRED                 RESOLVED
        firing  flights  PerformanceDecay  -        -        page      2013-06-12T00:00:00Z  2013-06-15T00:00:00Z  -
        ");
        let letters = json!({
            "counts": [{ "model": "flights", "kind": "label", "reason": "undecodable", "letters": 2 }],
            "dead_letters": [{ "seen": "2026-11-24T10:00:17Z", "model": "flights", "topic": "flights.labels",
                               "partition": 1, "offset": 17, "detail": "not JSON" }],
        });
        insta::assert_snapshot!(super::dead_letters_text(&letters), @r"
        MODEL    KIND   REASON       LETTERS
        flights  label  undecodable  2

        SEEN                  MODEL    TOPIC           PARTITION  OFFSET  DETAIL
        2026-11-24T10:00:17Z  flights  flights.labels  1          17      not JSON
        ");
        assert_eq!(super::findings_text(&json!({ "findings": [] })), "nothing was found\n");
        assert_eq!(super::dead_letters_text(&json!({})), "every event could be used\n");
    }
}
