//! E2: who may come in, with the real program on both sides.

use std::path::Path;

use serde_json::Value;

use crate::program::{Answer, command};
use crate::service::Service;
use crate::stream::CONTRACT;

const CONFIGURATION: &str = "\
listen: 127.0.0.1:0
database: bellwether.db
state: state
kafka: { brokers: \"127.0.0.1:1\" }
contracts: [ shop.yaml ]
";

/// Every token in a text.
fn tokens(text: &str) -> Vec<String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    text.match_indices("bw_")
        .map(|(at, _)| text[at..].chars().take_while(|letter| is_letter(*letter)).collect::<String>())
        .filter(|token| token.len() == 46)
        .collect()
}

/// Runs a command against the service; the token is in a file, as it should be.
fn run(folder: &Path, service: &Service, token: Option<&str>, arguments: &[&str]) -> Answer {
    let mut command = command(folder);
    command.args(arguments).args(["--server", &service.server]);
    if let Some(token) = token {
        std::fs::write(folder.join("token"), format!("{token}\n")).unwrap();
        command.args(["--token-file", "token"]);
    }
    command.output().unwrap().into()
}

fn made(folder: &Path, service: &Service, admin: &str, name: &str, role: &str) -> String {
    let arguments = ["tokens", "create", "--name", name, "--role", role];
    let told = run(folder, service, Some(admin), &arguments).exits(0).stdout;
    let token = told.trim_end().to_owned();
    assert_eq!(tokens(&told), [token.as_str()], "nothing but the token is printed");
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn e2_the_first_start_tells_the_admins_token_and_only_tokens_give_commands() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("shop.yaml"), CONTRACT).unwrap();
    std::fs::write(folder.join("bellwether.yaml"), CONFIGURATION).unwrap();
    let service = Service::start(folder, "first").await;
    let told = tokens(&service.log());
    let [admin] = told.as_slice() else { panic!("{} tokens in the log of the first start", told.len()) };

    let model = shop();
    let retrain = ["retrain", "--model", &model, "--reason", "decay since June"];
    // On a loopback listener everybody reads, and nobody commands.
    run(folder, &service, None, &["status"]).exits(0);
    run(folder, &service, None, &["retrainings"]).exits(0);
    let answer = run(folder, &service, None, &retrain).exits(2);
    assert!(answer.stdout.is_empty() && answer.stderr.contains("BELLWETHER_TOKEN_FILE"), "{}", answer.stderr);
    assert!(run(folder, &service, None, &["audit"]).exits(2).stderr.contains("tokens create"));

    let viewer = made(folder, &service, admin, "grafana", "viewer");
    run(folder, &service, Some(&viewer), &["status"]).exits(0);
    let answer = run(folder, &service, Some(&viewer), &retrain).exits(2);
    let expected = "This needs the role operator; the token `grafana` has the role viewer.";
    assert!(answer.stderr.contains(expected), "{}", answer.stderr);
    run(folder, &service, Some(&viewer), &["audit"]).exits(2);

    // An admin's command arrives; this contract allows no retraining, and the answer says so.
    let answer = run(folder, &service, Some(admin), &retrain).exits(2);
    assert!(answer.stderr.contains("`retrain`"), "{}", answer.stderr);
    let answer = run(folder, &service, Some(admin), &["cancel", "nothing", "--reason", "wrong data"]).exits(2);
    assert!(answer.stderr.contains("there is no retraining `nothing`"), "{}", answer.stderr);

    let two_lines = ["cancel", "nothing", "--reason", "a\nb"];
    let told = run(folder, &service, Some(admin), &two_lines).exits(2).stderr;
    assert_eq!(told, "bellwether: The reason must be one line of at most 500 characters.\n");
    let revoke = ["tokens", "revoke", "grafana", "--reason", "lost laptop"];
    run(folder, &service, Some(admin), &revoke).exits(0);
    let told = run(folder, &service, Some(admin), &["audit"]).exits(0).stdout;
    assert!(told.contains("lost laptop"), "{told}");
    assert!(run(folder, &service, Some(&viewer), &["status"]).exits(2).stderr.contains("revoked"));
    let audit = run(folder, &service, Some(admin), &["audit", "--format", "json"]).exits(0);
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let lines: Vec<_> = audit["entries"].as_array().unwrap().iter().map(line).collect();
    for (who, command, outcome, times) in [
        ("admin", "create_token", "accepted", 1),
        ("grafana", "retrain", "denied", 1),
        ("admin", "retrain", "refused", 1),
        // The one with a reason that was none too.
        ("admin", "cancel", "refused", 2),
        ("admin", "revoke_token", "accepted", 1),
    ] {
        let line = (who.to_owned(), command.to_owned(), outcome.to_owned());
        assert_eq!(lines.iter().filter(|found| **found == line).count(), times, "{line:?} in {lines:?}");
    }
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(service.stop(), 0);

    let service = Service::start(folder, "second").await;
    assert_eq!(tokens(&service.log()), [""; 0]);
    run(folder, &service, Some(admin), &["tokens", "list"]).exits(0);
    assert_eq!(service.stop(), 0);
    // What is kept opens nothing.
    let database = std::fs::read(folder.join("bellwether.db")).unwrap();
    assert!(!database.windows(admin.len()).any(|part| part == admin.as_bytes()));
}

/// The name of the contract's model.
fn shop() -> String {
    let line = CONTRACT.lines().find_map(|line| line.strip_prefix("model: ")).unwrap();
    line.trim().to_owned()
}

/// Who, which command, and the first word of what became of it.
fn line(entry: &Value) -> (String, String, String) {
    let text = |key: &str| entry[key].as_str().unwrap().to_owned();
    let outcome = text("outcome").split(':').next().unwrap().to_owned();
    (text("who"), text("command"), outcome)
}
