//! Opening: from nothing, again, and over what isn't ours.

use std::path::Path;

use store::{Class, Error, Store};

use crate::MODEL;

#[tokio::test]
async fn an_empty_folder_becomes_a_database_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bellwether.db");
    for _ in 0..2 {
        let store = Store::open(&path).await.unwrap();
        store.ping().await.unwrap();
        assert!(store.shards(MODEL).await.unwrap().is_empty());
        store.close().await;
    }
}

/// Promise R1: alert state survives restarts.
#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bellwether.db");
    let store = Store::open(&path).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.put_rule_state(MODEL, "{\"firing\": 1}").await.unwrap();
    transaction.put_judge_cursor(MODEL, "{\"window\": 7}").await.unwrap();
    transaction.put_progress(MODEL, "calibration", "{}").await.unwrap();
    transaction.put_progress(MODEL, "calibration", "{\"n\": 2}").await.unwrap();
    transaction.commit().await.unwrap();
    store.close().await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.rule_state(MODEL).await.unwrap().unwrap(), "{\"firing\": 1}");
    assert_eq!(store.judge_cursor(MODEL).await.unwrap().unwrap(), "{\"window\": 7}");
    assert_eq!(store.progress(MODEL, "calibration").await.unwrap().unwrap(), "{\"n\": 2}");
    assert_eq!(store.rule_state("another model").await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error_for_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to be read as the header of one: ".repeat(40)).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert_eq!(error.class(), Class::User);
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("notes.txt"), "{error}");
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let error = Store::open(Path::new("/nowhere/at/all/bellwether.db")).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }));
    assert!(error.to_string().contains("/nowhere/at/all/bellwether.db"), "{error}");
}
