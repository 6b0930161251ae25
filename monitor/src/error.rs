//! What can go wrong between a published window and its notifications.

use std::path::PathBuf;

/// The one error type of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store failed: {0}")]
    Store(#[from] store::Error),
    #[error("the baseline {path} of model {model} could not be read: {source}")]
    Baseline { model: String, path: PathBuf, source: ingest::Error },
    #[error(
        "a stored window of model {model} can't be decoded ({detail}); restore the database from a backup or remove it"
    )]
    Stored { model: String, detail: String },
    #[error(transparent)]
    Retraining(#[from] retrain_trigger::Error),
    #[error("model {model} has no contract in this service; a shard published for it")]
    UnknownModel { model: String },
    #[error("delivering the notifications of a channel was cut short: {detail}")]
    Delivery { detail: String },
    #[error("metric {name} could not be registered: {source}")]
    Metric { name: &'static str, source: prometheus::Error },
}

pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    User,
    External,
    Internal,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Baseline { .. } => Class::User,
            Self::Store(_) | Self::Stored { .. } | Self::Retraining(_) => Class::External,
            Self::UnknownModel { .. } | Self::Delivery { .. } | Self::Metric { .. } => Class::Internal,
        }
    }

    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}
