//! What retrainings did to the world: recorded before it is done, and again with its outcome (promise T1).

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{integer, maybe_wall_time, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// The most effects of one retraining that are kept, and that an answer holds.
pub const MAX_EFFECTS: u32 = 1_000;

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectRow {
    pub retraining: String,
    /// Within the retraining, from 1.
    pub sequence: u32,
    /// What is done: `train`, `set_traffic`.
    pub effect: String,
    /// JSON object: with what.
    pub detail: String,
    pub begun: WallTime,
    pub ended: Option<WallTime>,
    /// Empty while it runs; an effect without one when the program starts may or may not have happened.
    pub outcome: String,
}

impl FromRow<'_, SqliteRow> for EffectRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            retraining: row.try_get("retraining")?,
            sequence: integer(row, "sequence")?,
            effect: row.try_get("effect")?,
            detail: row.try_get("detail")?,
            begun: wall_time(row, "begun")?,
            ended: maybe_wall_time(row, "ended")?,
            outcome: row.try_get("outcome")?,
        })
    }
}

reads! {
    /// A retraining's effects in the order in which they began: the newest [`MAX_EFFECTS`].
    effects(retraining: &str) -> Vec<EffectRow> = select;

    /// A retraining's effects that haven't ended: one at most, while one program acts.
    open_effects(retraining: &str) -> Vec<EffectRow> = select_open;
}

async fn select(executor: impl SqliteExecutor<'_>, retraining: &str) -> Result<Vec<EffectRow>> {
    let mut rows: Vec<EffectRow> =
        sqlx::query_as("SELECT * FROM effects WHERE retraining = $1 ORDER BY sequence DESC LIMIT $2")
            .bind(retraining)
            .bind(i64::from(MAX_EFFECTS))
            .fetch_all(executor)
            .await
            .doing("read a retraining's effects")?;
    rows.reverse();
    Ok(rows)
}

async fn select_open(executor: impl SqliteExecutor<'_>, retraining: &str) -> Result<Vec<EffectRow>> {
    sqlx::query_as("SELECT * FROM effects WHERE retraining = $1 AND ended IS NULL ORDER BY sequence LIMIT $2")
        .bind(retraining)
        .bind(i64::from(MAX_EFFECTS))
        .fetch_all(executor)
        .await
        .doing("read a retraining's open effects")
}

impl Transaction {
    /// Records that an effect begins; the answer is its number. The newest [`MAX_EFFECTS`] of a retraining are kept,
    /// and that its data were pinned.
    pub async fn begin_effect(&mut self, retraining: &str, effect: &str, detail: &str, now: WallTime) -> Result<u32> {
        let row = sqlx::query(
            "INSERT INTO effects (retraining, sequence, effect, detail, begun, ended, outcome)
             SELECT $1, COALESCE(MAX(sequence), 0) + 1, $2, $3, $4, NULL, '' FROM effects WHERE retraining = $1
             RETURNING sequence",
        )
        .bind(retraining)
        .bind(effect)
        .bind(detail)
        .bind(now.micros())
        .fetch_one(&mut *self.inner)
        .await
        .doing("record an effect")?;
        let sequence: u32 = integer(&row, "sequence").doing("record an effect")?;
        sqlx::query("DELETE FROM effects WHERE retraining = $1 AND sequence <= $2 AND effect <> 'pin'")
            .bind(retraining)
            .bind(i64::from(sequence) - i64::from(MAX_EFFECTS))
            .execute(&mut *self.inner)
            .await
            .doing("forget old effects")?;
        Ok(sequence)
    }

    /// Records what came of an effect. False, and nothing changed, if none with the number is under way.
    pub async fn end_effect(&mut self, retraining: &str, sequence: u32, outcome: &str, now: WallTime) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE effects SET ended = $3, outcome = $4 WHERE retraining = $1 AND sequence = $2 AND ended IS NULL",
        )
        .bind(retraining)
        .bind(i64::from(sequence))
        .bind(now.micros())
        .bind(outcome)
        .execute(&mut *self.inner)
        .await
        .doing("record an effect's outcome")?;
        Ok(done.rows_affected() > 0)
    }
}
