//! `/healthz`: the process answers. `/readyz`: it does its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::state::{ApiState, Readiness};

#[derive(Serialize)]
pub(crate) struct Standing {
    pub ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

pub(crate) async fn ready(State(state): State<Arc<ApiState>>) -> (StatusCode, Json<Standing>) {
    let standing = standing(&state).await;
    let status = if standing.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(standing))
}

/// What the service says of itself, and whether its database answers.
pub(crate) async fn standing(state: &ApiState) -> Standing {
    let mut reasons = match (state.readiness)() {
        Readiness::Ready => Vec::new(),
        Readiness::NotReady(reasons) => reasons,
    };
    if let Err(error) = state.store.ping().await {
        tracing::warn!(%error, "the database doesn't answer");
        reasons.push("The database doesn't answer.".to_owned());
    }
    Standing { ready: reasons.is_empty(), reasons }
}
