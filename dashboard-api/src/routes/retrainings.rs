//! `/api/v1/retrainings`: retrainings that were asked for, and those that were refused.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::RetrainingRow;

use crate::parameters::{Limit, Parameters, chosen_models};
use crate::problem::Problem;
use crate::routes::stored_json;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    model: Option<String>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Serialize)]
pub(crate) struct Retrainings {
    retrainings: Vec<Retraining>,
}

/// A retraining as the interface shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Retraining {
    id: String,
    model: String,
    state: String,
    reason: String,
    rule: String,
    event_time: EventTime,
    created: WallTime,
    annotations: Value,
}

impl From<RetrainingRow> for Retraining {
    fn from(row: RetrainingRow) -> Self {
        Self {
            annotations: stored_json(&row.annotations),
            id: row.id,
            model: row.model,
            state: row.state,
            reason: row.reason,
            rule: row.rule,
            event_time: row.event_time,
            created: row.created,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Retrainings>, Problem> {
    let mut rows = Vec::new();
    for info in chosen_models(&state, query.model.as_deref())? {
        rows.extend(state.store.retrainings(&info.model, query.limit.0).await?);
    }
    rows.sort_by_key(|row| Reverse(row.event_time));
    rows.truncate(query.limit.0 as usize);
    Ok(Json(Retrainings { retrainings: rows.into_iter().map(Retraining::from).collect() }))
}
