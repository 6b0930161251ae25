//! `/api/v1/dead-letters`: events that could not be used. Their bytes stay in the dead-letter topic, at the position
//! that stands here: contents of events may be private, and reading may be open to all users of the machine.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::WallTime;
use serde::{Deserialize, Serialize};
use store::DeadLetterRow;

use crate::parameters::{Limit, Parameters, chosen_models};
use crate::problem::Problem;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    model: Option<String>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Serialize)]
pub(crate) struct DeadLetters {
    /// All that ever were, by reason.
    counts: Vec<Count>,
    /// The newest.
    dead_letters: Vec<DeadLetter>,
}

#[derive(Serialize)]
struct Count {
    model: String,
    kind: String,
    reason: String,
    letters: u64,
}

#[derive(Serialize)]
struct DeadLetter {
    model: String,
    kind: String,
    topic: String,
    partition: i32,
    offset: i64,
    reason: String,
    detail: String,
    seen: WallTime,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            model: row.model,
            kind: row.kind,
            topic: row.topic,
            partition: row.partition,
            offset: row.record_offset,
            reason: row.reason,
            detail: row.detail,
            seen: row.seen,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<DeadLetters>, Problem> {
    let mut counts = Vec::new();
    let mut rows = Vec::new();
    for info in chosen_models(&state, query.model.as_deref())? {
        for count in state.store.dead_letter_counts(&info.model).await? {
            let model = info.model.clone();
            counts.push(Count { model, kind: count.kind, reason: count.reason, letters: count.letters });
        }
        rows.extend(state.store.dead_letters(&info.model, query.limit.0).await?);
    }
    rows.sort_by_key(|row| Reverse(row.seen));
    rows.truncate(query.limit.0 as usize);
    Ok(Json(DeadLetters { counts, dead_letters: rows.into_iter().map(DeadLetter::from).collect() }))
}
