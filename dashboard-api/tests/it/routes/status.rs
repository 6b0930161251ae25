//! `/api/v1/status`

use serde_json::json;

use crate::filled::{EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn e4_status_tells_of_every_model_and_of_the_outbox() {
    let server = Server::small().await;
    server.missing.lock().unwrap().push("Kafka can't be reached.".to_owned());
    let status = server.json("/api/v1/status").await;
    assert_eq!(status["schema_version"], 1);
    assert_eq!(status["product_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["ready"], &status["reasons"]), (&json!(false), &json!(["Kafka can't be reached."])));
    let names: Vec<_> = status["models"].as_array().unwrap().iter().map(|model| &model["model"]).collect();
    assert_eq!(names, [MODEL, EMPTY]);
    assert_eq!(
        status["outbox"],
        json!({ "oldest_waiting": null, "notifications": { "waiting": 0, "delivered": 1, "dead": 0 } })
    );
}
