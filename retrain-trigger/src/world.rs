//! What the executor acts on: the trainer, the data, the registry, the serving target and the events.
//!
//! [`World`] has two implementations: [`crate::effects::Effects`], and the fault simulator of the tests, which kills,
//! fails, hangs and answers twice. Every effect may be repeated: a crash repeats a call, never its effect (promise T1).

use std::collections::BTreeMap;

use async_trait::async_trait;
use contract::EventTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::retraining::{Analysis, Candidate, GateReport, Manifest, Progress, Retraining};

/// Why an effect didn't happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Trying again can help: no answer, a time-out, a server that is down. The effect may have happened.
    #[error("{0}")]
    Passing(String),
    /// Trying again can't help; the retraining fails, or rolls back.
    #[error("{0}")]
    Lasting(String),
}

pub type Outcome<T> = Result<T, Trouble>;

/// How a run of the trainer is.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    /// No run was ever started, or what was started is gone without a word.
    Absent,
    Going(Progress),
    /// It ended well, and its files are there.
    Done,
    /// It ended badly, in one sentence. `is_final`: the same would come out again (bad data, bad parameters).
    Broken {
        why: String,
        is_final: bool,
    },
}

/// What the trainer made, judged and put into the registry's store, but not in its tables yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub gate: GateReport,
    /// The trainer's own metrics.
    pub metrics: Value,
    /// Of the artifact, as it lies in the registry's store.
    pub sha256: String,
    pub uri: String,
    /// The scores that the training data got from models that hadn't seen them, with labels: the performance baseline. Empty
    /// when there are none.
    pub baseline: String,
    /// JSON: code revision, manifest, parameters, seed.
    pub lineage: Value,
}

/// An artifact that was made elsewhere, as it lies in the registry's store now.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub sha256: String,
    pub uri: String,
    /// As in [`Evaluation`].
    pub baseline: String,
    pub lineage: Value,
}

/// A version as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub version: String,
    pub sha256: String,
    pub uri: String,
}

/// How traffic is split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Per cent by version; they sum to 100.
    pub weights: BTreeMap<String, u32>,
    pub generation: u64,
    /// A version that scores every event beside the one that serves it.
    pub shadow: Option<String>,
}

/// What the serving target says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// SHA-256 by loaded version.
    pub loaded: BTreeMap<String, String>,
    pub traffic: Traffic,
}

/// What live events are compared in: one step of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub model: String,
    pub retraining: String,
    pub stable: String,
    pub candidate: Candidate,
    /// Per cent that the candidate has.
    pub weight: u32,
    /// Events from this event time on.
    pub since: EventTime,
}

/// Everything outside. All calls are for one model.
#[async_trait]
pub trait World: Send + Sync {
    /// Pins the data: writes manifest, training and held-out rows. The same retraining gets the same files again.
    async fn pin(&self, retraining: &Retraining) -> Outcome<Manifest>;
    /// Starts the trainer for a retraining, unless it is running: there is never a second one.
    async fn train(&self, retraining: &Retraining, attempt: u32) -> Outcome<()>;
    async fn run(&self, retraining: &Retraining) -> Outcome<Run>;
    /// Stops the trainer, if it runs.
    async fn stop_training(&self, retraining: &Retraining) -> Outcome<()>;
    /// Judges the trained candidate against the stable version on the held-out rows, and keeps its artifact by its content.
    async fn evaluate(&self, retraining: &Retraining, stable: Option<&str>) -> Outcome<Evaluation>;
    async fn target(&self) -> Outcome<TargetState>;
    /// Only what is registered can be loaded (promise T2).
    async fn load(&self, version: &Registered) -> Outcome<()>;
    async fn set_traffic(&self, traffic: &Traffic) -> Outcome<()>;
    async fn unload(&self, version: &str) -> Outcome<()>;
    /// What the events of a step say by now.
    async fn analyse(&self, comparison: &Comparison) -> Outcome<Analysis>;
    /// The executor has committed a transaction, and between two of them the process may end. Only the simulator, which ends
    /// it here, has something to do.
    async fn recorded(&self) {}
}

#[async_trait]
impl<W: World + ?Sized> World for std::sync::Arc<W> {
    async fn pin(&self, retraining: &Retraining) -> Outcome<Manifest> {
        (**self).pin(retraining).await
    }

    async fn train(&self, retraining: &Retraining, attempt: u32) -> Outcome<()> {
        (**self).train(retraining, attempt).await
    }

    async fn run(&self, retraining: &Retraining) -> Outcome<Run> {
        (**self).run(retraining).await
    }

    async fn stop_training(&self, retraining: &Retraining) -> Outcome<()> {
        (**self).stop_training(retraining).await
    }

    async fn evaluate(&self, retraining: &Retraining, stable: Option<&str>) -> Outcome<Evaluation> {
        (**self).evaluate(retraining, stable).await
    }

    async fn target(&self) -> Outcome<TargetState> {
        (**self).target().await
    }

    async fn load(&self, version: &Registered) -> Outcome<()> {
        (**self).load(version).await
    }

    async fn set_traffic(&self, traffic: &Traffic) -> Outcome<()> {
        (**self).set_traffic(traffic).await
    }

    async fn unload(&self, version: &str) -> Outcome<()> {
        (**self).unload(version).await
    }

    async fn analyse(&self, comparison: &Comparison) -> Outcome<Analysis> {
        (**self).analyse(comparison).await
    }
}
