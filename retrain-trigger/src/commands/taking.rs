//! Commands about a retraining that is under way, or is to be.

use contract::model::{ApprovalStage, Retrain};
use contract::{Contract, WallTime};
use serde_json::{Map, Value};
use store::{CommandRow, Inserted, Transaction};

use super::desk::unique;
use super::{Accepted, Asked, Command, CommandError, Refusal, stage_to_approve, supersede};
use crate::clock;
use crate::policy::{Decision, LOOKS_BACK, Observed, Request, decide};
use crate::registry::{CHALLENGER, CHAMPION, Validation};
use crate::retraining::{Approval, AskedBy, Retraining, State};
use crate::world::Imported;

/// The role that may do what others may not.
const ADMIN: &str = "admin";

/// One command in its transaction.
pub(super) struct Taking<'a> {
    pub transaction: &'a mut Transaction,
    pub contract: &'a Contract,
    pub asked: &'a Asked,
    pub now: WallTime,
}

impl Taking<'_> {
    pub async fn carry_out(mut self, imported: Option<Imported>) -> Result<Accepted, CommandError> {
        match &self.asked.command {
            Command::Retrain { parameters } => self.retrain(parameters.clone()).await,
            Command::Approve => self.approve().await,
            Command::Override => self.let_past().await,
            Command::Cancel => self.cancel().await,
            Command::Promote { version: None } => self.promote().await,
            Command::Promote { version: Some(version) } => self.deploy(&version.clone()).await,
            Command::Rollback { version } => self.roll_back(version.as_deref()).await,
            Command::Register { version, champion, .. } => {
                let Some(imported) = imported else { return Err(Refusal::Wrong("nothing to register".into()).into()) };
                self.register(&version.clone(), *champion, imported).await
            }
        }
    }

    pub(super) fn model(&self) -> &str {
        &self.contract.model
    }

    pub(super) fn policy(&self) -> Result<&Retrain, Refusal> {
        self.contract.retrain.as_ref().ok_or_else(|| Refusal::Wrong("the contract has no `retrain` section".to_owned()))
    }

    pub(super) fn is_admin(&self) -> bool {
        self.asked.role == ADMIN
    }

    pub(super) fn word(&self) -> Approval {
        Approval { by: self.asked.by.clone(), reason: self.asked.reason.clone(), at: self.now }
    }

    async fn retrain(&mut self, parameters: Map<String, Value>) -> Result<Accepted, CommandError> {
        if self.policy()?.executor.is_none() {
            let words = "the contract has no `retrain.executor`, so nothing here could train";
            return Err(Refusal::Wrong(words.to_owned()).into());
        }
        self.supersede().await?;
        let at = clock::now(self.transaction, &self.contract.model).await?;
        let rows = self.transaction.requested_retrainings(&self.contract.model, LOOKS_BACK).await?;
        let faults = clock::faults(self.transaction, &self.contract.model).await?;
        let observed = Observed::new(faults, &rows);
        let request = Request { at, is_person: true };
        if let Decision::Vetoed { reason } = decide(self.contract.retrain.as_ref(), &observed, &request) {
            return Err(Refusal::NotNow(format!("vetoed: {reason}")).into());
        }
        let id = crate::retraining_id(self.model(), at, self.now);
        let by = AskedBy::Person(self.asked.by.clone());
        let mut retraining = Retraining::requested(id, self.model(), by, &self.asked.reason, at, self.now);
        retraining.parameters = parameters;
        self.begin(&retraining, "requested").await
    }

    /// A retraining that merely waits for a person gives way to a newer request.
    async fn supersede(&mut self) -> Result<(), CommandError> {
        supersede(self.transaction, self.contract, &format!("{} asked for another", self.asked.by), self.now).await?;
        Ok(())
    }

    pub(super) async fn begin(&mut self, retraining: &Retraining, words: &str) -> Result<Accepted, CommandError> {
        match self.transaction.insert_retraining(&retraining.to_row(self.now)).await? {
            Inserted::New => Ok(accepted(retraining, words)),
            Inserted::Known => Err(Refusal::NotNow("it was asked for a moment ago; try again".to_owned()).into()),
            Inserted::OtherActive => {
                let active = self.transaction.active_retraining(&self.contract.model).await?;
                let which = active.map_or(String::new(), |row| format!(" {} is {}", row.id, row.state));
                Err(Refusal::NotNow(format!("retraining{which}; cancel it first")).into())
            }
        }
    }

    /// The retraining that the command names.
    async fn named(&mut self) -> Result<Retraining, CommandError> {
        let id = self.asked.retraining.clone().unwrap_or_default();
        let row = self.transaction.retraining(&id).await?.filter(|row| row.model == self.contract.model);
        let row = row.ok_or_else(|| Refusal::Unknown(format!("there is no retraining `{id}`")))?;
        Ok(Retraining::from_row(&row)?)
    }

    pub(super) async fn active(&mut self) -> Result<Option<Retraining>, CommandError> {
        let row = self.transaction.active_retraining(&self.contract.model).await?;
        Ok(row.map(|row| Retraining::from_row(&row)).transpose()?)
    }

    /// Leaves the command for the driver.
    pub(super) async fn pass_on(&mut self, retraining: &Retraining, words: &str) -> Result<Accepted, CommandError> {
        let name = self.asked.command.name();
        let row = CommandRow {
            id: unique(self.now),
            model: self.contract.model.clone(),
            retraining: retraining.id.clone(),
            command: name.to_owned(),
            body: "{}".to_owned(),
            by: self.asked.by.clone(),
            reason: self.asked.reason.clone(),
            created: self.now,
            handled: None,
            outcome: String::new(),
        };
        if !self.transaction.insert_command(&row).await? {
            let words = "too many commands wait to be carried out; try again later";
            return Err(Refusal::NotNow(words.to_owned()).into());
        }
        Ok(accepted(retraining, words))
    }

    async fn approve(&mut self) -> Result<Accepted, CommandError> {
        let retraining = self.named().await?;
        let stage = stage_to_approve(self.policy()?, &retraining).ok_or_else(|| {
            Refusal::NotNow(format!(
                "retraining {} is {}: it waits for no approval",
                retraining.id,
                retraining.state.name()
            ))
        })?;
        let words = match stage {
            ApprovalStage::Training => "the training is approved",
            ApprovalStage::Rollout => "the rollout is approved",
        };
        self.pass_on(&retraining, words).await
    }

    async fn let_past(&mut self) -> Result<Accepted, CommandError> {
        self.policy()?;
        let mut retraining = self.named().await?;
        if !retraining.was_stopped_at_gate() {
            let (id, state) = (&retraining.id, retraining.state.name());
            let words =
                format!("retraining {id} is {state}: it was not stopped at the gate, so there is nothing to override");
            return Err(Refusal::NotNow(words).into());
        }
        self.supersede().await?;
        if let Some(active) = self.active().await? {
            let words = format!("retraining {} is {}; cancel it first", active.id, active.state.name());
            return Err(Refusal::NotNow(words).into());
        }
        // Since the gate, another version may have come to serve; that is what a rollback must lead to.
        retraining.stable = self.transaction.aliases(&self.contract.model).await?.remove(CHAMPION);
        retraining.state = State::Registered;
        retraining.outcome = None;
        retraining.wish = None;
        retraining.overridden = Some(self.word());
        if let Some(candidate) = &retraining.candidate {
            let validation = Validation::Overridden.name();
            let (model, version) = (&self.contract.model, candidate.version.as_str());
            self.transaction.set_validation(model, version, validation).await?;
            self.transaction.set_alias(model, CHALLENGER, Some(version), retraining.event_time, self.now).await?;
        }
        self.transaction.update_retraining(&retraining.to_row(self.now)).await?;
        Ok(accepted(&retraining, "let past the gate, on record"))
    }

    async fn cancel(&mut self) -> Result<Accepted, CommandError> {
        let retraining = self.named().await?;
        if retraining.state.is_over() {
            let words =
                format!("retraining {} is {}: there is nothing to cancel", retraining.id, retraining.state.name());
            return Err(Refusal::NotNow(words).into());
        }
        if retraining.state == State::RollingBack {
            return Err(Refusal::NotNow(format!("retraining {} is rolling back already", retraining.id)).into());
        }
        self.pass_on(&retraining, "it is being cancelled").await
    }

    pub(super) async fn promote(&mut self) -> Result<Accepted, CommandError> {
        let Some(retraining) = self.active().await? else {
            let words = "nothing is under way; name the version that is to be promoted";
            return Err(Refusal::NotNow(words.to_owned()).into());
        };
        if !matches!(retraining.state, State::Registered | State::Canary | State::Baking) {
            let words = format!(
                "retraining {} is {}: there is no candidate to promote yet",
                retraining.id,
                retraining.state.name()
            );
            return Err(Refusal::NotNow(words).into());
        }
        self.pass_on(&retraining, "it is being promoted without waiting for the events").await
    }
}

fn accepted(retraining: &Retraining, words: &str) -> Accepted {
    Accepted {
        retraining: Some(retraining.id.clone()),
        state: retraining.state.name().to_owned(),
        words: words.to_owned(),
    }
}
