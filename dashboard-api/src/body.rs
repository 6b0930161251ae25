//! Bodies of requests: typed, bounded, and refused with a reason where they aren't understood.

use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Problem, cause, not_understood};
use crate::protection::REQUEST_BYTES;

/// Letters of a reason.
pub(crate) const REASON_LETTERS: usize = 500;
/// Letters of a version's or a token's name.
pub(crate) const NAME_LETTERS: usize = 64;

/// Letters of a path.
pub(crate) const PATH_LETTERS: usize = 1_000;

/// A JSON body as `T`, which denies unknown fields.
///
/// Whether the caller may do this at all is decided before: see [`Order::body`](crate::auth::order::Order::body).
pub(crate) async fn read<T: DeserializeOwned>(request: Request, within: Duration) -> Result<T, Problem> {
    match tokio::time::timeout(within, Json::<T>::from_request(request, &())).await {
        Ok(Ok(Json(value))) => Ok(value),
        Ok(Err(rejection)) => Err(Problem::new(rejection.status(), words(&rejection))),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive.")),
    }
}

fn words(rejection: &JsonRejection) -> String {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            "Send the body as JSON, with `Content-Type: application/json`.".to_owned()
        }
        JsonRejection::JsonSyntaxError(_) => format!("The body is no JSON: {}.", cause(rejection)),
        JsonRejection::JsonDataError(_) => not_understood("body", rejection),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            format!("The body has more than {} KiB.", REQUEST_BYTES / 1024)
        }
        _ => "The body could not be read to its end.".to_owned(),
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
            return Err("The reason is empty; say why in one line.".to_owned());
        }
        if text.chars().count() > REASON_LETTERS || text.chars().any(char::is_control) {
            return Err(format!("The reason must be one line of at most {REASON_LETTERS} characters."));
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
        Err(format!("A name has 1 to {NAME_LETTERS} letters, digits, `.`, `-` or `_`."))
    }
}

/// A folder on the disk of the service.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Folder(pub PathBuf);

impl TryFrom<String> for Folder {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().count() > PATH_LETTERS || text.chars().any(char::is_control) {
            return Err(format!("The path must be one line of at most {PATH_LETTERS} characters."));
        }
        let path = PathBuf::from(text);
        // One that is relative would be relative to a folder that the caller can't know.
        if !path.is_absolute() {
            return Err("The path must be absolute: it is one on the disk of the service.".to_owned());
        }
        Ok(Self(path))
    }
}

/// Hyper-parameters, within the limits that a contract's own have.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct HyperParameters(pub Map<String, Value>);

impl TryFrom<Map<String, Value>> for HyperParameters {
    type Error = String;

    fn try_from(parameters: Map<String, Value>) -> Result<Self, String> {
        match contract::lower::beyond_limits(&parameters) {
            Some(excess) => Err(format!("The parameters have {excess}.")),
            None => Ok(Self(parameters)),
        }
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
