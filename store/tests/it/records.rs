//! Records that are only written once: history files and retrainings.

use contract::{EventTime, WallTime};
use store::{HistoryFileRow, RetrainingRow, Store};

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

fn retraining(id: &str, day: i64) -> RetrainingRow {
    RetrainingRow {
        id: id.to_owned(),
        model: MODEL.to_owned(),
        state: "requested".to_owned(),
        reason: "log loss beyond its limit on three days".to_owned(),
        rule: "PerformanceDecay".to_owned(),
        event_time: window(day).start,
        created: WallTime::from_micros(day),
        annotations: "{}".to_owned(),
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
async fn a_retraining_is_recorded_once() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.insert_retraining(&retraining("r1", 1)).await.unwrap());
    let again = RetrainingRow { state: "vetoed".to_owned(), ..retraining("r1", 1) };
    assert!(!transaction.insert_retraining(&again).await.unwrap());
    assert!(transaction.insert_retraining(&retraining("r2", 2)).await.unwrap());
    assert_eq!(transaction.retrainings(MODEL, 10).await.unwrap(), [retraining("r2", 2), retraining("r1", 1)]);
    assert_eq!(transaction.retrainings(MODEL, 1).await.unwrap().len(), 1);
}
