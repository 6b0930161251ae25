//! Good contracts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::lower::{contract_from_text, read_contract};
use contract::model::{BaselineKind, ColumnKind, Privacy, RuleFile, Task, TimeUnit};

use crate::{file, text};

const DAY: Duration = Duration::from_hours(24);

/// What must be there, and nothing else.
const LEAST: &str = "
version: 1
model: m
task: none
sources: { predictions: { topic: t } }
fields: { predictions: { event_id: /id, time: /time } }
schema: { x: { type: int64 } }
windows: { size: 1h }
";

fn read(text: &str) -> contract::Contract {
    contract_from_text(text, Path::new("folder/m.yaml")).unwrap()
}

#[test]
fn the_example_is_read_as_it_stands() {
    let contract = read_contract(&file("fraud.yaml")).unwrap();
    assert_eq!((contract.model.as_str(), contract.task), ("fraud", Task::BinaryClassification));
    assert_eq!(contract.owner.as_deref(), Some("risk-team"));
    assert_eq!(contract.sources.predictions.filter, [("/model/name".to_owned(), "fraud".to_owned())]);
    assert_eq!(contract.label_horizon(), DAY * 14);
    let fields = &contract.fields.predictions;
    assert_eq!((fields.event_id.as_str(), fields.features.as_str()), ("/request_id", "/input"));
    assert_eq!((fields.time.pointer.as_str(), fields.time.unit), ("/ts", None));
    assert_eq!(fields.latency.as_ref().unwrap().unit, TimeUnit::Milliseconds);
    assert_eq!(contract.fields.labels.as_ref().unwrap().time.unit, Some(TimeUnit::Milliseconds));
    let names: Vec<_> = contract.schema.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["amount", "temp", "country", "hour", "iban"]);
    assert_eq!(contract.schema[0].range, Some((0.0, 1e6)));
    assert_eq!(
        (contract.schema[1].unit.as_deref(), contract.schema[1].source.as_deref()),
        (Some("fahrenheit"), Some("weather"))
    );
    assert_eq!((contract.schema[3].kind, contract.schema[3].judge), (ColumnKind::Int64, false));
    assert_eq!(contract.schema[4].privacy, Privacy::Hash);
    assert_eq!(contract.segments[0].column, "country");
    assert_eq!(contract.windows.size, Duration::from_mins(5));
    assert_eq!(contract.windows.maturity, Duration::from_hours(6));
    assert_eq!(contract.baseline.inputs.kind, BaselineKind::Trailing(DAY * 28));
    let history = contract.baseline.inputs.history.as_ref().unwrap();
    assert_eq!(contract.resolve(history), file("january.parquet"));
    assert_eq!(contract.retrain.as_ref().unwrap().policy.cool_down, DAY * 14);
    assert_eq!(fields.shadow.as_ref().unwrap().score, "/shadow/score");
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let contract = read(LEAST);
    assert_eq!(contract.owner, None);
    assert_eq!(contract.sources.labels, None);
    assert_eq!(contract.fields.predictions.features, "");
    assert!(contract.schema[0].judge);
    assert!(contract.segments.is_empty());
    assert_eq!((contract.windows.lateness, contract.windows.maturity), (Duration::ZERO, Duration::ZERO));
    assert_eq!(contract.baseline.performance.kind, BaselineKind::Training);
    assert_eq!((contract.budget.false_alarms, contract.budget.per), (1.0, DAY * 30));
    assert_eq!(contract.rules, [RuleFile { name: "packs/default.yaml".to_owned(), place: None }]);
    assert_eq!(contract.retrain, None);
    assert_eq!(contract.folder, PathBuf::from("folder"));
}

#[test]
fn performance_waits_for_the_last_label_unless_maturity_says_otherwise() {
    let labels = LEAST
        .replace("{ topic: t }", "{ topic: t }, labels: { topic: l, horizon: 2d }")
        .replace("/time }", "/time, score: /p }, labels: { event_id: /id, time: /time, label: /y }");
    assert_eq!(read(&labels).windows.maturity, DAY * 2);
    assert_eq!(read(&labels.replace("1h", "1h, maturity: 6h")).windows.maturity, DAY / 4);
}

#[test]
fn a_bare_baseline_means_all_three_parts() {
    let with = |baseline: &str| read(&format!("{LEAST}baseline: {baseline}\n")).baseline;
    let trailing = with("{ trailing: 7d, history: old.parquet }");
    assert_eq!(trailing.inputs.kind, BaselineKind::Trailing(DAY * 7));
    assert_eq!((&trailing.outputs, &trailing.performance), (&trailing.inputs, &trailing.inputs));
    assert_eq!(with("training").outputs.kind, BaselineKind::Training);
    assert_eq!(with("{ fixed: a.csv }").performance.kind, BaselineKind::Fixed("a.csv".into()));
    let seeded = with("{ outputs: { training: , history: january.csv } }");
    assert_eq!(seeded.inputs.history, None);
    assert_eq!((seeded.outputs.kind, seeded.outputs.history), (BaselineKind::Training, Some("january.csv".into())));
}

#[test]
fn rule_files_know_where_they_are_named_and_are_told_as_names() {
    let text = format!("{LEAST}rules: [ packs/default.yaml, own.yaml ]\n");
    let contract = read(&text);
    let place = contract.rules[1].place.as_ref().unwrap();
    assert_eq!((place.line, place.column, place.file.as_path()), (9, 30, Path::new("folder/m.yaml")));
    assert_eq!(place.source_line, "rules: [ packs/default.yaml, own.yaml ]");
    assert_eq!(
        serde_json::to_value(&contract).unwrap()["rules"],
        serde_json::json!(["packs/default.yaml", "own.yaml"])
    );
    let broken = text.replace("task: none", "tsk: none");
    assert_eq!(contract::lower::rule_files(&broken, Path::new("folder/m.yaml")), contract.rules);
}

#[test]
fn baseline_files_are_named_once_and_found_beside_the_contract() {
    let baseline =
        "{ inputs: { trailing: 7d, history: a.csv }, outputs: { fixed: /b }, performance: { fixed: a.csv } }";
    let contract = read(&format!("{LEAST}baseline: {baseline}\n"));
    assert_eq!(contract.baseline_files(), [PathBuf::from("folder/a.csv"), PathBuf::from("/b")]);
    assert!(read(LEAST).baseline_files().is_empty());
}

#[test]
fn yaml_means_the_same_in_every_style() {
    let flow = read(&text("fraud.yaml"));
    let json = r#"{"version": 1, "model": "m", "task": "none", "sources": {"predictions": {"topic": "t"}},
        "fields": {"predictions": {"event_id": "/id", "time": "/time", "features": ""}},
        "schema": {"x": {"type": "int64"}}, "windows": {"size": "1h"}}"#;
    assert_eq!(contract_from_text(json, Path::new("folder/m.yaml")).unwrap(), read(LEAST));
    let windows_lines = text("fraud.yaml").replace('\n', "\r\n");
    assert_eq!(read(&windows_lines), flow);
    assert_eq!(read(&format!("\u{feff}{}", text("fraud.yaml"))), flow);
    let aliases = LEAST.replace("{ x: { type: int64 } }", "{ x: &whole { type: int64 }, y: *whole }");
    assert_eq!(read(&aliases).schema[1].kind, ColumnKind::Int64);
}

#[test]
fn names_may_be_in_any_script() {
    let schema = "{ größe: { type: float64 }, 長さ: { type: int64 } }";
    let contract = read(&LEAST.replace("{ x: { type: int64 } }", schema));
    assert_eq!(contract.schema[1].name, "長さ");
}
