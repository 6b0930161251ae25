//! Parameters of requests: typed, bounded, and refused with a reason where they aren't understood.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::problem::{Problem, not_understood};
use crate::state::{ApiState, ModelInfo};

/// The most rows that a request may ask for.
const MAX_LIMIT: u32 = 1_000;
/// What it gets if it doesn't ask.
const DEFAULT_LIMIT: u32 = 100;

/// The query string as `T`, which denies unknown fields: a misspelt filter must not answer with everything.
pub(crate) struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::bad_request(not_understood("query", &rejection)))
    }
}

/// How many rows to answer with: 1 to 1000, 100 unless asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub u32);

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(Self(limit)),
            _ => Err(D::Error::custom(format!("`{text}` must be a number from 1 to {MAX_LIMIT}"))),
        }
    }
}

/// The configured model of that name.
pub(crate) fn known_model<'a>(state: &'a ApiState, name: &str) -> Result<&'a ModelInfo, Problem> {
    state.model(name).ok_or_else(|| {
        let known: Vec<&str> = state.models.iter().map(|info| info.model.as_str()).collect();
        Problem::not_found(format!("There is no model `{name}`; there is: {}.", known.join(", ")))
    })
}

/// The models that a filter means: the named one, or all.
pub(crate) fn chosen_models<'a>(state: &'a ApiState, name: Option<&str>) -> Result<Vec<&'a ModelInfo>, Problem> {
    match name {
        Some(name) => known_model(state, name).map(|info| vec![info]),
        None => Ok(state.models.iter().collect()),
    }
}
