//! Why a report can't be made.

use std::path::PathBuf;

/// The one error type of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Dataset(#[from] ingest::Error),
    #[error("computing the profiles of {path}: {source}")]
    Profile { path: PathBuf, source: Box<datafusion::error::DataFusionError> },
    #[error("the profile of column `{column}` can't be read back ({detail}); this is a defect of Bellwether")]
    Decode { column: String, detail: String },
    #[error("{path} has none of the columns that are to be compared; they are: {expected}; and it has: {found}")]
    NoColumns { path: PathBuf, expected: String, found: String },
    #[error("more than {limit} columns in {path}; name the ones that matter in a contract's schema")]
    TooManyColumns { path: PathBuf, limit: usize },
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
            Self::Dataset(_) | Self::NoColumns { .. } | Self::TooManyColumns { .. } => Class::User,
            Self::Profile { .. } => Class::External,
            Self::Decode { .. } => Class::Internal,
        }
    }

    /// A report reads files once; trying again gives the same.
    pub fn is_retryable(&self) -> bool {
        false
    }
}
