//! `/api/v1/audit`

use dashboard_api::Role;
use store::AuditRow;

use crate::filled::{MODEL, wall};
use crate::server::Server;

#[tokio::test]
async fn e2_operators_and_admins_read_what_was_asked_for_newest_first() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for (second, command, model) in [(1, "retrain", MODEL), (2, "create_token", ""), (3, "cancel", MODEL)] {
        let row = AuditRow {
            id: format!("a{second}"),
            at: wall(second),
            who: "ann".to_owned(),
            role: "operator".to_owned(),
            command: command.to_owned(),
            model: model.to_owned(),
            subject: String::new(),
            reason: "decay since June".to_owned(),
            outcome: "accepted: requested".to_owned(),
        };
        transaction.insert_audit(&row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let commands = async |token: &str, query: &str| -> Vec<String> {
        let answer = server.ask("GET", &format!("/api/v1/audit{query}"), Some(token)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let entries = answer.json()["entries"].clone();
        entries.as_array().unwrap().iter().map(|entry| entry["command"].as_str().unwrap().to_owned()).collect()
    };
    for role in [Role::Operator, Role::Admin] {
        let token = server.token(role.name(), role).await;
        assert_eq!(commands(&token, "").await, ["cancel", "create_token", "retrain"]);
        assert_eq!(commands(&token, &format!("?model={MODEL}&limit=1")).await, ["cancel"]);
    }
    let viewer = server.token("viewer", Role::Viewer).await;
    server.ask("GET", "/api/v1/audit", Some(&viewer)).await.problem(403);
    // Open reading doesn't open this.
    server.get("/api/v1/audit").await.problem(401);
}
