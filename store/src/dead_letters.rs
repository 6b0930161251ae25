//! Events that could not be used: the newest in full, all of them in the counts.

use std::collections::BTreeSet;

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{integer, limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// Dead letters that are kept a model, the newest; the dead-letter topic has them all.
pub const DEAD_LETTERS_KEPT: u32 = 10_000;
/// Of each payload, the first bytes that are kept.
pub const PAYLOAD_BYTES_KEPT: usize = 4 * 1024;

/// An event that could not be used, keyed by its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRow {
    pub model: String,
    /// `prediction` or `label`.
    pub kind: String,
    pub topic: String,
    pub partition: i32,
    pub record_offset: i64,
    /// A name from a short list.
    pub reason: String,
    /// One sentence for a person.
    pub detail: String,
    /// The original bytes; longer ones are cut to [`PAYLOAD_BYTES_KEPT`].
    pub payload: Vec<u8>,
    pub seen: WallTime,
}

/// How many dead letters of a kind and reason there have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterCount {
    pub kind: String,
    pub reason: String,
    pub letters: u64,
}

impl FromRow<'_, SqliteRow> for DeadLetterRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            kind: row.try_get("kind")?,
            topic: row.try_get("topic")?,
            partition: integer(row, "partition")?,
            record_offset: row.try_get("record_offset")?,
            reason: row.try_get("reason")?,
            detail: row.try_get("detail")?,
            payload: row.try_get("payload")?,
            seen: wall_time(row, "seen")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for DeadLetterCount {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self { kind: row.try_get("kind")?, reason: row.try_get("reason")?, letters: integer(row, "letters")? })
    }
}

reads! {
    /// A model's newest dead letters.
    dead_letters(model: &str, limit: u32) -> Vec<DeadLetterRow> = select;

    /// A model's dead letters by kind and reason, most frequent first; those no longer kept count too.
    dead_letter_counts(model: &str) -> Vec<DeadLetterCount> = select_counts;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, rows: u32) -> Result<Vec<DeadLetterRow>> {
    sqlx::query_as(
        "SELECT * FROM dead_letters WHERE model = $1
         ORDER BY seen DESC, record_offset DESC, topic, partition LIMIT $2",
    )
    .bind(model)
    .bind(limit(Some(rows)))
    .fetch_all(executor)
    .await
    .doing("read dead letters")
}

async fn select_counts(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<DeadLetterCount>> {
    sqlx::query_as(
        "SELECT kind, reason, letters FROM dead_letter_counts WHERE model = $1 ORDER BY letters DESC, kind, reason",
    )
    .bind(model)
    .fetch_all(executor)
    .await
    .doing("count dead letters")
}

impl Transaction {
    /// Keeps dead letters; one whose position is there is the same event again and is left out. Says how many were new.
    ///
    /// Beyond [`DEAD_LETTERS_KEPT`] a model, the oldest go; their counts stay.
    pub async fn insert_dead_letters(&mut self, rows: &[DeadLetterRow]) -> Result<u64> {
        let mut new = 0;
        for row in rows {
            if self.insert_dead_letter(row).await? {
                self.count_dead_letter(row).await?;
                new += 1;
            }
        }
        for model in rows.iter().map(|row| row.model.as_str()).collect::<BTreeSet<_>>() {
            self.delete_oldest_dead_letters(model).await?;
        }
        Ok(new)
    }

    async fn insert_dead_letter(&mut self, row: &DeadLetterRow) -> Result<bool> {
        let payload = row.payload.get(..PAYLOAD_BYTES_KEPT).unwrap_or(&row.payload);
        let done = sqlx::query(
            "INSERT INTO dead_letters (model, topic, partition, record_offset, kind, reason, detail, payload, seen)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (model, topic, partition, record_offset) DO NOTHING",
        )
        .bind(&row.model)
        .bind(&row.topic)
        .bind(row.partition)
        .bind(row.record_offset)
        .bind(&row.kind)
        .bind(&row.reason)
        .bind(&row.detail)
        .bind(payload)
        .bind(row.seen.micros())
        .execute(&mut *self.inner)
        .await
        .doing("keep a dead letter")?;
        Ok(done.rows_affected() > 0)
    }

    async fn count_dead_letter(&mut self, row: &DeadLetterRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO dead_letter_counts (model, kind, reason, letters) VALUES ($1, $2, $3, 1)
             ON CONFLICT (model, kind, reason) DO UPDATE SET letters = dead_letter_counts.letters + 1",
        )
        .bind(&row.model)
        .bind(&row.kind)
        .bind(&row.reason)
        .execute(&mut *self.inner)
        .await
        .doing("count a dead letter")?;
        Ok(())
    }

    async fn delete_oldest_dead_letters(&mut self, model: &str) -> Result<()> {
        sqlx::query(
            "DELETE FROM dead_letters WHERE model = $1 AND (topic, partition, record_offset) IN (
                 SELECT topic, partition, record_offset FROM dead_letters WHERE model = $1
                 ORDER BY seen DESC, record_offset DESC, topic, partition LIMIT 1000000000 OFFSET $2)",
        )
        .bind(model)
        .bind(i64::from(DEAD_LETTERS_KEPT))
        .execute(&mut *self.inner)
        .await
        .doing("delete the oldest dead letters")?;
        Ok(())
    }
}
