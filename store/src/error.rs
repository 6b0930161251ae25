//! What can go wrong with the database.

use std::path::PathBuf;

/// An operation on the store that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("cannot open the database {}: {source}; its folder must exist and be writable", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error(
        "cannot bring the database {} to this version's tables: {source}; a newer Bellwether may have written it: \
         use that version, or another file",
        path.display()
    )]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
    #[error("cannot {doing} in the database: {source}")]
    Query { doing: &'static str, source: sqlx::Error },
    #[error("a row of `{table}` in the database can't be read: {detail}; restore the database from a backup")]
    Corrupt { table: &'static str, detail: String },
}

pub type Result<T> = std::result::Result<T, Error>;

/// Who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The one who configured this.
    User,
    /// Something that Bellwether depends on: a disk, a database.
    External,
    /// Bellwether's developers.
    Internal,
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Open { .. } | Self::Migrate { .. } => Class::User,
            Self::Query { source, .. } if is_internal(source) => Class::Internal,
            Self::Query { .. } | Self::Corrupt { .. } => Class::External,
        }
    }

    /// Whether the same operation can succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Query { source, .. } => match source {
                sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
                sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient(&code)),
                _ => false,
            },
            Self::Open { .. } | Self::Migrate { .. } | Self::Corrupt { .. } => false,
        }
    }
}

/// SQLite's primary result codes that pass: busy, locked, I/O error, disk full.
fn is_transient(code: &str) -> bool {
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
}

/// Errors that only a wrong statement in this crate can cause.
fn is_internal(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Encode(_)
    )
}

/// Says what was being done when the database refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T> Doing<T> for sqlx::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T> {
        self.map_err(|source| Error::Query { doing, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_databases_are_tried_again_and_wrong_statements_are_not() {
        for code in ["5", "261", "517", "6", "10", "522", "13"] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["1", "19", "1555", "abc"] {
            assert!(!is_transient(code), "{code}");
        }
        let busy = Error::Query { doing: "read", source: sqlx::Error::PoolTimedOut };
        assert!(busy.is_retryable());
        assert_eq!(busy.class(), Class::External);
        let wrong = Error::Query { doing: "read", source: sqlx::Error::ColumnNotFound("x".to_owned()) };
        assert!(!wrong.is_retryable());
        assert_eq!(wrong.class(), Class::Internal);
    }
}
