//! The registry's tables: versions of models, and the aliases that say what they are for.

use std::collections::BTreeMap;

use contract::{EventTime, WallTime};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{FromRow, Row};

use crate::column::{limit, wall_time};
use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// One registered version. Only its validation ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    pub model: String,
    pub version: String,
    /// Hexadecimal: the artifact's, see [`contract::artifact`].
    pub sha256: String,
    pub uri: String,
    /// `passed`, `failed`, `overridden` or `external`.
    pub validation: String,
    /// The retraining that made it; empty for one that was brought.
    pub retraining: String,
    pub registered: WallTime,
    pub registered_by: String,
    /// JSON object: code revision, manifest, parameters, metrics, who approved.
    pub lineage: String,
    /// The path of its out-of-fold scores with labels; empty without.
    pub baseline: String,
}

impl FromRow<'_, SqliteRow> for VersionRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            model: row.try_get("model")?,
            version: row.try_get("version")?,
            sha256: row.try_get("sha256")?,
            uri: row.try_get("uri")?,
            validation: row.try_get("validation")?,
            retraining: row.try_get("retraining")?,
            registered: wall_time(row, "registered")?,
            registered_by: row.try_get("registered_by")?,
            lineage: row.try_get("lineage")?,
            baseline: row.try_get("baseline")?,
        })
    }
}

reads! {
    /// A model's versions, the newest first.
    versions(model: &str) -> Vec<VersionRow> = select;

    /// One version of a model.
    version(model: &str, version: &str) -> Option<VersionRow> = select_one;

    /// A model's aliases and the versions that they stand for.
    aliases(model: &str) -> BTreeMap<String, String> = select_aliases;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Vec<VersionRow>> {
    sqlx::query_as("SELECT * FROM versions WHERE model = $1 ORDER BY registered DESC, version DESC LIMIT $2")
        .bind(model)
        .bind(limit(None))
        .fetch_all(executor)
        .await
        .doing("read a model's versions")
}

async fn select_one(executor: impl SqliteExecutor<'_>, model: &str, version: &str) -> Result<Option<VersionRow>> {
    sqlx::query_as("SELECT * FROM versions WHERE model = $1 AND version = $2")
        .bind(model)
        .bind(version)
        .fetch_optional(executor)
        .await
        .doing("read a version")
}

async fn select_aliases(executor: impl SqliteExecutor<'_>, model: &str) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT alias, version FROM aliases WHERE model = $1 ORDER BY alias LIMIT $2")
            .bind(model)
            .bind(limit(None))
            .fetch_all(executor)
            .await
            .doing("read a model's aliases")?;
    Ok(rows.into_iter().collect())
}

impl Transaction {
    /// Registers a version. False, and nothing changed, if the model has one of the name.
    pub async fn insert_version(&mut self, row: &VersionRow) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO versions (model, version, sha256, uri, validation, retraining, registered, registered_by,
                                   lineage, baseline)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (model, version) DO NOTHING",
        )
        .bind(&row.model)
        .bind(&row.version)
        .bind(&row.sha256)
        .bind(&row.uri)
        .bind(&row.validation)
        .bind(&row.retraining)
        .bind(row.registered.micros())
        .bind(&row.registered_by)
        .bind(&row.lineage)
        .bind(&row.baseline)
        .execute(&mut *self.inner)
        .await
        .doing("register a version")?;
        Ok(done.rows_affected() > 0)
    }

    /// Changes what is known of a version's worth. False if there is no such version.
    pub async fn set_validation(&mut self, model: &str, version: &str, validation: &str) -> Result<bool> {
        let done = sqlx::query("UPDATE versions SET validation = $3 WHERE model = $1 AND version = $2")
            .bind(model)
            .bind(version)
            .bind(validation)
            .execute(&mut *self.inner)
            .await
            .doing("keep a version's validation")?;
        Ok(done.rows_affected() > 0)
    }

    /// Lets an alias stand for a version from now on, or for none. An error if the version isn't registered.
    pub async fn set_alias(
        &mut self,
        model: &str,
        alias: &str,
        version: Option<&str>,
        at: EventTime,
        now: WallTime,
    ) -> Result<()> {
        let Some(version) = version else {
            return self.delete_alias(model, alias).await;
        };
        sqlx::query(
            "INSERT INTO aliases (model, alias, version, event_time, updated) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (model, alias) DO UPDATE SET
                 version = excluded.version, event_time = excluded.event_time, updated = excluded.updated",
        )
        .bind(model)
        .bind(alias)
        .bind(version)
        .bind(at.micros())
        .bind(now.micros())
        .execute(&mut *self.inner)
        .await
        .doing("let an alias stand for a registered version")?;
        Ok(())
    }

    async fn delete_alias(&mut self, model: &str, alias: &str) -> Result<()> {
        sqlx::query("DELETE FROM aliases WHERE model = $1 AND alias = $2")
            .bind(model)
            .bind(alias)
            .execute(&mut *self.inner)
            .await
            .doing("delete an alias")?;
        Ok(())
    }
}
