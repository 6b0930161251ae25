//! What can go wrong when a retraining is planned, recorded or carried out.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("retraining {id} in the database can't be read: {detail}; restore the database from a backup")]
    Document { id: String, detail: String },
    #[error("retraining {id} was ended while a step of it was planned; the step is dropped")]
    Overtaken { id: String },
    #[error("{}: {detail}; the folder must exist and be writable", path.display())]
    File { path: PathBuf, detail: String },
    #[error("no HTTP client can be made: {0}; look at the system's certificates")]
    Client(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    User,
    External,
    Internal,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Store(error) => match error.class() {
                store::Class::User => Class::User,
                store::Class::External => Class::External,
                store::Class::Internal => Class::Internal,
            },
            Self::Document { .. } | Self::Client(_) => Class::External,
            Self::Overtaken { .. } => Class::Internal,
            Self::File { .. } => Class::User,
        }
    }

    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Overtaken { .. } => true,
            Self::Document { .. } | Self::File { .. } | Self::Client(_) => false,
        }
    }
}
