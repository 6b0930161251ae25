//! Deployments: what got how much of the traffic, and when. The timeline's marks.

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{event_time, integer, limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One change of what serves a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    pub id: String,
    pub model: String,
    pub event_time: EventTime,
    pub at: WallTime,
    /// `registered`, `step`, `promoted`, or how a rollout ended otherwise: `rolled_back`, `cancelled`, `failed`.
    pub kind: String,
    pub version: String,
    /// Per cent of the traffic that the version has from then on.
    pub weight: u32,
    /// Empty for one that no retraining caused.
    pub retraining: String,
    /// One sentence for a person.
    pub words: String,
}

impl FromRow<'_, SqliteRow> for DeploymentRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            model: row.try_get("model")?,
            event_time: event_time(row, "event_time")?,
            at: wall_time(row, "recorded")?,
            kind: row.try_get("kind")?,
            version: row.try_get("version")?,
            weight: integer(row, "weight")?,
            retraining: row.try_get("retraining")?,
            words: row.try_get("words")?,
        })
    }
}

reads! {
    /// A model's deployments, newest first.
    deployments(model: &str, limit: u32) -> Vec<DeploymentRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, rows: u32) -> Result<Vec<DeploymentRow>> {
    sqlx::query_as(
        "SELECT * FROM deployments WHERE model = $1 ORDER BY event_time DESC, recorded DESC, id DESC LIMIT $2",
    )
    .bind(model)
    .bind(limit(Some(rows)))
    .fetch_all(executor)
    .await
    .doing("read a model's deployments")
}

impl Transaction {
    /// Records a deployment. False, and nothing changed, if one with its id is there.
    pub async fn insert_deployment(&mut self, row: &DeploymentRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO deployments (id, model, event_time, recorded, kind, version, weight, retraining, words)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(&row.model)
        .bind(row.event_time.micros())
        .bind(row.at.micros())
        .bind(&row.kind)
        .bind(&row.version)
        .bind(i64::from(row.weight))
        .bind(&row.retraining)
        .bind(&row.words)
        .execute(&mut *self.inner)
        .await
        .doing("record a deployment")?;
        Ok(done.rows_affected() > 0)
    }
}
