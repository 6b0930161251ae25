//! The Kafka driver: consumer groups decide who owns which shards; checkpoints decide where reading goes on.
//!
//! ```text
//! member (one consumer, in the group) ── assigned, revoked ──► supervisor ── starts, stops ──► worker, one a partition index
//! reader (one consumer, assigned by hand) ── a queue a partition ─────────────────────────────►   │ pace, accept
//!                                                                                                 ▼
//!                                   history, dead letters, SlateDB, sink ◄── checkpoints ── keeper, one a shard
//! ```
//!
//! - [`member`] subscribes to the topics of predictions and reads nothing. The label partitions follow: whoever owns partition
//!   i of a model's predictions reads partition i of its labels.
//! - [`bundle`] groups contracts that share topics, so that a partition is read once for all of them.
//! - [`worker`] reads the partitions of one index of a bundle; [`pace`] keeps none of them far ahead of the others, which
//!   bounds what a join has to hold (promise I6).
//! - [`keeper`] owns one shard: its engine, its checkpoint, its history. The order of a checkpoint's steps is there.
//! - [`client`] configures librdkafka; [`dead_letters`], [`metrics`] and [`health`] are what they say. [`reminders`] keeps errors that
//!   go on from filling the log.
//!
//! Any failure of a worker drops its state and begins again at the last checkpoint: there is one way to recover, and it is
//! that of a crash (promise I1).

mod bundle;
mod client;
mod dead_letters;
mod health;
mod keeper;
mod member;
mod metrics;
mod pace;
mod reminders;
mod supervisor;
mod worker;

use std::sync::Arc;

use contract::Contract;
use contract::configuration::Configuration;
use prometheus::Registry;
use rdkafka::error::KafkaError;
use tokio_util::sync::CancellationToken;

pub use health::Health;

use crate::error::{Error, Result};
use crate::publication::Sink;

/// Reads the topics of all contracts until `stop` is cancelled: then every shard is checkpointed and the group is left.
///
/// Kafka that is away, topics that are missing and sinks that refuse are waited for, and said in `health`. What ends this
/// early is a setting that librdkafka refuses, and a defect.
pub async fn run(
    contracts: Vec<Arc<Contract>>,
    configuration: &Configuration,
    sink: Arc<dyn Sink>,
    registry: &Registry,
    health: Arc<Health>,
    stop: CancellationToken,
) -> Result<()> {
    let metrics = Arc::new(metrics::Metrics::register(registry)?);
    supervisor::Supervisor::start(contracts, configuration, sink, metrics, health)?.run(stop).await
}

/// Names what failed. Of a setting that librdkafka refuses only the name: its value may be a secret (promise E2), and
/// librdkafka's own text quotes it.
fn failed(doing: impl Into<String>) -> impl FnOnce(KafkaError) -> Error {
    let doing = doing.into();
    move |error| {
        match error {
            // The library's own message has the value, which may be a secret.
            KafkaError::ClientConfig(_, _, key, _) => Error::Setting { key },
            other => Error::Kafka { doing, detail: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contract::configuration::{Kafka, Secret, Start};

    use super::*;

    #[test]
    fn e2_a_refused_setting_is_named_without_its_value() {
        for name in ["security.protocol", "sasl.pasword"] {
            let kafka = Kafka {
                brokers: "127.0.0.1:1".to_owned(),
                group: "g".to_owned(),
                dead_letters: None,
                start: Start::Earliest,
                properties: BTreeMap::from([(name.to_owned(), Secret::new("hunter2"))]),
            };
            let metrics = Arc::new(metrics::Metrics::register(&Registry::new()).unwrap());
            let Err(error) = client::reader(&kafka, metrics, Arc::default()) else { panic!("accepted {name}") };
            let text = format!("{error} {error:?}");
            assert!(text.contains(name) && !text.contains("hunter2"), "{text}");
        }
    }
}
