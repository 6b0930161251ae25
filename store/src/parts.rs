//! Parts: each shard's share of a window, waiting for the merge.

use contract::{EventTime, Window};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{integer, limit, signed, window};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// A shard's share of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    pub model: String,
    pub shard: i32,
    pub window: Window,
    pub revision: u32,
    /// How far the shard is with the window: `closed`, `matured`, `revised`, `final`.
    pub phase: String,
    /// The profiles by version and segment, in the writer's own format.
    pub cells: Vec<u8>,
    pub epoch: u64,
    pub sequence: u64,
}

impl FromRow<'_, SqliteRow> for PartRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            shard: integer(row, "shard")?,
            window: window(row)?,
            revision: integer(row, "revision")?,
            phase: row.try_get("phase")?,
            cells: row.try_get("cells")?,
            epoch: integer(row, "epoch")?,
            sequence: integer(row, "sequence")?,
        })
    }
}

/// Only a window's bounds.
struct Bounds(Window);

impl FromRow<'_, SqliteRow> for Bounds {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        window(row).map(Self)
    }
}

reads! {
    /// A window's parts, by shard.
    parts(model: &str, window: Window) -> Vec<PartRow> = select;

    /// The windows with parts that changed since [`Transaction::clear_dirty`], oldest first.
    dirty_windows(model: &str) -> Vec<Window> = select_dirty;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, window: Window) -> Result<Vec<PartRow>> {
    sqlx::query_as("SELECT * FROM parts WHERE model = $1 AND window_start = $2 ORDER BY shard")
        .bind(model)
        .bind(window.start.micros())
        .fetch_all(executor)
        .await
        .doing("read a window's parts")
}

async fn select_dirty(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<Window>> {
    let rows: Vec<Bounds> = sqlx::query_as(
        "SELECT DISTINCT window_start, window_end FROM parts WHERE model = $1 AND dirty ORDER BY window_start LIMIT $2",
    )
    .bind(model)
    .bind(limit(None))
    .fetch_all(executor)
    .await
    .doing("read the changed windows")?;
    Ok(rows.into_iter().map(|bounds| bounds.0).collect())
}

impl Transaction {
    /// Keeps a part and marks its window as changed. False, and nothing changed, unless its (epoch, sequence, revision)
    /// is newer than what stands; one publication may hold several revisions of a window.
    pub async fn upsert_part(&mut self, row: &PartRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO parts (model, shard, window_start, window_end, revision, phase, cells, epoch, sequence, dirty)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, TRUE)
             ON CONFLICT (model, shard, window_start) DO UPDATE SET
                 window_end = excluded.window_end, revision = excluded.revision, phase = excluded.phase,
                 cells = excluded.cells, epoch = excluded.epoch, sequence = excluded.sequence, dirty = TRUE
             WHERE (excluded.epoch, excluded.sequence, excluded.revision)
                 > (parts.epoch, parts.sequence, parts.revision)",
        )
        .bind(&row.model)
        .bind(row.shard)
        .bind(row.window.start.micros())
        .bind(row.window.end.micros())
        .bind(i64::from(row.revision))
        .bind(&row.phase)
        .bind(&row.cells)
        .bind(signed(row.epoch))
        .bind(signed(row.sequence))
        .execute(&mut *self.inner)
        .await
        .doing("keep a part of a window")?;
        Ok(done.rows_affected() > 0)
    }

    /// Says that the window's parts, as they stand, have been merged and judged.
    pub async fn clear_dirty(&mut self, model: &str, window: Window) -> Result<()> {
        sqlx::query("UPDATE parts SET dirty = FALSE WHERE model = $1 AND window_start = $2")
            .bind(model)
            .bind(window.start.micros())
            .execute(&mut *self.inner)
            .await
            .doing("mark a window as judged")?;
        Ok(())
    }

    /// Forgets the parts of windows that ended before a time and have been judged; says how many there were.
    pub async fn delete_parts(&mut self, model: &str, ended_before: EventTime) -> Result<u64> {
        let done = sqlx::query("DELETE FROM parts WHERE model = $1 AND window_end < $2 AND NOT dirty")
            .bind(model)
            .bind(ended_before.micros())
            .execute(&mut *self.inner)
            .await
            .doing("delete merged parts")?;
        Ok(done.rows_affected())
    }
}
