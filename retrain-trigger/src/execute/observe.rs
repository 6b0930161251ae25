//! What the executor looks at before it plans.

use contract::{EventTime, WallTime};
use store::Transaction;

use super::Executor;
use crate::error::Result;
use crate::registry::{self, CHAMPION, PREVIOUS};
use crate::retraining::{Analysis, Retraining, State};
use crate::world::{Comparison, Outcome, Registered, Run, TargetState, World};
use crate::{clock, commands};

/// What is known besides the document.
pub(super) struct Seen {
    pub now: EventTime,
    /// What the fastest partition has been read to.
    pub newest: EventTime,
    pub fault: Option<String>,
    pub stable: Option<Registered>,
    pub candidate: Option<Registered>,
    pub previous: Option<String>,
    pub has_champion: bool,
    /// The trainer can't be looked at, now and ever: it may run.
    pub is_trainer_lost: bool,
}

impl<W: World> Executor<W> {
    /// The retraining that is under way, with the commands that came for it.
    pub(super) async fn take_up(&self) -> Result<Option<(Retraining, Seen)>> {
        // Most of the time there is nothing, and readers don't hold up writers.
        if self.store.active_retraining(&self.model).await?.is_none()
            && self.store.pending_commands(&self.model).await?.is_empty()
        {
            return Ok(None);
        }
        let mut transaction = self.store.begin().await?;
        let commands = transaction.pending_commands(&self.model).await?;
        let row = transaction.active_retraining(&self.model).await?;
        let now = WallTime::now();
        let mut retraining = row.as_ref().map(Retraining::from_row).transpose()?;
        for command in &commands {
            let outcome = match &mut retraining {
                Some(retraining) => commands::apply(&self.retrain, retraining, command),
                None => format!("{}: nothing is under way", commands::TOO_LATE),
            };
            if outcome.starts_with(commands::TOO_LATE) {
                transaction.insert_audit(&commands::late(command, &outcome, now)).await?;
            }
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

    pub(super) async fn see(&self, transaction: &mut Transaction, retraining: &Retraining) -> Result<Seen> {
        let candidate = retraining.candidate.as_ref().map(|candidate| candidate.version.as_str());
        let faults = clock::faults(transaction, &self.model).await?;
        let now = clock::now(transaction, &self.model).await?;
        let mut aliases = transaction.aliases(&self.model).await?;
        Ok(Seen {
            now,
            newest: now,
            fault: (!faults.is_empty()).then(|| format!("a fault of the pipeline stands: {}", faults.join("; "))),
            stable: registry::registered(transaction, &self.model, retraining.stable.as_deref()).await?,
            candidate: registry::registered(transaction, &self.model, candidate).await?,
            has_champion: aliases.contains_key(CHAMPION),
            previous: aliases.remove(PREVIOUS),
            is_trainer_lost: false,
        })
    }

    pub(super) async fn observe_run(&self, retraining: &Retraining) -> Option<Outcome<Run>> {
        match retraining.state {
            // Before the first start there is nothing to look at.
            State::DataPinned => Some(Ok(Run::Absent)),
            State::Training => Some(self.world.run(retraining).await),
            _ => None,
        }
    }

    pub(super) async fn observe_target(&self, retraining: &Retraining, seen: &Seen) -> Option<Outcome<TargetState>> {
        self.retrain.target.as_ref()?;
        // Before anything is trained: whether there is something to compare a candidate with.
        let is_first = retraining.state == State::Requested && !seen.has_champion;
        let is_needed = is_first || retraining.state == State::Registered || retraining.state.is_rollout();
        if is_needed { Some(self.world.target().await) } else { None }
    }

    pub(super) async fn observe_events(&self, retraining: &Retraining, seen: &Seen) -> Option<Outcome<Analysis>> {
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
}

/// What was observed goes into the document: progress, the events' word, and how often nothing answered. Whether something
/// didn't answer now.
pub(super) fn note(
    retraining: &mut Retraining,
    run: Option<&Outcome<Run>>,
    target: Option<&Outcome<TargetState>>,
    analysis: Option<&Outcome<Analysis>>,
    now: WallTime,
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
            rollout.fail(now);
        }
    }
    has_failed
}
