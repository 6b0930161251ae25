//! Judged windows: one row a model, version, segment and window.

use contract::{EventTime, WallTime, Window};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, QueryBuilder, Row, Sqlite};

use crate::column::{integer, limit, wall_time, window};
use crate::error::{Doing, Result};
use crate::figures::Figures;
use crate::store::{Transaction, reads};

/// A window after the merge of its shards' parts.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRow {
    pub model: String,
    /// Empty for what holds over all versions.
    pub version: String,
    /// Empty for the whole model.
    pub segment: String,
    pub window: Window,
    pub revision: u32,
    pub rows: i64,
    pub labelled: i64,
    /// Share of the rows that have a label.
    pub coverage: Option<f64>,
    /// Performance may be judged: labels have had their time.
    pub matured: bool,
    /// A fault verdict keeps the window out of baselines and training data.
    pub quarantined: bool,
    /// Which columns the profile has; rows with equal layouts can be compared.
    pub layout: i64,
    /// JSON, see [`Figures`].
    pub figures: String,
    /// The merged profile.
    pub profile: Vec<u8>,
    /// JSON: the offsets that this revision was computed as of.
    pub as_of: String,
    /// When the first revision was judged; later revisions keep it.
    pub first_judged: WallTime,
    pub updated: WallTime,
}

/// A [`WindowRow`] without its profile, for pages and lists.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSummary {
    pub model: String,
    pub version: String,
    pub segment: String,
    pub window: Window,
    pub revision: u32,
    pub rows: i64,
    pub labelled: i64,
    pub coverage: Option<f64>,
    pub matured: bool,
    pub quarantined: bool,
    pub figures: Figures,
    pub first_judged: WallTime,
    pub updated: WallTime,
}

/// Which windows to read. The default is every window, oldest first, at most [`crate::MAX_ROWS`].
#[derive(Clone, Debug, Default)]
pub struct WindowFilter {
    /// `Some("")` is the whole model.
    pub segment: Option<String>,
    pub version: Option<String>,
    /// Windows that start at this time or later.
    pub from: Option<EventTime>,
    /// Windows that start before this time.
    pub to: Option<EventTime>,
    pub quarantined: Option<bool>,
    /// Whether the performance is judged.
    pub matured: Option<bool>,
    pub newest_first: bool,
    pub limit: Option<u32>,
}

impl FromRow<'_, SqliteRow> for WindowRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            version: row.try_get("version")?,
            segment: row.try_get("segment")?,
            window: window(row)?,
            revision: integer(row, "revision")?,
            rows: row.try_get("row_count")?,
            labelled: row.try_get("labelled")?,
            coverage: row.try_get("coverage")?,
            matured: row.try_get("matured")?,
            quarantined: row.try_get("quarantined")?,
            layout: row.try_get("layout")?,
            figures: row.try_get("figures")?,
            profile: row.try_get("profile")?,
            as_of: row.try_get("as_of")?,
            first_judged: wall_time(row, "first_judged")?,
            updated: wall_time(row, "updated")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for WindowSummary {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            version: row.try_get("version")?,
            segment: row.try_get("segment")?,
            window: window(row)?,
            revision: integer(row, "revision")?,
            rows: row.try_get("row_count")?,
            labelled: row.try_get("labelled")?,
            coverage: row.try_get("coverage")?,
            matured: row.try_get("matured")?,
            quarantined: row.try_get("quarantined")?,
            figures: Figures::from_json(row.try_get("figures")?),
            first_judged: wall_time(row, "first_judged")?,
            updated: wall_time(row, "updated")?,
        })
    }
}

/// How many windows of a model have been judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounts {
    pub windows: u64,
    pub quarantined: u64,
}

reads! {
    /// How many of a model's windows have been judged, and how many of them are quarantined.
    window_counts(model: &str) -> WindowCounts = select_counts;

    /// Versions that a model's windows have been judged for, 1,000 at most.
    window_versions(model: &str) -> Vec<String> = select_versions;

    /// A model's windows with their profiles.
    windows(model: &str, filter: &WindowFilter) -> Vec<WindowRow> = select_rows;

    /// A model's windows without their profiles.
    window_summaries(model: &str, filter: &WindowFilter) -> Vec<WindowSummary> = select_summaries;
}

async fn select_versions(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<String>> {
    sqlx::query_scalar("SELECT DISTINCT version FROM windows WHERE model = $1 AND version <> '' LIMIT 1000")
        .bind(model)
        .fetch_all(executor)
        .await
        .doing("read versions of windows")
}

async fn select_rows(executor: impl SqliteExecutor<'_>, model: &str, filter: &WindowFilter) -> Result<Vec<WindowRow>> {
    let mut query = statement("*", model, filter);
    query.build_query_as().fetch_all(executor).await.doing("read windows")
}

async fn select_summaries(
    executor: impl SqliteExecutor<'_>,
    model: &str,
    filter: &WindowFilter,
) -> Result<Vec<WindowSummary>> {
    let columns = "model, version, segment, window_start, window_end, revision, row_count, labelled, coverage, matured, \
                   quarantined, figures, first_judged, updated";
    let mut query = statement(columns, model, filter);
    query.build_query_as().fetch_all(executor).await.doing("read windows")
}

async fn select_counts(executor: impl SqliteExecutor<'_>, model: &str) -> Result<WindowCounts> {
    let row = sqlx::query(
        "SELECT COUNT(DISTINCT window_start) AS windows,
                COUNT(DISTINCT CASE WHEN quarantined THEN window_start END) AS quarantined
         FROM windows WHERE model = $1 AND segment = ''",
    )
    .bind(model)
    .fetch_one(executor)
    .await
    .doing("count windows")?;
    let counts = || Ok(WindowCounts { windows: integer(&row, "windows")?, quarantined: integer(&row, "quarantined")? });
    counts().doing("count windows")
}

fn statement(columns: &str, model: &str, filter: &WindowFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(format!("SELECT {columns} FROM windows WHERE model = "));
    query.push_bind(model.to_owned());
    if let Some(segment) = &filter.segment {
        query.push(" AND segment = ").push_bind(segment.clone());
    }
    if let Some(version) = &filter.version {
        query.push(" AND version = ").push_bind(version.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND window_start >= ").push_bind(from.micros());
    }
    if let Some(to) = filter.to {
        query.push(" AND window_start < ").push_bind(to.micros());
    }
    if let Some(quarantined) = filter.quarantined {
        query.push(" AND quarantined = ").push_bind(quarantined);
    }
    if let Some(matured) = filter.matured {
        query.push(" AND matured = ").push_bind(matured);
    }
    let direction = if filter.newest_first { "DESC" } else { "ASC" };
    query.push(format!(" ORDER BY window_start {direction}, version, segment LIMIT "));
    query.push_bind(limit(filter.limit));
    query
}

impl Transaction {
    /// Keeps a judged window. False, and nothing changed, if a later revision stands. A new window is held out of no
    /// baseline.
    pub async fn upsert_window(&mut self, row: &WindowRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO windows (model, version, segment, window_start, window_end, revision, row_count, labelled,
                                  coverage, matured, quarantined, layout, figures, profile, as_of, first_judged,
                                  updated, held_out, performance_held_out)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, FALSE, FALSE)
             ON CONFLICT (model, version, segment, window_start) DO UPDATE SET
                 window_end = excluded.window_end, revision = excluded.revision, row_count = excluded.row_count,
                 labelled = excluded.labelled, coverage = excluded.coverage, matured = excluded.matured,
                 quarantined = excluded.quarantined, layout = excluded.layout, figures = excluded.figures,
                 profile = excluded.profile, as_of = excluded.as_of, updated = excluded.updated
             WHERE excluded.revision >= windows.revision",
        )
        .bind(&row.model)
        .bind(&row.version)
        .bind(&row.segment)
        .bind(row.window.start.micros())
        .bind(row.window.end.micros())
        .bind(i64::from(row.revision))
        .bind(row.rows)
        .bind(row.labelled)
        .bind(row.coverage)
        .bind(row.matured)
        .bind(row.quarantined)
        .bind(row.layout)
        .bind(&row.figures)
        .bind(&row.profile)
        .bind(&row.as_of)
        .bind(row.first_judged.micros())
        .bind(row.updated.micros())
        .execute(&mut *self.inner)
        .await
        .doing("keep a window")?;
        Ok(done.rows_affected() > 0)
    }
}
