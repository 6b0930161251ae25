//! Bodies of requests: typed, bounded, and refused with a reason where they aren't understood.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Letters of a reason.
pub(crate) const REASON_LETTERS: usize = 500;
/// Letters of a version's or a token's name.
pub(crate) const NAME_LETTERS: usize = 64;

/// A JSON body as `T`, which denies unknown fields.
///
/// Handlers take it as `Result<Body<T>, Problem>`: whether the caller may do this at all is decided before.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as JSON, with `Content-Type: application/json`.",
            )),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Why somebody wants something: one line, for those who read the audit log.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Reason(pub String);

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the reason is empty; say why in one line".to_owned());
        }
        if text.chars().count() > REASON_LETTERS || text.chars().any(char::is_control) {
            return Err(format!("the reason must be one line of at most {REASON_LETTERS} characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a version or a token: letters, digits, `.`, `-`, `_`, so that it needs no quotes anywhere.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if (1..=NAME_LETTERS).contains(&text.len()) && text.chars().all(is_plain) {
            return Ok(Self(text));
        }
        Err(format!("a name has 1 to {NAME_LETTERS} letters, digits, `.`, `-` or `_`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_reasons_and_names_have_a_form_and_a_length() {
        for good in ["decay since June", &"x".repeat(REASON_LETTERS), &"ö".repeat(REASON_LETTERS)] {
            assert!(Reason::try_from((*good).to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "  ", "two\nlines", "\u{1b}[2J", &"x".repeat(REASON_LETTERS + 1)] {
            assert!(Reason::try_from((*bad).to_owned()).is_err(), "{bad}");
        }
        for good in ["2", "v1.2-rc_3", &"x".repeat(NAME_LETTERS)] {
            assert!(Name::try_from((*good).to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a b", "../2", "ö", &"x".repeat(NAME_LETTERS + 1)] {
            assert!(Name::try_from((*bad).to_owned()).is_err(), "{bad}");
        }
    }
}
