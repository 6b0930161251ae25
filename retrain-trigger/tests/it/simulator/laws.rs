//! What must hold after every transaction and at every call, whatever happens (promises T1, T2, T4, T5).

use std::collections::BTreeMap;

use contract::WallTime;
use contract::model::ApprovalStage;
use detectors::canary::Phase;
use retrain_trigger::registry::{CHALLENGER, CHAMPION, Validation};
use retrain_trigger::retraining::{CONSECUTIVE_ERROR_LIMIT, Kind, Retraining, State};
use store::{RetrainingRow, VersionRow};

use super::Defect;
use super::target::{Call, in_service, only};
use super::trainer::Trainer;
use super::world::{Inner, Shared};

/// The documents as they were, for what may not change.
#[derive(Debug, Default)]
pub struct Seen {
    pub documents: Vec<Document>,
    /// Id of the one that is active.
    active: Option<String>,
    /// Changes of a state.
    moves: u32,
    /// Of the target, when its traffic was looked at.
    calls: u32,
    /// Of its traffic then; a target that has lost its state begins anew.
    pub generation: u64,
    /// By state in which they ended.
    pub ends: BTreeMap<&'static str, u32>,
}

/// One retraining, in the order of their requests.
#[derive(Debug)]
pub struct Document {
    text: String,
    pub retraining: Retraining,
}

/// Where a retraining may go from a state.
fn next(state: State) -> &'static [State] {
    use State::{
        Baking, Canary, Cancelled, DataPinned, Evaluating, Failed, Promoted, Registered, Requested, RolledBack,
        RollingBack, Superseded, Training, Vetoed,
    };
    match state {
        Requested => &[DataPinned, Vetoed, Cancelled, Superseded, Failed],
        DataPinned => &[Training, Failed, Cancelled],
        Training => &[Evaluating, Failed, Cancelled],
        Evaluating => &[Registered, Failed, Cancelled],
        // Without a target, a person's word promotes.
        Registered => &[Canary, Baking, Promoted, Failed, Cancelled, Superseded],
        Canary => &[Baking, RollingBack],
        Baking => &[Promoted, RollingBack],
        RollingBack => &[RolledBack, Cancelled, Failed],
        // An override.
        Failed => &[Registered],
        Promoted | Vetoed | RolledBack | Cancelled | Superseded => &[],
    }
}

/// Looks at everything that is recorded, and at what serves.
pub async fn look(shared: &Shared) {
    let rows = shared.store.retrainings(shared.model(), 1_000).await.unwrap();
    if rows.iter().filter(|row| row.is_active).count() > 1 {
        shared.lock().break_law("two retrainings of one model are active");
    }
    look_at(shared, &rows).await;
}

/// The same after a transaction of the executor, which can have changed no more than the one that was active.
pub async fn look_at_active(shared: &Shared) {
    let active = shared.lock().seen.active.clone();
    let Some(active) = active else { return look(shared).await };
    let row = shared.store.retraining(&active).await.unwrap().unwrap();
    look_at(shared, &[row]).await;
}

async fn look_at(shared: &Shared, rows: &[RetrainingRow]) {
    let has_changed = {
        let inner = &mut *shared.lock();
        let before = inner.seen.moves;
        for row in rows {
            changed(shared, inner, row);
        }
        inner.seen.moves != before || inner.seen.calls != inner.target.calls()
    };
    if has_changed {
        look_at_service(shared).await;
    }
}

async fn look_at_service(shared: &Shared) {
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let inner = &mut *shared.lock();
    inner.seen.calls = inner.target.calls();
    for row in versions.iter().filter(|row| !row.retraining.is_empty()) {
        if versions.iter().filter(|other| other.retraining == row.retraining).count() > 1 {
            inner.break_law(format!("a retraining has registered two versions, {} is one of them", row.version));
        }
    }
    for document in &inner.seen.documents {
        let Some(candidate) = &document.retraining.candidate else { continue };
        let is_it = |row: &VersionRow| row.version == candidate.version && row.sha256 == candidate.sha256;
        if !versions.iter().any(is_it) {
            let words = format!("the registry doesn't have the candidate {} as it was evaluated", candidate.version);
            return inner.break_law(words);
        }
    }
    let state = inner.target.state().clone();
    let before = std::mem::replace(&mut inner.seen.generation, state.traffic.generation);
    if state.traffic.generation < before {
        inner.break_law(format!("the traffic went back from generation {before} to {}", state.traffic.generation));
    }
    let sum: u32 = state.traffic.weights.values().sum();
    if sum != 100 && !state.traffic.weights.is_empty() {
        inner.break_law(format!("weights sum to {sum}"));
    }
    for version in in_service(&state.traffic) {
        let Some(sha256) = state.loaded.get(version) else {
            inner.break_law(format!("version {version} has traffic and isn't loaded"));
            continue;
        };
        if !is_good(&versions, version, sha256) {
            inner.break_law(format!("version {version} serves, and is not registered, or not validated"));
        }
    }
}

fn is_good(versions: &[VersionRow], version: &str, sha256: &str) -> bool {
    let is_it = |row: &&VersionRow| row.version == version && row.sha256 == sha256;
    versions.iter().find(is_it).is_some_and(|row| row.validation != Validation::Failed.name())
}

fn changed(shared: &Shared, inner: &mut Inner, row: &RetrainingRow) {
    let number = inner.seen.documents.iter().position(|known| known.retraining.id == row.id);
    let before = number.map(|number| &inner.seen.documents[number]);
    if before.is_some_and(|before| before.text == row.document) {
        return;
    }
    let before = before.map(|before| before.retraining.clone());
    let after = Retraining::from_row(row).unwrap();
    let name = format!("retraining {}", number.unwrap_or(inner.seen.documents.len()));
    if row.state != after.state.name() || row.is_active == after.state.is_over() {
        inner.break_law(format!("{name}: row and document disagree"));
    }
    let from = before.as_ref().map(|before| before.state);
    if from != Some(after.state) {
        let why = after.outcome.as_deref().unwrap_or("");
        inner.say(format!("{name} {} -> {} {why}", from.map_or("", State::name), after.state.name()));
        moved(shared, inner, &name, from, &after);
        inner.seen.moves += 1;
    }
    match inner.seen.active.as_ref() {
        _ if !after.state.is_over() => inner.seen.active = Some(after.id.clone()),
        Some(active) if *active == after.id => inner.seen.active = None,
        _ => {}
    }
    if let Some(before) = &before {
        kept(inner, &name, before, &after);
        judged(inner, &name, before, &after);
    }
    let document = Document { text: row.document.clone(), retraining: after };
    match number {
        Some(number) => inner.seen.documents[number] = document,
        None => inner.seen.documents.push(document),
    }
}

fn moved(shared: &Shared, inner: &mut Inner, name: &str, from: Option<State>, after: &Retraining) {
    let to = after.state;
    let is_allowed = match from {
        Some(from) => next(from).contains(&to),
        None => match after.kind {
            Kind::Retraining => matches!(to, State::Requested | State::Vetoed),
            Kind::Deployment => to == State::Registered,
            Kind::Return => to == State::RollingBack,
        },
    };
    if !is_allowed {
        inner.break_law(format!("{name} went from {} to {}", from.map_or("nothing", State::name), to.name()));
    }
    if to == State::Promoted && inner.unwanted.contains(&after.id) {
        inner.break_law(format!("{name} is promoted after a person's cancel or rollback was accepted"));
    }
    if from == Some(State::Failed) && after.overridden.is_none() {
        inner.break_law(format!("{name} came back without anybody's word"));
    }
    let said = inner.said.get(&after.id).map(|analysis| analysis.phase);
    let is_harmful = matches!(said, Some(Phase::Failed | Phase::Error));
    if to == State::Promoted && after.forced.is_none() && is_harmful {
        inner.break_law(format!("{name} is promoted against the events' word"));
    }
    let is_accused = after.outcome.as_ref().is_some_and(|why| why.starts_with("someone else"));
    if to == State::RollingBack && is_accused && !inner.is_disturbed {
        inner.break_law(format!("{name} rolls back because of someone who wasn't there"));
    }
    if to == State::Superseded && after.forced.is_some() {
        inner.break_law(format!("{name} gave way though a person promotes it"));
    }
    if to.is_over() {
        *inner.seen.ends.entry(to.name()).or_default() += 1;
        if after.outcome.is_none() {
            inner.break_law(format!("{name} ended without a reason"));
        }
    }
    let is_left = inner.trainers.get(&after.id).is_some_and(|trainer| trainer.is_going() && !trainer.was_told);
    if to.is_over() && is_left {
        inner.break_law(format!("{name} is over, and its trainer runs on"));
    }
    let starts =
        inner.trainers.get(&after.id).map_or(0, |trainer| trainer.starts - trainer.unconfirmed.min(trainer.starts));
    let most = shared.contract.retrain.as_ref().unwrap().executor.as_ref().map_or(0, |executor| executor.attempts);
    if starts > after.attempts || after.attempts > most {
        inner.break_law(format!("{name}: the trainer was started {starts} times, recorded are {}", after.attempts));
    }
    served(shared, inner, name, from, after);
}

/// Where the traffic is when a rollout ends.
fn served(shared: &Shared, inner: &mut Inner, name: &str, from: Option<State>, after: &Retraining) {
    if shared.contract.retrain.as_ref().unwrap().target.is_none() || inner.is_unseen {
        return;
    }
    let candidate = after.candidate.as_ref().map(|candidate| candidate.version.clone());
    let winner = match (from, after.state) {
        (_, State::Promoted) => candidate,
        (Some(State::RollingBack), State::RolledBack | State::Cancelled) => after.stable.clone(),
        _ => return,
    };
    let winner = winner.unwrap_or_default();
    let traffic = &inner.target.state().traffic;
    if *traffic != only(&winner, traffic.generation) {
        let words =
            format!("{name} is {}, and {winner} doesn't have all of the traffic: {traffic:?}", after.state.name());
        inner.break_law(words);
    }
    inner.is_disturbed = false;
}

/// What is decided once.
fn kept(inner: &mut Inner, name: &str, before: &Retraining, after: &Retraining) {
    if before.candidate.is_some() && before.candidate != after.candidate {
        inner.break_law(format!("{name}: the candidate has changed"));
    }
    if before.state.is_rollout() && before.stable != after.stable {
        inner.break_law(format!("{name}: the way back has changed"));
    }
    if before.attempts > after.attempts {
        inner.break_law(format!("{name}: attempts are counted backwards"));
    }
    let is_in_service = matches!(after.state, State::Canary | State::Baking) && after.stable.is_some();
    let errors = after.rollout.as_ref().map_or(0, |rollout| rollout.errors);
    if is_in_service && errors > CONSECUTIVE_ERROR_LIMIT + 1 {
        inner.break_law(format!("{name} stays in service after {errors} failures in a row"));
    }
    let generation = |retraining: &Retraining| retraining.rollout.as_ref().map_or(0, |rollout| rollout.generation);
    if generation(before) > generation(after) {
        inner.break_law(format!("{name}: generations are counted backwards"));
    }
}

/// More traffic, and the end of the bake, only by the events' word or a person's.
fn judged(inner: &mut Inner, name: &str, before: &Retraining, after: &Retraining) {
    let (Some(old), Some(new)) = (&before.rollout, &after.rollout) else { return };
    let is_step = new.weight > old.weight || (old.is_guarded && !new.is_guarded && after.state == State::Baking);
    if !is_step || after.forced.is_some() || after.state == State::RollingBack {
        return;
    }
    let Some(analysis) = inner.said.get(&after.id).cloned() else {
        inner.break_law(format!("{name} went on without a look at the events"));
        return;
    };
    let has_comparison = analysis.shadow.is_some() || analysis.performance.is_some() || old.weight < 100;
    let is_good = match analysis.phase {
        Phase::Successful => true,
        Phase::Inconclusive => !has_comparison,
        Phase::Failed | Phase::Error => false,
    };
    if !is_good {
        inner.break_law(format!("{name} went on though the events say: {}", analysis.reason));
    }
}

/// An effect stands in the table before the world sees it.
pub async fn effect(shared: &Shared, name: &str, retraining: &str) {
    let open = shared.store.open_effects(retraining).await.unwrap();
    let is_recorded = matches!(open.as_slice(), [effect] if effect.effect == name);
    let row = shared.store.retraining(retraining).await.unwrap().unwrap();
    let document = Retraining::from_row(&row).unwrap();
    let inner = &mut *shared.lock();
    if !is_recorded {
        inner.break_law(format!("`{name}` isn't recorded"));
    }
    if !row.is_active {
        inner.break_law(format!("`{name}` for a retraining that is {}", row.state));
    }
    let approval = &shared.contract.retrain.as_ref().unwrap().policy.approval;
    let stage = ApprovalStage::Training;
    if name == "pin" && approval.contains(&stage) && !document.approvals.contains_key(&stage) {
        inner.break_law("data are pinned without an approval");
    }
}

/// What the target is asked for is registered, validated, and approved.
pub async fn call(shared: &Shared, call: &Call) {
    let Some(row) = shared.store.active_retraining(shared.model()).await.unwrap() else {
        shared.lock().break_law(format!("{call:?} for nobody"));
        return;
    };
    effect(shared, call.name(), &row.id).await;
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let retraining = Retraining::from_row(&row).unwrap();
    let inner = &mut *shared.lock();
    match call {
        Call::Unload(_) => {}
        Call::Load(version) => {
            if !is_good(&versions, &version.version, &version.sha256) {
                inner.break_law(format!(
                    "version {} is loaded, and is not registered, or not validated",
                    version.version
                ));
            }
        }
        Call::SetTraffic(traffic) => {
            if traffic.weights.values().sum::<u32>() != 100 {
                inner.break_law(format!("asked for {traffic:?}"));
            }
            let candidate = retraining.candidate.as_ref().map(|candidate| &candidate.version);
            let gets_some = in_service(traffic).any(|version| Some(version) == candidate);
            if gets_some && retraining.kind != Kind::Return && !may_serve(shared, &retraining) {
                inner.break_law("a candidate gets traffic without the gate's word, or without an approval");
            }
        }
    }
}

fn may_serve(shared: &Shared, retraining: &Retraining) -> bool {
    let has_passed = retraining.gate.as_ref().is_some_and(|gate| gate.phase == Phase::Successful);
    let by_a_person = retraining.overridden.is_some() || retraining.forced.is_some();
    let stage = ApprovalStage::Rollout;
    let is_asked_for = shared.contract.retrain.as_ref().unwrap().policy.approval.contains(&stage);
    let is_approved = !is_asked_for || retraining.approvals.contains_key(&stage);
    let is_valid = has_passed || retraining.overridden.is_some() || retraining.kind == Kind::Deployment;
    is_valid && (is_approved || by_a_person)
}

/// When nothing is under way.
pub async fn quiet(shared: &Shared) {
    let aliases = shared.store.aliases(shared.model()).await.unwrap();
    let inner = &mut *shared.lock();
    if let Some(version) = aliases.get(CHALLENGER) {
        inner.break_law(format!("nothing is under way, and {version} is the challenger"));
    }
    let orphan = inner.trainers.iter().find(|(id, trainer)| {
        let document = inner.seen.documents.iter().find(|document| document.retraining.id == **id);
        let end = document.and_then(|document| document.retraining.outcome.as_deref());
        // One that can't be looked at can't be stopped either.
        trainer.is_going() && end != Some("refused")
    });
    if orphan.is_some() {
        inner.break_law("a trainer runs for a retraining that is over");
    }
    let (Some(champion), true) = (aliases.get(CHAMPION), shared.contract.retrain.as_ref().unwrap().target.is_some())
    else {
        return;
    };
    let traffic = inner.target.state().traffic.clone();
    if traffic == only(champion, traffic.generation) {
        return;
    }
    if !inner.is_disturbed {
        inner.break_law(format!("{champion} is the champion, and doesn't have all of the traffic: {traffic:?}"));
    }
}

/// A deliberate defect: records that are lost.
pub async fn lose_records(shared: &Shared) {
    if shared.defect != Some(Defect::LosesRecords) {
        return;
    }
    let Some(row) = shared.store.active_retraining(shared.model()).await.unwrap() else { return };
    let effects = shared.store.open_effects(&row.id).await.unwrap();
    let mut transaction = shared.store.begin().await.unwrap();
    for effect in effects {
        transaction.end_effect(&row.id, effect.sequence, "lost", WallTime::now()).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// A trainer that is stopped with the process.
pub fn lose_trainers(inner: &mut Inner) {
    inner.trainers.values_mut().for_each(Trainer::stop);
}
