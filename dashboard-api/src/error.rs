//! What can stop the server. Errors of single requests are [`crate::problem::Problem`]s.

use std::io;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the HTTP server stopped: {0}; look at the system's limits on sockets and open files")]
    Serve(#[from] io::Error),
}

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
            Self::Serve(_) => Class::External,
        }
    }

    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Serve(_) => true,
        }
    }
}
