//! Retrainings that were asked for, and those that were refused.

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{event_time, limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One retraining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrainingRow {
    pub id: String,
    pub model: String,
    /// `requested` or `vetoed`.
    pub state: String,
    /// One sentence for a person.
    pub reason: String,
    /// The rule that asked for it.
    pub rule: String,
    pub event_time: EventTime,
    pub created: WallTime,
    /// JSON object.
    pub annotations: String,
}

impl FromRow<'_, SqliteRow> for RetrainingRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            model: row.try_get("model")?,
            state: row.try_get("state")?,
            reason: row.try_get("reason")?,
            rule: row.try_get("rule")?,
            event_time: event_time(row, "event_time")?,
            created: wall_time(row, "created")?,
            annotations: row.try_get("annotations")?,
        })
    }
}

reads! {
    /// A model's retrainings, newest first.
    retrainings(model: &str, limit: u32) -> Vec<RetrainingRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, rows: u32) -> Result<Vec<RetrainingRow>> {
    sqlx::query_as("SELECT * FROM retrainings WHERE model = $1 ORDER BY event_time DESC, created DESC, id LIMIT $2")
        .bind(model)
        .bind(limit(Some(rows)))
        .fetch_all(executor)
        .await
        .doing("read retrainings")
}

impl Transaction {
    /// Records a retraining. False, and nothing changed, if one with its id is there.
    pub async fn insert_retraining(&mut self, row: &RetrainingRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO retrainings (id, model, state, reason, rule, event_time, created, annotations)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.model)
        .bind(&row.state)
        .bind(&row.reason)
        .bind(&row.rule)
        .bind(row.event_time.micros())
        .bind(row.created.micros())
        .bind(&row.annotations)
        .execute(&mut *self.inner)
        .await
        .doing("record a retraining")?;
        Ok(done.rows_affected() > 0)
    }
}
