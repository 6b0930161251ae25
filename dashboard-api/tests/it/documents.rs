//! docs/api.md and docs/metrics.md say what the code does. With `BELLWETHER_UPDATE_DOCS=1` they are written anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use contract::metrics::{self, Kind};
use dashboard_api::Role;
use serde_json::Value;

use crate::server::Server;

fn document(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// Compares, or writes where that was asked for.
fn settle(path: &Path, text: &str, expected: &str) {
    if std::env::var_os("BELLWETHER_UPDATE_DOCS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else if text != expected {
        let wrong = text.lines().zip(expected.lines()).find(|(is, should)| is != should);
        panic!("{} is out of date, at {wrong:?}; run the tests with BELLWETHER_UPDATE_DOCS=1", path.display());
    }
}

/// The text with what stands between two lines replaced.
fn between(text: &str, begin: &str, end: &str, middle: &str) -> String {
    let (head, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no `{begin}`"));
    let (_, tail) = rest.split_once(end).unwrap_or_else(|| panic!("no `{end}`"));
    format!("{head}{begin}\n{middle}{end}{tail}")
}

/// Keys in order, whether or not another crate of the build has turned on serde_json's `preserve_order`.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[test]
fn e4_the_table_of_metrics_is_that_of_the_code() {
    let (path, text) = document("metrics.md");
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in metrics::ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help).unwrap();
    }
    let expected = between(&text, "<!-- metrics -->", "<!-- end of metrics -->", &table);
    settle(&path, &text, &expected);
}

#[tokio::test]
async fn the_examples_of_the_interface_are_what_it_answers() {
    let (path, text) = document("api.md");
    let server = Server::small().await;
    let admin = server.token("admin", Role::Admin).await;
    let mut expected = text.clone();
    let examples: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("<!-- answer to ")?.strip_suffix(" -->")).collect();
    assert!(examples.len() >= 9, "{examples:?}");
    for example in examples {
        let answer = server.ask("GET", example, Some(&admin)).await;
        let body = serde_json::to_string_pretty(&sorted(answer.json())).unwrap();
        let begin = format!("<!-- answer to {example} -->");
        // The version is the release's, not the interface's.
        let body = body.replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        expected = between(&expected, &begin, "<!-- end of answer -->", &format!("```json\n{body}\n```\n"));
    }
    settle(&path, &text, &expected);
}

#[test]
fn every_route_is_described() {
    let (_, text) = document("api.md");
    let source = include_str!("../../src/server.rs");
    let routes: Vec<(&str, &str)> = source
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once("\", "))
        .filter_map(|(path, rest)| Some((path, rest.split_once('(')?.0)))
        .collect();
    assert!(routes.len() >= 25, "{routes:?}");
    for (path, method) in routes {
        let called = format!("`{} {path}`", method.to_uppercase());
        assert!(text.contains(&called), "docs/api.md doesn't describe {called}");
    }
}
