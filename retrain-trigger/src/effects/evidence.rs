//! What live events tell of a candidate: labels as they come, the scores in the shadow, errors and latency.
//!
//! New files of the history are read once, in groups by time: predictions first, then labels in the order (time, offset, event).
//! An event counts once, by the first of its labels that is read: a sequential test can't take an observation back. All of it is
//! in memory, and is read again when the step of the rollout changes or the process starts anew.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use contract::EventTime;
use contract::model::{Contract, RolloutPlan};
use contract::time::micros;
use detectors::canary::{
    Arm, Observation, Operations, Paired, Phase, Settings, Unpaired, Verdict, block, combine, loss,
};
use store::HistoryFileRow;
use tokio::sync::MutexGuard;

use super::events::{self, LabelEvent, PredictionEvent, PredictionNames};
use super::scores::key;
use super::{Effects, of_store, span};
use crate::retraining::{Analysis, Scores};
use crate::world::{Comparison, Outcome};

/// Predictions that wait for their label; beyond, the oldest go.
const PENDING: usize = 1_000_000;
/// Labels that wait for their prediction.
const WAITING: usize = 200_000;
/// Rows of the history that are read at once.
const GROUP_ROWS: i64 = 500_000;
/// How often an equal candidate may be rolled back over a whole rollout, however often one looks.
const LEVEL: f64 = 0.05;
/// The same for errors and latency.
const OPERATIONS_LEVEL: f64 = 0.01;
/// Windows that small differences are judged by, at least.
const MINIMUM_BLOCKS: u32 = 3;
/// The candidate has all the traffic.
const ALL: u32 = 100;

const NOTHING: &str =
    "nothing to compare with: the candidate has all the traffic, and the stable version doesn't score in the shadow";

/// Looks at what is new, and says what all of it tells.
pub(super) async fn analyse(effects: &Effects, comparison: &Comparison) -> Outcome<Analysis> {
    let mut kept = effects.evidence.lock().await;
    // Before the files: everything until then is in them.
    let shards = effects.store.shards(&comparison.model).await.map_err(of_store)?;
    let until = span::read_until(&shards)?;
    let mut evidence = take(&mut kept, effects, comparison)?;
    let publications: Vec<Publication> =
        shards.iter().map(|shard| (shard.shard, shard.epoch, shard.sequence)).collect();
    if let Some((seen, analysis)) = evidence.newest.clone().filter(|(seen, _)| *seen == publications) {
        evidence.newest = Some((seen, analysis.clone()));
        *kept = Some(evidence);
        return Ok(analysis);
    }
    let from = comparison.since;
    let mut files = Vec::new();
    for kind in ["prediction", "label"] {
        files.extend(span::history(&effects.store, &comparison.model, kind, from, EventTime::MAX).await?);
    }
    files.retain(|file| !evidence.read.contains(&key(&file.path)));
    files.sort_by(|one, other| (one.min_time, &other.kind, &one.path).cmp(&(other.min_time, &one.kind, &other.path)));
    for group in groups(files) {
        let (state, names) = (effects.folders.state.clone(), evidence.names.clone());
        let (group, read) = super::blocking(move || {
            let read = Read::of(&state, &group, &names, from)?;
            Ok((group, read))
        })
        .await?;
        evidence.add(read);
        evidence.read.extend(group.iter().map(|file| key(&file.path)));
    }
    evidence.expire(until);
    let analysis = evidence.analysis(until);
    evidence.newest = Some((publications, analysis.clone()));
    *kept = Some(evidence);
    Ok(analysis)
}

/// What is known of this very step, or a new beginning. If reading fails half way, nothing of it is kept.
fn take(kept: &mut MutexGuard<'_, Option<Evidence>>, effects: &Effects, comparison: &Comparison) -> Outcome<Evidence> {
    let plan = &effects.retrain()?.rollout;
    let known = kept.take().filter(|evidence| evidence.comparison == *comparison);
    Ok(known.unwrap_or_else(|| Evidence::new(&effects.contract, comparison.clone(), plan)))
}

/// Files in order, so many at once that their rows are few.
fn groups(files: Vec<HistoryFileRow>) -> Vec<Vec<HistoryFileRow>> {
    let mut groups: Vec<Vec<HistoryFileRow>> = Vec::new();
    let mut rows = 0;
    for file in files {
        rows += file.rows;
        match groups.last_mut() {
            Some(group) if rows <= GROUP_ROWS => group.push(file),
            _ => {
                rows = file.rows;
                groups.push(vec![file]);
            }
        }
    }
    groups
}

/// The events of a group of files.
#[derive(Default)]
struct Read {
    predictions: Vec<PredictionEvent>,
    labels: Vec<LabelEvent>,
}

impl Read {
    fn of(state: &Path, files: &[HistoryFileRow], names: &PredictionNames, since: EventTime) -> Outcome<Self> {
        let mut read = Self::default();
        for file in files {
            match file.kind.as_str() {
                "label" => read.labels.extend(events::labels(state, file, since)?),
                _ => read.predictions.extend(events::predictions(state, file, names, since)?),
            }
        }
        read.labels.sort_unstable_by_key(|label| (label.time, label.offset, label.id));
        Ok(read)
    }
}

/// A shard's newest publication: index, epoch, sequence.
type Publication = (i32, u64, u64);

/// A prediction whose label hasn't come.
#[derive(Clone, Copy, Debug)]
struct Pending {
    time: EventTime,
    arm: Arm,
    score: f64,
    /// The stable version's score of the same event, where the candidate served it.
    shadow: Option<f64>,
}

/// What is known of one step of a rollout.
pub(super) struct Evidence {
    comparison: Comparison,
    names: PredictionNames,
    window: Duration,
    horizon: i64,
    /// From an event's time until no label of it counts any more.
    patience: Duration,
    /// Files, by a hash of their paths.
    read: HashSet<u128>,
    pending: HashMap<u128, Pending>,
    pending_order: VecDeque<u128>,
    waiting: HashMap<u128, LabelEvent>,
    waiting_order: VecDeque<u128>,
    /// Predictions that had to go before their label came.
    forgotten: u64,
    unpaired: Unpaired,
    paired: Paired,
    operations: Operations,
    stable_scores: Mean,
    candidate_scores: Mean,
    has_shadow: bool,
    /// What was said last, and by which publications: without a newer one there is nothing new.
    newest: Option<(Vec<Publication>, Analysis)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Evidence {
    fn new(contract: &Contract, comparison: Comparison, plan: &RolloutPlan) -> Self {
        let horizon = contract.label_horizon();
        let steps = plan.steps.len().max(1) as u32;
        let settings = Settings {
            gross_harm: plan.gross_harm,
            margin: plan.margin,
            share: f64::from(comparison.weight) / f64::from(ALL),
            level: LEVEL,
            minimum_blocks: MINIMUM_BLOCKS,
            steps,
        };
        Self {
            comparison,
            names: PredictionNames::of(contract),
            window: contract.windows.size,
            horizon: micros(horizon),
            patience: horizon + contract.windows.lateness + contract.windows.size,
            read: HashSet::new(),
            pending: HashMap::new(),
            pending_order: VecDeque::new(),
            waiting: HashMap::new(),
            waiting_order: VecDeque::new(),
            forgotten: 0,
            unpaired: Unpaired::new(settings),
            paired: Paired::new(settings),
            operations: Operations::new(plan.latency_ratio, plan.error_excess, OPERATIONS_LEVEL, steps),
            stable_scores: Mean::default(),
            candidate_scores: Mean::default(),
            has_shadow: false,
            newest: None,
        }
    }

    fn add(&mut self, read: Read) {
        for prediction in read.predictions {
            self.add_prediction(prediction);
        }
        for label in read.labels {
            self.add_label(label);
        }
    }

    fn add_prediction(&mut self, event: PredictionEvent) {
        let is_candidate = event.version == self.comparison.candidate.version;
        if !is_candidate && event.version != self.comparison.stable {
            return;
        }
        let arm = if is_candidate { Arm::Candidate } else { Arm::Stable };
        self.operations.observe(arm, event.latency, event.is_error);
        let Some(score) = event.score else { return };
        let scores = if is_candidate { &mut self.candidate_scores } else { &mut self.stable_scores };
        scores.add(score);
        let shadow = event.shadow.filter(|(version, _)| is_candidate && *version == self.comparison.stable);
        let shadow = shadow.map(|(_, score)| score);
        self.has_shadow |= shadow.is_some();
        let pending = Pending { time: event.time, arm, score, shadow };
        match self.waiting.remove(&event.id) {
            Some(label) if self.counts(&pending, &label) => self.observe(&pending, &label),
            _ => self.wait_for_label(event.id, pending),
        }
    }

    fn add_label(&mut self, label: LabelEvent) {
        match self.pending.get(&label.id).copied() {
            Some(pending) if self.counts(&pending, &label) => {
                self.pending.remove(&label.id);
                self.observe(&pending, &label);
            }
            Some(_) => {}
            None => self.wait_for_prediction(label),
        }
    }

    /// A label counts if it has a value and lies within the horizon.
    fn counts(&self, pending: &Pending, label: &LabelEvent) -> bool {
        label.value.is_some() && label.time.micros_since(pending.time).saturating_abs() <= self.horizon
    }

    fn observe(&mut self, pending: &Pending, label: &LabelEvent) {
        let Some(value) = label.value else { return };
        let block = block(pending.time, self.window);
        let own = loss(pending.score, value);
        self.unpaired.observe(&Observation { arm: pending.arm, block, loss: own });
        if let Some(shadow) = pending.shadow {
            self.paired.observe(block, own - loss(shadow, value));
        }
    }

    fn wait_for_label(&mut self, id: u128, pending: Pending) {
        if self.pending.insert(id, pending).is_none() {
            self.pending_order.push_back(id);
        }
        while self.pending.len() > PENDING {
            let Some(oldest) = self.pending_order.pop_front() else { return };
            self.forgotten += u64::from(self.pending.remove(&oldest).is_some());
        }
    }

    fn wait_for_prediction(&mut self, label: LabelEvent) {
        if self.waiting.insert(label.id, label).is_none() {
            self.waiting_order.push_back(label.id);
        }
        while self.waiting.len() > WAITING {
            let Some(oldest) = self.waiting_order.pop_front() else { return };
            self.waiting.remove(&oldest);
        }
    }

    /// Lets go what no label can come for any more, or no prediction.
    fn expire(&mut self, until: EventTime) {
        let (pending, waiting) = (&mut self.pending, &mut self.waiting);
        pending.retain(|_, pending| until < pending.time + self.patience);
        waiting.retain(|_, label| until < label.time + self.patience);
        self.pending_order.retain(|id| pending.contains_key(id));
        self.waiting_order.retain(|id| waiting.contains_key(id));
    }

    fn analysis(&self, until: EventTime) -> Analysis {
        let has_stable = self.comparison.weight < ALL;
        let performance = has_stable.then(|| self.unpaired.verdict());
        let shadow = self.has_shadow.then(|| self.paired.verdict());
        let operations = self.operations.verdict();
        let (phase, mut reason) = combined(performance.as_ref(), shadow.as_ref(), &operations);
        if self.forgotten > 0 {
            reason = format!("{reason} ({} events had to be let go before their label came)", self.forgotten);
        }
        Analysis {
            phase,
            reason,
            until,
            performance,
            shadow,
            operations: Some(operations),
            scores: Some(Scores { stable: self.stable_scores.value(), candidate: self.candidate_scores.value() }),
        }
    }
}

/// One failure is enough to fail; labels are needed to succeed. Where there is a shadow it alone is asked: it compares the same
/// events, and a second test beside it would double the chance that a good candidate fails.
fn combined(performance: Option<&Verdict>, shadow: Option<&Verdict>, operations: &Verdict) -> (Phase, String) {
    match shadow.or(performance) {
        Some(labels) => {
            let Verdict { phase, reason, .. } = combine(labels.clone(), operations);
            (phase, reason)
        }
        None if operations.phase == Phase::Failed => (Phase::Failed, operations.reason.clone()),
        None => (Phase::Inconclusive, NOTHING.to_owned()),
    }
}
