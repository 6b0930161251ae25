//! `/api/v1/dead-letters`

use crate::filled::{self, EMPTY, MODEL};
use crate::server::Server;

#[tokio::test]
async fn i4_dead_letters_have_counts_and_positions() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    let rows: Vec<_> = (0..3).map(|offset| filled::dead_letter(MODEL, offset, "wrong_type", "text")).collect();
    transaction.insert_dead_letters(&rows).await.unwrap();
    transaction.insert_dead_letters(&[filled::dead_letter(EMPTY, 9, "undecodable", "not JSON")]).await.unwrap();
    transaction.commit().await.unwrap();

    let all = server.json("/api/v1/dead-letters?limit=2").await;
    let offsets: Vec<_> =
        all["dead_letters"].as_array().unwrap().iter().map(|letter| letter["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, [9, 2], "the newest over all models");
    let letters: Vec<_> = all["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| (&count["model"], count["letters"].as_u64().unwrap()))
        .collect();
    assert_eq!(letters, [(&MODEL.into(), 3), (&EMPTY.into(), 1)], "counts know no limit");

    let one = server.json(&format!("/api/v1/dead-letters?model={EMPTY}")).await;
    assert_eq!(one["dead_letters"].as_array().unwrap().len(), 1);
    assert_eq!(one["dead_letters"][0]["detail"], "not JSON");
    server.get("/api/v1/dead-letters?model=x").await.problem(404);
}

#[tokio::test]
async fn e2_contents_of_events_are_not_shown() {
    let server = Server::small().await;
    let answer = server.get("/api/v1/dead-letters").await;
    assert!(answer.body.contains("missing_field"));
    assert!(!answer.body.contains("payload") && !answer.body.contains("secret"), "{}", answer.body);
}
