//! `/api/v1/findings`

use contract::{Finding, Severity, Subject};

use crate::filled::{self, MODEL};
use crate::server::Server;

async fn server() -> Server {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for (day, feature, severity) in [
        (1, "temp", Severity::Warning),
        (1, "wind", Severity::None),
        (2, "temp", Severity::Info),
        (2, "dewp", Severity::Critical),
    ] {
        transaction.upsert_finding(&filled::finding(MODEL, day, feature, "psi", severity)).await.unwrap();
    }
    let performance = Finding {
        subject: Subject::Performance,
        segment: "origin=EWR".to_owned(),
        ..filled::finding(MODEL, 3, "", "log_loss", Severity::Info)
    };
    transaction.upsert_finding(&performance).await.unwrap();
    transaction.commit().await.unwrap();
    server
}

async fn features(server: &Server, query: &str) -> Vec<String> {
    let answer = server.json(&format!("/api/v1/findings?{query}")).await;
    answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["feature"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn findings_of_info_or_more_come_newest_and_gravest_first() {
    let server = server().await;
    assert_eq!(features(&server, "").await, ["", "dewp", "temp", "temp"]);
    let answer = server.json("/api/v1/findings?feature=dewp").await;
    let finding = &answer["findings"][0];
    assert_eq!(finding["window_start"], "2013-03-03T00:00:00Z");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["fault"], serde_json::Value::Null);
    assert!(finding["explanation"].as_str().unwrap().starts_with("dewp moved"));
}

#[tokio::test]
async fn each_filter_chooses() {
    let server = server().await;
    assert_eq!(features(&server, "min_severity=none").await.len(), 5);
    assert_eq!(features(&server, "min_severity=critical").await, ["dewp"]);
    assert_eq!(features(&server, "subject=performance").await, [""]);
    assert_eq!(features(&server, "segment=origin%3DEWR").await, [""]);
    assert_eq!(features(&server, "segment=").await.len(), 3);
    assert_eq!(features(&server, "detector=psi&limit=2").await, ["dewp", "temp"]);
    assert_eq!(features(&server, "from=2013-03-02T00:00:00Z&to=2013-03-03T00:00:00Z").await, ["temp"]);
    assert_eq!(features(&server, "model=loans-test-data").await, [""; 0]);
}

#[tokio::test]
async fn words_that_nobody_knows_are_refused() {
    let server = server().await;
    let told = server.get("/api/v1/findings?min_severity=grave").await.problem(400);
    assert!(told.contains("unknown variant `grave`"), "{told}");
    server.get("/api/v1/findings?subject=weather").await.problem(400);
    server.get("/api/v1/findings?features=temp").await.problem(400);
    server.get("/api/v1/findings?model=unknown").await.problem(404);
}
