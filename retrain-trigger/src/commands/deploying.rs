//! Commands about versions: deploy one, go back to the one before, register one.

use store::{DeploymentRow, VersionRow};

use super::taking::Taking;
use super::{Accepted, CommandError, Refusal};
use crate::clock;
use crate::registry::{self, CHAMPION, PREVIOUS, Validation};
use crate::retraining::{AskedBy, Candidate, Kind, Retraining, Rollout, State};
use crate::world::Imported;

impl Taking<'_> {
    /// The rollout of a version that is registered already.
    pub(super) async fn deploy(&mut self, version: &str) -> Result<Accepted, CommandError> {
        self.policy()?;
        let row = self.transaction.version(&self.contract.model, version).await?;
        let row = row.ok_or_else(|| Refusal::Unknown(format!("there is no registered version `{version}`")))?;
        if row.validation == Validation::Failed.name() {
            let words = format!("version {version} failed at the gate; override retraining {}", row.retraining);
            return Err(Refusal::NotNow(words).into());
        }
        if let Some(active) = self.active().await? {
            if active.candidate.as_ref().is_some_and(|candidate| candidate.version == version) {
                return self.promote().await;
            }
            let words = format!("retraining {} is {}; cancel it first", active.id, active.state.name());
            return Err(Refusal::NotNow(words).into());
        }
        if let Some(back) =
            self.transaction.rollback_of(&self.contract.model, version).await?.filter(|_| !self.is_admin())
        {
            let words =
                format!("version {version} was rolled back ({}: {}); an admin may deploy it", back.id, back.reason);
            return Err(Refusal::NotNow(words).into());
        }
        let aliases = self.transaction.aliases(&self.contract.model).await?;
        let mut retraining = self.operation(Kind::Deployment, State::Registered).await?;
        retraining.candidate = Some(Candidate { version: row.version, sha256: row.sha256 });
        // The champion itself is deployed again where an app has lost it; there is nothing to go back to then.
        retraining.stable = aliases.get(CHAMPION).filter(|champion| *champion != version).cloned();
        retraining.forced = Some(self.word());
        self.begin(&retraining, "the deployment begins").await
    }

    async fn operation(&mut self, kind: Kind, state: State) -> Result<Retraining, CommandError> {
        let at = clock::now(self.transaction, &self.contract.model).await?;
        let id = crate::retraining_id(self.model(), at, self.now);
        let by = AskedBy::Person(self.asked.by.clone());
        let mut retraining = Retraining::requested(id, self.model(), by, &self.asked.reason, at, self.now);
        retraining.kind = kind;
        retraining.state = state;
        Ok(retraining)
    }

    /// `version`: what is to go out of service. Whoever names it doesn't take another one out, because the first has gone by itself.
    pub(super) async fn roll_back(&mut self, version: Option<&str>) -> Result<Accepted, CommandError> {
        let serves_not = |version: &str| {
            Refusal::NotNow(format!("version {version} doesn't serve, so there is nothing to go back from"))
        };
        if let Some(retraining) = self.active().await? {
            if matches!(retraining.state, State::Canary | State::Baking) {
                let candidate = retraining.candidate.as_ref().map(|candidate| candidate.version.as_str());
                if let Some(version) = version.filter(|version| candidate != Some(*version)) {
                    return Err(serves_not(version).into());
                }
                return self.pass_on(&retraining, "it is being rolled back").await;
            }
            let (id, state) = (&retraining.id, retraining.state.name());
            let words = match retraining.state {
                State::RollingBack => format!("retraining {id} is rolling back already"),
                _ => format!("retraining {id} is {state}: it has no traffic; cancel it first"),
            };
            return Err(Refusal::NotNow(words).into());
        }
        if self.policy()?.target.is_none() {
            let words = "the contract has no `retrain.target`: whoever serves the model has to roll back";
            return Err(Refusal::Wrong(words.to_owned()).into());
        }
        let aliases = self.transaction.aliases(&self.contract.model).await?;
        let (Some(champion), Some(previous)) = (aliases.get(CHAMPION), aliases.get(PREVIOUS)) else {
            return Err(Refusal::NotNow("there is no previous version to go back to".to_owned()).into());
        };
        if let Some(version) = version.filter(|version| version != champion) {
            return Err(serves_not(version).into());
        }
        let row = self.transaction.version(&self.contract.model, champion).await?;
        let sha256 = row.map(|row| row.sha256).unwrap_or_default();
        let mut retraining = self.operation(Kind::Return, State::RollingBack).await?;
        retraining.candidate = Some(Candidate { version: champion.clone(), sha256 });
        retraining.stable = Some(previous.clone());
        retraining.rolling_back_to_end = Some(State::RolledBack);
        retraining.outcome = Some(format!("{} went back to version {previous}: {}", self.asked.by, self.asked.reason));
        retraining.rollout = Some(Rollout {
            step: 0,
            weight: 0,
            generation: 0,
            since: retraining.event_time,
            is_guarded: false,
            errors: 0,
            failing_since: None,
            analysis: None,
        });
        let words = format!("going back to version {previous}");
        self.begin(&retraining, &words).await
    }

    pub(super) async fn register(
        &mut self,
        version: &str,
        champion: bool,
        imported: Imported,
    ) -> Result<Accepted, CommandError> {
        if let (true, Some(active)) = (champion, self.active().await?) {
            let words = format!(
                "retraining {} is {}: the version that serves can't change under it",
                active.id,
                active.state.name()
            );
            return Err(Refusal::NotNow(words).into());
        }
        if let Some(active) = self.active().await?.filter(|active| active.version.as_deref() == Some(version)) {
            let words = format!("version {version} is what retraining {} is making; take another name", active.id);
            return Err(Refusal::NotNow(words).into());
        }
        let versions = self.transaction.versions(&self.contract.model).await?;
        let failed = |row: &&VersionRow| row.sha256 == imported.sha256 && row.validation == Validation::Failed.name();
        if let Some(row) = versions.iter().find(failed) {
            let words = format!(
                "this is version {}, which failed at the gate; override retraining {}",
                row.version, row.retraining
            );
            return Err(Refusal::NotNow(words).into());
        }
        let at = clock::now(self.transaction, &self.contract.model).await?;
        let row = VersionRow {
            model: self.contract.model.clone(),
            version: version.to_owned(),
            sha256: imported.sha256.clone(),
            uri: imported.uri,
            validation: Validation::External.name().to_owned(),
            retraining: String::new(),
            registered: self.now,
            registered_by: self.asked.by.clone(),
            lineage: imported.lineage.to_string(),
            baseline: imported.baseline,
        };
        if !self.transaction.insert_version(&row).await? {
            let standing = self.transaction.version(&self.contract.model, version).await?;
            if standing.is_none_or(|standing| standing.sha256 != imported.sha256) {
                return Err(
                    Refusal::NotNow(format!("version {version} is registered already, with another artifact")).into()
                );
            }
        }
        if champion {
            registry::crown(self.transaction, &self.contract.model, version, at, self.now).await?;
        }
        let words = format!("version {version} is registered{}", if champion { " as the one that serves" } else { "" });
        let mark = DeploymentRow {
            id: format!("{}-registered-{}", self.contract.model, self.now.micros()),
            model: self.contract.model.clone(),
            event_time: at,
            at: self.now,
            kind: "registered".to_owned(),
            version: version.to_owned(),
            weight: if champion { 100 } else { 0 },
            retraining: String::new(),
            words: words.clone(),
        };
        self.transaction.insert_deployment(&mark).await?;
        Ok(Accepted { retraining: None, state: "registered".to_owned(), words })
    }
}
