//! A model with a history on the disk, as the monitor and the shards leave it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use contract::lower::contract_from_text;
use contract::{Contract, EventTime, Fault, Finding, Severity, Subject, WallTime, Window};
use ingest::Kind;
use ingest::history::History;
use ingest::shard::Rows;
use retrain_trigger::effects::{Effects, Folders};
use retrain_trigger::retraining::{AskedBy, Retraining};
use store::{HistoryFileRow, ShardRow, Store, WindowRow};
use tempfile::TempDir;

pub const MODEL: &str = "flights";
pub const HOUR: i64 = 3_600_000_000;
pub const DAY: i64 = 24 * HOUR;

/// Windows of a day, labels within two days. A feature is called `version`, as a column of the event's own is.
const CONTRACT: &str = r#"
version: 1
model: flights
task: binary_classification
sources:
  predictions: { topic: predictions, format: json }
  labels: { topic: labels, format: json, horizon: 2d }
fields:
  predictions:
    event_id: /event_id
    time: /time
    version: /model/version
    features: /input
    score: /output/p
    latency: { pointer: /latency_ms, unit: ms }
    error: /error
    shadow: { version: /shadow/version, score: /shadow/score }
  labels: { event_id: /event_id, time: /known_at, label: /late }
schema:
  x: { type: float64 }
  origin: { type: string }
  version: { type: int64 }
  passport: { type: string, privacy: drop }
segments: [origin]
windows: { size: 1d, lateness: 1h, maturity: 8h, zone: UTC }
rules: []
retrain:
  policy: { minimum_labels: 10 }
  dataset: { span: 6d, held_out: 3d }
  executor:
    command: [sh, train.sh]
    timeout: 1m
    attempts: 3
    seed: 7
    parameters: { epochs: 8, hidden: [32] }
  evaluate: { margin: 0.0, segments: [origin] }
  rollout: { steps: [10, 50, 100], bake: 7d }
  target: { url: "TARGET", token: "hunter2" }
"#;

/// Micros of a day's hour; day 0 is 2013-01-01.
pub fn at(day: i64, hour: i64) -> EventTime {
    let start = EventTime::parse("2013-01-01T00:00:00Z").unwrap();
    EventTime::from_micros(start.micros() + day * DAY + hour * HOUR)
}

/// A prediction of the history.
#[derive(Clone, Debug)]
pub struct Served {
    pub id: String,
    pub time: EventTime,
    pub version: &'static str,
    pub score: Option<f64>,
    pub x: f64,
    pub origin: &'static str,
    pub is_late: bool,
    pub is_error: bool,
    pub latency: Option<f64>,
    pub shadow: Option<(&'static str, f64)>,
}

impl Served {
    pub fn new(id: impl Into<String>, time: EventTime) -> Self {
        Self {
            id: id.into(),
            time,
            version: "1",
            score: Some(0.5),
            x: 1.0,
            origin: "EWR",
            is_late: false,
            is_error: false,
            latency: Some(0.01),
            shadow: None,
        }
    }
}

/// A label of the history.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: String,
    pub time: EventTime,
    pub label: Option<bool>,
}

impl Known {
    pub fn new(id: impl Into<String>, time: EventTime, label: bool) -> Self {
        Self { id: id.into(), time, label: Some(label) }
    }
}

pub struct Scene {
    pub folder: TempDir,
    pub store: Store,
    pub contract: Contract,
    offsets: [i64; 2],
    sequence: u64,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with_target("http://127.0.0.1:9").await
    }

    pub async fn with_target(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let text = CONTRACT.replace("TARGET", url);
        let contract = contract_from_text(&text, &folder.path().join("flights.yaml"));
        Self {
            store: Store::open(&folder.path().join("store.db")).await.unwrap(),
            contract: contract.unwrap_or_else(|errors| panic!("{errors:?}")),
            folder,
            offsets: [0, 0],
            sequence: 0,
        }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn registry(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// A retraining's folder.
    pub fn retraining_folder(&self, id: &str) -> PathBuf {
        self.state().join("retrainings").join(id)
    }

    pub fn effects(&self) -> Effects {
        let folders = Folders { state: self.state(), registry: self.registry() };
        let _ = rustls::crypto::ring::default_provider().install_default();
        Effects::new(self.store.clone(), &self.contract, folders, self.program()).unwrap()
    }

    /// In place of Bellwether's own program: this test's executable, as [`crate::runner`] has it.
    fn program(&self) -> PathBuf {
        let path = self.folder.path().join("bellwether");
        let test = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\nRUN_TRAINING=\"$2\" exec '{}' --exact runner::process --ignored --nocapture\n",
            test.display()
        );
        write_executable(&path, &script);
        path
    }

    /// A file with these predictions in the history.
    pub async fn predictions(&mut self, events: &[Served]) -> HistoryFileRow {
        let offsets = self.take_offsets(0, events.len());
        let batch = prediction_batch(events, &offsets);
        self.write(Kind::Prediction, batch, &offsets, events.iter().map(|event| event.time)).await
    }

    /// A file with these labels in the history.
    pub async fn labels(&mut self, events: &[Known]) -> HistoryFileRow {
        let offsets = self.take_offsets(1, events.len());
        let batch = label_batch(events, &offsets);
        self.write(Kind::Label, batch, &offsets, events.iter().map(|event| event.time)).await
    }

    fn take_offsets(&mut self, kind: usize, count: usize) -> Vec<i64> {
        let first = self.offsets[kind];
        self.offsets[kind] += count as i64;
        (first..self.offsets[kind]).collect()
    }

    pub async fn write(
        &mut self,
        kind: Kind,
        batch: RecordBatch,
        offsets: &[i64],
        times: impl Iterator<Item = EventTime> + Clone,
    ) -> HistoryFileRow {
        let row = self.file(0, kind, batch, offsets, times).await;
        self.list(&row).await;
        row
    }

    /// A file on the disk that nobody knows of yet.
    pub async fn file(
        &self,
        shard: i32,
        kind: Kind,
        batch: RecordBatch,
        offsets: &[i64],
        times: impl Iterator<Item = EventTime> + Clone,
    ) -> HistoryFileRow {
        let rows = Rows {
            kind,
            batch,
            first_offset: offsets[0],
            last_offset: offsets[offsets.len() - 1],
            min_time: times.clone().min().unwrap(),
            max_time: times.max().unwrap(),
        };
        let history = History::new(&self.state(), MODEL, shard, 1);
        let file = history.write(vec![rows]).await.unwrap().remove(0);
        HistoryFileRow {
            model: MODEL.to_owned(),
            shard,
            kind: kind.name().to_owned(),
            path: file.path,
            rows: file.rows as i64,
            min_time: file.min_time,
            max_time: file.max_time,
            sha256: file.sha256,
            first_offset: file.first_offset,
            last_offset: file.last_offset,
        }
    }

    pub async fn list(&self, file: &HistoryFileRow) {
        let mut transaction = self.store.begin().await.unwrap();
        transaction.upsert_history_file(file).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// The shard has read so far.
    pub async fn read_until(&mut self, predictions: EventTime, labels: EventTime) {
        self.say(0, 1, (predictions, labels), "{}").await;
    }

    /// One shard of so many has read so far and counts so many events.
    pub async fn say(
        &mut self,
        shard: i32,
        shards: i32,
        (predictions, labels): (EventTime, EventTime),
        counts: impl Into<String>,
    ) {
        self.sequence += 1;
        let row = ShardRow {
            model: MODEL.to_owned(),
            shard,
            shards,
            epoch: 1,
            sequence: self.sequence,
            prediction_watermark: Some(predictions),
            label_watermark: Some(labels),
            predictions_idle: false,
            labels_idle: false,
            offsets: "{}".to_owned(),
            counts: counts.into(),
            updated: WallTime::now(),
        };
        let mut transaction = self.store.begin().await.unwrap();
        assert!(transaction.upsert_shard(&row).await.unwrap());
        transaction.commit().await.unwrap();
    }

    /// The monitor has judged a day's window.
    pub async fn judged(&self, day: i64, fault: Option<&str>) {
        let window = Window { start: at(day, 0), end: at(day + 1, 0) };
        let row = WindowRow {
            model: MODEL.to_owned(),
            version: String::new(),
            segment: String::new(),
            window,
            revision: 1,
            rows: 1,
            labelled: 0,
            coverage: None,
            matured: false,
            quarantined: fault.is_some(),
            layout: 0,
            figures: "{}".to_owned(),
            profile: Vec::new(),
            as_of: "{}".to_owned(),
            first_judged: WallTime::now(),
            updated: WallTime::now(),
        };
        let mut transaction = self.store.begin().await.unwrap();
        assert!(transaction.upsert_window(&row).await.unwrap());
        if let Some(feature) = fault {
            transaction.upsert_finding(&unit_change(window, feature)).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// Days `0..days`, each with `per_day` events at even distances, all labelled an hour later and judged; every third label is
    /// true. Event ids are `DAY-NUMBER`.
    pub async fn days(&mut self, days: i64, per_day: i64) {
        for day in 0..days {
            let time = |n: i64| EventTime::from_micros(at(day, 0).micros() + n * (DAY / per_day));
            let events: Vec<Served> = (0..per_day)
                .map(|n| Served {
                    x: n as f64,
                    origin: if n % 2 == 0 { "EWR" } else { "JFK" },
                    score: Some(0.3 + 0.4 * (n % 10) as f64 / 10.0),
                    ..Served::new(format!("{day}-{n}"), time(n))
                })
                .collect();
            let labels: Vec<Known> = (0..per_day)
                .map(|n| Known::new(format!("{day}-{n}"), EventTime::from_micros(time(n).micros() + HOUR), n % 3 == 0))
                .collect();
            self.predictions(&events).await;
            self.labels(&labels).await;
            self.judged(day, None).await;
        }
        self.read_until(at(days, 12), at(days, 12)).await;
    }
}

/// A retraining that a rule has asked for.
pub fn retraining(id: &str) -> Retraining {
    let asked_by = AskedBy::Rule("PerformanceDecay".to_owned());
    let mut retraining =
        Retraining::requested(id.to_owned(), MODEL, asked_by, "log loss rose", at(10, 0), WallTime::now());
    retraining.version = Some("2".to_owned());
    retraining.stable = Some("1".to_owned());
    retraining
}

pub fn write_executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    // Written beside and moved: a file that is being written can't be executed.
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(beside, path).unwrap();
}

pub fn prediction_batch(events: &[Served], offsets: &[i64]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", texts(events.iter().map(|event| Some(event.id.as_str())))),
        ("time", times(events.iter().map(|event| event.time))),
        ("_version", texts(events.iter().map(|event| Some(event.version)))),
        ("score", Arc::new(events.iter().map(|event| event.score).collect::<Float64Array>())),
        ("prediction", texts(events.iter().map(|_| None))),
        ("latency", Arc::new(events.iter().map(|event| event.latency).collect::<Float64Array>())),
        ("error", Arc::new(events.iter().map(|event| Some(event.is_error)).collect::<BooleanArray>())),
        ("late", Arc::new(events.iter().map(|event| Some(event.is_late)).collect::<BooleanArray>())),
        ("offset", Arc::new(Int64Array::from(offsets.to_vec()))),
        ("shadow_version", texts(events.iter().map(|event| event.shadow.map(|(version, _)| version)))),
        (
            "shadow_score",
            Arc::new(events.iter().map(|event| event.shadow.map(|(_, score)| score)).collect::<Float64Array>()),
        ),
        ("x", Arc::new(events.iter().map(|event| Some(event.x)).collect::<Float64Array>())),
        ("origin", texts(events.iter().map(|event| Some(event.origin)))),
        ("version", Arc::new(events.iter().map(|event| Some(event.x as i64 * 10)).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub fn label_batch(events: &[Known], offsets: &[i64]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", texts(events.iter().map(|event| Some(event.id.as_str())))),
        ("time", times(events.iter().map(|event| event.time))),
        ("label", Arc::new(events.iter().map(|event| event.label).collect::<BooleanArray>())),
        ("offset", Arc::new(Int64Array::from(offsets.to_vec()))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// As the history has them: in a dictionary.
fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let values: StringArray = values.collect();
    let kind = arrow::datatypes::DataType::Dictionary(
        Box::new(arrow::datatypes::DataType::Int32),
        Box::new(arrow::datatypes::DataType::Utf8),
    );
    arrow::compute::cast(&values, &kind).unwrap()
}

pub fn times(values: impl Iterator<Item = EventTime>) -> ArrayRef {
    let values: Vec<i64> = values.map(EventTime::micros).collect();
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn unit_change(window: Window, feature: &str) -> Finding {
    Finding {
        model: MODEL.to_owned(),
        version: String::new(),
        segment: String::new(),
        window: window.into(),
        revision: 1,
        subject: Subject::Feature,
        feature: feature.to_owned(),
        detector: "unit_change".to_owned(),
        statistic: None,
        interval: None,
        limit: None,
        level: None,
        effect: None,
        severity: Severity::Critical,
        fault: Some(Fault::UnitChange),
        since: window.start,
        consecutive: 1,
        explanation: String::new(),
        reason: None,
    }
}
