//! The audit log: every command and who gave it, refused ones too. It only grows.

use contract::WallTime;
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub id: String,
    pub at: WallTime,
    /// The name of the token: requests without one leave no line.
    pub who: String,
    /// `viewer`, `operator`, `admin`, or empty for a command that came too late.
    pub role: String,
    pub command: String,
    /// Empty for what is about no model.
    pub model: String,
    /// What it was done to: a retraining, a version, a token's name.
    pub subject: String,
    pub reason: String,
    pub outcome: String,
}

impl FromRow<'_, SqliteRow> for AuditRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            at: wall_time(row, "recorded")?,
            who: row.try_get("who")?,
            role: row.try_get("role")?,
            command: row.try_get("command")?,
            model: row.try_get("model")?,
            subject: row.try_get("subject")?,
            reason: row.try_get("reason")?,
            outcome: row.try_get("outcome")?,
        })
    }
}

reads! {
    /// The newest entries about a model, or about anything, newest first.
    audit(model: Option<&str>, limit: u32) -> Vec<AuditRow> = select;
}

async fn select(executor: impl SqliteExecutor<'_>, model: Option<&str>, rows: u32) -> Result<Vec<AuditRow>> {
    // Two statements, so that each has its index.
    let query = match model {
        Some(model) => sqlx::query_as("SELECT * FROM audit WHERE model = $2 ORDER BY recorded DESC, id DESC LIMIT $1")
            .bind(limit(Some(rows)))
            .bind(model),
        None => sqlx::query_as("SELECT * FROM audit ORDER BY recorded DESC, id DESC LIMIT $1").bind(limit(Some(rows))),
    };
    query.fetch_all(executor).await.doing("read the audit log")
}

impl Transaction {
    /// Adds an entry; one with its id stays as it is.
    pub async fn insert_audit(&mut self, row: &AuditRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO audit (id, recorded, who, role, command, model, subject, reason, outcome)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(&row.id)
        .bind(row.at.micros())
        .bind(&row.who)
        .bind(&row.role)
        .bind(&row.command)
        .bind(&row.model)
        .bind(&row.subject)
        .bind(&row.reason)
        .bind(&row.outcome)
        .execute(&mut *self.inner)
        .await
        .doing("write the audit log")?;
        Ok(())
    }
}
