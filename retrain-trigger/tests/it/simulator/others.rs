//! Everyone else: people with commands, rules with requests, faults, time, whoever else touches the serving app.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use contract::WallTime;
use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};
use retrain_trigger::clock::{self, FAULTS};
use retrain_trigger::commands::{Asked, Command, CommandError, Commands, gives_way, supersede};
use retrain_trigger::policy::{Decision, LOOKS_BACK, Observed, Request, decide};
use retrain_trigger::registry::CHAMPION;
use retrain_trigger::retraining::{AskedBy, Retraining, State};
use retrain_trigger::world::{Registered, Traffic};
use serde_json::Map;
use store::{ShardRow, VersionRow};

use super::Defect;
use super::laws;
use super::target::{Call, only};
use super::world::Shared;

/// Retrainings of one history; after so many nobody asks any more.
const MOST: usize = 20;

/// With some luck somebody does something now.
pub async fn act(shared: &Shared) {
    let (others, meddling, what) = {
        let inner = &mut *shared.lock();
        inner.deliver();
        let odds = inner.odds.clone();
        let rng = &mut inner.rng;
        (rng.random_bool(odds.others), rng.random_bool(odds.meddling), rng.random_range(0..10))
    };
    if meddling {
        meddle(shared).await;
    }
    if others {
        match what {
            0 => set_fault(shared, true).await,
            1 => pass_time(shared, 30).await,
            2 => shared.lock().restart_target(false),
            3 => rule(shared).await,
            _ => person(shared).await,
        }
    }
    if meddling || others {
        laws::look(shared).await;
    }
}

/// Between two ticks: someone asks for something if nothing is under way, and people are there to approve.
pub async fn carry_on(shared: &Shared) {
    let (asks, approves, mends, forges) = {
        let inner = &mut *shared.lock();
        let (has_fault, meddling) = (inner.has_fault, inner.odds.meddling);
        let rng = &mut inner.rng;
        (rng.random_bool(0.5), rng.random_bool(0.5), has_fault && rng.random_bool(0.3), rng.random_bool(meddling))
    };
    if forges {
        forge(shared).await;
    }
    if mends {
        set_fault(shared, false).await;
    }
    match shared.store.active_retraining(shared.model()).await.unwrap() {
        None if asks => {
            let is_rule = shared.lock().rng.random_bool(0.5);
            if is_rule {
                rule(shared).await;
            } else {
                person(shared).await;
            }
            laws::look(shared).await;
        }
        Some(row) if approves && row.document.contains("\"waits_for\":\"approval") => {
            submit(shared, Command::Approve, Some(row.id)).await;
        }
        _ => {}
    }
}

/// The model's clock goes on by as many hours at most.
pub async fn pass_time(shared: &Shared, hours: u64) {
    let row = {
        let inner = &mut *shared.lock();
        let hours = inner.rng.random_range(0..=hours);
        inner.now = inner.now + Duration::from_hours(hours);
        inner.published += 1;
        ShardRow {
            model: shared.model().to_owned(),
            shard: 0,
            shards: 1,
            epoch: 1,
            sequence: inner.published,
            prediction_watermark: Some(inner.now),
            label_watermark: None,
            predictions_idle: false,
            labels_idle: false,
            offsets: "{}".to_owned(),
            counts: "{}".to_owned(),
            updated: WallTime::now(),
        }
    };
    let mut transaction = shared.store.begin().await.unwrap();
    transaction.upsert_shard(&row).await.unwrap();
    transaction.commit().await.unwrap();
}

pub async fn set_fault(shared: &Shared, has_fault: bool) {
    {
        let inner = &mut *shared.lock();
        inner.has_fault = has_fault;
        inner.say(format!("a fault {}", if has_fault { "stands" } else { "is mended" }));
    }
    let faults = if has_fault { r#"["unit_change of temp"]"# } else { "[]" };
    let mut transaction = shared.store.begin().await.unwrap();
    transaction.put_progress(shared.model(), FAULTS, faults).await.unwrap();
    transaction.commit().await.unwrap();
}

/// As the monitor does when a rule fires that asks for a retraining.
async fn rule(shared: &Shared) {
    let (now, at, salt) = {
        let inner = &mut *shared.lock();
        if inner.seen.documents.len() >= MOST {
            return;
        }
        (WallTime::now(), inner.now, inner.rng.random::<u64>())
    };
    let (contract, model) = (&*shared.contract, shared.model());
    let mut transaction = shared.store.begin().await.unwrap();
    let faults = clock::faults(&mut transaction, model).await.unwrap();
    let rows = transaction.requested_retrainings(model, LOOKS_BACK).await.unwrap();
    let mut observed = Observed::new(faults, &rows);
    if let Some(row) = transaction.active_retraining(model).await.unwrap()
        && gives_way(contract.retrain.as_ref().unwrap(), &Retraining::from_row(&row).unwrap())
    {
        observed.under_way = None;
    }
    let decision = decide(contract.retrain.as_ref(), &observed, &Request { at, is_person: false });
    let id = retrain_trigger::retraining_id_of_rule(model, at, &salt.to_string());
    let mut retraining = Retraining::requested(id, model, AskedBy::Rule("Decay".to_owned()), "it fired", at, now);
    match &decision {
        Decision::Requested => {
            supersede(&mut transaction, contract, "a rule fired", now).await.unwrap();
        }
        Decision::Vetoed { reason } => {
            retraining.state = State::Vetoed;
            retraining.outcome = Some(reason.clone());
        }
    }
    transaction.insert_retraining(&retraining.to_row(now)).await.unwrap();
    transaction.commit().await.unwrap();
    shared.lock().say(format!("a rule asks: {decision:?}"));
}

async fn person(shared: &Shared) {
    let active = shared.store.active_retraining(shared.model()).await.unwrap();
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let (command, retraining) = {
        let inner = &mut *shared.lock();
        let rng = &mut inner.rng;
        let retrainings = || inner.seen.documents.iter().map(|document| &document.retraining);
        let some = retrainings().choose(rng).map(|it| it.id.clone());
        let failed = retrainings().filter(|it| it.was_stopped_at_gate()).choose(rng).map(|it| it.id.clone());
        let version = versions.iter().map(|row| row.version.clone()).choose(rng);
        let asks = inner.seen.documents.len() < MOST;
        let is_free = active.is_none();
        let mut named = active.map(|row| row.id);
        // Now and then a command is about one that is over.
        if named.is_none() || rng.random_bool(0.1) {
            named = some;
        }
        // Some take the name that a candidate was going to have.
        let name = format!("{}{}", ["ext", ""].choose(rng).unwrap(), rng.random_range(2..6));
        let path = PathBuf::from(rng.random_range(0..2).to_string());
        match rng.random_range(0..16) {
            0..3 => (Command::Approve, named),
            3..5 => (Command::Cancel, named),
            5..7 => (Command::Promote { version: None }, None),
            7 if asks => (Command::Promote { version }, None),
            8..11 if asks => (Command::Rollback { version: None }, None),
            11..13 if failed.is_some() => (Command::Override, failed),
            13 => (Command::Register { path, version: name, champion: rng.random_bool(0.3) }, None),
            _ if asks && (is_free || rng.random_bool(0.2)) => (Command::Retrain { parameters: Map::new() }, None),
            _ => return,
        }
    };
    submit(shared, command, retraining).await;
}

/// Whether the desk took it.
pub async fn submit(shared: &Shared, command: Command, retraining: Option<String>) -> bool {
    let asked = Asked {
        model: shared.model().to_owned(),
        retraining,
        command: command.clone(),
        by: "anna".to_owned(),
        role: "admin".to_owned(),
        reason: "she has her reasons".to_owned(),
    };
    let answer = shared.desk.submit(asked).await;
    let inner = &mut *shared.lock();
    match &answer {
        Ok(accepted) => inner.say(format!("anna: {command:?}: {}", accepted.words)),
        Err(CommandError::Refused(_)) => inner.say(format!("anna: {command:?} is refused")),
        Err(CommandError::Failed(error)) => inner.break_law(format!("{command:?}: {error}")),
    }
    // Who lets a candidate past the gate wants it after all.
    if let (Command::Override, Ok(accepted)) = (&command, &answer) {
        inner.unwanted.retain(|id| Some(id) != accepted.retraining.as_ref());
    }
    if let (Command::Cancel | Command::Rollback { .. }, Ok(accepted)) = (&command, &answer)
        && accepted.state != State::RollingBack.name()
    {
        inner.unwanted.extend(accepted.retraining.clone());
    }
    if let (Command::Register { champion: true, .. }, Ok(_)) = (&command, &answer) {
        // She will set the app right when nothing is under way.
        inner.is_disturbed = true;
    }
    answer.is_ok()
}

/// The app loses its state, or someone sets its traffic by hand.
async fn meddle(shared: &Shared) {
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let inner = &mut *shared.lock();
    let is_forgetful = inner.rng.random_bool(0.5);
    if is_forgetful {
        inner.restart_target(true);
        return;
    }
    let state = inner.target.state().clone();
    let is_good = |version: &&String| {
        let is_it = |row: &VersionRow| row.version == **version && state.loaded.get(*version) == Some(&row.sha256);
        versions.iter().any(|row| is_it(row) && row.validation != "failed")
    };
    let Some(version) = state.loaded.keys().filter(is_good).choose(&mut inner.rng) else { return };
    let traffic = Traffic {
        weights: BTreeMap::from([(version.clone(), 100)]),
        generation: state.traffic.generation + inner.rng.random_range(1..3),
        shadow: None,
    };
    inner.say(format!("someone else sets {traffic:?}"));
    inner.is_disturbed = true;
    inner.is_unseen = true;
    let _ = inner.target.take(&Call::SetTraffic(traffic));
}

/// Someone loads other bytes under a registered version's name, which the target refuses where it serves. Not within a tick, nor
/// while a call is on its way: the target can't tell between the executor's look and its call.
async fn forge(shared: &Shared) {
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let inner = &mut *shared.lock();
    if inner.is_awaited() {
        return;
    }
    let Some(version) = versions.iter().choose(&mut inner.rng).map(|row| row.version.clone()) else { return };
    inner.say(format!("someone else loads other bytes as {version}"));
    let other = Registered { version, sha256: "other".to_owned(), uri: String::new() };
    let _ = inner.target.take(&Call::Load(other));
}

/// Nothing is under way: whoever disturbed the serving app gives all of its traffic back to the champion.
pub async fn tidy(shared: &Shared) {
    if !shared.lock().is_disturbed {
        return;
    }
    let aliases = shared.store.aliases(shared.model()).await.unwrap();
    let Some(champion) = aliases.get(CHAMPION) else { return };
    let row = shared.store.version(shared.model(), champion).await.unwrap().unwrap();
    let inner = &mut *shared.lock();
    inner.say(format!("someone gives all of the traffic to {champion}"));
    let version = Registered { version: row.version, sha256: row.sha256, uri: row.uri };
    // Another artifact may be loaded under its name, by hand.
    let generation = inner.target.state().traffic.generation + 1;
    if inner.target.take(&Call::Load(version)).is_ok()
        && inner.target.take(&Call::SetTraffic(only(champion, generation))).is_ok()
    {
        inner.is_disturbed = false;
        inner.is_unseen = true;
    }
}

/// A deliberate defect: someone takes a registered version's validation back.
pub async fn lose_validation(shared: &Shared) {
    if shared.defect != Some(Defect::LosesValidation) {
        return;
    }
    let versions = shared.store.versions(shared.model()).await.unwrap();
    let Some(row) = versions.iter().find(|row| row.validation == "passed") else { return };
    let mut transaction = shared.store.begin().await.unwrap();
    transaction.set_validation(shared.model(), &row.version, "failed").await.unwrap();
    transaction.commit().await.unwrap();
}
