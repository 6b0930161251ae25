//! `/api/v1/audit`: every command, who gave it, why, and what became of it. For operators and admins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::WallTime;
use serde::{Deserialize, Serialize};
use store::AuditRow;

use crate::auth::Role;
use crate::auth::caller::Caller;
use crate::parameters::{Limit, Parameters};
use crate::problem::Problem;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Also of a model that isn't configured any more.
    model: Option<String>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Serialize)]
pub(crate) struct Audit {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    at: WallTime,
    /// The token's name.
    who: String,
    role: String,
    command: String,
    /// Empty where the command isn't for one model.
    model: String,
    subject: String,
    reason: String,
    outcome: String,
}

impl From<AuditRow> for Entry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            who: row.who,
            role: row.role,
            command: row.command,
            model: row.model,
            subject: row.subject,
            reason: row.reason,
            outcome: row.outcome,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Audit>, Problem> {
    caller.may(Role::Operator)?;
    let rows = state.store.audit(query.model.as_deref(), query.limit.0).await?;
    Ok(Json(Audit { entries: rows.into_iter().map(Entry::from).collect() }))
}
