//! Transactions: whole or not at all, one after another, visible only when committed.

use contract::WallTime;
use store::{AlertFilter, FindingFilter, Store, WindowFilter};

use crate::{MODEL, alerts, findings, notifications, parts, shards, window, windows};

/// Everything that the monitor writes when a window is judged.
async fn write_a_bit_of_everything(store: &Store) -> store::Transaction {
    let mut transaction = store.begin().await.unwrap();
    transaction.upsert_shard(&shards::row(1, 1)).await.unwrap();
    transaction.upsert_part(&parts::row(1, 1, 0)).await.unwrap();
    transaction.upsert_window(&windows::row(3, 0)).await.unwrap();
    transaction.upsert_finding(&findings::finding(3, "temp", 0)).await.unwrap();
    transaction.upsert_alert(&alerts::row("a", 3, "firing")).await.unwrap();
    transaction.insert_notification(&notifications::row("n", 0)).await.unwrap();
    transaction.put_rule_state(MODEL, "{}").await.unwrap();
    transaction
}

async fn is_empty(store: &Store) -> bool {
    store.shards(MODEL).await.unwrap().is_empty()
        && store.parts(MODEL, window(3)).await.unwrap().is_empty()
        && store.windows(MODEL, &WindowFilter::default()).await.unwrap().is_empty()
        && store.findings(&FindingFilter::default()).await.unwrap().is_empty()
        && store.alerts(&AlertFilter::default()).await.unwrap().is_empty()
        && store.notifications(None, 10).await.unwrap().is_empty()
        && store.rule_state(MODEL).await.unwrap().is_none()
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_or_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("bellwether.db")).await.unwrap();
    write_a_bit_of_everything(&store).await.rollback().await.unwrap();
    assert!(is_empty(&store).await);
    drop(write_a_bit_of_everything(&store).await);
    // The next transaction waits until the dropped one is undone.
    store.begin().await.unwrap().commit().await.unwrap();
    assert!(is_empty(&store).await);
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_others_see_them_once_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("bellwether.db")).await.unwrap();
    let mut transaction = write_a_bit_of_everything(&store).await;
    assert_eq!(transaction.shards(MODEL).await.unwrap().len(), 1);
    assert_eq!(transaction.dirty_windows(MODEL).await.unwrap(), [window(3)]);
    assert!(is_empty(&store).await);
    transaction.commit().await.unwrap();
    assert!(!is_empty(&store).await);
    assert_eq!(store.oldest_waiting().await.unwrap(), Some(WallTime::from_micros(0)));
}

#[tokio::test]
async fn writers_queue_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("bellwether.db")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..5 {
                let mut transaction = store.begin().await.unwrap();
                transaction.insert_notification(&notifications::row(&format!("{writer}-{number}"), 0)).await.unwrap();
                transaction.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(store.notifications(None, 100).await.unwrap().len(), 40);
}

#[tokio::test]
async fn an_in_memory_database_is_shared_by_its_clones() {
    let store = Store::in_memory().await.unwrap();
    write_a_bit_of_everything(&store.clone()).await.commit().await.unwrap();
    assert!(!is_empty(&store).await);
    assert!(is_empty(&Store::in_memory().await.unwrap()).await);
}
