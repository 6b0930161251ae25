//! Errors of requests as RFC 9457 problem details.

use std::error::Error as StdError;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: StatusCode,
    /// One sentence: what is wrong and what to do.
    pub detail: String,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// The path names nothing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Nobody knows who asks.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Who asks may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// What stands now doesn't allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// The body is understood, and asks for something that can't be.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// The query can't be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

/// The innermost cause in words: what is around it names types of this program.
pub(crate) fn cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Why a body or a query isn't what it should be, in one sentence. `what`: `body` or `query`.
pub(crate) fn not_understood(what: &str, error: &(dyn StdError + 'static)) -> String {
    sentence(what, &cause(error))
}

/// `error` is what a deserializer says: `FIELD: what is wrong at line 1 column 66`, field and place where it knows them. Forms of
/// our own say what is wrong in a whole sentence.
fn sentence(what: &str, error: &str) -> String {
    let error = error.rsplit_once(" at line ").map_or(error, |(error, _)| error);
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.[]".contains(c));
    let (field, said) = match error.split_once(": ") {
        Some((field, said)) if is_name(field) => (field, said),
        _ => ("", error),
    };
    if said.starts_with(char::is_uppercase) {
        return said.to_owned();
    }
    if said.contains("expected struct ") {
        return format!("The {what} must be one JSON object.");
    }
    if field.is_empty() || said.contains(&format!("`{field}`")) {
        return format!("The {what} is not understood: {said}.");
    }
    format!("The {what} is not understood: `{field}`: {said}.")
}

impl From<store::Error> for Problem {
    /// The log has the cause; the answer doesn't tell strangers about files and statements.
    fn from(error: store::Error) -> Self {
        tracing::error!(%error, "a request could not use the store");
        if error.is_retryable() {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database is busy; try again.")
        } else {
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The database could not be read; the service's log says why.")
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The service could not do this; its log says why.")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bellwether\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn what_a_deserializer_says_becomes_one_clean_sentence() {
        for (said, expected) in [
            ("reason: The reason is empty; say why. at line 1 column 66", "The reason is empty; say why."),
            ("missing field `reason` at line 1 column 2", "The body is not understood: missing field `reason`."),
            (
                "a: unknown field `a`, expected `b` at line 1 column 4",
                "The body is not understood: unknown field `a`, expected `b`.",
            ),
            (
                "parameters: invalid type: sequence, expected a map at line 3 column 9",
                "The body is not understood: `parameters`: invalid type: sequence, expected a map.",
            ),
            (
                "invalid type: integer `3`, expected struct Reasoned at line 1 column 1",
                "The body must be one JSON object.",
            ),
        ] {
            assert_eq!(sentence("body", said), expected);
        }
    }
}
