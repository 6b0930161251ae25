//! What waits: for a person's approval, and for the driver to hear a person.

use contract::model::{ApprovalStage, Retrain};
use contract::{Contract, WallTime};
use store::{AuditRow, CommandRow, Transaction};

use super::desk::unique;
use crate::error::Error;
use crate::registry::CHALLENGER;
use crate::retraining::{Approval, Retraining, State, Wish};

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

/// Whether a retraining that is under way merely waits for a person, so that a new request takes its place.
pub fn gives_way(retrain: &Retrain, retraining: &Retraining) -> bool {
    let is_for_others = match retraining.state {
        State::Requested => retrain.executor.is_none(),
        State::Registered => retrain.target.is_none(),
        _ => return false,
    };
    // Whom a person promotes doesn't wait.
    retraining.forced.is_none() && (is_for_others || stage_to_approve(retrain, retraining).is_some())
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

/// How the answer to a command begins that was accepted and came to nothing.
pub const TOO_LATE: &str = "too late";

/// The line in the audit log about such a command.
pub fn late(command: &CommandRow, outcome: &str, now: WallTime) -> AuditRow {
    AuditRow {
        id: unique(now),
        at: now,
        who: command.by.clone(),
        role: String::new(),
        command: command.command.clone(),
        model: command.model.clone(),
        subject: command.retraining.clone(),
        reason: command.reason.clone(),
        outcome: outcome.to_owned(),
    }
}

/// What a person's word changes in a retraining that is under way. Says what became of it.
pub fn apply(retrain: &Retrain, retraining: &mut Retraining, command: &CommandRow) -> String {
    let word = Approval { by: command.by.clone(), reason: command.reason.clone(), at: command.created };
    if retraining.id != command.retraining || retraining.state.is_over() {
        return format!("{TOO_LATE}: retraining {} is {}", retraining.id, retraining.state.name());
    }
    match command.command.as_str() {
        "approve" => match stage_to_approve(retrain, retraining) {
            Some(stage) => {
                retraining.approvals.insert(stage, word);
                "approved".to_owned()
            }
            None => format!("{TOO_LATE}: it is {}", retraining.state.name()),
        },
        "cancel" if retraining.state == State::RollingBack => format!("{TOO_LATE}: it is rolling back already"),
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
