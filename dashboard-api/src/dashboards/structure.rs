//! What a dashboard needs besides good queries: titles, numbers of their own for panels, a data source to choose.

use std::collections::BTreeSet;

use super::located::{Located, Value};
use super::queries::{is_worded, only_variable};
use super::{Report, list_of, suggestion, text_of};

/// Data sources that are Grafana's own.
const BUILT_IN: [&str; 4] = ["grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --"];

pub(super) fn check(dashboard: &Located, report: &mut Report<'_>) {
    if !matches!(dashboard.value, Value::Object(_)) {
        report.add(dashboard.at, "a dashboard is a JSON object", Some("export it from Grafana as JSON".to_owned()));
        return;
    }
    if !is_worded(dashboard.get("title")) {
        report.add(dashboard.at, "the dashboard has no title", Some("add `\"title\": \"…\"`".to_owned()));
    }
    let sources = source_variables(dashboard);
    let mut panels = Vec::new();
    collect(dashboard, &mut panels);
    let mut ids = BTreeSet::new();
    for panel in panels {
        if !is_worded(panel.get("title")) {
            let at = panel.get("title").map_or(panel.at, |title| title.at);
            report.add(at, "the panel has no title", Some("say in a few words what it shows".to_owned()));
        }
        match panel.get("id").map(|id| (id.at, &id.value)) {
            Some((at, Value::Literal(id))) if !ids.insert(id.as_str()) => {
                report.add(at, format!("two panels have the id {id}"), Some("give each panel its own".to_owned()));
            }
            Some((_, Value::Literal(_))) => {}
            Some((at, _)) => {
                report.add(at, "the panel's id is not a number", Some("give each panel its own".to_owned()));
            }
            None => report.add(panel.at, "the panel has no id", Some("give each panel a number of its own".to_owned())),
        }
        source(panel, &sources, report);
    }
}

/// Panels, rows and the panels in rows, in the order of the file.
fn collect<'a>(parent: &'a Located, panels: &mut Vec<&'a Located>) {
    for panel in list_of(parent, "panels") {
        panels.push(panel);
        collect(panel, panels);
    }
}

/// Names of the variables that choose a data source, those of an exported dashboard's `__inputs` included.
fn source_variables(dashboard: &Located) -> BTreeSet<&str> {
    let chosen = dashboard.get("templating").map(|templating| list_of(templating, "list")).unwrap_or_default();
    let inputs = list_of(dashboard, "__inputs");
    chosen
        .iter()
        .chain(inputs)
        .filter(|variable| text_of(variable, "type").is_some_and(|(kind, _)| kind == "datasource"))
        .filter_map(|variable| text_of(variable, "name").map(|(name, _)| name))
        .collect()
}

/// A panel that asks something must ask a data source that is a variable: names of sources differ from site to site.
fn source(panel: &Located, variables: &BTreeSet<&str>, report: &mut Report<'_>) {
    let targets = list_of(panel, "targets");
    if targets.is_empty() {
        return;
    }
    let mut named = Vec::new();
    named.extend(panel.get("datasource"));
    named.extend(targets.iter().filter_map(|target| target.get("datasource")));
    if named.is_empty() {
        let hint = "add `\"datasource\": {\"type\": \"prometheus\", \"uid\": \"${datasource}\"}`";
        report.add(panel.at, "the panel has no data source", Some(hint.to_owned()));
    }
    for place in named {
        let uid = match &place.value {
            Value::Text(text) => Some((text.as_str(), place)),
            _ => text_of(place, "uid"),
        };
        let Some((uid, place)) = uid else { continue };
        match only_variable(uid) {
            Some(name) if variables.contains(name) => {}
            Some(name) => {
                let message = format!("there is no variable `{name}` of type datasource");
                let hint = suggestion(name, variables.iter().copied(), "such variable");
                report.add(place.at, message, Some(hint));
            }
            None if BUILT_IN.contains(&uid) => {}
            None => {
                let hint = "use a variable of type datasource, such as `${datasource}`";
                report.add(place.at, "the panel's data source is fixed", Some(hint.to_owned()));
            }
        }
    }
}
