//! The member of the consumer group: it learns which partitions are ours, and reads none of them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use contract::configuration::Kafka;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{consumer_settings, log, note};
use super::failed;
use super::health::Health;
use crate::error::Result;

/// Rebalances that wait for the supervisor.
const EVENTS_LIMIT: usize = 16;
/// How soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);

/// What the group says. Partitions are (topic, number).
#[derive(Debug)]
pub enum Event {
    Assigned(Vec<(String, i32)>),
    /// The group waits until `done` is used or dropped.
    Revoked {
        partitions: Vec<(String, i32)>,
        done: oneshot::Sender<()>,
    },
}

/// Commits offsets for the group. They only inform others: reading goes on from checkpoints.
#[derive(Clone)]
pub struct Member {
    consumer: Weak<BaseConsumer<MemberContext>>,
}

/// The member's thread, which leaves the group when `stop` is cancelled.
pub struct Membership {
    pub member: Member,
    pub events: mpsc::Receiver<Event>,
    pub thread: JoinHandle<()>,
}

/// Prepares the group's member and the thread that serves it; it joins with [`Member::subscribe`].
pub fn join(kafka: &Kafka, health: Arc<Health>, stop: CancellationToken) -> Result<Membership> {
    let (sender, events) = mpsc::channel(EVENTS_LIMIT);
    let mut settings = consumer_settings(kafka);
    // Partitions are paused as soon as they are assigned; what comes before that is dropped.
    settings.set("auto.offset.reset", "latest").set("queued.min.messages", "1");
    let context = MemberContext { events: sender, health: Arc::clone(&health) };
    let consumer: BaseConsumer<MemberContext> =
        settings.create_with_context(context).map_err(failed("making the group's member"))?;
    let consumer = Arc::new(consumer);
    let member = Member { consumer: Arc::downgrade(&consumer) };
    let thread = tokio::task::spawn_blocking(move || {
        while !stop.is_cancelled() {
            if let Some(Err(error)) = consumer.poll(POLL) {
                warn(&health, &format!("the consumer group: {error}"));
            }
        }
    });
    Ok(Membership { member, events, thread })
}

impl Member {
    /// Joins the group for these topics, or changes what it joined for. No topics: leaves it.
    pub fn subscribe(&self, topics: &[&str]) -> Result<()> {
        let Some(consumer) = self.consumer.upgrade() else { return Ok(()) };
        if topics.is_empty() {
            consumer.unsubscribe();
            return Ok(());
        }
        consumer.subscribe(topics).map_err(failed("subscribing"))
    }

    /// Offsets to read next, by topic and partition. `is_last`: waits for Kafka's answer, in a thread that may.
    pub fn commit(&self, offsets: &[(String, i32, i64)], is_last: bool) {
        let Some(consumer) = self.consumer.upgrade() else { return };
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            if let Err(error) = list.add_partition_offset(topic, *partition, Offset::Offset(*offset)) {
                tracing::warn!(topic, partition, "an offset can't be committed: {error}");
            }
        }
        let mode = if is_last { CommitMode::Sync } else { CommitMode::Async };
        if let Err(error) = consumer.commit(&list, mode) {
            tracing::debug!("offsets were not committed: {error}");
        }
    }
}

/// Turns rebalances into events.
pub struct MemberContext {
    events: mpsc::Sender<Event>,
    health: Arc<Health>,
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note(&self.health, &error, reason);
    }
}

impl ConsumerContext for MemberContext {
    /// Holds the rebalance until the shards that go are checkpointed and closed.
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(list) => {
                let (done, is_done) = oneshot::channel();
                let event = Event::Revoked { partitions: partitions(list), done };
                // Nobody listens any more when the driver ends: its shards are closed by then.
                if self.events.blocking_send(event).is_ok() {
                    let _ = is_done.blocking_recv();
                }
            }
            Rebalance::Error(error) => warn(&self.health, &format!("a rebalance failed: {error}")),
            Rebalance::Assign(_) => {}
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            if let Err(error) = consumer.pause(list) {
                tracing::warn!("partitions of the group's member could not be paused: {error}");
            }
            let _ = self.events.blocking_send(Event::Assigned(partitions(list)));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!("offsets were not committed: {error}");
        }
    }
}

/// Says an error that comes up to twenty times a second while no broker is there; [`Health`] goes on saying why.
fn warn(health: &Health, error: &str) {
    if let Some(passed_over) = health.is_news(error) {
        tracing::warn!(passed_over, "{error}");
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<(String, i32)> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}
