//! Alerts: each life is a row, and history stays.

use contract::WallTime;
use store::{AlertFilter, AlertRow, Store};

use crate::{MODEL, window};

pub fn row(fingerprint: &str, day: i64, state: &str) -> AlertRow {
    AlertRow {
        fingerprint: fingerprint.to_owned(),
        model: MODEL.to_owned(),
        rule: "PerformanceDecay".to_owned(),
        segment: String::new(),
        feature: String::new(),
        state: state.to_owned(),
        severity: "page".to_owned(),
        started: window(day).start,
        fired: (state != "pending").then(|| window(day + 2).start),
        resolved: (state == "resolved").then(|| window(day + 5).start),
        value: Some(0.91),
        annotations: "{\"summary\": \"log loss .91\"}".to_owned(),
        notified: None,
        updated: WallTime::from_micros(1),
    }
}

#[tokio::test]
async fn an_alert_moves_through_its_states_and_firing_again_is_a_new_row() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let all = AlertFilter::default();
    for state in ["pending", "firing", "resolved"] {
        transaction.upsert_alert(&row("a", 3, state)).await.unwrap();
        assert_eq!(transaction.alerts(&all).await.unwrap(), [row("a", 3, state)]);
    }
    let notified = AlertRow { notified: Some(WallTime::from_micros(7)), value: None, ..row("a", 20, "firing") };
    transaction.upsert_alert(&notified).await.unwrap();
    assert_eq!(transaction.alerts(&all).await.unwrap(), [notified, row("a", 3, "resolved")]);
}

#[tokio::test]
async fn a_pending_alert_that_clears_leaves_no_trace() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.upsert_alert(&row("a", 3, "pending")).await.unwrap();
    assert!(!transaction.delete_alert("a", window(4).start).await.unwrap());
    assert!(transaction.delete_alert("a", window(3).start).await.unwrap());
    assert!(transaction.alerts(&AlertFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn filters_choose_by_model_state_and_overlap() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (name, day, state) in [("a", 1, "resolved"), ("b", 10, "firing"), ("c", 12, "pending")] {
        transaction.upsert_alert(&row(name, day, state)).await.unwrap();
    }
    transaction.upsert_alert(&AlertRow { model: "loan".to_owned(), ..row("d", 12, "firing") }).await.unwrap();
    transaction.commit().await.unwrap();
    let names = async |filter: AlertFilter| -> Vec<String> {
        store.alerts(&filter).await.unwrap().into_iter().map(|row| row.fingerprint).collect()
    };
    let model = AlertFilter { model: Some(MODEL.to_owned()), ..Default::default() };
    assert_eq!(names(model.clone()).await, ["c", "b", "a"]);
    let states = vec!["firing".to_owned(), "pending".to_owned()];
    assert_eq!(names(AlertFilter { states: states.clone(), ..model.clone() }).await, ["c", "b"]);
    assert_eq!(names(AlertFilter { states, ..Default::default() }).await.len(), 3);
    assert_eq!(names(AlertFilter { from: Some(window(7).start), ..model.clone() }).await, ["c", "b"]);
    assert_eq!(names(AlertFilter { to: Some(window(11).start), ..model.clone() }).await, ["b", "a"]);
    assert_eq!(names(AlertFilter { limit: Some(1), ..model }).await, ["c"]);
}
