//! What ingest exports. Series are as many as models, partitions, and versions up to a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use contract::metrics as names;
use contract::metrics::Metric;
use contract::{EventTime, WallTime};
use prometheus::core::Collector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use crate::error::{Error, Result};
use crate::publication::{Counts, Outcomes, Publication};
use crate::record::Kind;
use crate::shard::Rows;
use crate::shard::buffer::{LATENCY_COLUMN, VERSION_COLUMN};

/// Versions of one model with a latency of their own; the rest share `other`.
const VERSIONS_LIMIT: usize = 16;
/// Seconds.
const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

pub struct Metrics {
    events: IntCounterVec,
    lag: GaugeVec,
    watermark: GaugeVec,
    dead_letters: IntCounterVec,
    checkpoint: GaugeVec,
    latency: HistogramVec,
    lost: IntCounterVec,
    /// Next offset to be read, by topic and partition: what lag is counted from.
    positions: Mutex<HashMap<(String, i32), i64>>,
    versions: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Metrics {
    pub fn register(registry: &Registry) -> Result<Self> {
        let counters = |metric: Metric| {
            let counters = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels);
            registered(registry, metric, counters)
        };
        let gauges = |metric: Metric| {
            registered(registry, metric, GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels))
        };
        let latency = names::PREDICTION_LATENCY;
        let buckets = HistogramOpts::new(latency.name, latency.help).buckets(LATENCY_BUCKETS.to_vec());
        Ok(Self {
            events: counters(names::INGEST_EVENTS)?,
            lag: gauges(names::INGEST_LAG)?,
            watermark: gauges(names::INGEST_WATERMARK)?,
            dead_letters: counters(names::DEAD_LETTERS)?,
            checkpoint: gauges(names::CHECKPOINT)?,
            latency: registered(registry, latency, HistogramVec::new(buckets, latency.labels))?,
            lost: counters(names::LOST_RECORDS)?,
            positions: Mutex::default(),
            versions: Mutex::default(),
        })
    }

    /// Adds what happened since `before`.
    pub fn events(&self, model: &str, before: &Counts, now: &Counts) {
        for (kind, before, now) in
            [(Kind::Prediction, before.predictions, now.predictions), (Kind::Label, before.labels, now.labels)]
        {
            for ((outcome, before), (_, now)) in outcomes(before).into_iter().zip(outcomes(now)) {
                let counter = self.events.with_label_values(&[model, kind.name(), outcome]);
                counter.inc_by(now.saturating_sub(before));
            }
        }
    }

    pub fn dead_letters(&self, publications: &[Publication]) {
        for letter in publications.iter().flat_map(|publication| &publication.dead_letters) {
            self.dead_letters.with_label_values(&[letter.model.as_str(), letter.reason.name()]).inc();
        }
    }

    pub fn watermark(&self, model: &str, topic: &str, partition: i32, time: Option<EventTime>) {
        if let Some(time) = time {
            self.watermark.with_label_values(&[model, topic, &partition.to_string()]).set(time.seconds());
        }
    }

    /// All that was read until now is on disk.
    pub fn checkpoint(&self, model: &str, shard: i32) {
        self.checkpoint.with_label_values(&[model, &shard.to_string()]).set(WallTime::now().seconds());
    }

    pub fn lost(&self, topic: &str, partition: i32, records: u64) {
        self.lost.with_label_values(&[topic, &partition.to_string()]).inc_by(records);
    }

    /// Counts the latencies of accepted predictions, where they state one.
    pub fn latencies(&self, model: &str, rows: &[Rows]) {
        for rows in rows.iter().filter(|rows| rows.kind == Kind::Prediction) {
            let column = |place: usize| rows.batch.columns().get(place);
            let latency = column(LATENCY_COLUMN).and_then(|column| column.as_primitive_opt::<Float64Type>());
            let versions = column(VERSION_COLUMN).and_then(|column| cast(column, &DataType::Utf8).ok());
            let (Some(latency), Some(versions)) = (latency, versions) else { continue };
            if latency.null_count() == latency.len() {
                continue;
            }
            let mut histogram: Option<(&str, prometheus::Histogram)> = None;
            for (seconds, version) in latency.iter().zip(versions.as_string::<i32>()) {
                let (Some(seconds), version) = (seconds.filter(|s| s.is_finite()), version.unwrap_or_default()) else {
                    continue;
                };
                match &histogram {
                    Some((current, histogram)) if *current == version => histogram.observe(seconds),
                    _ => {
                        let next = self.latency.with_label_values(&[model, self.version(model, version)]);
                        next.observe(seconds);
                        histogram = Some((version, next));
                    }
                }
            }
        }
    }

    /// The version, or `other` once there are too many.
    fn version<'a>(&self, model: &str, version: &'a str) -> &'a str {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = versions.entry(model.to_owned()).or_default();
        if known.contains(version) {
            return version;
        }
        if known.len() < VERSIONS_LIMIT {
            known.insert(version.to_owned());
            return version;
        }
        "other"
    }

    /// A worker has read up to this offset.
    pub fn position(&self, topic: &str, partition: i32, next: i64) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.insert((topic.to_owned(), partition), next);
    }

    /// The log of a partition ends here.
    pub fn end(&self, topic: &str, partition: i32, end: i64) {
        let positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = positions.get(&(topic.to_owned(), partition)) {
            let lag = end.saturating_sub(*next).max(0);
            self.lag.with_label_values(&[topic, &partition.to_string()]).set(lag as f64);
        }
    }

    /// The partition is read by somebody else from now on: its series go.
    pub fn given_up(&self, topic: &str, partition: i32, model: &str) {
        let number = partition.to_string();
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.remove(&(topic.to_owned(), partition));
        // Series that were never set can't be removed: nothing to do then.
        let _ = self.lag.remove_label_values(&[topic, &number]);
        let _ = self.watermark.remove_label_values(&[model, topic, &number]);
        let _ = self.checkpoint.remove_label_values(&[model, &number]);
    }
}

fn outcomes(counts: Outcomes) -> [(&'static str, u64); 5] {
    [
        ("accepted", counts.accepted),
        ("duplicate", counts.duplicate),
        ("late", counts.late),
        ("dead_letter", counts.dead_letter),
        ("other_model", counts.other_model),
    ]
}

fn registered<T: Collector + Clone + 'static>(
    registry: &Registry,
    metric: Metric,
    collector: prometheus::Result<T>,
) -> Result<T> {
    let failed = |source| Error::Metric { name: metric.name, source };
    let collector = collector.map_err(failed)?;
    registry.register(Box::new(collector.clone())).map_err(failed)?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_versions_are_bounded() {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        for number in 0..VERSIONS_LIMIT {
            let version = number.to_string();
            assert_eq!(metrics.version("m", &version), version);
        }
        assert_eq!(metrics.version("m", "one more"), "other");
        assert_eq!(metrics.version("m", "3"), "3");
        assert_eq!(metrics.version("another", "one more"), "one more");
    }

    #[test]
    fn events_are_counted_by_what_was_added() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let mut before = Counts::default();
        before.predictions.accepted = 10;
        let mut now = before.clone();
        now.predictions.accepted = 14;
        now.labels.late = 1;
        metrics.events("m", &before, &now);
        let count = |labels: &[&str]| metrics.events.with_label_values(labels).get();
        assert_eq!(count(&["m", "prediction", "accepted"]), 4);
        assert_eq!(count(&["m", "label", "late"]), 1);
    }
}
