//! Hyper-parameters: the `parameters` of a specification, all optional.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) const MAX_HIDDEN_LAYERS: usize = 8;
const MAX_UNITS: usize = 4_096;
const MAX_EMBEDDING: usize = 256;
const MAX_EPOCHS: u32 = 1_000;
const MAX_BATCH_ROWS: usize = 1 << 20;
const MAX_FOLDS: usize = 20;

/// How the model is built and fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Units of each hidden layer; none is a logistic regression.
    pub hidden: Vec<usize>,
    /// Numbers that stand for a category; without it the root of the number of categories, at most 8. Unused without hidden layers,
    /// where each category has one coefficient.
    pub embedding: Option<usize>,
    /// Passes over the training rows; with `patience` at most so many.
    pub epochs: u32,
    /// Rows of one step.
    pub batch: usize,
    /// At the start; it falls evenly to nothing over the epochs.
    pub learning_rate: f64,
    /// Decoupled from the gradient (AdamW); biases don't decay.
    pub weight_decay: f64,
    /// Standard deviations from the training mean; numbers further out count as that far.
    pub clip: f64,
    /// Share of hidden units that are silent in a step.
    pub dropout: f64,
    /// Stop after so many epochs without a lower loss on the newest tenth of the days, and take the best epoch's weights. Those
    /// days are then left out of the fit itself. Without it all rows are used in all epochs.
    pub patience: Option<u32>,
    /// A category of its own from so many training rows on; rarer ones and unseen ones share `other`.
    pub minimum_category_rows: u64,
    /// Models that each leave out a share of the weeks, for the out-of-fold scores.
    pub folds: usize,
    /// A drill: the model is trained on inverted labels, so that gate and rollback can be rehearsed.
    pub invert_labels: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            hidden: vec![32],
            embedding: None,
            epochs: 8,
            batch: 512,
            learning_rate: 3e-3,
            weight_decay: 0.3,
            clip: 3.0,
            dropout: 0.0,
            patience: None,
            minimum_category_rows: 50,
            folds: 5,
            invert_labels: false,
        }
    }
}

impl Parameters {
    /// Errors say which parameter, and what it may be.
    pub fn parse(given: &Map<String, Value>) -> Result<Self, String> {
        let known = Self::known()?;
        for (name, value) in given {
            if !known.contains_key(name) {
                return Err(unknown(name, &known));
            }
            // One at a time, so that the error can name it.
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            serde_json::from_value::<Self>(alone).map_err(|error| format!("parameter `{name}`: {error}"))?;
        }
        let parameters: Self =
            serde_json::from_value(Value::Object(given.clone())).map_err(|error| error.to_string())?;
        parameters.checked()
    }

    fn known() -> Result<Map<String, Value>, String> {
        match serde_json::to_value(Self::default()) {
            Ok(Value::Object(known)) => Ok(known),
            Ok(_) => Err("parameters are no object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn checked(self) -> Result<Self, String> {
        within("hidden", self.hidden.len(), 0, MAX_HIDDEN_LAYERS, " layers")?;
        for units in &self.hidden {
            within("hidden", *units, 1, MAX_UNITS, " units a layer")?;
        }
        within("embedding", self.embedding.unwrap_or(1), 1, MAX_EMBEDDING, "")?;
        within("epochs", self.epochs, 1, MAX_EPOCHS, "")?;
        within("batch", self.batch, 1, MAX_BATCH_ROWS, " rows")?;
        within("learning_rate", self.learning_rate, 1e-8, 1.0, "")?;
        within("weight_decay", self.weight_decay, 0.0, 100.0, "")?;
        within("clip", self.clip, 0.1, 1_000.0, " standard deviations")?;
        within("dropout", self.dropout, 0.0, 0.9, "")?;
        within("patience", self.patience.unwrap_or(1), 1, MAX_EPOCHS, " epochs")?;
        within("minimum_category_rows", self.minimum_category_rows, 1, u64::MAX, "")?;
        within("folds", self.folds, 2, MAX_FOLDS, "")?;
        Ok(self)
    }
}

/// A NaN is within nothing.
fn within<T: PartialOrd + Copy + std::fmt::Display>(
    name: &str,
    value: T,
    low: T,
    high: T,
    unit: &str,
) -> Result<(), String> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(format!("parameter `{name}`: {value} is not within {low} to {high}{unit}"))
}

fn unknown(name: &str, known: &Map<String, Value>) -> String {
    let nearest = contract::yaml::nearest(name, known.keys().map(String::as_str));
    if let Some(key) = nearest {
        return format!("there is no parameter `{name}`; did you mean `{key}`?");
    }
    let all = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("there is no parameter `{name}`; the parameters are {all}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals read better")]
    fn parse(value: Value) -> Result<Parameters, String> {
        Parameters::parse(value.as_object().unwrap())
    }

    #[test]
    fn without_any_the_defaults_hold() {
        assert_eq!(parse(json!({})).unwrap(), Parameters::default());
        let some = parse(json!({"hidden": [], "patience": 2})).unwrap();
        assert_eq!((some.hidden.len(), some.patience, some.epochs), (0, Some(2), 8));
    }

    #[test]
    fn the_readme_has_every_parameter_with_its_default() {
        let readme = include_str!("../README.md");
        for (name, default) in Parameters::known().unwrap() {
            let default = if default.is_null() { "none".to_owned() } else { format!("`{default}`") };
            let row = format!("| `{name}` | {default} |");
            assert!(readme.contains(&row), "README.md has no {row}");
        }
    }

    #[test]
    fn errors_name_the_parameter() {
        assert_eq!(parse(json!({"epoch": 3})).unwrap_err(), "there is no parameter `epoch`; did you mean `epochs`?");
        assert!(parse(json!({"colour": 3})).unwrap_err().contains("the parameters are batch, clip"));
        assert!(parse(json!({"epochs": "many"})).unwrap_err().starts_with("parameter `epochs`: invalid type"));
        assert_eq!(parse(json!({"epochs": 0})).unwrap_err(), "parameter `epochs`: 0 is not within 1 to 1000");
        assert_eq!(
            parse(json!({"hidden": [1, 1, 1, 1, 1, 1, 1, 1, 1]})).unwrap_err(),
            "parameter `hidden`: 9 is not within 0 to 8 layers"
        );
        assert!(parse(json!({"hidden": [0]})).unwrap_err().contains("1 to 4096 units a layer"));
        assert!(parse(json!({"learning_rate": 0.0})).is_err());
        assert!(parse(json!({"folds": 1})).is_err());
    }
}
