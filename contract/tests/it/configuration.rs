//! Good configurations, and secrets.

use contract::configuration::{ChannelKind, Start, configuration_from_text, read_configuration};
use contract::diagnostic::render;

use crate::{file, text};

#[test]
fn the_example_is_read_as_it_stands() {
    let configuration = read_configuration(&file("bellwether.yaml")).unwrap();
    assert_eq!(configuration.listen.port(), 9464);
    assert_eq!(configuration.database, file("state/bellwether.db"));
    assert_eq!(configuration.kafka.brokers, "kafka-1:9092,kafka-2:9092");
    assert_eq!(configuration.kafka.dead_letters.as_deref(), Some("bellwether.dead-letters"));
    assert_eq!(configuration.kafka.start, Start::Earliest);
    assert_eq!(configuration.kafka.properties["security.protocol"].reveal(), "sasl_ssl");
    assert_eq!(configuration.kafka.properties["sasl.password"].reveal(), "hunter2");
    assert_eq!(configuration.contracts, [file("fraud.yaml")]);
    let names: Vec<_> = configuration.channels.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(names, ["on-call", "tickets"]);
    let ChannelKind::Email(email) = &configuration.channels[0].kind else { panic!("no e-mail") };
    assert_eq!(email.password.as_ref().unwrap().reveal(), "hunter2");
    assert_eq!(configuration.routes[0].channels, ["on-call", "tickets"]);
    assert!(!format!("{configuration:?}").contains("hunter2"));
}

#[test]
fn a_folder_of_contracts_holds_its_contracts_only() {
    let text = "kafka: { brokers: 'a:1' }\ncontracts: [ ., fraud.yaml ]\n";
    let configuration = configuration_from_text(text, &file("other.yaml")).unwrap();
    // broken-*.yaml are contracts, too: their errors are told when they are read.
    assert!(configuration.contracts.contains(&file("./fraud.yaml")));
    assert!(!configuration.contracts.iter().any(|path| path.ends_with("bellwether.yaml")));
    assert_eq!(configuration.contracts.iter().filter(|path| path.ends_with("fraud.yaml")).count(), 1);
}

#[test]
fn secrets_come_from_the_environment() {
    // Cargo sets this one for every test.
    let text = text("bellwether.yaml")
        .replace("sasl.password: { file: secret.txt }", "sasl.password: { env: CARGO_PKG_NAME }");
    let configuration = configuration_from_text(&text, &file("bellwether.yaml")).unwrap();
    assert_eq!(configuration.kafka.properties["sasl.password"].reveal(), "contract");
}

#[test]
fn e1_errors_show_no_secret() {
    for broken in [
        "kafka: { brokers: 'a:1' }\ncontracts: []\nchannels: { a: { email: { pasword: hunter2 } } }\n",
        "kafka: { brokers: 'a:1', properties: { sasl.password: hunter2, group.id: x } }\ncontracts: []\n",
        "kafka:\n  brokers: 'a:1'\n  properties:\n    sasl.password:\n      hunter2: [\n",
        "channels: { a: { email: { password: { hunter2 } } } }\n",
        "channels: { a: { webhook: { url: 'https://a', secret: hunter2 } } }\n",
        "channels: { a: { email: { server: 'smtp://me:hunter2@mail' } } }\n",
    ] {
        let errors = configuration_from_text(broken, &file("other.yaml")).unwrap_err();
        let shown = render(&errors, false);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
