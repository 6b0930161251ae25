//! One partition index of a bundle: reads the partitions of that index and feeds the shards of its models.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::configuration::{Configuration, Start};
use contract::{Contract, EventTime};
use futures::future::select_all;
use futures::{FutureExt, StreamExt};
use rdkafka::consumer::Consumer;
use rdkafka::consumer::stream_consumer::StreamPartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bundle::topics;
use super::client::{Reader, ReaderContext};
use super::failed;
use super::keeper::{Keeper, Outlets};
use super::member::Member;
use super::pace::{self, Position};
use crate::error::{Error, Result};
use crate::record::{Kind, Record};
use crate::shard::Identity;

/// Records that are taken from one partition at a time.
const BATCH_RECORDS: usize = 1_000;
/// A checkpoint is due when one partition has given so much since the last: what is held for the history stays bounded.
const CHECKPOINT_BYTES: usize = 64 << 20;
/// It is due as well when publications hold so many profiles: labels of many windows revise each of them again and again.
const CHECKPOINT_CELLS: usize = 4_096;
/// At the end of the log it is due earlier: producers may be waiting for it. (The demo's broker keeps 5 MiB a partition,
/// so its producer runs at most 4 MiB ahead of the committed offsets.)
const CAUGHT_UP_BYTES: usize = 1 << 20;
/// … but not more often than this.
const SHORTEST: Duration = Duration::from_millis(250);
/// How long a broker may take to say where a log begins and ends.
const ANSWER: Duration = Duration::from_secs(10);

/// What all workers of a service share.
pub struct Shared {
    pub reader: Arc<Reader>,
    pub member: Member,
    pub outlets: Outlets,
    pub state: PathBuf,
    pub start: Start,
    pub checkpoint_every: Duration,
    pub idle: Duration,
}

impl Shared {
    pub fn new(configuration: &Configuration, reader: Arc<Reader>, member: Member, outlets: Outlets) -> Self {
        Self {
            reader,
            member,
            outlets,
            state: configuration.state.clone(),
            start: configuration.kafka.start,
            checkpoint_every: configuration.checkpoint_every,
            idle: configuration.idle,
        }
    }
}

/// Reads until `stop` is cancelled; then everything that was read is checkpointed.
pub async fn run(
    shared: Arc<Shared>,
    contracts: Vec<Arc<Contract>>,
    index: i32,
    shards: i32,
    stop: CancellationToken,
) -> Result<()> {
    let mut worker = Worker::open(&shared, &contracts, index, shards).await?;
    let read = worker.read(&stop).await;
    let closed = worker.close().await;
    read.and(closed)
}

/// One kind of one model, fed by a partition.
#[derive(Clone, Copy, Debug)]
struct Feed {
    keeper: usize,
    kind: Kind,
    /// Records before this are not this model's to read.
    from: i64,
}

/// One partition.
struct Source {
    topic: String,
    feeds: Vec<Feed>,
    queue: StreamPartitionQueue<ReaderContext>,
    position: Position,
    /// Next offset to be read.
    next: i64,
    heard: Instant,
    is_idle: bool,
    /// Payloads since the last checkpoint.
    bytes: usize,
}

/// What a partition gave.
type Received<'a> = KafkaResult<BorrowedMessage<'a>>;

struct Worker<'a> {
    shared: &'a Shared,
    index: i32,
    keepers: Vec<Keeper>,
    sources: Vec<Source>,
    stretch: Duration,
    checkpointed: Instant,
    /// Something has happened since the last checkpoint.
    is_dirty: bool,
    /// Gives the partitions back when it goes.
    _assignment: Assignment,
}

impl<'a> Worker<'a> {
    async fn open(shared: &'a Shared, contracts: &[Arc<Contract>], index: i32, shards: i32) -> Result<Self> {
        let mut keepers = Vec::with_capacity(contracts.len());
        let mut feeds: BTreeMap<String, Vec<(usize, Kind)>> = BTreeMap::new();
        for (number, contract) in contracts.iter().enumerate() {
            let topics = topics(contract);
            for (kind, topic) in &topics {
                feeds.entry(topic.clone()).or_default().push((number, *kind));
            }
            let identity = Identity { shard: index, shards, topics };
            keepers.push(Keeper::open(contract, identity, &shared.state).await?);
        }
        let mut planned = Vec::new();
        for (topic, feeds) in feeds {
            planned.push(plan(shared, &mut keepers, topic, feeds, index).await?);
        }
        let (assignment, sources) = assign(shared, planned, index)?;
        Ok(Self {
            shared,
            index,
            keepers,
            sources,
            stretch: pace::stretch(contracts.iter().map(Arc::as_ref)),
            checkpointed: Instant::now(),
            is_dirty: true,
            _assignment: assignment,
        })
    }

    async fn read(&mut self, stop: &CancellationToken) -> Result<()> {
        for keeper in &mut self.keepers {
            if !keeper.republish(&self.shared.outlets, stop).await? {
                return Ok(());
            }
        }
        while !stop.is_cancelled() {
            if !self.read_batches()? {
                self.wait(stop).await?;
            }
            self.watch_idleness()?;
            if self.is_due() && !self.checkpoint(stop, false).await? {
                return Ok(());
            }
            // Nothing above waits while there is something to read; others want to run too.
            tokio::task::yield_now().await;
        }
        self.checkpoint(stop, true).await?;
        Ok(())
    }

    /// A batch of each partition that may be read; whether any gave something.
    fn read_batches(&mut self) -> Result<bool> {
        let mut has_read = false;
        for place in 0..self.sources.len() {
            if !self.may_read(place) {
                continue;
            }
            let Some(source) = self.sources.get(place) else { continue };
            let batch = ready(&source.queue);
            let taken = take(source, batch, &mut self.keepers)?;
            has_read |= taken.is_some();
            self.note(place, taken);
        }
        Ok(has_read)
    }

    /// Waits for the next record of any partition that may be read, or for something else to do.
    async fn wait(&mut self, stop: &CancellationToken) -> Result<()> {
        let until = self.next_deadline();
        let readable: Vec<usize> = (0..self.sources.len()).filter(|place| self.may_read(*place)).collect();
        let queues = readable.iter().filter_map(|place| Some((*place, self.sources.get(*place)?)));
        let received: Vec<_> =
            queues.map(|(place, source)| source.queue.recv().map(move |received| (place, received)).boxed()).collect();
        if received.is_empty() {
            // One partition may always be read; this only keeps a defect from spinning.
            tokio::time::sleep_until(until).await;
            return Ok(());
        }
        let (place, taken) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(until) => return Ok(()),
            ((place, received), ..) = select_all(received) => {
                let Some(source) = self.sources.get(place) else { return Ok(()) };
                (place, take(source, vec![received], &mut self.keepers)?)
            }
        };
        self.note(place, taken);
        Ok(())
    }

    fn may_read(&self, place: usize) -> bool {
        let positions: Vec<Position> = self.sources.iter().map(|source| source.position).collect();
        pace::may_read(&positions, place, self.stretch)
    }

    /// Moves a source on.
    fn note(&mut self, place: usize, taken: Option<Taken>) {
        let (Some(source), Some(taken)) = (self.sources.get_mut(place), taken) else { return };
        source.position.at_end = taken.at_end;
        if let Some(next) = taken.next {
            source.position.front = taken.front.or(source.position.front);
            source.next = next;
            source.bytes += taken.bytes;
            source.heard = Instant::now();
            source.is_idle = false;
            self.is_dirty = true;
            self.shared.outlets.metrics.position(&source.topic, self.index, next);
        }
        if taken.at_end {
            self.shared.outlets.metrics.end(&source.topic, self.index, source.next);
        }
    }

    /// A partition that has been at its end for long holds the others back no longer.
    fn watch_idleness(&mut self) -> Result<()> {
        // One that must wait for the others isn't silent: what it has was not looked for.
        let waits: Vec<bool> = (0..self.sources.len()).map(|place| !self.may_read(place)).collect();
        for (source, waits) in self.sources.iter_mut().zip(waits) {
            if waits {
                source.heard = Instant::now();
            }
            if source.position.at_end && !source.is_idle && source.heard.elapsed() >= self.shared.idle {
                source.is_idle = true;
                self.is_dirty = true;
                for feed in &source.feeds {
                    if let Some(keeper) = self.keepers.get_mut(feed.keeper) {
                        keeper.set_idle(feed.kind, true)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let since = self.checkpointed.elapsed();
        let most = self.sources.iter().map(|source| source.bytes).max().unwrap_or(0);
        let has_caught_up = self.sources.iter().any(|source| source.position.at_end && source.bytes >= CAUGHT_UP_BYTES);
        since >= self.shared.checkpoint_every
            || most >= CHECKPOINT_BYTES
            || self.keepers.iter().map(Keeper::untold_cells).sum::<usize>() >= CHECKPOINT_CELLS
            || (has_caught_up && since >= SHORTEST.min(self.shared.checkpoint_every))
    }

    fn next_deadline(&self) -> Instant {
        let idle = self.sources.iter().filter(|source| source.position.at_end && !source.is_idle);
        let idle = idle.map(|source| source.heard + self.shared.idle).min();
        let has_caught_up = self.sources.iter().any(|source| source.position.at_end && source.bytes >= CAUGHT_UP_BYTES);
        let every =
            if has_caught_up { SHORTEST.min(self.shared.checkpoint_every) } else { self.shared.checkpoint_every };
        let checkpoint = self.checkpointed + every;
        idle.map_or(checkpoint, |idle| idle.min(checkpoint))
    }

    /// Checkpoints every shard, then tells the group. False: stopped before everything was told.
    async fn checkpoint(&mut self, stop: &CancellationToken, is_last: bool) -> Result<bool> {
        let outlets = &self.shared.outlets;
        if self.is_dirty {
            let mut is_told = true;
            for keeper in &mut self.keepers {
                is_told &= keeper.checkpoint(outlets, stop).await?;
            }
            if !is_told {
                return Ok(false);
            }
        } else {
            self.keepers.iter().for_each(|keeper| keeper.is_current(&outlets.metrics));
        }
        if self.is_dirty || is_last {
            self.commit(is_last).await;
        }
        self.is_dirty = false;
        self.checkpointed = Instant::now();
        for source in &mut self.sources {
            source.bytes = 0;
        }
        Ok(true)
    }

    async fn commit(&self, is_last: bool) {
        let offsets: Vec<(String, i32, i64)> =
            self.sources.iter().map(|source| (source.topic.clone(), self.index, source.next)).collect();
        let member = self.shared.member.clone();
        if is_last {
            // Waits for the broker, which a thread of the runtime must not.
            let _ = tokio::task::spawn_blocking(move || member.commit(&offsets, true)).await;
        } else {
            member.commit(&offsets, false);
        }
    }

    async fn close(self) -> Result<()> {
        let mut closed = Ok(());
        for keeper in self.keepers {
            closed = closed.and(keeper.close(&self.shared.outlets.metrics).await);
        }
        closed
    }
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// After the last record, if there was one.
    next: Option<i64>,
    front: Option<EventTime>,
    at_end: bool,
    bytes: usize,
}

/// What a partition has at hand, up to a batch.
fn ready(queue: &StreamPartitionQueue<ReaderContext>) -> Vec<Received<'_>> {
    let mut stream = queue.stream();
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).take(BATCH_RECORDS).collect()
}

/// Feeds a batch to the shards. None: there was nothing.
fn take(source: &Source, batch: Vec<Received<'_>>, keepers: &mut [Keeper]) -> Result<Option<Taken>> {
    if batch.is_empty() {
        return Ok(None);
    }
    let mut taken = Taken::default();
    let mut messages = Vec::with_capacity(batch.len());
    for received in batch {
        match received {
            Ok(message) => {
                taken.at_end = false;
                messages.push(message);
            }
            Err(KafkaError::PartitionEOF(_)) => taken.at_end = true,
            Err(error) => return Err(failed(format!("reading {}", source.topic))(error)),
        }
    }
    let records: Vec<Record<'_>> = messages.iter().map(record).collect();
    let Some(last) = records.last() else { return Ok(Some(taken)) };
    taken.next = Some(last.offset + 1);
    taken.front = records.iter().rev().find_map(|record| record.timestamp);
    taken.bytes = records.iter().map(|record| record.payload.map_or(0, <[u8]>::len)).sum();
    for feed in &source.feeds {
        let first = records.partition_point(|record| record.offset < feed.from);
        let own = records.get(first..).unwrap_or_default();
        if let Some(keeper) = keepers.get_mut(feed.keeper).filter(|_| !own.is_empty()) {
            if source.is_idle {
                keeper.set_idle(feed.kind, false)?;
            }
            keeper.accept(feed.kind, own)?;
        }
    }
    Ok(Some(taken))
}

fn record<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    Record {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(EventTime::from_millis),
        payload: message.payload(),
    }
}

/// A partition before it is assigned.
struct Planned {
    topic: String,
    feeds: Vec<Feed>,
    next: i64,
}

/// Where to read a partition from: the least of what its shards need, if Kafka still has it.
async fn plan(
    shared: &Shared,
    keepers: &mut [Keeper],
    topic: String,
    kinds: Vec<(usize, Kind)>,
    index: i32,
) -> Result<Planned> {
    let (low, high) = log_span(shared, &topic, index).await?;
    let mut feeds = Vec::with_capacity(kinds.len());
    let mut lost = 0;
    for (number, kind) in kinds {
        let Some(keeper) = keepers.get_mut(number) else { continue };
        let known = keeper.next_offset(kind).or_else(|| keeper.start(kind));
        let from = match known {
            Some(next) if next < low => {
                let records = low.abs_diff(next);
                let model = &keeper.model;
                tracing::error!(model, topic, index, records, "Kafka has deleted records that were not read yet");
                lost = records.max(lost);
                low
            }
            Some(next) if next > high => {
                return Err(Error::Kafka {
                    doing: format!("resuming partition {index} of {topic} for model {}", keeper.model),
                    detail: format!(
                        "the log ends at {high}, before the checkpoint's offset {next}: if the topic was made anew, give the model \
                         another name or remove its checkpoints"
                    ),
                });
            }
            Some(next) => next,
            None => {
                let start = if shared.start == Start::Earliest { low } else { high };
                keeper.begin_at(kind, start).await?;
                start
            }
        };
        // Whether it was silent is seen again.
        keeper.set_idle(kind, false)?;
        feeds.push(Feed { keeper: number, kind, from });
    }
    shared.outlets.metrics.lost(&topic, index, lost);
    let next = feeds.iter().map(|feed| feed.from).min().unwrap_or(low);
    Ok(Planned { topic, feeds, next })
}

/// First and next offset of a partition.
async fn log_span(shared: &Shared, topic: &str, index: i32) -> Result<(i64, i64)> {
    let (reader, asked) = (Arc::clone(&shared.reader), topic.to_owned());
    let doing = format!("asking where partition {index} of {topic} begins and ends");
    let span = tokio::task::spawn_blocking(move || reader.fetch_watermarks(&asked, index, ANSWER)).await;
    match span {
        Ok(span) => span.map_err(failed(doing)),
        Err(error) => Err(Error::Kafka { doing, detail: error.to_string() }),
    }
}

/// Partitions that the reader reads for one worker.
struct Assignment {
    reader: Arc<Reader>,
    list: TopicPartitionList,
}

impl Drop for Assignment {
    fn drop(&mut self) {
        if let Err(error) = self.reader.incremental_unassign(&self.list) {
            tracing::warn!("partitions could not be given back: {error}");
        }
    }
}

/// Begins reading. Queues are split first, so that no record goes elsewhere.
fn assign(shared: &Shared, planned: Vec<Planned>, index: i32) -> Result<(Assignment, Vec<Source>)> {
    let mut list = TopicPartitionList::new();
    let mut sources = Vec::with_capacity(planned.len());
    for Planned { topic, feeds, next } in planned {
        let doing = || format!("assigning partition {index} of {topic}");
        list.add_partition_offset(&topic, index, Offset::Offset(next)).map_err(failed(doing()))?;
        let queue = shared
            .reader
            .split_partition_queue(&topic, index)
            .ok_or_else(|| Error::Kafka { doing: doing(), detail: "librdkafka has no queue for it".to_owned() })?;
        shared.outlets.metrics.position(&topic, index, next);
        let (position, heard) = (Position::default(), Instant::now());
        sources.push(Source { topic, feeds, queue, position, next, heard, is_idle: false, bytes: 0 });
    }
    shared.reader.incremental_assign(&list).map_err(failed(format!("assigning partitions {index}")))?;
    Ok((Assignment { reader: Arc::clone(&shared.reader), list }, sources))
}
