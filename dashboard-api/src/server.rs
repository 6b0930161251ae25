//! The router and the loop that serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::problem::Problem;
use crate::protection::{CONCURRENT_REQUESTS, REQUEST_BYTES};
use crate::routes::{
    alerts, dead_letters, findings, health, metrics, models, notifications, page, retrainings, status, timeline,
};
use crate::state::ApiState;
use crate::{answer, protection};

/// Every route of the service.
pub fn router(state: ApiState) -> Router {
    let documents = Router::new()
        .route("/", get(page::index))
        .route("/assets/{file}", get(page::asset))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/models/{model}", get(models::one))
        .route("/api/v1/models/{model}/timeline", get(timeline::timeline))
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/dead-letters", get(dead_letters::list))
        .route("/api/v1/notifications", get(notifications::list))
        .route("/api/v1/retrainings", get(retrainings::list))
        .layer(from_fn(answer::conditional));
    let crowded = Router::new()
        .route("/metrics", get(metrics::metrics))
        .merge(documents)
        .layer(from_fn_with_state(Arc::new(Semaphore::new(CONCURRENT_REQUESTS)), protection::crowd));
    Router::new()
        // A full house must not look like a dead one.
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(crowded)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .layer(from_fn(protection::headers))
        .with_state(Arc::new(state))
}

/// Serves until `stop` is cancelled, then lets running requests end.
pub async fn serve(listener: TcpListener, state: ApiState, stop: CancellationToken) -> Result<(), Error> {
    axum::serve(listener, router(state)).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn no_such_path() -> Problem {
    Problem::not_found("There is nothing at this path; the interface begins at /api/v1/status.")
}

async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This path only answers GET.")
}
