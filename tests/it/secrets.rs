//! E2: secrets are never printed, whatever goes wrong around them.

use std::path::Path;

use crate::program::{Answer, command};
use crate::service::{Service, until};
use crate::stream::CONTRACT;

const SECRETS: [&str; 4] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hunter2-of-kafka", "hunter2-of-smtp", "hunter2-of-the-environment"];

/// Secrets in every place and form, with `spoil` put in beside them.
fn configuration(spoil: &str) -> String {
    format!(
        r#"listen: 127.0.0.1:1
database: bellwether.db
state: state
kafka:
  brokers: "127.0.0.1:1"
  properties: {{ security.protocol: sasl_plaintext, sasl.mechanism: PLAIN, sasl.username: shop, sasl.password: hunter2-of-kafka{spoil} }}
contracts: [ shop.yaml ]
channels:
  hook: {{ webhook: {{ url: "https://example.org/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw{spoil} }} }}
  mail:
    email:
      server: smtp://127.0.0.1:25
      username: shop
      password: hunter2-of-smtp
      from: shop@example.org
      to: [ shop@example.org ]
  other: {{ webhook: {{ url: "https://example.org/", secret: {{ env: BELLWETHER_TEST_SECRET }}{spoil} }} }}
"#
    )
}

fn run(folder: &Path, spoil: &str, arguments: &[&str]) -> Answer {
    std::fs::write(folder.join("shop.yaml"), CONTRACT).unwrap();
    std::fs::write(folder.join("bellwether.yaml"), configuration(spoil)).unwrap();
    let mut command = command(folder);
    command.args(arguments).env("BELLWETHER_TEST_SECRET", "hunter2-of-the-environment");
    command.output().unwrap().into()
}

fn is_silent(answer: &Answer) {
    for secret in SECRETS {
        assert!(!answer.stdout.contains(secret), "stdout shows {secret}:\n{}", answer.stdout);
        assert!(!answer.stderr.contains(secret), "stderr shows {secret}:\n{}", answer.stderr);
    }
}

/// The line that an error points at may hold a secret.
#[test]
fn e2_errors_beside_a_secret_do_not_show_it() {
    let folder = tempfile::tempdir().unwrap();
    for spoil in [", unknown: 1", ", unknown: { a: b }", "]", ", url: 3"] {
        let answer = run(folder.path(), spoil, &["check", "bellwether.yaml"]).exits(1);
        assert!(answer.stdout.contains("bellwether.yaml:"), "{}", answer.stdout);
        is_silent(&answer);
    }
}

/// A secret of the wrong form is an error that doesn't repeat it.
#[test]
fn e2_a_malformed_secret_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    // `hunter2-of-the-environment` is no `whsec_…`.
    is_silent(&run(folder.path(), "", &["check", "bellwether.yaml"]).exits(1));
}

/// Kafka is away: the service says so, and keeps trying.
#[tokio::test(flavor = "multi_thread")]
async fn e2_a_service_that_logs_everything_does_not_log_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx";
    std::fs::write(folder.path().join("secret"), secret).unwrap();
    std::fs::write(folder.path().join("shop.yaml"), CONTRACT).unwrap();
    let configuration = configuration("").replace("127.0.0.1:1\n", "127.0.0.1:0\n");
    let configuration = configuration.replace("env: BELLWETHER_TEST_SECRET", "file: secret");
    std::fs::write(folder.path().join("bellwether.yaml"), configuration).unwrap();
    let service = Service::start_with(folder.path(), "log", &["--log", "trace"]).await;
    until("it says that there is no Kafka", async || {
        let standing = service.get("/readyz").await?;
        standing["reasons"]
            .as_array()?
            .iter()
            .any(|reason| reason.as_str().unwrap_or("").contains("Kafka"))
            .then_some(())
    })
    .await;
    let (log, status) = (service.log(), service.get("/api/v1/status").await.unwrap().to_string());
    assert_eq!(service.stop(), 0);
    for secret in SECRETS.into_iter().chain([secret]) {
        assert!(!log.contains(secret) && !status.contains(secret), "{secret}");
    }
}
