//! The manifest of history files: which Parquet file holds which events.

use contract::EventTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, QueryBuilder, Row};

use crate::column::{event_time, integer, limit};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One file of accepted events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFileRow {
    pub model: String,
    pub shard: i32,
    /// `prediction` or `label`.
    pub kind: String,
    pub path: String,
    pub rows: i64,
    pub min_time: EventTime,
    pub max_time: EventTime,
    /// Hexadecimal.
    pub sha256: String,
    pub first_offset: i64,
    pub last_offset: i64,
}

impl FromRow<'_, SqliteRow> for HistoryFileRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            shard: integer(row, "shard")?,
            kind: row.try_get("kind")?,
            path: row.try_get("path")?,
            rows: row.try_get("row_count")?,
            min_time: event_time(row, "min_time")?,
            max_time: event_time(row, "max_time")?,
            sha256: row.try_get("sha256")?,
            first_offset: row.try_get("first_offset")?,
            last_offset: row.try_get("last_offset")?,
        })
    }
}

/// What is listed of one shard's events of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryReach {
    pub shard: i32,
    /// `prediction` or `label`.
    pub kind: String,
    /// In all of its files.
    pub rows: i64,
    pub max_time: EventTime,
}

impl FromRow<'_, SqliteRow> for HistoryReach {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            shard: integer(row, "shard")?,
            kind: row.try_get("kind")?,
            rows: row.try_get("row_count")?,
            max_time: event_time(row, "max_time")?,
        })
    }
}

reads! {
    /// How far a model's history goes, by shard and kind; none: nothing is listed.
    history_reach(model: &str) -> Vec<HistoryReach> = select_reach;

    /// A model's history files, oldest events first.
    history_files(model: &str) -> Vec<HistoryFileRow> = select;

    /// A model's files of one kind that may have events at `from` or later and before `to`, by (earliest event, path): a
    /// page of at most [`crate::MAX_ROWS`]. The next one comes after the last row's (`min_time`, `path`).
    history_files_between(
        model: &str, kind: &str, from: EventTime, to: EventTime, after: Option<(EventTime, String)>
    ) -> Vec<HistoryFileRow> = select_between;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<HistoryFileRow>> {
    sqlx::query_as("SELECT * FROM history_files WHERE model = $1 ORDER BY min_time, path LIMIT $2")
        .bind(model)
        .bind(limit(None))
        .fetch_all(executor)
        .await
        .doing("read the history's manifest")
}

async fn select_reach(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<HistoryReach>> {
    sqlx::query_as(
        "SELECT shard, kind, SUM(row_count) AS row_count, MAX(max_time) AS max_time FROM history_files
         WHERE model = $1 GROUP BY shard, kind ORDER BY shard, kind",
    )
    .bind(model)
    .fetch_all(executor)
    .await
    .doing("read how far the history goes")
}

async fn select_between(
    executor: impl SqliteExecutor<'_>,
    model: &str,
    kind: &str,
    from: EventTime,
    to: EventTime,
    after: Option<(EventTime, String)>,
) -> Result<Vec<HistoryFileRow>> {
    let mut query = QueryBuilder::new("SELECT * FROM history_files WHERE model = ");
    query.push_bind(model).push(" AND kind = ").push_bind(kind);
    query.push(" AND max_time >= ").push_bind(from.micros()).push(" AND min_time < ").push_bind(to.micros());
    if let Some((time, path)) = after {
        query.push(" AND (min_time, path) > (").push_bind(time.micros()).push(", ").push_bind(path).push(")");
    }
    query.push(" ORDER BY min_time, path LIMIT ").push_bind(limit(None));
    query.build_query_as().fetch_all(executor).await.doing("read the history's manifest")
}

impl Transaction {
    /// Keeps a file's entry; a file that is written again (after a crash, the same rows) replaces its entry.
    pub async fn upsert_history_file(&mut self, row: &HistoryFileRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO history_files (path, model, shard, kind, row_count, min_time, max_time, sha256, first_offset,
                                        last_offset)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (path) DO UPDATE SET
                 model = excluded.model, shard = excluded.shard, kind = excluded.kind, row_count = excluded.row_count,
                 min_time = excluded.min_time, max_time = excluded.max_time, sha256 = excluded.sha256,
                 first_offset = excluded.first_offset, last_offset = excluded.last_offset",
        )
        .bind(&row.path)
        .bind(&row.model)
        .bind(row.shard)
        .bind(&row.kind)
        .bind(row.rows)
        .bind(row.min_time.micros())
        .bind(row.max_time.micros())
        .bind(&row.sha256)
        .bind(row.first_offset)
        .bind(row.last_offset)
        .execute(&mut *self.inner)
        .await
        .doing("keep an entry of the history's manifest")?;
        Ok(())
    }
}
