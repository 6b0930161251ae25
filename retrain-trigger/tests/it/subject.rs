//! A contract whose model is retrained, for tests.

use std::path::Path;

use contract::lower::contract_from_text;
use contract::{Contract, EventTime};
use retrain_trigger::retraining::Rollout;

/// Within `retrain`.
pub const TARGET: &str = "  target: { url: \"http://127.0.0.1:1\" }\n";

/// The contract's text; `more` is the rest of it.
pub fn text(model: &str, more: &str) -> String {
    format!(
        "version: 1\nmodel: {model}\ntask: binary_classification\n\
         sources:\n  predictions: {{ topic: p }}\n  labels: {{ topic: l, horizon: 1d }}\n\
         fields:\n  predictions: {{ event_id: /id, time: /time, version: /version, score: /score }}\n  \
         labels: {{ event_id: /id, time: /time, label: /label }}\n\
         schema: {{ x: {{ type: float64 }} }}\nwindows: {{ size: 1d }}\n{more}"
    )
}

/// With an executor and a target; `policy` is the inside of `retrain.policy`.
pub fn contract(policy: &str) -> Contract {
    contract_of(&format!("  policy: {{ {policy} }}\n  executor: {{ command: [ trainer ] }}\n{TARGET}"))
}

/// 10 % of the traffic, set when event time began in the tests.
pub fn rollout(since: EventTime) -> Rollout {
    Rollout {
        step: 0,
        weight: 10,
        generation: 4,
        since,
        is_guarded: false,
        errors: 0,
        failing_since: None,
        analysis: None,
    }
}

/// `retrain` is the inside of `retrain`.
pub fn contract_of(retrain: &str) -> Contract {
    let text = text("m", &format!("retrain:\n{retrain}"));
    contract_from_text(&text, Path::new("folder/m.yaml")).unwrap_or_else(|errors| panic!("{errors:?}"))
}
