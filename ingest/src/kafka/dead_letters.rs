//! The topic of dead letters. A letter's key is its position (`topic/partition/offset`), so repeats are recognisable.

use std::sync::Arc;
use std::time::Duration;

use contract::configuration::Kafka;
use futures::future::join_all;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::client::{add_settings, log, note};
use super::failed;
use super::health::Health;
use crate::error::{Error, Result};
use crate::publication::DeadLetter;

/// Letters on their way at once.
const BATCH: usize = 1_000;
/// Room for headers beside the largest payload.
const MESSAGE_BYTES: usize = crate::PAYLOAD_LIMIT + (64 << 10);
/// What is sent of a payload that the topic finds too large.
const CUT_BYTES: usize = 256 << 10;
/// How long librdkafka tries to deliver one letter before the checkpoint begins again.
const DELIVERY: Duration = Duration::from_secs(30);

/// Writes dead letters to their topic.
pub struct DeadLetters {
    producer: FutureProducer<Context>,
    topic: String,
}

/// Passes on what librdkafka says.
#[derive(Clone)]
struct Context {
    health: Arc<Health>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note(&self.health, &error, reason);
    }
}

impl DeadLetters {
    /// None: the contract has no such topic; letters are kept in the store alone.
    pub fn from_configuration(kafka: &Kafka, health: Arc<Health>) -> Result<Option<Self>> {
        let Some(topic) = kafka.dead_letters.clone() else { return Ok(None) };
        let mut settings = ClientConfig::new();
        add_settings(&mut settings, kafka);
        settings
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.max.bytes", MESSAGE_BYTES.to_string())
            .set("delivery.timeout.ms", DELIVERY.as_millis().to_string());
        let producer = settings.create_with_context(Context { health }).map_err(failed("making a producer"))?;
        Ok(Some(Self { producer, topic }))
    }

    /// Returns when Kafka has acknowledged all of them.
    pub async fn send(&self, letters: &[&DeadLetter]) -> Result<()> {
        for batch in letters.chunks(BATCH) {
            let sent = join_all(batch.iter().map(|letter| self.send_one(letter))).await;
            sent.into_iter().collect::<std::result::Result<(), KafkaError>>().map_err(|error| Error::Kafka {
                doing: format!("writing dead letters to {}", self.topic),
                detail: error.to_string(),
            })?;
        }
        Ok(())
    }

    async fn send_one(&self, letter: &DeadLetter) -> std::result::Result<(), KafkaError> {
        match self.deliver(letter, &letter.payload).await {
            // One large event must not stop the stream (promise I4): the store has the rest of it.
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                let cut = letter.payload.get(..CUT_BYTES).unwrap_or(&letter.payload);
                self.deliver(letter, cut).await
            }
            delivered => delivered,
        }
    }

    async fn deliver(&self, letter: &DeadLetter, payload: &[u8]) -> std::result::Result<(), KafkaError> {
        let key = format!("{}/{}/{}", letter.topic, letter.partition, letter.offset);
        let length = letter.payload.len().to_string();
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("model", letter.model.as_str()),
            ("kind", letter.kind.name()),
            ("reason", letter.reason.name()),
            ("detail", letter.detail.as_str()),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        if payload.len() < letter.payload.len() {
            headers = headers.insert(Header { key: "cut_from_bytes", value: Some(length.as_str()) });
        }
        let record = FutureRecord::to(&self.topic).key(&key).payload(payload).headers(headers);
        self.producer.send(record, DELIVERY).await.map(drop).map_err(|(error, _)| error)
    }
}

impl Drop for DeadLetters {
    /// Nothing waits here: a letter that was not acknowledged is sent again by the next owner.
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue());
    }
}
