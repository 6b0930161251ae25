//! A real Kafka: the one that `BELLWETHER_KAFKA` names, or one that `scripts/kafka.sh` starts.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_mins(1);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka.sh");

pub struct Broker {
    /// `host:port`.
    pub address: String,
    /// The folder of the broker that this test started.
    folder: Option<tempfile::TempDir>,
}

impl Broker {
    /// None, and a word on stderr, where there is no Kafka and none can be started. `BELLWETHER_REQUIRE_KAFKA=1`, as CI
    /// sets it, makes that a failure.
    pub fn find() -> Option<Self> {
        if let Ok(address) = std::env::var("BELLWETHER_KAFKA") {
            return Some(Self { address, folder: None });
        }
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(SCRIPT).arg("start").arg(folder.path()).output().unwrap();
        if output.status.success() {
            let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
            return Some(Self { address, folder: Some(folder) });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_required = std::env::var_os("BELLWETHER_REQUIRE_KAFKA").is_some_and(|value| value == "1");
        assert!(!is_required && output.status.code() == Some(3), "Kafka can't be started:\n{said}");
        skip(&said);
        None
    }

    /// Topics with this many partitions, whose records are kept however old their timestamps are.
    pub async fn create(&self, topics: &[(&str, i32)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topics: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|(name, partitions)| {
                NewTopic::new(name, *partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1")
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in admin.create_topics(&topics, &options).await.unwrap() {
            result.unwrap();
        }
    }

    pub fn publisher(&self) -> Publisher {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("compression.type", "lz4");
        Publisher(config.create().unwrap())
    }

    /// Every record of a topic with one partition: key and payload.
    pub fn read_all(&self, topic: &str) -> Vec<(String, Vec<u8>)> {
        let consumer: BaseConsumer = self.client().set("group.id", "bellwether-test-reader").create().unwrap();
        let (low, high) = consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let mut records = Vec::new();
        while (records.len() as i64) < high - low {
            let record = consumer.poll(PATIENCE).expect("a record").unwrap();
            let key = String::from_utf8(record.key().unwrap_or_default().to_vec()).unwrap();
            records.push((key, record.payload().unwrap_or_default().to_vec()));
        }
        records
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }
}

#[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
fn skip(said: &str) {
    eprintln!("SKIPPED: there is no Kafka to test with: {}", said.trim());
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            stop(folder.path());
        }
    }
}

fn stop(folder: &Path) {
    let _ = Command::new(SCRIPT).arg("stop").arg(folder).output();
}

/// Puts records where they are told to go.
pub struct Publisher(BaseProducer);

impl Publisher {
    /// `written` is in microseconds; Kafka keeps milliseconds.
    pub fn send(&self, topic: &str, partition: i32, key: &str, payload: &[u8], written: i64) {
        let mut record = BaseRecord::to(topic).partition(partition).key(key).payload(payload).timestamp(written / 1000);
        while let Err((error, back)) = self.0.send(record) {
            assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
            self.0.poll(Duration::from_millis(50));
            record = back;
        }
        self.0.poll(Duration::ZERO);
    }

    /// Waits until the broker has them all.
    pub fn flush(&self) {
        self.0.flush(PATIENCE).unwrap();
    }
}
