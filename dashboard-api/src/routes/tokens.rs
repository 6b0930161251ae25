//! `/api/v1/tokens`: who may come in. For admins. A token itself is told once, in the answer that makes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use contract::WallTime;
use serde::{Deserialize, Serialize};
use store::TokenRow;

use crate::auth::Role;
use crate::auth::caller::{Attempt, Caller, audit_row};
use crate::auth::token::{digest, generate};
use crate::body::{Body, Name, Reason};
use crate::problem::Problem;
use crate::state::ApiState;

/// Tokens that there may be, revoked ones included: they keep their names.
const MAX_TOKENS: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: Name,
    role: Role,
    reason: Option<Reason>,
}

#[derive(Serialize)]
pub(crate) struct Tokens {
    tokens: Vec<Token>,
}

/// A token without its secret.
#[derive(Serialize)]
struct Token {
    name: String,
    role: String,
    created: WallTime,
    /// The token that made it; empty for the first one.
    created_by: String,
    revoked: Option<WallTime>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        Self { name: row.name, role: row.role, created: row.created, created_by: row.created_by, revoked: row.revoked }
    }
}

#[derive(Serialize)]
pub(crate) struct Made {
    name: String,
    role: Role,
    /// Told here and nowhere else.
    token: String,
}

pub(crate) async fn list(State(state): State<Arc<ApiState>>, caller: Caller) -> Result<Json<Tokens>, Problem> {
    caller.may_read(Role::Admin)?;
    let rows = state.store.tokens().await?;
    Ok(Json(Tokens { tokens: rows.into_iter().map(Token::from).collect() }))
}

pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    body: Result<Body<New>, Problem>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<Made>), Problem> {
    let subject = body.as_ref().map(|Body(new)| new.name.0.clone()).unwrap_or_default();
    let attempt = Attempt { command: "create_token", model: "", subject: &subject };
    caller.may(&state, Role::Admin, attempt).await?;
    let Body(New { name: Name(name), role, reason }) = body?;
    let reason = reason.map(|reason| reason.0).unwrap_or_default();
    let token = generate()?;
    let mut transaction = state.store.begin().await?;
    let is_full = transaction.tokens().await?.len() >= MAX_TOKENS;
    let row = TokenRow {
        name: name.clone(),
        role: role.name().to_owned(),
        sha256: digest(&token),
        created: WallTime::now(),
        created_by: caller.name.clone(),
        revoked: None,
    };
    let refused = if is_full {
        Some(format!("There are {MAX_TOKENS} tokens already, revoked ones included."))
    } else if transaction.insert_token(&row).await? {
        None
    } else {
        Some(format!("There is, or was, a token `{name}`; choose another name."))
    };
    let outcome = refused.as_ref().map_or_else(|| format!("accepted: role {role}"), |why| format!("refused: {why}"));
    transaction.insert_audit(&audit_row(&caller, attempt, &reason, &outcome)?).await?;
    transaction.commit().await?;
    match refused {
        Some(why) => Err(Problem::conflict(why)),
        None => Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(Made { name, role, token }))),
    }
}

pub(crate) async fn revoke(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let attempt = Attempt { command: "revoke_token", model: "", subject: &name };
    caller.may(&state, Role::Admin, attempt).await?;
    let mut transaction = state.store.begin().await?;
    let standing: Vec<TokenRow> = transaction.tokens().await?.into_iter().filter(|row| row.revoked.is_none()).collect();
    let is_admin = |row: &&TokenRow| row.role == Role::Admin.name();
    let is_last = standing.iter().filter(is_admin).all(|row| row.name == name);
    let refused = match standing.iter().find(|row| row.name == name) {
        None => Some(Problem::not_found(format!("There is no token `{name}`, or it is revoked already."))),
        Some(row) if is_admin(&row) && is_last => Some(Problem::conflict(format!(
            "`{name}` is the last token of an admin: without it nobody could make another. Make one first."
        ))),
        Some(_) => None,
    };
    if refused.is_none() {
        transaction.revoke_token(&name, WallTime::now()).await?;
    }
    let outcome = refused.as_ref().map_or_else(|| "accepted".to_owned(), |why| format!("refused: {}", why.detail));
    transaction.insert_audit(&audit_row(&caller, attempt, "", &outcome)?).await?;
    transaction.commit().await?;
    refused.map_or(Ok(StatusCode::NO_CONTENT), Err)
}
