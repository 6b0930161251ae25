//! The figures of a window that people see, kept as JSON in [`crate::WindowRow::figures`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is shown of a window besides its counts. Absent fields read as empty, so older rows stay readable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// By metric name: `log_loss`, `roc_auc`, `brier_score`, `accuracy`.
    pub performance: BTreeMap<String, Figure>,
    /// Mean of the model's score.
    pub mean_score: Option<f64>,
    /// Share of positive labels among the labelled rows.
    pub positive_rate: Option<f64>,
    /// Share of rows without a value, by column.
    pub missing: BTreeMap<String, f64>,
    /// Predictions that carry an error.
    pub errors: u64,
    /// Rows that came after the window closed, and so change none of these figures.
    pub late: u64,
    /// The window was first published because a source fell silent, not because its watermark passed.
    pub closed_by_idleness: bool,
}

/// One performance figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figure {
    pub value: Option<f64>,
    /// The values that the data leave plausible.
    pub interval: Option<(f64, f64)>,
    /// The judge's limit on the figure's own scale.
    pub limit: Option<f64>,
    /// Why there is no value.
    pub reason: Option<String>,
}

impl Figures {
    /// Reads what [`Self::to_json`] wrote; text that isn't such an object has no figures.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// A performance figure's value.
    pub fn value(&self, metric: &str) -> Option<f64> {
        self.performance.get(metric).and_then(|figure| figure.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_the_way_to_json_and_unknown_text_is_empty() {
        let mut figures = Figures { mean_score: Some(0.25), late: 3, ..Figures::default() };
        let figure = Figure { value: Some(0.5), interval: Some((0.4, 0.6)), limit: Some(0.7), reason: None };
        figures.performance.insert("log_loss".to_owned(), figure);
        assert_eq!(Figures::from_json(&figures.to_json()), figures);
        assert_eq!(figures.value("log_loss"), Some(0.5));
        assert_eq!(Figures::from_json("nonsense"), Figures::default());
        assert_eq!(Figures::from_json("{\"later_field\": 1}"), Figures::default());
    }
}
