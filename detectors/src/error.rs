//! The crate's one error.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// What went wrong, with what, and what to do now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a stored {profile} profile can't be read: {reason}; rebuild it from the history")]
    Decode { profile: &'static str, reason: &'static str },
    #[error("a {profile} profile can't take values of Arrow type {data_type}; cast the column first")]
    UnsupportedType { profile: &'static str, data_type: DataType },
    #[error("a column could not be converted to 64-bit floats: {0}")]
    Cast(#[from] ArrowError),
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    User,
    External,
    Internal,
}

impl Error {
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Decode { .. } => ErrorClass::External,
            Self::UnsupportedType { .. } => ErrorClass::User,
            Self::Cast(_) => ErrorClass::Internal,
        }
    }

    /// Everything here is a pure function of its input: trying again gives the same.
    pub fn is_retryable(&self) -> bool {
        false
    }
}
