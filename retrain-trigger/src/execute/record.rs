//! What is written down: each step in a transaction of its own, with the messages that it calls for.

use contract::{EventTime, WallTime};
use store::{DeploymentRow, Transaction};

use super::Executor;
use super::observe::Seen;
use crate::error::{Error, Result};
use crate::plan::Step;
use crate::registry::{self, CHALLENGER, PREVIOUS};
use crate::retraining::{Candidate, Kind, Retraining, Rollout, State};
use crate::world::{Outcome, Trouble, World};

impl<W: World> Executor<W> {
    pub(super) async fn shift(
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

    /// The candidate becomes the champion: aliases, document and mark together.
    pub(super) async fn promote(&self, retraining: &mut Retraining, seen: &Seen, step: &Step, why: &str) -> Result<()> {
        let Some(Candidate { version, .. }) = retraining.candidate.clone() else { return Ok(()) };
        retraining.state = State::Promoted;
        retraining.outcome = Some(why.to_owned());
        retraining.waits_for = None;
        let now = WallTime::now();
        let mut transaction = self.decision(retraining).await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        registry::crown(&mut transaction, &self.model, &version, seen.now, now).await?;
        transaction.set_alias(&self.model, CHALLENGER, None, seen.now, now).await?;
        transaction.insert_deployment(&self.mark(retraining, "promoted", seen.now, 100, why)).await?;
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    pub(super) async fn finish(
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
        let mut transaction = self.decision(retraining).await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        transaction.set_alias(&self.model, CHALLENGER, None, seen.now, now).await?;
        if retraining.rollout.is_some() {
            transaction.insert_deployment(&self.mark(retraining, state.name(), seen.now, 0, why)).await?;
        }
        if let (Kind::Return, State::RolledBack, Some(stable)) = (retraining.kind, state, &retraining.stable) {
            registry::crown(&mut transaction, &self.model, stable, seen.now, now).await?;
            // The next rollback must not lead to what was just taken out of service.
            transaction.set_alias(&self.model, PREVIOUS, None, seen.now, now).await?;
        }
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    /// A step that consists in its record.
    pub(super) async fn record(
        &self,
        retraining: &mut Retraining,
        step: &Step,
        mark: Option<DeploymentRow>,
    ) -> Result<()> {
        retraining.waits_for = None;
        let now = WallTime::now();
        let mut transaction = self.decision(retraining).await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        transaction.end_effect(&retraining.id, sequence, "recorded", now).await?;
        if let Some(mark) = mark {
            transaction.insert_deployment(&mark).await?;
        }
        self.write(&mut transaction, retraining, now).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    pub(super) async fn keep(&self, retraining: &Retraining) -> Result<()> {
        let mut transaction = self.store.begin().await?;
        self.write(&mut transaction, retraining, WallTime::now()).await?;
        self.commit(transaction).await?;
        Ok(())
    }

    /// Writes the effect down before it happens.
    pub(super) async fn begin(&self, retraining: &Retraining, step: &Step) -> Result<u32> {
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        self.write(&mut transaction, retraining, now).await?;
        let sequence = transaction.begin_effect(&retraining.id, step.name(), &detail(step), now).await?;
        self.commit(transaction).await?;
        Ok(sequence)
    }

    /// Writes down what became of an effect, and what that means for the retraining.
    pub(super) async fn end(
        &self,
        retraining: &mut Retraining,
        sequence: u32,
        outcome: Outcome<()>,
    ) -> Result<Option<String>> {
        let now = WallTime::now();
        let mut transaction = self.store.begin().await?;
        let words = outcome.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned());
        transaction.end_effect(&retraining.id, sequence, &words, now).await?;
        match (&outcome, &mut retraining.rollout) {
            (Ok(()), Some(rollout)) => rollout.recover(),
            (Ok(()), None) => {}
            // Without an answer, or against its will, nothing is forced on a target: patience has its limit, and the way back
            // has none.
            (Err(_), Some(rollout)) => {
                rollout.fail(now);
                let is_patient = retraining.state != State::RollingBack && retraining.stable.is_some();
                let count = format!("{words} (failed {} times)", rollout.errors);
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

    /// Begins the transaction of a step that can't be taken back. A command that came since the look is heard first: what was
    /// accepted must not be too late.
    pub(super) async fn decision(&self, retraining: &Retraining) -> Result<Transaction> {
        let mut transaction = self.store.begin().await?;
        if transaction.pending_commands(&self.model).await?.is_empty() {
            return Ok(transaction);
        }
        Err(Error::Overtaken { id: retraining.id.clone() })
    }

    /// Writes the document, and the messages that its change calls for, unless the retraining was ended beside this executor:
    /// one that waits for a person gives way to a newer request.
    pub(super) async fn write(
        &self,
        transaction: &mut Transaction,
        retraining: &Retraining,
        now: WallTime,
    ) -> Result<()> {
        let stored = transaction.retraining(&retraining.id).await?.filter(|row| row.is_active);
        let Some(stored) = stored else { return Err(Error::Overtaken { id: retraining.id.clone() }) };
        let before = Retraining::from_row(&stored)?;
        let is_news = before.state != retraining.state
            || before.waits_for != retraining.waits_for
            || before.is_stuck() != retraining.is_stuck();
        if is_news {
            for message in (self.tell)(retraining, now) {
                transaction.insert_notification(&message).await?;
            }
        }
        transaction.update_retraining(&retraining.to_row(now)).await?;
        Ok(())
    }

    /// Makes a transaction durable. After each of them the process may end.
    pub(super) async fn commit(&self, transaction: Transaction) -> Result<()> {
        transaction.commit().await?;
        self.world.recorded().await;
        Ok(())
    }

    pub(super) fn mark(
        &self,
        retraining: &Retraining,
        kind: &str,
        at: EventTime,
        weight: u32,
        words: &str,
    ) -> DeploymentRow {
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
