//! A situation of the planner with a good case to start from, and its step in words.

#![expect(clippy::unnecessary_wraps, reason = "what isn't looked at in a situation is None, and these are looked at")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use contract::model::{ApprovalStage, Retrain};
use contract::time::micros;
use contract::{EventTime, WallTime};
use detectors::canary::{Phase, Verdict};
use retrain_trigger::plan::{Situation, Step, plan};
use retrain_trigger::retraining::{Analysis, Approval, AskedBy, Candidate, Retraining, Rollout, State};
use retrain_trigger::world::{Outcome, Registered, Run, TargetState, Traffic, Trouble};

use crate::subject;

/// What a plan depends on, with a good case to start from.
pub struct Case {
    pub retrain: Retrain,
    pub retraining: Retraining,
    pub now: EventTime,
    pub fault: Option<String>,
    pub run: Option<Outcome<Run>>,
    pub target: Option<Outcome<TargetState>>,
    pub analysis: Option<Outcome<Analysis>>,
    pub stable: Option<Registered>,
    pub candidate: Option<Registered>,
    pub previous: Option<String>,
}

pub type Change = fn(&mut Case);

/// The clock on the wall, in micros.
const HOUR: i64 = 3_600_000_000;

pub fn start() -> EventTime {
    EventTime::parse("2013-06-20T00:00:00Z").unwrap()
}

pub fn registered(version: &str) -> Registered {
    Registered { version: version.to_owned(), sha256: format!("sha-{version}"), uri: format!("file:///{version}") }
}

pub fn word() -> Approval {
    Approval { by: "anna".to_owned(), reason: "it is good".to_owned(), at: WallTime::from_micros(0) }
}

pub fn traffic(weights: &[(&str, u32)], generation: u64, shadow: Option<&str>) -> Traffic {
    let weights = weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight)).collect();
    Traffic { weights, generation, shadow: shadow.map(str::to_owned) }
}

pub fn serving(loaded: &[&str], traffic: Traffic) -> Option<Outcome<TargetState>> {
    let loaded = loaded.iter().map(|version| ((*version).to_owned(), format!("sha-{version}"))).collect();
    Some(Ok(TargetState { loaded, traffic }))
}

pub fn passing<T>() -> Option<Outcome<T>> {
    Some(Err(Trouble::Passing("no answer".to_owned())))
}

pub fn lasting<T>() -> Option<Outcome<T>> {
    Some(Err(Trouble::Lasting("401".to_owned())))
}

pub fn says(phase: Phase, reason: &str) -> Option<Outcome<Analysis>> {
    Some(Ok(Analysis {
        phase,
        reason: reason.to_owned(),
        until: start(),
        performance: None,
        shadow: None,
        operations: None,
        scores: None,
    }))
}

/// The same from a comparison with the shadow.
pub fn compares(phase: Phase, reason: &str) -> Option<Outcome<Analysis>> {
    let verdict = Verdict {
        phase,
        reason: reason.to_owned(),
        gross: None,
        blocked: None,
        blocks: 9,
        labelled_stable: 900,
        labelled_candidate: 900,
    };
    says(phase, reason).map(|said| said.map(|analysis| Analysis { shadow: Some(verdict), ..analysis }))
}

impl Case {
    pub fn new(state: State) -> Self {
        let contract = subject::contract("cool_down: 1d");
        let asked_by = AskedBy::Rule("Decay".to_owned());
        let created = WallTime::from_micros(0);
        let mut retraining = Retraining::requested("r".to_owned(), "m", asked_by, "rule Decay fired", start(), created);
        retraining.state = state;
        Self {
            retrain: contract.retrain.unwrap(),
            retraining,
            now: start() + Duration::from_hours(24),
            fault: None,
            run: None,
            target: None,
            analysis: None,
            stable: None,
            candidate: None,
            previous: None,
        }
    }

    /// Version 2 is registered, version 1 serves.
    pub fn registered() -> Self {
        let mut case = Self::new(State::Registered);
        case.retraining.gate = Some(serde_json::from_value(gate("successful")).unwrap());
        case.retraining.candidate = Some(Candidate { version: "2".to_owned(), sha256: "sha-2".to_owned() });
        case.retraining.stable = Some("1".to_owned());
        case.stable = Some(registered("1"));
        case.candidate = Some(registered("2"));
        case.target = serving(&["1", "2"], traffic(&[("1", 100)], 3, None));
        case
    }

    /// Version 2 has 10 % of the traffic, and the target says so.
    pub fn canary() -> Self {
        let mut case = Self::registered();
        case.retraining.state = State::Canary;
        case.retraining.rollout = Some(subject::rollout(start()));
        case.target = serving(&["1", "2"], traffic(&[("1", 90), ("2", 10)], 4, None));
        case.analysis = says(Phase::Successful, "it is no worse");
        case
    }

    /// Version 2 has all of the traffic, and version 1 scores in the shadow.
    pub fn baking() -> Self {
        let mut case = Self::canary();
        case.retraining.state = State::Baking;
        let rollout = case.rollout();
        (rollout.step, rollout.weight, rollout.generation, rollout.is_guarded) = (2, 100, 6, true);
        case.target = serving(&["1", "2"], traffic(&[("2", 100)], 6, Some("1")));
        case.analysis = compares(Phase::Successful, "it is better");
        case
    }

    /// On the way back from 10 %; the target doesn't know yet.
    pub fn rolling_back() -> Self {
        let mut case = Self::canary();
        case.retraining.state = State::RollingBack;
        case.retraining.rolling_back_to_end = Some(State::RolledBack);
        case.retraining.outcome = Some("it does harm".to_owned());
        case.rollout().generation = 5;
        case
    }

    /// Nothing has answered so often, for as long as patience lasts.
    pub fn fail(&mut self, times: u32) {
        let since = WallTime::from_micros(HOUR - micros(self.retrain.rollout.patience));
        (self.rollout().errors, self.rollout().failing_since) = (times, Some(since));
    }

    pub fn rollout(&mut self) -> &mut Rollout {
        self.retraining.rollout.as_mut().unwrap()
    }

    pub fn step(&self) -> Step {
        plan(&Situation {
            retrain: &self.retrain,
            retraining: &self.retraining,
            now: self.now,
            wall: WallTime::from_micros(HOUR),
            fault: self.fault.clone(),
            run: self.run.clone(),
            target: self.target.clone(),
            analysis: self.analysis.clone(),
            stable: self.stable.clone(),
            candidate: self.candidate.clone(),
            previous: self.previous.clone(),
        })
    }

    pub fn without_stable(&mut self) {
        self.retraining.stable = None;
        self.stable = None;
    }

    pub fn asks_for(&mut self, stage: ApprovalStage) {
        self.retrain.policy.approval = vec![stage];
    }
}

pub fn gate(phase: &str) -> serde_json::Value {
    serde_json::json!({
        "phase": phase, "reason": "by 0.01", "stable": 0.5, "candidate": 0.49, "difference": null, "margin": 0.0,
        "rows": 100, "blocks": 7, "worse_segments": [],
    })
}

pub fn split(traffic: &Traffic) -> String {
    let weights: BTreeMap<_, _> = traffic.weights.iter().collect();
    let shadow = traffic.shadow.as_ref().map_or(String::new(), |shadow| format!(", {shadow} in the shadow"));
    format!("{weights:?}, generation {}{shadow}", traffic.generation)
}

pub fn words(step: &Step) -> String {
    let rest = match step {
        Step::Pin | Step::StopTraining | Step::Evaluate => String::new(),
        Step::Wait { why } | Step::Promote { why } => why.clone(),
        Step::Train { attempt } => format!("attempt {attempt}"),
        Step::Load(version) => format!("version {} {}", version.version, version.sha256),
        Step::Unload { version } => format!("version {version}"),
        Step::SetTraffic(traffic) => split(traffic),
        Step::Move { state } => state.name().to_owned(),
        Step::Shift { state, rollout } => format!(
            "{} at step {}, {} %, generation {}, since {}{}",
            state.name(),
            rollout.step,
            rollout.weight,
            rollout.generation,
            rollout.since,
            if rollout.is_guarded { ", guarded" } else { "" }
        ),
        Step::RollBack { end, why, generation } => format!("to {}, generation {generation}: {why}", end.name()),
        Step::Finish { state, why } => format!("{}: {why}", state.name()),
    };
    format!("{} {rest}", step.name()).trim_end().to_owned()
}

pub fn table(base: fn() -> Case, rows: &[(&str, Change)]) -> String {
    let mut table = String::new();
    for (situation, change) in rows {
        let mut case = base();
        change(&mut case);
        writeln!(table, "{situation}\n  -> {}", words(&case.step())).unwrap();
    }
    table
}
