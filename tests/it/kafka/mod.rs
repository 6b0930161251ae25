//! Against Apache Kafka itself: a month of flights, one kill -9 in mid-stream, and every count compared with the log.

mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::EventTime;
use fixtures::data::{cache_folder, flights_archive, unpack_flights};
use fixtures::flights::model::Model;
use fixtures::flights::stream::Kind;
use fixtures::flights::{CONTRACT, Plan, Stream, TRAINING_DAYS, reference, table};
use serde_json::Value;
use store::{Store, WindowFilter};

use self::broker::{Broker, Publisher};
use crate::oracle::{self, Expected, Reading, Tally, expect};
use crate::service::{Service, until};
use crate::stream::{Entry, HOUR, Log};

/// May 2013, the days of the weather feed's fault included.
const DAYS: std::ops::Range<i64> = 120..151;
const PARTITIONS: usize = 2;

/// How the flights' contract reads events.
const FLIGHTS: Reading = Reading {
    event_id: "/event_id",
    prediction_time: "/time",
    version: "/model/version",
    score: "/output/p",
    label_time: "/known_at",
    label: "/late",
    size: 24 * HOUR,
    lateness: HOUR,
    horizon: 48 * HOUR,
    has_timestamps: true,
};

/// The month in order of arrival: which topic, which partition, key, time, bytes.
struct Arrival {
    kind: Kind,
    partition: usize,
    key: String,
    entry: Entry,
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_month_of_flights_through_kafka_and_a_kill_counts_exactly_once() {
    let Some(broker) = Broker::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let topics = Topics::new();
    broker
        .create(&[(&topics.predictions, PARTITIONS as i32), (&topics.labels, PARTITIONS as i32), (&topics.dead, 1)])
        .await;
    let arrivals = month(folder.path());
    configure(folder.path(), &broker, &topics);

    let mut sender = Sender { publisher: broker.publisher(), topics: &topics, logs: vec![Log::default(); PARTITIONS] };
    let quarter = arrivals.len() / 4;
    sender.send(&arrivals[..2 * quarter]);
    let first = Service::start(folder.path(), "first.log").await;
    until("a fifth of the records is read", async || (read(&first).await? >= quarter as u64).then_some(())).await;
    sender.send(&arrivals[2 * quarter..3 * quarter]);
    first.kill();
    let (read_before, epochs) = standing(folder.path()).await;
    assert!(
        read_before > 0 && read_before < 3 * quarter as u64,
        "killed in mid-stream: {read_before} of {}",
        3 * quarter
    );

    sender.send(&arrivals[3 * quarter..]);
    sender.close_windows();
    let logs = sender.logs;
    let second = Service::start(folder.path(), "second.log").await;
    let total: u64 = logs.iter().map(|log| (log.predictions.len() + log.labels.len()) as u64).sum();
    until("every record is read", async || (read(&second).await? >= total).then_some(())).await;

    let expected: Vec<Expected> = logs.iter().map(|log| expect(log, &FLIGHTS)).collect();
    has_everything(&expected);
    let windows = windows(&expected);
    until("every window is judged and final", async || (judged(&second, &windows).await?).then_some(())).await;
    compare_with_the_interface(&second, &expected).await;
    assert!(!second.log().contains("hunter2-of-kafka"), "promise E2");
    assert_eq!(second.stop(), 0);

    compare_with_the_store(folder.path(), &expected, &windows).await;
    assert!(standing(folder.path()).await.1.iter().zip(&epochs).all(|(after, before)| after > before), "a new epoch");
    compare_with_the_dead_letters(&broker, &topics, &logs, &expected);
}

/// Topics that no other test uses.
struct Topics {
    predictions: String,
    labels: String,
    dead: String,
}

impl Topics {
    fn new() -> Self {
        let name = |part: &str| format!("flights-{}-{part}", std::process::id());
        Self { predictions: name("predictions"), labels: name("labels"), dead: name("dead-letters") }
    }
}

/// Real flights, real weather; duplicates and garbage as the fixtures put them in. The reference goes into the folder.
fn month(folder: &Path) -> Vec<Arrival> {
    let files = unpack_flights(&flights_archive(&cache_folder()).unwrap()).unwrap();
    let training = table::read(&files, &TRAINING_DAYS).unwrap();
    reference::write(&folder.join("reference.parquet"), &training, &Model::load().unwrap()).unwrap();
    let plan = Plan { days: DAYS, with_fault: true, with_garbage: true };
    let stream = Stream::new(&plan, table::read(&files, &plan.days).unwrap()).unwrap();
    let arrivals = stream.map(|message| {
        // Both topics by the event's own key.
        let partition =
            message.key.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % PARTITIONS;
        let entry = Entry { written: message.arrival.micros(), bytes: message.payload };
        Arrival { kind: message.kind, partition, key: message.key, entry }
    });
    arrivals.collect()
}

fn configure(folder: &Path, broker: &Broker, topics: &Topics) {
    let contract = CONTRACT
        .replace("flights.predictions,", &format!("{},", topics.predictions))
        .replace("flights.labels,", &format!("{},", topics.labels));
    std::fs::write(folder.join("contract.yaml"), contract).unwrap();
    // The property means nothing without SASL: it is there to be kept secret.
    let configuration = format!(
        "listen: 127.0.0.1:0\n\
         database: bellwether.db\n\
         state: state\n\
         kafka:\n  brokers: \"{}\"\n  group: {}\n  dead_letters: {}\n  \
         properties: {{ session.timeout.ms: \"6000\", sasl.password: hunter2-of-kafka }}\n\
         checkpoint_every: 500ms\n\
         idle: 1d\n\
         contracts: [ contract.yaml ]\n",
        broker.address, topics.predictions, topics.dead
    );
    std::fs::write(folder.join("bellwether.yaml"), configuration).unwrap();
}

/// Sends records, and keeps the log that they make.
struct Sender<'a> {
    publisher: Publisher,
    topics: &'a Topics,
    logs: Vec<Log>,
}

impl Sender<'_> {
    fn send(&mut self, arrivals: &[Arrival]) {
        for arrival in arrivals {
            let log = &mut self.logs[arrival.partition];
            let (topic, entries) = match arrival.kind {
                Kind::Prediction => (&self.topics.predictions, &mut log.predictions),
                Kind::Label => (&self.topics.labels, &mut log.labels),
            };
            let entry = &arrival.entry;
            self.publisher.send(topic, arrival.partition as i32, &arrival.key, &entry.bytes, entry.written);
            entries.push(entry.clone());
        }
        self.publisher.flush();
    }

    /// Two events a partition, so long after the month that all of its windows are final. Their own window stays open.
    fn close_windows(&mut self) {
        let everything = self.logs.iter().flat_map(|log| log.predictions.iter().chain(&log.labels));
        let end =
            everything.map(|entry| entry.written).max().unwrap() + FLIGHTS.size + FLIGHTS.lateness + FLIGHTS.horizon;
        let prediction = self.example(|log| &log.predictions);
        let label = self.example(|log| &log.labels);
        let mut arrivals = Vec::new();
        for partition in 0..PARTITIONS {
            for (kind, example, time) in
                [(Kind::Prediction, &prediction, FLIGHTS.prediction_time), (Kind::Label, &label, FLIGHTS.label_time)]
            {
                let key = format!("closing-{partition}");
                let mut event = example.clone();
                *event.pointer_mut(FLIGHTS.event_id).unwrap() = key.clone().into();
                *event.pointer_mut(time).unwrap() = crate::stream::rfc3339(end).into();
                let entry = Entry { written: end, bytes: serde_json::to_vec(&event).unwrap() };
                arrivals.push(Arrival { kind, partition, key, entry });
            }
        }
        self.send(&arrivals);
    }

    /// The first good event.
    fn example(&self, entries: impl Fn(&Log) -> &Vec<Entry>) -> Value {
        let is_good = |entry: &&Entry| oracle::event_id(&entry.bytes, &FLIGHTS).is_some();
        serde_json::from_slice(&entries(&self.logs[0]).iter().find(is_good).unwrap().bytes).unwrap()
    }
}

/// What all partitions' windows come to; the closing events' own window left out.
fn windows(expected: &[Expected]) -> BTreeMap<i64, Tally> {
    let mut sum = BTreeMap::new();
    for partition in expected {
        partition.add_windows(&mut sum);
    }
    sum.pop_last();
    assert_eq!(sum.len(), DAYS.count(), "a window a day");
    sum
}

/// A log without mistakes would prove little.
fn has_everything(expected: &[Expected]) {
    let sum = |count: fn(&Expected) -> u64| expected.iter().map(count).sum::<u64>();
    assert!(sum(|partition| partition.accepted) > 25_000 && sum(|partition| partition.duplicate) > 20);
    let reasons: BTreeSet<_> = expected.iter().flat_map(|partition| partition.reasons().into_keys()).collect();
    assert!(reasons.len() >= 5, "{reasons:?}");
}

/// Records that the service has read and made durable, over all shards and both topics.
async fn read(service: &Service) -> Option<u64> {
    let model = service.get("/api/v1/models/flights").await?;
    let offsets = model["shards"]
        .as_array()?
        .iter()
        .flat_map(|shard| ["prediction", "label"].map(|kind| shard["offsets"][kind].as_u64().unwrap_or(0)));
    Some(offsets.sum())
}

/// Whether the interface shows exactly these windows, matured. The last revision may still be on its way.
async fn judged(service: &Service, expected: &BTreeMap<i64, Tally>) -> Option<bool> {
    let timeline = service.get("/api/v1/models/flights/timeline").await?;
    let found = timeline["windows"].as_array()?.iter().map(|window| {
        let labelled = window["labelled"].as_u64()?;
        let positive = (window["positive_rate"].as_f64()? * labelled as f64).round() as u64;
        let start = EventTime::parse(window["start"].as_str()?)?.micros();
        let tally = Tally { rows: window["rows"].as_u64()?, labelled, positive };
        window["matured"].as_bool()?.then_some((start, tally))
    });
    let found: Option<BTreeMap<i64, Tally>> = found.collect();
    Some(found? == *expected)
}

/// Shards' counts and dead letters, as the HTTP interface tells them.
async fn compare_with_the_interface(service: &Service, expected: &[Expected]) {
    let model = service.get("/api/v1/models/flights").await.unwrap();
    let shards = model["shards"].as_array().unwrap();
    assert_eq!(shards.len(), PARTITIONS);
    for shard in shards {
        let expected = &expected[shard["shard"].as_u64().unwrap() as usize];
        let counts = &shard["counts"];
        let predictions = &counts["predictions"];
        assert_eq!(predictions["accepted"], expected.accepted, "{shard}");
        assert_eq!(predictions["duplicate"], expected.duplicate, "{shard}");
        assert_eq!(predictions["late"], expected.late, "{shard}");
        assert_eq!(predictions["dead_letter"], expected.dead("prediction"), "{shard}");
        let labels = &counts["labels"];
        let understood: u64 = ["accepted", "duplicate", "late"].iter().map(|name| labels[name].as_u64().unwrap()).sum();
        assert_eq!(understood, expected.labels, "{shard}");
        assert_eq!(labels["dead_letter"], expected.dead("label"), "{shard}");
    }
    let letters = service.get("/api/v1/dead-letters?model=flights&limit=1000").await.unwrap();
    let found: BTreeMap<(String, String), u64> = letters["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| ((text(&count["kind"]), text(&count["reason"])), count["letters"].as_u64().unwrap()))
        .collect();
    let mut all = BTreeMap::new();
    for ((kind, reason), count) in expected.iter().flat_map(Expected::reasons) {
        *all.entry((kind.to_owned(), reason.to_owned())).or_default() += count;
    }
    assert_eq!(found, all);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The database after the service has stopped: windows of the one version, and the history's files.
async fn compare_with_the_store(folder: &Path, expected: &[Expected], windows: &BTreeMap<i64, Tally>) {
    let store = Store::open(&folder.join("bellwether.db")).await.unwrap();
    let filter = WindowFilter { segment: Some(String::new()), ..WindowFilter::default() };
    let rows = store.window_summaries("flights", &filter).await.unwrap();
    let version = rows.iter().map(|row| row.version.clone()).max().unwrap();
    for version in [String::new(), version] {
        let of_version = rows.iter().filter(|row| row.version == version);
        let found: BTreeMap<i64, (u64, u64)> =
            of_version.map(|row| (row.window.start.micros(), (row.rows as u64, row.labelled as u64))).collect();
        let expected: BTreeMap<i64, (u64, u64)> =
            windows.iter().map(|(start, tally)| (*start, (tally.rows, tally.labelled))).collect();
        assert_eq!(found, expected, "version `{version}`");
    }
    let files = store.history_files("flights").await.unwrap();
    let kept: i64 = files.iter().filter(|file| file.kind == "prediction").map(|file| file.rows).sum();
    assert_eq!(kept as u64, expected.iter().map(|partition| partition.accepted + partition.late).sum::<u64>());
    for file in &files {
        assert!(folder.join("state").join(&file.path).exists(), "{} is in the manifest, not on disk", file.path);
    }
    store.close().await;
}

/// Records read, and each shard's epoch, as they stand in the database.
async fn standing(folder: &Path) -> (u64, Vec<u64>) {
    let store = Store::open(&folder.join("bellwether.db")).await.unwrap();
    let shards = store.shards("flights").await.unwrap();
    store.close().await;
    let offsets = shards.iter().flat_map(|shard| {
        let offsets: BTreeMap<String, u64> = serde_json::from_str(&shard.offsets).unwrap();
        offsets.into_values()
    });
    (offsets.sum(), shards.iter().map(|shard| shard.epoch).collect())
}

/// I4: every bad event is in the dead-letter topic under its position, with its original bytes, and nothing else is.
fn compare_with_the_dead_letters(broker: &Broker, topics: &Topics, logs: &[Log], expected: &[Expected]) {
    let mut wanted = BTreeMap::new();
    for (partition, (log, expected)) in logs.iter().zip(expected).enumerate() {
        for (kind, offset) in expected.dead_letters.keys() {
            let (topic, entries) = match *kind {
                "prediction" => (&topics.predictions, &log.predictions),
                _ => (&topics.labels, &log.labels),
            };
            wanted.insert(format!("{topic}/{partition}/{offset}"), entries[*offset as usize].bytes.clone());
        }
    }
    // A crash may repeat a letter: then its key and bytes are the same.
    let found: BTreeMap<String, Vec<u8>> = broker.read_all(&topics.dead).into_iter().collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert_eq!(found, wanted);
}
