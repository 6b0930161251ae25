//! `/api/v1/retrainings` and `/api/v1/retrainings/{id}`

use serde_json::json;

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn t5_requests_and_vetoes_stand_with_their_reasons() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for row in [
        filled::retraining(MODEL, "vetoed", 3, "PipelineFault", "a fault stands"),
        filled::retraining(MODEL, "requested", 9, "PerformanceDecay", "rule PerformanceDecay fired"),
        filled::retraining(EMPTY, "requested", 5, "Other", "rule Other fired"),
    ] {
        transaction.insert_retraining(&row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let told = async |query: &str| -> Vec<(String, String)> {
        let answer = server.json(&format!("/api/v1/retrainings{query}")).await;
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
        answer["retrainings"].as_array().unwrap().iter().map(|row| (text(row, "state"), text(row, "reason"))).collect()
    };
    let requested = ("requested".to_owned(), "rule PerformanceDecay fired".to_owned());
    let vetoed = ("vetoed".to_owned(), "a fault stands".to_owned());
    let other = ("requested".to_owned(), "rule Other fired".to_owned());
    assert_eq!(told("").await, [requested.clone(), other, vetoed.clone()]);
    assert_eq!(told(&format!("?model={MODEL}")).await, [requested.clone(), vetoed]);
    assert_eq!(told("?limit=1").await, [requested]);
    server.get("/api/v1/retrainings?model=x").await.problem(404);
}

#[tokio::test]
async fn t1_one_is_told_with_its_document_and_all_that_was_done() {
    let server = Server::empty().await;
    let row = filled::retraining(MODEL, "training", 9, "PerformanceDecay", "rule PerformanceDecay fired");
    let mut transaction = server.store.begin().await.unwrap();
    transaction.insert_retraining(&row).await.unwrap();
    for (effect, detail) in [("pin", "{}"), ("train", "{\"attempt\":1}")] {
        transaction.begin_effect(&row.id, effect, detail, filled::wall(1)).await.unwrap();
    }
    assert!(transaction.end_effect(&row.id, 1, "done", filled::wall(2)).await.unwrap());
    transaction.commit().await.unwrap();
    let told = server.json(&format!("/api/v1/retrainings/{}", row.id)).await;
    assert_eq!((&told["state"], &told["is_active"]), (&json!("training"), &json!(true)));
    assert_eq!((&told["updated"], &told["version"]), (&json!("2026-11-24T10:00:05Z"), &json!("")));
    assert_eq!(told["document"]["asked_by"], json!({ "rule": "PerformanceDecay" }));
    let pin = json!({
        "sequence": 1, "effect": "pin", "detail": {}, "begun": "2026-11-24T10:00:01Z", "ended": "2026-11-24T10:00:02Z",
        "outcome": "done",
    });
    assert_eq!((&told["effects"][0], &told["effects"][1]["ended"]), (&pin, &serde_json::Value::Null));
    assert_eq!(told["effects"][1]["detail"], json!({ "attempt": 1 }));
    let unknown = server.get("/api/v1/retrainings/nothing").await.problem(404);
    assert_eq!(unknown, "There is no retraining `nothing`; /api/v1/retrainings lists them.");
}

/// A veto is newer than what is under way: the model's state is still what is under way.
#[tokio::test]
async fn t5_a_model_tells_of_the_retraining_that_is_under_way() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    transaction.insert_retraining(&filled::rollout(MODEL, 3)).await.unwrap();
    transaction.insert_retraining(&filled::retraining(MODEL, "vetoed", 9, "PerformanceDecay", "why")).await.unwrap();
    transaction.commit().await.unwrap();
    let model = server.json(&format!("/api/v1/models/{MODEL}")).await;
    assert_eq!(model["retraining"]["state"], "canary");
    // What it waits for, perhaps a person, is told wherever it is told of.
    let awaited = "labels of the canary's events";
    assert_eq!(model["retraining"]["waits_for"], awaited);
    let status = server.json("/api/v1/status").await;
    assert_eq!(status["models"][0]["retraining"]["waits_for"], awaited);
    let list = server.json("/api/v1/retrainings").await;
    let waits: Vec<_> = list["retrainings"].as_array().unwrap().iter().map(|row| &row["waits_for"]).collect();
    assert_eq!(waits, [&serde_json::Value::Null, &json!(awaited)]);
}
