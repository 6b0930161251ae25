//! `/healthz` and `/readyz`: promise E4, they tell the truth.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn e4_a_process_that_answers_is_alive_even_if_it_is_not_ready() {
    let server = Server::empty().await;
    server.missing.lock().unwrap().push("Kafka can't be reached.".to_owned());
    let alive = server.get("/healthz").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn e4_ready_says_why_it_is_not() {
    let server = Server::empty().await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true })));

    let reasons = ["Kafka can't be reached.", "Shard 1 of model flights has no owner."];
    server.missing.lock().unwrap().extend(reasons.map(str::to_owned));
    let not_ready = server.get("/readyz").await;
    assert_eq!((not_ready.status, not_ready.json()), (503, json!({ "ready": false, "reasons": reasons })));

    server.missing.lock().unwrap().clear();
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn e4_a_database_that_does_not_answer_is_a_reason() {
    let server = Server::empty().await;
    server.store.close().await;
    let answer = server.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["reasons"].clone()), (503, json!(["The database doesn't answer."])));
    // The routes say so too, and tell nothing of files and statements.
    let told = server.get("/api/v1/alerts").await;
    assert!(told.status >= 500);
    assert!(told.problem(told.status).starts_with("The database"), "{}", told.body);
}
