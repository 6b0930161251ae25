//! What can go wrong between a source and a window.

use std::path::PathBuf;

/// The one error type of this crate. Bad events are no errors: they are dead letters.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} could not be read: {detail}")]
    File { path: PathBuf, detail: String },
    #[error(
        "{path} is no data file that can be read ({detail}); use Parquet, CSV (.csv), Arrow (.arrow) or JSON lines (.jsonl)"
    )]
    Format { path: PathBuf, detail: String },
    #[error("the checkpoint of shard {shard} of model {model} can't be used: {detail}")]
    Checkpoint { model: String, shard: i32, detail: String },
    #[error("a stored {what} can't be read: {detail}")]
    Stored { what: &'static str, detail: &'static str },
    #[error("another instance owns shard {shard} of model {model} now")]
    Fenced { model: String, shard: i32 },
    #[error("Kafka failed while {doing}: {detail}")]
    Kafka { doing: String, detail: String },
    #[error("librdkafka refuses the setting `{key}` or its value; mend `kafka.properties`")]
    Setting { key: String },
    #[error("a publication of model {model} was not accepted: {source}")]
    Sink { model: String, source: crate::BoxError },
    #[error("metric {name} could not be registered: {source}")]
    Metric { name: &'static str, source: prometheus::Error },
    #[error("a profile failed: {0}")]
    Profile(#[from] detectors::Error),
    #[error("a columnar batch failed: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
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
            Self::File { .. } | Self::Format { .. } | Self::Setting { .. } => Class::User,
            Self::Checkpoint { .. }
            | Self::Stored { .. }
            | Self::Fenced { .. }
            | Self::Kafka { .. }
            | Self::Sink { .. } => Class::External,
            Self::Metric { .. } | Self::Profile(_) | Self::Arrow(_) => Class::Internal,
        }
    }

    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Kafka { .. })
    }
}
