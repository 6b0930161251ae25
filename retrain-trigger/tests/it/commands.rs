//! Commands: what people may ask for in which state, what they are told, and what is left on record (promises T2, T5, E2).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use contract::model::ApprovalStage;
use contract::{Contract, EventTime, WallTime};
use retrain_trigger::clock::FAULTS;
use retrain_trigger::commands::{
    Accepted, Asked, Command, CommandError, Commands, Desk, Import, Refusal, Subject, apply,
};
use retrain_trigger::driver::Bell;
use retrain_trigger::registry::{CHALLENGER, CHAMPION, PREVIOUS};
use retrain_trigger::retraining::{Approval, AskedBy, Candidate, Kind, Retraining, State, Wish};
use retrain_trigger::world::Imported;
use serde_json::{Map, json};
use store::{CommandRow, Inserted, MAX_PENDING_COMMANDS, RetrainingRow, Store, VersionRow};

use crate::subject;

/// A store and its desk. Version 1 serves; version 0 did before it.
struct Office {
    store: Store,
    desk: Desk,
}

/// Folders are artifacts; `bad` isn't.
struct Folders;

#[async_trait]
impl Import for Folders {
    async fn import(&self, folder: &Path, _version: &str) -> Result<Imported, String> {
        let name = folder.display().to_string();
        if name == "bad" {
            return Err("bad/model.safetensors can't be read".to_owned());
        }
        Ok(Imported { sha256: format!("sha-{name}"), uri: name, baseline: String::new(), lineage: json!({}) })
    }
}

fn contract() -> Contract {
    subject::contract("cool_down: 1d, budget: { runs: 9, per: 30d }")
}

fn now() -> WallTime {
    WallTime::from_micros(0)
}

fn start() -> EventTime {
    EventTime::parse("1970-01-01T00:00:00Z").unwrap()
}

fn version(name: &str, validation: &str) -> VersionRow {
    VersionRow {
        model: "m".to_owned(),
        version: name.to_owned(),
        sha256: format!("sha-{name}"),
        uri: format!("file:///{name}"),
        validation: validation.to_owned(),
        retraining: if validation == "failed" { "r".to_owned() } else { String::new() },
        registered: now(),
        registered_by: "anna".to_owned(),
        lineage: "{}".to_owned(),
        baseline: String::new(),
    }
}

impl Office {
    async fn of(contract: Contract) -> Self {
        let store = Store::in_memory().await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        for name in ["0", "1"] {
            transaction.insert_version(&version(name, "external")).await.unwrap();
        }
        transaction.set_alias("m", CHAMPION, Some("1"), start(), now()).await.unwrap();
        transaction.set_alias("m", PREVIOUS, Some("0"), start(), now()).await.unwrap();
        transaction.commit().await.unwrap();
        let subject = Subject { contract: Arc::new(contract), import: Arc::new(Folders) };
        let desk = Desk::new(store.clone(), vec![subject], Bell::default());
        Self { store, desk }
    }

    async fn open() -> Self {
        Self::of(contract()).await
    }

    /// With retraining `r` in a state; a candidate, version 2, from `registered` on, or where the gate stopped it.
    async fn with(state: State) -> Self {
        let office = Self::open().await;
        office.insert(&retraining("r", state)).await;
        office
    }

    async fn insert(&self, retraining: &Retraining) {
        let mut transaction = self.store.begin().await.unwrap();
        if let Some(candidate) = &retraining.candidate {
            let validation = if retraining.was_stopped_at_gate() { "failed" } else { "passed" };
            transaction.insert_version(&version(&candidate.version, validation)).await.unwrap();
            if retraining.state == State::Registered {
                transaction.set_alias("m", CHALLENGER, Some(&candidate.version), start(), now()).await.unwrap();
            }
        }
        let inserted = transaction.insert_retraining(&retraining.to_row(now())).await.unwrap();
        assert_eq!(inserted, Inserted::New);
        transaction.commit().await.unwrap();
    }

    async fn submit(&self, command: Command, retraining: Option<&str>) -> Result<Accepted, CommandError> {
        let asked = Asked {
            model: "m".to_owned(),
            retraining: retraining.map(str::to_owned),
            command,
            by: "anna".to_owned(),
            role: "admin".to_owned(),
            reason: "she knows why".to_owned(),
        };
        self.desk.submit(asked).await
    }

    /// What anna is told.
    async fn ask(&self, command: Command, retraining: Option<&str>) -> String {
        match self.submit(command, retraining).await {
            Ok(accepted) => format!("{}: {}", accepted.state, accepted.words),
            Err(CommandError::Refused(refusal)) => format!("{}: {refusal}", kind(&refusal)),
            Err(CommandError::Failed(error)) => panic!("{error}"),
        }
    }

    async fn document(&self, id: &str) -> Retraining {
        Retraining::from_row(&self.store.retraining(id).await.unwrap().unwrap()).unwrap()
    }

    async fn rows(&self) -> Vec<RetrainingRow> {
        self.store.retrainings("m", 99).await.unwrap()
    }

    async fn aliases(&self) -> BTreeMap<String, String> {
        self.store.aliases("m").await.unwrap()
    }
}

fn kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown(_) => "unknown",
        Refusal::NotNow(_) => "not now",
        Refusal::Wrong(_) => "wrong",
    }
}

fn retraining(id: &str, state: State) -> Retraining {
    let asked_by = AskedBy::Rule("Decay".to_owned());
    let mut retraining = Retraining::requested(id.to_owned(), "m", asked_by, "rule Decay fired", start(), now());
    retraining.state = state;
    let has_passed = !matches!(state, State::Failed);
    if !matches!(state, State::Requested | State::DataPinned | State::Training | State::Evaluating | State::Vetoed) {
        let phase = if has_passed { "successful" } else { "failed" };
        retraining.gate = Some(
            serde_json::from_value(json!({
                "phase": phase, "reason": "by 0.01", "stable": 0.5, "candidate": 0.49, "difference": null,
                "margin": 0.0, "rows": 100, "blocks": 7, "worse_segments": [],
            }))
            .unwrap(),
        );
        retraining.candidate = Some(Candidate { version: "2".to_owned(), sha256: "sha-2".to_owned() });
        retraining.stable = Some("1".to_owned());
    }
    if state.is_rollout() || matches!(state, State::Promoted | State::RolledBack) {
        retraining.rollout = Some(subject::rollout(start()));
    }
    if state.is_over() {
        retraining.outcome = Some("as it came".to_owned());
    }
    retraining
}

fn retrain() -> Command {
    Command::Retrain { parameters: Map::new() }
}

fn promote(version: Option<&str>) -> Command {
    Command::Promote { version: version.map(str::to_owned) }
}

fn register(path: &str, version: &str, champion: bool) -> Command {
    Command::Register { path: path.into(), version: version.to_owned(), champion }
}

/// What one command is told in each state.
async fn in_every_state(command: Command, retraining: Option<&str>) -> String {
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for state in State::ALL {
        let answer = Office::with(state).await.ask(command.clone(), retraining).await;
        let answer = [" is ", "under way: "].iter().fold(answer, |answer, before| {
            answer.replace(&format!("{before}{}", state.name()), &format!("{before}STATE"))
        });
        let answer =
            answer.strip_prefix(&format!("{}: ", state.name())).map_or(answer.clone(), |it| format!("STATE: {it}"));
        match answers.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, states)) => states.push(state.name()),
            None => answers.push((answer, vec![state.name()])),
        }
    }
    answers.into_iter().fold(String::new(), |mut text, (answer, states)| {
        writeln!(text, "{}\n  -> {answer}", states.join(", ")).unwrap();
        text
    })
}

#[tokio::test]
async fn t5_retrain_in_every_state() {
    insta::assert_snapshot!(in_every_state(retrain(), None).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking, rolling_back
      -> not now: vetoed: retraining r is under way: STATE
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> requested: requested
    ");
}

#[tokio::test]
async fn approve_in_every_state() {
    insta::assert_snapshot!(in_every_state(Command::Approve, Some("r")).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking, rolling_back, promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> not now: retraining r is STATE: it waits for no approval
    ");
}

#[tokio::test]
async fn t2_override_in_every_state() {
    insta::assert_snapshot!(in_every_state(Command::Override, Some("r")).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking, rolling_back, promoted, vetoed, rolled_back, cancelled, superseded
      -> not now: retraining r is STATE: it was not stopped at the gate, so there is nothing to override
    failed
      -> registered: let past the gate, on record
    ");
}

#[tokio::test]
async fn cancel_in_every_state() {
    insta::assert_snapshot!(in_every_state(Command::Cancel, Some("r")).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking
      -> STATE: it is being cancelled
    rolling_back
      -> not now: retraining r is rolling back already
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> not now: retraining r is STATE: there is nothing to cancel
    ");
}

#[tokio::test]
async fn promote_in_every_state() {
    insta::assert_snapshot!(in_every_state(promote(None), None).await, @r"
    requested, data_pinned, training, evaluating, rolling_back
      -> not now: retraining r is STATE: there is no candidate to promote yet
    registered, canary, baking
      -> STATE: it is being promoted without waiting for the events
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> not now: nothing is under way; name the version that is to be promoted
    ");
}

#[tokio::test]
async fn t2_promote_the_candidate_by_its_name_in_every_state() {
    insta::assert_snapshot!(in_every_state(promote(Some("2")), None).await, @r"
    requested, data_pinned, training, evaluating, vetoed
      -> unknown: there is no registered version `2`
    registered, canary, baking
      -> STATE: it is being promoted without waiting for the events
    rolling_back
      -> not now: retraining r is STATE: there is no candidate to promote yet
    promoted, rolled_back, cancelled, superseded
      -> registered: the deployment begins
    failed
      -> not now: version 2 failed at the gate; override retraining r
    ");
}

#[tokio::test]
async fn t2_promote_another_version_in_every_state() {
    insta::assert_snapshot!(in_every_state(promote(Some("0")), None).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking, rolling_back
      -> not now: retraining r is STATE; cancel it first
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> registered: the deployment begins
    ");
}

#[tokio::test]
async fn t4_rollback_in_every_state() {
    insta::assert_snapshot!(in_every_state(Command::Rollback { version: None }, None).await, @r"
    requested, data_pinned, training, evaluating, registered
      -> not now: retraining r is STATE: it has no traffic; cancel it first
    canary, baking
      -> STATE: it is being rolled back
    rolling_back
      -> not now: retraining r is rolling back already
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> rolling_back: going back to version 0
    ");
}

#[tokio::test]
async fn register_in_every_state() {
    insta::assert_snapshot!(in_every_state(register("made-elsewhere", "9", true), None).await, @r"
    requested, data_pinned, training, evaluating, registered, canary, baking, rolling_back
      -> not now: retraining r is STATE: the version that serves can't change under it
    promoted, vetoed, rolled_back, failed, cancelled, superseded
      -> registered: version 9 is registered as the one that serves
    ");
}

/// What a waiting retraining makes of a command, and what a late one finds.
#[test]
fn t1_a_command_that_comes_late_changes_nothing() {
    let contract = subject::contract("cool_down: 1d, approval: [ training, rollout ]");
    let retrain = contract.retrain.unwrap();
    let mut table = String::new();
    for command in ["approve", "cancel", "rollback", "promote", "dance"] {
        let row = CommandRow {
            id: command.to_owned(),
            model: "m".to_owned(),
            retraining: "r".to_owned(),
            command: command.to_owned(),
            body: "{}".to_owned(),
            by: "anna".to_owned(),
            reason: "why not".to_owned(),
            created: now(),
            handled: None,
            outcome: String::new(),
        };
        for state in State::ALL {
            let mut changed = retraining("r", state);
            let outcome = apply(&retrain, &mut changed, &row);
            let has_changed = changed != retraining("r", state);
            assert_eq!(has_changed, matches!(outcome.as_str(), "approved" | "taken"), "{command} in {}", state.name());
            if has_changed {
                writeln!(table, "{command} in {}: {outcome}", state.name()).unwrap();
            }
        }
        let mut other = retraining("another", State::Canary);
        assert!(apply(&retrain, &mut other, &row).starts_with("too late: "), "{command} is about another retraining");
    }
    insta::assert_snapshot!(table, @r"
    approve in requested: approved
    approve in registered: approved
    cancel in requested: taken
    cancel in data_pinned: taken
    cancel in training: taken
    cancel in evaluating: taken
    cancel in registered: taken
    cancel in canary: taken
    cancel in baking: taken
    rollback in canary: taken
    rollback in baking: taken
    promote in registered: taken
    promote in canary: taken
    promote in baking: taken
    ");
}

#[test]
fn a_persons_words_are_kept() {
    let retrain = subject::contract("cool_down: 1d, approval: [ training ]").retrain.unwrap();
    let row = |command: &str| CommandRow {
        id: command.to_owned(),
        model: "m".to_owned(),
        retraining: "r".to_owned(),
        command: command.to_owned(),
        body: "{}".to_owned(),
        by: "anna".to_owned(),
        reason: "she knows why".to_owned(),
        created: now(),
        handled: None,
        outcome: String::new(),
    };
    let word = Approval { by: "anna".to_owned(), reason: "she knows why".to_owned(), at: now() };
    let mut requested = retraining("r", State::Requested);
    assert_eq!(apply(&retrain, &mut requested, &row("approve")), "approved");
    assert_eq!(requested.approvals, BTreeMap::from([(ApprovalStage::Training, word.clone())]));
    assert_eq!(apply(&retrain, &mut requested, &row("approve")), "too late: it is requested");
    let mut canary = retraining("r", State::Canary);
    apply(&retrain, &mut canary, &row("promote"));
    assert_eq!(canary.forced, Some(word));
    apply(&retrain, &mut canary, &row("rollback"));
    assert_eq!(canary.wish, Some(Wish::RollBack));
    assert_eq!(canary.outcome.as_deref(), Some("rolled back by anna: she knows why"));
}

#[tokio::test]
async fn e2_every_command_is_in_the_audit_log_refused_ones_too() {
    let office = Office::with(State::Canary).await;
    for (command, retraining) in [
        (Command::Cancel, Some("r")),
        (Command::Approve, Some("r")),
        (Command::Override, Some("nobody's")),
        (retrain(), None),
        (register("bad", "9", false), None),
        (register("good", "..", false), None),
        (register("good", "9", false), None),
    ] {
        office.ask(command, retraining).await;
    }
    let mut asked = Asked {
        model: "nobody's".to_owned(),
        retraining: None,
        command: Command::Rollback { version: None },
        by: "ben".to_owned(),
        role: "operator".to_owned(),
        reason: String::new(),
    };
    assert!(office.desk.submit(asked.clone()).await.is_err());
    asked.model = "m".to_owned();
    assert!(office.desk.submit(asked).await.is_ok());
    let mut rows = office.store.audit(None, 99).await.unwrap();
    rows.reverse();
    let text = rows.iter().fold(String::new(), |mut text, row| {
        let (who, role, model, subject) = (&row.who, &row.role, &row.model, &row.subject);
        writeln!(text, "{who} ({role}) {} {model} {subject}: {}", row.command, row.outcome).unwrap();
        text
    });
    insta::assert_snapshot!(text, @r"
    anna (admin) cancel m r: accepted: it is being cancelled
    anna (admin) approve m r: refused: retraining r is canary: it waits for no approval
    anna (admin) override m nobody's: refused: there is no retraining `nobody's`
    anna (admin) retrain m : refused: vetoed: retraining r is under way: canary
    anna (admin) register m version 9 from bad: refused: bad/model.safetensors can't be read
    anna (admin) register m version .. from good: refused: a version is named by letters, digits, `_`, `-` and `.`, 64 at most
    anna (admin) register m version 9 from good: accepted: version 9 is registered
    ben (operator) rollback nobody's : refused: there is no model `nobody's`
    ben (operator) rollback m : accepted: it is being rolled back
    ");
    assert!(rows.iter().all(|row| row.who == "ben" || row.reason == "she knows why"));
}

#[tokio::test]
async fn t5_a_refused_request_is_kept_as_vetoed() {
    let office = Office::open().await;
    let mut transaction = office.store.begin().await.unwrap();
    transaction.put_progress("m", FAULTS, r#"["unit_change of temp"]"#).await.unwrap();
    transaction.commit().await.unwrap();
    let words = "vetoed: a fault of the pipeline stands: unit_change of temp";
    assert_eq!(office.ask(retrain(), None).await, format!("not now: {words}"));
    let rows = office.rows().await;
    assert_eq!(rows.len(), 1);
    let reason = words.strip_prefix("vetoed: ").unwrap();
    assert_eq!((rows[0].state.as_str(), rows[0].reason.as_str(), rows[0].is_active), ("vetoed", reason, false));
}

#[tokio::test]
async fn t5_a_person_may_ask_within_the_cool_down_and_not_beyond_the_budget() {
    let office = Office::of(subject::contract("cool_down: 14d, budget: { runs: 2, per: 30d }")).await;
    office.insert(&retraining("r", State::Promoted)).await;
    assert_eq!(office.ask(retrain(), None).await, "requested: requested");
    let active = office.store.active_retraining("m").await.unwrap().unwrap();
    let mut ended = Retraining::from_row(&active).unwrap();
    ended.state = State::Cancelled;
    let mut transaction = office.store.begin().await.unwrap();
    transaction.update_retraining(&ended.to_row(now())).await.unwrap();
    transaction.commit().await.unwrap();
    // What was cancelled before it began has cost nothing.
    assert_eq!(office.ask(retrain(), None).await, "requested: requested");
    let active = office.store.active_retraining("m").await.unwrap().unwrap();
    let mut ended = Retraining::from_row(&active).unwrap();
    ended.state = State::Cancelled;
    let mut transaction = office.store.begin().await.unwrap();
    transaction.begin_effect(&ended.id, "pin", "{}", now()).await.unwrap();
    transaction.update_retraining(&ended.to_row(now())).await.unwrap();
    transaction.commit().await.unwrap();
    let words = "not now: vetoed: the budget of 2 retrainings in 30d is used up";
    assert_eq!(office.ask(retrain(), None).await, words);
}

#[tokio::test]
async fn t5_what_waits_for_a_person_gives_way_to_a_newer_request() {
    for (state, stage) in [(State::Requested, "training"), (State::Registered, "rollout")] {
        let policy = format!("cool_down: 1d, approval: [ {stage} ]");
        let office = Office::of(subject::contract(&policy)).await;
        office.insert(&retraining("r", state)).await;
        assert_eq!(office.ask(retrain(), None).await, "requested: requested");
        let old = office.document("r").await;
        assert_eq!((old.state, old.outcome.as_deref()), (State::Superseded, Some("anna asked for another")));
        assert_eq!(office.aliases().await.get(CHALLENGER), None, "{stage}");
        assert_eq!(office.rows().await.iter().filter(|row| row.is_active).count(), 1);
    }
}

#[tokio::test]
async fn t5_a_request_that_is_vetoed_takes_nobodys_place() {
    let office = Office::of(subject::contract("cool_down: 1d, approval: [ training ]")).await;
    office.insert(&retraining("r", State::Requested)).await;
    let mut transaction = office.store.begin().await.unwrap();
    transaction.put_progress("m", FAULTS, r#"["unit_change of temp"]"#).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(office.submit(retrain(), None).await.is_err());
    assert_eq!(office.document("r").await.state, State::Requested);
}

#[tokio::test]
async fn t2_an_override_revives_what_the_gate_stopped_on_record() {
    let office = Office::with(State::Failed).await;
    let mut transaction = office.store.begin().await.unwrap();
    // Since then, another version has come to serve.
    transaction.set_alias("m", CHAMPION, Some("0"), start(), now()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(office.ask(Command::Override, Some("r")).await, "registered: let past the gate, on record");
    let revived = office.document("r").await;
    assert_eq!((revived.state, revived.outcome.as_deref()), (State::Registered, None));
    assert_eq!(revived.stable.as_deref(), Some("0"));
    let word = revived.overridden.unwrap();
    assert_eq!((word.by.as_str(), word.reason.as_str()), ("anna", "she knows why"));
    assert_eq!(office.store.version("m", "2").await.unwrap().unwrap().validation, "overridden");
    assert_eq!(office.aliases().await[CHALLENGER], "2");
    let words = "not now: retraining r is registered: it was not stopped at the gate, so there is nothing to override";
    assert_eq!(office.ask(Command::Override, Some("r")).await, words);
}

#[tokio::test]
async fn t2_an_override_takes_the_place_of_what_waits_and_of_nothing_else() {
    for (state, is_taken) in [(State::Requested, true), (State::Training, false)] {
        let office = Office::of(subject::contract("cool_down: 1d, approval: [ training ]")).await;
        office.insert(&retraining("r", State::Failed)).await;
        office.insert(&retraining("newer", state)).await;
        let answer = office.ask(Command::Override, Some("r")).await;
        let newer = office.document("newer").await.state;
        if is_taken {
            assert_eq!((answer.as_str(), newer), ("registered: let past the gate, on record", State::Superseded));
        } else {
            assert_eq!((answer.as_str(), newer), ("not now: retraining newer is training; cancel it first", state));
            assert_eq!(office.store.version("m", "2").await.unwrap().unwrap().validation, "failed");
        }
    }
}

#[tokio::test]
async fn t2_what_failed_without_a_candidate_cannot_be_let_past() {
    let office = Office::open().await;
    let mut failed = retraining("r", State::Failed);
    (failed.candidate, failed.gate) = (None, None);
    office.insert(&failed).await;
    let words = "not now: retraining r is failed: it was not stopped at the gate, so there is nothing to override";
    assert_eq!(office.ask(Command::Override, Some("r")).await, words);
}

#[tokio::test]
async fn t2_a_version_that_failed_is_neither_deployed_nor_registered_anew() {
    let office = Office::with(State::Failed).await;
    let words = "not now: version 2 failed at the gate; override retraining r";
    assert_eq!(office.ask(promote(Some("2")), None).await, words);
    // The very bytes that failed, brought from outside.
    let words = "not now: this is version 2, which failed at the gate; override retraining r";
    for name in ["2", "innocent"] {
        assert_eq!(office.ask(register("2", name, true), None).await, words);
    }
    assert_eq!(office.aliases().await[CHAMPION], "1");
}

#[tokio::test]
async fn t2_a_registered_version_is_deployed_by_a_retraining_of_its_own() {
    let office = Office::open().await;
    assert_eq!(office.ask(promote(Some("7")), None).await, "unknown: there is no registered version `7`");
    assert_eq!(office.ask(promote(Some("0")), None).await, "registered: the deployment begins");
    let row = office.store.active_retraining("m").await.unwrap().unwrap();
    let deployment = Retraining::from_row(&row).unwrap();
    assert_eq!((deployment.kind, deployment.state), (Kind::Deployment, State::Registered));
    assert_eq!(deployment.candidate.unwrap(), Candidate { version: "0".to_owned(), sha256: "sha-0".to_owned() });
    assert_eq!(deployment.stable.as_deref(), Some("1"));
    assert!(deployment.forced.is_some());
}

#[tokio::test]
async fn t4_the_champion_is_deployed_again_where_the_app_has_lost_it() {
    let office = Office::open().await;
    assert_eq!(office.ask(promote(Some("1")), None).await, "registered: the deployment begins");
    let row = office.store.active_retraining("m").await.unwrap().unwrap();
    let deployment = Retraining::from_row(&row).unwrap();
    assert_eq!((deployment.candidate.unwrap().version.as_str(), deployment.stable), ("1", None));
}

#[tokio::test]
async fn t4_what_was_rolled_back_is_deployed_by_an_admin_alone() {
    let office = Office::with(State::RolledBack).await;
    let asked = |role: &str| Asked {
        model: "m".to_owned(),
        retraining: None,
        command: promote(Some("2")),
        by: "anna".to_owned(),
        role: role.to_owned(),
        reason: "she knows why".to_owned(),
    };
    let refusal = office.desk.submit(asked("operator")).await.unwrap_err().to_string();
    assert_eq!(refusal, "version 2 was rolled back (r: as it came); an admin may deploy it");
    assert_eq!(office.desk.submit(asked("admin")).await.unwrap().words, "the deployment begins");
}

#[tokio::test]
async fn t1_the_name_that_a_candidate_is_going_to_have_is_taken() {
    let office = Office::open().await;
    let mut training = retraining("r", State::Training);
    training.version = Some("2".to_owned());
    office.insert(&training).await;
    let words = "not now: version 2 is what retraining r is making; take another name";
    assert_eq!(office.ask(register("x", "2", false), None).await, words);
    assert_eq!(office.ask(register("x", "x", false), None).await, "registered: version x is registered");
}

#[tokio::test]
async fn t4_a_rollback_without_a_rollout_leads_to_the_previous_version() {
    let office = Office::open().await;
    assert_eq!(office.ask(Command::Rollback { version: None }, None).await, "rolling_back: going back to version 0");
    let row = office.store.active_retraining("m").await.unwrap().unwrap();
    let back = Retraining::from_row(&row).unwrap();
    assert_eq!((back.kind, back.state), (Kind::Return, State::RollingBack));
    assert_eq!((back.candidate.unwrap().version.as_str(), back.stable.as_deref()), ("1", Some("0")));
    assert_eq!(back.outcome.as_deref(), Some("anna went back to version 0: she knows why"));

    let named = Office::open().await;
    let rollback = |version: &str| Command::Rollback { version: Some(version.to_owned()) };
    let words = "not now: version 2 doesn't serve, so there is nothing to go back from";
    assert_eq!(named.ask(rollback("2"), None).await, words);
    assert_eq!(named.ask(rollback("1"), None).await, "rolling_back: going back to version 0");
    let canary = Office::with(State::Canary).await;
    let words = "not now: version 1 doesn't serve, so there is nothing to go back from";
    assert_eq!(canary.ask(rollback("1"), None).await, words);
    assert_eq!(canary.ask(rollback("2"), None).await, "canary: it is being rolled back");

    let alone = Office::open().await;
    let mut transaction = alone.store.begin().await.unwrap();
    transaction.set_alias("m", PREVIOUS, None, start(), now()).await.unwrap();
    transaction.commit().await.unwrap();
    let words = "not now: there is no previous version to go back to";
    assert_eq!(alone.ask(Command::Rollback { version: None }, None).await, words);
}

#[tokio::test]
async fn t2_what_is_registered_is_never_replaced() {
    let office = Office::open().await;
    assert_eq!(office.ask(register("a", "9", false), None).await, "registered: version 9 is registered");
    assert_eq!(office.ask(register("a", "9", false), None).await, "registered: version 9 is registered");
    let words = "not now: version 9 is registered already, with another artifact";
    assert_eq!(office.ask(register("b", "9", false), None).await, words);
    let serves = "registered: version 9 is registered as the one that serves";
    assert_eq!(office.ask(register("a", "9", true), None).await, serves);
    let aliases = office.aliases().await;
    assert_eq!((aliases[CHAMPION].as_str(), aliases[PREVIOUS].as_str()), ("9", "1"));
    let row = office.store.version("m", "9").await.unwrap().unwrap();
    assert_eq!((row.sha256.as_str(), row.validation.as_str()), ("sha-a", "external"));
    let words = "wrong: a version is named by letters, digits, `_`, `-` and `.`, 64 at most";
    assert_eq!(office.ask(register("a", "../9", false), None).await, words);
    assert_eq!(office.ask(register("bad", "10", false), None).await, "wrong: bad/model.safetensors can't be read");
}

#[tokio::test]
async fn what_the_contract_leaves_out_cannot_be_asked_for() {
    let bare = Office::of(subject::contract_of("  policy: { cool_down: 1d }\n")).await;
    let words = "wrong: the contract has no `retrain.executor`, so nothing here could train";
    assert_eq!(bare.ask(retrain(), None).await, words);
    let words = "wrong: the contract has no `retrain.target`: whoever serves the model has to roll back";
    assert_eq!(bare.ask(Command::Rollback { version: None }, None).await, words);
    assert_eq!(bare.rows().await.len(), 0, "a wrong command leaves no retraining");
    let mut contract = contract();
    contract.retrain = None;
    let none = Office::of(contract).await;
    none.insert(&retraining("r", State::Failed)).await;
    for (command, retraining) in [
        (retrain(), None),
        (Command::Override, Some("r")),
        (promote(Some("0")), None),
        (Command::Rollback { version: None }, None),
    ] {
        assert_eq!(none.ask(command, retraining).await, "wrong: the contract has no `retrain` section");
    }
    assert_eq!(none.ask(Command::Cancel, Some("s")).await, "unknown: there is no retraining `s`");
}

#[tokio::test]
async fn e3_commands_that_wait_are_bounded_and_the_next_one_is_told_so() {
    let office = Office::with(State::Training).await;
    for _ in 0..MAX_PENDING_COMMANDS {
        assert_eq!(office.ask(Command::Cancel, Some("r")).await, "training: it is being cancelled");
    }
    let words = "not now: too many commands wait to be carried out; try again later";
    assert_eq!(office.ask(Command::Cancel, Some("r")).await, words);
    let pending = office.store.pending_commands("m").await.unwrap();
    assert_eq!(pending.len(), MAX_PENDING_COMMANDS as usize);
}
