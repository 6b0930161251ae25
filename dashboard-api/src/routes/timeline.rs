//! `/api/v1/models/{model}/timeline`: all that the page draws, on one axis of event time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contract::{EventTime, Finding, Severity, Subject};
use serde::{Deserialize, Serialize};
use store::{AlertFilter, FindingFilter, MAX_ROWS, WindowFilter, WindowSummary};

use crate::parameters::{Parameters, known_model};
use crate::problem::Problem;
use crate::routes::alerts::Alert;
use crate::routes::retrainings::Retraining;
use crate::routes::versions::Deployment;
use crate::state::ApiState;

/// Window rows (a window has one for each version) that one timeline holds, the newest.
const WINDOW_ROWS: u32 = 1_000;
/// Alerts, retrainings, and deployments, that one timeline holds, the newest.
const MARKS: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Windows that start at this time or later.
    from: Option<EventTime>,
    /// Windows that start before this time.
    to: Option<EventTime>,
}

#[derive(Serialize)]
pub(crate) struct Timeline {
    model: String,
    owner: Option<String>,
    window_seconds: u64,
    /// A limit was reached: there is more than this answer holds.
    truncated: bool,
    /// Oldest first.
    windows: Vec<TimelineWindow>,
    alerts: Vec<Alert>,
    retrainings: Vec<Retraining>,
    /// What served from when on, newest first.
    deployments: Vec<Deployment>,
}

/// One window of the whole model. Counts are over all versions; performance is of the version with the most rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct TimelineWindow {
    pub start: EventTime,
    pub end: EventTime,
    pub revision: u32,
    pub rows: i64,
    pub labelled: i64,
    pub coverage: Option<f64>,
    pub matured: bool,
    pub quarantined: bool,
    pub fault: Option<&'static str>,
    pub late: u64,
    pub errors: u64,
    pub closed_by_idleness: bool,
    pub version: String,
    pub mean_score: Option<f64>,
    pub positive_rate: Option<f64>,
    pub log_loss: Option<f64>,
    /// Of the log loss.
    pub interval: Option<(f64, f64)>,
    /// Of the log loss.
    pub limit: Option<f64>,
    pub roc_auc: Option<f64>,
    pub brier_score: Option<f64>,
    pub accuracy: Option<f64>,
    pub performance_severity: Severity,
    pub worst_severity: Severity,
    /// The column, or the subject where it isn't a column, of the gravest finding.
    pub worst_feature: Option<String>,
    /// The gravest finding of each column and subject, performance left out.
    pub drifted: Vec<Drifted>,
    /// Each version that served in the window, if it was more than one: the one with most rows first.
    pub versions: Vec<Served>,
}

/// What one of several versions did in a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Served {
    pub version: String,
    pub rows: i64,
    pub log_loss: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Drifted {
    pub subject: Subject,
    pub feature: String,
    pub detector: String,
    pub severity: Severity,
    pub fault: Option<&'static str>,
    pub explanation: String,
}

pub(crate) async fn timeline(
    State(state): State<Arc<ApiState>>,
    Path(model): Path<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Timeline>, Problem> {
    let info = known_model(&state, &model)?;
    let (rows, is_cut) = cut(newest_rows(&state, &model, query.from, query.to, WINDOW_ROWS + 1).await?);
    let from = rows.iter().map(|row| row.window.start).min();
    let to = rows.iter().map(|row| row.window.start + std::time::Duration::from_micros(1)).max();
    let findings = match from {
        Some(_) => findings(&state, &model, from, to).await?,
        None => Vec::new(),
    };
    let marks =
        AlertFilter { model: Some(model.clone()), from, to: query.to, limit: Some(MARKS), ..AlertFilter::default() };
    let alerts = state.store.alerts(&marks).await?;
    let retrainings = state.store.retrainings(&model, MARKS).await?;
    let deployments = state.store.deployments(&model, MARKS).await?;
    Ok(Json(Timeline {
        model: info.model.clone(),
        owner: info.owner.clone(),
        window_seconds: info.window_seconds,
        truncated: is_cut || findings.len() == MAX_ROWS as usize,
        windows: assemble(rows, &findings),
        alerts: alerts.into_iter().map(Alert::from).collect(),
        retrainings: retrainings.into_iter().map(Retraining::from).collect(),
        deployments: deployments.into_iter().map(Deployment::from).collect(),
    }))
}

/// At most [`WINDOW_ROWS`] rows of whole windows, out of one row more; and whether there are older ones.
fn cut(mut rows: Vec<WindowSummary>) -> (Vec<WindowSummary>, bool) {
    let is_cut = rows.len() > WINDOW_ROWS as usize;
    if let (true, Some(oldest)) = (is_cut, rows.last().map(|row| row.window.start)) {
        // Newest first: the oldest window may lack some of its versions, and its counts would be wrong.
        rows.retain(|row| row.window.start > oldest);
    }
    (rows, is_cut)
}

/// The newest window of a model, complete with its findings; `matured`: the newest whose performance is judged, or isn't.
pub(crate) async fn newest(
    state: &ApiState,
    model: &str,
    matured: Option<bool>,
) -> Result<Option<TimelineWindow>, Problem> {
    let segment = Some(String::new());
    let filter = WindowFilter { segment, matured, newest_first: true, limit: Some(1), ..WindowFilter::default() };
    let Some(row) = state.store.window_summaries(model, &filter).await?.pop() else { return Ok(None) };
    let (from, to) = (Some(row.window.start), Some(row.window.start + std::time::Duration::from_micros(1)));
    let rows = newest_rows(state, model, from, to, WINDOW_ROWS).await?;
    Ok(assemble(rows, &findings(state, model, from, to).await?).pop())
}

async fn newest_rows(
    state: &ApiState,
    model: &str,
    from: Option<EventTime>,
    to: Option<EventTime>,
    rows: u32,
) -> Result<Vec<WindowSummary>, Problem> {
    let segment = Some(String::new());
    let filter = WindowFilter { segment, from, to, newest_first: true, limit: Some(rows), ..WindowFilter::default() };
    Ok(state.store.window_summaries(model, &filter).await?)
}

async fn findings(
    state: &ApiState,
    model: &str,
    from: Option<EventTime>,
    to: Option<EventTime>,
) -> Result<Vec<Finding>, Problem> {
    let filter = FindingFilter {
        model: Some(model.to_owned()),
        segment: Some(String::new()),
        min_severity: Severity::Info,
        from,
        to,
        ..FindingFilter::default()
    };
    Ok(state.store.worst_findings(&filter).await?)
}

/// Puts rows and findings of the same window together, oldest first.
fn assemble(rows: Vec<WindowSummary>, findings: &[Finding]) -> Vec<TimelineWindow> {
    let mut by_start: BTreeMap<EventTime, Vec<WindowSummary>> = BTreeMap::new();
    for row in rows {
        by_start.entry(row.window.start).or_default().push(row);
    }
    let mut windows: BTreeMap<EventTime, TimelineWindow> =
        by_start.into_iter().map(|(start, rows)| (start, fold(&rows))).collect();
    for finding in findings {
        if let Some(window) = windows.get_mut(&finding.window.start) {
            add(window, finding);
        }
    }
    windows.into_values().collect()
}

/// One window out of its versions' rows. A row without version holds the counts over all of them, if there is one.
fn fold(rows: &[WindowSummary]) -> TimelineWindow {
    let versions = || rows.iter().filter(|row| !row.version.is_empty());
    let Some(main) = versions().max_by_key(|row| row.rows).or_else(|| rows.first()) else {
        return TimelineWindow::default();
    };
    let whole = rows.iter().find(|row| row.version.is_empty());
    let total = |count: fn(&WindowSummary) -> i64| whole.map_or_else(|| versions().map(count).sum(), count);
    let (row_count, labelled) = (total(|row| row.rows), total(|row| row.labelled));
    let log_loss = main.figures.performance.get("log_loss").cloned().unwrap_or_default();
    TimelineWindow {
        start: main.window.start,
        end: main.window.end,
        revision: rows.iter().map(|row| row.revision).max().unwrap_or_default(),
        rows: row_count,
        labelled,
        coverage: whole.unwrap_or(main).coverage,
        matured: main.matured,
        quarantined: rows.iter().any(|row| row.quarantined),
        late: whole.unwrap_or(main).figures.late,
        errors: whole.unwrap_or(main).figures.errors,
        closed_by_idleness: rows.iter().any(|row| row.figures.closed_by_idleness),
        version: main.version.clone(),
        mean_score: main.figures.mean_score,
        positive_rate: main.figures.positive_rate,
        log_loss: log_loss.value,
        interval: log_loss.interval,
        limit: log_loss.limit,
        roc_auc: main.figures.value("roc_auc"),
        brier_score: main.figures.value("brier_score"),
        accuracy: main.figures.value("accuracy"),
        versions: served(versions().collect()),
        ..TimelineWindow::default()
    }
}

fn served(mut rows: Vec<&WindowSummary>) -> Vec<Served> {
    if rows.len() < 2 {
        return Vec::new();
    }
    rows.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.version.cmp(&b.version)));
    rows.into_iter()
        .map(|row| Served { version: row.version.clone(), rows: row.rows, log_loss: row.figures.value("log_loss") })
        .collect()
}

/// Findings come gravest first.
fn add(window: &mut TimelineWindow, finding: &Finding) {
    let fault = finding.fault.map(contract::Fault::name);
    window.fault = window.fault.or(fault);
    if finding.severity > window.worst_severity {
        window.worst_severity = finding.severity;
        let name = if finding.feature.is_empty() { finding.subject.name() } else { finding.feature.as_str() };
        window.worst_feature = Some(name.to_owned());
    }
    if finding.subject == Subject::Performance {
        window.performance_severity = window.performance_severity.max(finding.severity);
        return;
    }
    window.drifted.push(Drifted {
        subject: finding.subject,
        feature: finding.feature.clone(),
        detector: finding.detector.clone(),
        severity: finding.severity,
        fault,
        explanation: finding.explanation.clone(),
    });
}
