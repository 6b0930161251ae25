//! `/metrics`: Prometheus' text format.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use prometheus::{TEXT_FORMAT, TextEncoder};

use crate::problem::Problem;
use crate::state::ApiState;

pub(crate) async fn metrics(
    State(state): State<Arc<ApiState>>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let text = TextEncoder::new().encode_to_string(&state.registry.gather()).map_err(|error| {
        tracing::error!(%error, "metrics could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be written; the service's log says why.")
    })?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text))
}
