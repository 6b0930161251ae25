//! A retraining: one durable state machine from the request to the promotion or the way back (promise T1).
//!
//! [`Retraining`] is all that is kept of one, as JSON in the store's `document`. The planner reads it, the executor writes
//! it with every step, pages show it. Fields are added, never renamed: documents outlive releases (promise E5).

use std::collections::BTreeMap;
use std::time::Duration;

use contract::model::ApprovalStage;
use contract::{EventTime, WallTime};
use detectors::canary::{Gate, Interval, Phase, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::RetrainingRow;

use crate::error::{Error, Result};

/// Observations of a rollout that may fail, one after the other (Argo's `consecutiveErrorLimit`).
pub const CONSECUTIVE_ERROR_LIMIT: u32 = 4;

/// Version of the document's form.
const DOCUMENT_VERSION: u32 = 1;

/// Where a retraining is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Requested,
    DataPinned,
    Training,
    Evaluating,
    /// The candidate is in the registry and waits for its first traffic.
    Registered,
    /// A share of the traffic goes to the candidate.
    Canary,
    /// All traffic goes to the candidate; the stable version stays loaded.
    Baking,
    /// On the way back to the stable version.
    RollingBack,
    Promoted,
    Vetoed,
    RolledBack,
    Failed,
    Cancelled,
    Superseded,
}

impl State {
    pub const ALL: [Self; 14] = [
        Self::Requested,
        Self::DataPinned,
        Self::Training,
        Self::Evaluating,
        Self::Registered,
        Self::Canary,
        Self::Baking,
        Self::RollingBack,
        Self::Promoted,
        Self::Vetoed,
        Self::RolledBack,
        Self::Failed,
        Self::Cancelled,
        Self::Superseded,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::DataPinned => "data_pinned",
            Self::Training => "training",
            Self::Evaluating => "evaluating",
            Self::Registered => "registered",
            Self::Canary => "canary",
            Self::Baking => "baking",
            Self::RollingBack => "rolling_back",
            Self::Promoted => "promoted",
            Self::Vetoed => "vetoed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// Nothing happens any more.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Promoted | Self::Vetoed | Self::RolledBack | Self::Failed | Self::Cancelled | Self::Superseded
        )
    }

    /// The candidate may have traffic, or has just had some.
    pub fn is_rollout(self) -> bool {
        matches!(self, Self::Canary | Self::Baking | Self::RollingBack)
    }
}

/// What is done, from where on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Everything, from data to promotion.
    #[default]
    Retraining,
    /// The rollout of a version that is registered already.
    Deployment,
    /// The way back from a version that had been promoted to the one before it.
    Return,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Retraining => "retraining",
            Self::Deployment => "deployment",
            Self::Return => "return",
        }
    }
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    Rule(String),
    /// The name of the token.
    Person(String),
}

impl AskedBy {
    pub fn name(&self) -> &str {
        match self {
            Self::Rule(name) | Self::Person(name) => name,
        }
    }
}

/// A person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub by: String,
    pub reason: String,
    pub at: WallTime,
}

/// What a person wants of a retraining that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Cancel,
    RollBack,
}

/// The data that a candidate learns from and is judged on, as they were pinned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the manifest file, which lists every history file with its SHA-256 and rows.
    pub sha256: String,
    pub path: String,
    /// Predictions in the span, and those of them that have a label.
    pub rows: u64,
    pub labelled: u64,
    /// Rows for training, and held out.
    pub train_rows: u64,
    pub held_out_rows: u64,
    pub coverage: f64,
    pub from: EventTime,
    pub to: EventTime,
    pub held_out_from: EventTime,
    /// Quarantined windows, in words: when, and which fault.
    pub left_out: Vec<String>,
}

/// The newest word from the trainer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub phase: String,
    pub fraction: Option<f64>,
    pub epoch: Option<u64>,
    pub of: Option<u64>,
    pub loss: Option<f64>,
}

/// A version in the registry: the only thing that can be deployed (promise T2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub version: String,
    pub sha256: String,
}

/// How far traffic has moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Index in the contract's steps.
    pub step: usize,
    /// Per cent that the candidate has.
    pub weight: u32,
    /// Of the newest traffic setting, at the target.
    pub generation: u64,
    /// Event time at which this weight was set.
    pub since: EventTime,
    /// The stable version keeps scoring every event in the shadow.
    #[serde(default)]
    pub is_guarded: bool,
    /// Observations of the target or of the events that failed, one after the other.
    pub errors: u32,
    /// When the first of them did.
    #[serde(default)]
    pub failing_since: Option<WallTime>,
    pub analysis: Option<Analysis>,
}

/// What live events say about a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub phase: Phase,
    /// One sentence for a person.
    pub reason: String,
    /// Everything until this event time was looked at.
    pub until: EventTime,
    /// By labels: event by event and blocked by day.
    pub performance: Option<Verdict>,
    /// On the same events, against the version that scores in the shadow.
    pub shadow: Option<Verdict>,
    /// Errors and latency.
    pub operations: Option<Verdict>,
    /// Shown, never a reason.
    pub scores: Option<Scores>,
}

/// Mean scores of both versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub stable: Option<f64>,
    pub candidate: Option<f64>,
}

/// The gate's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    pub phase: Phase,
    /// One sentence that explains itself.
    pub reason: String,
    /// Mean log loss of each on the held-out rows.
    pub stable: Option<f64>,
    pub candidate: Option<f64>,
    /// Candidate less stable, clustered by day.
    pub difference: Option<Interval>,
    pub margin: f64,
    pub rows: u64,
    pub blocks: u64,
    /// Values of protected columns that became clearly worse.
    pub worse_segments: Vec<String>,
}

impl GateReport {
    pub fn new(gate: Gate, margin: f64) -> Self {
        Self {
            phase: gate.phase,
            reason: gate.reason,
            stable: gate.stable,
            candidate: gate.candidate,
            difference: gate.difference,
            margin,
            rows: gate.rows,
            blocks: gate.blocks,
            worse_segments: Vec::new(),
        }
    }
}

/// One retraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retraining {
    pub document_version: u32,
    pub id: String,
    pub model: String,
    #[serde(default)]
    pub kind: Kind,
    pub state: State,
    /// Why it was asked for.
    pub reason: String,
    pub asked_by: AskedBy,
    /// When it was asked for, on the model's clock.
    pub event_time: EventTime,
    pub created: WallTime,
    /// Hyper-parameters over those of the contract.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default)]
    pub approvals: BTreeMap<ApprovalStage, Approval>,
    /// Who let the candidate past the gate, and why.
    #[serde(default)]
    pub overridden: Option<Approval>,
    /// A person promotes the candidate without waiting for the events.
    #[serde(default)]
    pub forced: Option<Approval>,
    #[serde(default)]
    pub wish: Option<Wish>,
    #[serde(default)]
    pub manifest: Option<Manifest>,
    /// What the candidate is going to be called, unless the name is taken by then.
    #[serde(default)]
    pub version: Option<String>,
    /// Starts of the trainer.
    #[serde(default)]
    pub attempts: u32,
    /// Why nobody knows whether the newest start succeeded.
    #[serde(default)]
    pub start_trouble: Option<String>,
    #[serde(default)]
    pub progress: Option<Progress>,
    /// What the trainer says of its model.
    #[serde(default)]
    pub metrics: Option<Value>,
    #[serde(default)]
    pub gate: Option<GateReport>,
    #[serde(default)]
    pub candidate: Option<Candidate>,
    /// The version that served when the candidate was made; what a rollback leads to.
    #[serde(default)]
    pub stable: Option<String>,
    #[serde(default)]
    pub rollout: Option<Rollout>,
    /// What it waits for, in words.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// Where a rollback leads when it is over, and why it began.
    #[serde(default)]
    pub rolling_back_to_end: Option<State>,
    /// Why it ended.
    #[serde(default)]
    pub outcome: Option<String>,
}

impl Rollout {
    /// Something didn't answer, or not well.
    pub fn fail(&mut self, now: WallTime) {
        self.errors = self.errors.saturating_add(1);
        self.failing_since.get_or_insert(now);
    }

    /// Everything answers.
    pub fn recover(&mut self) {
        self.errors = 0;
        self.failing_since = None;
    }

    /// Nothing has answered for long: by how often, and by the clock.
    pub fn is_out_of_reach(&self, now: WallTime, patience: Duration) -> bool {
        self.errors > CONSECUTIVE_ERROR_LIMIT && self.failing_since.is_some_and(|since| since + patience <= now)
    }
}

impl Retraining {
    /// A request, as it was let through.
    pub fn requested(id: String, model: &str, asked_by: AskedBy, reason: &str, at: EventTime, now: WallTime) -> Self {
        Self {
            document_version: DOCUMENT_VERSION,
            id,
            model: model.to_owned(),
            kind: Kind::Retraining,
            state: State::Requested,
            reason: reason.to_owned(),
            asked_by,
            event_time: at,
            created: now,
            parameters: Map::new(),
            approvals: BTreeMap::new(),
            overridden: None,
            forced: None,
            wish: None,
            manifest: None,
            version: None,
            attempts: 0,
            start_trouble: None,
            progress: None,
            metrics: None,
            gate: None,
            candidate: None,
            stable: None,
            rollout: None,
            waits_for: None,
            rolling_back_to_end: None,
            outcome: None,
        }
    }

    /// From the store. Rows of releases that only recorded requests have no document, and are over.
    pub fn from_row(row: &RetrainingRow) -> Result<Self> {
        serde_json::from_str(&row.document)
            .map_err(|error| Error::Document { id: row.id.clone(), detail: error.to_string() })
    }

    pub fn to_row(&self, now: WallTime) -> RetrainingRow {
        let rule = match &self.asked_by {
            AskedBy::Rule(rule) => rule.clone(),
            AskedBy::Person(_) => String::new(),
        };
        RetrainingRow {
            id: self.id.clone(),
            model: self.model.clone(),
            kind: self.kind.name().to_owned(),
            state: self.state.name().to_owned(),
            reason: self.outcome.clone().unwrap_or_else(|| self.reason.clone()),
            rule,
            event_time: self.event_time,
            created: self.created,
            updated: now,
            version: self.candidate.as_ref().map(|candidate| candidate.version.clone()).unwrap_or_default(),
            is_active: !self.state.is_over(),
            document: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// It can't get back to the stable version: somebody has to look at the serving app.
    pub fn is_stuck(&self) -> bool {
        let errors = self.rollout.as_ref().map_or(0, |rollout| rollout.errors);
        self.state == State::RollingBack && errors > CONSECUTIVE_ERROR_LIMIT
    }

    /// It ended because the gate said no, and can be let past it.
    pub fn was_stopped_at_gate(&self) -> bool {
        let is_gate = |gate: &GateReport| gate.phase != Phase::Successful;
        self.state == State::Failed
            && self.candidate.is_some()
            && self.rollout.is_none()
            && self.overridden.is_none()
            && self.gate.as_ref().is_some_and(is_gate)
    }

    /// Whether the gate, or a person, lets the candidate have traffic. A deployment begins with a version that is validated.
    pub fn is_validated(&self) -> bool {
        self.overridden.is_some()
            || self.kind == Kind::Deployment
            || self.gate.as_ref().is_some_and(|gate| gate.phase == Phase::Successful)
    }
}
