//! `bellwether tokens`: who may come in.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::{at, show, table, word};
use super::client::Client;
use crate::cli::{Format, Role, Tokens};
use crate::exit::{Outcome, print};

pub async fn execute(command: Tokens) -> Outcome {
    match command {
        Tokens::List { connection } => {
            let tokens = Client::new(&connection)?.get(&["tokens"], &[]).await?;
            show(&tokens, connection.format, text)?;
        }
        Tokens::Create { name, role, reason, connection } => {
            let role = match role {
                Role::Viewer => "viewer",
                Role::Operator => "operator",
                Role::Admin => "admin",
            };
            let body = match reason {
                Some(reason) => json!({ "name": name, "role": role, "reason": reason }),
                None => json!({ "name": name, "role": role }),
            };
            let made = Client::new(&connection)?.post(&["tokens"], &body).await?;
            // Nothing but the token, so that it can be sent into a file.
            show(&made, connection.format, |made| format!("{}\n", word(at(made, "/token"))))?;
        }
        Tokens::Revoke { name, reason, connection } => {
            Client::new(&connection)?.delete(&["tokens", &name], &[("reason", reason.as_deref())]).await?;
            match connection.format {
                Format::Json => print(&format!("{}\n", json!({ "name": name, "revoked": true })))?,
                Format::Text => print(&format!("the token `{name}` is revoked\n"))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(tokens: &Value) -> String {
    let columns =
        [("NAME", "/name"), ("ROLE", "/role"), ("CREATED", "/created"), ("BY", "/created_by"), ("REVOKED", "/revoked")];
    table(super::answer::list(at(tokens, "/tokens")), &columns, "there is no token")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn people_read_who_may_come_in() {
        let tokens = json!({ "tokens": [
            { "name": "admin", "role": "admin", "created": "2026-11-24T10:00:00Z", "created_by": "", "revoked": null },
            { "name": "grafana", "role": "viewer", "created": "2026-11-24T10:05:00Z", "created_by": "admin",
              "revoked": "2026-11-25T08:00:00Z" },
        ] });
        insta::assert_snapshot!(super::text(&tokens), @r"
        NAME     ROLE    CREATED               BY     REVOKED
        admin    admin   2026-11-24T10:00:00Z  -      -
        grafana  viewer  2026-11-24T10:05:00Z  admin  2026-11-25T08:00:00Z
        ");
    }
}
