//! `/api/v1/alerts`

use crate::filled::{self, MODEL};
use crate::server::Server;

/// Three lives of alerts, one in each state.
async fn server() -> Server {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    for days in [(1, Some(2), Some(5)), (10, Some(12), None), (20, None, None)] {
        let rule = format!("Rule{}", days.0);
        transaction.upsert_alert(&filled::alert(MODEL, &rule, "temp", days)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    server
}

async fn rules(server: &Server, query: &str) -> Vec<String> {
    let answer = server.json(&format!("/api/v1/alerts{query}")).await;
    answer["alerts"].as_array().unwrap().iter().map(|alert| alert["rule"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn alerts_come_newest_first_with_their_annotations_as_json() {
    let server = server().await;
    let alerts = server.json("/api/v1/alerts").await["alerts"].clone();
    let first = &alerts[2];
    assert_eq!(first["state"], "resolved");
    assert_eq!(first["started"], "2013-03-02T00:00:00Z");
    assert_eq!(first["resolved"], "2013-03-07T00:00:00Z");
    assert_eq!(first["annotations"]["summary"], "flights-test-data: Rule1 temp");
    assert_eq!(rules(&server, "").await, ["Rule20", "Rule10", "Rule1"]);
}

#[tokio::test]
async fn filters_choose_by_state_time_model_and_limit() {
    let server = server().await;
    assert_eq!(rules(&server, "?state=firing,pending").await, ["Rule20", "Rule10"]);
    assert_eq!(rules(&server, "?state=resolved").await, ["Rule1"]);
    assert_eq!(rules(&server, "?from=2013-03-08T00:00:00Z&to=2013-03-15T00:00:00Z").await, ["Rule10"]);
    assert_eq!(rules(&server, "?limit=1").await, ["Rule20"]);
    assert_eq!(rules(&server, "?model=loans-test-data").await, [""; 0]);
}

#[tokio::test]
async fn filters_that_are_not_understood_are_refused_with_a_reason() {
    let server = server().await;
    let asked = async |query: &str| server.get(&format!("/api/v1/alerts{query}")).await;
    let told = asked("?state=fired").await.problem(400);
    assert_eq!(told, "There is no state `fired`; there is: pending, firing, resolved.");
    assert!(asked("?severity=page").await.problem(400).contains("unknown field `severity`"));
    assert!(asked("?from=yesterday").await.problem(400).contains("`yesterday` is not an RFC 3339 time"));
    let told = asked("?model=nothing").await.problem(404);
    assert_eq!(told, "There is no model `nothing`; there is: flights-test-data, loans-test-data.");
}

#[tokio::test]
async fn e3_a_limit_is_a_number_from_1_to_1000() {
    let server = server().await;
    for good in ["1", "1000"] {
        server.json(&format!("/api/v1/alerts?limit={good}")).await;
    }
    for bad in ["0", "1001", "-1", "many", ""] {
        let told = server.get(&format!("/api/v1/alerts?limit={bad}")).await.problem(400);
        assert!(told.contains("must be a number from 1 to 1000"), "{told}");
    }
}
