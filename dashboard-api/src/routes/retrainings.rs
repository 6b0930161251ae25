//! `/api/v1/retrainings` and `/api/v1/retrainings/{id}`: retrainings that are under way, that ended, that were refused.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contract::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{EffectRow, RetrainingRow};

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
    retrainings: Vec<Told>,
}

/// A retraining in short, as the timeline and the states of models have it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Retraining {
    id: String,
    model: String,
    state: String,
    /// It hasn't ended.
    is_active: bool,
    /// Why it was asked for; once it is over, why it ended.
    reason: String,
    /// The rule that asked; empty for a person.
    rule: String,
    event_time: EventTime,
    created: WallTime,
    updated: WallTime,
    /// The candidate; empty while there is none.
    version: String,
    /// What it waits for, a person perhaps; none once it is over.
    waits_for: Option<String>,
}

/// The same with all that is kept of it.
#[derive(Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    retraining: Retraining,
    document: Value,
}

#[derive(Serialize)]
pub(crate) struct Whole {
    #[serde(flatten)]
    told: Told,
    /// What was done, in order; the newest 1,000.
    effects: Vec<Done>,
}

/// Something that was done outside: recorded before, and when it had ended.
#[derive(Serialize)]
struct Done {
    sequence: u32,
    effect: String,
    detail: Value,
    begun: WallTime,
    ended: Option<WallTime>,
    /// Empty while it runs.
    outcome: String,
}

impl From<RetrainingRow> for Retraining {
    fn from(row: RetrainingRow) -> Self {
        let document = if row.is_active { stored_json(&row.document) } else { Value::Null };
        let waits_for = document.get("waits_for").and_then(Value::as_str).map(str::to_owned);
        Self {
            id: row.id,
            model: row.model,
            state: row.state,
            is_active: row.is_active,
            reason: row.reason,
            rule: row.rule,
            event_time: row.event_time,
            created: row.created,
            updated: row.updated,
            version: row.version,
            waits_for,
        }
    }
}

impl From<RetrainingRow> for Told {
    fn from(row: RetrainingRow) -> Self {
        Self { document: stored_json(&row.document), retraining: row.into() }
    }
}

impl From<EffectRow> for Done {
    fn from(row: EffectRow) -> Self {
        Self {
            sequence: row.sequence,
            effect: row.effect,
            detail: stored_json(&row.detail),
            begun: row.begun,
            ended: row.ended,
            outcome: row.outcome,
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
    Ok(Json(Retrainings { retrainings: rows.into_iter().map(Told::from).collect() }))
}

pub(crate) async fn one(State(state): State<Arc<ApiState>>, Path(id): Path<String>) -> Result<Json<Whole>, Problem> {
    let row = state.store.retraining(&id).await?;
    let row = row
        .ok_or_else(|| Problem::not_found(format!("There is no retraining `{id}`; /api/v1/retrainings lists them.")))?;
    let effects = state.store.effects(&id).await?.into_iter().map(Done::from).collect();
    Ok(Json(Whole { told: row.into(), effects }))
}
