//! Findings, as the judge left them.

use contract::{EventTime, Fault, Finding, Severity, Subject};
use sqlx::sqlite::SqliteExecutor;
use sqlx::{QueryBuilder, Sqlite};

use crate::column::limit;
use crate::error::{Doing, Error, Result};
use crate::store::{Transaction, reads};

/// Which findings to read: newest window first, the gravest of a window first, at most [`crate::MAX_ROWS`].
#[derive(Clone, Debug, Default)]
pub struct FindingFilter {
    /// None: every model.
    pub model: Option<String>,
    pub min_severity: Severity,
    /// `Some("")` is the whole model.
    pub segment: Option<String>,
    /// Windows that start at this time or later.
    pub from: Option<EventTime>,
    /// Windows that start before this time.
    pub to: Option<EventTime>,
    pub subject: Option<Subject>,
    pub feature: Option<String>,
    pub detector: Option<String>,
    pub limit: Option<u32>,
}

reads! {
    /// Findings, newest window first.
    findings(filter: &FindingFilter) -> Vec<Finding> = select;

    /// The gravest finding of each window, subject and feature, newest window first. Of equals, one that names a fault.
    worst_findings(filter: &FindingFilter) -> Vec<Finding> = select_worst;
}

async fn select(executor: impl SqliteExecutor<'_>, filter: &FindingFilter) -> Result<Vec<Finding>> {
    let mut query = QueryBuilder::new("SELECT body FROM findings WHERE ");
    push_conditions(&mut query, filter);
    push_order(&mut query, filter);
    read(query.build_query_scalar().fetch_all(executor).await)
}

async fn select_worst(executor: impl SqliteExecutor<'_>, filter: &FindingFilter) -> Result<Vec<Finding>> {
    let mut query = QueryBuilder::new(
        "SELECT body FROM (
             SELECT findings.*, ROW_NUMBER() OVER (
                 PARTITION BY model, segment, window_start, subject, feature
                 ORDER BY severity DESC, CASE WHEN fault = detector THEN 0 WHEN fault IS NULL THEN 2 ELSE 1 END,
                     detector, version) AS place
             FROM findings WHERE ",
    );
    push_conditions(&mut query, filter);
    query.push(") AS ranked WHERE place = 1");
    push_order(&mut query, filter);
    read(query.build_query_scalar().fetch_all(executor).await)
}

fn read(bodies: sqlx::Result<Vec<String>>) -> Result<Vec<Finding>> {
    bodies.doing("read findings")?.iter().map(|body| serde_json::from_str(body).map_err(corrupt)).collect()
}

fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &FindingFilter) {
    query.push("severity >= ").push_bind(rank(filter.min_severity));
    if let Some(model) = &filter.model {
        query.push(" AND model = ").push_bind(model.clone());
    }
    if let Some(segment) = &filter.segment {
        query.push(" AND segment = ").push_bind(segment.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND window_start >= ").push_bind(from.micros());
    }
    if let Some(to) = filter.to {
        query.push(" AND window_start < ").push_bind(to.micros());
    }
    if let Some(subject) = filter.subject {
        query.push(" AND subject = ").push_bind(subject.name());
    }
    if let Some(feature) = &filter.feature {
        query.push(" AND feature = ").push_bind(feature.clone());
    }
    if let Some(detector) = &filter.detector {
        query.push(" AND detector = ").push_bind(detector.clone());
    }
}

/// The rest of the key makes the order total, so that an answer doesn't depend on the database's mood.
fn push_order(query: &mut QueryBuilder<Sqlite>, filter: &FindingFilter) {
    query
        .push(" ORDER BY window_start DESC, severity DESC, model, subject, feature, detector, version, segment LIMIT ");
    query.push_bind(limit(filter.limit));
}

impl Transaction {
    /// Keeps a finding under (model, version, segment, window, subject, feature, detector). False, and nothing changed,
    /// if one of a later revision stands.
    pub async fn upsert_finding(&mut self, finding: &Finding) -> Result<bool> {
        let body = serde_json::to_string(finding).map_err(corrupt)?;
        let done = sqlx::query(
            "INSERT INTO findings (model, version, segment, window_start, window_end, subject, feature, detector,
                                   revision, severity, fault, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (model, version, segment, window_start, subject, feature, detector) DO UPDATE SET
                 window_end = excluded.window_end, revision = excluded.revision, severity = excluded.severity,
                 fault = excluded.fault, body = excluded.body
             WHERE excluded.revision >= findings.revision",
        )
        .bind(&finding.model)
        .bind(&finding.version)
        .bind(&finding.segment)
        .bind(finding.window.start.micros())
        .bind(finding.window.end.micros())
        .bind(finding.subject.name())
        .bind(&finding.feature)
        .bind(&finding.detector)
        .bind(i64::from(finding.revision))
        .bind(rank(finding.severity))
        .bind(finding.fault.map(Fault::name))
        .bind(body)
        .execute(&mut *self.inner)
        .await
        .doing("keep a finding")?;
        Ok(done.rows_affected() > 0)
    }
}

/// Severities in order, as the database compares them.
fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::None => 0,
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn corrupt(error: serde_json::Error) -> Error {
    Error::Corrupt { table: "findings", detail: error.to_string() }
}
