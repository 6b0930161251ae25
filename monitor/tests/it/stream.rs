//! A synthetic model with one shard and daily windows, told as the publications that its shard would make.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use contract::lower::contract_from_text;
use contract::{Contract, EventTime, Window};
use detectors::profile::{ColumnProfile, WindowProfile};
use ingest::Publication;
use ingest::publication::{Counts, Kind, Phase, Watermarks, WindowCell, WindowPart};
use monitor::metrics::Metrics;
use monitor::{DeliveryPlan, Journal, ModelMonitor, ModelSetup, Monitor};
use store::Store;

pub const MODEL: &str = "flights";
/// Rows of a window.
const ROWS: u32 = 400;

pub const COLUMNS: &str = "  temp: { type: float64, unit: fahrenheit, source: weather }
  origin: { type: string }";

pub const RULES: &str = r#"
groups:
  - name: all
    rules:
      - alert: PerformanceDecay
        when: performance(log_loss) >= warning
        for: 3 windows
        keep_firing_for: 2 windows
        severity: page
        annotations: { summary: "{{model}}: log loss {{value}} since {{since}}" }
        actions: [ retrain ]
      - alert: PipelineFault
        when: fault(any)
        severity: page
"#;

/// The contract; `maturity` as in YAML.
pub fn contract(maturity: &str) -> Arc<Contract> {
    contract_with(maturity, COLUMNS, "{ inputs: { trailing: 28d }, outputs: training, performance: training }")
}

/// The columns and the baseline are YAML as well.
pub fn contract_with(maturity: &str, columns: &str, baseline: &str) -> Arc<Contract> {
    let text = format!(
        "
version: 1
model: {MODEL}
task: binary_classification
owner: airline-team
sources:
  predictions: {{ topic: predictions, format: json }}
  labels: {{ topic: labels, format: json, horizon: 7d }}
fields:
  predictions: {{ event_id: /id, time: /time, version: /version, features: /features, score: /score }}
  labels: {{ event_id: /id, time: /time, label: /late }}
schema:
{columns}
segments: [ origin ]
windows: {{ size: 1d, lateness: 1h, maturity: {maturity} }}
baseline: {baseline}
retrain: {{ policy: {{ cool_down: 14d }} }}
"
    );
    let contract = contract_from_text(&text, Path::new("flights.yaml"));
    Arc::new(contract.unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// What a day is like.
#[expect(clippy::struct_excessive_bools, reason = "independent of each other")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// The weather feed sends Celsius.
    pub celsius: bool,
    /// The truth has moved away from the model.
    pub decayed: bool,
    /// Temperatures and scores are far from what they were.
    pub shifted: bool,
    /// No temperature is a finite number.
    pub infinite: bool,
    /// Too few predictions to be judged.
    pub sparse: bool,
    /// No predictions at all, so no window.
    pub silent: bool,
}

pub const FINE: Day =
    Day { celsius: false, decayed: false, shifted: false, infinite: false, sparse: false, silent: false };
pub const CELSIUS: Day = Day { celsius: true, ..FINE };
pub const DECAYED: Day = Day { decayed: true, ..FINE };
pub const SHIFTED: Day = Day { shifted: true, ..FINE };
pub const SPARSE: Day = Day { sparse: true, ..FINE };
pub const SILENT: Day = Day { silent: true, ..FINE };

pub fn window(day: usize) -> Window {
    let size = std::time::Duration::from_hours(24);
    let start = EventTime::parse("2013-01-01T00:00:00Z").unwrap() + size * day as u32;
    Window { start, end: start + size }
}

/// Two publications a day: the window closes, then it matures. The last day but `maturity` matures last.
pub fn publications(contract: &Contract, days: &[Day]) -> Vec<Publication> {
    let mut told: Vec<(EventTime, Option<WindowPart>)> = Vec::new();
    for (index, day) in days.iter().enumerate() {
        let window = window(index);
        let closes = window.end + contract.windows.lateness;
        let matures = window.end + contract.windows.maturity;
        if day.silent {
            told.push((closes, None));
        } else {
            told.push((closes, Some(part(contract, index, *day, Phase::Closed))));
            told.push((matures, Some(part(contract, index, *day, Phase::Matured))));
        }
    }
    told.sort_by_key(|(time, _)| *time);
    let numbered = told.into_iter().enumerate();
    numbered.map(|(index, (time, part))| publication(index as u64 + 1, time, part.into_iter().collect())).collect()
}

/// The shard's word that both streams have come to a time.
pub fn publication(sequence: u64, time: EventTime, parts: Vec<WindowPart>) -> Publication {
    Publication {
        model: MODEL.to_owned(),
        shard: 0,
        shards: 1,
        epoch: 1,
        sequence,
        watermarks: Watermarks {
            prediction: Some(time),
            label: Some(time),
            predictions_idle: false,
            labels_idle: false,
        },
        offsets: BTreeMap::from([(Kind::Prediction, sequence as i64), (Kind::Label, sequence as i64)]),
        counts: Counts::default(),
        parts,
        dead_letters: Vec::new(),
        history_files: Vec::new(),
    }
}

pub fn part(contract: &Contract, index: usize, day: Day, phase: Phase) -> WindowPart {
    let is_labelled = phase > Phase::Closed;
    let whole = cell(contract, index, day, is_labelled, "");
    let segment = cell(contract, index, day, is_labelled, "origin=EWR");
    WindowPart {
        window: window(index),
        revision: u32::from(is_labelled),
        phase,
        late_rows: 0,
        closed_by_idleness: false,
        as_of: BTreeMap::new(),
        cells: vec![whole, segment],
    }
}

/// Every figure wobbles from day to day, by a fixed pattern.
fn wobble(index: usize, stride: usize) -> f64 {
    ((index * stride) % 11) as f64 / 5.0 - 1.0
}

fn cell(contract: &Contract, index: usize, day: Day, is_labelled: bool, segment: &str) -> WindowCell {
    let is_whole = segment.is_empty();
    let mut profile = if is_whole { WindowProfile::for_contract(contract) } else { WindowProfile::for_segment() };
    let count = if day.sparse { 10 } else { ROWS };
    profile.rows = u64::from(count);
    let rows = || (0..count).map(|row| f64::from(row) / f64::from(count));
    let times = if day.shifted { 100.0 } else { 1.0 };
    for (column, values) in contract.schema.iter().zip(&mut profile.columns) {
        match values {
            ColumnProfile::Numeric(temp) => {
                let fahrenheit = rows().map(|place| 60.0 + 2.0 * wobble(index, 7) + 20.0 * (place - 0.5));
                let temps = fahrenheit.map(|value| if day.celsius { (value - 32.0) / 1.8 } else { value * times });
                let temps = temps.map(|value| if day.infinite { f64::INFINITY } else { value });
                temp.update_values(temps);
            }
            ColumnProfile::Categorical(origin) => {
                assert_eq!(column.name, "origin");
                let more = if day.sparse { 0 } else { (index % 5) as u64 };
                origin.add("EWR", u64::from(count) / 2 + more);
                origin.add("JFK", u64::from(count) / 2 - more);
            }
        }
    }
    let lift = if day.shifted { 0.5 } else { 0.01 * wobble(index, 3) };
    profile.score.update_values(rows().map(|place| 0.2 + 0.2 * place + lift));
    profile.performance.add_predictions(u64::from(count));
    if is_labelled {
        let share = if day.decayed { 0.8 } else { 0.3 } + 0.02 * wobble(index, 5);
        for place in rows() {
            profile.performance.add(0.2 + 0.2 * ((place * 7.0) % 1.0), None, place < share, 3_600_000_000);
        }
    }
    WindowCell { version: "1".to_owned(), segment: segment.to_owned(), profile }
}

/// A monitor that tells everything to the channels `mail` and `hook`.
pub async fn monitor(store: &Store, contract: &Arc<Contract>, metrics: &Arc<Metrics>) -> Monitor {
    let rules = rules::rules_from_text(RULES, Path::new("rules.yaml")).unwrap();
    let delivery = DeliveryPlan {
        routes: Vec::new(),
        channels: vec!["mail".to_owned(), "hook".to_owned()],
        page: Some("http://127.0.0.1:9464/".to_owned()),
    };
    let setup = ModelSetup {
        contract: Arc::clone(contract),
        rules: Arc::new(rules),
        delivery: Arc::new(delivery),
        carries_out: false,
    };
    let model = ModelMonitor::open(setup, store.clone()).await.unwrap();
    Monitor::new(store.clone(), vec![model], Arc::clone(metrics))
}

pub fn metrics() -> (prometheus::Registry, Arc<Metrics>) {
    let registry = prometheus::Registry::new();
    let metrics = Arc::new(Metrics::register(&registry).unwrap());
    (registry, metrics)
}

/// Everything that publications lead to, in one process.
pub async fn play(store: &Store, contract: &Arc<Contract>, publications: &[Publication]) -> Journal {
    let monitor = monitor(store, contract, &metrics().1).await;
    let mut journal = Journal::default();
    for publication in publications {
        journal.append(monitor.accept(publication).await.unwrap());
    }
    journal
}
