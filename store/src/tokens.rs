//! Tokens of the interface: only their SHA-256 is kept.

use std::fmt;

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{limit, maybe_wall_time, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// Hexadecimal.
    pub sha256: String,
    pub created: WallTime,
    /// The name of the token that made it; empty for the first one.
    pub created_by: String,
    pub revoked: Option<WallTime>,
}

/// Without the hash, so that no log has it.
impl fmt::Debug for TokenRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, sha256: _, created, created_by, revoked } = self;
        formatter
            .debug_struct("TokenRow")
            .field("name", name)
            .field("role", role)
            .field("created", created)
            .field("created_by", created_by)
            .field("revoked", revoked)
            .finish_non_exhaustive()
    }
}

impl FromRow<'_, SqliteRow> for TokenRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            sha256: row.try_get("sha256")?,
            created: wall_time(row, "created")?,
            created_by: row.try_get("created_by")?,
            revoked: maybe_wall_time(row, "revoked")?,
        })
    }
}

reads! {
    /// All tokens, revoked ones too, by name.
    tokens() -> Vec<TokenRow> = select;

    /// The token with the hash, unless it is revoked.
    token_by_sha256(sha256: &str) -> Option<TokenRow> = select_one;
}

async fn select(executor: impl SqliteExecutor<'_>) -> Result<Vec<TokenRow>> {
    sqlx::query_as("SELECT * FROM tokens ORDER BY name LIMIT $1")
        .bind(limit(None))
        .fetch_all(executor)
        .await
        .doing("read tokens")
}

async fn select_one(executor: impl SqliteExecutor<'_>, sha256: &str) -> Result<Option<TokenRow>> {
    sqlx::query_as("SELECT * FROM tokens WHERE sha256 = $1 AND revoked IS NULL")
        .bind(sha256)
        .fetch_optional(executor)
        .await
        .doing("look a token up")
}

impl Transaction {
    /// Keeps a token. False, and nothing changed, if its name is taken, be it by a revoked one.
    pub async fn insert_token(&mut self, row: &TokenRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO tokens (name, role, sha256, created, created_by, revoked) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
        )
        .bind(&row.name)
        .bind(&row.role)
        .bind(&row.sha256)
        .bind(row.created.micros())
        .bind(&row.created_by)
        .bind(row.revoked.map(WallTime::micros))
        .execute(&mut *self.inner)
        .await
        .doing("keep a token")?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends a token's life. False, and nothing changed, if there is none of the name, or if it has ended before.
    pub async fn revoke_token(&mut self, name: &str, now: WallTime) -> Result<bool> {
        let done = sqlx::query("UPDATE tokens SET revoked = $2 WHERE name = $1 AND revoked IS NULL")
            .bind(name)
            .bind(now.micros())
            .execute(&mut *self.inner)
            .await
            .doing("revoke a token")?;
        Ok(done.rows_affected() > 0)
    }
}
