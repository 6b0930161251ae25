//! The loop that lets each model's executor take its steps, for as long as the service runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
    let executors: Vec<_> = executors.into_iter().map(Arc::new).collect();
    let mut tasks = JoinSet::new();
    let mut models = BTreeMap::new();
    let begin = |tasks: &mut JoinSet<()>, executor: &Arc<Executor<W>>| {
        let (executor, observer, stop) = (Arc::clone(executor), Arc::clone(&observer), stop.clone());
        let mut ear = bell.0.subscribe();
        tasks.spawn(async move { drive(&executor, &mut ear, &observer, &stop).await }).id()
    };
    for (number, executor) in executors.iter().enumerate() {
        models.insert(begin(&mut tasks, executor), number);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        let Err(error) = ended else { continue };
        tracing::error!(%error, "the driver of a model's retrainings ended, and begins again");
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LONGEST_BACKOFF) => {}
        }
        if let Some(executor) = models.remove(&error.id()).and_then(|number| Some((number, executors.get(number)?))) {
            models.insert(begin(&mut tasks, executor.1), executor.0);
        }
    }
    // Where no model is retrained there is nothing to drive.
    stop.cancelled().await;
}

async fn drive<W: World>(
    executor: &Executor<W>,
    ear: &mut watch::Receiver<()>,
    observer: &Observer,
    stop: &CancellationToken,
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
