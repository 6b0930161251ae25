//! The executor: observes what the state needs, plans one step, does it, and records it before and after (promise T1).
//!
//! Nothing is held in memory between two steps but what can be observed again: a process that is killed between any two
//! lines here leaves a document and an open line among the effects, and the next one plans from what the world says.
//!
//! [`observe`] looks, [`effect`] acts, [`record`] writes down.

mod effect;
mod observe;
mod record;

use std::sync::Arc;

use contract::WallTime;
use contract::model::Retrain;
use store::{NotificationRow, Store};

use self::observe::{Seen, note};
use crate::clock;
use crate::error::{Error, Result};
use crate::plan::{Situation, Step, plan};
use crate::registry::CHALLENGER;
use crate::retraining::{Retraining, State};
use crate::world::{Trouble, World};

/// Carries out one model's retrainings.
pub struct Executor<W> {
    model: String,
    retrain: Arc<Retrain>,
    store: Store,
    world: W,
    tell: Teller,
}

/// The messages that a retraining's new state, or what it waits for now, calls for. They enter the outbox in the transaction
/// that writes the state (promise R3); the same message has the same id.
pub type Teller = Arc<dyn Fn(&Retraining, WallTime) -> Vec<NotificationRow> + Send + Sync>;

/// What one tick did.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticked {
    pub retraining: Retraining,
    /// The step that was taken; `wait` if none was due.
    pub step: &'static str,
    /// The state before.
    pub before: State,
    /// An effect or an observation didn't succeed, in words; try again later.
    pub trouble: Option<String>,
}

impl Ticked {
    /// Whether there may be more to do at once.
    pub fn is_moving(&self) -> bool {
        self.step != "wait" && self.trouble.is_none()
    }
}

impl<W: World> Executor<W> {
    pub fn new(model: &str, retrain: Arc<Retrain>, store: Store, world: W) -> Self {
        Self { model: model.to_owned(), retrain, store, world, tell: Arc::new(|_, _| Vec::new()) }
    }

    /// Tells people what becomes of retrainings.
    #[must_use]
    pub fn telling(mut self, tell: Teller) -> Self {
        self.tell = tell;
        self
    }

    pub fn world(&self) -> &W {
        &self.world
    }

    /// Takes one step of the retraining that is under way; None if there is none.
    pub async fn tick(&self) -> Result<Option<Ticked>> {
        match self.step().await {
            // The next tick takes up the one that took its place.
            Err(Error::Overtaken { .. }) => Ok(None),
            ticked => ticked,
        }
    }

    async fn step(&self) -> Result<Option<Ticked>> {
        let Some((mut retraining, mut seen)) = self.take_up().await? else { return Ok(None) };
        let stored = retraining.clone();
        let run = self.observe_run(&retraining).await;
        seen.is_trainer_lost = matches!(run, Some(Err(Trouble::Lasting(_))));
        let target = self.observe_target(&retraining, &seen).await;
        let analysis = match &target {
            Some(Ok(_)) => self.observe_events(&retraining, &seen).await,
            _ => None,
        };
        if analysis.is_some() {
            // The events were read after the clock, and from all partitions. What has decided a step must not be evidence of the
            // next one too.
            seen.newest = clock::newest(&self.store.shards(&self.model).await?);
        }
        let wall = WallTime::now();
        let has_failed = note(&mut retraining, run.as_ref(), target.as_ref(), analysis.as_ref(), wall);
        let step = plan(&Situation {
            retrain: &self.retrain,
            retraining: &retraining,
            now: seen.now,
            wall,
            fault: seen.fault.clone(),
            run,
            target,
            analysis,
            stable: seen.stable.clone(),
            candidate: seen.candidate.clone(),
            previous: seen.previous.clone(),
        });
        let trouble = match &step {
            Step::Wait { why } => {
                if let (Some(rollout), false) = (&mut retraining.rollout, has_failed) {
                    rollout.recover();
                }
                retraining.waits_for = Some(why.clone());
                if retraining != stored {
                    self.keep(&retraining).await?;
                }
                has_failed.then(|| why.clone())
            }
            step => self.take(&mut retraining, &seen, step).await?,
        };
        Ok(Some(Ticked { retraining, step: step.name(), before: stored.state, trouble }))
    }

    /// Does one step. The trouble that it had, if trying again can help.
    async fn take(&self, retraining: &mut Retraining, seen: &Seen, step: &Step) -> Result<Option<String>> {
        match step {
            Step::Wait { .. } => {}
            Step::Move { state } => {
                retraining.state = *state;
                self.record(retraining, step, None).await?;
            }
            Step::Shift { state, rollout } => self.shift(retraining, seen, step, *state, rollout).await?,
            Step::RollBack { end, why, generation } => {
                retraining.state = State::RollingBack;
                retraining.rolling_back_to_end = Some(*end);
                retraining.outcome = Some(why.clone());
                if let Some(rollout) = &mut retraining.rollout {
                    rollout.generation = *generation;
                    rollout.recover();
                }
                self.record(retraining, step, None).await?;
            }
            Step::Promote { why } => self.promote(retraining, seen, step, why).await?,
            Step::Finish { state, why } => {
                if seen.is_trainer_lost {
                    self.stop_lost_trainer(retraining).await?;
                }
                self.finish(retraining, seen, step, *state, why).await?;
            }
            Step::Pin | Step::Train { .. } | Step::StopTraining | Step::Evaluate => {
                return self.training_effect(retraining, seen, step).await;
            }
            Step::Load(_) | Step::Unload { .. } | Step::SetTraffic(_) => {
                return self.target_effect(retraining, step).await;
            }
        }
        Ok(None)
    }
}

/// Ends what is under way for a model whose contract has no `retrain` section any more: nothing would carry it on.
pub async fn abandon(store: &Store, model: &str, world: &impl World, tell: &Teller) -> Result<()> {
    let Some(row) = store.active_retraining(model).await? else { return Ok(()) };
    let mut retraining = Retraining::from_row(&row)?;
    if retraining.state == State::Training
        && let Err(trouble) = world.stop_training(&retraining).await
    {
        tracing::warn!(retraining = retraining.id, "its trainer may run on: {trouble}");
    }
    let why = match &retraining.rollout {
        Some(rollout) => format!("the serving app stays as it is, the candidate may have {} %", rollout.weight),
        None => "it had no traffic".to_owned(),
    };
    retraining.outcome = Some(format!("the contract has no `retrain` section any more; {why}"));
    retraining.state = State::Failed;
    retraining.waits_for = None;
    let now = WallTime::now();
    let mut transaction = store.begin().await?;
    transaction.set_alias(model, CHALLENGER, None, retraining.event_time, now).await?;
    for message in tell(&retraining, now) {
        transaction.insert_notification(&message).await?;
    }
    transaction.update_retraining(&retraining.to_row(now)).await?;
    transaction.commit().await?;
    Ok(())
}
