//! Events and contracts of the shard's tests, and what came of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::model::{
    Baseline, BaselineKind, BaselinePart, Budget, Column, ColumnKind, Contract, Fields, Format, LabelFields,
    LatencyField, PredictionFields, Privacy, Segment, Source, Sources, Task, TimeField, TimeUnit, Windows,
};
use contract::{EventTime, Window};
use ingest::publication::{Phase, Publication, WindowPart};
use ingest::shard::{Identity, Shard};
use ingest::{Kind, Record};

/// Windows of 60 s, lateness 10 s, maturity 120 s, horizon 600 s; events name their model.
pub fn contract() -> Contract {
    let source = |topic: &str| Source {
        topic: topic.to_owned(),
        format: Format::Json,
        filter: vec![("/model/name".to_owned(), "m".to_owned())],
        horizon: Duration::from_mins(10),
    };
    let time = |pointer: &str| TimeField { pointer: pointer.to_owned(), unit: Some(TimeUnit::Seconds) };
    let column = |name: &str, kind| Column {
        name: name.to_owned(),
        kind,
        range: (name == "x").then_some((0.0, 100.0)),
        unit: None,
        source: None,
        judge: true,
        privacy: Privacy::Keep,
    };
    let part = BaselinePart { kind: BaselineKind::Training, history: None };
    Contract {
        model: "m".to_owned(),
        task: Task::BinaryClassification,
        owner: None,
        sources: Sources { predictions: source("predictions"), labels: Some(source("labels")) },
        fields: Fields {
            predictions: PredictionFields {
                event_id: "/id".to_owned(),
                time: time("/t"),
                version: Some("/model/version".to_owned()),
                features: "/input".to_owned(),
                score: Some("/score".to_owned()),
                prediction: Some("/class".to_owned()),
                latency: Some(LatencyField { pointer: "/ms".to_owned(), unit: TimeUnit::Milliseconds }),
                error: Some("/error".to_owned()),
                shadow: None,
            },
            labels: Some(LabelFields { event_id: "/id".to_owned(), time: time("/t"), label: "/y".to_owned() }),
        },
        schema: vec![
            column("x", ColumnKind::Float64),
            column("n", ColumnKind::Int64),
            column("flag", ColumnKind::Boolean),
            column("word", ColumnKind::String),
        ],
        segments: vec![Segment { column: "word".to_owned() }],
        windows: Windows {
            size: Duration::from_mins(1),
            lateness: Duration::from_secs(10),
            maturity: Duration::from_mins(2),
        },
        baseline: Baseline { inputs: part.clone(), outputs: part.clone(), performance: part },
        budget: Budget { false_alarms: 1.0, per: Duration::from_hours(30 * 24) },
        rules: Vec::new(),
        retrain: None,
        folder: PathBuf::new(),
    }
}

pub fn without_labels() -> Contract {
    let mut contract = contract();
    contract.sources.labels = None;
    contract.fields.labels = None;
    contract
}

pub fn shard_of(contract: Contract) -> Shard {
    Shard::new(Arc::new(contract), identity(), 1).unwrap()
}

pub fn identity() -> Identity {
    let topics = [(Kind::Prediction, "predictions".to_owned()), (Kind::Label, "labels".to_owned())];
    Identity { shard: 0, shards: 1, topics: BTreeMap::from(topics) }
}

/// A prediction at so many seconds.
pub fn prediction(id: impl std::fmt::Display, seconds: i64) -> String {
    let x = seconds.rem_euclid(97);
    let word = ["a", "b", "ü"][seconds.rem_euclid(3) as usize];
    prediction_of(id, seconds, &format!(r#""x": {x}.5, "n": {x}, "flag": {}, "word": "{word}""#, x % 2 == 0))
}

pub fn prediction_of(id: impl std::fmt::Display, seconds: i64, features: &str) -> String {
    let score = (seconds.rem_euclid(10) as f64) / 10.0;
    format!(
        r#"{{"model": {{"name": "m", "version": "1"}}, "id": "{id}", "t": {seconds}, "input": {{{features}}}, "score": {score}, "class": {}, "ms": 5}}"#,
        score > 0.5
    )
}

/// A label that became known at so many seconds.
pub fn label(id: impl std::fmt::Display, seconds: i64, value: bool) -> String {
    format!(r#"{{"model": {{"name": "m"}}, "id": "{id}", "t": {seconds}, "y": {value}}}"#)
}

/// A shard and what it published, fed event by event.
pub struct Stream {
    pub shard: Shard,
    pub publications: Vec<Publication>,
    next: BTreeMap<Kind, i64>,
}

impl Stream {
    pub fn new(contract: Contract) -> Self {
        Self::of(shard_of(contract))
    }

    pub fn of(shard: Shard) -> Self {
        Self { shard, publications: Vec::new(), next: BTreeMap::new() }
    }

    /// From a broker whose clock is far ahead of all events.
    pub fn send(&mut self, kind: Kind, event: &str) {
        self.send_at(kind, Some(EventTime::parse("2100-01-01T00:00:00Z").unwrap()), event.as_bytes());
    }

    pub fn send_at(&mut self, kind: Kind, timestamp: Option<EventTime>, payload: &[u8]) {
        let next = self.next.entry(kind).or_default();
        let record = Record { offset: *next, timestamp, payload: Some(payload) };
        *next += 1;
        self.shard.accept(kind, &[record]).unwrap();
        self.publications.extend(self.shard.take_publications());
    }

    pub fn predict(&mut self, id: impl std::fmt::Display, seconds: i64) {
        self.send(Kind::Prediction, &prediction(id, seconds));
    }

    pub fn label(&mut self, id: impl std::fmt::Display, seconds: i64, value: bool) {
        self.send(Kind::Label, &label(id, seconds, value));
    }

    pub fn finish(&mut self) {
        self.shard.finish().unwrap();
        self.publications.extend(self.shard.take_publications());
        self.publications.push(self.shard.progress());
    }

    /// (phase, revision) of each publication of the window that starts at so many seconds.
    pub fn phases(&self, seconds: i64) -> Vec<(Phase, u32)> {
        self.parts(seconds).iter().map(|part| (part.phase, part.revision)).collect()
    }

    pub fn parts(&self, seconds: i64) -> Vec<&WindowPart> {
        let start = EventTime::from_millis(seconds * 1_000);
        self.publications.iter().flat_map(|p| &p.parts).filter(|part| part.window.start == start).collect()
    }

    /// The whole version's profile in the window's last publication.
    pub fn last(&self, seconds: i64) -> detectors::profile::WindowProfile {
        self.last_segment(seconds, "").unwrap()
    }

    pub fn last_segment(&self, seconds: i64, segment: &str) -> Option<detectors::profile::WindowProfile> {
        let part = *self.parts(seconds).last()?;
        part.cells.iter().find(|cell| cell.segment == segment).map(|cell| cell.profile.clone())
    }
}

/// What a window's last publication said, without what may depend on timing.
pub type Final = BTreeMap<Window, (u64, Vec<(String, String, Vec<u8>)>)>;

pub fn finals<'a>(publications: impl IntoIterator<Item = &'a Publication>) -> Final {
    let mut finals = Final::new();
    for part in publications.into_iter().flat_map(|publication| &publication.parts) {
        let mut cells: Vec<_> = part
            .cells
            .iter()
            .map(|cell| (cell.version.clone(), cell.segment.clone(), cell.profile.to_bytes()))
            .collect();
        cells.sort();
        finals.insert(part.window, (part.late_rows, cells));
    }
    finals
}

/// A log of predictions or labels: payloads in the order of their offsets.
pub type Log = Vec<Vec<u8>>;

/// One step of a random stream.
#[derive(Clone, Debug)]
pub enum Op {
    Predict { reuses: Option<u16>, back: i64 },
    Label { of: u16, back: i64, value: bool },
    Mistyped { back: i64 },
    Garbage { kind: Kind },
}

/// Streams whose clock goes on by 5 s a step: out of order, with repeats, corrections and garbage.
pub fn operations() -> impl proptest::strategy::Strategy<Value = Vec<Op>> {
    use proptest::prelude::*;
    let back = || prop_oneof![5 => 0_i64..20, 2 => 0_i64..150];
    let op = prop_oneof![
        8 => (proptest::option::weighted(0.1, 0_u16..200), back()).prop_map(|(reuses, back)| Op::Predict { reuses, back }),
        8 => (0_u16..200, prop_oneof![3 => 0_i64..30, 1 => -200_i64..300], any::<bool>())
            .prop_map(|(of, back, value)| Op::Label { of, back, value }),
        1 => back().prop_map(|back| Op::Mistyped { back }),
        1 => prop_oneof![Just(Kind::Prediction), Just(Kind::Label)].prop_map(|kind| Op::Garbage { kind }),
    ];
    proptest::collection::vec(op, 0..250)
}

/// Both kinds in the order of the steps.
pub fn events(operations: &[Op]) -> Vec<(Kind, Vec<u8>)> {
    operations
        .iter()
        .enumerate()
        .map(|(step, op)| {
            let now = 1_000_000 + step as i64 * 5;
            match op {
                Op::Predict { reuses, back } => {
                    let id = reuses.unwrap_or(step as u16);
                    (Kind::Prediction, prediction(id, now - back).into_bytes())
                }
                Op::Label { of, back, value } => (Kind::Label, label(of, now - back, *value).into_bytes()),
                Op::Mistyped { back } => {
                    (Kind::Prediction, prediction_of(step, now - back, r#""x": "7", "word": "a""#).into_bytes())
                }
                Op::Garbage { kind } => (*kind, vec![step as u8; 1 + step % 3]),
            }
        })
        .collect()
}
