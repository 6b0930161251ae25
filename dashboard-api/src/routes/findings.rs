//! `/api/v1/findings`: what the judge found.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::{EventTime, Finding, Severity, Subject};
use serde::{Deserialize, Serialize};
use store::FindingFilter;

use crate::parameters::{Limit, Parameters, known_model};
use crate::problem::Problem;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    model: Option<String>,
    min_severity: Option<Severity>,
    segment: Option<String>,
    from: Option<EventTime>,
    to: Option<EventTime>,
    subject: Option<Subject>,
    feature: Option<String>,
    detector: Option<String>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Serialize)]
pub(crate) struct Findings {
    findings: Vec<Finding>,
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Findings>, Problem> {
    if let Some(model) = &query.model {
        known_model(&state, model)?;
    }
    let filter = FindingFilter {
        model: query.model,
        min_severity: query.min_severity.unwrap_or(Severity::Info),
        segment: query.segment,
        from: query.from,
        to: query.to,
        subject: query.subject,
        feature: query.feature,
        detector: query.detector,
        limit: Some(query.limit.0),
    };
    Ok(Json(Findings { findings: state.store.findings(&filter).await? }))
}
