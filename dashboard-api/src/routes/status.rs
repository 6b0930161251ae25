//! `/api/v1/status`: everything that `bellwether status` prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contract::WallTime;
use serde::Serialize;

use crate::problem::Problem;
use crate::routes::health::standing;
use crate::routes::models::{ModelStatus, statuses};
use crate::state::ApiState;

#[derive(Serialize)]
pub(crate) struct Status {
    schema_version: u32,
    product_version: &'static str,
    ready: bool,
    reasons: Vec<String>,
    models: Vec<ModelStatus>,
    outbox: Outbox,
}

#[derive(Serialize)]
struct Outbox {
    /// When the oldest undelivered notification was created.
    oldest_waiting: Option<WallTime>,
    /// Notifications by state.
    notifications: BTreeMap<String, u64>,
}

pub(crate) async fn status(State(state): State<Arc<ApiState>>) -> Result<Json<Status>, Problem> {
    let standing = standing(&state).await;
    let mut notifications: BTreeMap<String, u64> =
        ["waiting", "delivered", "dead"].into_iter().map(|state| (state.to_owned(), 0)).collect();
    for count in state.store.notification_counts().await? {
        *notifications.entry(count.state).or_default() += count.notifications;
    }
    Ok(Json(Status {
        schema_version: 1,
        product_version: env!("CARGO_PKG_VERSION"),
        ready: standing.ready,
        reasons: standing.reasons,
        models: statuses(&state).await?,
        outbox: Outbox { oldest_waiting: state.store.oldest_waiting().await?, notifications },
    }))
}
