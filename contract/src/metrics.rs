//! The names of every metric that Bellwether exports, with help and labels: what dashboards may rely on.

/// A metric's name, help text and label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

macro_rules! metrics {
    ($($constant:ident, $kind:ident, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub const $constant: Metric = Metric { name: $name, help: $help, labels: &[$($label),*], kind: Kind::$kind };)*

        /// Every exported metric.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    INGEST_EVENTS, Counter, "bellwether_ingest_events_total", ["model", "kind", "outcome"], "Events read, by kind (prediction, label) and outcome (accepted, duplicate, late, dead_letter, other_model).";
    LOST_RECORDS, Counter, "bellwether_ingest_lost_records_total", ["topic", "partition"], "Records that Kafka deleted before they were read, since its retention overtook an outage.";
    INGEST_LAG, Gauge, "bellwether_ingest_lag_records", ["topic", "partition"], "Records between the newest in the log and the next to be read.";
    INGEST_WATERMARK, Gauge, "bellwether_ingest_watermark_timestamp_seconds", ["model", "topic", "partition"], "Newest event time that was accepted.";
    DEAD_LETTERS, Counter, "bellwether_dead_letters_total", ["model", "reason"], "Events that could not be used, by reason.";
    CHECKPOINT, Gauge, "bellwether_checkpoint_timestamp_seconds", ["model", "shard"], "Wall time of the newest durable checkpoint.";
    WINDOWS_CLOSED, Counter, "bellwether_windows_closed_total", ["model"], "Windows judged for the first time.";
    WINDOW_ROWS, Gauge, "bellwether_window_rows", ["model", "version", "segment"], "Rows in the newest judged window.";
    DRIFT_STATISTIC, Gauge, "bellwether_drift_statistic", ["model", "version", "segment", "feature", "detector"], "A detector's statistic in the newest judged window.";
    FINDING_SEVERITY, Gauge, "bellwether_finding_severity", ["model", "version", "segment", "feature", "detector"], "Severity in the newest judged window: 0 none, 1 info, 2 warning, 3 critical.";
    MODEL_PERFORMANCE, Gauge, "bellwether_model_performance", ["model", "version", "segment", "metric"], "A performance figure of the newest matured window.";
    LABEL_COVERAGE, Gauge, "bellwether_label_coverage_ratio", ["model", "version"], "Share of the newest matured window's predictions that have a label.";
    PREDICTION_LATENCY, Histogram, "bellwether_prediction_latency_seconds", ["model", "version"], "Latency of predictions, as the events state it.";
    ALERTS, Gauge, "bellwether_alerts", ["model", "rule", "state"], "Alerts by state (pending, firing).";
    NOTIFICATIONS, Counter, "bellwether_notifications_total", ["channel", "outcome"], "Delivery attempts by outcome (delivered, retried, failed).";
    OUTBOX_OLDEST, Gauge, "bellwether_outbox_oldest_timestamp_seconds", [], "Wall time of the oldest notification not yet delivered; 0 when there is none.";
    RETRAININGS, Counter, "bellwether_retrainings_total", ["model", "outcome"], "Retrainings by outcome (requested, vetoed, promoted, rolled_back, failed, cancelled, superseded).";
    RETRAINING_STATE, Gauge, "bellwether_retraining_state", ["model", "state"], "1 for the state that the newest retraining is in.";
    ROLLOUT_WEIGHT, Gauge, "bellwether_rollout_weight_ratio", ["model", "version"], "Share of the traffic that a version is given.";
    SERIES_LEFT_OUT, Counter, "bellwether_metric_series_left_out_total", ["metric"], "Label sets that were not exported because the series budget was used up.";
    BUILD_INFO, Gauge, "bellwether_build_info", ["version", "revision"], "Always 1.";
}

/// The metric of that name, or of the histogram series (`_bucket`, `_sum`, `_count`) of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| {
        metric.name == name
            || (metric.kind == Kind::Histogram
                && ["_bucket", "_sum", "_count"].iter().any(|suffix| name.strip_suffix(suffix) == Some(metric.name)))
    })
}
