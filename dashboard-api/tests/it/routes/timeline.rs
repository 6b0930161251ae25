//! `/api/v1/models/{model}/timeline`

use serde_json::{Value, json};
use store::{Figure, Figures, Store, WindowRow};

use crate::filled::{self, DAYS, MODEL};
use crate::server::Server;

fn path(query: &str) -> String {
    format!("/api/v1/models/{MODEL}/timeline{query}")
}

async fn season() -> Server {
    let store = Store::in_memory().await.unwrap();
    filled::season(&store).await;
    Server::start(store, vec![filled::info(MODEL)]).await
}

#[tokio::test]
async fn windows_come_oldest_first_with_figures_findings_and_marks() {
    let server = season().await;
    let timeline = server.json(&path("")).await;
    let windows = timeline["windows"].as_array().unwrap();
    assert_eq!(windows.len() as i64, DAYS);
    assert_eq!((&timeline["truncated"], &timeline["window_seconds"]), (&json!(false), &json!(86_400)));
    assert_eq!(windows[0]["start"], "2013-03-01T00:00:00Z");

    // A day of the fault: quarantined, explained, of version 1.
    let fault = &windows[70];
    assert_eq!(
        (&fault["quarantined"], &fault["fault"], &fault["version"]),
        (&json!(true), &json!("unit_change"), &json!("1"))
    );
    assert_eq!(fault["worst_severity"], "critical");
    let drifted: Vec<_> = fault["drifted"].as_array().unwrap().iter().map(|row| &row["feature"]).collect();
    assert_eq!(drifted, ["dewp", "temp", "score"]);

    // A day of the decay: performance counts for itself, and isn't in the list of what drifted.
    let decay = &windows[105];
    assert_eq!(decay["performance_severity"], "critical");
    assert!(decay["log_loss"].as_f64().unwrap() > decay["limit"].as_f64().unwrap());
    assert!(decay["drifted"].as_array().unwrap().iter().all(|row| row["subject"] != "performance"));

    // The newest day has no labels yet.
    let newest = windows.last().unwrap();
    assert_eq!(
        (&newest["matured"], &newest["log_loss"], &newest["labelled"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    assert_eq!(timeline["alerts"].as_array().unwrap().len(), 5);
    let states: Vec<_> = timeline["retrainings"].as_array().unwrap().iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["canary", "vetoed"]);
    let marks: Vec<_> = timeline["deployments"].as_array().unwrap().iter().map(|mark| &mark["kind"]).collect();
    assert_eq!(marks, ["step", "canary", "registered"]);
    assert_eq!((&fault["versions"], decay["versions"].as_array().unwrap().len()), (&json!([]), 2));
}

#[tokio::test]
async fn a_span_of_event_time_can_be_asked_for() {
    let server = season().await;
    let timeline = server.json(&path("?from=2013-05-09T00:00:00Z&to=2013-05-13T00:00:00Z")).await;
    let starts: Vec<_> = timeline["windows"].as_array().unwrap().iter().map(|window| &window["start"]).collect();
    assert_eq!(starts.len(), 4);
    assert_eq!(starts[0], "2013-05-09T00:00:00Z");
    let rules: Vec<_> = timeline["alerts"].as_array().unwrap().iter().map(|alert| &alert["rule"]).collect();
    assert_eq!(rules, ["PipelineFault", "PipelineFault"]);
    server.get(&path("?from=May")).await.problem(400);
    server.get(&path("?form=2013-05-09T00:00:00Z")).await.problem(400);
    server.get("/api/v1/models/x/timeline").await.problem(404);
}

#[tokio::test]
async fn counts_are_over_all_versions_and_figures_of_the_one_with_most_rows() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    let old = Figures { mean_score: Some(0.2), ..Figures::default() };
    let mut new = Figures { mean_score: Some(0.4), ..Figures::default() };
    new.performance.insert("log_loss".to_owned(), Figure { value: Some(0.5), ..Figure::default() });
    transaction.upsert_window(&WindowRow { rows: 700, ..filled::window_row(MODEL, "1", 0, &old) }).await.unwrap();
    transaction.upsert_window(&WindowRow { rows: 200, ..filled::window_row(MODEL, "2", 0, &new) }).await.unwrap();
    transaction.commit().await.unwrap();
    let window = server.json(&path("")).await["windows"][0].clone();
    assert_eq!((&window["rows"], &window["version"], &window["mean_score"]), (&json!(900), &json!("1"), &json!(0.2)));
    let versions = json!([
        { "version": "1", "rows": 700, "log_loss": null },
        { "version": "2", "rows": 200, "log_loss": 0.5 },
    ]);
    assert_eq!(window["versions"], versions);
}

#[tokio::test]
async fn e3_a_timeline_holds_the_newest_thousand_rows_and_says_that_there_are_more() {
    let server = Server::empty().await;
    let mut transaction = server.store.begin().await.unwrap();
    let figures = Figures::default();
    // Two versions a window: the thousand-and-first row is the second half of a window, which is left out whole.
    for day in 0..501 {
        for version in ["1", "2"] {
            transaction.upsert_window(&filled::window_row(MODEL, version, day, &figures)).await.unwrap();
        }
        if day == 499 {
            transaction.commit().await.unwrap();
            let timeline = server.json(&path("")).await;
            let windows = timeline["windows"].as_array().unwrap().len();
            assert_eq!((windows, &timeline["truncated"]), (500, &json!(false)), "exactly as many as fit");
            transaction = server.store.begin().await.unwrap();
        }
    }
    transaction.commit().await.unwrap();
    let timeline = server.json(&path("")).await;
    let windows = timeline["windows"].as_array().unwrap();
    assert_eq!((windows.len(), &timeline["truncated"]), (500, &json!(true)));
    assert!(windows.iter().all(|window| window["rows"] == 1_800));
    assert_eq!(windows[0]["start"], "2013-03-02T00:00:00Z");
}
