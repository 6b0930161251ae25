//! Every expression of a dashboard against the exported metrics.

use std::collections::BTreeSet;

use contract::metrics::{self, Kind, Metric};

use super::located::{Located, Value, place_in_string};
use super::{Report, list_of, promql, suggestion, text_of};

/// Labels that Prometheus adds to every series.
const ADDED_LABELS: [&str; 2] = ["job", "instance"];

pub(super) fn check(dashboard: &Located, report: &mut Report<'_>) {
    let variables = variables(dashboard);
    let mut found = Vec::new();
    dashboard.each_object(&mut |object| found.extend(text_of(object, "expr")));
    if let Some(templating) = dashboard.get("templating") {
        for variable in list_of(templating, "list") {
            if text_of(variable, "type").is_some_and(|(kind, _)| kind == "query") {
                // Old dashboards have the text itself, newer ones an object around it.
                let query = text_of(variable, "query").or_else(|| text_of(variable.get("query")?, "query"));
                found.extend(query);
            }
        }
    }
    for (text, place) in found {
        expression(text, place, &variables, report);
    }
}

/// Names of the dashboard's variables.
fn variables(dashboard: &Located) -> BTreeSet<&str> {
    let list = dashboard.get("templating").map(|templating| list_of(templating, "list")).unwrap_or_default();
    list.iter().filter_map(|variable| text_of(variable, "name")).map(|(name, _)| name).collect()
}

fn expression(text: &str, place: &Located, variables: &BTreeSet<&str>, report: &mut Report<'_>) {
    let read = promql::read(text);
    let at = |report: &Report<'_>, offset: usize| place_in_string(report.text, place.at, offset);
    for name in &read.metrics {
        if let Some((message, hint)) = wrong_metric(&name.name, text, name.at) {
            report.add(at(report, name.at), message, Some(hint));
        }
    }
    for label in &read.labels {
        let owners = read.metrics.get(label.metrics.clone()).unwrap_or_default();
        let known: Option<Vec<&Metric>> = owners.iter().map(|owner| metrics::find(&owner.name)).collect();
        // Labels of an unknown metric, or of somebody else's, can't be judged.
        let (Some(known), Some(first)) = (known, owners.first()) else { continue };
        let has_label = owners.iter().zip(&known).any(|(owner, metric)| has_label(metric, &owner.name, &label.name));
        if !has_label && !read.made_labels.contains(&label.name) {
            let labels: BTreeSet<&str> = known.iter().flat_map(|metric| metric.labels.iter().copied()).collect();
            let message = format!("`{}` has no label `{}`", first.name, label.name);
            report.add(at(report, label.at), message, Some(suggestion(&label.name, labels, "its labels")));
        }
    }
    let in_texts = read.variables.iter().map(|name| (name.name.clone(), name.at)).chain(variables_in_texts(text));
    for (name, offset) in in_texts {
        let is_known = name.starts_with("__") || name.chars().all(|letter| letter.is_ascii_digit());
        if !is_known && !variables.contains(name.as_str()) {
            let message = format!("there is no variable `{name}`");
            report.add(
                at(report, offset),
                message,
                Some(suggestion(&name, variables.iter().copied(), "its variables")),
            );
        }
    }
}

/// What is wrong with a metric's name, and a hint.
fn wrong_metric(name: &str, text: &str, at: usize) -> Option<(String, String)> {
    if text.get(at + name.len()..).is_some_and(|rest| rest.starts_with('$') || rest.starts_with("[[")) {
        let message = format!("the metric name `{name}…` is built from a variable");
        return Some((message, "write the whole name, so that it can be checked".to_owned()));
    }
    match metrics::find(name) {
        Some(metric) if metric.kind == Kind::Histogram && metric.name == name => {
            let message = format!("the histogram `{name}` has no series of its own name");
            Some((message, "ask for its `_bucket`, `_sum` or `_count`".to_owned()))
        }
        Some(_) => None,
        None => {
            let known = metrics::ALL.iter().map(|metric| metric.name);
            let hint = match super::nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "docs/metrics.md lists all of them".to_owned(),
            };
            Some((format!("there is no metric `{name}`"), hint))
        }
    }
}

fn has_label(metric: &Metric, series: &str, label: &str) -> bool {
    let is_bucket = metric.kind == Kind::Histogram && series.ends_with("_bucket");
    metric.labels.contains(&label) || ADDED_LABELS.contains(&label) || (label == "le" && is_bucket)
}

/// Variables inside of quotes, such as `{model="$model"}`; `$1` of a regular expression is none.
fn variables_in_texts(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), '$') => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let name: String = rest
                    .trim_start_matches('{')
                    .chars()
                    .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                    .collect();
                if !name.is_empty() {
                    found.push((name, at + 1));
                }
            }
            _ => {}
        }
    }
    found
}

/// The name of the variable that a text consists of: `$name` or `${name}`.
pub(super) fn only_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    Some(name.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')).unwrap_or(name))
}

/// Whether a value is text of more than spaces.
pub(super) fn is_worded(value: Option<&Located>) -> bool {
    matches!(value.map(|value| &value.value), Some(Value::Text(text)) if !text.trim().is_empty())
}
