//! The program: exit codes, lines, signals.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::sample::{Workplace, of_type, read_scores};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether-trainer"));
    command.args(arguments);
    command
}

fn run(work: &Workplace, output: &str) -> Command {
    program(&["run", "--spec", work.spec_file().to_str().unwrap(), "--output", work.path(output).to_str().unwrap()])
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Long enough to be caught at it: hundreds of short epochs.
fn long() -> Workplace {
    Workplace::new(json!({"hidden": [16], "epochs": 40, "batch": 250, "folds": 2}))
}

/// Starts a run and waits until it has fitted so many epochs.
fn caught_at(work: &Workplace, output: &str, epochs: usize) -> Child {
    let mut child = run(work, output).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut seen = 0;
    while seen < epochs {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        seen += usize::from(line.get("epoch").is_some());
    }
    drop(lines);
    child
}

fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_says_how_far_it_is_and_ends_with_its_figures() {
    let work = Workplace::new(json!({"epochs": 1}));
    let output = run(&work, "out").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output);
    let phases: Vec<&str> = of_type(&lines, "progress").iter().map(|line| line["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["read", "fold", "fold", "fold", "fold", "fold", "fit", "score", "write"]);
    let metrics: Value = serde_json::from_slice(&work.files("out")["metrics.json"]).unwrap();
    assert_eq!(lines.last().unwrap(), &json!({"type": "done", "metrics": metrics}));
    // The scores of the stored model are those of the training.
    let scored = work.path("scored.parquet");
    let arguments = [work.path("out"), work.path("held_out.parquet"), scored.clone()];
    let [artifact, data, to] = arguments.each_ref().map(|path| path.to_str().unwrap());
    let status = program(&["score", "--artifact", artifact, "--data", data, "--output", to]).status().unwrap();
    assert!(status.success());
    assert_eq!(read_scores(&scored), work.scores("out", "held_out_scores.parquet"));
}

#[test]
fn errors_have_a_code_and_a_line() {
    let refused = |work: &Workplace| {
        let output = run(work, "out").output().unwrap();
        let lines = lines(&output);
        let message = lines.last().unwrap()["message"].as_str().unwrap().to_owned();
        assert_eq!(of_type(&lines, "error").len(), 1);
        assert!(String::from_utf8(output.stderr).unwrap().contains(&message));
        (output.status.code(), message)
    };
    let mut work = Workplace::new(json!({"epoch": 1}));
    let (code, message) = refused(&work);
    assert_eq!(code, Some(2));
    assert!(message.contains("did you mean `epochs`"), "{message}");
    work.spec["parameters"] = json!({});
    work.spec["data"]["train"]["sha256"] = json!("0".repeat(64));
    assert_eq!(refused(&work).0, Some(2));
    // Not the caller's fault: a file where the folder should be.
    fs::write(work.path("out/checkpoint/lock"), "").unwrap();
    fs::remove_dir_all(work.path("out")).unwrap();
    fs::write(work.path("out"), "").unwrap();
    assert_eq!(refused(&work).0, Some(3));
    assert_eq!(program(&["run"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn t1_sigterm_leaves_a_checkpoint_and_a_new_run_goes_on() {
    let work = long();
    let child = caught_at(&work, "out", 5);
    signal("TERM", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert!(!work.path("out/model.json").exists());
    finish_and_compare(&work);
}

#[test]
fn t1_a_killed_run_goes_on() {
    let work = long();
    let mut child = caught_at(&work, "out", 5);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    finish_and_compare(&work);
}

fn finish_and_compare(work: &Workplace) {
    let output = run(work, "out").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output);
    assert_eq!(of_type(&lines, "resumed").len(), 1);
    let first = lines.iter().find_map(|line| line.get("epoch")).unwrap();
    assert!(first.as_u64().unwrap() > 5, "{first}");
    assert_eq!(run(work, "whole").output().unwrap().status.code(), Some(0));
    assert_eq!(work.files("out"), work.files("whole"));
}

#[test]
fn a_second_trainer_leaves_the_folder_to_the_first() {
    let work = long();
    let mut child = caught_at(&work, "out", 1);
    // It must not be done before the second one has come up.
    signal("STOP", &child);
    let output = run(&work, "out").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(lines(&output)[0]["message"].as_str().unwrap().contains("another trainer works in"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn help_is_there() {
    let output = program(&["--help"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("Trains a model from pinned data"));
    assert!(Path::new(env!("CARGO_BIN_EXE_bellwether-trainer")).exists());
}
