//! Promise R3: every notification is delivered at least once, or listed as dead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::WallTime;
use monitor::delivery::Delivery;
use rules::Notification;
use rules::channels::{Channel, DeliveryError};
use store::{NotificationRow, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::stream::{DECAYED, FINE, MODEL, contract, metrics, play, publications};

/// Answers as it is told, then with success; remembers the ids that came.
#[derive(Default)]
struct Script {
    answers: Mutex<Vec<DeliveryError>>,
    ids: Mutex<Vec<String>>,
}

impl Script {
    fn failing(answers: Vec<DeliveryError>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers), ids: Mutex::default() })
    }

    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Channel for Script {
    async fn deliver(&self, notification: &Notification, _now: WallTime) -> Result<(), DeliveryError> {
        self.ids.lock().unwrap().push(notification.id.clone());
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() { Ok(()) } else { Err(answers.remove(0)) }
    }
}

/// Never answers.
struct Silent;

#[async_trait::async_trait]
impl Channel for Silent {
    async fn deliver(&self, _notification: &Notification, _now: WallTime) -> Result<(), DeliveryError> {
        std::future::pending().await
    }
}

/// A store whose outbox holds one alert for `mail` and one for `hook`.
async fn outbox() -> Store {
    let store = Store::in_memory().await.unwrap();
    let contract = contract("6h");
    let days = [[FINE; 15].as_slice(), &[DECAYED; 3]].concat();
    play(&store, &contract, &publications(&contract, &days)).await;
    assert_eq!(store.notifications(Some(MODEL), 9).await.unwrap().len(), 2);
    store
}

fn delivery(store: &Store, channels: Vec<(&str, Arc<dyn Channel>)>) -> Delivery {
    Delivery {
        store: store.clone(),
        channels: channels.into_iter().map(|(name, channel)| (name.to_owned(), channel)).collect::<BTreeMap<_, _>>(),
        metrics: metrics().1,
        outbox: Arc::new(Notify::new()),
    }
}

async fn row(store: &Store, channel: &str) -> NotificationRow {
    let rows = store.notifications(None, 9).await.unwrap();
    rows.into_iter().find(|row| row.channel == channel).unwrap()
}

#[tokio::test]
async fn r3_a_notification_is_tried_until_it_is_delivered_with_one_id() {
    let store = outbox().await;
    let mail = Script::failing(vec![DeliveryError::retryable("busy"), DeliveryError::retryable("busy")]);
    let hook = Script::failing(Vec::new());
    let delivery = delivery(&store, vec![("mail", mail.clone()), ("hook", hook.clone())]);
    delivery.deliver_due(WallTime::now()).await.unwrap();
    let waiting = row(&store, "mail").await;
    assert_eq!((waiting.state.as_str(), waiting.attempts, waiting.last_error.as_deref()), ("waiting", 1, Some("busy")));
    assert_eq!(row(&store, "hook").await.state, "delivered");
    // Nothing is due before its time.
    delivery.deliver_due(WallTime::now()).await.unwrap();
    assert_eq!(mail.ids().len(), 1);
    delivery.deliver_due(WallTime::MAX).await.unwrap();
    delivery.deliver_due(WallTime::MAX).await.unwrap();
    delivery.deliver_due(WallTime::MAX).await.unwrap();
    let delivered = row(&store, "mail").await;
    assert_eq!((delivered.state.as_str(), delivered.attempts, delivered.last_error), ("delivered", 3, None));
    let ids = mail.ids();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]));
    assert_eq!(store.oldest_waiting().await.unwrap(), None);
}

#[tokio::test]
async fn r3_after_the_last_attempt_it_is_listed_as_dead_with_the_reason() {
    let store = outbox().await;
    let mail = Script::failing(vec![DeliveryError::retryable("connection refused"); 20]);
    let hook = Script::failing(vec![DeliveryError::permanent("410 Gone")]);
    let delivery = delivery(&store, vec![("mail", mail.clone()), ("hook", hook.clone())]);
    for _ in 0..15 {
        delivery.deliver_due(WallTime::MAX).await.unwrap();
    }
    assert_eq!((mail.ids().len(), hook.ids().len()), (10, 1));
    let dead = row(&store, "mail").await;
    assert_eq!((dead.state.as_str(), dead.last_error.as_deref()), ("dead", Some("connection refused")));
    assert_eq!(row(&store, "hook").await.state, "dead");
}

#[tokio::test]
async fn r3_a_receiver_that_asks_for_time_gets_it() {
    let store = outbox().await;
    let busy = DeliveryError { retry_after: Some(Duration::from_hours(2)), ..DeliveryError::retryable("busy") };
    let delivery = delivery(&store, vec![("mail", Script::failing(vec![busy])), ("hook", Script::failing(Vec::new()))]);
    let before = WallTime::now();
    delivery.deliver_due(before).await.unwrap();
    assert!(row(&store, "mail").await.next_attempt >= before + Duration::from_hours(2));
}

#[tokio::test]
async fn r3_a_channel_that_is_gone_is_told_and_not_forgotten() {
    let store = outbox().await;
    let delivery = delivery(&store, vec![("mail", Script::failing(Vec::new()))]);
    delivery.deliver_due(WallTime::now()).await.unwrap();
    let dead = row(&store, "hook").await;
    assert_eq!(
        (dead.state.as_str(), dead.last_error.as_deref()),
        ("dead", Some("channel `hook` is no longer configured"))
    );
}

#[tokio::test]
async fn r3_a_channel_that_never_answers_holds_up_no_other() {
    let store = outbox().await;
    let mail = Script::failing(Vec::new());
    let delivery = delivery(&store, vec![("mail", mail.clone()), ("hook", Arc::new(Silent))]);
    let look = tokio::spawn(async move { delivery.deliver_due(WallTime::now()).await });
    while row(&store, "mail").await.state != "delivered" {
        tokio::task::yield_now().await;
    }
    assert!(!look.is_finished());
    look.abort();
    assert_eq!(row(&store, "hook").await.state, "waiting");
}

#[tokio::test]
async fn r3_the_task_delivers_and_stops_when_told() {
    let store = outbox().await;
    let mail = Script::failing(Vec::new());
    let delivery = delivery(&store, vec![("mail", mail.clone()), ("hook", mail.clone())]);
    let stop = CancellationToken::new();
    let task = tokio::spawn(delivery.run(stop.clone()));
    while row(&store, "mail").await.state != "delivered" || row(&store, "hook").await.state != "delivered" {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    task.await.unwrap().unwrap();
}
