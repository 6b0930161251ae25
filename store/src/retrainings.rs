//! Retrainings: those under way, those that ended, and those that were refused.

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{event_time, limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One retraining. At most one of a model is active: the database refuses a second (promise T5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrainingRow {
    pub id: String,
    pub model: String,
    /// `retraining`, `deployment` or `return`.
    pub kind: String,
    /// Snake case: `requested`, `training`, `promoted`.
    pub state: String,
    /// One sentence for a person.
    pub reason: String,
    /// The rule that asked for it; empty if a person did.
    pub rule: String,
    pub event_time: EventTime,
    pub created: WallTime,
    pub updated: WallTime,
    /// The candidate; empty until there is one.
    pub version: String,
    /// It hasn't ended.
    pub is_active: bool,
    /// JSON object: what its machinery has to remember.
    pub document: String,
}

/// What became of a retraining that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    New,
    /// One with its id is there; nothing changed.
    Known,
    /// Another one of its model is active; nothing changed.
    OtherActive,
}

impl FromRow<'_, SqliteRow> for RetrainingRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            model: row.try_get("model")?,
            kind: row.try_get("kind")?,
            state: row.try_get("state")?,
            reason: row.try_get("reason")?,
            rule: row.try_get("rule")?,
            event_time: event_time(row, "event_time")?,
            created: wall_time(row, "created")?,
            updated: wall_time(row, "updated")?,
            version: row.try_get("version")?,
            is_active: row.try_get("active")?,
            document: row.try_get("document")?,
        })
    }
}

reads! {
    /// A model's retrainings, newest first.
    retrainings(model: &str, limit: u32) -> Vec<RetrainingRow> = select;

    /// A model's retrainings that were let through and, if they were cancelled or gave way, had data pinned by then; newest
    /// first, without their documents, and what else is active: what the policy looks at.
    requested_retrainings(model: &str, limit: u32) -> Vec<RetrainingRow> = select_requested;

    /// The retraining with the id.
    retraining(id: &str) -> Option<RetrainingRow> = select_one;

    /// The newest rollback of a version, if its last rollout ended so.
    rollback_of(model: &str, version: &str) -> Option<RetrainingRow> = select_rollback;

    /// The model's retraining that hasn't ended.
    active_retraining(model: &str) -> Option<RetrainingRow> = select_active;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, rows: u32) -> Result<Vec<RetrainingRow>> {
    sqlx::query_as("SELECT * FROM retrainings WHERE model = $1 ORDER BY event_time DESC, created DESC, id LIMIT $2")
        .bind(model)
        .bind(limit(Some(rows)))
        .fetch_all(executor)
        .await
        .doing("read retrainings")
}

async fn select_requested(executor: impl SqliteExecutor<'_>, model: &str, rows: u32) -> Result<Vec<RetrainingRow>> {
    sqlx::query_as(
        "SELECT id, model, kind, state, reason, rule, event_time, created, updated, version, active, '{}' AS document
         FROM retrainings WHERE model = $1 AND state <> 'vetoed' AND (kind = 'retraining' OR active)
             AND (state NOT IN ('cancelled', 'superseded')
                  OR EXISTS (SELECT 1 FROM effects WHERE retraining = retrainings.id AND effect = 'pin'))
         ORDER BY event_time DESC, created DESC, id LIMIT $2",
    )
    .bind(model)
    .bind(limit(Some(rows)))
    .fetch_all(executor)
    .await
    .doing("read requested retrainings")
}

async fn select_one(executor: impl SqliteExecutor<'_>, id: &str) -> Result<Option<RetrainingRow>> {
    sqlx::query_as("SELECT * FROM retrainings WHERE id = $1")
        .bind(id)
        .fetch_optional(executor)
        .await
        .doing("read a retraining")
}

async fn select_rollback(
    executor: impl SqliteExecutor<'_>,
    model: &str,
    version: &str,
) -> Result<Option<RetrainingRow>> {
    let newest: Option<RetrainingRow> = sqlx::query_as(
        "SELECT * FROM retrainings WHERE model = $1 AND version = $2 AND state IN ('promoted', 'rolled_back')
         ORDER BY updated DESC, id LIMIT 1",
    )
    .bind(model)
    .bind(version)
    .fetch_optional(executor)
    .await
    .doing("read a version's last rollout")?;
    Ok(newest.filter(|row| row.state == "rolled_back"))
}

async fn select_active(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Option<RetrainingRow>> {
    sqlx::query_as("SELECT * FROM retrainings WHERE model = $1 AND active")
        .bind(model)
        .fetch_optional(executor)
        .await
        .doing("read a model's active retraining")
}

impl Transaction {
    /// Records a retraining, unless one with its id is there or, if it is active, another active one of its model.
    pub async fn insert_retraining(&mut self, row: &RetrainingRow) -> Result<Inserted> {
        // No conflict target: both the key and the index of active ones leave the transaction alive.
        let done = sqlx::query(
            "INSERT INTO retrainings (id, model, state, reason, rule, event_time, created, updated, version, active,
                                      document, kind)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.model)
        .bind(&row.state)
        .bind(&row.reason)
        .bind(&row.rule)
        .bind(row.event_time.micros())
        .bind(row.created.micros())
        .bind(row.updated.micros())
        .bind(&row.version)
        .bind(row.is_active)
        .bind(&row.document)
        .bind(&row.kind)
        .execute(&mut *self.inner)
        .await
        .doing("record a retraining")?;
        if done.rows_affected() > 0 {
            return Ok(Inserted::New);
        }
        let known = self.retraining(&row.id).await?;
        Ok(if known.is_some() { Inserted::Known } else { Inserted::OtherActive })
    }

    /// Keeps a recorded retraining as it now is: its state, reason, candidate, document, and whether it is active. What
    /// it began with (its model, rule and times) stays.
    ///
    /// An error, and nothing changed, if no such retraining is there, or if it would be the model's second active one.
    pub async fn update_retraining(&mut self, row: &RetrainingRow) -> Result<()> {
        let done = sqlx::query(
            "UPDATE retrainings SET state = $2, reason = $3, updated = $4, version = $5, active = $6, document = $7
             WHERE id = $1",
        )
        .bind(&row.id)
        .bind(&row.state)
        .bind(&row.reason)
        .bind(row.updated.micros())
        .bind(&row.version)
        .bind(row.is_active)
        .bind(&row.document)
        .execute(&mut *self.inner)
        .await
        .doing("keep a retraining")?;
        if done.rows_affected() == 0 {
            return Err(sqlx::Error::RowNotFound).doing("find the retraining to keep");
        }
        Ok(())
    }
}
