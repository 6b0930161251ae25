//! `/api/v1/tokens` and `/api/v1/tokens/{name}`: promise E2.

use dashboard_api::{Role, first_token};
use serde_json::{Value, json};
use store::TokenRow;

use crate::filled::wall;
use crate::server::Server;

const PATH: &str = "/api/v1/tokens";

#[tokio::test]
async fn e2_a_token_is_told_once_and_works_until_it_is_revoked() {
    let server = Server::empty().await;
    let first = first_token(&server.store).await.unwrap().unwrap();
    let body = json!({ "name": "grafana", "role": "viewer", "reason": "dashboards" });
    let made = server.post(PATH, Some(&first), &body).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"));
    let made = made.json();
    assert_eq!((&made["name"], &made["role"]), (&json!("grafana"), &json!("viewer")));
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("bw_") && token.len() == 46);

    let list = server.ask("GET", PATH, Some(&first)).await;
    assert!(!list.body.contains("bw_") && !list.body.contains("sha256"), "{}", list.body);
    let rows = list.json()["tokens"].clone();
    assert_eq!((&rows[0]["name"], &rows[0]["created_by"]), (&json!("admin"), &json!("")));
    let made = (&rows[1]["name"], &rows[1]["role"], &rows[1]["created_by"], &rows[1]["revoked"]);
    assert_eq!(made, (&json!("grafana"), &json!("viewer"), &json!("admin"), &Value::Null));

    assert_eq!(server.ask("GET", "/api/v1/status", Some(&token)).await.status, 200);
    let two_lines = "/api/v1/tokens/grafana?reason=a%0Ab";
    let told = server.ask("DELETE", two_lines, Some(&first)).await.problem(400);
    assert_eq!(told, "The reason must be one line of at most 500 characters.");
    let revoke = "/api/v1/tokens/grafana?reason=lost%20laptop";
    assert_eq!(server.ask("DELETE", revoke, Some(&first)).await.status, 204);
    // Not even where everybody may read: its owner must learn that it is over.
    server.ask("GET", "/api/v1/status", Some(&token)).await.problem(401);
    let rows = server.ask("GET", PATH, Some(&first)).await.json()["tokens"].clone();
    assert!(rows[1]["revoked"].as_str().is_some_and(|time| time.ends_with('Z')), "{rows}");
    server.ask("DELETE", "/api/v1/tokens/grafana", Some(&first)).await.problem(404);

    let audit = server.store.audit(None, 10).await.unwrap();
    let lines: Vec<_> = audit
        .iter()
        .map(|row| [&row.command, &row.subject, &row.who, &row.reason, &row.outcome].map(String::as_str))
        .collect();
    let gone = "refused: There is no token `grafana`, or it is revoked already.";
    for line in [
        ["create_token", "grafana", "admin", "dashboards", "accepted: role viewer"],
        ["revoke_token", "grafana", "admin", "lost laptop", "accepted"],
        ["revoke_token", "grafana", "admin", "", gone],
        ["revoke_token", "grafana", "admin", "", "refused: The reason must be one line of at most 500 characters."],
    ] {
        assert!(lines.contains(&line), "{line:?} is not in {lines:?}");
    }
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn e2_only_admins_see_and_make_tokens() {
    let server = Server::empty().await;
    for role in [Role::Viewer, Role::Operator] {
        let token = server.token(role.name(), role).await;
        let body = json!({ "name": "more", "role": "admin" });
        for answer in [
            server.ask("GET", PATH, Some(&token)).await,
            server.post(PATH, Some(&token), &body).await,
            server.ask("DELETE", "/api/v1/tokens/viewer", Some(&token)).await,
        ] {
            assert!(answer.problem(403).starts_with("This needs the role admin;"));
        }
    }
    for (method, path) in [("GET", PATH), ("POST", PATH), ("DELETE", "/api/v1/tokens/viewer")] {
        server.ask(method, path, None).await.problem(401);
    }
    assert_eq!(server.store.tokens().await.unwrap().len(), 2);
    // What they tried to change is on record; what they tried to read isn't.
    let audit = server.store.audit(None, 10).await.unwrap();
    assert_eq!(audit.iter().filter(|row| row.outcome == "denied: This needs the role admin").count(), 4);
}

#[tokio::test]
async fn e2_names_are_used_once_and_the_last_admin_stays() {
    let server = Server::empty().await;
    let ann = server.token("ann", Role::Admin).await;
    let told = server.ask("DELETE", "/api/v1/tokens/ann", Some(&ann)).await.problem(409);
    assert!(told.starts_with("`ann` is the last token of an admin"), "{told}");
    let bob = json!({ "name": "bob", "role": "admin" });
    assert_eq!(server.post(PATH, Some(&ann), &bob).await.status, 201);
    let told = server.post(PATH, Some(&ann), &bob).await.problem(409);
    assert_eq!(told, "There is, or was, a token `bob`; choose another name.");
    assert_eq!(server.ask("DELETE", "/api/v1/tokens/ann", Some(&ann)).await.status, 204);
    server.post(PATH, Some(&ann), &json!({ "name": "eve", "role": "admin" })).await.problem(401);
    for (index, (body, part)) in [
        (json!({ "name": "a b", "role": "viewer" }), "A name has 1 to 64 letters, digits, `.`, `-` or `_`."),
        (json!({ "name": "x", "role": "root" }), "unknown variant `root`"),
        (json!({ "name": "x" }), "missing field `role`"),
    ]
    .into_iter()
    .enumerate()
    {
        let other = server.token(&format!("admin-{index}"), Role::Admin).await;
        assert!(server.post(PATH, Some(&other), &body).await.problem(422).contains(part));
    }
}

#[tokio::test]
async fn e3_there_are_a_thousand_tokens_at_most() {
    let server = Server::empty().await;
    let ann = server.token("ann", Role::Admin).await;
    let mut transaction = server.store.begin().await.unwrap();
    for index in 0..998 {
        let row = TokenRow {
            name: format!("t{index}"),
            role: "viewer".to_owned(),
            sha256: format!("{index:064}"),
            created: wall(0),
            created_by: "ann".to_owned(),
            revoked: Some(wall(1)),
        };
        assert!(transaction.insert_token(&row).await.unwrap());
    }
    transaction.commit().await.unwrap();
    let body = |name: &str| json!({ "name": name, "role": "viewer" });
    assert_eq!(server.post(PATH, Some(&ann), &body("last")).await.status, 201);
    let told = server.post(PATH, Some(&ann), &body("one-more")).await.problem(409);
    assert_eq!(told, "There are 1000 tokens already, revoked ones included.");
}
