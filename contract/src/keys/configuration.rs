//! The keys of a configuration.

use super::{Form, Object, default, optional, required};

pub const STARTS: &[&str] = &["earliest", "latest"];
pub const RULE_SEVERITIES: &[&str] = &["info", "ticket", "page"];

pub static CONFIGURATION: Object = Object {
    what: "a configuration",
    keys: &[
        default(
            "listen",
            "`127.0.0.1:9464`",
            Form::Text,
            "Address and port of HTTP: pages, API, `/metrics`. Commands need a token; reading needs one beyond loopback.",
            "0.0.0.0:9464",
        ),
        default(
            "database",
            "`bellwether.db`",
            Form::Path,
            "The SQLite file. It is made when it is missing.",
            "/var/lib/bellwether/state.db",
        ),
        default(
            "state",
            "`bellwether-state`",
            Form::Path,
            "The folder of checkpoints and of the history's Parquet files. It is made when it is missing.",
            "/var/lib/bellwether/shards",
        ),
        default(
            "registry",
            "`bellwether-registry`",
            Form::Path,
            "The folder of registered model versions and of retrainings' data. It is made when it is missing.",
            "/var/lib/bellwether/registry",
        ),
        required("kafka", Form::Object(&KAFKA), "How Kafka is reached.", ""),
        default(
            "checkpoint_every",
            "`5s`",
            Form::Duration,
            "Wall time between two checkpoints of a shard. At most 1h.",
            "30s",
        ),
        default(
            "idle",
            "`60s`",
            Form::Duration,
            "A partition that has been silent for so long of wall time no longer holds the others back. At most 30d.",
            "5m",
        ),
        required(
            "contracts",
            Form::List(&Form::Path),
            "Contract files, and folders that hold some: every .yaml and .yml file with a `model`, not those in folders below.",
            "[ contracts, ../other/fraud.yaml ]",
        ),
        default(
            "channels",
            "none",
            Form::Map("NAME", &Form::Object(&CHANNEL)),
            "Ways to reach people or programs, each by a name of your choice.",
            "",
        ),
        default(
            "routes",
            "every channel, everything",
            Form::List(&Form::Object(&ROUTE)),
            "Which channels are told of which alerts. Every route that matches tells its channels.",
            "",
        ),
    ],
};

pub static KAFKA: Object = Object {
    what: "`kafka`",
    keys: &[
        required("brokers", Form::Text, "`host:port`, several with commas between.", "kafka-1:9092,kafka-2:9092"),
        default("group", "`bellwether`", Form::Text, "The consumer group.", "bellwether-production"),
        optional(
            "dead_letters",
            Form::Text,
            "The topic for events that can't be used. Without it they are kept in the database alone.",
            "bellwether.dead-letters",
        ),
        default("start", "`earliest`", Form::Choice(STARTS), "Where a model without a checkpoint begins.", "latest"),
        default(
            "properties",
            "none",
            Form::Map("PROPERTY", &Form::Secret),
            "More settings of librdkafka, by its names.",
            "{ security.protocol: sasl_ssl, sasl.password: { env: KAFKA_PASSWORD } }",
        ),
    ],
};

pub static SECRET: Object = Object {
    what: "a secret",
    keys: &[
        optional(
            "file",
            Form::Path,
            "The file that holds it; white space at its end is left out.",
            "/run/secrets/smtp",
        ),
        optional("env", Form::Text, "The environment variable that holds it.", "SMTP_PASSWORD"),
    ],
};

pub static CHANNEL: Object = Object {
    what: "a channel",
    keys: &[
        optional("email", Form::Object(&EMAIL), "E-mail over SMTP.", ""),
        optional("webhook", Form::Object(&WEBHOOK), "A POST signed by the Standard Webhooks scheme.", ""),
    ],
};

pub static EMAIL: Object = Object {
    what: "`email`",
    keys: &[
        required(
            "server",
            Form::Text,
            "`smtp://host:port` without encryption, `smtp+starttls://…` or `smtps://…`.",
            "smtps://mail.example.org:465",
        ),
        optional("username", Form::Text, "Only together with `password`.", "bellwether"),
        optional("password", Form::Secret, "Only together with `username`.", "{ file: /run/secrets/smtp }"),
        required("from", Form::Text, "The sender's address.", "Bellwether <bellwether@example.org>"),
        required(
            "to",
            Form::Any(&[Form::Text, Form::List(&Form::Text)]),
            "The receivers' addresses.",
            "[ risk@example.org ]",
        ),
    ],
};

pub static WEBHOOK: Object = Object {
    what: "`webhook`",
    keys: &[
        required("url", Form::Text, "Where to: `https://` or `http://`.", "https://hooks.example.org/bellwether"),
        required(
            "secret",
            Form::Secret,
            "`whsec_` and the base64 of 24 to 64 bytes; it signs every message.",
            "{ env: WEBHOOK_SECRET }",
        ),
        default(
            "allow_private_addresses",
            "`false`",
            Form::Boolean,
            "Private and loopback addresses are refused unless this is `true`.",
            "true",
        ),
    ],
};

pub static ROUTE: Object = Object {
    what: "a route",
    keys: &[
        default("severities", "all", Form::List(&Form::Choice(RULE_SEVERITIES)), "Severities of rules.", "[ page ]"),
        default("models", "all", Form::List(&Form::Text), "Models, by the contracts' names.", "[ fraud ]"),
        default("owners", "all", Form::List(&Form::Text), "Owners, as the contracts name them.", "[ risk-team ]"),
        required("channels", Form::List(&Form::Text), "Who is told.", "[ on-call ]"),
    ],
};

/// Every mapping of a configuration, in the order of the documentation.
pub static ALL: &[&Object] = &[&CONFIGURATION, &KAFKA, &SECRET, &CHANNEL, &EMAIL, &WEBHOOK, &ROUTE];
