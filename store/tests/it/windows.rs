//! Windows: revisions, filters, quarantine.

use contract::WallTime;
use store::{Figure, Figures, Store, WindowCounts, WindowFilter, WindowRow};

use crate::{MODEL, window};

pub fn row(day: i64, revision: u32) -> WindowRow {
    let mut figures = Figures { mean_score: Some(0.2), ..Figures::default() };
    figures.performance.insert("log_loss".to_owned(), Figure { value: Some(0.5), ..Figure::default() });
    WindowRow {
        model: MODEL.to_owned(),
        version: "1".to_owned(),
        segment: String::new(),
        window: window(day),
        revision,
        rows: 900,
        labelled: 450,
        coverage: Some(0.5),
        matured: revision > 0,
        quarantined: false,
        layout: 7,
        figures: figures.to_json(),
        profile: vec![0, 255, revision as u8],
        as_of: "{\"predictions/0\": 900}".to_owned(),
        first_judged: WallTime::from_micros(10),
        updated: WallTime::from_micros(10 + i64::from(revision)),
    }
}

#[tokio::test]
async fn the_versions_that_events_name_are_known() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (day, version) in [(1, "blue"), (2, "blue"), (2, "7"), (3, "")] {
        assert!(transaction.upsert_window(&WindowRow { version: version.to_owned(), ..row(day, 0) }).await.unwrap());
    }
    let mut versions = transaction.window_versions(MODEL).await.unwrap();
    versions.sort_unstable();
    assert_eq!(versions, ["7", "blue"]);
}

#[tokio::test]
async fn a_later_revision_replaces_an_earlier_one_and_never_the_other_way_round() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let all = WindowFilter::default();
    assert!(transaction.upsert_window(&row(3, 1)).await.unwrap());
    assert!(!transaction.upsert_window(&row(3, 0)).await.unwrap());
    assert_eq!(transaction.windows(MODEL, &all).await.unwrap(), [row(3, 1)]);

    // The same revision again is a repetition of the same work, with the same result.
    assert!(transaction.upsert_window(&row(3, 1)).await.unwrap());
    let later = WindowRow { first_judged: WallTime::from_micros(99), coverage: None, ..row(3, 2) };
    assert!(transaction.upsert_window(&later).await.unwrap());
    let kept = transaction.windows(MODEL, &all).await.unwrap();
    assert_eq!(kept, [WindowRow { first_judged: WallTime::from_micros(10), ..later }]);
}

#[tokio::test]
async fn filters_choose_by_version_segment_time_and_quarantine() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for day in 0..5 {
        let first = WindowRow { quarantined: day == 2, ..row(day, 0) };
        transaction.upsert_window(&WindowRow { version: "2".to_owned(), ..first.clone() }).await.unwrap();
        transaction.upsert_window(&WindowRow { segment: "carrier=AA".to_owned(), ..first.clone() }).await.unwrap();
        transaction.upsert_window(&first).await.unwrap();
    }

    assert_eq!(transaction.window_counts(MODEL).await.unwrap(), WindowCounts { windows: 5, quarantined: 1 });
    assert_eq!(transaction.window_counts("loan").await.unwrap(), WindowCounts::default());

    let whole = WindowFilter { segment: Some(String::new()), version: Some("1".to_owned()), ..Default::default() };
    let days = async |transaction: &mut store::Transaction, filter: WindowFilter| -> Vec<i64> {
        let rows = transaction.windows(MODEL, &filter).await.unwrap();
        let summaries = transaction.window_summaries(MODEL, &filter).await.unwrap();
        assert_eq!(rows.len(), summaries.len());
        summaries.iter().map(|row| row.window.start.micros() / crate::DAY).collect()
    };
    assert_eq!(days(&mut transaction, whole.clone()).await, [0, 1, 2, 3, 4]);
    let accepted = WindowFilter { quarantined: Some(false), ..whole.clone() };
    assert_eq!(days(&mut transaction, accepted).await, [0, 1, 3, 4]);
    let newest = WindowFilter { newest_first: true, limit: Some(2), ..whole.clone() };
    assert_eq!(days(&mut transaction, newest).await, [4, 3]);
    let between = WindowFilter { from: Some(window(1).start), to: Some(window(3).start), ..whole };
    assert_eq!(days(&mut transaction, between).await, [1, 2]);
    assert_eq!(days(&mut transaction, WindowFilter::default()).await.len(), 15);
    assert_eq!(days(&mut transaction, WindowFilter { limit: Some(0), ..Default::default() }).await.len(), 0);
}

#[tokio::test]
async fn a_summary_reads_the_figures_and_leaves_the_profile() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.upsert_window(&row(3, 1)).await.unwrap();
    let summary = transaction.window_summaries(MODEL, &WindowFilter::default()).await.unwrap().remove(0);
    assert_eq!(summary.figures.value("log_loss"), Some(0.5));
    assert_eq!(summary.figures.mean_score, Some(0.2));
    assert_eq!((summary.rows, summary.labelled, summary.coverage), (900, 450, Some(0.5)));
    assert!(summary.matured && !summary.quarantined);
}
