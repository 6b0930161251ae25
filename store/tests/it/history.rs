//! The manifest of history files.

use contract::EventTime;
use store::{HistoryFileRow, HistoryReach, Store};

use crate::{MODEL, window};

fn file(path: &str, day: i64) -> HistoryFileRow {
    HistoryFileRow {
        model: MODEL.to_owned(),
        shard: 0,
        kind: "prediction".to_owned(),
        path: path.to_owned(),
        rows: 900,
        min_time: window(day).start,
        max_time: EventTime::from_micros(window(day).end.micros() - 1),
        sha256: "ab".repeat(32),
        first_offset: 0,
        last_offset: 899,
    }
}

#[tokio::test]
async fn a_history_file_that_is_written_again_replaces_its_entry() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.upsert_history_file(&file("b.parquet", 2)).await.unwrap();
    transaction.upsert_history_file(&file("a.parquet", 1)).await.unwrap();
    let again = HistoryFileRow { sha256: "cd".repeat(32), ..file("b.parquet", 2) };
    transaction.upsert_history_file(&again).await.unwrap();
    assert_eq!(transaction.history_files(MODEL).await.unwrap(), [file("a.parquet", 1), again]);
}

#[tokio::test]
async fn files_are_found_by_kind_and_overlap_and_an_answer_that_is_cut_goes_on() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for day in 0..5 {
        transaction.upsert_history_file(&file(&format!("p{day}.parquet"), day)).await.unwrap();
        let labels = HistoryFileRow { kind: "label".to_owned(), ..file(&format!("l{day}.parquet"), day) };
        transaction.upsert_history_file(&labels).await.unwrap();
    }
    let long = HistoryFileRow { max_time: window(3).start, ..file("long.parquet", 0) };
    transaction.upsert_history_file(&long).await.unwrap();
    transaction.upsert_history_file(&HistoryFileRow { model: "loan".to_owned(), ..file("x", 2) }).await.unwrap();
    let mut paths = async |from: EventTime, to: EventTime, after: Option<(EventTime, String)>| -> Vec<String> {
        let rows = transaction.history_files_between(MODEL, "prediction", from, to, after).await.unwrap();
        rows.into_iter().map(|row| row.path).collect()
    };
    let (start, end) = (window(2).start, window(4).start);
    assert_eq!(paths(start, end, None).await, ["long.parquet", "p2.parquet", "p3.parquet"]);
    let after = Some((window(2).start, "p2.parquet".to_owned()));
    assert_eq!(paths(start, end, after).await, ["p3.parquet"]);
    // Both ends of a file belong to it; the end asked for doesn't belong to the time asked for.
    let last = file("p1.parquet", 1).max_time;
    assert_eq!(paths(last, window(2).start, None).await, ["long.parquet", "p1.parquet"]);
    let same_time = Some((window(0).start, "long.parquet".to_owned()));
    assert_eq!(paths(EventTime::MIN, window(1).start, same_time).await, ["p0.parquet"]);
}

#[tokio::test]
async fn how_far_the_history_goes_is_known_by_shard_and_kind() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.history_reach(MODEL).await.unwrap(), []);
    for (path, shard, day) in [("a", 0, 4), ("b", 0, 2), ("c", 1, 3)] {
        transaction.upsert_history_file(&HistoryFileRow { shard, ..file(path, day) }).await.unwrap();
    }
    let labels = HistoryFileRow { kind: "label".to_owned(), ..file("d", 1) };
    transaction.upsert_history_file(&labels).await.unwrap();
    transaction.upsert_history_file(&HistoryFileRow { model: "loan".to_owned(), ..file("x", 9) }).await.unwrap();
    let reach = |shard, kind: &str, rows, day| HistoryReach {
        shard,
        kind: kind.to_owned(),
        rows,
        max_time: file("", day).max_time,
    };
    let expected = [reach(0, "label", 900, 1), reach(0, "prediction", 1_800, 4), reach(1, "prediction", 900, 3)];
    assert_eq!(transaction.history_reach(MODEL).await.unwrap(), expected);
}
