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
        let progress = self.shard.progress();
        let told = publications.iter().chain(std::iter::once(&progress));
        let letters: Vec<&DeadLetter> = told.flat_map(|publication| &publication.dead_letters).collect();
        if !self.send(&letters, outlets, stop).await? {
            return Ok(false);
        }
        outlets.metrics.latencies(&self.model, &rows);
        let mut files = self.history.write(rows).await?;
        publications.push(progress);
        for publication in &mut publications {
            publication.epoch = self.epoch;
            // The first lists them all: what a publication leads to finds every row that it speaks of in the history.
            publication.history_files = std::mem::take(&mut files);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use contract::EventTime;
    use contract::lower::contract_from_text;
    use prometheus::Registry;

    use super::*;

    const CONTRACT: &str = r"
version: 1
model: m
task: binary_classification
sources: { predictions: { topic: predictions, format: json } }
fields: { predictions: { event_id: /id, time: /time, features: /input, score: /score } }
schema: { x: { type: float64 } }
windows: { size: 1h, lateness: 5m }
";
    const HOURS: i64 = 6;

    /// Keeps what it is told, unless it is away.
    #[derive(Default)]
    struct TestSink {
        is_away: AtomicBool,
        told: Mutex<Vec<Publication>>,
    }

    #[async_trait::async_trait]
    impl Sink for TestSink {
        async fn publish(&self, publication: Publication) -> std::result::Result<(), crate::BoxError> {
            if self.is_away.load(Ordering::SeqCst) {
                return Err("the store is away".into());
            }
            self.told.lock().unwrap().push(publication);
            Ok(())
        }
    }

    /// One event an hour: each but the last closes the window before.
    fn event(hour: i64) -> (EventTime, Vec<u8>) {
        let time = EventTime::from_millis(1_368_057_600_000 + hour * 3_600_000 + 1_800_000);
        let event = format!(r#"{{"id": "{hour}", "time": "{time}", "input": {{"x": 1.0}}, "score": 0.5}}"#);
        (time, event.into_bytes())
    }

    fn accept(keeper: &mut Keeper, hours: std::ops::Range<i64>) {
        for hour in hours {
            let (time, payload) = event(hour);
            let record = Record { offset: hour, timestamp: Some(time), payload: Some(&payload) };
            keeper.accept(Kind::Prediction, &[record]).unwrap();
        }
    }

    async fn open(state: &Path) -> Keeper {
        let contract = Arc::new(contract_from_text(CONTRACT, Path::new("m.yaml")).unwrap());
        let topics = BTreeMap::from([(Kind::Prediction, "predictions".to_owned())]);
        Keeper::open(&contract, Identity { shard: 0, shards: 1, topics }, state).await.unwrap()
    }

    fn outlets(sink: &Arc<TestSink>) -> Outlets {
        Outlets {
            sink: Arc::clone(sink) as Arc<dyn Sink>,
            dead_letters: None,
            metrics: Arc::new(Metrics::register(&Registry::new()).unwrap()),
            health: Arc::default(),
        }
    }

    /// Rows that are listed, by publication, and the files' paths.
    fn listed(told: &[Publication]) -> (Vec<u64>, Vec<String>) {
        let rows = told.iter().map(|publication| publication.history_files.iter().map(|file| file.rows).sum());
        let files = told.iter().flat_map(|publication| &publication.history_files);
        (rows.collect(), files.map(|file| file.path.clone()).collect())
    }

    #[tokio::test]
    async fn i1_the_history_is_listed_with_the_first_publication_that_speaks_of_it() {
        let state = tempfile::tempdir().unwrap();
        let (sink, stop) = (Arc::new(TestSink::default()), CancellationToken::new());
        let outlets = outlets(&sink);
        let mut keeper = open(state.path()).await;
        accept(&mut keeper, 0..HOURS);
        assert!(keeper.checkpoint(&outlets, &stop).await.unwrap());
        keeper.close(&outlets.metrics).await.unwrap();
        let told = sink.told.lock().unwrap();
        // Five windows close one after the other, then the shard says where it is.
        assert_eq!(listed(&told).0, [6, 0, 0, 0, 0, 0]);
        assert!(listed(&told).1.iter().all(|path| state.path().join(path).is_file()));
    }

    #[tokio::test]
    async fn i1_a_kill_between_checkpoint_and_store_loses_no_file_and_lists_none_twice() {
        let state = tempfile::tempdir().unwrap();
        let sink = Arc::new(TestSink::default());
        let (outlets, stopped, stop) = (outlets(&sink), CancellationToken::new(), CancellationToken::new());
        stopped.cancel();
        // The checkpoint is durable, and the store is away until the end.
        sink.is_away.store(true, Ordering::SeqCst);
        let mut keeper = open(state.path()).await;
        accept(&mut keeper, 0..HOURS);
        assert!(!keeper.checkpoint(&outlets, &stopped).await.unwrap());
        keeper.close(&outlets.metrics).await.unwrap();
        assert_eq!(sink.told.lock().unwrap().len(), 0);
        sink.is_away.store(false, Ordering::SeqCst);
        let mut keeper = open(state.path()).await;
        assert!(keeper.republish(&outlets, &stop).await.unwrap());
        assert_eq!(listed(&sink.told.lock().unwrap()).0, [6, 0, 0, 0, 0, 0]);
        // What was told is not told again, and what is new is listed once.
        accept(&mut keeper, HOURS - 1..HOURS + 1);
        assert!(keeper.checkpoint(&outlets, &stop).await.unwrap());
        keeper.close(&outlets.metrics).await.unwrap();
        let mut keeper = open(state.path()).await;
        assert!(keeper.republish(&outlets, &stop).await.unwrap());
        keeper.close(&outlets.metrics).await.unwrap();
        // The last checkpoint's publications may come again, as they were.
        let mut by_sequence = BTreeMap::new();
        for publication in sink.told.lock().unwrap().iter() {
            let known = by_sequence.insert(publication.sequence, publication.clone());
            assert!(known.is_none_or(|known| known == *publication));
        }
        let once: Vec<Publication> = by_sequence.into_values().collect();
        let (rows, files) = listed(&once);
        assert_eq!(rows.iter().sum::<u64>(), HOURS as u64 + 1);
        assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), files.len());
        assert!(files.iter().all(|path| state.path().join(path).is_file()));
    }
}
