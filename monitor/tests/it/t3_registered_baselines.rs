//! T3: a registered version is judged by its own training data, so that a promotion moves the baselines with it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use contract::{EventTime, Severity, Subject, WallTime};
use store::{FindingFilter, Store, VersionRow};

use crate::stream::{DECAYED, FINE, MODEL, contract, play, publications, window};

/// Twelve days of training rows with scores that fit the labels, as the registry keeps them.
fn write_baseline(path: &Path) {
    let mut text = "time,temp,origin,version,score,label\n".to_owned();
    for day in 0..12 {
        for row in 0..100 {
            let label = u8::from(row < 28 + day % 5);
            let score = 0.2 + 0.2 * f64::from((row * 7) % 100) / 100.0;
            let (hour, minute) = (row / 60, row % 60);
            let _ = writeln!(text, "2012-12-{:02}T{hour:02}:{minute:02}:00Z,60,EWR,1,{score},{label}", day + 10);
        }
    }
    std::fs::write(path, text).unwrap();
}

async fn register(store: &Store, path: &Path) {
    let now = WallTime::from_micros(0);
    let mut transaction = store.begin().await.unwrap();
    let row = VersionRow {
        model: MODEL.to_owned(),
        version: "1".to_owned(),
        sha256: "00".to_owned(),
        uri: "file:///registry/00".to_owned(),
        validation: "external".to_owned(),
        retraining: String::new(),
        registered: now,
        registered_by: "admin".to_owned(),
        lineage: "{}".to_owned(),
        baseline: path.to_string_lossy().into_owned(),
    };
    assert!(transaction.insert_version(&row).await.unwrap());
    transaction.set_alias(MODEL, "champion", Some("1"), EventTime::from_micros(0), now).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The days on which the performance was beyond its limit.
async fn bad_days(store: &Store) -> Vec<i64> {
    let filter = FindingFilter {
        subject: Some(Subject::Performance),
        min_severity: Severity::Warning,
        ..FindingFilter::default()
    };
    let findings = store.findings(&filter).await.unwrap();
    let mut days: Vec<i64> =
        findings.iter().map(|finding| finding.window.start.micros_since(window(0).start) / 86_400_000_000).collect();
    days.sort_unstable();
    days.dedup();
    days
}

#[tokio::test]
async fn t3_the_first_window_of_a_registered_version_is_judged_by_its_training_data() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.csv");
    write_baseline(&baseline);
    let contract = contract("6h");
    let publications = publications(&contract, &[DECAYED, FINE, DECAYED]);

    let learning = Store::in_memory().await.unwrap();
    play(&learning, &contract, &publications).await;
    assert_eq!(bad_days(&learning).await, [0; 0], "the first windows are learnt, whatever they are");

    let registered = Store::in_memory().await.unwrap();
    register(&registered, &baseline).await;
    play(&registered, &contract, &publications).await;
    assert_eq!(bad_days(&registered).await, [0, 2]);
}

#[tokio::test]
async fn t3_what_is_registered_later_counts_from_then_on_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.csv");
    write_baseline(&baseline);
    let contract = contract("6h");
    let days = [DECAYED, DECAYED, DECAYED, FINE, DECAYED];
    let publications = publications(&contract, &days);
    let store = Store::in_memory().await.unwrap();
    // Two publications a day; each part is told to a process of its own.
    let (before, after) = publications.split_at(4);
    play(&store, &contract, before).await;
    register(&store, &baseline).await;
    for publication in after {
        play(&store, &Arc::clone(&contract), std::slice::from_ref(publication)).await;
    }
    assert_eq!(bad_days(&store).await, [2, 4]);
}

#[tokio::test]
async fn t3_a_baseline_that_cannot_be_read_stops_nobody() {
    let contract = contract("6h");
    let store = Store::in_memory().await.unwrap();
    register(&store, Path::new("/nowhere/baseline.parquet")).await;
    play(&store, &contract, &publications(&contract, &[DECAYED, FINE])).await;
    assert_eq!(bad_days(&store).await, [0; 0]);
}

#[tokio::test]
async fn t3_the_champion_is_judged_by_its_training_data_however_many_versions_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.csv");
    write_baseline(&baseline);
    let contract = contract("6h");
    let store = Store::in_memory().await.unwrap();
    register(&store, &baseline).await;
    let champion = store.version(MODEL, "1").await.unwrap().unwrap();
    let mut transaction = store.begin().await.unwrap();
    for number in 2..60 {
        let newer = VersionRow {
            version: number.to_string(),
            registered: WallTime::from_micros(number),
            baseline: "/nowhere/baseline.parquet".to_owned(),
            ..champion.clone()
        };
        assert!(transaction.insert_version(&newer).await.unwrap());
    }
    transaction.commit().await.unwrap();
    play(&store, &contract, &publications(&contract, &[DECAYED, FINE, DECAYED])).await;
    assert_eq!(bad_days(&store).await, [0, 2]);
}
