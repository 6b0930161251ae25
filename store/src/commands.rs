//! Commands: what people ask of the machinery, which answers when it comes to it.

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{maybe_wall_time, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// The most commands of one model that wait: an answer holds no more, and one more is refused.
pub const MAX_PENDING_COMMANDS: u32 = 100;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRow {
    /// The idempotency key.
    pub id: String,
    pub model: String,
    /// The retraining that it is about; empty for one that is about the model.
    pub retraining: String,
    /// `approve`, `cancel`, `promote` or `rollback`: all others are carried out when they are given.
    pub command: String,
    /// JSON object: what else was said; so far nothing (`{}`).
    pub body: String,
    /// The name of the token that was used.
    pub by: String,
    pub reason: String,
    pub created: WallTime,
    pub handled: Option<WallTime>,
    /// Empty until it is handled.
    pub outcome: String,
}

impl FromRow<'_, SqliteRow> for CommandRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            model: row.try_get("model")?,
            retraining: row.try_get("retraining")?,
            command: row.try_get("command")?,
            body: row.try_get("body")?,
            by: row.try_get("asked_by")?,
            reason: row.try_get("reason")?,
            created: wall_time(row, "created")?,
            handled: maybe_wall_time(row, "handled")?,
            outcome: row.try_get("outcome")?,
        })
    }
}

reads! {
    /// A model's commands that nothing has answered yet, oldest first.
    pending_commands(model: &str) -> Vec<CommandRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<CommandRow>> {
    sqlx::query_as("SELECT * FROM commands WHERE model = $1 AND handled IS NULL ORDER BY created, id LIMIT $2")
        .bind(model)
        .bind(i64::from(MAX_PENDING_COMMANDS))
        .fetch_all(executor)
        .await
        .doing("read commands")
}

impl Transaction {
    /// Records a command. False, and nothing changed, if one with its id is there or [`MAX_PENDING_COMMANDS`] of its model
    /// wait.
    pub async fn insert_command(&mut self, row: &CommandRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO commands (id, model, retraining, command, body, asked_by, reason, created, handled, outcome)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
             WHERE (SELECT COUNT(*) FROM commands WHERE model = $2 AND handled IS NULL) < $11
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.model)
        .bind(&row.retraining)
        .bind(&row.command)
        .bind(&row.body)
        .bind(&row.by)
        .bind(&row.reason)
        .bind(row.created.micros())
        .bind(row.handled.map(WallTime::micros))
        .bind(&row.outcome)
        .bind(i64::from(MAX_PENDING_COMMANDS))
        .execute(&mut *self.inner)
        .await
        .doing("record a command")?;
        Ok(done.rows_affected() > 0)
    }

    /// Records the answer to a command. False, and nothing changed, if it has one.
    pub async fn handle_command(&mut self, id: &str, outcome: &str, now: WallTime) -> Result<bool> {
        let done = sqlx::query("UPDATE commands SET handled = $2, outcome = $3 WHERE id = $1 AND handled IS NULL")
            .bind(id)
            .bind(now.micros())
            .bind(outcome)
            .execute(&mut *self.inner)
            .await
            .doing("record a command's outcome")?;
        Ok(done.rows_affected() > 0)
    }
}
