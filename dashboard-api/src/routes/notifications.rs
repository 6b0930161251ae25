//! `/api/v1/notifications`: the outbox.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::WallTime;
use serde::{Deserialize, Serialize};
use store::NotificationRow;

use crate::parameters::{Limit, Parameters, known_model};
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
pub(crate) struct Notifications {
    /// By channel and state, over all models.
    counts: Vec<Count>,
    notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Count {
    channel: String,
    state: String,
    notifications: u64,
}

#[derive(Serialize)]
struct Notification {
    id: String,
    channel: String,
    model: String,
    alert_fingerprint: String,
    kind: String,
    state: String,
    created: WallTime,
    attempts: u32,
    next_attempt: Option<WallTime>,
    delivered: Option<WallTime>,
    last_error: Option<String>,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        Self {
            next_attempt: (row.state == "waiting").then_some(row.next_attempt),
            id: row.id,
            channel: row.channel,
            model: row.model,
            alert_fingerprint: row.alert_fingerprint,
            kind: row.kind,
            state: row.state,
            created: row.created,
            attempts: row.attempts,
            delivered: row.delivered,
            last_error: row.last_error,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Arc<ApiState>>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Notifications>, Problem> {
    if let Some(model) = &query.model {
        known_model(&state, model)?;
    }
    let counts = state.store.notification_counts().await?;
    let rows = state.store.notifications(query.model.as_deref(), query.limit.0).await?;
    let counts = counts.into_iter().map(|count| Count {
        channel: count.channel,
        state: count.state,
        notifications: count.notifications,
    });
    Ok(Json(Notifications {
        counts: counts.collect(),
        notifications: rows.into_iter().map(Notification::from).collect(),
    }))
}
