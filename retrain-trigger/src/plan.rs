//! The planner: from what is observed to the next step. Pure: the same situation has the same plan (promise T1).
//!
//! Each state has one function. A step that was recorded and not finished is planned again from what the target says, so a
//! crash between any two effects repeats a call and nothing else. Traffic is never moved by counting steps: the wanted
//! [`Traffic`] follows from the document, and is set while the target says something else.

use contract::model::{ApprovalStage, Retrain};
use contract::time::format_duration;
use contract::{EventTime, WallTime};
use detectors::canary::Phase;

use crate::retraining::{Analysis, CONSECUTIVE_ERROR_LIMIT, Candidate, Retraining, Rollout, State, Wish};
use crate::world::{Outcome, Registered, Run, TargetState, Traffic, Trouble};

/// All that a plan depends on. What a state doesn't look at is None.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    pub retrain: &'a Retrain,
    pub retraining: &'a Retraining,
    /// The model's clock.
    pub now: EventTime,
    /// The clock on the wall, for patience with what doesn't answer.
    pub wall: WallTime,
    /// Why no retraining may go on, while a fault of the pipeline stands.
    pub fault: Option<String>,
    pub run: Option<Outcome<Run>>,
    pub target: Option<Outcome<TargetState>>,
    pub analysis: Option<Outcome<Analysis>>,
    /// The registry's own copy of the versions that the retraining is about.
    pub stable: Option<Registered>,
    pub candidate: Option<Registered>,
    /// The version before the stable one: it stays loaded, so that a person can go back at once.
    pub previous: Option<String>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Step {
    /// Nothing, until something changes.
    Wait {
        why: String,
    },
    Pin,
    Train {
        attempt: u32,
    },
    StopTraining,
    Evaluate,
    Load(Registered),
    Unload {
        version: String,
    },
    SetTraffic(Traffic),
    /// Record that the next part begins.
    Move {
        state: State,
    },
    /// Record the next share of traffic; setting it is the step after.
    Shift {
        state: State,
        rollout: Rollout,
    },
    /// Record that the way back begins, where it ends, and why.
    RollBack {
        end: State,
        why: String,
        generation: u64,
    },
    /// The candidate becomes the champion.
    Promote {
        why: String,
    },
    Finish {
        state: State,
        why: String,
    },
}

impl Step {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Wait { .. } => "wait",
            Self::Pin => "pin",
            Self::Train { .. } => "train",
            Self::StopTraining => "stop_training",
            Self::Evaluate => "evaluate",
            Self::Load(_) => "load",
            Self::Unload { .. } => "unload",
            Self::SetTraffic(_) => "set_traffic",
            Self::Move { .. } => "move",
            Self::Shift { .. } => "shift",
            Self::RollBack { .. } => "roll_back",
            Self::Promote { .. } => "promote",
            Self::Finish { .. } => "finish",
        }
    }
}

fn wait(why: impl Into<String>) -> Step {
    Step::Wait { why: why.into() }
}

/// What a person said, where a person began this.
fn asked(situation: &Situation<'_>, otherwise: &str) -> String {
    situation.retraining.outcome.clone().unwrap_or_else(|| otherwise.to_owned())
}

fn finish(state: State, why: impl Into<String>) -> Step {
    Step::Finish { state, why: why.into() }
}

/// The next step of a retraining that isn't over.
pub fn plan(situation: &Situation<'_>) -> Step {
    match situation.retraining.state {
        State::Requested => requested(situation),
        State::DataPinned | State::Training => training(situation),
        State::Evaluating => evaluating(situation),
        State::Registered => registered(situation),
        State::Canary | State::Baking => rollout(situation),
        State::RollingBack => rolling_back(situation),
        State::Promoted | State::Vetoed | State::RolledBack | State::Failed | State::Cancelled | State::Superseded => {
            wait("it is over")
        }
    }
}

fn is_approved(situation: &Situation<'_>, stage: ApprovalStage) -> bool {
    let retraining = situation.retraining;
    let is_let_past = retraining.overridden.is_some() || retraining.forced.is_some();
    (stage == ApprovalStage::Rollout && is_let_past)
        || retraining.approvals.contains_key(&stage)
        || !situation.retrain.policy.approval.contains(&stage)
}

fn requested(situation: &Situation<'_>) -> Step {
    if situation.retraining.wish == Some(Wish::Cancel) {
        return finish(State::Cancelled, asked(situation, "cancelled before it began"));
    }
    if let Some(fault) = &situation.fault {
        return finish(State::Vetoed, fault);
    }
    if situation.retrain.executor.is_none() {
        return wait("someone who carries it out: the contract has no `retrain.executor`");
    }
    if let Some(why) = stranger(situation) {
        return finish(State::Failed, why);
    }
    if !is_approved(situation, ApprovalStage::Training) {
        return wait("approval of the training");
    }
    Step::Pin
}

/// Something serves that isn't registered: a candidate can't be compared with it, and there would be no way back.
fn stranger(situation: &Situation<'_>) -> Option<String> {
    let Some(Ok(target)) = &situation.target else { return None };
    let candidate = situation.candidate.as_ref();
    let is_candidate = |version: &String| {
        candidate.is_some_and(|it| it.version == *version && target.loaded.get(version) == Some(&it.sha256))
    };
    let mut serving = target.traffic.weights.iter().filter(|(_, weight)| **weight > 0).map(|(version, _)| version);
    let version = serving.find(|version| !is_candidate(version)).filter(|_| situation.retraining.stable.is_none())?;
    let model = &situation.retraining.model;
    Some(format!(
        "version {version} serves and isn't registered, so there is nothing to compare with and no way back: bellwether \
         register --model {model} --version {version} --champion, then ask again"
    ))
}

fn training(situation: &Situation<'_>) -> Step {
    let is_cancelled = situation.retraining.wish == Some(Wish::Cancel);
    let attempts = situation.retraining.attempts;
    let most = situation.retrain.executor.as_ref().map_or(1, |executor| executor.attempts);
    let again = |why: String| {
        if attempts < most {
            Step::Train { attempt: attempts + 1 }
        } else {
            finish(State::Failed, format!("{why}; the trainer was started {attempts} times"))
        }
    };
    let run = match &situation.run {
        None => return wait("a look at the trainer"),
        Some(Err(Trouble::Passing(why))) => return wait(format!("the trainer: {why}")),
        Some(Err(Trouble::Lasting(why))) => return finish(State::Failed, why),
        Some(Ok(run)) => run,
    };
    match run {
        Run::Going(_) if is_cancelled => Step::StopTraining,
        _ if is_cancelled => finish(State::Cancelled, asked(situation, "cancelled while it trained")),
        Run::Going(_) => wait("the trainer"),
        Run::Done => Step::Move { state: State::Evaluating },
        Run::Broken { why, is_final: true } => finish(State::Failed, why),
        Run::Broken { why, is_final: false } => again(why.clone()),
        Run::Absent if attempts == 0 => Step::Train { attempt: 1 },
        // What didn't start is no attempt.
        Run::Absent if situation.retraining.start_trouble.is_some() => Step::Train { attempt: attempts },
        Run::Absent => again("the trainer is gone without a word".to_owned()),
    }
}

fn evaluating(situation: &Situation<'_>) -> Step {
    match situation.retraining.wish {
        Some(Wish::Cancel) => finish(State::Cancelled, asked(situation, "cancelled before it was evaluated")),
        _ => Step::Evaluate,
    }
}

/// The candidate is in the registry. What stands between it and its first traffic?
fn registered(situation: &Situation<'_>) -> Step {
    let retraining = situation.retraining;
    if !retraining.is_validated() {
        return finish(State::Failed, "the candidate is not validated");
    }
    if situation.retraining.wish == Some(Wish::Cancel) {
        return finish(State::Cancelled, asked(situation, "cancelled before the candidate had traffic"));
    }
    if situation.retrain.target.is_none() {
        return match &retraining.forced {
            Some(approval) => Step::Promote { why: format!("{} deployed it: {}", approval.by, approval.reason) },
            None => wait("a person who deploys and promotes it: the contract has no `retrain.target`"),
        };
    }
    if let Some(fault) = &situation.fault {
        return wait(fault);
    }
    if !is_approved(situation, ApprovalStage::Rollout) {
        return wait("approval of the rollout");
    }
    let Some(candidate) = &situation.candidate else {
        return finish(State::Failed, "the candidate is not in the registry");
    };
    if retraining.stable.is_some() && situation.stable.is_none() {
        return finish(State::Failed, "the version that serves is not in the registry; register it first");
    }
    let target = match seen_target(situation) {
        Ok(target) => target,
        Err(step) => return *step,
    };
    // A person who deploys a version knows what serves.
    if let Some(why) = stranger(situation).filter(|_| retraining.forced.is_none()) {
        return finish(State::Failed, why);
    }
    if let Some(step) = loaded(situation, target) {
        return step;
    }
    let is_needed = |version: &str| {
        version == candidate.version
            || Some(version) == retraining.stable.as_deref()
            || Some(version) == situation.previous.as_deref()
            || target.traffic.weights.get(version).is_some_and(|weight| *weight > 0)
            || target.traffic.shadow.as_deref() == Some(version)
    };
    if let Some(version) = target.loaded.keys().find(|version| !is_needed(version)) {
        return Step::Unload { version: version.clone() };
    }
    let is_direct = retraining.stable.is_none() || retraining.forced.is_some();
    let weight = if is_direct { 100 } else { share(situation, 0) };
    shift(situation, 0, weight, target.traffic.generation.saturating_add(1))
}

/// What the target says, or what its silence means.
fn seen_target<'a>(situation: &'a Situation<'_>) -> Result<&'a TargetState, Box<Step>> {
    let why = match &situation.target {
        Some(Ok(target)) => return Ok(target),
        Some(Err(trouble)) => format!("the serving target: {trouble}"),
        None => "the serving target: the contract has no `retrain.target` any more".to_owned(),
    };
    Err(Box::new(wait(why)))
}

/// Both versions must be loaded, byte for byte as the registry has them (promise T2).
fn loaded(situation: &Situation<'_>, target: &TargetState) -> Option<Step> {
    let versions = [&situation.stable, &situation.candidate];
    let is_loaded = |version: &&Registered| target.loaded.get(&version.version) == Some(&version.sha256);
    let missing = versions.into_iter().flatten().find(|version| !is_loaded(version));
    missing.map(|version| Step::Load(version.clone()))
}

/// Per cent of a step; a plan has one at least.
fn share(situation: &Situation<'_>, step: usize) -> u32 {
    situation.retrain.rollout.steps.get(step).copied().unwrap_or(100)
}

fn shift(situation: &Situation<'_>, step: usize, weight: u32, generation: u64) -> Step {
    let state = if weight == 100 { State::Baking } else { State::Canary };
    let is_guarded = weight == 100 && situation.retraining.forced.is_none();
    Step::Shift {
        state,
        rollout: Rollout {
            step,
            weight,
            generation,
            is_guarded,
            since: situation.now,
            errors: 0,
            failing_since: None,
            analysis: None,
        },
    }
}

/// The traffic that a document means.
pub fn wanted(retraining: &Retraining) -> Option<Traffic> {
    let rollout = retraining.rollout.as_ref()?;
    let candidate = retraining.candidate.as_ref()?;
    let mut traffic = Traffic { generation: rollout.generation, ..Traffic::default() };
    match (&retraining.stable, retraining.state) {
        (Some(stable), State::RollingBack | State::RolledBack | State::Cancelled) => {
            traffic.weights.insert(stable.clone(), 100);
        }
        (Some(stable), _) if rollout.weight < 100 => {
            traffic.weights.insert(stable.clone(), 100 - rollout.weight);
            traffic.weights.insert(candidate.version.clone(), rollout.weight);
        }
        (stable, _) => {
            traffic.weights.insert(candidate.version.clone(), 100);
            // While the candidate bakes, the version before it keeps scoring: a storm must not bring a worse model back.
            traffic.shadow = stable.clone().filter(|_| rollout.is_guarded);
        }
    }
    Some(traffic)
}

/// What serves what; versions without weight say nothing.
fn same_split(one: &Traffic, other: &Traffic) -> bool {
    let weights = |traffic: &Traffic| -> Vec<(String, u32)> {
        traffic.weights.iter().filter(|(_, weight)| **weight > 0).map(|(v, w)| (v.clone(), *w)).collect()
    };
    weights(one) == weights(other) && one.shadow == other.shadow
}

fn roll_back(end: State, why: impl Into<String>, generation: u64) -> Step {
    Step::RollBack { end, why: why.into(), generation }
}

/// The candidate has traffic.
fn rollout(situation: &Situation<'_>) -> Step {
    let retraining = situation.retraining;
    let Some(rollout) = &retraining.rollout else { return finish(State::Failed, "the rollout has no record") };
    let back = |end, why: &str| roll_back(end, why, rollout.generation + 1);
    match retraining.wish {
        Some(Wish::RollBack) => return back(State::RolledBack, &asked(situation, "a person rolled it back")),
        Some(Wish::Cancel) => return back(State::Cancelled, &asked(situation, "cancelled during the rollout")),
        None => {}
    }
    // The last observations failed, and the limit of patience is in the record. Without a version to go back to there is
    // nothing but patience.
    let patience = situation.retrain.rollout.patience;
    if rollout.is_out_of_reach(situation.wall, patience) && retraining.stable.is_some() {
        let why = format!(
            "Error: {} observations failed, one after the other, for {} at least",
            rollout.errors,
            format_duration(patience)
        );
        return back(State::RolledBack, &why);
    }
    let target = match seen_target(situation) {
        Ok(target) => target,
        Err(step) => return *step,
    };
    // Harm comes first: no more traffic is set for a candidate that has done some.
    if let Some(why) = harm(situation) {
        return back(State::RolledBack, &why);
    }
    if let Some(step) = reconcile(situation, target) {
        return step;
    }
    judged(situation, rollout)
}

/// Why the events say that the candidate has to go. Whom a person promotes they aren't asked about.
fn harm(situation: &Situation<'_>) -> Option<String> {
    let Some(Ok(analysis)) = &situation.analysis else { return None };
    let is_heard = situation.retraining.forced.is_none() && situation.retraining.stable.is_some();
    match analysis.phase {
        Phase::Failed if is_heard => Some(analysis.reason.clone()),
        Phase::Error if is_heard => Some(format!("Error: {}", analysis.reason)),
        _ => None,
    }
}

/// Brings the target to what the document means, or finds out that someone else has set the traffic.
fn reconcile(situation: &Situation<'_>, target: &TargetState) -> Option<Step> {
    let wanted = wanted(situation.retraining)?;
    // Each split that a document means has a generation of its own, so a different one of the same generation is foreign
    // too, and the target would refuse ours.
    let is_set = same_split(&target.traffic, &wanted);
    if target.traffic.generation >= wanted.generation && !is_set {
        let why = "someone else set the traffic of the serving target";
        return Some(roll_back(State::RolledBack, why, target.traffic.generation.saturating_add(1)));
    }
    loaded(situation, target)
        .or_else(|| (target.traffic.generation < wanted.generation).then_some(Step::SetTraffic(wanted)))
}

/// The traffic is as wanted. What do the events say?
fn judged(situation: &Situation<'_>, rollout: &Rollout) -> Step {
    let is_at_the_end = rollout.weight == 100 && !rollout.is_guarded;
    if situation.retraining.forced.is_some() {
        if is_at_the_end {
            return Step::Promote { why: promotion_words(situation, rollout) };
        }
        return advance(situation, rollout);
    }
    if situation.retraining.stable.is_none() {
        return Step::Promote { why: "the first version: there was nothing to compare it with".to_owned() };
    }
    let analysis = match &situation.analysis {
        Some(Ok(analysis)) => analysis,
        Some(Err(trouble)) => return wait(format!("the events: {trouble}")),
        None => return wait("a look at the events"),
    };
    // The bake ended well, and the shadow is off.
    if is_at_the_end {
        return Step::Promote { why: promotion_words(situation, rollout) };
    }
    if let Some(fault) = &situation.fault {
        return wait(fault);
    }
    if rollout.weight == 100 {
        return baking(situation, rollout, analysis);
    }
    match analysis.phase {
        Phase::Successful => advance(situation, rollout),
        _ => wait(analysis.reason.clone()),
    }
}

fn baking(situation: &Situation<'_>, rollout: &Rollout, analysis: &Analysis) -> Step {
    let until = rollout.since + situation.retrain.rollout.bake;
    if situation.now < until {
        return wait(format!("the end of the bake at {until}"));
    }
    // Without a version in the shadow there is nothing to compare with, and time alone decides.
    let has_comparison = analysis.shadow.is_some() || analysis.performance.is_some();
    if has_comparison && analysis.phase != Phase::Successful {
        return wait(analysis.reason.clone());
    }
    advance(situation, rollout)
}

/// The next share of traffic; from 100 %, the end of the guard.
fn advance(situation: &Situation<'_>, rollout: &Rollout) -> Step {
    let generation = rollout.generation + 1;
    if rollout.weight == 100 {
        let rollout = Rollout { generation, is_guarded: false, errors: 0, failing_since: None, ..rollout.clone() };
        return Step::Shift { state: State::Baking, rollout };
    }
    let last = situation.retrain.rollout.steps.len().saturating_sub(1);
    let next = if situation.retraining.forced.is_some() { last } else { rollout.step + 1 };
    shift(situation, next, share(situation, next), generation)
}

fn promotion_words(situation: &Situation<'_>, rollout: &Rollout) -> String {
    match (&situation.retraining.forced, &rollout.analysis) {
        (Some(approval), _) => format!("promoted by {}: {}", approval.by, approval.reason),
        (None, Some(analysis)) => format!("baked until {}: {}", situation.now, analysis.reason),
        (None, None) => format!("baked until {}", situation.now),
    }
}

/// Back to the stable version, which takes nothing but the serving target (promise T4).
fn rolling_back(situation: &Situation<'_>) -> Step {
    let retraining = situation.retraining;
    let end = retraining.rolling_back_to_end.unwrap_or(State::RolledBack);
    let why = retraining.outcome.clone().unwrap_or_default();
    let (Some(wanted), Some(stable)) = (wanted(retraining), &situation.stable) else {
        return finish(State::Failed, format!("{why}; there is no version to go back to"));
    };
    let target = match seen_target(situation) {
        Ok(target) => target,
        Err(step) => return *step,
    };
    if target.loaded.get(&stable.version) != Some(&stable.sha256) {
        return Step::Load(stable.clone());
    }
    if target.traffic.generation >= wanted.generation && !same_split(&target.traffic, &wanted) {
        // Whoever set it, the way back goes on from there.
        return roll_back(end, why, target.traffic.generation.saturating_add(1));
    }
    if target.traffic.generation < wanted.generation {
        return Step::SetTraffic(wanted);
    }
    // A target that won't let go of the candidate doesn't hold up the end: it has no traffic any more.
    let is_patient = retraining.rollout.as_ref().is_some_and(|rollout| rollout.errors <= CONSECUTIVE_ERROR_LIMIT);
    match &retraining.candidate {
        Some(Candidate { version, .. }) if is_patient && target.loaded.contains_key(version) => {
            Step::Unload { version: version.clone() }
        }
        _ => finish(end, why),
    }
}
