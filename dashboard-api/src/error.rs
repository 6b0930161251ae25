//! What can keep the server from starting. Errors of single requests are [`crate::problem::Problem`]s.

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the tokens could not be read or written: {0}")]
    Store(#[from] store::Error),
    #[error("the system gives no random bytes for a token: {0}; look at /dev/urandom")]
    Random(rand::rand_core::OsError),
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
            Self::Random(_) => Class::External,
            Self::Store(error) => match error.class() {
                store::Class::User => Class::User,
                store::Class::External => Class::External,
                store::Class::Internal => Class::Internal,
            },
        }
    }

    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Random(_) => true,
            Self::Store(error) => error.is_retryable(),
        }
    }
}
