//! Promise I1: a publication counts once, however often it comes; and what a window leads to is there whole.

use contract::{Severity, Subject};
use ingest::publication::{HistoryFile, Phase, WindowPart};
use ingest::{Kind, Publication};
use monitor::Error;
use store::{AlertFilter, FindingFilter, Store, WindowFilter};

use crate::story::{alerts, retrainings, told};
use crate::stream::{
    DECAYED, FINE, MODEL, SILENT, contract, metrics, monitor, part, play, publication, publications, window,
};

#[tokio::test]
async fn i1_a_decay_leads_to_windows_findings_one_alert_its_notifications_and_a_request() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 20).chain([DECAYED; 5]).chain([FINE; 4]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(
        alerts(&journal),
        [
            "2013-01-21 PerformanceDecay pending",
            "2013-01-23 PerformanceDecay firing",
            "2013-01-27 PerformanceDecay resolved"
        ]
    );
    assert_eq!(retrainings(&journal), ["PerformanceDecay requested"]);

    // Three rows a window: the inputs of all versions, the version, its segment.
    let windows = store.windows(MODEL, &WindowFilter::default()).await.unwrap();
    assert_eq!(windows.len(), days.len() * 3);
    assert!(windows.iter().all(|row| row.matured && !row.quarantined && row.rows == 400 && row.coverage == Some(1.0)));
    let filter = FindingFilter {
        subject: Some(Subject::Performance),
        detector: Some("log_loss".to_owned()),
        min_severity: Severity::Warning,
        ..FindingFilter::default()
    };
    let findings = store.findings(&filter).await.unwrap();
    assert_eq!(findings.len(), 5);
    assert!(findings[0].explanation.contains("origin=EWR"), "{}", findings[0].explanation);

    let rows = store.alerts(&AlertFilter::default()).await.unwrap();
    assert_eq!((rows.len(), rows[0].state.as_str(), rows[0].started), (1, "resolved", window(20).start));
    assert!(rows[0].notified.is_some());
    let mut notifications: Vec<_> =
        store.notifications(Some(MODEL), 9).await.unwrap().into_iter().map(|row| (row.kind, row.channel)).collect();
    notifications.sort();
    let expected = [("firing", "hook"), ("firing", "mail"), ("resolved", "hook"), ("resolved", "mail")];
    assert_eq!(notifications, expected.map(|(kind, channel)| (kind.to_owned(), channel.to_owned())));
}

#[tokio::test]
async fn i1_publishing_everything_twice_changes_nothing() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 14).chain([SILENT, FINE]).chain([DECAYED; 4]).collect();
    let publications = publications(&contract, &days);
    play(&store, &contract, &publications).await;
    let once = told(&store).await;
    let again: Vec<Publication> = publications.iter().cloned().chain(publications.iter().rev().cloned()).collect();
    let journal = play(&store, &contract, &again).await;
    assert!(journal.entries.is_empty(), "{:?}", alerts(&journal));
    assert_eq!(told(&store).await, once);
}

#[tokio::test]
async fn i1_a_request_to_retrain_finds_the_history_of_what_made_it_and_each_file_once() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 20).chain([DECAYED; 5]).collect();
    let mut publications = publications(&contract, &days);
    // A checkpoint is four publications, and the first of them lists its file.
    for (number, first) in publications.iter_mut().enumerate().step_by(4) {
        first.history_files = vec![history_file(number)];
    }
    let monitor = monitor(&store, &contract, &metrics().1).await;
    let mut requests = 0;
    for (number, publication) in publications.iter().enumerate() {
        let journal = monitor.accept(publication).await.unwrap();
        requests += retrainings(&journal).len();
        // Also when it is told again.
        monitor.accept(publication).await.unwrap();
        let listed = store.history_files(MODEL).await.unwrap().len();
        assert_eq!(listed, number / 4 + 1, "after publication {number}");
    }
    assert_eq!(requests, 1);
    // A former owner's files were written again by the one after it.
    let time = publications.last().unwrap().watermarks.label.unwrap();
    let files = vec![history_file(9_999)];
    let former = Publication { epoch: 0, history_files: files, ..publication(9_999, time, Vec::new()) };
    monitor.accept(&former).await.unwrap();
    assert_eq!(store.history_files(MODEL).await.unwrap().len(), publications.len().div_ceil(4));
}

fn history_file(number: usize) -> HistoryFile {
    HistoryFile {
        kind: Kind::Prediction,
        path: format!("{number}.parquet"),
        rows: 1,
        min_time: window(0).start,
        max_time: window(0).start,
        sha256: "ab".repeat(32),
        first_offset: number as i64,
        last_offset: number as i64,
    }
}

#[tokio::test]
async fn i1_what_a_former_owner_tells_counts_for_nothing_and_stops_nobody() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let publications = publications(&contract, &[FINE; 10]);
    play(&store, &contract, &publications).await;
    let before = told(&store).await;
    let time = publications.last().unwrap().watermarks.label.unwrap();
    let former = part(&contract, 9, DECAYED, Phase::Final);
    let former = Publication { epoch: 0, ..publication(9_999, time, vec![former]) };
    let journal = play(&store, &contract, &[former]).await;
    assert!(journal.entries.is_empty());
    assert_eq!(told(&store).await, before);
}

#[tokio::test]
async fn i2_a_window_that_is_revised_is_shown_again_and_alerts_stay_as_they_are() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let mut publications = publications(&contract, &[FINE; 16]);
    let last = publications.last().unwrap().clone();
    // Labels of the fifteenth day are corrected: nearly all are positive now.
    let corrected = WindowPart { revision: 2, phase: Phase::Revised, ..part(&contract, 14, DECAYED, Phase::Matured) };
    let time = last.watermarks.label.unwrap();
    publications.push(publication(last.sequence + 1, time, vec![corrected]));
    let journal = play(&store, &contract, &publications).await;
    assert_eq!(alerts(&journal), [""; 0]);
    let filter = WindowFilter {
        version: Some("1".to_owned()),
        from: Some(window(14).start),
        to: Some(window(14).end),
        ..WindowFilter::default()
    };
    let rows = store.window_summaries(MODEL, &filter).await.unwrap();
    let whole = rows.iter().find(|row| row.segment.is_empty()).unwrap();
    assert_eq!(whole.revision, 2);
    assert!(whole.figures.value("log_loss").unwrap() > 0.8, "{:?}", whole.figures);
}

#[tokio::test]
async fn a_publication_of_an_unknown_model_is_an_error() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let monitor = monitor(&store, &contract, &metrics().1).await;
    let strange = Publication { model: "other".to_owned(), ..publication(1, window(0).end, Vec::new()) };
    let error = monitor.accept(&strange).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownModel { model } if model == "other"));
    assert!(!error.is_retryable());
}
