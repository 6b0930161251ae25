//! From a request's header to who asks: a name and a role, or 401, or 403.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use store::Store;

use crate::auth::Role;
use crate::auth::token::{digest, is_token};
use crate::problem::Problem;
use crate::state::ApiState;

/// Someone with a token that is known and not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's name.
    pub name: String,
    pub role: Role,
}

/// Who reads; None for somebody without a token, where reading is open.
#[derive(Clone, Debug)]
pub(crate) struct Reader(pub Option<Caller>);

impl Caller {
    /// 403 unless the caller has that role or a stronger one.
    pub fn may(&self, needed: Role) -> Result<(), Problem> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "This needs the role {needed}; the token `{}` has the role {}. An admin can make one that has it: bellwether \
             tokens create --role {needed}.",
            self.name, self.role
        )))
    }
}

impl FromRequestParts<Arc<ApiState>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let caller = identify(&parts.headers, &state.store).await?;
        caller.ok_or_else(|| Problem::unauthorized("This needs a token: send `Authorization: Bearer bw_…`."))
    }
}

/// Lets readers through: everybody where reading is open, else whoever has a token. A token that isn't good is never
/// overlooked, or its owner would learn too late.
pub(crate) async fn readers(State(state): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    match identify(request.headers(), &state.store).await {
        Ok(None) if !state.is_open_to_readers => {
            Problem::unauthorized("Reading needs a token here: send `Authorization: Bearer bw_…`.").into_response()
        }
        Ok(caller) => {
            request.extensions_mut().insert(Reader(caller));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who asks; None without a bearer token. Other schemes belong to proxies in between.
async fn identify(headers: &HeaderMap, store: &Store) -> Result<Option<Caller>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let refused = || Problem::unauthorized("The token isn't known, or was revoked.");
    let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim();
    if !is_token(token) {
        return Err(refused());
    }
    let row = store.token_by_sha256(&digest(token)).await?.ok_or_else(refused)?;
    let role = Role::parse(&row.role).ok_or_else(refused)?;
    Ok(Some(Caller { name: row.name, role }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_a_weaker_role_is_told_which_one_is_needed() {
        let caller = |role| Caller { name: "grafana".to_owned(), role };
        for (role, needed, is_allowed) in [
            (Role::Viewer, Role::Operator, false),
            (Role::Operator, Role::Operator, true),
            (Role::Operator, Role::Admin, false),
            (Role::Admin, Role::Operator, true),
        ] {
            assert_eq!(caller(role).may(needed).is_ok(), is_allowed, "{role} {needed}");
        }
        let told = caller(Role::Viewer).may(Role::Admin).unwrap_err().detail;
        assert!(told.starts_with("This needs the role admin; the token `grafana` has the role viewer."), "{told}");
    }
}
