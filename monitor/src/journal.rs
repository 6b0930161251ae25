//! What the monitor did, in order: what `replay` prints, and what the metrics are set from.

use contract::{EventTime, Finding, Window};
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    Window(WindowEntry),
    Finding(Finding),
    Alert(AlertEntry),
    Retraining(RetrainingEntry),
}

/// A window was judged, or its figures were revised.
#[derive(Clone, Debug, Serialize)]
pub struct WindowEntry {
    pub model: String,
    pub version: String,
    pub segment: String,
    #[serde(flatten)]
    pub window: contract::finding::FindingWindow,
    pub revision: u32,
    /// `closed`, `matured` or `revised`.
    pub stage: &'static str,
    pub rows: u64,
    pub labelled: u64,
    pub coverage: Option<f64>,
    pub figures: store::Figures,
    pub quarantined: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct AlertEntry {
    pub model: String,
    pub version: String,
    pub segment: String,
    #[serde(flatten)]
    pub window: contract::finding::FindingWindow,
    pub revision: u32,
    pub rule: String,
    pub state: String,
    pub severity: String,
    pub feature: String,
    pub fingerprint: String,
    pub started: EventTime,
    pub value: Option<f64>,
    pub summary: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct RetrainingEntry {
    pub model: String,
    pub version: String,
    pub segment: String,
    #[serde(flatten)]
    pub window: contract::finding::FindingWindow,
    pub revision: u32,
    pub rule: String,
    pub state: &'static str,
    pub reason: String,
}

/// What a step did.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub entries: Vec<Entry>,
}

impl Journal {
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Finding(finding) => Some(finding),
            _ => None,
        })
    }

    pub fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
    }
}

/// A window's bounds, as entries carry them.
pub fn bounds(window: Window) -> contract::finding::FindingWindow {
    window.into()
}
