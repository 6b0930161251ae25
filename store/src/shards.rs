//! Where each shard stands: its last publication.

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{integer, maybe_event_time, micros, signed, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One shard of a model, as of its newest publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardRow {
    pub model: String,
    pub shard: i32,
    /// How many shards the model has.
    pub shards: i32,
    /// Fences a former owner of the shard.
    pub epoch: u64,
    /// Counts the publications of an epoch.
    pub sequence: u64,
    pub prediction_watermark: Option<EventTime>,
    pub label_watermark: Option<EventTime>,
    /// An idle stream doesn't hold windows back.
    pub predictions_idle: bool,
    pub labels_idle: bool,
    /// JSON object: next offset by topic and partition.
    pub offsets: String,
    /// JSON object: events by kind and outcome.
    pub counts: String,
    pub updated: WallTime,
}

impl FromRow<'_, SqliteRow> for ShardRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            shard: integer(row, "shard")?,
            shards: integer(row, "shards")?,
            epoch: integer(row, "epoch")?,
            sequence: integer(row, "sequence")?,
            prediction_watermark: maybe_event_time(row, "prediction_watermark")?,
            label_watermark: maybe_event_time(row, "label_watermark")?,
            predictions_idle: row.try_get("predictions_idle")?,
            labels_idle: row.try_get("labels_idle")?,
            offsets: row.try_get("offsets")?,
            counts: row.try_get("counts")?,
            updated: wall_time(row, "updated")?,
        })
    }
}

reads! {
    /// A model's shards that have published, by index.
    shards(model: &str) -> Vec<ShardRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<ShardRow>> {
    sqlx::query_as("SELECT * FROM shards WHERE model = $1 ORDER BY shard")
        .bind(model)
        .fetch_all(executor)
        .await
        .doing("read the shards")
}

impl Transaction {
    /// Records a shard's publication. False, and nothing changed, unless its (epoch, sequence) is newer than what stands:
    /// then the whole publication was applied before, or comes from a former owner.
    pub async fn upsert_shard(&mut self, row: &ShardRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO shards (model, shard, shards, epoch, sequence, prediction_watermark, label_watermark,
                                 predictions_idle, labels_idle, offsets, counts, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (model, shard) DO UPDATE SET
                 shards = excluded.shards, epoch = excluded.epoch, sequence = excluded.sequence,
                 prediction_watermark = excluded.prediction_watermark, label_watermark = excluded.label_watermark,
                 predictions_idle = excluded.predictions_idle, labels_idle = excluded.labels_idle,
                 offsets = excluded.offsets, counts = excluded.counts, updated = excluded.updated
             WHERE (excluded.epoch, excluded.sequence) > (shards.epoch, shards.sequence)",
        )
        .bind(&row.model)
        .bind(row.shard)
        .bind(row.shards)
        .bind(signed(row.epoch))
        .bind(signed(row.sequence))
        .bind(micros(row.prediction_watermark))
        .bind(micros(row.label_watermark))
        .bind(row.predictions_idle)
        .bind(row.labels_idle)
        .bind(&row.offsets)
        .bind(&row.counts)
        .bind(row.updated.micros())
        .execute(&mut *self.inner)
        .await
        .doing("record a shard's publication")?;
        Ok(done.rows_affected() > 0)
    }
}
