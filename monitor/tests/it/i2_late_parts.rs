//! Promise I2: parts that come late make windows what they are, as long as all of a window's parts are there.

use contract::{EventTime, Subject};
use ingest::publication::{Phase, WindowPart};
use store::{FindingFilter, Store, WindowFilter, WindowSummary};

use crate::stream::{DECAYED, FINE, MODEL, SILENT, contract, part, play, publication, publications, window};

async fn version(store: &Store, day: usize) -> WindowSummary {
    let filter = WindowFilter {
        version: Some("1".to_owned()),
        segment: Some(String::new()),
        from: Some(window(day).start),
        to: Some(window(day).end),
        ..WindowFilter::default()
    };
    store.window_summaries(MODEL, &filter).await.unwrap().remove(0)
}

async fn performance_findings(store: &Store, day: usize) -> usize {
    let filter = FindingFilter {
        subject: Some(Subject::Performance),
        from: Some(window(day).start),
        to: Some(window(day).end),
        ..FindingFilter::default()
    };
    store.findings(&filter).await.unwrap().len()
}

#[tokio::test]
async fn i2_a_window_that_comes_after_later_ones_matures_in_its_time() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("3d");
    // The last day is closed, and none has matured but the first.
    let mut soon = publications(&contract, &[FINE, FINE, SILENT, FINE]);
    soon.retain(|told| told.watermarks.label.unwrap() < window(4).end);
    play(&store, &contract, &soon).await;
    let mut sequence = soon.last().unwrap().sequence;
    let mut tell = async |time: EventTime, part: WindowPart| {
        sequence += 1;
        play(&store, &contract, &[publication(sequence, time, vec![part])]).await;
    };
    tell(window(4).start + contract.windows.lateness, part(&contract, 2, FINE, Phase::Closed)).await;
    assert!(!version(&store, 2).await.matured);
    assert_eq!(performance_findings(&store, 2).await, 0);
    tell(window(6).start, part(&contract, 2, FINE, Phase::Matured)).await;
    let row = version(&store, 2).await;
    assert!(row.matured && row.labelled == 400, "{row:?}");
    assert_eq!(performance_findings(&store, 2).await, 4);
}

#[tokio::test]
async fn i2_parts_that_come_after_the_others_were_forgotten_replace_nothing() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let told = publications(&contract, &[FINE; 16]);
    play(&store, &contract, &told).await;
    let before = version(&store, 2).await;
    let last = told.last().unwrap();
    let strange = WindowPart { revision: 9, phase: Phase::Revised, ..part(&contract, 2, DECAYED, Phase::Revised) };
    let time = last.watermarks.label.unwrap();
    play(&store, &contract, &[publication(last.sequence + 1, time, vec![strange])]).await;
    assert_eq!(version(&store, 2).await, before);
    assert!(store.dirty_windows(MODEL).await.unwrap().is_empty());
    assert!(store.parts(MODEL, window(2)).await.unwrap().is_empty());
}
