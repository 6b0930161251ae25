//! `/api/v1/alerts`: alerts, newest first, their history included.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{AlertFilter, AlertRow};

use crate::parameters::{Limit, Parameters, known_model};
use crate::problem::Problem;
use crate::routes::stored_json;
use crate::state::ApiState;

const STATES: [&str; 3] = ["pending", "firing", "resolved"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    model: Option<String>,
    /// One or more of the states, with commas between.
    state: Option<String>,
    from: Option<EventTime>,
    to: Option<EventTime>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Serialize)]
pub(crate) struct Alerts {
    alerts: Vec<Alert>,
}

/// An alert as the interface shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Alert {
    fingerprint: String,
    model: String,
    rule: String,
    segment: String,
    feature: String,
    state: String,
    severity: String,
    started: EventTime,
    fired: Option<EventTime>,
    resolved: Option<EventTime>,
    value: Option<f64>,
    annotations: Value,
    notified: Option<WallTime>,
    updated: WallTime,
}

impl From<AlertRow> for Alert {
    fn from(row: AlertRow) -> Self {
        Self {
            annotations: stored_json(&row.annotations),
            fingerprint: row.fingerprint,
            model: row.model,
            rule: row.rule,
            segment: row.segment,
            feature: row.feature,
            state: row.state,
            severity: row.severity,
            started: row.started,
            fired: row.fired,
            resolved: row.resolved,
            value: row.value,
            notified: row.notified,
            updated: row.updated,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Alerts>, Problem> {
    if let Some(model) = &query.model {
        known_model(&state, model)?;
    }
    let filter = AlertFilter {
        model: query.model,
        states: states(query.state.as_deref())?,
        from: query.from,
        to: query.to,
        limit: Some(query.limit.0),
    };
    let rows = state.store.alerts(&filter).await?;
    Ok(Json(Alerts { alerts: rows.into_iter().map(Alert::from).collect() }))
}

fn states(list: Option<&str>) -> Result<Vec<String>, Problem> {
    let names = list.into_iter().flat_map(|list| list.split(','));
    names
        .map(|name| {
            if STATES.contains(&name) {
                Ok(name.to_owned())
            } else {
                Err(Problem::bad_request(format!("There is no state `{name}`; there is: {}.", STATES.join(", "))))
            }
        })
        .collect()
}
