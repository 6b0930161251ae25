//! Steps that act on the world: each written down before it happens, and what became of it after.

use contract::WallTime;
use detectors::canary::Phase;
use store::VersionRow;

use super::Executor;
use super::observe::Seen;
use crate::error::Result;
use crate::plan::Step;
use crate::registry::{self, CHALLENGER, CHAMPION, Validation};
use crate::retraining::{Candidate, Retraining, State};
use crate::world::{Evaluation, World};

impl<W: World> Executor<W> {
    pub(super) async fn training_effect(
        &self,
        retraining: &mut Retraining,
        seen: &Seen,
        step: &Step,
    ) -> Result<Option<String>> {
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
            Step::Train { attempt } => {
                let outcome = self.world.train(retraining, *attempt).await;
                retraining.start_trouble = outcome.as_ref().err().map(ToString::to_string);
                outcome
            }
            Step::StopTraining => self.world.stop_training(retraining).await,
            _ => match self.world.evaluate(retraining, retraining.stable.as_deref()).await {
                Ok(evaluation) => return self.register(retraining, seen, sequence, evaluation).await,
                Err(trouble) => Err(trouble),
            },
        };
        self.end(retraining, sequence, outcome).await
    }

    /// What is decided before an effect, so that repeating it repeats the decision.
    pub(super) async fn prepare(&self, retraining: &mut Retraining, step: &Step) -> Result<()> {
        match step {
            Step::Pin if retraining.version.is_none() => {
                let (registered, served) =
                    (self.store.versions(&self.model).await?, self.store.window_versions(&self.model).await?);
                // What someone else has brought into service has a name too.
                let names = registered.iter().map(|row| &row.version).chain(&served).map(String::as_str);
                retraining.version = Some(registry::next_version(names));
                retraining.stable = self.store.aliases(&self.model).await?.remove(CHAMPION);
            }
            Step::Train { attempt } => {
                retraining.attempts = *attempt;
                retraining.start_trouble = None;
                retraining.state = State::Training;
            }
            // The champion may have changed while it trained.
            Step::Evaluate => retraining.stable = self.store.aliases(&self.model).await?.remove(CHAMPION),
            _ => {}
        }
        Ok(())
    }

    /// The candidate enters the registry, whatever the gate said; only with its word, or a person's, it gets traffic.
    pub(super) async fn register(
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
        let version = wanted.unwrap_or_else(|| registry::next_version(versions.iter().map(|row| row.version.as_str())));
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

    pub(super) async fn target_effect(&self, retraining: &mut Retraining, step: &Step) -> Result<Option<String>> {
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

    /// Nobody will ever look at it again. That it can't be reached changes nothing in how the retraining ends.
    pub(super) async fn stop_lost_trainer(&self, retraining: &Retraining) -> Result<()> {
        let sequence = self.begin(retraining, &Step::StopTraining).await?;
        let outcome = self.world.stop_training(retraining).await;
        let words = outcome.map_or_else(|trouble| trouble.to_string(), |()| "done".to_owned());
        let mut transaction = self.store.begin().await?;
        transaction.end_effect(&retraining.id, sequence, &words, WallTime::now()).await?;
        self.commit(transaction).await
    }
}
