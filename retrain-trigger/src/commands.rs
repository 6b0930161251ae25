//! What people ask for: retrain, approve, override, cancel, promote, roll back, register.
//!
//! [`Desk`] checks a command against what is recorded, in one transaction with its line in the audit log. What concerns a
//! retraining that is under way becomes a row that the driver reads; nothing here touches the trainer or the target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use contract::model::{ApprovalStage, Retrain};
use contract::{Contract, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{AuditRow, CommandRow, DeploymentRow, Inserted, Store, Transaction, VersionRow};
use tokio::sync::Notify;

use crate::clock;
use crate::error::Error;
use crate::plan::gives_way;
use crate::policy::{Decision, LOOKS_BACK, Observed, Request, decide};
use crate::registry::{self, CHALLENGER, CHAMPION, PREVIOUS, Validation};
use crate::retraining::{Approval, AskedBy, Candidate, Kind, Retraining, Rollout, State, Wish};
use crate::world::Imported;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Retrain {
        /// Hyper-parameters over those of the contract.
        parameters: Map<String, Value>,
    },
    Approve,
    /// Lets a candidate past the gate.
    Override,
    Cancel,
    /// Without waiting for the events; without a version, the candidate that is under way.
    Promote {
        version: Option<String>,
    },
    Rollback,
    /// Puts a version that was made elsewhere into the registry.
    Register {
        /// A folder on the service's disk.
        path: PathBuf,
        version: String,
        /// It is the one that serves.
        champion: bool,
    },
}

impl Command {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retrain { .. } => "retrain",
            Self::Approve => "approve",
            Self::Override => "override",
            Self::Cancel => "cancel",
            Self::Promote { .. } => "promote",
            Self::Rollback => "rollback",
            Self::Register { .. } => "register",
        }
    }
}

/// A command with who gives it and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub model: String,
    pub retraining: Option<String>,
    pub command: Command,
    /// The name of the token.
    pub by: String,
    pub role: String,
    pub reason: String,
}

/// What became of a command that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub retraining: Option<String>,
    pub state: String,
    /// One sentence.
    pub words: String,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Unknown(String),
    /// Not in this state.
    #[error("{0}")]
    NotNow(String),
    /// Never.
    #[error("{0}")]
    Wrong(String),
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<store::Error> for CommandError {
    fn from(error: store::Error) -> Self {
        Self::Failed(Error::Store(error))
    }
}

/// Where commands go.
#[async_trait]
pub trait Commands: Send + Sync {
    async fn submit(&self, asked: Asked) -> Result<Accepted, CommandError>;
}

/// Copies an artifact from a folder into the registry's store.
#[async_trait]
pub trait Import: Send + Sync {
    async fn import(&self, folder: &std::path::Path, version: &str) -> Result<Imported, String>;
}

/// A model that can be commanded.
pub struct Subject {
    pub contract: Arc<Contract>,
    pub import: Arc<dyn Import>,
}

/// Takes commands for all models of a service.
pub struct Desk {
    store: Store,
    models: BTreeMap<String, Subject>,
    /// Rung when the driver has something to do.
    work: Arc<Notify>,
}

impl Desk {
    pub fn new(store: Store, subjects: Vec<Subject>, work: Arc<Notify>) -> Self {
        let models = subjects.into_iter().map(|subject| (subject.contract.model.clone(), subject)).collect();
        Self { store, models, work }
    }

    async fn take(&self, asked: &Asked, now: WallTime) -> Result<Accepted, CommandError> {
        let subject = self
            .models
            .get(&asked.model)
            .ok_or_else(|| Refusal::Unknown(format!("there is no model `{}`", asked.model)))?;
        // Hashing and copying takes its time: not in a transaction.
        let imported = match &asked.command {
            Command::Register { path, version, .. } => Some(import(subject, path, version).await?),
            _ => None,
        };
        let mut transaction = self.store.begin().await?;
        let done = Taking { transaction: &mut transaction, contract: &subject.contract, asked, now };
        let accepted = done.carry_out(imported).await?;
        audit(&mut transaction, asked, &accepted.words, "accepted", now).await?;
        transaction.commit().await?;
        Ok(accepted)
    }
}

#[async_trait]
impl Commands for Desk {
    async fn submit(&self, asked: Asked) -> Result<Accepted, CommandError> {
        let now = WallTime::now();
        let taken = self.take(&asked, now).await;
        if let Err(CommandError::Refused(refusal)) = &taken {
            let mut transaction = self.store.begin().await?;
            if let (Command::Retrain { .. }, Some(subject)) = (&asked.command, self.models.get(&asked.model)) {
                record_veto(&mut transaction, &subject.contract, &asked, refusal, now).await?;
            }
            audit(&mut transaction, &asked, &refusal.to_string(), "refused", now).await?;
            transaction.commit().await?;
        }
        self.work.notify_one();
        taken
    }
}

async fn import(subject: &Subject, path: &std::path::Path, version: &str) -> Result<Imported, CommandError> {
    if !registry::is_version_name(version) {
        let words = "a version is named by letters, digits, `_`, `-` and `.`, 64 at most";
        return Err(Refusal::Wrong(words.to_owned()).into());
    }
    subject.import.import(path, version).await.map_err(|why| Refusal::Wrong(why).into())
}

/// An id that is used once: two commands may come in the same microsecond.
fn unique(now: WallTime) -> String {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-{}", now.micros(), std::process::id(), TAKEN.fetch_add(1, Ordering::Relaxed))
}

async fn audit(
    transaction: &mut Transaction,
    asked: &Asked,
    words: &str,
    outcome: &str,
    now: WallTime,
) -> store::Result<()> {
    let row = AuditRow {
        id: unique(now),
        at: now,
        who: asked.by.clone(),
        role: asked.role.clone(),
        command: asked.command.name().to_owned(),
        model: asked.model.clone(),
        subject: match &asked.command {
            Command::Register { version, .. } | Command::Promote { version: Some(version) } => {
                format!("version {version}")
            }
            _ => asked.retraining.clone().unwrap_or_default(),
        },
        reason: asked.reason.clone(),
        outcome: format!("{outcome}: {words}"),
    };
    transaction.insert_audit(&row).await
}

/// A retraining that the policy refused is kept, like those that rules ask for.
async fn record_veto(
    transaction: &mut Transaction,
    contract: &Contract,
    asked: &Asked,
    refusal: &Refusal,
    now: WallTime,
) -> store::Result<()> {
    let Refusal::NotNow(reason) = refusal else { return Ok(()) };
    let at = clock::now(transaction, &contract.model).await?;
    let id = crate::retraining_id(&contract.model, at, now);
    let mut retraining =
        Retraining::requested(id, &contract.model, AskedBy::Person(asked.by.clone()), &asked.reason, at, now);
    retraining.state = State::Vetoed;
    retraining.outcome = Some(reason.strip_prefix("vetoed: ").unwrap_or(reason).to_owned());
    transaction.insert_retraining(&retraining.to_row(now)).await?;
    Ok(())
}

/// One command in its transaction.
struct Taking<'a> {
    transaction: &'a mut Transaction,
    contract: &'a Contract,
    asked: &'a Asked,
    now: WallTime,
}

impl Taking<'_> {
    async fn carry_out(mut self, imported: Option<Imported>) -> Result<Accepted, CommandError> {
        match &self.asked.command {
            Command::Retrain { parameters } => self.retrain(parameters.clone()).await,
            Command::Approve => self.approve().await,
            Command::Override => self.let_past().await,
            Command::Cancel => self.cancel().await,
            Command::Promote { version: None } => self.promote().await,
            Command::Promote { version: Some(version) } => self.deploy(&version.clone()).await,
            Command::Rollback => self.roll_back().await,
            Command::Register { version, champion, .. } => {
                let Some(imported) = imported else { return Err(Refusal::Wrong("nothing to register".into()).into()) };
                self.register(&version.clone(), *champion, imported).await
            }
        }
    }

    fn model(&self) -> &str {
        &self.contract.model
    }

    fn policy(&self) -> Result<&Retrain, Refusal> {
        self.contract.retrain.as_ref().ok_or_else(|| Refusal::Wrong("the contract has no `retrain` section".to_owned()))
    }

    fn word(&self) -> Approval {
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

    async fn begin(&mut self, retraining: &Retraining, words: &str) -> Result<Accepted, CommandError> {
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

    async fn active(&mut self) -> Result<Option<Retraining>, CommandError> {
        let row = self.transaction.active_retraining(&self.contract.model).await?;
        Ok(row.map(|row| Retraining::from_row(&row)).transpose()?)
    }

    /// Leaves the command for the driver.
    async fn pass_on(&mut self, retraining: &Retraining, words: &str) -> Result<Accepted, CommandError> {
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

    async fn promote(&mut self) -> Result<Accepted, CommandError> {
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

    /// The rollout of a version that is registered already.
    async fn deploy(&mut self, version: &str) -> Result<Accepted, CommandError> {
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
        let aliases = self.transaction.aliases(&self.contract.model).await?;
        if aliases.get(CHAMPION).is_some_and(|champion| champion == version) {
            return Err(Refusal::NotNow(format!("version {version} serves already")).into());
        }
        let mut retraining = self.operation(Kind::Deployment, State::Registered).await?;
        retraining.candidate = Some(Candidate { version: row.version, sha256: row.sha256 });
        retraining.stable = aliases.get(CHAMPION).cloned();
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

    async fn roll_back(&mut self) -> Result<Accepted, CommandError> {
        if let Some(retraining) = self.active().await? {
            if matches!(retraining.state, State::Canary | State::Baking) {
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
            analysis: None,
        });
        let words = format!("going back to version {previous}");
        self.begin(&retraining, &words).await
    }

    async fn register(&mut self, version: &str, champion: bool, imported: Imported) -> Result<Accepted, CommandError> {
        if let (true, Some(active)) = (champion, self.active().await?) {
            let words = format!(
                "retraining {} is {}: the version that serves can't change under it",
                active.id,
                active.state.name()
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
            if let Some(failed) = standing.as_ref().filter(|standing| standing.validation == Validation::Failed.name())
            {
                let words = format!("version {version} failed at the gate; override retraining {}", failed.retraining);
                return Err(Refusal::NotNow(words).into());
            }
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

fn accepted(retraining: &Retraining, words: &str) -> Accepted {
    Accepted {
        retraining: Some(retraining.id.clone()),
        state: retraining.state.name().to_owned(),
        words: words.to_owned(),
    }
}

/// What a retraining waits to be approved, if it does.
pub fn stage_to_approve(retrain: &Retrain, retraining: &Retraining) -> Option<ApprovalStage> {
    let stage = match retraining.state {
        State::Requested => ApprovalStage::Training,
        State::Registered if retraining.overridden.is_none() => ApprovalStage::Rollout,
        _ => return None,
    };
    let is_open = retrain.policy.approval.contains(&stage) && !retraining.approvals.contains_key(&stage);
    is_open.then_some(stage)
}

/// Ends the model's retraining that merely waits for a person, if there is one. Whether there was.
pub async fn supersede(
    transaction: &mut Transaction,
    contract: &Contract,
    why: &str,
    now: WallTime,
) -> Result<bool, Error> {
    let (Some(retrain), Some(row)) = (&contract.retrain, transaction.active_retraining(&contract.model).await?) else {
        return Ok(false);
    };
    let mut retraining = Retraining::from_row(&row)?;
    let gives_way = gives_way(retrain, &retraining);
    if gives_way {
        retraining.state = State::Superseded;
        retraining.outcome = Some(why.to_owned());
        retraining.waits_for = None;
        // It may have been registered and waited for its rollout.
        transaction.set_alias(&contract.model, CHALLENGER, None, retraining.event_time, now).await?;
        transaction.update_retraining(&retraining.to_row(now)).await?;
    }
    Ok(gives_way)
}

/// What a person's word changes in a retraining that is under way. Says what became of it.
pub fn apply(retrain: &Retrain, retraining: &mut Retraining, command: &CommandRow) -> String {
    let word = Approval { by: command.by.clone(), reason: command.reason.clone(), at: command.created };
    if retraining.id != command.retraining || retraining.state.is_over() {
        return format!("too late: retraining {} is {}", retraining.id, retraining.state.name());
    }
    match command.command.as_str() {
        "approve" => match stage_to_approve(retrain, retraining) {
            Some(stage) => {
                retraining.approvals.insert(stage, word);
                "approved".to_owned()
            }
            None => format!("too late: it is {}", retraining.state.name()),
        },
        "cancel" if retraining.state == State::RollingBack => "too late: it is rolling back already".to_owned(),
        "cancel" => {
            retraining.wish = Some(Wish::Cancel);
            retraining.outcome = Some(format!("cancelled by {}: {}", command.by, command.reason));
            "taken".to_owned()
        }
        "rollback" if matches!(retraining.state, State::Canary | State::Baking) => {
            retraining.wish = Some(Wish::RollBack);
            retraining.outcome = Some(format!("rolled back by {}: {}", command.by, command.reason));
            "taken".to_owned()
        }
        "promote" if matches!(retraining.state, State::Registered | State::Canary | State::Baking) => {
            retraining.forced = Some(word);
            "taken".to_owned()
        }
        other => format!("`{other}` means nothing while it is {}", retraining.state.name()),
    }
}
