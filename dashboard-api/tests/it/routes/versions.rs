//! `/api/v1/models/{model}/versions`

use serde_json::{Value, json};

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn t2_versions_come_with_what_they_are_for_and_what_the_gate_said() {
    let server = Server::empty().await;
    filled::registry(&server.store).await;
    let answer = server.json(&format!("/api/v1/models/{MODEL}/versions")).await;
    assert_eq!(answer["aliases"], json!({ "challenger": "2", "champion": "1" }));
    let [two, one] = [0, 1].map(|index| &answer["versions"][index]);
    assert_eq!((&two["version"], &two["aliases"], &two["weight"]), (&json!("2"), &json!(["challenger"]), &json!(10)));
    assert_eq!((&two["validation"], &two["gate"]["candidate"]), (&json!("passed"), &json!(0.513)));
    assert_eq!((&two["has_baseline"], &two["lineage"]["seed"]), (&json!(true), &json!(0)));
    assert_eq!((&one["version"], &one["aliases"], &one["weight"]), (&json!("1"), &json!(["champion"]), &json!(90)));
    assert_eq!((&one["validation"], &one["gate"]), (&json!("external"), &Value::Null));
    let kinds: Vec<_> = answer["deployments"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["canary", "registered"]);
    assert_eq!(answer["deployments"][0]["words"], "version 2 gets 10 % of the traffic");
}

#[tokio::test]
async fn a_model_without_a_registry_has_none() {
    let server = Server::empty().await;
    let answer = server.json(&format!("/api/v1/models/{EMPTY}/versions")).await;
    assert_eq!(answer, json!({ "model": EMPTY, "aliases": {}, "versions": [], "deployments": [] }));
    server.get("/api/v1/models/flight/versions").await.problem(404);
}
