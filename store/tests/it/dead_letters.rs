//! Promises I4 and I6: bad events are counted once, kept by position, and bounded.

use contract::WallTime;
use store::{DEAD_LETTERS_KEPT, DeadLetterCount, DeadLetterRow, PAYLOAD_BYTES_KEPT, Store};

use crate::MODEL;

fn row(offset: i64, reason: &str) -> DeadLetterRow {
    DeadLetterRow {
        model: MODEL.to_owned(),
        kind: "prediction".to_owned(),
        topic: "flights.predictions".to_owned(),
        partition: 0,
        record_offset: offset,
        reason: reason.to_owned(),
        detail: "not JSON".to_owned(),
        payload: b"\x00garbage".to_vec(),
        seen: WallTime::from_micros(offset),
    }
}

fn count(kind: &str, reason: &str, letters: u64) -> DeadLetterCount {
    DeadLetterCount { kind: kind.to_owned(), reason: reason.to_owned(), letters }
}

#[tokio::test]
async fn one_position_is_kept_and_counted_once() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let other_partition = DeadLetterRow { partition: 1, kind: "label".to_owned(), ..row(1, "undecodable") };
    let rows = [row(1, "undecodable"), row(2, "mistyped"), row(3, "undecodable"), other_partition.clone()];
    assert_eq!(transaction.insert_dead_letters(&rows).await.unwrap(), 4);
    assert_eq!(transaction.insert_dead_letters(&rows).await.unwrap(), 0);
    assert_eq!(
        transaction.dead_letter_counts(MODEL).await.unwrap(),
        [count("prediction", "undecodable", 2), count("label", "undecodable", 1), count("prediction", "mistyped", 1)]
    );
    let kept = transaction.dead_letters(MODEL, 10).await.unwrap();
    assert_eq!(kept, [row(3, "undecodable"), row(2, "mistyped"), row(1, "undecodable"), other_partition]);
    assert!(transaction.dead_letters("loan", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn payloads_are_cut_at_their_limit() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let long = DeadLetterRow { payload: vec![7; PAYLOAD_BYTES_KEPT + 1], ..row(1, "oversized") };
    let full = DeadLetterRow { payload: vec![7; PAYLOAD_BYTES_KEPT], ..row(2, "oversized") };
    transaction.insert_dead_letters(&[long, full]).await.unwrap();
    for kept in transaction.dead_letters(MODEL, 10).await.unwrap() {
        assert_eq!(kept.payload.len(), PAYLOAD_BYTES_KEPT);
    }
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_go_and_the_count_stays() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let kept = i64::from(DEAD_LETTERS_KEPT);
    let rows: Vec<_> = (0..kept + 25).map(|offset| row(offset, "undecodable")).collect();
    transaction.insert_dead_letters(&rows).await.unwrap();
    let read = transaction.dead_letters(MODEL, u32::MAX).await.unwrap();
    assert_eq!(read.len() as i64, kept);
    assert_eq!(read.first().unwrap().record_offset, kept + 24);
    assert_eq!(read.last().unwrap().record_offset, 25);
    assert_eq!(
        transaction.dead_letter_counts(MODEL).await.unwrap(),
        [count("prediction", "undecodable", kept as u64 + 25)]
    );
}
