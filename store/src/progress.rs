//! Where a model's engines stand: JSON text under a name.

use sqlx::sqlite::SqliteExecutor;

use crate::error::{Doing, Result};
use crate::store::{Transaction, reads};

/// The alert lifecycle's state (promise R1: it survives restarts).
const RULES: &str = "rules";
/// Which windows have been judged.
const JUDGE: &str = "judge";

reads! {
    /// The text that [`Transaction::put_progress`] left under the name.
    progress(model: &str, name: &str) -> Option<String> = select;

    /// The alert lifecycle's state of a model.
    rule_state(model: &str) -> Option<String> = select_rules;

    /// Where the judge of a model stands.
    judge_cursor(model: &str) -> Option<String> = select_judge;
}

async fn select(executor: impl SqliteExecutor<'_>, model: &str, name: &str) -> Result<Option<String>> {
    sqlx::query_scalar("SELECT body FROM progress WHERE model = $1 AND name = $2")
        .bind(model)
        .bind(name)
        .fetch_optional(executor)
        .await
        .doing("read a model's progress")
}

async fn select_rules(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Option<String>> {
    select(executor, model, RULES).await
}

async fn select_judge(executor: impl SqliteExecutor<'_>, model: &str) -> Result<Option<String>> {
    select(executor, model, JUDGE).await
}

impl Transaction {
    /// Keeps a text under a name, instead of what stood there.
    pub async fn put_progress(&mut self, model: &str, name: &str, body: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO progress (model, name, body) VALUES ($1, $2, $3)
             ON CONFLICT (model, name) DO UPDATE SET body = excluded.body",
        )
        .bind(model)
        .bind(name)
        .bind(body)
        .execute(&mut *self.inner)
        .await
        .doing("keep a model's progress")?;
        Ok(())
    }

    pub async fn put_rule_state(&mut self, model: &str, state: &str) -> Result<()> {
        self.put_progress(model, RULES, state).await
    }

    pub async fn put_judge_cursor(&mut self, model: &str, cursor: &str) -> Result<()> {
        self.put_progress(model, JUDGE, cursor).await
    }
}
