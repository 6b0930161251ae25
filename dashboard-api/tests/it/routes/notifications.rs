//! `/api/v1/notifications`

use serde_json::{Value, json};

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn r3_nothing_that_was_not_delivered_is_hidden() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for (model, id, state, created) in
        [(MODEL, "a-mail", "delivered", 1), (MODEL, "b-hook", "waiting", 2), (EMPTY, "c-hook", "dead", 3)]
    {
        transaction.insert_notification(&filled::notification(model, id, "firing", state, created)).await.unwrap();
    }
    transaction.commit().await.unwrap();

    let all = server.json("/api/v1/notifications").await;
    let ids: Vec<_> = all["notifications"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c-hook", "b-hook", "a-mail"]);
    assert_eq!(all["counts"][0], json!({ "channel": "on-call-hook", "state": "dead", "notifications": 1 }));
    let [dead, waiting, delivered] = [0, 1, 2].map(|index| &all["notifications"][index]);
    assert_eq!((&dead["next_attempt"], &dead["last_error"]), (&Value::Null, &json!("connection refused")));
    assert_eq!(waiting["next_attempt"], "2026-11-24T10:05:02Z");
    assert_eq!(delivered["delivered"], "2026-11-24T10:00:02Z");

    let one = server.json(&format!("/api/v1/notifications?model={MODEL}&limit=1")).await;
    assert_eq!(one["notifications"].as_array().unwrap().len(), 1);
    assert_eq!(one["notifications"][0]["id"], "b-hook");
    server.get("/api/v1/notifications?model=x").await.problem(404);
}
