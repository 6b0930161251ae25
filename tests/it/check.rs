//! `bellwether check`: all errors of all files at once (promise E1).

use std::path::Path;

use crate::program::bellwether;
use crate::stream::CONTRACT;

/// A configuration that is good beside `shop.yaml`.
pub const CONFIGURATION: &str = r#"listen: 127.0.0.1:0
database: bellwether.db
state: state
kafka: { brokers: "127.0.0.1:9092", dead_letters: shop.dead-letters }
contracts: [ shop.yaml ]
channels:
  on-call:
    webhook: { url: "https://hooks.example.org/bellwether", secret: { env: BELLWETHER_TEST_WEBHOOK } }
routes:
  - { severities: [ page ], channels: [ on-call ] }
"#;

const RULES: &str = r#"groups:
  - name: shop
    rules:
      - alert: ShopDrifts
        when: drift(any) >= warning
        for: 2 windows
        severity: ticket
        annotations: { summary: "{{model}} drifts" }
"#;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// The webhook's secret has to exist for the configuration to be good.
fn check(folder: &Path, paths: &[&str]) -> crate::program::Answer {
    let mut command = crate::program::command(folder);
    command.arg("check").args(paths).env("BELLWETHER_TEST_WEBHOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    command.output().unwrap().into()
}

#[test]
fn good_files_are_good() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", &CONTRACT.replace("packs/default.yaml", "packs/default.yaml, own.yaml"));
    write(folder.path(), "bellwether.yaml", CONFIGURATION);
    write(folder.path(), "own.yaml", RULES);
    write(folder.path(), "notes.json", "{\"this\": \"isn't ours\"}");
    let answer = check(folder.path(), &["."]).exits(0);
    assert_eq!(answer.stdout, "3 files are good\n");
    assert_eq!(answer.stderr, "");
}

/// Every mistake of two files, each with its place and what to do about it.
#[test]
fn e1_all_errors_of_all_files_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let contract = CONTRACT
        .replace("model: shop\n", "model: \"my shop\"\n")
        .replace("binary_classification", "binary_clasification")
        .replace("owner:", "ownr:")
        .replace("horizon: 2d", "horizon: 2 days")
        .replace("event_id: /id, time: /at", "event_id: id, time: /at")
        .replace("unit: ms", "unit: milliseconds")
        .replace("range: [0, 10000]", "range: [10000, 0]")
        .replace("visits: { type: int64 }", "visits: { typ: int64 }")
        .replace("segments: [ country ]", "segments: [ land ]")
        .replace("size: 1h", "size: 0h")
        .replace("false_alarms: 1", "false_alarms: -1")
        .replace("packs/default.yaml", "packs/defualt.yaml, absent.yaml");
    write(folder.path(), "shop.yaml", &contract);
    let rules = RULES
        .replace("drift(any) >= warning", "drift(any) >= wraning")
        .replace("severity: ticket", "severity: tickets");
    write(folder.path(), "own.yaml", &rules);
    let answer = check(folder.path(), &["shop.yaml", "own.yaml"]).exits(1);
    insta::assert_snapshot!(answer.stdout);
    assert_eq!(answer.stderr, "");
}

#[test]
fn e1_rules_are_held_against_their_contract_at_their_own_places() {
    let folder = tempfile::tempdir().unwrap();
    let contract = CONTRACT.replace("packs/default.yaml", "packs/default.yaml, own.yaml, absent.yaml");
    write(folder.path(), "shop.yaml", &contract);
    let answer = check(folder.path(), &["shop.yaml"]).exits(1);
    assert!(
        answer.stdout.contains("shop.yaml:20:30") && answer.stdout.contains("shop.yaml:20:40"),
        "{}",
        answer.stdout
    );
    let rules = RULES
        .replace("drift(any) >= warning", "fault(any) or drift(land)")
        .replace("severity: ticket", "severity: ticket\n        actions: [ retrain ]");
    write(folder.path(), "shop.yaml", &contract.replace(", absent.yaml", ""));
    write(folder.path(), "own.yaml", &rules);
    insta::assert_snapshot!(check(folder.path(), &["shop.yaml"]).exits(1).stdout, @r"
    error: rule ShopDrifts: model shop has no column `land`
     --> ./own.yaml:5:35
      |
    5 |         when: fault(any) or drift(land)
      |                                   ^^^^
      = help: name a judged column of the contract's `schema`

    error: rule ShopDrifts: the contract of shop has no `retrain`
     --> ./own.yaml:8:20
      |
    8 |         actions: [ retrain ]
      |                    ^^^^^^^
      = help: add `retrain: { policy: { cool_down: 14d } }` to the contract, or take this action out

    2 errors
    ");
    write(folder.path(), "own.yaml", &rules.replace("fault(any) or drift(land)", "fault(one_source)"));
    let answer = check(folder.path(), &["own.yaml"]).exits(1);
    assert!(answer.stdout.contains("not supported yet"), "{}", answer.stdout);
}

/// Data may be made after the contract; `replay` and `run` need it.
#[test]
fn a_baseline_file_that_is_missing_is_a_note_of_check_and_an_error_of_replay() {
    let folder = tempfile::tempdir().unwrap();
    let contract = CONTRACT.replace("outputs: training", "outputs: { fixed: later.csv }");
    write(folder.path(), "shop.yaml", &contract.replace("{ trailing: 2d }", "{ trailing: 2d, history: later.csv }"));
    write(folder.path(), "bellwether.yaml", CONFIGURATION);
    let answer = check(folder.path(), &["."]).exits(0);
    insta::assert_snapshot!(answer.stdout, @r"
    note: ./later.csv, a baseline of shop, does not exist yet; `run` and `replay` will need it
    2 files are good
    ");
    assert_eq!(answer.stderr, "");
    write(folder.path(), "events.jsonl", "");
    let answer =
        bellwether(folder.path(), &["replay", "--contract", "shop.yaml", "--predictions", "events.jsonl"]).exits(2);
    assert!(answer.stderr.contains("later.csv"), "{}", answer.stderr);
    write(folder.path(), "later.csv", "time\n");
    assert_eq!(check(folder.path(), &["."]).exits(0).stdout, "2 files are good\n");
}

/// A retraining that finds no program fails, maybe in weeks. Paths are relative to the contract, bare names are looked for beside
/// Bellwether's own program and in PATH.
#[test]
fn a_trainer_that_is_missing_or_no_program_is_a_note() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let told = |program: &str| {
        let retrain = format!("retrain: {{ executor: {{ command: [ {program}, --fast ] }} }}\n");
        write(folder.path(), "shop.yaml", &format!("{CONTRACT}{retrain}"));
        let mut command = crate::program::command(folder.path());
        let path = format!("{}:/usr/bin:/bin", folder.path().join("programs").display());
        let answer: crate::program::Answer =
            command.args(["check", "shop.yaml"]).env("PATH", path).output().unwrap().into();
        answer.exits(0).stdout
    };
    let good = "1 file is good\n";
    assert_eq!(
        told("no-such-trainer"),
        format!(
            "note: the trainer of shop: `no-such-trainer` is neither beside this program nor in PATH; a retraining will need it\n{good}"
        )
    );
    let absent = format!("note: the trainer of shop: ./train.sh does not exist yet; a retraining will need it\n{good}");
    assert_eq!(told("./train.sh"), absent);
    std::fs::create_dir(folder.path().join("programs")).unwrap();
    for (name, program) in [("train.sh", "./train.sh"), ("programs/own-trainer", "own-trainer")] {
        write(folder.path(), name, "#!/bin/sh\n");
        assert!(told(program).starts_with("note: the trainer of shop: "), "{program}");
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(told(program), good);
    }
    assert_eq!(told("sh"), good);
}

#[test]
fn e1_a_file_that_is_no_yaml_says_where_it_breaks() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", "version: 1\nmodel: shop\nsources: { predictions: { topic: a }\nfields: 3\n");
    let answer = check(folder.path(), &["shop.yaml"]).exits(1);
    insta::assert_snapshot!(answer.stdout);
}

#[test]
fn e1_the_errors_of_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", CONTRACT);
    let configuration = CONFIGURATION
        .replace("listen: 127.0.0.1:0", "listen: localhost")
        .replace("dead_letters:", "dead_leters:")
        .replace("contracts: [ shop.yaml ]", "contracts: [ shop.yaml, absent.yaml ]")
        .replace("https://hooks", "ftp://hooks")
        .replace("channels: [ on-call ]", "channels: [ on_call ]")
        .replace("[ page ]", "[ pages ]");
    write(folder.path(), "bellwether.yaml", &configuration);
    let answer = check(folder.path(), &["bellwether.yaml"]).exits(1);
    insta::assert_snapshot!(answer.stdout);
}

#[test]
fn a_file_that_is_named_must_be_one_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "notes.yaml", "shopping: [ milk ]\n");
    let answer = check(folder.path(), &["notes.yaml"]).exits(1);
    assert!(answer.stdout.contains("notes.yaml:1:1"), "{}", answer.stdout);
    let answer = check(folder.path(), &["."]).exits(2);
    assert!(answer.stderr.contains("nothing to check"), "{}", answer.stderr);
    for (name, text) in [("empty.yaml", ""), ("list.yaml", "- 1\n"), ("binary.yaml", "\u{1}\u{0}")] {
        write(folder.path(), name, text);
        check(folder.path(), &[name]).exits(1);
    }
}

/// A configuration is only as good as the contracts and rules below it.
#[test]
fn e1_a_configuration_tells_the_errors_of_its_contracts_and_of_their_rules() {
    let folder = tempfile::tempdir().unwrap();
    let contract = CONTRACT.replace("owner:", "ownr:").replace("packs/default.yaml", "own.yaml");
    write(folder.path(), "shop.yaml", &contract);
    write(folder.path(), "own.yaml", &RULES.replace("drift(any)", "drfit(any)"));
    write(folder.path(), "bellwether.yaml", CONFIGURATION);
    let answer = check(folder.path(), &["bellwether.yaml"]).exits(1);
    assert!(answer.stdout.contains("shop.yaml:4:1") && answer.stdout.contains("own.yaml:5:15"), "{}", answer.stdout);
    assert!(answer.stdout.ends_with("\n2 errors\n"), "{}", answer.stdout);
}

/// A contract that is named, and found through the configuration too, has its errors told once.
#[test]
fn e1_an_error_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", &CONTRACT.replace("owner:", "ownr:"));
    write(folder.path(), "bellwether.yaml", CONFIGURATION);
    let answer = check(folder.path(), &["shop.yaml", "bellwether.yaml", "."]).exits(1);
    assert!(answer.stdout.ends_with("\n1 error\n"), "{}", answer.stdout);
}

#[test]
fn e1_a_file_that_is_no_text_does_not_hide_the_errors_of_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("binary.yaml"), b"model: \xff\xfe\n").unwrap();
    write(folder.path(), "shop.yaml", &CONTRACT.replace("owner:", "ownr:"));
    let answer = check(folder.path(), &["."]).exits(1);
    assert!(answer.stdout.contains("binary.yaml") && answer.stdout.contains("shop.yaml:4:1"), "{}", answer.stdout);
}

#[test]
fn a_path_that_is_not_there_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let answer = check(folder.path(), &["absent.yaml"]).exits(2);
    assert!(answer.stderr.contains("absent.yaml"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
}

/// The files that ship with the repository.
#[test]
fn the_shipped_rules_contracts_and_dashboards_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    bellwether(root, &["check", "rules/packs", "grafana/dashboards", "fixtures/flights"]).exits(0);
}
