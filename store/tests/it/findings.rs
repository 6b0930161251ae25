//! Findings: one a key, the latest revision; filters; the order of answers.

use contract::{Fault, Finding, Severity, Subject};
use store::{FindingFilter, Store};

use crate::{MODEL, window};

pub fn finding(day: i64, feature: &str, revision: u32) -> Finding {
    Finding {
        model: MODEL.to_owned(),
        version: String::new(),
        segment: String::new(),
        window: window(day).into(),
        revision,
        subject: Subject::Feature,
        feature: feature.to_owned(),
        detector: "location".to_owned(),
        statistic: Some(-0.1 - 0.2),
        interval: Some((-0.4, 1.0 / 3.0)),
        limit: Some(0.25),
        level: Some(1e-9),
        effect: Some(2.5),
        severity: Severity::Warning,
        fault: Some(Fault::UnitChange),
        since: window(day).start,
        consecutive: 2,
        explanation: "temp has moved by −2.5 standard deviations".to_owned(),
        reason: None,
    }
}

#[tokio::test]
async fn a_finding_comes_back_as_it_was() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let undefined = Finding {
        statistic: None,
        interval: None,
        fault: None,
        reason: Some("no rows".to_owned()),
        severity: Severity::None,
        ..finding(1, "ψ \"quoted\"", 0)
    };
    transaction.upsert_finding(&finding(2, "temp", 0)).await.unwrap();
    transaction.upsert_finding(&undefined).await.unwrap();
    let read = transaction.findings(&FindingFilter::default()).await.unwrap();
    assert_eq!(read, [finding(2, "temp", 0), undefined]);
}

#[tokio::test]
async fn an_earlier_revision_never_replaces_a_later_one() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (revision, applied) in [(1, true), (0, false), (1, true), (2, true)] {
        assert_eq!(transaction.upsert_finding(&finding(3, "temp", revision)).await.unwrap(), applied, "{revision}");
    }
    let read = transaction.findings(&FindingFilter::default()).await.unwrap();
    assert_eq!(read, [finding(3, "temp", 2)]);
}

#[tokio::test]
async fn filters_choose_and_the_gravest_of_the_newest_window_comes_first() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for day in 0..4 {
        for (feature, severity) in [
            ("dew", Severity::None),
            ("temp", Severity::Info),
            ("wind", Severity::Critical),
            ("visib", Severity::Warning),
        ] {
            transaction.upsert_finding(&Finding { severity, ..finding(day, feature, 0) }).await.unwrap();
        }
    }
    let performance = Finding {
        subject: Subject::Performance,
        feature: String::new(),
        detector: "log_loss".to_owned(),
        version: "1".to_owned(),
        ..finding(3, "", 0)
    };
    transaction.upsert_finding(&performance).await.unwrap();
    transaction.upsert_finding(&Finding { model: "loan".to_owned(), ..finding(3, "income", 0) }).await.unwrap();
    transaction.commit().await.unwrap();

    let features = async |filter: FindingFilter| -> Vec<String> {
        let filter = FindingFilter { model: Some(MODEL.to_owned()), ..filter };
        store.findings(&filter).await.unwrap().into_iter().map(|finding| finding.feature).collect()
    };
    let grave = FindingFilter { min_severity: Severity::Warning, from: Some(window(2).start), ..Default::default() };
    assert_eq!(features(grave).await, ["wind", "visib", "", "wind", "visib"]);
    let temp = FindingFilter { feature: Some("temp".to_owned()), to: Some(window(2).start), ..Default::default() };
    assert_eq!(features(temp).await, ["temp", "temp"]);
    let log_loss = FindingFilter { subject: Some(Subject::Performance), ..Default::default() };
    assert_eq!(features(log_loss).await, [""]);
    let detector =
        FindingFilter { detector: Some("log_loss".to_owned()), segment: Some(String::new()), ..Default::default() };
    assert_eq!(features(detector).await, [""]);
    assert_eq!(features(FindingFilter { limit: Some(3), ..Default::default() }).await, ["wind", "visib", ""]);
    assert_eq!(store.findings(&FindingFilter::default()).await.unwrap().len(), 18);
}

#[tokio::test]
async fn the_worst_finding_stands_for_a_feature_of_a_window() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (detector, severity, fault) in [
        ("psi", Severity::Info, Some(Fault::UnitChange)),
        ("ks", Severity::Critical, None),
        ("location", Severity::Critical, Some(Fault::UnitChange)),
    ] {
        let finding = Finding { detector: detector.to_owned(), severity, fault, ..finding(1, "temp", 0) };
        transaction.upsert_finding(&finding).await.unwrap();
    }
    transaction.upsert_finding(&finding(1, "wind", 0)).await.unwrap();
    transaction.upsert_finding(&finding(2, "temp", 0)).await.unwrap();
    let worst = transaction.worst_findings(&FindingFilter::default()).await.unwrap();
    let told: Vec<_> = worst.iter().map(|finding| (finding.feature.as_str(), finding.detector.as_str())).collect();
    assert_eq!(told, [("temp", "location"), ("temp", "location"), ("wind", "location")]);
    assert_eq!(worst[1].fault, Some(Fault::UnitChange));
    let grave = FindingFilter { min_severity: Severity::Critical, ..Default::default() };
    assert_eq!(transaction.worst_findings(&grave).await.unwrap().len(), 1);
}
