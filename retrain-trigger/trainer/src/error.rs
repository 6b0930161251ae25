//! What can go wrong between a specification and an artifact, and when a stored model is asked.

use std::path::{Path, PathBuf};

/// The one error type of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the specification {path} can't be used: {detail}")]
    Spec { path: PathBuf, detail: String },
    #[error("the data {path} can't be used: {detail}")]
    Data { path: PathBuf, detail: String },
    #[error("nothing can be learnt from these data: {0}")]
    Unlearnable(String),
    #[error("the model in {folder} can't be loaded: {detail}")]
    Model { folder: PathBuf, detail: String },
    #[error("the model can't score this batch: {0}")]
    Input(String),
    #[error("no training on this device: {0}")]
    Device(String),
    #[error("another trainer works in {0}; wait until it has ended")]
    Busy(PathBuf),
    #[error("{path} could not be {doing}: {source}")]
    File { path: PathBuf, doing: &'static str, source: std::io::Error },
    /// The caller asked to stop; a checkpoint has been written.
    #[error("stopped on request; started again with the same output folder it goes on from there")]
    Interrupted,
    #[error("the training diverged in epoch {epoch}: the loss is no number; try a lower learning_rate")]
    Diverged { epoch: u32 },
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
    #[error("a columnar batch failed: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    #[error("a document could not be written: {0}")]
    Json(#[from] serde_json::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

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
            Self::Spec { .. }
            | Self::Data { .. }
            | Self::Unlearnable(_)
            | Self::Input(_)
            | Self::Device(_)
            | Self::Diverged { .. } => Class::User,
            Self::Model { .. } | Self::Busy(_) | Self::File { .. } | Self::Interrupted => Class::External,
            Self::Torch(_) | Self::Arrow(_) | Self::Json(_) => Class::Internal,
        }
    }

    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::File { .. } | Self::Interrupted)
    }

    pub(crate) fn data(path: &Path, detail: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), detail: detail.into() }
    }

    pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, doing, source }
    }
}
