//! The loop that lets each model's executor take its steps, for as long as the service runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::execute::{Executor, Ticked};
use crate::world::World;

/// How often the world is looked at while nothing rings.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After trouble the next look comes so much later, doubling up to the second one.
const SHORTEST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// So often in a row the same step is taken at once: each version is loaded by one. More of them move nothing, and what is
/// asked for again and again without being seen in the target is trouble.
const SAME_STEPS: u32 = 3;

/// Rung when a command or a request came. All drivers hear it, also one that is at work.
#[derive(Clone, Debug, Default)]
pub struct Bell(watch::Sender<()>);

impl Bell {
    pub fn ring(&self) {
        self.0.send_replace(());
    }
}

/// Told of every step and of every change that was seen.
pub type Observer = Arc<dyn Fn(&Ticked) + Send + Sync>;

/// Runs the executors of all models until `stop`. A model whose retraining can't go on, even because of a defect, is told of in
/// the log and tried again: monitoring never ends because of it.
pub async fn run<W: World + 'static>(
    executors: Vec<Executor<W>>,
    bell: Bell,
    observer: Observer,
    stop: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    for executor in executors {
        let (executor, bell, observer, stop) = (Arc::new(executor), bell.clone(), Arc::clone(&observer), stop.clone());
        tasks.spawn(async move {
            let work = || drive(Arc::clone(&executor), bell.0.subscribe(), Arc::clone(&observer), stop.clone());
            begin_again(&stop, LONGEST_BACKOFF, work).await;
        });
    }
    stop.cancelled().await;
    while tasks.join_next().await.is_some() {}
}

/// Does something until it ends. After a defect, which the panic has told of, it begins again.
async fn begin_again<F: Future<Output = ()>>(stop: &CancellationToken, after: Duration, mut work: impl FnMut() -> F) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        tracing::error!("the driver of a model's retrainings broke off, and begins again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(after) => {}
        }
    }
}

async fn drive<W: World>(
    executor: Arc<Executor<W>>,
    mut ear: watch::Receiver<()>,
    observer: Observer,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::default();
    let mut rut = Rut::default();
    while !stop.is_cancelled() {
        // An effect in mid-air ends with the process: the next one looks what became of it.
        let ticked = tokio::select! {
            () = stop.cancelled() => return,
            ticked = executor.tick() => ticked,
        };
        let pause = match ticked {
            Ok(None) => backoff.reset(),
            Ok(Some(ticked)) => {
                say(&ticked);
                observer(&ticked);
                match &ticked.trouble {
                    Some(_) => backoff.next(),
                    None if rut.is_in(&ticked) => backoff.next(),
                    None if ticked.is_moving() => Duration::ZERO,
                    None => backoff.reset(),
                }
            }
            Err(error) => {
                tracing::error!(%error, "a retraining can't go on");
                backoff.next()
            }
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            // The bell is there as long as this is.
            Ok(()) = ear.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn reset(&mut self) -> Duration {
        self.0 = 0;
        LOOK_EVERY
    }

    fn next(&mut self) -> Duration {
        let pause = SHORTEST_BACKOFF.saturating_mul(1 << self.0.min(5)).min(LONGEST_BACKOFF);
        self.0 += 1;
        pause
    }
}

/// How often one step was taken in a row.
#[derive(Default)]
struct Rut {
    step: &'static str,
    times: u32,
}

impl Rut {
    fn is_in(&mut self, ticked: &Ticked) -> bool {
        let is_same = ticked.is_moving() && self.step == ticked.step && ticked.before == ticked.retraining.state;
        self.times = if is_same { self.times.saturating_add(1) } else { 1 };
        self.step = ticked.step;
        self.times > SAME_STEPS
    }
}

fn say(ticked: &Ticked) {
    let retraining = &ticked.retraining;
    let (id, state, step) = (&retraining.id, retraining.state.name(), ticked.step);
    if let Some(trouble) = &ticked.trouble {
        tracing::warn!(retraining = id, state, step, "{trouble}");
    } else if ticked.before != retraining.state {
        let words = retraining.outcome.as_deref().unwrap_or_default();
        tracing::info!(retraining = id, from = ticked.before.name(), state, "{words}");
    } else if step != "wait" {
        tracing::debug!(retraining = id, state, step, "done");
    }
}

#[cfg(test)]
mod tests {
    use contract::{EventTime, WallTime};

    use super::*;
    use crate::retraining::{AskedBy, Retraining, State};

    #[tokio::test]
    async fn t4_every_driver_hears_the_bell_also_one_that_is_at_work() {
        let bell = Bell::default();
        let mut ears = [bell.0.subscribe(), bell.0.subscribe()];
        // Nobody listens at that moment.
        bell.ring();
        for ear in &mut ears {
            ear.changed().await.unwrap();
            assert!(!ear.has_changed().unwrap());
        }
    }

    #[tokio::test]
    async fn t1_a_driver_that_breaks_off_begins_again_until_the_service_stops() {
        let (stop, mut times) = (CancellationToken::new(), 0);
        let work = || {
            times += 1;
            std::future::ready(times).map(|times| assert!(times > 2, "a defect"))
        };
        begin_again(&stop, Duration::ZERO, work).await;
        assert_eq!(times, 3);
        stop.cancel();
        let mut again = 0;
        let work = || {
            again += 1;
            std::future::ready(()).map(|()| panic!("a defect"))
        };
        begin_again(&stop, LONGEST_BACKOFF, work).await;
        assert_eq!(again, 1);
    }

    #[test]
    fn e3_a_step_that_moves_nothing_is_not_repeated_without_a_pause() {
        let (at, now) = (EventTime::from_micros(0), WallTime::from_micros(0));
        let mut retraining = Retraining::requested("r".into(), "m", AskedBy::Rule("Decay".into()), "it fired", at, now);
        retraining.state = State::Canary;
        let mut rut = Rut::default();
        let mut take =
            |step, before| rut.is_in(&Ticked { retraining: retraining.clone(), step, before, trouble: None });
        let loads: Vec<bool> = (0..5).map(|_| take("load", State::Canary)).collect();
        assert_eq!(loads, [false, false, false, true, true]);
        assert!(!take("set_traffic", State::Canary));
        let waits: Vec<bool> = (0..5).map(|_| take("wait", State::Canary)).collect();
        assert_eq!(waits, [false; 5]);
        let moves: Vec<bool> = (0..5).map(|_| take("shift", State::Registered)).collect();
        assert_eq!(moves, [false; 5]);
    }

    #[test]
    fn e3_trouble_is_looked_at_ever_more_seldom_within_a_bound() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..8).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.reset(), LOOK_EVERY);
        assert_eq!(backoff.next(), SHORTEST_BACKOFF);
    }
}
