//! librdkafka's settings, and what its callbacks tell.

use std::sync::Arc;

use contract::configuration::Kafka;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use super::failed;
use super::health::Health;
use super::metrics::Metrics;
use crate::error::Result;

/// The subject of the cluster in [`Health`].
pub const CLUSTER: &str = "cluster";

/// A consumer's, unless the owner sets others. A killed member is missed after the session time-out: 10 s, not Kafka's 45.
const DEFAULTS: [(&str, &str); 3] = [
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "3000"),
    // Enough to be busy for a second; the next fetch follows at once when some of it has been read.
    ("queued.min.messages", "20000"),
];

/// What the driver relies on.
const REQUIRED: [(&str, &str); 2] = [("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];

/// The reader's: bounded in memory a partition, and it says where a partition ends and when Kafka has deleted what
/// should come next.
const READER: [(&str, &str); 5] = [
    ("enable.partition.eof", "true"),
    ("auto.offset.reset", "error"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "10"),
    ("statistics.interval.ms", "5000"),
];

/// The consumer that all workers read with.
pub type Reader = StreamConsumer<ReaderContext>;

/// A consumer's: the owner's settings between our defaults and what must be.
pub fn consumer_settings(kafka: &Kafka) -> ClientConfig {
    let mut settings = ClientConfig::new();
    for (name, value) in DEFAULTS {
        settings.set(name, value);
    }
    add_settings(&mut settings, kafka);
    settings.set("group.id", &kafka.group);
    for (name, value) in REQUIRED {
        settings.set(name, value);
    }
    settings
}

/// The owner's settings: where the cluster is, and how to speak to it.
pub fn add_settings(settings: &mut ClientConfig, kafka: &Kafka) {
    settings.set("client.id", "bellwether");
    for (name, value) in &kafka.properties {
        settings.set(name, value.reveal());
    }
    settings.set("bootstrap.servers", &kafka.brokers);
}

/// A consumer without any partition yet. It never joins the group.
pub fn reader(kafka: &Kafka, metrics: Arc<Metrics>, health: Arc<Health>) -> Result<Arc<Reader>> {
    let mut settings = consumer_settings(kafka);
    for (name, value) in READER {
        settings.set(name, value);
    }
    let context = ReaderContext { metrics, health };
    Ok(Arc::new(settings.create_with_context(context).map_err(failed("making a consumer"))?))
}

/// Lag from librdkafka's statistics.
pub struct ReaderContext {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl ConsumerContext for ReaderContext {}

impl ClientContext for ReaderContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note(&self.health, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        for (topic, partitions) in statistics.topics {
            for (number, partition) in partitions.partitions {
                if number >= 0 && partition.hi_offset >= 0 {
                    self.metrics.end(&topic, number, partition.hi_offset);
                }
            }
        }
    }
}

/// librdkafka's lines, which hold no secrets and no payloads.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Errors of the client as a whole. librdkafka goes on trying after all of them.
pub fn note(health: &Health, error: &KafkaError, reason: &str) {
    // The end of a partition is news for its worker, not an error.
    if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
        return;
    }
    if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AllBrokersDown)) {
        health.set_if_ready(CLUSTER, "no Kafka broker can be reached");
    }
    // Without the reason, which counts milliseconds.
    if let Some(passed_over) = health.is_news(&error.to_string()) {
        tracing::warn!(target: "librdkafka", passed_over, "{error}: {reason}");
    }
}

/// Blocks: for threads that may.
pub fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: std::time::Duration,
) -> Result<Option<i32>> {
    let doing = || format!("asking for the partitions of {topic}");
    let metadata = client.fetch_metadata(Some(topic), timeout).map_err(failed(doing()))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.filter(|found| found.error().is_none()).map(|found| found.partitions().len() as i32).filter(|n| *n > 0))
}
