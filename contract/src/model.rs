//! The contract: the owner's YAML file for one model, after [`crate::lower`] has checked it.
//!
//! Field by field this follows docs/contract.md; defaults stand in [`crate::lower`].

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::configuration::Secret;
use crate::diagnostic::Place;

/// One model's contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contract {
    /// Name of the model, unique in one service.
    pub model: String,
    pub task: Task,
    pub owner: Option<String>,
    pub sources: Sources,
    pub fields: Fields,
    /// In the order of the file. Event columns keep this order everywhere.
    pub schema: Vec<Column>,
    pub segments: Vec<Segment>,
    pub windows: Windows,
    pub baseline: Baseline,
    pub budget: Budget,
    pub rules: Vec<RuleFile>,
    /// None: retraining is never requested.
    pub retrain: Option<Retrain>,
    /// The folder of the contract file; relative paths start here.
    pub folder: PathBuf,
}

/// A rule file, as a contract names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RuleFile {
    /// A path relative to the contract file; `packs/NAME.yaml` names a shipped pack.
    pub name: String,
    /// Where the contract names it; None where it doesn't, and has the default.
    #[serde(skip)]
    pub place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    BinaryClassification,
    MulticlassClassification,
    Regression,
    Ranking,
    None,
}

/// Where the events are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sources {
    pub predictions: Source,
    pub labels: Option<Source>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    pub topic: String,
    pub format: Format,
    /// JSON pointer and the text it must point at, all of them; an event that differs belongs to another model.
    pub filter: Vec<(String, String)>,
    /// Labels: the longest time from a prediction to its label that still counts. Predictions: unused.
    pub horizon: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Json,
}

/// Where the parts of an event are: RFC 6901 JSON pointers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fields {
    pub predictions: PredictionFields,
    pub labels: Option<LabelFields>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionFields {
    pub event_id: String,
    pub time: TimeField,
    pub version: Option<String>,
    /// The object that holds the features; `""` is the event itself.
    pub features: String,
    pub score: Option<String>,
    pub prediction: Option<String>,
    pub latency: Option<LatencyField>,
    pub error: Option<String>,
    /// The score that another version would have given the same event.
    pub shadow: Option<ShadowFields>,
}

/// Where a serving app that scores events with a second version says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowFields {
    pub version: String,
    pub score: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelFields {
    pub event_id: String,
    /// When the label became known.
    pub time: TimeField,
    pub label: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeField {
    pub pointer: String,
    /// None: RFC 3339 text.
    pub unit: Option<TimeUnit>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyField {
    pub pointer: String,
    pub unit: TimeUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// One input column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    /// Values outside are counted; closed interval.
    pub range: Option<(f64, f64)>,
    /// The declared unit; only its known conversions are tried as an explanation.
    pub unit: Option<String>,
    /// The upstream that the column comes from; faults are explained by source.
    pub source: Option<String>,
    /// False: profiled and shown, never judged.
    pub judge: bool,
    pub privacy: Privacy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    Float64,
    Int64,
    Boolean,
    String,
}

impl ColumnKind {
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Float64 | Self::Int64)
    }
}

/// What happens to a column's values before anything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    #[default]
    Keep,
    /// Kept as a hash.
    Hash,
    /// Profiled, never kept.
    Drop,
}

/// A subset of the events whose performance is followed on its own: each value of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    pub column: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Windows {
    pub size: Duration,
    /// How far behind the newest event time an event may come and still count.
    pub lateness: Duration,
    /// How long after a window's end its performance is judged.
    pub maturity: Duration,
}

/// What each part of the judgement compares with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    pub inputs: BaselinePart,
    pub outputs: BaselinePart,
    pub performance: BaselinePart,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselinePart {
    pub kind: BaselineKind,
    /// Data that seed the baseline before there are enough accepted windows.
    pub history: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// The version's own training data; until a registry holds them, the first accepted windows ("learning").
    Training,
    Fixed(PathBuf),
    /// The accepted windows of the last so long.
    Trailing(Duration),
}

/// How many false findings the owner accepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Budget {
    pub false_alarms: f64,
    pub per: Duration,
}

/// What a decaying model leads to: when it is retrained, on what, by what, and how a candidate comes to serve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retrain {
    pub policy: RetrainPolicy,
    pub dataset: Dataset,
    /// None: retrainings are requested, and carried out by someone else.
    pub executor: Option<Executor>,
    pub evaluate: Evaluate,
    pub rollout: RolloutPlan,
    /// None: candidates are trained, judged and registered, and served by nobody.
    pub target: Option<Target>,
}

/// When a retraining may begin (promise T5). Durations are event time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetrainPolicy {
    /// Between two requests of rules.
    pub cool_down: Duration,
    /// At most so many retrainings within [`RetrainPolicy::per`], whoever asks.
    pub runs: u32,
    pub per: Duration,
    /// Rows with labels that the data must have, for training and held out together.
    pub minimum_labels: u64,
    /// Where a person must say yes.
    pub approval: Vec<ApprovalStage>,
    /// After so many failed retrainings in a row rules are not heard any more, until a person's retraining is promoted.
    pub stop_after_failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStage {
    /// Before data are pinned.
    Training,
    /// Before the candidate gets traffic.
    Rollout,
}

/// Which accepted events a candidate learns from. Event time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dataset {
    /// The training data: so long before the held-out data.
    pub span: Duration,
    /// The newest labelled data, which the candidate doesn't see and is judged on.
    pub held_out: Duration,
}

/// The program that trains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Executor {
    /// Program and first arguments; `run --spec FILE --output FOLDER` is added. A program without `/` is looked for beside
    /// Bellwether's own, then in PATH.
    pub command: Vec<String>,
    /// Wall time of one attempt.
    pub timeout: Duration,
    /// Starts of the program for one retraining, crashes of any kind included.
    pub attempts: u32,
    pub device: Device,
    /// How the program gets its data.
    pub format: DataFormat,
    pub seed: u64,
    /// Hyper-parameters, passed on as they are.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// CUDA where there is one.
    #[default]
    Auto,
    Cpu,
    Cuda,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    #[default]
    Parquet,
    /// For scripts.
    Csv,
}

/// The gate: the candidate against the stable version on the same held-out rows (promise T3).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluate {
    /// By how much the candidate's log loss must be lower, at least.
    pub margin: f64,
    /// Columns none of whose values may become clearly worse.
    pub segments: Vec<String>,
}

/// How traffic moves to a candidate, and what stops it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutPlan {
    /// Per cent of the traffic, rising, the last one 100.
    pub steps: Vec<u32>,
    /// Event time at 100 % before promotion; the stable version stays loaded.
    pub bake: Duration,
    /// A difference of the log loss that is found event by event.
    pub gross_harm: f64,
    /// How much worse, in log loss, a candidate may be and still count as no worse.
    pub margin: f64,
    /// The candidate's 95th percentile of the latency may be so many times the stable version's.
    pub latency_ratio: f64,
    /// The candidate's share of errors may exceed the stable version's by so much.
    pub error_excess: f64,
    /// Wall time that nothing may answer before the candidate goes back.
    pub patience: Duration,
}

/// The app that serves the model, by the serving-target interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    pub url: String,
    /// Bearer token.
    #[serde(skip)]
    pub token: Option<Secret>,
}

impl Contract {
    /// Index of a column in [`Contract::schema`].
    pub fn column(&self, name: &str) -> Option<usize> {
        self.schema.iter().position(|column| column.name == name)
    }

    /// The longest time from a prediction to a label that counts; zero without labels.
    pub fn label_horizon(&self) -> Duration {
        self.sources.labels.as_ref().map_or(Duration::ZERO, |labels| labels.horizon)
    }

    /// Event ids are remembered this long to recognise duplicates: a day, or the label horizon if longer.
    pub fn duplicate_horizon(&self) -> Duration {
        self.label_horizon().max(Duration::from_hours(24))
    }

    /// The files and folders that baselines are read from, each once.
    pub fn baseline_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for part in [&self.baseline.inputs, &self.baseline.outputs, &self.baseline.performance] {
            let fixed = match &part.kind {
                BaselineKind::Fixed(path) => Some(path),
                BaselineKind::Training | BaselineKind::Trailing(_) => None,
            };
            for file in fixed.into_iter().chain(&part.history).map(|path| self.resolve(path)) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        files
    }

    /// A path of the contract, relative to the contract's folder.
    pub fn resolve(&self, path: &std::path::Path) -> PathBuf {
        if path.is_absolute() { path.to_owned() } else { self.folder.join(path) }
    }
}
