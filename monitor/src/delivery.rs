//! Emptying the notification outbox: every notification is delivered at least once, or listed as dead (promise R3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::WallTime;
use rules::channels::{Channel, DeliveryError};
use rules::{Notification, schedule};
use store::{NotificationRow, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How often the outbox is looked at when nobody rings.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Notifications of a channel that are taken in one look.
const BATCH: u32 = 100;

/// Delivers what is due until told to stop.
pub struct Delivery {
    pub store: Store,
    pub channels: BTreeMap<String, Arc<dyn Channel>>,
    pub metrics: Arc<Metrics>,
    pub outbox: Arc<Notify>,
}

impl Delivery {
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        loop {
            match self.look(WallTime::now(), &stop).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "the outbox could not be read; trying again");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.outbox.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// One look: what is due at `now` is tried once. Channels are served side by side, so that one that doesn't answer
    /// holds up no other.
    pub async fn deliver_due(&self, now: WallTime) -> Result<()> {
        self.look(now, &CancellationToken::new()).await
    }

    async fn look(&self, now: WallTime, stop: &CancellationToken) -> Result<()> {
        let mut lanes: JoinSet<Result<()>> = JoinSet::new();
        for name in self.store.due_channels(now).await? {
            let lane = Lane {
                store: self.store.clone(),
                channel: self.channels.get(&name).cloned(),
                metrics: Arc::clone(&self.metrics),
                stop: stop.clone(),
                name,
            };
            lanes.spawn(async move { lane.deliver_due(now).await });
        }
        let mut first_error = None;
        while let Some(done) = lanes.join_next().await {
            let outcome = done.unwrap_or_else(|error| Err(Error::Delivery { detail: error.to_string() }));
            first_error = first_error.or(outcome.err());
        }
        self.metrics.outbox_oldest(self.store.oldest_waiting().await?);
        first_error.map_or(Ok(()), Err)
    }
}

/// One channel's part of the outbox.
struct Lane {
    store: Store,
    name: String,
    /// None: it is no longer configured.
    channel: Option<Arc<dyn Channel>>,
    metrics: Arc<Metrics>,
    /// Looked at between two attempts: an attempt under way is brought to its end and put on record.
    stop: CancellationToken,
}

impl Lane {
    /// Stops at the first failure that may pass: the others of this channel would wait for the same time-out, and stay due.
    async fn deliver_due(&self, now: WallTime) -> Result<()> {
        for row in self.store.due_notifications(&self.name, now, BATCH).await? {
            if self.stop.is_cancelled() {
                break;
            }
            let attempt = self.attempt(&row).await;
            let may_pass = matches!(&attempt, Err(failure) if failure.is_retryable);
            self.record(&row, attempt).await?;
            if may_pass {
                break;
            }
        }
        Ok(())
    }

    async fn attempt(&self, row: &NotificationRow) -> std::result::Result<(), DeliveryError> {
        let Some(channel) = &self.channel else {
            return Err(DeliveryError::permanent(format!("channel `{}` is no longer configured", row.channel)));
        };
        let notification: Notification = serde_json::from_str(&row.body)
            .map_err(|error| DeliveryError::permanent(format!("the stored notification can't be read: {error}")))?;
        channel.deliver(&notification, WallTime::now()).await
    }

    /// Puts the outcome of an attempt on record.
    async fn record(&self, row: &NotificationRow, attempt: std::result::Result<(), DeliveryError>) -> Result<()> {
        let now = WallTime::now();
        let channel = self.name.as_str();
        let mut transaction = self.store.begin().await?;
        let outcome = match attempt {
            Ok(()) => {
                transaction.mark_delivered(&row.id, now).await?;
                "delivered"
            }
            Err(failure) => {
                if let Some(wait) = wait(row, &failure) {
                    tracing::warn!(channel, error = failure.message, "a notification will be tried again");
                    transaction.mark_retry(&row.id, now + wait, &failure.message).await?;
                    "retried"
                } else {
                    tracing::error!(channel, error = failure.message, "a notification is given up");
                    transaction.mark_dead(&row.id, &failure.message).await?;
                    "failed"
                }
            }
        };
        transaction.commit().await?;
        self.metrics.notification(channel, outcome);
        Ok(())
    }
}

/// How long to wait for the next attempt; None when there is none. A receiver may ask for more time than the schedule has.
fn wait(row: &NotificationRow, failure: &DeliveryError) -> Option<Duration> {
    if !failure.is_retryable {
        return None;
    }
    let scheduled = schedule::next(row.attempts + 1, jitter(&row.id, row.attempts))?;
    Some(failure.retry_after.map_or(scheduled, |asked| asked.max(scheduled)))
}

/// A number in [0, 1) that differs between notifications and attempts, so that retries don't come in step.
fn jitter(id: &str, attempts: u32) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in id.bytes().chain(attempts.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
