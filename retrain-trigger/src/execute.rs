//! The executor: observes what the state needs, plans one step, does it, and records it before and after (promise T1).
//!
//! Nothing is held in memory between two steps but what can be observed again: a process that is killed between any two
//! lines here leaves a document and an open line among the effects, and the next one plans from what the world says.

use std::sync::Arc;

use contract::model::Retrain;
use contract::{EventTime, WallTime};
use detectors::canary::Phase;
use store::{DeploymentRow, NotificationRow, Store, Transaction, VersionRow};

use crate::clock;
use crate::commands;
use crate::error::{Error, Result};
use crate::plan::{CONSECUTIVE_ERROR_LIMIT, Situation, Step, plan};
use crate::registry::{self, CHALLENGER, CHAMPION, PREVIOUS, Validation};
use crate::retraining::{Analysis, Candidate, Kind, Retraining, Rollout, State};
use crate::world::{Comparison, Evaluation, Outcome, Registered, Run, TargetState, Trouble, World};

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

/// What is known besides the document.
struct Seen {
    now: EventTime,
    /// What the fastest partition has been read to.
    newest: EventTime,
    fault: Option<String>,
    stable: Option<Registered>,
    candidate: Option<Registered>,
    previous: Option<String>,
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
        let target = self.observe_target(&retraining).await;
        let analysis = match &target {
            Some(Ok(_)) => self.observe_events(&retraining, &seen).await,
            _ => None,
        };
        if analysis.is_some() {
            // The events were read after the clock, and from all partitions. What has decided a step must not be evidence of the
            // next one too.
            seen.newest = clock::newest(&self.store.shards(&self.model).await?);
        }
        let has_failed = note(&mut retraining, run.as_ref(), target.as_ref(), analysis.as_ref());
        let step = plan(&Situation {
            retrain: &self.retrain,
            retraining: &retraining,
            now: seen.now,
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
                    rollout.errors = 0;
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

    /// The retraining that is under way, with the commands that came for it.
    async fn take_up(&self) -> Result<Option<(Retraining, Seen)>> {
        let mut transaction = self.store.begin().await?;
        let commands = transaction.pending_commands(&self.model).await?;
        let row = transaction.active_retraining(&self.model).await?;
        let now = WallTime::now();
        let mut retraining = row.as_ref().map(Retraining::from_row).transpose()?;
        for command in &commands {
            let outcome = match &mut retraining {
                Some(retraining) => commands::apply(&self.retrain, retraining, command),
                None => "too late: nothing is under way".to_owned(),
            };
            transaction.handle_command(&command.id, &outcome, now).await?;
        }
        let Some(retraining) = retraining else {
            self.commit(transaction).await?;
            return Ok(None);
        };
        if !commands.is_empty() {
            self.write(&mut transaction, &retraining, now).await?;
        }
        for effect in transaction.open_effects(&retraining.id).await? {
            let outcome = "interrupted; what became of it was looked at anew";
            transaction.end_effect(&retraining.id, effect.sequence, outcome, now).await?;
        }
        let seen = self.see(&mut transaction, &retraining).await?;
        self.commit(transaction).await?;
        Ok(Some((retraining, seen)))
    }

    /// Makes a transaction durable. After each of them the process may end.
    async fn commit(&self, transaction: Transaction) -> Result<()> {
        transaction.commit().await?;
        self.world.recorded().await;
        Ok(())
    }

    async fn see(&self, transaction: &mut Transaction, retraining: &Retraining) -> Result<Seen> {
        let candidate = retraining.candidate.as_ref().map(|candidate| candidate.version.as_str());
        let faults = clock::faults(transaction, &self.model).await?;
        let now = clock::now(transaction, &self.model).await?;
        Ok(Seen {
            now,
            newest: now,
            fault: (!faults.is_empty()).then(|| format!("a fault of the pipeline stands: {}", faults.join("; "))),
            stable: registry::registered(transaction, &self.model, retraining.stable.as_deref()).await?,
            candidate: registry::registered(transaction, &self.model, candidate).await?,
            previous: transaction.aliases(&self.model).await?.remove(PREVIOUS),
        })
    }

    async fn observe_run(&self, retraining: &Retraining) -> Option<Outcome<Run>> {
        match retraining.state {
            // Before the first start there is nothing to look at.
            State::DataPinned => Some(Ok(Run::Absent)),
            State::Training => Some(self.world.run(retraining).await),
            _ => None,
        }
    }

    async fn observe_target(&self, retraining: &Retraining) -> Option<Outcome<TargetState>> {
        self.retrain.target.as_ref()?;
        let is_needed = retraining.state == State::Registered || retraining.state.is_rollout();
        if is_needed { Some(self.world.target().await) } else { None }
    }

    async fn observe_events(&self, retraining: &Retraining, seen: &Seen) -> Option<Outcome<Analysis>> {
        let rollout = retraining.rollout.as_ref()?;
        let is_asked = matches!(retraining.state, State::Canary | State::Baking)
            && retraining.wish.is_none()
            && retraining.forced.is_none();
        let comparison = Comparison {
            model: self.model.clone(),
            retraining: retraining.id.clone(),
            stable: seen.stable.as_ref()?.version.clone(),
            candidate: retraining.candidate.clone()?,
            weight: rollout.weight,
            since: rollout.since,
        };
        if is_asked { Some(self.world.analyse(&comparison).await) } else { None }
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
                    rollout.errors = 0;
                }
                self.record(retraining, step, None).await?;
            }
            Step::Promote { why } => self.promote(retraining, seen, step, why).await?,
            Step::Finish { state, why } => self.finish(retraining, seen, step, *state, why).await?,
            Step::Pin | Step::Train { .. } | Step::StopTraining | Step::Evaluate => {
                return self.training_effect(retraining, seen, step).await;
            }
            Step::Load(_) | Step::Unload { .. } | Step::SetTraffic(_) => {
                return self.target_effect(retraining, step).await;
            }
        }
        Ok(None)
    }

    async fn keep(&self, retraining: &Retraining) -> Result<()> {
        let mut transaction = self.store.begin().await?;
        self.write(&mut transaction, retraining, WallTime::now()).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    /// A step that consists in its record.
    async fn record(&self, retraining: &mut Retraining, step: &Step, mark: Option<DeploymentRow>) -> Result<()> {
        retraining.waits_for = None;
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        if let Some(mark) = mark {
            transaction.insert_deployment(&mark).await?;
        }
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    async fn shift(
        &self,
        retraining: &mut Retraining,
        seen: &Seen,
        step: &Step,
        state: State,
        rollout: &Rollout,
    ) -> Result<()> {
        let before = retraining.rollout.as_ref();
        let mut rollout = rollout.clone();
        let is_new_weight = before.is_none_or(|before| before.weight != rollout.weight);
        let why = before.and_then(|before| before.analysis.as_ref()).map(|analysis| format!(": {}", analysis.reason));
        if is_new_weight {
            rollout.since = rollout.since.max(seen.newest);
        }
        retraining.state = state;
        retraining.rollout = Some(rollout.clone());
        let words = format!("{} % of the traffic{}", rollout.weight, why.unwrap_or_default());
        let mark = is_new_weight.then(|| self.mark(retraining, "step", rollout.since, rollout.weight, &words));
        self.record(retraining, step, mark).await
    }

    fn mark(&self, retraining: &Retraining, kind: &str, at: EventTime, weight: u32, words: &str) -> DeploymentRow {
        let version = retraining.candidate.as_ref().map(|candidate| candidate.version.clone()).unwrap_or_default();
        DeploymentRow {
            id: format!("{}-{kind}-{weight}", retraining.id),
            model: self.model.clone(),
            event_time: at,
            at: WallTime::now(),
            kind: kind.to_owned(),
            version,
            weight,
            retraining: retraining.id.clone(),
            words: words.to_owned(),
        }
    }

    /// The candidate becomes the champion: aliases, document and mark together.
    async fn promote(&self, retraining: &mut Retraining, seen: &Seen, step: &Step, why: &str) -> Result<()> {
        let Some(Candidate { version, .. }) = retraining.candidate.clone() else { return Ok(()) };
        retraining.state = State::Promoted;
        retraining.outcome = Some(why.to_owned());
        retraining.waits_for = None;
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        registry::crown(&mut transaction, &self.model, &version, seen.now, now).await?;
        transaction.set_alias(&self.model, CHALLENGER, None, seen.now, now).await?;
        transaction.insert_deployment(&self.mark(retraining, "promoted", seen.now, 100, why)).await?;
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    async fn finish(
        &self,
        retraining: &mut Retraining,
        seen: &Seen,
        step: &Step,
        state: State,
        why: &str,
    ) -> Result<()> {
        retraining.state = state;
        retraining.outcome = Some(why.to_owned());
        retraining.waits_for = None;
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        transaction.set_alias(&self.model, CHALLENGER, None, seen.now, now).await?;
        if retraining.rollout.is_some() {
            transaction.insert_deployment(&self.mark(retraining, state.name(), seen.now, 0, why)).await?;
        }
        if let (Kind::Return, State::RolledBack, Some(stable)) = (retraining.kind, state, &retraining.stable) {
            registry::crown(&mut transaction, &self.model, stable, seen.now, now).await?;
        }
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    /// Writes the effect down before it happens.
    async fn begin(&self, retraining: &Retraining, step: &Step) -> Result<u32> {
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        self.write(&mut transaction, retraining, now).await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        self.commit(transaction).await?;
        Ok(sequence)
    }

    async fn training_effect(&self, retraining: &mut Retraining, seen: &Seen, step: &Step) -> Result<Option<String>> {
        retraining.waits_for = None;
        self.prepare(retraining, step).await?;
        let sequence = self.begin(retraining, step).await?;
        let outcome = match step {
            Step::Pin => match self.world.pin(retraining).await {
                Ok(manifest) => {
                    retraining.manifest = Some(manifest);
                    retraining.state = State::DataPinned;
                    Ok(())
                }
                Err(trouble) => Err(trouble),
            },
            Step::Train { attempt } => self.world.train(retraining, *attempt).await,
            Step::StopTraining => self.world.stop_training(retraining).await,
            _ => match self.world.evaluate(retraining, retraining.stable.as_deref()).await {
                Ok(evaluation) => return self.register(retraining, seen, sequence, evaluation).await,
                Err(trouble) => Err(trouble),
            },
        };
        self.end(retraining, sequence, outcome).await
    }

    /// What is decided before an effect, so that repeating it repeats the decision.
    async fn prepare(&self, retraining: &mut Retraining, step: &Step) -> Result<()> {
        match step {
            Step::Pin if retraining.version.is_none() => {
                retraining.version = Some(registry::next_version(&self.store.versions(&self.model).await?));
                retraining.stable = self.store.aliases(&self.model).await?.remove(CHAMPION);
            }
            Step::Train { attempt } => {
                retraining.attempts = *attempt;
                retraining.state = State::Training;
            }
            // The champion may have changed while it trained.
            Step::Evaluate => retraining.stable = self.store.aliases(&self.model).await?.remove(CHAMPION),
            _ => {}
        }
        Ok(())
    }

    /// The candidate enters the registry, whatever the gate said; only with its word, or a person's, it gets traffic.
    async fn register(
        &self,
        retraining: &mut Retraining,
        seen: &Seen,
        sequence: u32,
        evaluation: Evaluation,
    ) -> Result<Option<String>> {
        let has_passed = evaluation.gate.phase == Phase::Successful;
        let validation = if has_passed { Validation::Passed } else { Validation::Failed };
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let versions = transaction.versions(&self.model).await?;
        let wanted = retraining.version.clone().filter(|name| versions.iter().all(|row| row.version != *name));
        let version = wanted.unwrap_or_else(|| registry::next_version(&versions));
        transaction
            .insert_version(&VersionRow {
                model: self.model.clone(),
                version: version.clone(),
                sha256: evaluation.sha256.clone(),
                uri: evaluation.uri,
                validation: validation.name().to_owned(),
                retraining: retraining.id.clone(),
                registered: now,
                registered_by: retraining.asked_by.name().to_owned(),
                lineage: evaluation.lineage.to_string(),
                baseline: evaluation.baseline,
            })
            .await?;
        retraining.metrics = Some(evaluation.metrics);
        retraining.candidate = Some(Candidate { version: version.clone(), sha256: evaluation.sha256 });
        let why = evaluation.gate.reason.clone();
        retraining.gate = Some(evaluation.gate);
        if has_passed {
            retraining.state = State::Registered;
            transaction.set_alias(&self.model, CHALLENGER, Some(&version), seen.now, now).await?;
        } else {
            retraining.state = State::Failed;
            retraining.outcome = Some(format!("the gate did not let version {version} through: {why}"));
        }
        transaction.end_effect(&retraining.id, sequence, validation.name(), now).await?;
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(None)
    }

    async fn target_effect(&self, retraining: &mut Retraining, step: &Step) -> Result<Option<String>> {
        retraining.waits_for = None;
        let sequence = self.begin(retraining, step).await?;
        let outcome = match step {
            Step::Load(version) => self.world.load(version).await,
            Step::Unload { version } => self.world.unload(version).await,
            Step::SetTraffic(traffic) => self.world.set_traffic(traffic).await,
            _ => Ok(()),
        };
        self.end(retraining, sequence, outcome).await
    }

    /// Writes down what became of an effect, and what that means for the retraining.
    async fn end(&self, retraining: &mut Retraining, sequence: u32, outcome: Outcome<()>) -> Result<Option<String>> {
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let words = outcome.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned());
        transaction.end_effect(&retraining.id, sequence, &words, now).await?;
        match (&outcome, &mut retraining.rollout) {
            (Ok(()), _) => {}
            // Without an answer, or against its will, nothing is forced on a target: patience has its limit, and the way back
            // has none.
            (Err(_), Some(rollout)) => {
                rollout.errors = rollout.errors.saturating_add(1);
                let is_patient = retraining.state != State::RollingBack && retraining.stable.is_some();
                let count = format!("{words} ({} of {CONSECUTIVE_ERROR_LIMIT})", rollout.errors);
                retraining.waits_for = Some(if is_patient { count } else { words.clone() });
            }
            (Err(Trouble::Lasting(why)), None) => {
                retraining.state = State::Failed;
                retraining.outcome = Some(why.clone());
                transaction.set_alias(&self.model, CHALLENGER, None, retraining.event_time, now).await?;
            }
            (Err(_), _) => retraining.waits_for = Some(words.clone()),
        }
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(outcome.err().map(|_| words))
    }

    /// Writes the document, and the messages that its change calls for, unless the retraining was ended beside this executor:
    /// one that waits for a person gives way to a newer request.
    async fn write(&self, transaction: &mut Transaction, retraining: &Retraining, now: WallTime) -> Result<()> {
        let stored = transaction.retraining(&retraining.id).await?.filter(|row| row.is_active);
        let Some(stored) = stored else { return Err(Error::Overtaken { id: retraining.id.clone() }) };
        let before = Retraining::from_row(&stored)?;
        if before.state != retraining.state || before.waits_for != retraining.waits_for {
            for message in (self.tell)(retraining, now) {
                transaction.insert_notification(&message).await?;
            }
        }
        transaction.update_retraining(&retraining.to_row(now)).await?;
        Ok(())
    }
}

/// What was observed goes into the document: progress, the events' word, and how often nothing answered. Whether something
/// didn't answer now.
fn note(
    retraining: &mut Retraining,
    run: Option<&Outcome<Run>>,
    target: Option<&Outcome<TargetState>>,
    analysis: Option<&Outcome<Analysis>>,
) -> bool {
    if let Some(Ok(Run::Going(progress))) = run {
        retraining.progress = Some(progress.clone());
    }
    let has_failed = matches!(run, Some(Err(_))) || matches!(target, Some(Err(_))) || matches!(analysis, Some(Err(_)));
    if let Some(rollout) = &mut retraining.rollout {
        if let Some(Ok(analysis)) = analysis {
            rollout.analysis = Some(analysis.clone());
        }
        if has_failed {
            rollout.errors = rollout.errors.saturating_add(1);
        }
    }
    has_failed
}

fn detail(step: &Step) -> String {
    match step {
        Step::Train { attempt } => serde_json::json!({ "attempt": attempt }),
        Step::Load(version) => serde_json::json!({ "version": version.version, "sha256": version.sha256 }),
        Step::Unload { version } => serde_json::json!({ "version": version }),
        Step::SetTraffic(traffic) => serde_json::json!(traffic),
        Step::Move { state } => serde_json::json!({ "state": state }),
        Step::Shift { state, rollout } => serde_json::json!({ "state": state, "weight": rollout.weight }),
        Step::RollBack { end, why, .. } => serde_json::json!({ "end": end, "why": why }),
        Step::Promote { why } => serde_json::json!({ "why": why }),
        Step::Finish { state, why } => serde_json::json!({ "state": state, "why": why }),
        Step::Wait { .. } | Step::Pin | Step::StopTraining | Step::Evaluate => serde_json::json!({}),
    }
    .to_string()
}
