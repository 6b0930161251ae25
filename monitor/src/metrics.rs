//! The verdict metrics: what the newest judged windows say. Label sets are bounded by [`SERIES_LIMIT`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use contract::metrics as names;
use contract::metrics::Metric;
use contract::{Finding, Severity, Subject, WallTime};
use prometheus::{Gauge, GaugeVec, IntCounterVec, Opts, Registry};

use retrain_trigger::plan;
use retrain_trigger::retraining::{Retraining, State};

use crate::error::{Error, Result};
use crate::journal::{Entry, Journal, WindowEntry};

/// Verdict series of one process; what is left out is counted.
pub const SERIES_LIMIT: usize = 50_000;
/// A series that so many windows of its model have left alone goes: its version, segment or column is gone.
pub const SERIES_KEPT_WINDOWS: u64 = 100;

/// Gauges and counters of the judge.
pub struct Metrics {
    closed: IntCounterVec,
    rows: GaugeVec,
    statistic: GaugeVec,
    severity: GaugeVec,
    performance: GaugeVec,
    coverage: GaugeVec,
    alerts: GaugeVec,
    notifications: IntCounterVec,
    outbox_oldest: Gauge,
    retrainings: IntCounterVec,
    retraining_state: GaugeVec,
    rollout_weight: GaugeVec,
    left_out: IntCounterVec,
    series: Mutex<Series>,
}

/// Which gauges are exported.
#[derive(Default)]
struct Series {
    /// By model: windows closed by this process.
    closed: BTreeMap<String, u64>,
    /// By metric and labels, the model first: how many windows had closed when it was set last.
    set: BTreeMap<Vec<String>, u64>,
}

impl Metrics {
    pub fn register(registry: &Registry) -> Result<Self> {
        Ok(Self {
            closed: counters(registry, names::WINDOWS_CLOSED)?,
            rows: gauges(registry, names::WINDOW_ROWS)?,
            statistic: gauges(registry, names::DRIFT_STATISTIC)?,
            severity: gauges(registry, names::FINDING_SEVERITY)?,
            performance: gauges(registry, names::MODEL_PERFORMANCE)?,
            coverage: gauges(registry, names::LABEL_COVERAGE)?,
            alerts: gauges(registry, names::ALERTS)?,
            notifications: counters(registry, names::NOTIFICATIONS)?,
            outbox_oldest: gauge(registry, names::OUTBOX_OLDEST)?,
            retrainings: counters(registry, names::RETRAININGS)?,
            retraining_state: gauges(registry, names::RETRAINING_STATE)?,
            rollout_weight: gauges(registry, names::ROLLOUT_WEIGHT)?,
            left_out: counters(registry, names::SERIES_LEFT_OUT)?,
            series: Mutex::default(),
        })
    }

    /// Sets every gauge that the journal touches.
    pub fn observe(&self, journal: &Journal) {
        // A window has an entry for each version.
        let mut closed = BTreeSet::new();
        for entry in &journal.entries {
            match entry {
                Entry::Window(window) => {
                    if window.stage == "closed" && closed.insert((&window.model, window.window.start)) {
                        self.close(&window.model);
                    }
                    self.window(window);
                }
                Entry::Finding(finding) => self.finding(finding),
                Entry::Alert(_) => {}
                Entry::Retraining(retraining) => {
                    self.retrainings.with_label_values(&[retraining.model.as_str(), retraining.state]).inc();
                }
            }
        }
    }

    /// Sets the number of alerts of each rule of a model: (rule, pending, firing). After a restart too, and without a
    /// change of any alert.
    pub fn alerts<'a>(&self, model: &str, counts: impl Iterator<Item = (&'a str, usize, usize)>) {
        for (rule, pending, firing) in counts {
            self.set(&self.alerts, names::ALERTS, &[model, rule, "pending"], pending as f64);
            self.set(&self.alerts, names::ALERTS, &[model, rule, "firing"], firing as f64);
        }
    }

    /// Sets what the newest retraining of a model is in, and how the traffic is split.
    pub fn retraining(&self, retraining: &Retraining) {
        let model = retraining.model.as_str();
        for state in State::ALL {
            let value = f64::from(u8::from(state == retraining.state));
            self.retraining_state.with_label_values(&[model, state.name()]).set(value);
        }
        let Some(traffic) = plan::wanted(retraining) else { return };
        for version in [retraining.stable.clone(), retraining.candidate.as_ref().map(|c| c.version.clone())] {
            let Some(version) = version else { continue };
            let weight = traffic.weights.get(&version).copied().unwrap_or(0);
            self.set(&self.rollout_weight, names::ROLLOUT_WEIGHT, &[model, &version], f64::from(weight) / 100.0);
        }
    }

    /// Counts a retraining that ended.
    pub fn retraining_ended(&self, model: &str, state: State) {
        self.retrainings.with_label_values(&[model, state.name()]).inc();
    }

    fn window(&self, window: &WindowEntry) {
        let labels = [window.model.as_str(), &window.version, &window.segment];
        match window.stage {
            "closed" => {
                self.set(&self.rows, names::WINDOW_ROWS, &labels, window.rows as f64);
            }
            "matured" => {
                for (metric, figure) in &window.figures.performance {
                    if let Some(value) = figure.value {
                        let labels = [window.model.as_str(), &window.version, &window.segment, metric];
                        self.set(&self.performance, names::MODEL_PERFORMANCE, &labels, value);
                    }
                }
                if let (Some(coverage), true) = (window.coverage, window.segment.is_empty()) {
                    let labels = [window.model.as_str(), &window.version];
                    self.set(&self.coverage, names::LABEL_COVERAGE, &labels, coverage);
                }
            }
            _ => {}
        }
    }

    fn finding(&self, finding: &Finding) {
        let feature = match finding.subject {
            Subject::Feature | Subject::Quality => finding.feature.as_str(),
            other => other.name(),
        };
        let labels = [finding.model.as_str(), &finding.version, &finding.segment, feature, &finding.detector];
        let severity = Severity::ALL.iter().position(|severity| *severity == finding.severity).unwrap_or_default();
        self.set(&self.severity, names::FINDING_SEVERITY, &labels, severity as f64);
        if let (Some(statistic), true) = (finding.statistic, finding.subject != Subject::Performance) {
            self.set(&self.statistic, names::DRIFT_STATISTIC, &labels, statistic);
        }
    }

    /// Counts a window, and removes the model's series that no window has set for long.
    fn close(&self, model: &str) {
        self.closed.with_label_values(&[model]).inc();
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = series.closed.entry(model.to_owned()).or_default();
        *closed += 1;
        let oldest = closed.saturating_sub(SERIES_KEPT_WINDOWS);
        series.set.retain(|key, set| {
            let (Some((metric, labels)), true) = (key.split_first(), *set < oldest) else { return true };
            if labels.first().is_none_or(|label| label != model) {
                return true;
            }
            for (name, gauges) in self.gauges().into_iter().filter(|(name, _)| name == metric) {
                if let Err(error) = gauges.remove_label_values(&labels.iter().map(String::as_str).collect::<Vec<_>>()) {
                    tracing::debug!(name, "a series could not be removed: {error}");
                }
            }
            false
        });
    }

    /// Those whose series come and go with versions, segments and columns.
    fn gauges(&self) -> [(&'static str, &GaugeVec); 7] {
        [
            (names::WINDOW_ROWS.name, &self.rows),
            (names::DRIFT_STATISTIC.name, &self.statistic),
            (names::FINDING_SEVERITY.name, &self.severity),
            (names::MODEL_PERFORMANCE.name, &self.performance),
            (names::LABEL_COVERAGE.name, &self.coverage),
            (names::ALERTS.name, &self.alerts),
            (names::ROLLOUT_WEIGHT.name, &self.rollout_weight),
        ]
    }

    /// Sets a gauge, unless it would be one series too many.
    fn set(&self, gauges: &GaugeVec, metric: Metric, labels: &[&str], value: f64) {
        let key: Vec<String> = std::iter::once(metric.name).chain(labels.iter().copied()).map(str::to_owned).collect();
        {
            let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            let model = labels.first().copied().unwrap_or_default();
            let closed = series.closed.get(model).copied().unwrap_or(0);
            if series.set.len() >= SERIES_LIMIT && !series.set.contains_key(&key) {
                self.left_out.with_label_values(&[metric.name]).inc();
                return;
            }
            series.set.insert(key, closed);
        }
        gauges.with_label_values(labels).set(value);
    }

    pub fn notification(&self, channel: &str, outcome: &str) {
        self.notifications.with_label_values(&[channel, outcome]).inc();
    }

    pub fn outbox_oldest(&self, oldest: Option<WallTime>) {
        self.outbox_oldest.set(oldest.map_or(0.0, WallTime::seconds));
    }
}

fn options(metric: Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn register<T: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: Metric,
    collector: prometheus::Result<T>,
) -> Result<T> {
    let failed = |source| Error::Metric { name: metric.name, source };
    let collector = collector.map_err(failed)?;
    registry.register(Box::new(collector.clone())).map_err(failed)?;
    Ok(collector)
}

fn gauges(registry: &Registry, metric: Metric) -> Result<GaugeVec> {
    register(registry, metric, GaugeVec::new(options(metric), metric.labels))
}

fn gauge(registry: &Registry, metric: Metric) -> Result<Gauge> {
    register(registry, metric, Gauge::with_opts(options(metric)))
}

fn counters(registry: &Registry, metric: Metric) -> Result<IntCounterVec> {
    register(registry, metric, IntCounterVec::new(options(metric), metric.labels))
}

#[cfg(test)]
mod tests {
    use contract::{EventTime, Window};

    use super::*;

    fn window(version: &str, hour: u32) -> Entry {
        let start = EventTime::from_micros(0) + std::time::Duration::from_hours(hour.into());
        Entry::Window(WindowEntry {
            model: "m".to_owned(),
            version: version.to_owned(),
            segment: String::new(),
            window: Window { start, end: start + std::time::Duration::from_hours(1) }.into(),
            revision: 0,
            stage: "closed",
            rows: 7,
            labelled: 0,
            coverage: None,
            figures: store::Figures::default(),
            quarantined: false,
        })
    }

    #[test]
    fn e3_series_of_a_version_that_is_gone_go_and_a_window_counts_once() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let exported = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        metrics.observe(&Journal { entries: vec![window("1", 0), window("2", 0)] });
        assert!(exported().contains(r#"bellwether_windows_closed_total{model="m"} 1"#));
        for hour in 1..=u32::try_from(SERIES_KEPT_WINDOWS).unwrap() {
            metrics.observe(&Journal { entries: vec![window("2", hour)] });
        }
        assert!(exported().contains(r#"bellwether_window_rows{model="m",segment="",version="1"} 7"#));
        metrics.observe(&Journal { entries: vec![window("2", 1_000), window("3", 1_000)] });
        metrics.observe(&Journal { entries: vec![window("2", 1_001), window("3", 1_001)] });
        let text = exported();
        assert!(!text.contains(r#"version="1""#) && text.contains(r#"version="2""#) && text.contains(r#"version="3""#));
    }

    #[test]
    fn e3_series_have_a_budget() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        for version in 0..=SERIES_LIMIT {
            metrics.set(&metrics.rows, names::WINDOW_ROWS, &["m", &version.to_string(), ""], 1.0);
        }
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains(r#"bellwether_metric_series_left_out_total{metric="bellwether_window_rows"} 1"#));
    }
}
