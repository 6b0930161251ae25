//! `POST` routes that ask for a change of a model: retrain, approve, override, cancel, promote, roll back, register.
//!
//! Nothing is decided here. [`retrain_trigger::commands::Commands`] decides, and records the command or its refusal in the audit
//! log; these routes see to who asks, to the form of what is asked, and to the lines about all that doesn't come so far.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use retrain_trigger::commands::{Asked, Command, CommandError, Refusal};
use serde::{Deserialize, Serialize};

use crate::auth::Role;
use crate::auth::caller::Caller;
use crate::auth::order::{Order, Segment};
use crate::body::{Folder, HyperParameters, Name, Reason};
use crate::parameters::known_model;
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
    parameters: HyperParameters,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfVersion {
    reason: Reason,
    /// Of a promotion: a registered version; without one, the candidate that is being rolled out. Of a rollback: what is to go out
    /// of service; without one, what serves.
    version: Option<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    reason: Reason,
    /// With the artifact's files.
    path: Folder,
    version: Name,
    /// It serves already, or is to serve at once.
    #[serde(default)]
    champion: bool,
}

pub(crate) async fn retrain(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(model): Segment,
    request: Request,
) -> Answer {
    let mut order = Order::new(state, caller, "retrain").of_model(model);
    let answer = async {
        let Retrain { reason, parameters } = order.body(Role::Operator, request).await?;
        submit(&mut order, None, Command::Retrain { parameters: parameters.0 }, reason).await
    };
    let answer = answer.await;
    order.ended(answer).await
}

pub(crate) async fn promote(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(model): Segment,
    request: Request,
) -> Answer {
    let order = Order::new(state, caller, "promote").of_model(model);
    of_version(order, request, |version| Command::Promote { version }).await
}

pub(crate) async fn roll_back(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(model): Segment,
    request: Request,
) -> Answer {
    let order = Order::new(state, caller, "rollback").of_model(model);
    of_version(order, request, |version| Command::Rollback { version }).await
}

pub(crate) async fn register(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(model): Segment,
    request: Request,
) -> Answer {
    let mut order = Order::new(state, caller, "register").of_model(model);
    let answer = async {
        let Register { reason, path: Folder(path), version: Name(version), champion } =
            order.body(Role::Admin, request).await?;
        order.subject = format!("version {version} from {}", path.display());
        order.reason.clone_from(&reason.0);
        known_model(&order.state, &order.model)?;
        submit(&mut order, None, Command::Register { path, version, champion }, reason).await
    };
    let answer = answer.await;
    order.ended(answer).await
}

pub(crate) async fn approve(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(id): Segment,
    request: Request,
) -> Answer {
    of_retraining(Order::new(state, caller, "approve").about(id), request, Role::Operator, Command::Approve).await
}

pub(crate) async fn cancel(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(id): Segment,
    request: Request,
) -> Answer {
    of_retraining(Order::new(state, caller, "cancel").about(id), request, Role::Operator, Command::Cancel).await
}

/// Lets a candidate past the gate that it failed at.
pub(crate) async fn let_past(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(id): Segment,
    request: Request,
) -> Answer {
    of_retraining(Order::new(state, caller, "override").about(id), request, Role::Admin, Command::Override).await
}

async fn of_retraining(mut order: Order, request: Request, needed: Role, command: Command) -> Answer {
    let answer = async {
        let id = order.subject.clone();
        let known = order.state.store.retraining(&id).await?;
        order.model = known.as_ref().map(|row| row.model.clone()).unwrap_or_default();
        let Reasoned { reason } = order.body(needed, request).await?;
        if known.is_none() {
            // No model, so nobody to decide.
            order.reason = reason.0;
            return Err(Problem::not_found(format!("there is no retraining `{id}`")));
        }
        submit(&mut order, Some(id), command, reason).await
    };
    let answer = answer.await;
    order.ended(answer).await
}

async fn submit(order: &mut Order, retraining: Option<String>, command: Command, reason: Reason) -> Answer {
    order.reason.clone_from(&reason.0);
    known_model(&order.state, &order.model)?;
    let (by, role) = (order.caller.name.clone(), order.caller.role.name().to_owned());
    let asked = Asked { model: order.model.clone(), retraining, command, by, role, reason: reason.0 };
    let decided = order.state.commands.submit(asked).await;
    order.is_on_record = !matches!(decided, Err(CommandError::Failed(_)));
    let accepted = decided?;
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

/// A command that may name a version.
async fn of_version(mut order: Order, request: Request, command: fn(Option<String>) -> Command) -> Answer {
    let answer = async {
        let OfVersion { reason, version } = order.body(Role::Operator, request).await?;
        let version = version.map(|version| version.0);
        order.subject = version.as_ref().map(|version| format!("version {version}")).unwrap_or_default();
        submit(&mut order, None, command(version), reason).await
    };
    let answer = answer.await;
    order.ended(answer).await
}
