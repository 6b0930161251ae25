//! Databases that an earlier Bellwether wrote.

use std::path::Path;

use contract::WallTime;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use store::{Inserted, RetrainingRow, Store};

use crate::{MODEL, retrainings};

const FIRST: &str = include_str!("../../migrations/0001_monitor.sql");

/// A file with the tables of the first monitor and what it wrote about two retrainings.
async fn first_monitor(folder: &Path) -> std::path::PathBuf {
    let migrations = folder.join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    std::fs::write(migrations.join("0001_monitor.sql"), FIRST).unwrap();
    let path = folder.join("bellwether.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    Migrator::new(migrations).await.unwrap().run(&pool).await.unwrap();
    sqlx::query(
        "INSERT INTO retrainings (id, model, state, reason, rule, event_time, created, annotations) VALUES
         ('r1', 'flights', 'requested', 'rule Decay fired', 'Decay', 86400000000, 7, '{\"window\":1}'),
         ('r2', 'flights', 'requested', 'rule Decay fired', 'Decay', 172800000000, 8, '{}')",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    path
}

#[tokio::test]
async fn a_database_of_the_first_monitor_is_brought_up_to_date_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = first_monitor(folder.path()).await;
    let store = Store::open(&path).await.unwrap();
    let first = RetrainingRow {
        state: "requested".to_owned(),
        reason: "rule Decay fired".to_owned(),
        rule: "Decay".to_owned(),
        created: WallTime::from_micros(7),
        updated: WallTime::from_micros(7),
        document: "{\"window\":1}".to_owned(),
        ..retrainings::row("r1", 1, false)
    };
    let rows = store.retrainings(MODEL, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["r2", "r1"]);
    assert_eq!(rows.last(), Some(&first));
    // Requests that nobody carries out don't stand in the way.
    assert_eq!(store.active_retraining(MODEL).await.unwrap(), None);
    let mut transaction = store.begin().await.unwrap();
    let inserted = transaction.insert_retraining(&retrainings::row("r3", 3, true)).await.unwrap();
    assert_eq!(inserted, Inserted::New);
    transaction.commit().await.unwrap();
    store.close().await;
    let reopened = Store::open(&path).await.unwrap();
    assert_eq!(reopened.active_retraining(MODEL).await.unwrap().unwrap().id, "r3");
}
