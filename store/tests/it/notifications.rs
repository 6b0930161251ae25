//! Promise R3: the outbox loses nothing and delivers nothing twice by its own doing.

use contract::WallTime;
use store::{MAX_ROWS, NotificationCount, NotificationRow, Store};

use crate::MODEL;

pub fn row(id: &str, next_attempt: i64) -> NotificationRow {
    NotificationRow {
        id: id.to_owned(),
        channel: "mail".to_owned(),
        model: MODEL.to_owned(),
        alert_fingerprint: "a".to_owned(),
        kind: "firing".to_owned(),
        body: "{}".to_owned(),
        created: WallTime::from_micros(next_attempt),
        attempts: 0,
        next_attempt: WallTime::from_micros(next_attempt),
        state: "waiting".to_owned(),
        last_error: None,
        delivered: None,
    }
}

async fn due(transaction: &mut store::Transaction, now: i64) -> Vec<String> {
    let rows = transaction.due_notifications("mail", WallTime::from_micros(now), 100).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn one_id_is_enqueued_once() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.insert_notification(&row("n", 0)).await.unwrap());
    assert!(!transaction.insert_notification(&row("n", 50)).await.unwrap());
    assert_eq!(transaction.notifications(None, 10).await.unwrap(), [row("n", 0)]);
}

#[tokio::test]
async fn the_newest_of_one_model_or_of_all() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let other = NotificationRow { model: "loan".to_owned(), ..row("other", 3) };
    for row in [row("old", 1), row("new", 2), other.clone()] {
        transaction.insert_notification(&row).await.unwrap();
    }
    assert_eq!(transaction.notifications(None, 2).await.unwrap(), [other, row("new", 2)]);
    assert_eq!(transaction.notifications(Some(MODEL), 9).await.unwrap(), [row("new", 2), row("old", 1)]);
    assert!(transaction.notifications(Some("digits"), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn due_notifications_come_in_order_and_wait_for_their_time() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for (id, at) in [("late", 30), ("soon", 20), ("now", 10)] {
        transaction.insert_notification(&row(id, at)).await.unwrap();
    }
    assert_eq!(due(&mut transaction, 9).await, [""; 0]);
    assert_eq!(due(&mut transaction, 20).await, ["now", "soon"]);
    assert_eq!(transaction.due_notifications("mail", WallTime::MAX, 1).await.unwrap().len(), 1);
    assert_eq!(transaction.oldest_waiting().await.unwrap(), Some(WallTime::from_micros(10)));

    transaction.mark_retry("now", WallTime::from_micros(40), "connection refused").await.unwrap();
    assert_eq!(due(&mut transaction, 39).await, ["soon", "late"]);
    let retried = transaction.due_notifications("mail", WallTime::from_micros(40), 9).await.unwrap().pop().unwrap();
    assert_eq!((retried.attempts, retried.last_error.as_deref()), (1, Some("connection refused")));
}

#[tokio::test]
async fn what_is_delivered_or_dead_stays_so() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_notification(&row("good", 1)).await.unwrap();
    transaction.insert_notification(&row("bad", 2)).await.unwrap();
    transaction.mark_delivered("good", WallTime::from_micros(5)).await.unwrap();
    transaction.mark_dead("bad", "410 Gone").await.unwrap();
    // A late answer of an attempt that was given up changes nothing.
    transaction.mark_retry("good", WallTime::from_micros(9), "timed out").await.unwrap();
    transaction.mark_delivered("bad", WallTime::from_micros(9)).await.unwrap();
    assert_eq!(due(&mut transaction, i64::MAX).await, [""; 0]);
    assert_eq!(transaction.oldest_waiting().await.unwrap(), None);

    let rows = transaction.notifications(None, 10).await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.id.as_str(), row.state.as_str(), row.attempts, row.delivered)).collect();
    assert_eq!(told, [("bad", "dead", 1, None), ("good", "delivered", 1, Some(WallTime::from_micros(5)))]);
    let count =
        |state: &str| NotificationCount { channel: "mail".to_owned(), state: state.to_owned(), notifications: 1 };
    assert_eq!(transaction.notification_counts().await.unwrap(), [count("dead"), count("delivered")]);
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    for number in 0..=MAX_ROWS {
        transaction.insert_notification(&row(&number.to_string(), 0)).await.unwrap();
    }
    assert_eq!(transaction.notifications(None, u32::MAX).await.unwrap().len(), MAX_ROWS as usize);
    assert_eq!(transaction.due_notifications("mail", WallTime::MAX, u32::MAX).await.unwrap().len(), MAX_ROWS as usize);
}

#[tokio::test]
async fn r3_channels_wait_for_themselves_alone() {
    let store = Store::in_memory().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_notification(&row("mail-1", 10)).await.unwrap();
    let hook = |id: &str, at| NotificationRow { channel: "hook".to_owned(), model: "fraud".to_owned(), ..row(id, at) };
    transaction.insert_notification(&hook("hook-1", 20)).await.unwrap();
    assert_eq!(transaction.due_channels(WallTime::from_micros(10)).await.unwrap(), ["mail"]);
    assert_eq!(transaction.due_channels(WallTime::MAX).await.unwrap(), ["hook", "mail"]);
    assert_eq!(due(&mut transaction, i64::MAX).await, ["mail-1"]);
    assert_eq!(transaction.due_notifications("hook", WallTime::MAX, 9).await.unwrap(), [hook("hook-1", 20)]);
    assert_eq!(transaction.notifications(Some("fraud"), 9).await.unwrap(), [hook("hook-1", 20)]);
    assert_eq!(transaction.notifications(None, 9).await.unwrap().len(), 2);
}
