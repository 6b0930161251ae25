//! The owner of one shard: its engine, its checkpoint and its history, and the order in which they are written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use contract::Contract;
use tokio_util::sync::CancellationToken;

use super::dead_letters::DeadLetters;
use super::health::Health;
use super::metrics::Metrics;
use crate::error::{Error, Result};
use crate::history::History;
use crate::publication::{Counts, DeadLetter, Publication, Sink};
use crate::record::{Kind, Record};
use crate::shard::{Identity, Shard};
use crate::state::ShardState;

/// Waiting times between attempts to hand something over.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where a keeper hands things over to.
pub struct Outlets {
    pub sink: Arc<dyn Sink>,
    pub dead_letters: Option<DeadLetters>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
}

/// One owned shard.
pub struct Keeper {
    pub model: String,
    shard: Shard,
    identity: Identity,
    epoch: u64,
    state: ShardState,
    history: History,
    starts: BTreeMap<Kind, i64>,
    /// As far as they are exported.
    counts: Counts,
    /// Publications of the owner before that may not have been told.
    outbox: Vec<Publication>,
}

impl Keeper {
    /// Takes the shard over from whoever had it before.
    pub async fn open(contract: &Arc<Contract>, identity: Identity, state: &Path) -> Result<Self> {
        let (model, number) = (contract.model.clone(), identity.shard);
        let opened = ShardState::open(state, &model, number).await?;
        let shard = if opened.entries.is_empty() {
            Shard::new(Arc::clone(contract), identity.clone(), opened.epoch)?
        } else {
            Shard::restore(Arc::clone(contract), identity.clone(), opened.epoch, opened.entries)?
        };
        let history = History::new(state, &model, number, opened.epoch);
        history.discard(|kind| shard.next_offset(kind).unwrap_or(0)).await?;
        let counts = shard.counts().clone();
        Ok(Self {
            model,
            shard,
            identity,
            epoch: opened.epoch,
            state: opened.state,
            history,
            starts: opened.starts,
            counts,
            outbox: opened.outbox,
        })
    }

    pub fn next_offset(&self, kind: Kind) -> Option<i64> {
        self.shard.next_offset(kind)
    }

    /// Profiles that the next checkpoint has to tell.
    pub fn untold_cells(&self) -> usize {
        self.shard.held().untold_cells
    }

    /// Where a first owner began, if no record has come since.
    pub fn start(&self, kind: Kind) -> Option<i64> {
        self.starts.get(&kind).copied()
    }

    pub async fn begin_at(&mut self, kind: Kind, offset: i64) -> Result<()> {
        self.state.begin_at(kind, offset).await?;
        self.starts.insert(kind, offset);
        Ok(())
    }

    pub fn accept(&mut self, kind: Kind, records: &[Record<'_>]) -> Result<()> {
        self.shard.accept(kind, records)
    }

    pub fn set_idle(&mut self, kind: Kind, idle: bool) -> Result<()> {
        self.shard.set_idle(kind, idle)
    }

    /// Tells what the owner before may not have told. False: stopped before that was done.
    pub async fn republish(&mut self, outlets: &Outlets, stop: &CancellationToken) -> Result<bool> {
        let outbox = std::mem::take(&mut self.outbox);
        self.tell(outbox, outlets, stop).await
    }

    /// Writes a checkpoint (docs/semantics.md, "Checkpoints"). False: stopped before everything was told; what is durable
    /// by then is told by the next owner.
    pub async fn checkpoint(&mut self, outlets: &Outlets, stop: &CancellationToken) -> Result<bool> {
        let rows = self.shard.take_rows()?;
        let mut publications = self.shard.take_publications();
        let mut progress = self.shard.progress();
        let told = publications.iter().chain(std::iter::once(&progress));
        let letters: Vec<&DeadLetter> = told.flat_map(|publication| &publication.dead_letters).collect();
        if !self.send(&letters, outlets, stop).await? {
            return Ok(false);
        }
        outlets.metrics.latencies(&self.model, &rows);
        progress.history_files = self.history.write(rows).await?;
        publications.push(progress);
        for publication in &mut publications {
            publication.epoch = self.epoch;
        }
        self.state.write(self.shard.checkpoint()?, &publications).await?;
        self.export(&publications, &outlets.metrics);
        self.tell(publications, outlets, stop).await
    }

    /// Nothing has changed since the last checkpoint, so it is as new as now.
    pub fn is_current(&self, metrics: &Metrics) {
        metrics.checkpoint(&self.model, self.identity.shard);
    }

    /// Ends the shard's tasks, and its series.
    pub async fn close(self, metrics: &Metrics) -> Result<()> {
        for topic in self.identity.topics.values() {
            metrics.given_up(topic, self.identity.shard, &self.model);
        }
        self.state.close().await
    }

    fn export(&mut self, publications: &[Publication], metrics: &Metrics) {
        let number = self.identity.shard;
        metrics.events(&self.model, &self.counts, self.shard.counts());
        self.counts = self.shard.counts().clone();
        metrics.dead_letters(publications);
        metrics.checkpoint(&self.model, number);
        for (kind, topic) in &self.identity.topics {
            metrics.watermark(&self.model, topic, number, self.shard.watermark(*kind));
        }
    }

    /// Dead letters to their topic, until they are there or the keeper is stopped.
    async fn send(&self, letters: &[&DeadLetter], outlets: &Outlets, stop: &CancellationToken) -> Result<bool> {
        let Some(dead_letters) = outlets.dead_letters.as_ref().filter(|_| !letters.is_empty()) else {
            return Ok(true);
        };
        let mut wait = FIRST_WAIT;
        while let Err(error) = dead_letters.send(letters).await {
            if !self.wait(&mut wait, &error, outlets, stop).await {
                return Ok(false);
            }
        }
        outlets.health.clear(&self.subject());
        Ok(true)
    }

    /// Publications to the sink in order, each until it is there or the keeper is stopped.
    async fn tell(
        &mut self,
        publications: Vec<Publication>,
        outlets: &Outlets,
        stop: &CancellationToken,
    ) -> Result<bool> {
        for publication in publications {
            let sequence = publication.sequence;
            let mut wait = FIRST_WAIT;
            while let Err(source) = outlets.sink.publish(publication.clone()).await {
                let error = Error::Sink { model: self.model.clone(), source };
                if !self.wait(&mut wait, &error, outlets, stop).await {
                    return Ok(false);
                }
            }
            self.state.told(sequence);
        }
        outlets.health.clear(&self.subject());
        Ok(true)
    }

    async fn wait(&self, wait: &mut Duration, error: &Error, outlets: &Outlets, stop: &CancellationToken) -> bool {
        outlets.health.set(&self.subject(), &error.to_string());
        let is_stopped = tokio::time::timeout(*wait, stop.cancelled()).await.is_ok();
        *wait = (*wait * 2).min(LONGEST_WAIT);
        !is_stopped
    }

    fn subject(&self) -> String {
        subject(&self.model, self.identity.shard)
    }
}

/// What a shard is called in [`Health`].
pub fn subject(model: &str, shard: i32) -> String {
    format!("model {model} shard {shard}")
}
