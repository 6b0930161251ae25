//! Events a second through the shard, next to decoding alone: 20 features in JSON, one core.
//!
//! The yardstick reads the same events by a typed serde visitor that knows their fields at compile time, into the same
//! kinds of Arrow builders, and does nothing else.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder};
use arrow::datatypes::Int32Type;
use contract::model::{
    Baseline, BaselineKind, BaselinePart, Budget, Column, ColumnKind, Contract, Fields, Format, LabelFields,
    PredictionFields, Privacy, Segment, Source, Sources, Task, TimeField, TimeUnit, Windows,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ingest::shard::{Identity, Shard};
use ingest::{Kind, Record};
use serde::Deserialize;

const EVENTS: usize = 100_000;
const BATCH: usize = 1_000;

fn event(number: usize) -> Vec<u8> {
    let millis = 1_700_000_000_000_i64 + number as i64 * 10;
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let floats: Vec<String> = (0..16).map(|i| format!("\"f{i}\":{:.4}", random() * 100.0)).collect();
    let (hour, count, score) = (number % 24, number % 1_000, random());
    let (carrier, origin) = (["AA", "B6", "DL", "EV", "UA"][number % 5], ["EWR", "JFK", "LGA"][number % 3]);
    format!(
        r#"{{"id":"e{number}","t":{millis},"v":"3","in":{{{},"hour":{hour},"count":{count},"carrier":"{carrier}","origin":"{origin}"}},"p":{score:.6}}}"#,
        floats.join(",")
    )
    .into_bytes()
}

fn contract() -> Contract {
    let time = TimeField { pointer: "/t".to_owned(), unit: Some(TimeUnit::Milliseconds) };
    let source = |topic: &str| Source {
        topic: topic.to_owned(),
        format: Format::Json,
        filter: Vec::new(),
        horizon: Duration::from_hours(24),
    };
    let column = |name: String, kind| Column {
        name,
        kind,
        range: None,
        unit: None,
        source: None,
        judge: true,
        privacy: Privacy::Keep,
    };
    let mut schema: Vec<_> = (0..16).map(|i| column(format!("f{i}"), ColumnKind::Float64)).collect();
    schema.extend(["hour", "count"].map(|name| column(name.to_owned(), ColumnKind::Int64)));
    schema.extend(["carrier", "origin"].map(|name| column(name.to_owned(), ColumnKind::String)));
    let part = BaselinePart { kind: BaselineKind::Training, history: None };
    Contract {
        model: "bench".to_owned(),
        task: Task::BinaryClassification,
        owner: None,
        sources: Sources { predictions: source("p"), labels: Some(source("l")) },
        fields: Fields {
            predictions: PredictionFields {
                event_id: "/id".to_owned(),
                time: time.clone(),
                version: Some("/v".to_owned()),
                features: "/in".to_owned(),
                score: Some("/p".to_owned()),
                prediction: None,
                latency: None,
                error: None,
                shadow: None,
            },
            labels: Some(LabelFields { event_id: "/id".to_owned(), time, label: "/y".to_owned() }),
        },
        schema,
        segments: vec![Segment { column: "origin".to_owned() }],
        windows: Windows {
            size: Duration::from_mins(5),
            lateness: Duration::from_secs(30),
            maturity: Duration::from_hours(1),
        },
        baseline: Baseline { inputs: part.clone(), outputs: part.clone(), performance: part },
        budget: Budget { false_alarms: 1.0, per: Duration::from_hours(30 * 24) },
        rules: Vec::new(),
        retrain: None,
        folder: PathBuf::new(),
    }
}

/// What the yardstick reads.
#[derive(Deserialize)]
struct Event<'a> {
    id: &'a str,
    t: i64,
    #[serde(rename = "in")]
    features: Features<'a>,
    p: f64,
}

#[derive(Deserialize)]
struct Features<'a> {
    f0: f64,
    f1: f64,
    f2: f64,
    f3: f64,
    f4: f64,
    f5: f64,
    f6: f64,
    f7: f64,
    f8: f64,
    f9: f64,
    f10: f64,
    f11: f64,
    f12: f64,
    f13: f64,
    f14: f64,
    f15: f64,
    hour: i64,
    count: i64,
    carrier: &'a str,
    origin: &'a str,
}

fn decode_alone(events: &[Vec<u8>]) -> usize {
    let mut floats: Vec<Float64Builder> = (0..17).map(|_| Float64Builder::new()).collect();
    let mut integers: Vec<Int64Builder> = (0..3).map(|_| Int64Builder::new()).collect();
    let mut ids = StringBuilder::new();
    let mut texts: Vec<StringDictionaryBuilder<Int32Type>> = (0..2).map(|_| StringDictionaryBuilder::new()).collect();
    for payload in events {
        let event: Event<'_> = serde_json::from_slice(payload).expect("an event");
        let f = &event.features;
        let values = [
            f.f0, f.f1, f.f2, f.f3, f.f4, f.f5, f.f6, f.f7, f.f8, f.f9, f.f10, f.f11, f.f12, f.f13, f.f14, f.f15,
            event.p,
        ];
        floats.iter_mut().zip(values).for_each(|(builder, value)| builder.append_value(value));
        integers.iter_mut().zip([event.t, f.hour, f.count]).for_each(|(builder, value)| builder.append_value(value));
        texts.iter_mut().zip([f.carrier, f.origin]).for_each(|(builder, value)| builder.append_value(value));
        ids.append_value(event.id);
    }
    floats.iter_mut().map(|builder| black_box(builder.finish()).values().len()).sum()
}

fn through_the_shard(contract: &Arc<Contract>, events: &[Vec<u8>]) -> u64 {
    let topics = BTreeMap::from([(Kind::Prediction, "p".to_owned())]);
    let identity = Identity { shard: 0, shards: 1, topics };
    let mut shard = Shard::new(Arc::clone(contract), identity, 1).expect("a shard");
    let mut rows = 0;
    for (batch, payloads) in events.chunks(BATCH).enumerate() {
        let records: Vec<_> = payloads
            .iter()
            .enumerate()
            .map(|(index, payload)| Record {
                offset: (batch * BATCH + index) as i64,
                timestamp: Some(contract::EventTime::MAX),
                payload: Some(payload),
            })
            .collect();
        shard.accept(Kind::Prediction, &records).expect("accepted");
        if batch % 10 == 9 {
            rows += shard.take_rows().expect("rows").iter().map(|rows| rows.batch.num_rows() as u64).sum::<u64>();
            black_box(shard.take_publications());
        }
    }
    assert_eq!(shard.counts().predictions.accepted, EVENTS as u64);
    rows
}

fn shard(criterion: &mut Criterion) {
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    let contract = Arc::new(contract());
    let mut group = criterion.benchmark_group("20 features");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    group.bench_function("decoding alone", |bencher| bencher.iter(|| decode_alone(&events)));
    group.bench_function("through the shard", |bencher| bencher.iter(|| through_the_shard(&contract, &events)));
    group.finish();
}

criterion_group!(benches, shard);
criterion_main!(benches);
