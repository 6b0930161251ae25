//! Usage, exit codes, completions, the manual page, `status` without a service.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use crate::check::CONFIGURATION;
use crate::program::{bellwether, command};
use crate::stream::{CONTRACT, Log};

const COMMANDS: [&str; 22] = [
    "demo",
    "run",
    "check",
    "report",
    "replay",
    "status",
    "models",
    "findings",
    "alerts",
    "dead-letters",
    "retrainings",
    "retrain",
    "approve",
    "override",
    "cancel",
    "promote",
    "rollback",
    "register",
    "audit",
    "tokens",
    "completions",
    "help",
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), CONTRACT).unwrap();
    std::fs::write(folder.path().join("broken.yaml"), CONTRACT.replace("task:", "tsk:")).unwrap();
    Log::clean(1, 3, 20).write(folder.path());
    folder
}

#[test]
fn the_help_names_every_command() {
    let folder = folder();
    let answer = bellwether(folder.path(), &["--help"]).exits(0);
    insta::assert_snapshot!(answer.stdout);
    for command in COMMANDS.into_iter().filter(|command| *command != "help") {
        bellwether(folder.path(), &[command, "--help"]).exits(0);
    }
    let version = bellwether(folder.path(), &["--version"]).exits(0).stdout;
    assert_eq!(version, format!("bellwether {}\n", env!("CARGO_PKG_VERSION")));
}

/// `bellwether_build_info` names it. Where there is no repository, or no git, there is none.
#[test]
fn a_build_of_a_repository_knows_its_revision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let answer = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output();
    if root.join(".git").exists() && answer.is_ok_and(|answer| answer.status.success()) {
        assert!(option_env!("BELLWETHER_REVISION").is_some_and(|revision| !revision.is_empty()));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = folder();
    let cases: [&[&str]; 7] = [
        &[],
        &["rport"],
        &["report", "one.csv"],
        &["replay", "--contract", "shop.yaml"],
        &["replay", "--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--batch-rows", "0"],
        &["check"],
        &["report", "a", "b", "--fail-on", "mild"],
    ];
    for arguments in cases {
        let answer = bellwether(folder.path(), arguments).exits(2);
        assert_eq!(answer.stdout, "", "{arguments:?}");
        assert!(
            answer.stderr.contains("--help") || answer.stderr.contains("Usage"),
            "{arguments:?}: {}",
            answer.stderr
        );
    }
}

#[test]
fn a_server_that_is_no_url_is_wrong_usage() {
    let folder = folder();
    for server in ["127.0.0.1:9464", "localhost:9464", "ftp://localhost", "http://", ""] {
        let answer = bellwether(folder.path(), &["status", "--server", server]).exits(2);
        assert!(answer.stderr.contains("write http://HOST:PORT"), "{server}: {}", answer.stderr);
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn files_that_are_no_event_files_are_told_what_event_files_are_called() {
    let folder = folder();
    for (name, text) in [("events.txt", "{}\n"), ("broken.parquet", "no Parquet")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let stderr = |name: &str| {
        bellwether(folder.path(), &["replay", "--contract", "shop.yaml", "--predictions", name]).exits(2).stderr
    };
    insta::assert_snapshot!(
        stderr("events.txt"),
        @"bellwether: events.txt could not be read: the name of an event file ends in .jsonl, .ndjson, .json or .parquet"
    );
    let broken = stderr("broken.parquet");
    assert!(broken.contains("broken.parquet") && !broken.contains("CSV"), "{broken}");
}

#[test]
fn the_heading_of_errors_says_whose_they_are() {
    let folder = folder();
    let replay = |contract: &str| {
        bellwether(folder.path(), &["replay", "--contract", contract, "--predictions", "predictions.jsonl"])
            .exits(2)
            .stderr
    };
    insta::assert_snapshot!(replay("broken.yaml"), @r"
    bellwether: broken.yaml has errors
    error: unknown key `tsk` in a contract
     --> broken.yaml:3:1
      |
    3 | tsk: binary_classification
      | ^^^
      = help: did you mean `task`?

    1 error
    ");
    std::fs::write(folder.path().join("two.yaml"), CONTRACT.replace("packs/default.yaml", "one.yaml, other.yaml"))
        .unwrap();
    for name in ["one.yaml", "other.yaml"] {
        std::fs::write(folder.path().join(name), "groups: 3\n").unwrap();
    }
    let told = replay("two.yaml");
    assert!(told.starts_with("bellwether: 2 files have errors\nerror: "), "{told}");
    assert!(told.ends_with("\n2 errors\n") && !told.contains("\n\n\n"), "{told}");
}

#[test]
fn bad_input_of_replay_exits_with_2_and_says_which_file() {
    let folder = folder();
    let cases: [(&[&str], &str); 4] = [
        (&["--contract", "absent.yaml", "--predictions", "predictions.jsonl"], "absent.yaml"),
        (&["--contract", "broken.yaml", "--predictions", "predictions.jsonl"], "broken.yaml:3:1"),
        (&["--contract", "shop.yaml", "--predictions", "absent.jsonl"], "absent.jsonl"),
        (
            &["--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--labels", "absent.jsonl"],
            "absent.jsonl",
        ),
    ];
    for (arguments, name) in cases {
        let answer = bellwether(folder.path(), &[&["replay"], arguments].concat()).exits(2);
        assert!(answer.stderr.contains(name), "{}", answer.stderr);
        assert_eq!(answer.stdout, "");
    }
    std::fs::write(folder.path().join("broken.parquet"), "no Parquet").unwrap();
    let answer =
        bellwether(folder.path(), &["replay", "--contract", "shop.yaml", "--predictions", "broken.parquet"]).exits(2);
    assert!(answer.stderr.contains("broken.parquet"), "{}", answer.stderr);
}

#[test]
fn labels_without_a_label_source_are_wrong_usage() {
    let folder = folder();
    let lines: Vec<&str> = CONTRACT.lines().filter(|line| !line.starts_with("  labels:")).collect();
    let contract = lines.join("\n");
    let contract = contract.replace(", maturity: 3h", "");
    std::fs::write(folder.path().join("unlabelled.yaml"), contract).unwrap();
    let arguments = ["replay", "--contract", "unlabelled.yaml", "--predictions", "predictions.jsonl"];
    bellwether(folder.path(), &arguments).exits(0);
    let answer = bellwether(folder.path(), &[&arguments[..], &["--labels", "labels.jsonl"]].concat()).exits(2);
    assert!(answer.stderr.contains("sources.labels"), "{}", answer.stderr);
}

fn run(folder: &Path, configuration: &str) -> crate::program::Answer {
    std::fs::write(folder.join("bellwether.yaml"), configuration).unwrap();
    let mut command = command(folder);
    command.args(["run", "--config", "bellwether.yaml"]);
    command.env("BELLWETHER_TEST_WEBHOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").output().unwrap().into()
}

#[test]
fn a_bad_configuration_stops_run_with_2_and_all_its_errors() {
    let folder = folder();
    let answer =
        run(folder.path(), &CONFIGURATION.replace("kafka:", "kafak:").replace("state: state", "stat: state")).exits(2);
    for expected in ["bellwether.yaml:3:1", "bellwether.yaml:4:1"] {
        assert!(answer.stderr.contains(expected), "{expected} is not in {}", answer.stderr);
    }
    let answer = run(folder.path(), &CONFIGURATION.replace("shop.yaml", "broken.yaml")).exits(2);
    assert!(answer.stderr.contains("broken.yaml:3:1"), "{}", answer.stderr);
    let answer = bellwether(folder.path(), &["run", "--config", "absent.yaml"]).exits(2);
    assert!(answer.stderr.contains("absent.yaml"), "{}", answer.stderr);
}

#[test]
fn a_port_that_is_taken_stops_run_with_3() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let answer = run(folder.path(), &CONFIGURATION.replace("127.0.0.1:0", &address)).exits(3);
    assert!(answer.stderr.contains(&address), "{}", answer.stderr);
}

#[test]
fn a_database_that_cannot_be_made_stops_run_with_3() {
    let folder = folder();
    // A file where the folder should be.
    let answer = run(folder.path(), &CONFIGURATION.replace("bellwether.db", "shop.yaml/bellwether.db")).exits(3);
    assert!(answer.stderr.contains("shop.yaml"), "{}", answer.stderr);
}

/// Each of them says why, and a hyper-parameter has a form.
#[test]
fn commands_that_lack_something_are_wrong_usage() {
    let folder = folder();
    let cases: [(&[&str], &str); 7] = [
        (&["retrain", "--model", "shop"], "--reason"),
        (&["retrain", "--reason", "why"], "--model"),
        (&["retrain", "--model", "shop", "--reason", "why", "--parameter", "epochs"], "write KEY=JSON"),
        (&["retrain", "--model", "shop", "--reason", "why", "--parameter", "loss=hinge"], "write KEY=JSON"),
        (&["cancel", "--reason", "why"], "<RETRAINING>"),
        (&["tokens", "create", "--name", "ann", "--role", "root"], "possible values: viewer, operator, admin"),
        (&["retrainings", "some-id", "--model", "shop"], "cannot be used with"),
    ];
    for (arguments, part) in cases {
        let answer = bellwether(folder.path(), arguments).exits(2);
        assert!(answer.stderr.contains(part), "{arguments:?}: {}", answer.stderr);
    }
}

#[test]
fn status_without_a_service_exits_with_3() {
    let folder = folder();
    // Bound and given back: nothing listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("http://{address}");
    for format in ["text", "json"] {
        let answer = bellwether(folder.path(), &["status", "--server", &server, "--format", format]).exits(3);
        assert!(answer.stderr.contains(&server), "{}", answer.stderr);
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn completions_know_every_command() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bellwether(folder.path(), &["completions", shell]).exits(0).stdout;
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} doesn't know {command}");
        }
    }
    bellwether(folder.path(), &["completions", "tcsh"]).exits(2);
}

#[test]
fn the_manual_page_is_generated() {
    let folder = folder();
    let page = bellwether(folder.path(), &["manual-page"]).exits(0).stdout;
    assert!(page.contains(".TH bellwether 1"), "{page}");
    for command in COMMANDS {
        // A hyphen is written `\-` there.
        assert!(page.contains(&command.replace('-', "\\-")), "{command}");
    }
}

/// `| head` closes the pipe: that is no failure, and no panic.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    let names: Vec<String> = (0..4000).map(|column| format!("column_{column}")).collect();
    std::fs::write(folder.path().join("wide.csv"), format!("{}\n", names.join(","))).unwrap();
    let replay =
        ["replay", "--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--all", "--format", "json"];
    let cases: [&[&str]; 3] = [&["report", "wide.csv", "wide.csv"], &replay, &["completions", "zsh"]];
    for arguments in cases {
        let mut command = command(folder.path());
        let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// Machine output goes to stdout and nothing else does.
#[test]
fn logs_go_to_stderr_in_the_form_that_was_asked_for() {
    let folder = folder();
    let arguments = ["replay", "--contract", "shop.yaml", "--predictions", "predictions.jsonl", "--format", "json"];
    let more = ["--log", "trace", "--log-format", "json"];
    let answer = bellwether(folder.path(), &[&arguments[..], &more].concat()).exits(0);
    assert_eq!(answer.stdout, bellwether(folder.path(), &arguments).exits(0).stdout);
    for line in answer.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
