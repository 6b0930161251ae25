//! A command on its way: the role is looked at before the body is read, and whatever becomes of it stands in the audit log.
//!
//! Who carries a command out, or refuses it, writes its line in the transaction in which it happens. All others get theirs in
//! [`Order::ended`], which every handler of a command ends with: those that were denied, not understood, or broke off.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use contract::WallTime;
use serde::de::DeserializeOwned;
use store::AuditRow;

use crate::auth::Role;
use crate::auth::caller::Caller;
use crate::auth::token::identifier;
use crate::body;
use crate::problem::Problem;
use crate::state::ApiState;

/// Letters of a model's name and of a subject that the audit log keeps: they come from the request's path.
const SUBJECT_LETTERS: usize = 200;
/// Letters of an outcome that it keeps.
const OUTCOME_LETTERS: usize = 1_200;

/// What somebody with a token asks to be done.
pub(crate) struct Order {
    pub state: Arc<ApiState>,
    pub caller: Caller,
    command: &'static str,
    /// Empty where the command isn't for one model.
    pub model: String,
    /// What the command is for besides the model: a retraining, a version, a token. Empty: nothing.
    pub subject: String,
    /// Empty as long as the body wasn't understood.
    pub reason: String,
    /// Its line stands in the audit log.
    pub is_on_record: bool,
}

impl Order {
    pub fn new(state: Arc<ApiState>, caller: Caller, command: &'static str) -> Self {
        let (model, subject, reason) = (String::new(), String::new(), String::new());
        Self { state, caller, command, model, subject, reason, is_on_record: false }
    }

    pub fn of_model(self, model: String) -> Self {
        Self { model, ..self }
    }

    pub fn about(self, subject: String) -> Self {
        Self { subject, ..self }
    }

    /// What the caller sends, if he may give this command at all: nobody else's bytes are waited for.
    pub async fn body<T: DeserializeOwned>(&self, needed: Role, request: Request) -> Result<T, Problem> {
        self.caller.may(needed)?;
        body::read(request, self.state.limits.body_within).await
    }

    /// The end of every command.
    pub async fn ended<T>(self, result: Result<T, Problem>) -> Result<T, Problem> {
        if self.is_on_record {
            return result;
        }
        let outcome = match &result {
            Ok(_) => "accepted".to_owned(),
            Err(problem) if problem.status == StatusCode::FORBIDDEN => {
                // What comes after it is advice for the caller.
                format!("denied: {}", problem.detail.split(';').next().unwrap_or_default())
            }
            Err(problem) if problem.status.is_server_error() => format!("failed: {}", problem.detail),
            Err(problem) => format!("refused: {}", problem.detail),
        };
        if let Err(problem) = self.record(&outcome).await {
            let (who, command) = (&self.caller.name, self.command);
            tracing::error!(who, command, outcome, "a line of the audit log could not be written: {}", problem.detail);
        }
        result
    }

    /// Writes a line of the audit log.
    async fn record(&self, outcome: &str) -> Result<(), Problem> {
        let mut transaction = self.state.store.begin().await?;
        transaction.insert_audit(&self.line(outcome)?).await?;
        Ok(transaction.commit().await?)
    }

    /// A line of the audit log, of now.
    pub fn line(&self, outcome: &str) -> Result<AuditRow, Problem> {
        let cut = |text: &str, letters: usize| text.chars().take(letters).collect::<String>();
        Ok(AuditRow {
            id: identifier()?,
            at: WallTime::now(),
            who: self.caller.name.clone(),
            role: self.caller.role.name().to_owned(),
            command: self.command.to_owned(),
            model: cut(&self.model, SUBJECT_LETTERS),
            subject: cut(&self.subject, SUBJECT_LETTERS),
            reason: self.reason.clone(),
            outcome: cut(outcome, OUTCOME_LETTERS),
        })
    }
}

/// The part of a path that names something. What isn't UTF-8 names nothing that there is.
pub(crate) struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(name)| name)))
    }
}
