//! `retrain`: what decay leads to.

use std::path::Path;
use std::time::Duration;

use contract::diagnostic::render;
use contract::lower::{MAX_STEPS, contract_from_text, read_contract};
use contract::model::{ApprovalStage, Dataset, Device, Retrain};
use serde_json::json;

use crate::{file, text};

const DAY: Duration = Duration::from_hours(24);

/// A contract with labels, scores and versions.
fn with(retrain: &str) -> String {
    let example = text("fraud.yaml");
    let (before, _) = example.split_once("retrain:").unwrap();
    format!("{before}retrain: {retrain}\n")
}

fn read(retrain: &str) -> Retrain {
    contract_from_text(&with(retrain), &file("m.yaml")).unwrap().retrain.unwrap()
}

/// What is wrong with a contract.
fn messages(text: &str) -> Vec<String> {
    let errors = contract_from_text(text, &file("m.yaml")).err().unwrap_or_default();
    errors.into_iter().map(|error| error.message).collect()
}

fn executor(rest: &str) -> String {
    with(&format!("{{ executor: {{ command: [ t ] }}, {rest} }}"))
}

#[test]
fn the_example_is_read_as_it_stands() {
    let retrain = read_contract(&file("fraud.yaml")).unwrap().retrain.unwrap();
    assert_eq!((retrain.policy.runs, retrain.policy.per, retrain.policy.minimum_labels), (4, DAY * 90, 1_000));
    assert_eq!(retrain.policy.approval, [ApprovalStage::Rollout]);
    assert_eq!(retrain.dataset, Dataset { span: DAY * 56, held_out: DAY * 7 });
    let executor = retrain.executor.unwrap();
    assert_eq!((executor.command, executor.timeout), (vec!["bellwether-trainer".to_owned()], Duration::from_hours(2)));
    assert_eq!((executor.attempts, executor.device, executor.seed), (3, Device::Cpu, 7));
    assert_eq!(serde_json::Value::Object(executor.parameters), json!({ "hidden": [32], "epochs": 8 }));
    assert_eq!((retrain.evaluate.margin, retrain.evaluate.segments), (0.001, vec!["country".to_owned()]));
    assert_eq!(retrain.rollout.steps, [10, 50, 100]);
    let target = retrain.target.unwrap();
    assert_eq!((target.url.as_str(), target.token), ("http://127.0.0.1:8080", None));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let least = read("{}");
    let policy = &least.policy;
    assert_eq!((policy.cool_down, policy.runs, policy.per), (DAY * 14, 4, DAY * 90));
    assert_eq!((policy.minimum_labels, policy.stop_after_failures), (1_000, 3));
    assert!(policy.approval.is_empty());
    assert_eq!(least.dataset, Dataset { span: DAY * 56, held_out: DAY * 7 });
    assert_eq!((least.evaluate.margin, least.evaluate.segments.len()), (0.0, 0));
    let rollout = &least.rollout;
    assert_eq!((rollout.steps.as_slice(), rollout.bake), (&[10, 50, 100][..], DAY * 7));
    assert_eq!((rollout.gross_harm, rollout.margin), (0.25, 0.05));
    assert_eq!((rollout.latency_ratio, rollout.error_excess), (2.0, 0.02));
    assert_eq!((&least.executor, &least.target), (&None, &None));
    assert_eq!(read("{ policy: {}, dataset: {}, evaluate: {}, rollout: {} }"), least);
    let executor = read("{ executor: { command: [ ./train.sh, --fast ] } }").executor.unwrap();
    assert_eq!((executor.attempts, executor.device, executor.seed), (3, Device::Auto, 0));
    assert_eq!((executor.timeout, executor.parameters.len()), (Duration::from_hours(2), 0));
    assert_eq!(executor.command, ["./train.sh", "--fast"]);
}

#[test]
fn parameters_are_passed_on_as_json() {
    let parameters = "{ a: 1, b: -2.5, c: true, d: ~, e: text, f: \"1\", g: [ 1, { h: [] } ], i: 18446744073709551615, \
                      j: 1e3 }";
    let executor = read(&format!("{{ executor: {{ command: [ t ], parameters: {parameters} }} }}")).executor.unwrap();
    let expected = json!({
        "a": 1, "b": -2.5, "c": true, "d": null, "e": "text", "f": "1", "g": [1, { "h": [] }], "i": u64::MAX, "j": 1e3
    });
    assert_eq!(serde_json::Value::Object(executor.parameters), expected);
    let deep = format!("{}1{}", "[".repeat(9), "]".repeat(9));
    let bounded =
        |parameters: &str| messages(&with(&format!("{{ executor: {{ command: [ t ], parameters: {parameters} }} }}")));
    assert_eq!(bounded(&format!("{{ a: {deep} }}")), ["`parameters` has lists and mappings more than 8 deep"]);
    let many = "1, ".repeat(1_000);
    assert_eq!(bounded(&format!("{{ a: [ {many} ] }}")), ["`parameters` has more than 1000 values"]);
    // Few anchors that stand for many values.
    let bomb =
        "{ a: &a [1,1,1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b] }";
    assert_eq!(bounded(bomb), ["`parameters` has more than 1000 values"]);
    assert_eq!(bounded("{ a: .nan }"), ["`parameters` must be made of finite numbers, as JSON is, not `.nan`"]);
    assert_eq!(bounded("[ 1 ]"), ["`parameters` must be a mapping, not a list"]);
}

#[test]
fn e1_a_cool_down_in_its_old_place_says_where_it_belongs() {
    let errors = contract_from_text(&with("{ cool_down: 14d }"), Path::new("m.yaml")).unwrap_err();
    insta::assert_snapshot!(render(&errors, false), @r"
    error: `cool_down` stands in `policy` now
      --> m.yaml:32:12
       |
    32 | retrain: { cool_down: 14d }
       |            ^^^^^^^^^
       = help: write `policy: { cool_down: 14d }`

    1 error
    ");
}

#[test]
fn e1_an_executor_needs_something_to_learn_from() {
    let good = with("{ executor: { command: [ t ] }, target: { url: 'http://a' } }");
    assert_eq!(messages(&good), [""; 0]);
    let other_task = good.replace("binary_classification", "regression");
    assert_eq!(messages(&other_task), ["`executor` is for the task `binary_classification`"]);
    let lines = |text: &str, without: &[&str]| -> String {
        let kept = text.lines().filter(|line| !without.iter().any(|word| line.trim_start().starts_with(word)));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    let nothing = lines(&good, &["labels:", "score:", "version: /model", "windows:"]) + "windows: { size: 5m }\n";
    let expected = [
        "`executor` has nothing to learn from: there are no labels",
        "`executor` needs scores: candidates are compared by them",
        "`target` needs versions: events must say who answered",
    ];
    assert_eq!(messages(&nothing), expected);
    let alone = messages(&with("{ target: { url: 'http://a' } }"));
    assert_eq!(alone, ["`target` needs `executor`: nobody would make candidates to serve"]);
}

#[test]
fn e1_held_out_data_are_windows_enough_and_not_longer_than_the_training_data() {
    let windows = |retrain: &str, size: &str| messages(&with(retrain).replace("size: 5m", &format!("size: {size}")));
    let default = "the held-out data (7d) are less than three windows of 3d";
    assert_eq!(windows("{ executor: { command: [ t ] } }", "3d"), [default]);
    assert_eq!(windows("{ dataset: { span: 60d } }", "3d"), [default]);
    // Whoever carries requests out elsewhere isn't asked.
    assert_eq!(windows("{}", "3d"), [""; 0]);
    assert_eq!(windows("{ dataset: { held_out: 9d } }", "3d"), [""; 0]);
    let longer = "the training data (`span`, 56d) are shorter than the held-out data (57d)";
    assert_eq!(windows("{ dataset: { held_out: 57d } }", "5m"), [longer]);
}

#[test]
fn steps_rise_to_all_of_the_traffic() {
    let steps = |steps: &str| messages(&executor(&format!("rollout: {{ steps: {steps} }}")));
    assert_eq!(steps("[ 100 ]"), [""; 0]);
    assert_eq!(steps("[ 1, 2, 99, 100 ]"), [""; 0]);
    assert_eq!(steps("[]"), ["the last step must be 100"]);
    assert_eq!(steps("[ 10, 50 ]"), ["the last step must be 100"]);
    assert_eq!(steps("[ 50, 50, 100 ]"), ["50 % comes after 50 %"]);
    assert_eq!(steps("[ 50, 10, 100 ]"), ["10 % comes after 50 %"]);
    assert_eq!(steps("[ 0, 100 ]"), ["`steps` must be from 1 to 100, not 0"]);
    assert_eq!(steps("[ 10, 101 ]"), ["`steps` must be from 1 to 100, not 101"]);
    assert_eq!(steps("[ 10.5, 100 ]"), ["`steps` must be a whole number, not `10.5`"]);
    let many: Vec<String> = (0..=MAX_STEPS).map(|step| (80 + step).to_string()).collect();
    assert_eq!(steps(&format!("[ {} ]", many.join(", "))), ["more than 20 steps"]);
}

#[test]
fn segments_of_the_gate_are_columns_that_can_be_segments() {
    let segments = |segments: &str| messages(&executor(&format!("evaluate: {{ segments: {segments} }}")));
    assert_eq!(segments("[ country, hour ]"), [""; 0]);
    assert_eq!(segments("[ contry ]"), ["segment `contry` is no column of the schema"]);
    assert_eq!(segments("[ amount ]"), ["`amount` is float64: nearly every value would be a segment"]);
    assert_eq!(segments("[ iban ]"), ["`iban` is private, so it can't be a segment"]);
}

#[test]
fn a_command_is_a_program_at_least() {
    let command = |command: &str| messages(&with(&format!("{{ executor: {{ command: {command} }} }}")));
    assert_eq!(command("[]"), ["`command` names no program"]);
    assert_eq!(command("trainer"), ["`command` must be a list, not `trainer`"]);
    assert_eq!(command("[ '' ]"), ["`command` is empty"]);
    assert_eq!(messages(&with("{ executor: {} }")), ["`retrain.executor` needs `command`"]);
}

#[test]
fn the_token_is_a_secret_and_the_address_a_plain_one() {
    let target = |target: &str| executor(&format!("target: {target}"));
    let retrain = contract_from_text(&target("{ url: https://a/b/, token: { file: secret.txt } }"), &file("m.yaml"));
    let contract = retrain.unwrap();
    let shown = format!("{contract:?} {}", serde_json::to_string(&contract).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    let read = contract.retrain.unwrap().target.unwrap();
    assert_eq!((read.url.as_str(), read.token.unwrap().reveal()), ("https://a/b", "hunter2"));
    for url in ["127.0.0.1:8080", "ftp://a", "http://", "http:///a", "http://:80", "'http://a b'"] {
        assert_eq!(messages(&target(&format!("{{ url: {url} }}"))), ["`url` is no web address"], "{url}");
    }
    for url in ["http://me:hunter2@a", "http://a?token=hunter2", "'http://a#b'"] {
        let expected = ["`url` has parts that the app's address can't have"];
        assert_eq!(messages(&target(&format!("{{ url: {url} }}"))), expected, "{url}");
    }
    assert_eq!(messages(&target("{ url: http://a, token: { env: BELLWETHER_UNSET } }")).len(), 1);
}

#[test]
fn e1_errors_show_no_token() {
    for target in [
        "{ url: a, token: hunter2 }",
        "{ url: http://me:hunter2@a }",
        "{ url: http://a, tokn: hunter2 }",
        "{ token: { hunter2 } }",
        "{ token: [ hunter2 ] }",
        "{ token: \"hunter2\", url: [ }",
        "\n    token:\n      hunter2 [",
    ] {
        let text = with(&format!("\n  target: {target}"));
        let errors = contract_from_text(&text, &file("m.yaml")).unwrap_err();
        let shown = render(&errors, false);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
