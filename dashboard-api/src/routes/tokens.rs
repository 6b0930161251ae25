//! `/api/v1/tokens`: who may come in. For admins. A token itself is told once, in the answer that makes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use contract::WallTime;
use serde::{Deserialize, Serialize};
use store::TokenRow;

use crate::auth::Role;
use crate::auth::caller::Caller;
use crate::auth::order::{Order, Segment};
use crate::auth::token::{digest, generate};
use crate::body::{Name, Reason};
use crate::parameters::Parameters;
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

/// In the query: proxies drop bodies of `DELETE`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
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
    caller.may(Role::Admin)?;
    let rows = state.store.tokens().await?;
    Ok(Json(Tokens { tokens: rows.into_iter().map(Token::from).collect() }))
}

type Created = (StatusCode, [(HeaderName, &'static str); 1], Json<Made>);

pub(crate) async fn create(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    request: Request,
) -> Result<Created, Problem> {
    let mut order = Order::new(state, caller, "create_token");
    let answer = make(&mut order, request).await;
    order.ended(answer).await
}

async fn make(order: &mut Order, request: Request) -> Result<Created, Problem> {
    let New { name: Name(name), role, reason } = order.body(Role::Admin, request).await?;
    order.subject.clone_from(&name);
    order.reason = reason.map(|reason| reason.0).unwrap_or_default();
    let token = generate()?;
    let mut transaction = order.state.store.begin().await?;
    if transaction.tokens().await?.len() >= MAX_TOKENS {
        return Err(Problem::conflict(format!("There are {MAX_TOKENS} tokens already, revoked ones included.")));
    }
    let row = TokenRow {
        name: name.clone(),
        role: role.name().to_owned(),
        sha256: digest(&token),
        created: WallTime::now(),
        created_by: order.caller.name.clone(),
        revoked: None,
    };
    if !transaction.insert_token(&row).await? {
        return Err(Problem::conflict(format!("There is, or was, a token `{name}`; choose another name.")));
    }
    transaction.insert_audit(&order.line(&format!("accepted: role {role}"))?).await?;
    transaction.commit().await?;
    order.is_on_record = true;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(Made { name, role, token })))
}

pub(crate) async fn revoke(
    State(state): State<Arc<ApiState>>,
    caller: Caller,
    Segment(name): Segment,
    query: Result<Parameters<Revocation>, Problem>,
) -> Result<StatusCode, Problem> {
    let mut order = Order::new(state, caller, "revoke_token").about(name);
    let answer = end(&mut order, query).await;
    order.ended(answer).await
}

async fn end(order: &mut Order, query: Result<Parameters<Revocation>, Problem>) -> Result<StatusCode, Problem> {
    if let Ok(Parameters(Revocation { reason: Some(Reason(reason)) })) = &query {
        order.reason.clone_from(reason);
    }
    order.caller.may(Role::Admin)?;
    query?;
    let name = &order.subject;
    let mut transaction = order.state.store.begin().await?;
    let standing: Vec<TokenRow> = transaction.tokens().await?.into_iter().filter(|row| row.revoked.is_none()).collect();
    let is_admin = |row: &&TokenRow| row.role == Role::Admin.name();
    let is_last = standing.iter().filter(is_admin).all(|row| row.name == *name);
    match standing.iter().find(|row| row.name == *name) {
        None => return Err(Problem::not_found(format!("There is no token `{name}`, or it is revoked already."))),
        Some(row) if is_admin(&row) && is_last => {
            return Err(Problem::conflict(format!(
                "`{name}` is the last token of an admin: without it nobody could make another. Make one first."
            )));
        }
        Some(_) => {}
    }
    transaction.revoke_token(name, WallTime::now()).await?;
    transaction.insert_audit(&order.line("accepted")?).await?;
    transaction.commit().await?;
    order.is_on_record = true;
    Ok(StatusCode::NO_CONTENT)
}
