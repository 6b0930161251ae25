//! Alerts and their history: an alert that fires again after it was resolved is a new row.

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, QueryBuilder, Row, Sqlite};

use crate::column::{event_time, limit, maybe_event_time, maybe_wall_time, micros, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One life of an alert, keyed by (fingerprint, started).
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// Of (model, rule, segment, feature).
    pub fingerprint: String,
    pub model: String,
    pub rule: String,
    pub segment: String,
    pub feature: String,
    /// `pending`, `firing` or `resolved`.
    pub state: String,
    /// The rule's: `info`, `ticket`, `page`.
    pub severity: String,
    /// When the condition began to hold.
    pub started: EventTime,
    pub fired: Option<EventTime>,
    pub resolved: Option<EventTime>,
    /// The figure that the rule looked at last.
    pub value: Option<f64>,
    /// JSON object of text.
    pub annotations: String,
    /// When the newest notification about it was enqueued; an upsert without one keeps what stands.
    pub notified: Option<WallTime>,
    pub updated: WallTime,
}

/// Which alerts to read: newest first, at most [`crate::MAX_ROWS`].
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// None: every model.
    pub model: Option<String>,
    /// Empty: every state.
    pub states: Vec<String>,
    /// Alerts that were not over before this time.
    pub from: Option<EventTime>,
    /// Alerts that started before this time.
    pub to: Option<EventTime>,
    pub limit: Option<u32>,
}

impl FromRow<'_, SqliteRow> for AlertRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            fingerprint: row.try_get("fingerprint")?,
            model: row.try_get("model")?,
            rule: row.try_get("rule")?,
            segment: row.try_get("segment")?,
            feature: row.try_get("feature")?,
            state: row.try_get("state")?,
            severity: row.try_get("severity")?,
            started: event_time(row, "started")?,
            fired: maybe_event_time(row, "fired")?,
            resolved: maybe_event_time(row, "resolved")?,
            value: row.try_get("value")?,
            annotations: row.try_get("annotations")?,
            notified: maybe_wall_time(row, "notified")?,
            updated: wall_time(row, "updated")?,
        })
    }
}

reads! {
    /// Alerts, newest first.
    alerts(filter: &AlertFilter) -> Vec<AlertRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, filter: &AlertFilter) -> Result<Vec<AlertRow>> {
    statement(filter).build_query_as().fetch_all(executor).await.doing("read alerts")
}

fn statement(filter: &AlertFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT * FROM alerts WHERE TRUE");
    if let Some(model) = &filter.model {
        query.push(" AND model = ").push_bind(model.clone());
    }
    if !filter.states.is_empty() {
        query.push(" AND state IN (");
        let mut states = query.separated(", ");
        for state in &filter.states {
            states.push_bind(state.clone());
        }
        query.push(")");
    }
    if let Some(from) = filter.from {
        query.push(" AND (resolved IS NULL OR resolved >= ").push_bind(from.micros()).push(")");
    }
    if let Some(to) = filter.to {
        query.push(" AND started < ").push_bind(to.micros());
    }
    query.push(" ORDER BY started DESC, model, rule, fingerprint LIMIT ").push_bind(limit(filter.limit));
    query
}

impl Transaction {
    /// Keeps an alert as it now is.
    pub async fn upsert_alert(&mut self, row: &AlertRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO alerts (fingerprint, started, model, rule, segment, feature, state, severity, fired, resolved,
                                 value, annotations, notified, updated)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (fingerprint, started) DO UPDATE SET
                 model = excluded.model, rule = excluded.rule, segment = excluded.segment, feature = excluded.feature,
                 state = excluded.state, severity = excluded.severity, fired = excluded.fired,
                 resolved = excluded.resolved, value = excluded.value, annotations = excluded.annotations,
                 notified = COALESCE(excluded.notified, alerts.notified), updated = excluded.updated",
        )
        .bind(&row.fingerprint)
        .bind(row.started.micros())
        .bind(&row.model)
        .bind(&row.rule)
        .bind(&row.segment)
        .bind(&row.feature)
        .bind(&row.state)
        .bind(&row.severity)
        .bind(micros(row.fired))
        .bind(micros(row.resolved))
        .bind(row.value)
        .bind(&row.annotations)
        .bind(row.notified.map(WallTime::micros))
        .bind(row.updated.micros())
        .execute(&mut *self.inner)
        .await
        .doing("keep an alert")?;
        Ok(())
    }

    /// Forgets an alert: one that was pending and cleared leaves no trace.
    pub async fn delete_alert(&mut self, fingerprint: &str, started: EventTime) -> Result<bool> {
        let done = sqlx::query("DELETE FROM alerts WHERE fingerprint = $1 AND started = $2")
            .bind(fingerprint)
            .bind(started.micros())
            .execute(&mut *self.inner)
            .await
            .doing("delete an alert")?;
        Ok(done.rows_affected() > 0)
    }
}
