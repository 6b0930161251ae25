//! Where commands arrive: each is taken or refused, on record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use contract::{Contract, WallTime};
use store::{AuditRow, Store, Transaction};

use super::taking::Taking;
use super::{Accepted, Asked, Command, CommandError, Commands, Refusal, Subject};
use crate::clock;
use crate::driver::Bell;
use crate::registry;
use crate::retraining::{AskedBy, Retraining, State};
use crate::world::Imported;

/// Takes commands for all models of a service.
pub struct Desk {
    store: Store,
    models: BTreeMap<String, Subject>,
    bell: Bell,
}

impl Desk {
    pub fn new(store: Store, subjects: Vec<Subject>, bell: Bell) -> Self {
        let models = subjects.into_iter().map(|subject| (subject.contract.model.clone(), subject)).collect();
        Self { store, models, bell }
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
        if taken.is_ok() {
            self.bell.ring();
        }
        taken
    }
}

async fn import(subject: &Subject, path: &Path, version: &str) -> Result<Imported, CommandError> {
    if !registry::is_version_name(version) {
        let words = "a version is named by letters, digits, `_`, `-` and `.`, 64 at most";
        return Err(Refusal::Wrong(words.to_owned()).into());
    }
    subject.import.import(path, version).await.map_err(|why| Refusal::Wrong(why).into())
}

/// An id that is used once: two commands may come in the same microsecond.
pub(super) fn unique(now: WallTime) -> String {
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
            Command::Register { version, path, .. } => format!("version {version} from {}", path.display()),
            Command::Promote { version: Some(version) } | Command::Rollback { version: Some(version) } => {
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
