//! Promise T5: no learning from faults. And D4: a fault is told from drift, for as long as it lasts.

use contract::{Fault, Severity, Subject};
use store::{FindingFilter, Store, WindowFilter};

use crate::story::{alerts, retrainings, told};
use crate::stream::{
    CELSIUS, COLUMNS, DECAYED, Day, FINE, MODEL, SPARSE, contract, contract_with, play, publications, window,
};

#[tokio::test]
async fn t5_faulty_windows_are_quarantined_and_stay_out_of_the_baseline() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([CELSIUS; 8]).chain([FINE; 3]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(alerts(&journal), ["2013-01-17 PipelineFault firing", "2013-01-25 PipelineFault resolved"]);

    let filter = WindowFilter { quarantined: Some(true), version: Some(String::new()), ..WindowFilter::default() };
    let quarantined = store.window_summaries(MODEL, &filter).await.unwrap();
    let starts: Vec<_> = quarantined.iter().map(|row| row.window.start).collect();
    assert_eq!(starts, (16..24).map(|day| window(day).start).collect::<Vec<_>>());

    // On the eighth day it is as strange as on the first: had the days before entered the baseline, it would not be.
    let filter = FindingFilter {
        detector: Some(Fault::UnitChange.name().to_owned()),
        from: Some(window(23).start),
        to: Some(window(23).end),
        ..FindingFilter::default()
    };
    let last = store.findings(&filter).await.unwrap().remove(0);
    assert_eq!((last.severity, last.consecutive, last.since), (Severity::Critical, 8, window(16).start));
    assert!(last.explanation.contains("looks like celsius where fahrenheit is declared"), "{}", last.explanation);
    assert!(last.explanation.contains("where 60.") || last.explanation.contains("where 59."), "{}", last.explanation);
}

#[tokio::test]
async fn t5_a_fault_vetoes_retraining_and_the_veto_is_on_record() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([CELSIUS; 2]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(retrainings(&journal), ["PipelineFault vetoed"]);
    let rows = store.retrainings(MODEL, 9).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].reason, "a fault of the pipeline stands: unit_change of temp (source weather)");
    let told = &store.notifications(None, 9).await.unwrap()[0].body;
    assert!(
        told.contains("\"retraining\":\"vetoed\"") && told.contains("unit_change of temp (source weather)"),
        "{told}"
    );
}

#[tokio::test]
async fn t5_a_decay_that_matures_while_a_fault_stands_asks_in_vain() {
    let store = Store::in_memory().await.unwrap();
    // Labels take three days: the decay of the 17th to 19th is judged on the 20th to 22nd, when the feed is broken.
    let contract = contract("3d");
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([DECAYED; 3]).chain([CELSIUS; 5]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert!(alerts(&journal).contains(&"2013-01-19 PerformanceDecay firing".to_owned()), "{:?}", alerts(&journal));
    assert_eq!(retrainings(&journal), ["PipelineFault vetoed", "PerformanceDecay vetoed"]);
}

#[tokio::test]
async fn t5_performance_of_a_quarantined_window_is_information_and_no_decay() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let both = Day { celsius: true, ..DECAYED };
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([both; 5]).chain([FINE; 2]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(alerts(&journal), ["2013-01-17 PipelineFault firing", "2013-01-22 PipelineFault resolved"]);
    let filter = FindingFilter {
        subject: Some(Subject::Performance),
        min_severity: Severity::Info,
        detector: Some("log_loss".to_owned()),
        ..FindingFilter::default()
    };
    let findings = store.findings(&filter).await.unwrap();
    assert_eq!(findings.len(), 5);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Info));
    assert!(findings[0].explanation.ends_with("a fault of the pipeline explains it."), "{}", findings[0].explanation);
}

#[tokio::test]
async fn t5_a_second_decay_within_the_cool_down_is_refused() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([DECAYED; 3]).chain([FINE; 2]).chain([DECAYED; 3]).collect();
    let journal = play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(retrainings(&journal), ["PerformanceDecay requested", "PerformanceDecay vetoed"]);
    let rows = store.retrainings(MODEL, 9).await.unwrap();
    assert!(rows[0].reason.starts_with("cool-down of 14d runs until 2013-02-03"), "{}", rows[0].reason);
}

#[tokio::test]
async fn t5_a_fault_outlasts_a_span_of_eight_windows() {
    let contract = contract_with("6h", COLUMNS, "{ inputs: { trailing: 8d }, outputs: { trailing: 8d } }");
    let days: Vec<_> = std::iter::repeat_n(FINE, 12).chain([CELSIUS; 12]).chain([FINE; 2]).collect();
    let publications = publications(&contract, &days);
    let store = Store::in_memory().await.unwrap();
    let journal = play(&store, &contract, &publications).await;
    assert_eq!(alerts(&journal), ["2013-01-13 PipelineFault firing", "2013-01-25 PipelineFault resolved"]);
    // With a restart before every publication as well: it reads the windows that the span has left behind.
    let restarted = Store::in_memory().await.unwrap();
    for publication in &publications {
        play(&restarted, &contract, std::slice::from_ref(publication)).await;
    }
    assert_eq!(told(&restarted).await, told(&store).await);
}

#[tokio::test]
async fn t5_a_window_too_small_to_judge_lifts_no_veto() {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let few = Day { sparse: true, ..CELSIUS };
    let days: Vec<_> = std::iter::repeat_n(FINE, 16).chain([CELSIUS, few]).collect();
    let publications = publications(&contract, &[days.as_slice(), &[FINE, SPARSE]].concat());
    let vetoed = async || store.progress(MODEL, "standing").await.unwrap().unwrap().contains("unit_change");
    // Two publications a day.
    play(&store, &contract, &publications[..36]).await;
    assert!(vetoed().await);
    play(&store, &contract, &publications[36..]).await;
    assert!(!vetoed().await);
}
