//! Promise R1: alert state survives restarts, wherever the process dies.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use contract::Contract;
use ingest::Publication;
use ingest::publication::{Phase, WindowPart};
use store::Store;

use crate::story::told;
use crate::stream::{
    CELSIUS, DECAYED, Day, FINE, SILENT, contract, metrics, monitor, part, play, publication, publications,
};

/// Learns, has a gap, a fault of two days, a decay with a gap in it, a recovery, and a late correction of labels.
fn eventful(contract: &Contract) -> Vec<Publication> {
    let days: Vec<Day> = std::iter::repeat_n(FINE, 16)
        .chain([SILENT, CELSIUS, CELSIUS, FINE, FINE, DECAYED, DECAYED, SILENT, DECAYED, DECAYED, FINE, FINE, FINE])
        .collect();
    let mut all = publications(contract, &days);
    let corrected = WindowPart { revision: 2, phase: Phase::Revised, ..part(contract, 5, DECAYED, Phase::Matured) };
    all.insert(20, publication(0, all[19].watermarks.label.unwrap(), vec![corrected]));
    for (index, publication) in all.iter_mut().enumerate() {
        publication.sequence = index as u64 + 1;
    }
    all
}

#[tokio::test]
async fn r1_a_restart_between_any_two_publications_changes_nothing() {
    let contract = contract("6h");
    let publications = eventful(&contract);
    let straight = Store::in_memory().await.unwrap();
    play(&straight, &contract, &publications).await;
    let restarted = Store::in_memory().await.unwrap();
    for publication in &publications {
        play(&restarted, &contract, std::slice::from_ref(publication)).await;
    }
    assert_eq!(told(&restarted).await, told(&straight).await);
}

/// Polls a future a number of times, then drops it where it is: what a SIGKILL does to a process.
struct Killed<F> {
    inner: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}

/// Accepts a publication in processes that die after 1, 2, 3, … polls, until one lives long enough; says how many died.
async fn accept_or_die(store: &Store, contract: &Arc<Contract>, publication: &Publication, stride: u32) -> u32 {
    let (_, metrics) = metrics();
    for deaths in 0.. {
        let monitor = monitor(store, contract, &metrics).await;
        let accept = Killed { inner: Box::pin(monitor.accept(publication)), polls: 1 + deaths * stride };
        if let Some(outcome) = accept.await {
            outcome.unwrap();
            return deaths;
        }
    }
    0
}

#[tokio::test]
async fn r1_a_process_that_is_killed_at_any_await_changes_nothing() {
    let contract = contract("6h");
    let publications = eventful(&contract);
    let straight = Store::in_memory().await.unwrap();
    play(&straight, &contract, &publications).await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("bellwether.db")).await.unwrap();
    let mut deaths = 0;
    for (index, publication) in publications.iter().enumerate() {
        // Finer steps where alerts change; every publication dies at least a few times.
        deaths += accept_or_die(&store, &contract, publication, 5 + index as u32 % 7).await;
    }
    assert!(deaths > publications.len() as u32, "only {deaths} processes died");
    assert_eq!(told(&store).await, told(&straight).await);
}

#[tokio::test]
async fn e4_alert_gauges_are_right_after_a_restart() {
    let contract = contract("6h");
    let publications = publications(&contract, &[[FINE; 15].as_slice(), &[DECAYED; 3]].concat());
    let store = Store::in_memory().await.unwrap();
    play(&store, &contract, &publications).await;
    let (registry, metrics) = metrics();
    let monitor = monitor(&store, &contract, &metrics).await;
    let last = publications.last().unwrap();
    monitor.accept(&publication(last.sequence + 1, last.watermarks.label.unwrap(), Vec::new())).await.unwrap();
    let families = registry.gather();
    let alerts = families.iter().find(|family| family.name() == "bellwether_alerts").unwrap();
    let value = |rule: &str, state: &str| {
        let is_it = |metric: &&prometheus::proto::Metric| {
            let labels: Vec<&str> = metric.get_label().iter().map(prometheus::proto::LabelPair::value).collect();
            labels.contains(&rule) && labels.contains(&state)
        };
        alerts.get_metric().iter().find(is_it).unwrap().get_gauge().get_value()
    };
    let values =
        [value("PerformanceDecay", "firing"), value("PerformanceDecay", "pending"), value("PipelineFault", "firing")];
    assert_eq!(values.map(|value| value as i64), [1, 0, 0]);
}
