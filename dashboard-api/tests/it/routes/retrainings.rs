//! `/api/v1/retrainings`

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
