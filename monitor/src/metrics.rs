//! The verdict metrics: what the newest judged windows say. Label sets are bounded by [`SERIES_LIMIT`].

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use contract::metrics as names;
use contract::metrics::Metric;
use contract::{Finding, Severity, Subject, WallTime};
use prometheus::{Gauge, GaugeVec, IntCounterVec, Opts, Registry};

use crate::error::{Error, Result};
use crate::journal::{Entry, Journal, WindowEntry};

/// Verdict series of one process; what is left out is counted.
pub const SERIES_LIMIT: usize = 50_000;

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
    left_out: IntCounterVec,
    series: Mutex<BTreeSet<Vec<String>>>,
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
            left_out: counters(registry, names::SERIES_LEFT_OUT)?,
            series: Mutex::new(BTreeSet::new()),
        })
    }

    /// Sets every gauge that the journal touches.
    pub fn observe(&self, journal: &Journal) {
        for entry in &journal.entries {
            match entry {
                Entry::Window(window) => self.window(window),
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

    fn window(&self, window: &WindowEntry) {
        let labels = [window.model.as_str(), &window.version, &window.segment];
        match window.stage {
            "closed" => {
                self.set(&self.rows, names::WINDOW_ROWS, &labels, window.rows as f64);
                if window.segment.is_empty() {
                    self.closed.with_label_values(&[&window.model]).inc();
                }
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

    /// Sets a gauge, unless it would be one series too many.
    fn set(&self, gauges: &GaugeVec, metric: Metric, labels: &[&str], value: f64) {
        let key: Vec<String> = std::iter::once(metric.name).chain(labels.iter().copied()).map(str::to_owned).collect();
        {
            let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            if !series.contains(&key) {
                if series.len() >= SERIES_LIMIT {
                    self.left_out.with_label_values(&[metric.name]).inc();
                    return;
                }
                series.insert(key);
            }
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
