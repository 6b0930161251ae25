//! The router and the loop that serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;
use crate::protection::{CONCURRENT_REQUESTS, REQUEST_BYTES};
use crate::routes::{
    alerts, audit, commands, dead_letters, findings, health, metrics, models, notifications, page, retrainings, status,
    timeline, tokens, versions,
};
use crate::state::ApiState;
use crate::{answer, auth, connections, protection};

/// Every route of the service.
pub fn router(state: ApiState) -> Router {
    let state = Arc::new(state);
    let crowded = Router::new()
        .merge(documents(&state))
        .merge(orders())
        .layer(from_fn_with_state(Arc::new(Semaphore::new(CONCURRENT_REQUESTS)), protection::crowd));
    Router::new()
        // A full house must not look like a dead one.
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(crowded)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .layer(from_fn_with_state(Arc::clone(&state), protection::own_name))
        .layer(from_fn(protection::headers))
        .with_state(state)
}

/// What is read.
fn documents(state: &Arc<ApiState>) -> Router<Arc<ApiState>> {
    let open = Router::new()
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/models/{model}", get(models::one))
        .route("/api/v1/models/{model}/timeline", get(timeline::timeline))
        .route("/api/v1/models/{model}/versions", get(versions::list))
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/alerts", get(alerts::list))
        .route("/api/v1/dead-letters", get(dead_letters::list))
        .route("/api/v1/notifications", get(notifications::list))
        .route("/api/v1/retrainings", get(retrainings::list))
        .route("/api/v1/retrainings/{id}", get(retrainings::one));
    let metrics = Router::new().route("/metrics", get(metrics::metrics));
    let readers = from_fn_with_state(Arc::clone(state), auth::caller::readers);
    Router::new()
        // Parts of the program, and no data: the page asks for a token itself.
        .route("/", get(page::index))
        .route("/assets/{file}", get(page::asset))
        // These always need a token, wherever the service listens.
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/tokens", get(tokens::list))
        .merge(open.layer(readers.clone()))
        .layer(from_fn(answer::conditional))
        .merge(metrics.layer(readers))
}

/// What changes something: each of these needs a token.
fn orders() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/api/v1/models/{model}/retrain", post(commands::retrain))
        .route("/api/v1/models/{model}/promote", post(commands::promote))
        .route("/api/v1/models/{model}/rollback", post(commands::roll_back))
        .route("/api/v1/models/{model}/versions", post(commands::register))
        .route("/api/v1/retrainings/{id}/approve", post(commands::approve))
        .route("/api/v1/retrainings/{id}/override", post(commands::let_past))
        .route("/api/v1/retrainings/{id}/cancel", post(commands::cancel))
        .route("/api/v1/tokens", post(tokens::create))
        .route("/api/v1/tokens/{name}", delete(tokens::revoke))
}

/// Serves until `stop` is cancelled, then lets running requests end, within [`Limits::end_within`](crate::Limits).
pub async fn serve(listener: TcpListener, state: ApiState, stop: CancellationToken) {
    let limits = state.limits;
    connections::serve(listener, router(state), limits, stop).await;
}

async fn no_such_path() -> Problem {
    Problem::not_found("There is nothing at this path; the interface begins at /api/v1/status.")
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This path doesn't answer this method; the header Allow has those that it does.",
    )
}
