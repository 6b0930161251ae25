//! What protects the service from its callers, and a browser from what it shows.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contract::is_this_machine;
use tokio::sync::Semaphore;

use crate::problem::Problem;
use crate::state::ApiState;

/// Connections at the same time; for one more, the one that has been idle longest goes.
pub const CONNECTIONS: usize = 256;
/// How long the headers of a request may take, from the connection's beginning or the answer before: so long may it be idle.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// The largest headers of a request.
pub const HEADERS_BYTES: usize = 64 * 1024;
/// How long a body may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How long requests that run may go on once the end was asked for.
pub const END_WITHIN: Duration = Duration::from_secs(10);
/// Requests that are answered at the same time; more are told to come back.
pub const CONCURRENT_REQUESTS: usize = 64;
/// The largest body of a request.
pub(crate) const REQUEST_BYTES: usize = 64 * 1024;

/// Those of the limits that tests make smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub connections: usize,
    pub headers_within: Duration,
    pub body_within: Duration,
    pub end_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            headers_within: HEADERS_WITHIN,
            body_within: BODY_WITHIN,
            end_within: END_WITHIN,
        }
    }
}

const HEADERS: [(HeaderName, &str); 6] = [
    // Everything that the page needs comes from here; nothing of it may be framed, posted elsewhere or loaded from elsewhere.
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the security headers to every answer.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses what comes while [`CONCURRENT_REQUESTS`] are being answered.
pub(crate) async fn crowd(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many requests are being answered; try again.")
            .into_response(),
    }
}

/// Where everybody may read, refuses who asks for another name than this machine's own: a page of another site can make that
/// site's name lead here ("DNS rebinding"), and its visitor's browser would let it read along.
pub(crate) async fn own_name(State(state): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    if state.is_open_to_readers && !is_for_this_machine(&request) {
        let detail = "This service answers to localhost and loopback addresses only; send one of them as `Host`.";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response();
    }
    next.run(request).await
}

fn is_for_this_machine(request: &Request) -> bool {
    let named = request.headers().get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    // A target with a host of its own stands above the header.
    request.uri().authority().or(named.as_ref()).is_some_and(|authority| is_this_machine(authority.host()))
}
