//! Findings: statistics after judgement.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::EventTime;
use crate::window::Window;

/// How much a finding matters. Ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Within its limit.
    #[default]
    None,
    /// Beyond its limit, but small, or explained by something else (a fault, a blip).
    Info,
    /// Beyond its limit, with an effect above the minimum. What the budget counts.
    Warning,
    /// Far beyond.
    Critical,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::None, Self::Info, Self::Warning, Self::Critical];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The distribution of one input column.
    Feature,
    /// The distribution of what the model outputs as a number.
    Score,
    /// The distribution of the predicted class.
    Prediction,
    /// A figure that needs labels.
    Performance,
    /// Missing, non-finite, out-of-range, mistyped or unseen values of one input column.
    Quality,
    /// The number of rows.
    Volume,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Score => "score",
            Self::Prediction => "prediction",
            Self::Performance => "performance",
            Self::Quality => "quality",
            Self::Volume => "volume",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why data may be wrong rather than changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    UnitChange,
    PermutedColumns,
    ConstantColumn,
    TypeChange,
    OneSource,
    /// Nearly all values of a column that used to be there are missing.
    MissingColumn,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::UnitChange => "unit_change",
            Self::PermutedColumns => "permuted_columns",
            Self::ConstantColumn => "constant_column",
            Self::TypeChange => "type_change",
            Self::OneSource => "one_source",
            Self::MissingColumn => "missing_column",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A judged statistic of one window. `version`, `segment` and `feature` are empty where they don't apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub model: String,
    /// Empty for inputs, which are judged over all versions.
    pub version: String,
    /// Empty for the whole model.
    pub segment: String,
    #[serde(flatten)]
    pub window: FindingWindow,
    /// The revision of the window that was judged.
    pub revision: u32,
    pub subject: Subject,
    /// The column, for `feature` and `quality`; else empty.
    pub feature: String,
    /// The detector's, or the performance metric's, name.
    pub detector: String,
    /// Absent when undefined; then `reason` says why.
    pub statistic: Option<f64>,
    /// The smallest and the largest value of the statistic that the data leave plausible.
    pub interval: Option<(f64, f64)>,
    /// The limit on the statistic's own scale, at the level that the budget allows.
    pub limit: Option<f64>,
    /// The level of the test: the probability of crossing the limit when nothing changed.
    pub level: Option<f64>,
    /// Size of the change in natural units of the detector (standard deviations, share of rows, nats).
    pub effect: Option<f64>,
    pub severity: Severity,
    pub fault: Option<Fault>,
    /// Start of the first window of the unbroken run of windows beyond the limit.
    pub since: EventTime,
    /// Windows in that run; 1 is a blip until the next window says otherwise.
    pub consecutive: u32,
    /// One sentence or two for a person.
    pub explanation: String,
    /// Why there is no statistic or no judgement.
    pub reason: Option<String>,
}

/// The window of a finding, flattened into its JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingWindow {
    #[serde(rename = "window_start")]
    pub start: EventTime,
    #[serde(rename = "window_end")]
    pub end: EventTime,
}

impl From<Window> for FindingWindow {
    fn from(window: Window) -> Self {
        Self { start: window.start, end: window.end }
    }
}
