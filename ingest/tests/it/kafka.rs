//! The Kafka driver against librdkafka's mock cluster: crashes, rebalances, garbage, lost records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::configuration::{Configuration, Kafka, Secret, Start};
use contract::{Contract, EventTime};
use ingest::kafka::{Health, run};
use ingest::publication::{Counts, DeadLetter, HistoryFile, Publication};
use ingest::shard::{Identity, Shard};
use ingest::{BoxError, Kind, Record, Sink};
use prometheus::Registry;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CONTRACT: &str = r"
version: 1
model: m
task: binary_classification
sources:
  predictions: { topic: predictions, format: json }
  labels: { topic: labels, format: json, horizon: 1d }
fields:
  predictions: { event_id: /id, time: /time, version: /version, features: /input, score: /score, latency: {pointer: /ms, unit: ms} }
  labels: { event_id: /id, time: /time, label: /label }
schema: { x: { type: float64 }, word: { type: string } }
segments: [ word ]
windows: { size: 1h, lateness: 5m }
";
const PARTITIONS: i32 = 2;
const PATIENCE: Duration = Duration::from_secs(90);

/// One record to be: kind, time, bytes.
type Event = (Kind, EventTime, Vec<u8>);
/// The profiles of a window's cells, by version and segment.
type Cells = BTreeMap<(String, String), Vec<u8>>;
/// What stands in each partition of each topic, in order.
type Log = BTreeMap<(Kind, i32), Vec<(EventTime, Vec<u8>)>>;

fn contract() -> Arc<Contract> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.yaml");
    std::fs::write(&path, CONTRACT).unwrap();
    match contract::lower::read_contract(&path) {
        Ok(contract) => Arc::new(contract),
        Err(errors) => panic!("{errors:?}"),
    }
}

fn start_of_stream() -> EventTime {
    EventTime::parse("2013-05-09T00:00:00Z").unwrap()
}

/// Predictions of some hours with their labels an hour later, garbage and repeats among them; then a day of nothing and one
/// event of each kind, so that every window before is final.
fn events(count: i64, filler: usize) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let filler = "f".repeat(filler);
    for row in 0..count {
        let time = start_of_stream() + Duration::from_secs(row as u64 * 3);
        // A few come out of order, and very few too late for their window.
        let own = time
            - Duration::from_secs(if row % 50 == 7 {
                200
            } else if row % 997 == 5 {
                7_000
            } else {
                0
            });
        let own = own.max(start_of_stream());
        let (x, word, score) = (row * row % 977, ["a", "b", "c"][row as usize % 3], row % 100);
        let event = format!(
            r#"{{"id": "{row}", "time": "{own}", "version": "{}", "input": {{"x": {x}.25, "word": "{word}"}}, "score": 0.{score:02}, "ms": {}, "filler": "{filler}"}}"#,
            1 + row % 2,
            row % 30
        );
        events.push((Kind::Prediction, time, event.clone().into_bytes()));
        if row % 100 == 3 {
            events.push((Kind::Prediction, time, event.into_bytes()));
        }
        match row % 200 {
            11 => events.push((Kind::Prediction, time, b"\x00\xff no JSON".to_vec())),
            12 => events.push((Kind::Prediction, time, format!(r#"{{"time": "{time}"}}"#).into_bytes())),
            13 => events.push((
                Kind::Label,
                time,
                format!(r#"{{"id": "{row}", "time": "{time}", "label": "?"}}"#).into_bytes(),
            )),
            14 => events.push((Kind::Prediction, time, event_in_the_future(row))),
            _ => {}
        }
        if row % 5 != 0 {
            let known = time + Duration::from_mins(if row % 2 == 0 { 60 } else { 1 });
            let label = row % 7 == 0;
            events.push((
                Kind::Label,
                known,
                format!(r#"{{"id": "{row}", "time": "{known}", "label": {label}}}"#).into_bytes(),
            ));
            if row % 60 == 1 {
                let corrected = known + Duration::from_secs(30);
                let label = format!(r#"{{"id": "{row}", "time": "{corrected}", "label": {}}}"#, !label);
                events.push((Kind::Label, corrected, label.into_bytes()));
            }
        }
    }
    events.sort_by_key(|(_, time, _)| *time);
    events
}

fn event_in_the_future(row: i64) -> Vec<u8> {
    format!(r#"{{"id": "future-{row}", "time": "2099-01-01T00:00:00Z", "input": {{"x": 1.0}}, "score": 0.5}}"#)
        .into_bytes()
}

/// Distributes events over partitions by their number, and ends every partition with an event long after all others.
fn log(events: Vec<Event>) -> Log {
    let end = events.last().unwrap().1 + Duration::from_hours(72);
    let mut log = Log::new();
    for (kind, time, bytes) in events {
        // By id where there is one: a prediction and its labels share a partition.
        let text = String::from_utf8_lossy(&bytes);
        let id: i64 = text.split('"').nth(3).and_then(|id| id.parse().ok()).unwrap_or(0);
        let partition = (id % i64::from(PARTITIONS)) as i32;
        log.entry((kind, partition)).or_default().push((time, bytes.clone()));
    }
    for partition in 0..PARTITIONS {
        let id = format!("end-{partition}");
        let prediction =
            format!(r#"{{"id": "{id}", "time": "{end}", "input": {{"x": 1.0, "word": "z"}}, "score": 0.5}}"#);
        log.entry((Kind::Prediction, partition)).or_default().push((end, prediction.into_bytes()));
        let label = format!(r#"{{"id": "{id}", "time": "{end}", "label": true}}"#);
        log.entry((Kind::Label, partition)).or_default().push((end, label.into_bytes()));
    }
    log
}

fn topic(kind: Kind) -> &'static str {
    if kind == Kind::Prediction { "predictions" } else { "labels" }
}

/// A cluster that holds the log.
struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
}

impl Cluster {
    fn new() -> Self {
        let mock = MockCluster::new(1).unwrap();
        for topic in ["predictions", "labels"] {
            mock.create_topic(topic, PARTITIONS, 1).unwrap();
        }
        mock.create_topic("dead", 1, 1).unwrap();
        Self { mock }
    }

    fn brokers(&self) -> String {
        self.mock.bootstrap_servers()
    }

    async fn publish(&self, log: &Log) {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .set("enable.idempotence", "true")
            .set("linger.ms", "2")
            .create()
            .unwrap();
        for ((kind, partition), records) in log {
            let mut sent = Vec::new();
            for (time, bytes) in records {
                let record: FutureRecord<'_, [u8], [u8]> =
                    FutureRecord::to(topic(*kind)).partition(*partition).timestamp(time.millis()).payload(bytes);
                sent.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
            }
            for delivery in sent {
                delivery.await.unwrap().unwrap();
            }
        }
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .set("group.id", "bellwether")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap()
    }

    /// Committed offsets by kind and partition.
    fn committed(&self) -> BTreeMap<(Kind, i32), i64> {
        let mut list = TopicPartitionList::new();
        for kind in Kind::ALL {
            for partition in 0..PARTITIONS {
                list.add_partition(topic(kind), partition);
            }
        }
        let list = self.consumer().committed_offsets(list, Duration::from_secs(10)).unwrap();
        let kind = |name: &str| if name == "predictions" { Kind::Prediction } else { Kind::Label };
        let elements = list.elements();
        let offsets = elements.iter().filter_map(|e| Some(((kind(e.topic()), e.partition()), e.offset().to_raw()?)));
        offsets.collect()
    }

    /// Keys and reasons of the topic of dead letters.
    fn dead_letters(&self) -> BTreeSet<(String, Vec<u8>)> {
        let consumer = self.consumer();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("dead", 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut letters = BTreeSet::new();
        while let Some(Ok(message)) = consumer.poll(Duration::from_secs(10)) {
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            letters.insert((key, message.payload().unwrap().to_vec()));
        }
        letters
    }
}

/// When the sink stops answering, as if the process had been killed then.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// The publication with this number, counted from here, is not stored …
    Before(usize),
    /// … or stored but not acknowledged.
    After(usize),
}

/// What was published, the newest of each by (epoch, sequence), as the store keeps it.
#[derive(Default)]
struct Stored {
    shards: BTreeMap<i32, Publication>,
    /// By shard and window: position of the newest part, and its cells.
    parts: BTreeMap<(i32, EventTime), ((u64, u64), Cells)>,
    letters: BTreeMap<(String, i32, i64), DeadLetter>,
    /// By shard and path.
    files: BTreeMap<(i32, String), HistoryFile>,
    /// Publications that spoke of events which no listed file had.
    ahead_of_history: Vec<String>,
    /// Publications until the crash.
    left: Option<Crash>,
    refusals: u32,
}

struct TestSink {
    stored: Mutex<Stored>,
    /// Counts changes; `crashed` is true when the sink has stopped answering.
    changed: watch::Sender<(u64, bool)>,
}

impl TestSink {
    fn new() -> Arc<Self> {
        Arc::new(Self { stored: Mutex::default(), changed: watch::Sender::new((0, false)) })
    }

    fn crash_at(&self, crash: Option<Crash>) {
        self.stored.lock().unwrap().left = crash;
        self.changed.send_modify(|changed| changed.1 = false);
    }

    async fn until(&self, is_done: impl Fn(&Stored, bool) -> bool) {
        let mut changes = self.changed.subscribe();
        let done = async {
            loop {
                let crashed = changes.borrow_and_update().1;
                if is_done(&self.stored.lock().unwrap(), crashed) {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("the driver reaches the end");
    }

    /// Until everything is told of the whole log: a checkpoint's last publication has no windows.
    async fn until_end(&self, log: &Log) {
        self.until(|stored, _| {
            let reached = |(kind, shard): &(Kind, i32), records: &Vec<_>| {
                let last = stored.shards.get(shard).filter(|last| last.parts.is_empty());
                last.and_then(|last| last.offsets.get(kind)) == Some(&(records.len() as i64))
            };
            log.iter().all(|(place, records)| reached(place, records))
        })
        .await;
    }
}

#[async_trait::async_trait]
impl Sink for TestSink {
    async fn publish(&self, publication: Publication) -> Result<(), BoxError> {
        let crashes = {
            let mut stored = self.stored.lock().unwrap();
            stored.refusals += 1;
            if stored.refusals.is_multiple_of(5) {
                return Err("the store is busy".into());
            }
            stored.left = match stored.left {
                Some(Crash::Before(left)) => Some(Crash::Before(left.saturating_sub(1))),
                Some(Crash::After(left)) => Some(Crash::After(left.saturating_sub(1))),
                None => None,
            };
            if !matches!(stored.left, Some(Crash::Before(0))) {
                store(&mut stored, publication);
            }
            matches!(stored.left, Some(Crash::Before(0) | Crash::After(0)))
        };
        self.changed.send_modify(|changed| *changed = (changed.0 + 1, crashes));
        if crashes {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

fn store(stored: &mut Stored, publication: Publication) {
    let position = (publication.epoch, publication.sequence);
    let known = stored.shards.get(&publication.shard).map(|known| (known.epoch, known.sequence));
    if known >= Some(position) {
        return;
    }
    for part in &publication.parts {
        let cells =
            part.cells.iter().map(|cell| ((cell.version.clone(), cell.segment.clone()), cell.profile.to_bytes()));
        stored.parts.insert((publication.shard, part.window.start), (position, cells.collect()));
    }
    for letter in &publication.dead_letters {
        stored.letters.insert((letter.topic.clone(), letter.partition, letter.offset), letter.clone());
    }
    for file in &publication.history_files {
        stored.files.insert((publication.shard, file.path.clone()), file.clone());
    }
    // Windows of this publication make rules fire, and a retraining pins what is listed at once.
    let Counts { predictions, labels, .. } = &publication.counts;
    for (kind, taken) in [(Kind::Prediction, predictions), (Kind::Label, labels)] {
        let own =
            |((shard, _), file): &(&(i32, String), &HistoryFile)| *shard == publication.shard && file.kind == kind;
        let listed: u64 = stored.files.iter().filter(own).map(|(_, file)| file.rows).sum();
        let taken = taken.accepted + taken.late;
        if listed < taken {
            stored.ahead_of_history.push(format!("{kind:?} of {}: {listed} of {taken}", publication.shard));
        }
    }
    stored.shards.insert(publication.shard, publication);
}

fn configuration(cluster: &Cluster, state: &Path) -> Configuration {
    let properties = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")];
    let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
    Configuration {
        listen: ([127, 0, 0, 1], 0).into(),
        database: state.join("unused"),
        state: state.to_owned(),
        registry: state.join("unused"),
        kafka: Kafka {
            brokers: cluster.brokers(),
            group: "bellwether".to_owned(),
            dead_letters: Some("dead".to_owned()),
            start: Start::Earliest,
            properties,
        },
        checkpoint_every: Duration::from_millis(20),
        idle: Duration::from_mins(10),
        contracts: Vec::new(),
        channels: Vec::new(),
        routes: Vec::new(),
    }
}

/// A running driver.
struct Driver {
    task: tokio::task::JoinHandle<ingest::Result<()>>,
    stop: CancellationToken,
    registry: Registry,
    health: Arc<Health>,
}

impl Driver {
    fn start(configuration: &Configuration, sink: &Arc<TestSink>) -> Self {
        let (configuration, sink) = (configuration.clone(), Arc::clone(sink));
        let (stop, registry, health) = (CancellationToken::new(), Registry::new(), Arc::new(Health::default()));
        let (stopped, registered, told) = (stop.clone(), registry.clone(), Arc::clone(&health));
        let task = tokio::spawn(async move {
            run(vec![contract()], &configuration, sink as Arc<dyn Sink>, &registered, told, stopped).await
        });
        Self { task, stop, registry, health }
    }

    async fn stop(self) -> Registry {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
        self.registry
    }

    /// Health is asked for, as `/readyz` does.
    async fn until(&self, is_so: impl Fn(&[String]) -> bool) {
        let asked = async {
            while !is_so(&self.health.reasons()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asked).await.is_ok();
        assert!(in_time, "{:?}", self.health.reasons());
    }

    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What a shard says that is fed without any driver.
struct Expected {
    counts: Counts,
    parts: BTreeMap<EventTime, Cells>,
    letters: usize,
    /// In the history.
    rows: BTreeMap<Kind, u64>,
}

fn expected(log: &Log, shard: i32) -> Expected {
    let topics = Kind::ALL.map(|kind| (kind, topic(kind).to_owned())).into();
    let mut engine = Shard::new(contract(), Identity { shard, shards: PARTITIONS, topics }, 1).unwrap();
    for kind in Kind::ALL {
        let records: Vec<Record<'_>> = log[&(kind, shard)]
            .iter()
            .enumerate()
            .map(|(offset, (time, bytes))| Record {
                offset: offset as i64,
                timestamp: Some(*time),
                payload: Some(bytes),
            })
            .collect();
        engine.accept(kind, &records).unwrap();
    }
    let mut publications = engine.take_publications();
    publications.push(engine.progress());
    let mut parts = BTreeMap::new();
    for part in publications.iter().flat_map(|publication| &publication.parts) {
        let cells =
            part.cells.iter().map(|cell| ((cell.version.clone(), cell.segment.clone()), cell.profile.to_bytes()));
        parts.insert(part.window.start, cells.collect());
    }
    let letters = publications.iter().map(|publication| publication.dead_letters.len()).sum();
    let mut rows = BTreeMap::new();
    for written in engine.take_rows().unwrap() {
        *rows.entry(written.kind).or_default() += written.batch.num_rows() as u64;
    }
    Expected { counts: engine.counts().clone(), parts, letters, rows }
}

/// Everything that was stored equals what the log says.
async fn check(sink: &TestSink, log: &Log, state: &Path) {
    let mut letters = 0;
    let mut history: BTreeMap<Kind, u64> = BTreeMap::new();
    for shard in 0..PARTITIONS {
        let Expected { counts, parts, letters: dead, rows } = expected(log, shard);
        let stored = sink.stored.lock().unwrap();
        assert_eq!(stored.shards[&shard].counts, counts, "counts of shard {shard}");
        let found: BTreeMap<_, _> = stored
            .parts
            .iter()
            .filter(|((of, _), _)| *of == shard)
            .map(|((_, start), (_, cells))| (*start, cells))
            .collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), parts.keys().collect::<Vec<_>>(), "windows of shard {shard}");
        for (start, cells) in &parts {
            assert!(found[start] == cells, "window {start} of shard {shard} differs");
        }
        letters += dead;
        for (kind, rows) in rows {
            *history.entry(kind).or_default() += rows;
        }
    }
    let files: Vec<HistoryFile> = {
        let stored = sink.stored.lock().unwrap();
        assert_eq!(stored.letters.len(), letters);
        assert_eq!(stored.ahead_of_history, [""; 0]);
        stored.files.values().cloned().collect()
    };
    for kind in Kind::ALL {
        let listed: u64 = files.iter().filter(|file| file.kind == kind).map(|file| file.rows).sum();
        assert_eq!(listed, history[&kind], "rows of {kind:?} in the history");
        // What lies in the folder is what is listed.
        let data = ingest::dataset::read(&state.join("history").join("m").join(kind.name())).await.unwrap();
        assert_eq!(data.count().await.unwrap() as u64, listed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_crashes_at_any_step_change_no_figure() {
    let (cluster, state, sink) = (Cluster::new(), tempfile::tempdir().unwrap(), TestSink::new());
    let log = log(events(20_000, 0));
    cluster.publish(&log).await;
    let configuration = configuration(&cluster, state.path());
    for crash in [Crash::Before(1), Crash::After(2), Crash::Before(4), Crash::After(7)] {
        sink.crash_at(Some(crash));
        let driver = Driver::start(&configuration, &sink);
        sink.until(|_, crashed| crashed).await;
        driver.kill().await;
    }
    sink.crash_at(None);
    let driver = Driver::start(&configuration, &sink);
    sink.until_end(&log).await;
    let registry = driver.stop().await;
    check(&sink, &log, state.path()).await;
    let ends: BTreeMap<_, _> = log.iter().map(|(place, records)| (*place, records.len() as i64)).collect();
    assert_eq!(cluster.committed(), ends);
    let letters: BTreeSet<_> = {
        let stored = sink.stored.lock().unwrap();
        let letters = stored.letters.iter();
        letters
            .map(|((topic, partition, offset), l)| (format!("{topic}/{partition}/{offset}"), l.payload.clone()))
            .collect()
    };
    assert_eq!(cluster.dead_letters(), letters);
    let families = registry.gather();
    let exported: Vec<&str> = families.iter().map(prometheus::proto::MetricFamily::name).collect();
    for name in
        ["bellwether_ingest_events_total", "bellwether_dead_letters_total", "bellwether_prediction_latency_seconds"]
    {
        assert!(exported.contains(&name), "{name} is not among {exported:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_shards_move_between_instances() {
    let (cluster, state, sink) = (Cluster::new(), tempfile::tempdir().unwrap(), TestSink::new());
    let log = log(events(4_000, 0));
    let half: Log = log.iter().map(|(place, records)| (*place, records[..records.len() / 2].to_vec())).collect();
    let rest: Log = log.iter().map(|(place, records)| (*place, records[records.len() / 2..].to_vec())).collect();
    cluster.publish(&half).await;
    let configuration = configuration(&cluster, state.path());
    let first = Driver::start(&configuration, &sink);
    sink.until_end(&half).await;
    let epochs = |stored: &Stored| stored.shards.values().map(|last| last.epoch).collect::<Vec<_>>();
    let of_first = epochs(&sink.stored.lock().unwrap());
    let second = Driver::start(&configuration, &sink);
    cluster.publish(&rest).await;
    sink.until_end(&log).await;
    // The second instance takes over whatever it has not yet, without a crash.
    first.stop().await;
    sink.until(|stored, _| epochs(stored).iter().zip(&of_first).all(|(now, before)| now > before)).await;
    second.stop().await;
    check(&sink, &log, state.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_records_that_kafka_deleted_are_counted() {
    let (cluster, state, sink) = (Cluster::new(), tempfile::tempdir().unwrap(), TestSink::new());
    let first = log(events(100, 0));
    cluster.publish(&first).await;
    let configuration = configuration(&cluster, state.path());
    let driver = Driver::start(&configuration, &sink);
    sink.until_end(&first).await;
    driver.stop().await;
    // The mock keeps 5 MiB of a partition: the outage lasts for more.
    let more = log(events(8_000, 2_000));
    cluster.publish(&more).await;
    let end = |place: &(Kind, i32)| (first[place].len() + more[place].len()) as i64;
    let driver = Driver::start(&configuration, &sink);
    sink.until(|stored, _| {
        let reached =
            |place: &(Kind, i32)| stored.shards.get(&place.1).and_then(|last| last.offsets.get(&place.0).copied());
        first.keys().all(|place| reached(place) == Some(end(place)))
    })
    .await;
    let registry = driver.stop().await;
    let families = registry.gather();
    let lost = families.iter().find(|family| family.name() == "bellwether_ingest_lost_records_total").unwrap();
    let lost: u64 = lost.get_metric().iter().map(|metric| metric.get_counter().get_value() as u64).sum();
    let stored = sink.stored.lock().unwrap();
    let sum = |counts: &Counts| {
        [counts.predictions, counts.labels]
            .iter()
            .map(|o| o.accepted + o.duplicate + o.late + o.dead_letter)
            .sum::<u64>()
    };
    let counted: u64 = stored.shards.values().map(|last| sum(&last.counts)).sum();
    let published: i64 = first.keys().map(end).sum();
    assert!(lost > 0);
    assert_eq!(counted + lost, published as u64, "every record is counted or counted as lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e4_missing_topics_and_brokers_are_waited_for_and_said() {
    let (state, sink) = (tempfile::tempdir().unwrap(), TestSink::new());
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("predictions", PARTITIONS, 1).unwrap();
    let cluster = Cluster { mock };
    let mut configuration = configuration(&cluster, state.path());
    configuration.kafka.dead_letters = None;
    let driver = Driver::start(&configuration, &sink);
    driver
        .until(|reasons| reasons.iter().any(|reason| reason.contains("topic labels of model m does not exist")))
        .await;
    cluster.mock.create_topic("labels", PARTITIONS, 1).unwrap();
    let log = log(events(50, 0));
    cluster.publish(&log).await;
    sink.until_end(&log).await;
    // The sink refuses now and then, which is said too, until it is over.
    driver.until(<[String]>::is_empty).await;
    cluster.mock.broker_down(1).unwrap();
    driver.until(|reasons| !reasons.is_empty()).await;
    cluster.mock.broker_up(1).unwrap();
    driver.until(<[String]>::is_empty).await;
    driver.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i2_a_silent_partition_holds_nothing_back() {
    let (cluster, state, sink) = (Cluster::new(), tempfile::tempdir().unwrap(), TestSink::new());
    let log = log(events(2_000, 0));
    let predictions: Log =
        log.iter().filter(|((kind, _), _)| *kind == Kind::Prediction).map(|(k, v)| (*k, v.clone())).collect();
    cluster.publish(&predictions).await;
    let mut configuration = configuration(&cluster, state.path());
    configuration.idle = Duration::from_millis(300);
    let driver = Driver::start(&configuration, &sink);
    // No label has ever come; windows mature all the same, when labels have been silent for long enough.
    sink.until(|stored, _| {
        let is_idle = |shard| stored.shards.get(&shard).is_some_and(|last| last.watermarks.labels_idle);
        (0..PARTITIONS).all(is_idle)
    })
    .await;
    // Then they come, and count.
    let labels: Log = log.iter().filter(|((kind, _), _)| *kind == Kind::Label).map(|(k, v)| (*k, v.clone())).collect();
    cluster.publish(&labels).await;
    sink.until_end(&log).await;
    driver.stop().await;
    check(&sink, &log, state.path()).await;
}
