//! `POST` routes that ask for a change of a model: retrain, approve, override, cancel, promote, roll back, register.
//!
//! Nothing is decided here. [`retrain_trigger::commands::Commands`] decides, records the command and writes the audit log,
//! refusals included; these routes see to who asks, and to the form of what is asked.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use retrain_trigger::commands::{Asked, Command, CommandError, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::Role;
use crate::auth::caller::{Attempt, Caller, record};
use crate::body::{Body, Name, Reason};
use crate::problem::Problem;
use crate::state::ApiState;

/// What became of a command that was let through.
#[derive(Serialize)]
pub(crate) struct Accepted {
    retraining: Option<String>,
    /// The retraining's state when the command was accepted.
    state: String,
    /// One sentence: what happens now.
    words: String,
}

type Answer = Result<(StatusCode, Json<Accepted>), Problem>;
type Sent<T> = Result<Body<T>, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reasoned {
    reason: Reason,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retrain {
    reason: Reason,
    /// Hyper-parameters over those of the contract.
    #[serde(default)]
    parameters: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promote {
    reason: Reason,
    /// A registered version; without one, the candidate that is being rolled out.
    version: Option<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    reason: Reason,
    /// A folder with the artifact's files, on the disk of the service.
    path: PathBuf,
    version: Name,
    /// It serves already, or is to serve at once.
    #[serde(default)]
    champion: bool,
}

pub(crate) async fn retrain(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(model): Path<String>,
    body: Sent<Retrain>,
) -> Answer {
    let attempt = Attempt { command: "retrain", model: &model, subject: "" };
    caller.may(&state, Role::Operator, attempt).await?;
    let Body(Retrain { reason, parameters }) = body?;
    submit(&state, caller, model, None, Command::Retrain { parameters }, reason).await
}

pub(crate) async fn promote(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(model): Path<String>,
    body: Sent<Promote>,
) -> Answer {
    let attempt = Attempt { command: "promote", model: &model, subject: "" };
    caller.may(&state, Role::Operator, attempt).await?;
    let Body(Promote { reason, version }) = body?;
    let command = Command::Promote { version: version.map(|version| version.0) };
    submit(&state, caller, model, None, command, reason).await
}

pub(crate) async fn roll_back(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(model): Path<String>,
    body: Sent<Reasoned>,
) -> Answer {
    let attempt = Attempt { command: "rollback", model: &model, subject: "" };
    caller.may(&state, Role::Operator, attempt).await?;
    submit(&state, caller, model, None, Command::Rollback, body?.0.reason).await
}

pub(crate) async fn register(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(model): Path<String>,
    body: Sent<Register>,
) -> Answer {
    let attempt = Attempt { command: "register", model: &model, subject: "" };
    caller.may(&state, Role::Admin, attempt).await?;
    let Body(Register { reason, path, version, champion }) = body?;
    // A path that is relative would be relative to a folder that the caller can't know.
    if !path.is_absolute() {
        return Err(Problem::unprocessable("The path must be absolute: it is one on the disk of the service."));
    }
    submit(&state, caller, model, None, Command::Register { path, version: version.0, champion }, reason).await
}

pub(crate) async fn approve(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Sent<Reasoned>,
) -> Answer {
    of_retraining(&state, caller, id, body, Role::Operator, "approve", Command::Approve).await
}

pub(crate) async fn cancel(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Sent<Reasoned>,
) -> Answer {
    of_retraining(&state, caller, id, body, Role::Operator, "cancel", Command::Cancel).await
}

/// Lets a candidate past the gate that it failed at.
pub(crate) async fn let_past(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Sent<Reasoned>,
) -> Answer {
    of_retraining(&state, caller, id, body, Role::Admin, "override", Command::Override).await
}

async fn of_retraining(
    state: &ApiState,
    caller: Caller,
    id: String,
    body: Sent<Reasoned>,
    needed: Role,
    name: &str,
    command: Command,
) -> Answer {
    let known = state.store.retraining(&id).await?;
    let model = known.as_ref().map(|row| row.model.clone()).unwrap_or_default();
    let attempt = Attempt { command: name, model: &model, subject: &id };
    caller.may(state, needed, attempt).await?;
    let reason = body?.0.reason;
    if known.is_none() {
        // No model, so nobody to decide: it is refused, and recorded, here.
        let words = format!("there is no retraining `{id}`");
        record(state, &caller, attempt, &reason.0, &format!("refused: {words}")).await?;
        return Err(Problem::not_found(words));
    }
    submit(state, caller, model, Some(id), command, reason).await
}

async fn submit(
    state: &ApiState,
    caller: Caller,
    model: String,
    retraining: Option<String>,
    command: Command,
    reason: Reason,
) -> Answer {
    let asked =
        Asked { model, retraining, command, by: caller.name, role: caller.role.name().to_owned(), reason: reason.0 };
    let accepted = state.commands.submit(asked).await?;
    let (retraining, state, words) = (accepted.retraining, accepted.state, accepted.words);
    Ok((StatusCode::ACCEPTED, Json(Accepted { retraining, state, words })))
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(Refusal::Unknown(detail)) => Self::not_found(detail),
            CommandError::Refused(Refusal::NotNow(detail)) => Self::conflict(detail),
            CommandError::Refused(Refusal::Wrong(detail)) => Self::unprocessable(detail),
            CommandError::Failed(error) => {
                tracing::error!(%error, "a command could not be carried out");
                if error.is_retryable() {
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database is busy; try again.")
                } else {
                    let detail = "The command could not be carried out; the service's log says why.";
                    Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
                }
            }
        }
    }
}
