//! The configuration of one `bellwether run`: where Kafka, the database and the contracts are, and who is told.

mod channels;
mod read;
pub(crate) mod secret;

pub use channels::{MAX_CHANNELS, MAX_ROUTES};
pub use read::{MAX_CONTRACTS, configuration_from_text, read_configuration};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One service. Every relative path was relative to the configuration file and is resolved already.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// Where HTTP is served. Default 127.0.0.1:9464: on loopback reading needs no token.
    pub listen: SocketAddr,
    /// The SQLite file; its folder is made when it is missing.
    pub database: PathBuf,
    /// The folder of the shards' checkpoints and of the history's Parquet files.
    pub state: PathBuf,
    /// The folder of registered model versions and of retrainings' data.
    pub registry: PathBuf,
    pub kafka: Kafka,
    /// Wall time between two checkpoints of a shard.
    pub checkpoint_every: Duration,
    /// A partition that has been silent for so long of wall time no longer holds the others back.
    pub idle: Duration,
    pub contracts: Vec<PathBuf>,
    pub channels: Vec<ChannelConfiguration>,
    pub routes: Vec<Route>,
}

/// How Kafka is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    /// `host:port,host:port`.
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// The topic that dead letters go to; None: they are kept in the store alone.
    pub dead_letters: Option<String>,
    /// Where a model without a checkpoint begins.
    pub start: Start,
    /// More settings of librdkafka, such as `security.protocol`. Values may come from a file or the environment.
    pub properties: BTreeMap<String, Secret>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Earliest,
    Latest,
}

/// Text that is never printed. In YAML it is the text itself, `{ file: PATH }` or `{ env: NAME }`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever has to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A way to reach people or programs.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelConfiguration {
    /// What routes call it. Unique.
    pub name: String,
    pub kind: ChannelKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ChannelKind {
    Email(Email),
    Webhook(Webhook),
}

/// E-mail over SMTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    /// `smtp://host:port` (no encryption), `smtp+starttls://…` or `smtps://…`; host names and ports only.
    pub server: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub from: String,
    pub to: Vec<String>,
}

/// A POST signed by the Standard Webhooks scheme.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    pub url: String,
    /// `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: Secret,
    /// Private and loopback addresses are refused unless this is set (server-side request forgery).
    pub allow_private_addresses: bool,
}

/// Which channels are told of which alerts. Every route that matches tells its channels; without any route, all
/// channels are told of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Rule severities (`info`, `ticket`, `page`); empty: all.
    pub severities: Vec<String>,
    /// Models; empty: all.
    pub models: Vec<String>,
    /// Owners, as the contracts name them; empty: all.
    pub owners: Vec<String>,
    pub channels: Vec<String>,
}
