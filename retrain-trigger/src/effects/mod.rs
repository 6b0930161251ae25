//! The real world: history, trainer, registry, serving target and events of one model.
//!
//! | part | does |
//! |---|---|
//! | [`dataset`] (with [`span`], [`reach`], [`join`], [`split`], [`manifest`]) | pins the rows to learn from and to judge on |
//! | [`training`], [`runner`] | starts, watches and stops trainers, any program |
//! | [`evaluate`] (with [`scores`], [`baseline`]), [`artifact_store`], [`import`] | judges candidates and keeps artifacts |
//! | [`target`] | talks to the app that serves |
//! | [`evidence`] (with [`events`]) | says what live events tell of a candidate |
//!
//! Everything survives a kill at any instruction: files appear whole, a commit is one file or one folder, locks end with their
//! processes, and what is held in memory ([`evidence`]) is read again.

mod artifact_store;
mod baseline;
mod csv_data;
mod dataset;
mod evaluate;
mod events;
mod evidence;
mod files;
mod import;
mod join;
mod manifest;
mod reach;
pub mod runner;
mod scores;
mod span;
mod split;
mod target;
mod training;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use contract::Contract;
use contract::model::Retrain;
use store::Store;
use tokio::sync::Mutex;

use crate::commands::Import;
use crate::error::{Error, Result};
use crate::retraining::{Analysis, Manifest, Retraining};
use crate::world::{Comparison, Evaluation, Imported, Outcome, Registered, Run, TargetState, Traffic, Trouble, World};

use evidence::Evidence;
use target::TargetClient;

/// Where things are on the disk.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The service's state: paths of history files start here, and `retrainings/ID/` is here.
    pub state: PathBuf,
    /// The registry's store.
    pub registry: PathBuf,
}

/// Effects on the world of one model.
pub struct Effects {
    store: Store,
    contract: Arc<Contract>,
    folders: Folders,
    /// Bellwether itself, which runs trainers ([`runner`]).
    program: PathBuf,
    target: Option<TargetClient>,
    /// Of the step of a rollout that was looked at last.
    evidence: Mutex<Option<Evidence>>,
}

impl Effects {
    /// Errors: a URL or a system without which there is no client of the serving target, and a current folder that is gone.
    pub fn new(store: Store, contract: &Contract, folders: Folders, program: PathBuf) -> Result<Self> {
        let absolute =
            |path: PathBuf| std::path::absolute(&path).map_err(|error| Error::File { path, detail: error.to_string() });
        // Trainers start in a folder of their own, so what is relative to the contract must not depend on where this one started.
        let contract = Arc::new(Contract { folder: absolute(contract.folder.clone())?, ..contract.clone() });
        let target = contract.retrain.as_ref().and_then(|retrain| retrain.target.as_ref());
        Ok(Self {
            target: target.map(|target| TargetClient::new(&contract.model, target)).transpose()?,
            folders: Folders { state: absolute(folders.state)?, registry: absolute(folders.registry)? },
            store,
            contract,
            program,
            evidence: Mutex::new(None),
        })
    }

    /// Takes a folder that was made elsewhere into the registry's store, as what version `version` is to be. A file
    /// `reference.parquet` or `training_scores.parquet` in it with `time`, `score`, `label` and the features becomes its
    /// performance baseline.
    pub async fn import(&self, folder: PathBuf, version: &str) -> Outcome<Imported> {
        let (store, contract, version) = (self.registry(), self.contract.clone(), version.to_owned());
        blocking(move || import::import(&store, &contract, &folder, &version)).await
    }

    fn retrain(&self) -> Outcome<&Retrain> {
        self.contract.retrain.as_ref().ok_or_else(|| Trouble::Lasting("the contract has no `retrain`".to_owned()))
    }

    /// A retraining's own folder.
    fn folder(&self, id: &str) -> PathBuf {
        let is_name = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let name = if is_name { id.to_owned() } else { ingest::state::folder_name(id) };
        self.folders.state.join("retrainings").join(name)
    }

    /// The model's part of the registry's store.
    fn registry(&self) -> PathBuf {
        self.folders.registry.join(ingest::state::folder_name(&self.contract.model))
    }

    fn client(&self) -> Outcome<&TargetClient> {
        self.target.as_ref().ok_or_else(|| Trouble::Lasting("the contract has no retrain.target".to_owned()))
    }
}

#[async_trait]
impl Import for Effects {
    async fn import(&self, folder: &Path, version: &str) -> std::result::Result<Imported, String> {
        Self::import(self, folder.to_owned(), version).await.map_err(|trouble| trouble.to_string())
    }
}

#[async_trait]
impl World for Effects {
    async fn pin(&self, retraining: &Retraining) -> Outcome<Manifest> {
        dataset::pin(self, retraining).await
    }

    async fn train(&self, retraining: &Retraining, attempt: u32) -> Outcome<()> {
        training::train(self, retraining, attempt).await
    }

    async fn run(&self, retraining: &Retraining) -> Outcome<Run> {
        training::run(self, retraining).await
    }

    async fn stop_training(&self, retraining: &Retraining) -> Outcome<()> {
        training::stop(self, retraining).await
    }

    async fn evaluate(&self, retraining: &Retraining, stable: Option<&str>) -> Outcome<Evaluation> {
        evaluate::evaluate(self, retraining, stable).await
    }

    async fn target(&self) -> Outcome<TargetState> {
        self.client()?.state().await
    }

    async fn load(&self, version: &Registered) -> Outcome<()> {
        self.client()?.load(version).await
    }

    async fn set_traffic(&self, traffic: &Traffic) -> Outcome<()> {
        self.client()?.set_traffic(traffic).await
    }

    async fn unload(&self, version: &str) -> Outcome<()> {
        self.client()?.unload(version).await
    }

    async fn analyse(&self, comparison: &Comparison) -> Outcome<Analysis> {
        evidence::analyse(self, comparison).await
    }
}

/// Trouble with the database.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn of_store(error: store::Error) -> Trouble {
    if error.is_retryable() { Trouble::Passing(error.to_string()) } else { Trouble::Lasting(error.to_string()) }
}

/// Work with files, off the threads that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Trouble::Passing(format!("work with files was broken off: {error}"))))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
