//! Versions, aliases and deployments.

use contract::{EventTime, WallTime};
use store::{DeploymentRow, MAX_ROWS, Store, Transaction, VersionRow};

use crate::{MODEL, window};

fn version(version: &str, registered: i64) -> VersionRow {
    VersionRow {
        model: MODEL.to_owned(),
        version: version.to_owned(),
        sha256: "ab".repeat(32),
        uri: "file:///registry/ab".to_owned(),
        validation: "failed".to_owned(),
        retraining: "r1".to_owned(),
        registered: WallTime::from_micros(registered),
        registered_by: "bellwether".to_owned(),
        lineage: "{\"parent\":\"1\"}".to_owned(),
        baseline: String::new(),
    }
}

fn deployment(id: &str, day: i64, kind: &str, weight: u32) -> DeploymentRow {
    DeploymentRow {
        id: id.to_owned(),
        model: MODEL.to_owned(),
        event_time: window(day).start,
        at: WallTime::from_micros(1),
        kind: kind.to_owned(),
        version: "2".to_owned(),
        weight,
        retraining: "r1".to_owned(),
        words: "version 2 gets 10 % of the traffic".to_owned(),
    }
}

async fn point(transaction: &mut Transaction, alias: &str, version: Option<&str>) -> store::Result<()> {
    transaction.set_alias(MODEL, alias, version, EventTime::from_micros(1), WallTime::from_micros(2)).await
}

#[tokio::test]
async fn t2_a_version_is_registered_once_and_only_its_validation_changes() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.insert_version(&version("9", 1)).await.unwrap());
    assert!(transaction.insert_version(&version("10", 2)).await.unwrap());
    let other_bytes = VersionRow { sha256: "cd".repeat(32), ..version("9", 5) };
    assert!(!transaction.insert_version(&other_bytes).await.unwrap());
    assert!(transaction.set_validation(MODEL, "9", "overridden").await.unwrap());
    assert!(!transaction.set_validation(MODEL, "11", "overridden").await.unwrap());
    let overridden = VersionRow { validation: "overridden".to_owned(), ..version("9", 1) };
    assert_eq!(transaction.versions(MODEL).await.unwrap(), [version("10", 2), overridden.clone()]);
    assert_eq!(transaction.version(MODEL, "9").await.unwrap(), Some(overridden));
    assert_eq!(transaction.version("loan", "9").await.unwrap(), None);
}

#[tokio::test]
async fn t2_only_registered_versions_have_aliases() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_version(&version("1", 1)).await.unwrap();
    transaction.insert_version(&version("2", 2)).await.unwrap();
    point(&mut transaction, "champion", Some("1")).await.unwrap();
    point(&mut transaction, "challenger", Some("2")).await.unwrap();
    point(&mut transaction, "champion", Some("3")).await.unwrap_err();
    transaction.set_alias("loan", "champion", Some("1"), EventTime::MIN, WallTime::from_micros(2)).await.unwrap_err();
    let told = |aliases: std::collections::BTreeMap<String, String>| -> Vec<String> {
        aliases.into_iter().map(|(alias, version)| format!("{alias} {version}")).collect()
    };
    assert_eq!(told(transaction.aliases(MODEL).await.unwrap()), ["challenger 2", "champion 1"]);
    point(&mut transaction, "previous", Some("1")).await.unwrap();
    point(&mut transaction, "champion", Some("2")).await.unwrap();
    point(&mut transaction, "challenger", None).await.unwrap();
    point(&mut transaction, "challenger", None).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(told(store.aliases(MODEL).await.unwrap()), ["champion 2", "previous 1"]);
    assert!(store.aliases("loan").await.unwrap().is_empty());
}

#[tokio::test]
async fn deployments_are_recorded_once_and_read_newest_first() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let (canary, step) = (deployment("a", 3, "canary", 10), deployment("b", 5, "step", 50));
    assert!(transaction.insert_deployment(&step).await.unwrap());
    assert!(transaction.insert_deployment(&canary).await.unwrap());
    assert!(!transaction.insert_deployment(&DeploymentRow { weight: 100, ..canary.clone() }).await.unwrap());
    transaction
        .insert_deployment(&DeploymentRow { model: "loan".to_owned(), ..deployment("c", 9, "step", 50) })
        .await
        .unwrap();
    assert_eq!(transaction.deployments(MODEL, 10).await.unwrap(), [step.clone(), canary]);
    assert_eq!(transaction.deployments(MODEL, 1).await.unwrap(), [step]);
}

#[tokio::test]
async fn answers_about_deployments_are_bounded() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for index in 0..=MAX_ROWS {
        transaction.insert_deployment(&deployment(&index.to_string(), i64::from(index), "step", 50)).await.unwrap();
    }
    let read = transaction.deployments(MODEL, u32::MAX).await.unwrap();
    assert_eq!(read.len(), MAX_ROWS as usize);
    assert_eq!(read.first().unwrap().id, MAX_ROWS.to_string());
}
