//! What can go wrong while channels are made. Errors of rule files are [`contract::Diagnostic`]s, errors of deliveries
//! are [`crate::channels::DeliveryError`]s.

/// The one error type of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("channel `{channel}` can't be used: {detail}; {hint}")]
    Channel { channel: String, detail: String, hint: &'static str },
    #[error("channel `{channel}` could not be prepared: {detail}; are the system's CA certificates installed?")]
    Client { channel: String, detail: String },
}

pub type Result<T> = std::result::Result<T, Error>;

/// Who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The one who configured this.
    User,
    /// The machine.
    External,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Channel { .. } => Class::User,
            Self::Client { .. } => Class::External,
        }
    }

    /// Whether the same call can succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        false
    }
}
