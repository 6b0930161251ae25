//! Writing what a step found: merged windows, findings, alert states, notifications, retraining requests, in one transaction.

use std::collections::BTreeSet;

use contract::configuration::Route;
use contract::{Contract, EventTime, Finding, WallTime, Window};
use retrain_trigger::commands::{self, supersede};
use retrain_trigger::policy::LOOKS_BACK;
use retrain_trigger::retraining::{AskedBy, Retraining, State};
use retrain_trigger::{Decision, Observed, Request, Standing, decide, standing};
use rules::{AlertChange, AlertState, Notification, NotificationContext, Transition};
use store::{AlertRow, Compared, NotificationRow, RetrainingRow, Transaction, WindowSummary};

use crate::clock::{Stage, Step};
use crate::error::Result;
use crate::holding::Side;
use crate::journal::{AlertEntry, Entry, Journal, RetrainingEntry, bounds};
use crate::merge::MergedWindow;
use crate::model::{Cursor, ModelMonitor};
use crate::rows;

/// Who is told what, and where people can look.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPlan {
    pub routes: Vec<Route>,
    /// Every channel of the configuration.
    pub channels: Vec<String>,
    /// Where the service's page is.
    pub page: Option<String>,
}

impl DeliveryPlan {
    /// A notification as rows of the outbox, one for each channel that is told.
    pub(crate) fn outbox(&self, notification: &Notification, now: WallTime) -> Vec<NotificationRow> {
        let Notification { model, severity, owner, .. } = notification;
        let channels = rules::route(&self.routes, &self.channels, *severity, model, owner.as_deref());
        let body = serde_json::to_string(notification).unwrap_or_default();
        let row = |channel: String| NotificationRow {
            id: format!("{}-{channel}", notification.id),
            channel,
            model: model.clone(),
            alert_fingerprint: notification.fingerprint.clone(),
            kind: notification.kind.name().to_owned(),
            body: body.clone(),
            created: now,
            attempts: 0,
            next_attempt: now,
            state: "waiting".to_owned(),
            last_error: None,
            delivered: None,
        };
        channels.into_iter().map(row).collect()
    }
}

/// What a step found.
pub(crate) struct Outcome<'a> {
    pub step: Step,
    pub merged: &'a MergedWindow,
    pub findings: &'a [Finding],
    pub is_quarantined: bool,
    pub held_out: &'a BTreeSet<Side>,
    pub transition: Transition,
    pub cursor: Cursor,
}

/// What a step leaves behind.
pub(crate) struct Committed {
    pub journal: Journal,
    pub cursor: Cursor,
    pub alerts: AlertState,
}

pub(crate) async fn commit(monitor: &ModelMonitor, outcome: Outcome<'_>) -> Result<Committed> {
    let Outcome { step, merged, findings, is_quarantined, held_out, transition, cursor } = outcome;
    let model = &monitor.contract().model;
    let now = WallTime::now();
    let mut journal = Journal::default();
    let mut transaction = monitor.store.begin().await?;
    let is_matured = step.stage == Stage::Matured;
    for row in rows::windows(monitor.contract(), merged, findings, is_matured, is_quarantined, now) {
        transaction.upsert_window(&row).await?;
        if let Some(entry) = rows::window_entry(&row, if is_matured { "matured" } else { "closed" }) {
            journal.entries.push(Entry::Window(entry));
        }
    }
    for side in held_out {
        transaction.hold_out(model, step.window, side.version(), side.compared()).await?;
    }
    for finding in findings {
        transaction.upsert_finding(finding).await?;
        journal.entries.push(Entry::Finding(finding.clone()));
    }
    let mut observed =
        Observed::new(cursor.faults.clone(), &transaction.requested_retrainings(model, LOOKS_BACK).await?);
    for change in &transition.changes {
        if change.is_update() {
            write_alert(&mut transaction, change, false, now).await?;
            continue;
        }
        journal.entries.push(Entry::Alert(alert_entry(change, step, merged)));
        let decision = retraining(monitor, &mut transaction, change, step, &mut observed).await?;
        if let Some(decision) = &decision {
            let row = retraining_row(monitor, change, decision, step.due, now);
            transaction.insert_retraining(&row).await?;
            if *decision == Decision::Requested {
                observed.request(&row);
            }
            journal.entries.push(Entry::Retraining(retraining_entry(change, decision, merged)));
        }
        let standing = retraining_words(monitor, decision.as_ref(), &observed, step.due);
        let is_told = enqueue(&mut transaction, monitor, change, standing, now).await?;
        write_alert(&mut transaction, change, is_told, now).await?;
    }
    if transition.left_out > 0 {
        tracing::warn!(model, alerts = transition.left_out, "more alerts than are kept; these are left out");
    }
    if step.stage == Stage::Closed {
        let standing = rows::standing_json(&standing_now(monitor, &observed, step.due));
        transaction.put_progress(model, "standing", &standing).await?;
        let faults = serde_json::to_string(&cursor.faults).unwrap_or_default();
        transaction.put_progress(model, retrain_trigger::clock::FAULTS, &faults).await?;
    }
    transaction.clear_dirty(model, merged.window).await?;
    transaction.put_rule_state(model, &serde_json::to_string(&transition.state).unwrap_or_default()).await?;
    transaction.put_judge_cursor(model, &serde_json::to_string(&cursor).unwrap_or_default()).await?;
    transaction.commit().await?;
    Ok(Committed { journal, cursor, alerts: transition.state })
}

/// A window that changed after its judgement: its figures and findings, nothing else. One that came too late to be judged
/// (`stored` is None) enters no baseline: nobody has looked for faults in it.
pub(crate) async fn revise(
    monitor: &ModelMonitor,
    merged: &MergedWindow,
    findings: &[Finding],
    is_matured: bool,
    stored: Option<&WindowSummary>,
) -> Result<Journal> {
    let model = &monitor.contract().model;
    let is_quarantined = stored.is_some_and(|row| row.quarantined);
    let now = WallTime::now();
    let mut journal = Journal::default();
    let mut transaction = monitor.store.begin().await?;
    for row in rows::windows(monitor.contract(), merged, findings, is_matured, is_quarantined, now) {
        transaction.upsert_window(&row).await?;
        if let Some(entry) = rows::window_entry(&row, "revised") {
            journal.entries.push(Entry::Window(entry));
        }
        if stored.is_none() {
            for compared in [Compared::InputsAndOutputs, Compared::Performance] {
                transaction.hold_out(model, row.window, &row.version, compared).await?;
            }
        }
    }
    for finding in findings {
        transaction.upsert_finding(finding).await?;
    }
    transaction.clear_dirty(model, merged.window).await?;
    transaction.commit().await?;
    Ok(journal)
}

/// Parts of windows that can't change any more have done their work. The cursor says so, for what comes later.
pub(crate) async fn forget_parts(monitor: &ModelMonitor, ended_before: EventTime, cursor: &Cursor) -> Result<()> {
    let model = &monitor.contract().model;
    let mut transaction = monitor.store.begin().await?;
    transaction.delete_parts(model, ended_before).await?;
    transaction.put_judge_cursor(model, &serde_json::to_string(cursor).unwrap_or_default()).await?;
    transaction.commit().await?;
    Ok(())
}

/// Parts that came for a window after its others were forgotten: what stands is more than what they say.
pub(crate) async fn drop_parts(monitor: &ModelMonitor, windows: &[Window], ended_before: EventTime) -> Result<()> {
    let model = &monitor.contract().model;
    let mut transaction = monitor.store.begin().await?;
    for window in windows {
        transaction.clear_dirty(model, *window).await?;
    }
    transaction.delete_parts(model, ended_before).await?;
    transaction.commit().await?;
    Ok(())
}

fn standing_now(monitor: &ModelMonitor, observed: &Observed, at: EventTime) -> Standing {
    standing(monitor.contract().retrain.as_ref(), observed, at)
}

/// What an alert means for retraining: a rule with the action `retrain` asks for one when it fires; a fault that fires
/// vetoes all of them while it stands, and that is put on record too.
async fn retraining(
    monitor: &ModelMonitor,
    transaction: &mut Transaction,
    change: &AlertChange,
    step: Step,
    observed: &mut Observed,
) -> Result<Option<Decision>> {
    if !change.is_firing() {
        return Ok(None);
    }
    let contract = monitor.contract();
    let retrain = contract.retrain.as_ref();
    if change.asks_for_retraining() {
        if gives_way(transaction, contract).await? {
            observed.under_way = None;
        }
        let decision = decide(retrain, observed, &Request { at: step.due, is_person: false });
        if decision == Decision::Requested {
            // One that merely waits for a person makes room.
            let why = format!("rule {} fired again", change.rule);
            supersede(transaction, contract, &why, WallTime::now()).await?;
        }
        return Ok(Some(decision));
    }
    let is_fault = change.findings.iter().any(|finding| finding.fault.is_some());
    let is_vetoed = is_fault && !observed.faults.is_empty();
    match standing(retrain, observed, step.due) {
        Standing::Vetoed { reason } if is_vetoed => Ok(Some(Decision::Vetoed { reason })),
        _ => Ok(None),
    }
}

/// Whether the retraining that is under way merely waits for a person.
async fn gives_way(transaction: &mut Transaction, contract: &Contract) -> Result<bool> {
    let row = transaction.active_retraining(&contract.model).await?;
    let (Some(retrain), Some(row)) = (&contract.retrain, row) else { return Ok(false) };
    // One that can't be read stands in the way of the next, and must not stand in the way of monitoring.
    Ok(Retraining::from_row(&row).is_ok_and(|retraining| commands::gives_way(retrain, &retraining)))
}

fn retraining_words(
    monitor: &ModelMonitor,
    decision: Option<&Decision>,
    observed: &Observed,
    at: EventTime,
) -> (&'static str, Option<String>) {
    match decision {
        Some(Decision::Requested) => ("requested", None),
        Some(Decision::Vetoed { reason }) => ("vetoed", Some(reason.clone())),
        None => match standing_now(monitor, observed, at) {
            Standing::Vetoed { reason } => ("vetoed", Some(reason)),
            other => (other.name(), None),
        },
    }
}

fn retraining_row(
    monitor: &ModelMonitor,
    change: &AlertChange,
    decision: &Decision,
    at: EventTime,
    now: WallTime,
) -> RetrainingRow {
    let (state, reason) = outcome_words(decision, change);
    let id = retrain_trigger::retraining_id_of_rule(&change.model, at, &format!("{}{state}", change.fingerprint));
    let asked_by = AskedBy::Rule(change.rule.clone());
    let mut retraining =
        Retraining::requested(id, &change.model, asked_by, &format!("rule {} fired", change.rule), at, now);
    if let Decision::Vetoed { .. } = decision {
        retraining.state = State::Vetoed;
        retraining.outcome = Some(reason);
    }
    let mut row = retraining.to_row(now);
    row.is_active &= monitor.setup.carries_out;
    row
}

fn retraining_entry(change: &AlertChange, decision: &Decision, merged: &MergedWindow) -> RetrainingEntry {
    let (state, reason) = outcome_words(decision, change);
    RetrainingEntry {
        model: change.model.clone(),
        version: String::new(),
        segment: change.segment.clone(),
        window: bounds(merged.window),
        revision: merged.revision,
        rule: change.rule.clone(),
        state,
        reason,
    }
}

fn outcome_words(decision: &Decision, change: &AlertChange) -> (&'static str, String) {
    match decision {
        Decision::Requested => ("requested", format!("rule {} fired", change.rule)),
        Decision::Vetoed { reason } => ("vetoed", reason.clone()),
    }
}

async fn write_alert(transaction: &mut Transaction, change: &AlertChange, is_told: bool, now: WallTime) -> Result<()> {
    if change.is_cleared() {
        transaction.delete_alert(&change.fingerprint, change.started).await?;
        return Ok(());
    }
    let row = AlertRow {
        fingerprint: change.fingerprint.clone(),
        model: change.model.clone(),
        rule: change.rule.clone(),
        segment: change.segment.clone(),
        feature: change.feature.clone(),
        state: change.to.name().to_owned(),
        severity: change.severity.name().to_owned(),
        started: change.started,
        fired: change.fired,
        resolved: change.resolved,
        value: change.value,
        annotations: serde_json::to_string(&change.annotations).unwrap_or_default(),
        notified: is_told.then_some(now),
        updated: now,
    };
    transaction.upsert_alert(&row).await?;
    Ok(())
}

/// Writes one notification a channel into the outbox; says whether there was any.
async fn enqueue(
    transaction: &mut Transaction,
    monitor: &ModelMonitor,
    change: &AlertChange,
    (standing, reason): (&'static str, Option<String>),
    now: WallTime,
) -> Result<bool> {
    let plan = &monitor.setup.delivery;
    let context = NotificationContext {
        owner: monitor.contract().owner.clone(),
        page: plan.page.clone(),
        retraining: standing.to_owned(),
        retraining_reason: reason,
        created: now,
    };
    let Some(notification) = Notification::from_change(change, &context) else { return Ok(false) };
    let mut is_told = false;
    for row in plan.outbox(&notification, now) {
        is_told |= transaction.insert_notification(&row).await?;
    }
    Ok(is_told)
}

fn alert_entry(change: &AlertChange, step: Step, merged: &MergedWindow) -> AlertEntry {
    AlertEntry {
        model: change.model.clone(),
        version: String::new(),
        segment: change.segment.clone(),
        window: bounds(step.window),
        revision: merged.revision,
        rule: change.rule.clone(),
        state: change.to.name().to_owned(),
        severity: change.severity.name().to_owned(),
        feature: change.feature.clone(),
        fingerprint: change.fingerprint.clone(),
        started: change.started,
        value: change.value,
        summary: change.annotations.get("summary").cloned().unwrap_or_default(),
    }
}
