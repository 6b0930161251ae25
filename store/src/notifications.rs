//! The outbox: notifications are written in the transaction that changes an alert, and delivered afterwards (promise R3).

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{integer, limit, maybe_wall_time, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// A message for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationRow {
    /// The idempotency key: the same over all attempts.
    pub id: String,
    pub channel: String,
    pub model: String,
    pub alert_fingerprint: String,
    /// `firing` or `resolved`.
    pub kind: String,
    /// JSON: what is to be said.
    pub body: String,
    pub created: WallTime,
    pub attempts: u32,
    pub next_attempt: WallTime,
    /// `waiting`, `delivered` or `dead`.
    pub state: String,
    pub last_error: Option<String>,
    pub delivered: Option<WallTime>,
}

/// How many notifications of a channel are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationCount {
    pub channel: String,
    pub state: String,
    pub notifications: u64,
}

impl FromRow<'_, SqliteRow> for NotificationCount {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            channel: row.try_get("channel")?,
            state: row.try_get("state")?,
            notifications: integer(row, "notifications")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for NotificationRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            channel: row.try_get("channel")?,
            model: row.try_get("model")?,
            alert_fingerprint: row.try_get("alert_fingerprint")?,
            kind: row.try_get("kind")?,
            body: row.try_get("body")?,
            created: wall_time(row, "created")?,
            attempts: integer(row, "attempts")?,
            next_attempt: wall_time(row, "next_attempt")?,
            state: row.try_get("state")?,
            last_error: row.try_get("last_error")?,
            delivered: maybe_wall_time(row, "delivered")?,
        })
    }
}

reads! {
    /// Channels with a notification whose next attempt is due.
    due_channels(now: WallTime) -> Vec<String> = select_due_channels;

    /// Notifications of a channel whose next attempt is due, the longest waiting first.
    due_notifications(channel: &str, now: WallTime, limit: u32) -> Vec<NotificationRow> = select_due;

    /// When the oldest undelivered notification was created.
    oldest_waiting() -> Option<WallTime> = select_oldest;

    /// The newest notifications of a model, or of all, whatever their state.
    notifications(model: Option<&str>, limit: u32) -> Vec<NotificationRow> = select_newest;

    /// Notifications by channel and state.
    notification_counts() -> Vec<NotificationCount> = select_counts;
}

async fn select_due_channels(executor: impl SqliteExecutor<'_>, now: WallTime) -> Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT DISTINCT channel FROM notifications WHERE state = 'waiting' AND next_attempt <= $1
         ORDER BY channel LIMIT $2",
    )
    .bind(now.micros())
    .bind(limit(None))
    .fetch_all(executor)
    .await
    .doing("read the outbox")
}

async fn select_due(
    executor: impl SqliteExecutor<'_>,
    channel: &str,
    now: WallTime,
    rows: u32,
) -> Result<Vec<NotificationRow>> {
    sqlx::query_as(
        "SELECT * FROM notifications WHERE state = 'waiting' AND next_attempt <= $1 AND channel = $3
         ORDER BY next_attempt, created, id LIMIT $2",
    )
    .bind(now.micros())
    .bind(limit(Some(rows)))
    .bind(channel)
    .fetch_all(executor)
    .await
    .doing("read the outbox")
}

async fn select_oldest(executor: impl SqliteExecutor<'_>) -> Result<Option<WallTime>> {
    let oldest: Option<i64> = sqlx::query_scalar("SELECT MIN(created) FROM notifications WHERE state = 'waiting'")
        .fetch_one(executor)
        .await
        .doing("read the outbox")?;
    Ok(oldest.map(WallTime::from_micros))
}

async fn select_newest(
    executor: impl SqliteExecutor<'_>,
    model: Option<&str>,
    rows: u32,
) -> Result<Vec<NotificationRow>> {
    sqlx::query_as("SELECT * FROM notifications WHERE $1 IS NULL OR model = $1 ORDER BY created DESC, id LIMIT $2")
        .bind(model)
        .bind(limit(Some(rows)))
        .fetch_all(executor)
        .await
        .doing("read notifications")
}

async fn select_counts(executor: impl SqliteExecutor<'_>) -> Result<Vec<NotificationCount>> {
    sqlx::query_as(
        "SELECT channel, state, COUNT(*) AS notifications FROM notifications
         GROUP BY channel, state ORDER BY channel, state",
    )
    .fetch_all(executor)
    .await
    .doing("count notifications")
}

impl Transaction {
    /// Enqueues a notification. False, and nothing changed, if one with its id is there.
    pub async fn insert_notification(&mut self, row: &NotificationRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO notifications (id, channel, model, alert_fingerprint, kind, body, created, attempts,
                                        next_attempt, state, last_error, delivered)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.channel)
        .bind(&row.model)
        .bind(&row.alert_fingerprint)
        .bind(&row.kind)
        .bind(&row.body)
        .bind(row.created.micros())
        .bind(i64::from(row.attempts))
        .bind(row.next_attempt.micros())
        .bind(&row.state)
        .bind(&row.last_error)
        .bind(row.delivered.map(WallTime::micros))
        .execute(&mut *self.inner)
        .await
        .doing("enqueue a notification")?;
        Ok(done.rows_affected() > 0)
    }

    /// The receiver has it.
    pub async fn mark_delivered(&mut self, id: &str, at: WallTime) -> Result<()> {
        sqlx::query(
            "UPDATE notifications SET state = 'delivered', attempts = attempts + 1, delivered = $2, last_error = NULL
             WHERE id = $1 AND state = 'waiting'",
        )
        .bind(id)
        .bind(at.micros())
        .execute(&mut *self.inner)
        .await
        .doing("mark a notification as delivered")?;
        Ok(())
    }

    /// An attempt failed; the next comes at `next_attempt`.
    pub async fn mark_retry(&mut self, id: &str, next_attempt: WallTime, error: &str) -> Result<()> {
        sqlx::query(
            "UPDATE notifications SET attempts = attempts + 1, next_attempt = $2, last_error = $3
             WHERE id = $1 AND state = 'waiting'",
        )
        .bind(id)
        .bind(next_attempt.micros())
        .bind(error)
        .execute(&mut *self.inner)
        .await
        .doing("mark a notification for another attempt")?;
        Ok(())
    }

    /// The last attempt failed; a person has to look.
    pub async fn mark_dead(&mut self, id: &str, error: &str) -> Result<()> {
        sqlx::query(
            "UPDATE notifications SET state = 'dead', attempts = attempts + 1, last_error = $2
             WHERE id = $1 AND state = 'waiting'",
        )
        .bind(id)
        .bind(error)
        .execute(&mut *self.inner)
        .await
        .doing("mark a notification as undeliverable")?;
        Ok(())
    }
}
