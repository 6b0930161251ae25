//! Checks Grafana dashboards: a panel that asks for a metric or a label that nothing exports is an empty panel on the
//! day it is needed.
//!
//! Every expression of a dashboard (panels, rows, variables, annotations) is read by [`promql`] and compared with
//! [`contract::metrics`]; panels also need a title, a number of their own and a data source that the viewer can choose.
//! All errors come at once, each with the place in the JSON text (promise E1).

mod located;
mod promql;
mod queries;
mod structure;

use std::path::Path;

use contract::Diagnostic;
use located::{Located, Value, Value::Text};

/// Errors of one dashboard that are told; the rest is counted.
const DIAGNOSTICS_LIMIT: usize = 200;

/// Every error of a dashboard. `file` is only named, `text` is what it holds.
pub fn check(text: &str, file: &Path) -> Vec<Diagnostic> {
    let mut report = Report { text, file, diagnostics: Vec::new(), left_out: 0 };
    match located::parse(text) {
        Ok(dashboard) => {
            structure::check(&dashboard, &mut report);
            queries::check(&dashboard, &mut report);
        }
        Err(error) => {
            report.add(error.at, error.message, Some("a dashboard is one JSON object, as Grafana exports it".into()));
        }
    }
    report.finish()
}

/// Collects errors and turns byte positions into lines and columns.
struct Report<'a> {
    text: &'a str,
    file: &'a Path,
    diagnostics: Vec<Diagnostic>,
    left_out: usize,
}

impl Report<'_> {
    fn add(&mut self, at: usize, message: impl Into<String>, hint: Option<String>) {
        if self.diagnostics.len() >= DIAGNOSTICS_LIMIT {
            self.left_out += 1;
            return;
        }
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let source_line = self.text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let mut diagnostic = Diagnostic::new(self.file, line, column, message).with_source_line(source_line);
        diagnostic.hint = hint;
        self.diagnostics.push(diagnostic);
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        if self.left_out > 0 {
            let message = format!("{} more errors are not shown", self.left_out);
            self.diagnostics.push(Diagnostic::new(self.file, 1, 1, message).with_hint("mend those above first"));
        }
        self.diagnostics
    }
}

/// The known name that a wrong one was probably meant to be.
fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The nearest known name as a question, or all of them where none is near.
fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone, what: &str) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let names: Vec<&str> = known.into_iter().collect();
    if names.is_empty() { format!("there is no {what}") } else { format!("{what}: {}", names.join(", ")) }
}

/// The text at a key, if it is text.
fn text_of<'a>(object: &'a Located, key: &str) -> Option<(&'a str, &'a Located)> {
    let value = object.get(key)?;
    match &value.value {
        Text(text) => Some((text, value)),
        _ => None,
    }
}

/// The elements at a key, if it is a list; else none.
fn list_of<'a>(object: &'a Located, key: &str) -> &'a [Located] {
    match object.get(key).map(|value| &value.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(usize, usize, String, String)> {
        check(text, Path::new("x.json"))
            .into_iter()
            .map(|d| (d.line, d.column, d.message, d.hint.unwrap_or_default()))
            .collect()
    }

    fn dashboard(expression: &str) -> String {
        let expression = serde_json::to_string(expression).unwrap();
        format!(
            "{{\"title\": \"T\", \"templating\": {{\"list\": [{{\"name\": \"datasource\", \"type\": \"datasource\"}},\n\
             {{\"name\": \"model\", \"type\": \"query\", \"query\": \"label_values(bellwether_windows_closed_total, model)\"}}]}},\n\
             \"panels\": [{{\"id\": 1, \"title\": \"P\", \"type\": \"timeseries\", \"datasource\": {{\"uid\": \"${{datasource}}\"}},\n\
             \"targets\": [{{\"expr\": {expression}}}]}}]}}"
        )
    }

    #[test]
    fn e1_good_expressions_pass() {
        for expression in [
            "bellwether_windows_closed_total",
            "sum by (model) (rate(bellwether_ingest_events_total{kind=\"prediction\", outcome!~\"late|x\"}[$__rate_interval]))",
            "histogram_quantile(0.99, sum(rate(bellwether_prediction_latency_seconds_bucket{model=~\"$model\"}[5m])) by (le, model))",
            "up{job=\"x\"} == 0 and on (instance) bellwether_build_info # bellwether_nonsense",
            "label_replace(bellwether_alerts, \"severity\", \"$1\", \"rule\", \"(.*)\") and sum by (severity) (bellwether_alerts)",
            "{__name__=\"bellwether_alerts\", rule=\"a\"}",
            "node_load1{anything=\"x\"}",
        ] {
            assert_eq!(told(&dashboard(expression)), [], "{expression}");
        }
    }

    #[test]
    fn e1_each_wrong_name_is_told_with_its_place_and_a_hint() {
        for (expression, message, hint) in [
            (
                "bellwether_window_row",
                "there is no metric `bellwether_window_row`",
                "did you mean `bellwether_window_rows`?",
            ),
            ("sum(bellwether_alerts{ruel=\"x\"})", "`bellwether_alerts` has no label `ruel`", "did you mean `rule`?"),
            (
                "sum by (shard) (bellwether_alerts)",
                "`bellwether_alerts` has no label `shard`",
                "its labels: model, rule, state",
            ),
            (
                "bellwether_prediction_latency_seconds",
                "the histogram `bellwether_prediction_latency_seconds` has no series of its own name",
                "ask for its `_bucket`, `_sum` or `_count`",
            ),
            (
                "bellwether_prediction_latency_seconds_count{le=\"1\"}",
                "`bellwether_prediction_latency_seconds_count` has no label `le`",
                "its labels: model, version",
            ),
            ("bellwether_alerts{model=\"$modle\"}", "there is no variable `modle`", "did you mean `model`?"),
            (
                "{__name__=\"bellwether_alert\"}",
                "there is no metric `bellwether_alert`",
                "did you mean `bellwether_alerts`?",
            ),
        ] {
            let found = told(&dashboard(expression));
            assert_eq!(found.len(), 1, "{expression}: {found:?}");
            let (line, column, text, told_hint) = &found[0];
            assert_eq!((*line, text.as_str(), told_hint.as_str()), (4, message, hint), "{expression}");
            assert!(*column > 22, "{expression}: {column}");
        }
    }

    #[test]
    fn e1_a_place_is_that_of_the_name_even_behind_escapes() {
        let found = told(&dashboard("max(bellwether_alerts{rule=\"\u{e9}\\\"\"}) + bellwether_nothing"));
        let text = dashboard("max(bellwether_alerts{rule=\"\u{e9}\\\"\"}) + bellwether_nothing");
        let line = text.lines().nth(found[0].0 - 1).unwrap();
        let place: String = line.chars().skip(found[0].1 - 1).take(18).collect();
        assert_eq!(place, "bellwether_nothing");
    }

    #[test]
    fn e1_structure_is_checked_and_all_errors_come_at_once() {
        let text = r#"{"panels": [
{"id": 1, "type": "row", "title": "R", "panels": [{"id": 2, "title": " ", "type": "stat", "datasource": {"uid": "abc"},
  "targets": [{"expr": "bellwether_a"}]}]},
{"id": 2, "title": "Q", "type": "stat", "targets": [{"expr": "bellwether_b", "datasource": {"uid": "$dataource"}}]},
{"title": "no number", "type": "text"}],
"annotations": {"list": [{"expr": "bellwether_c"}]}, "templating": {"list": [{"type": "datasource", "name": "datasource"},
{"type": "query", "name": "m", "query": {"query": "label_values(bellwether_d, m)"}}]}}"#;
        let found: Vec<String> = told(text).into_iter().map(|(_, _, message, _)| message).collect();
        let expected = [
            "the dashboard has no title",
            "the panel has no title",
            "the panel's data source is fixed",
            "there is no metric `bellwether_a`",
            "two panels have the id 2",
            "there is no metric `bellwether_b`",
            "there is no variable `dataource` of type datasource",
            "the panel has no id",
            "there is no metric `bellwether_c`",
            "there is no metric `bellwether_d`",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn e1_text_that_is_no_dashboard_is_told_where() {
        assert_eq!(told("{\n  \"a\": tru }")[0].0, 2);
        assert_eq!(told("[]")[0].2, "a dashboard is a JSON object");
        assert!(!told("").is_empty());
        let deep = "[".repeat(100_000);
        assert_eq!(told(&deep).len(), 1);
    }

    #[test]
    fn e3_errors_have_a_limit() {
        let bad = vec!["bellwether_x"; DIAGNOSTICS_LIMIT + 5].join(" + ");
        let found = told(&dashboard(&bad));
        assert_eq!(found.len(), DIAGNOSTICS_LIMIT + 1);
        assert_eq!(found.last().unwrap().2, "5 more errors are not shown");
    }
}
