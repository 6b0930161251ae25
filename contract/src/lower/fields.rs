//! `fields`: where the parts of an event are.

use super::pointer::{part, pointer};
use crate::keys::contract::{FIELDS, LABEL_FIELDS, LATENCY_FIELD, PREDICTION_FIELDS, SHADOW_FIELDS, TIME_FIELD};
use crate::model::{
    Fields as EventFields, LabelFields, LatencyField, PredictionFields, ShadowFields, Task, TimeField, TimeUnit,
};
use crate::yaml::{Errors, Fields, Node};

const UNITS: [(&str, TimeUnit); 4] = [
    ("s", TimeUnit::Seconds),
    ("ms", TimeUnit::Milliseconds),
    ("us", TimeUnit::Microseconds),
    ("ns", TimeUnit::Nanoseconds),
];

pub fn fields(node: &Node, errors: &mut Errors) -> Option<EventFields> {
    let mut fields = Fields::of(node, &FIELDS, errors)?;
    let predictions = fields.required("predictions", errors).and_then(|node| predictions(node, errors));
    let labels = fields.optional("labels", errors).and_then(|node| labels(node, errors));
    fields.finish(errors);
    Some(EventFields { predictions: predictions?, labels })
}

fn predictions(node: &Node, errors: &mut Errors) -> Option<PredictionFields> {
    let mut fields = Fields::of(node, &PREDICTION_FIELDS, errors)?;
    let event_id = fields.required("event_id", errors).and_then(|node| part(node, "event_id", errors));
    let time = fields.required("time", errors).and_then(|node| time(node, errors));
    let features = match fields.optional("features", errors) {
        Some(node) => pointer(node, "features", errors),
        None => Some(String::new()),
    };
    let mut optional = |key: &'static str| fields.optional(key, errors).and_then(|node| part(node, key, errors));
    let [version, score, prediction, error] = ["version", "score", "prediction", "error"].map(&mut optional);
    let latency = fields.optional("latency", errors).and_then(|node| latency(node, errors));
    let shadow = fields.optional("shadow", errors).and_then(|node| shadow(node, errors));
    fields.finish(errors);
    Some(PredictionFields {
        event_id: event_id?,
        time: time?,
        version,
        features: features?,
        score,
        prediction,
        latency,
        error,
        shadow,
    })
}

fn labels(node: &Node, errors: &mut Errors) -> Option<LabelFields> {
    let mut fields = Fields::of(node, &LABEL_FIELDS, errors)?;
    let event_id = fields.required("event_id", errors).and_then(|node| part(node, "event_id", errors));
    let time = fields.required("time", errors).and_then(|node| time(node, errors));
    let label = fields.required("label", errors).and_then(|node| part(node, "label", errors));
    fields.finish(errors);
    Some(LabelFields { event_id: event_id?, time: time?, label: label? })
}

/// A pointer to RFC 3339 text, or a pointer to a number with its unit.
fn time(node: &Node, errors: &mut Errors) -> Option<TimeField> {
    if !node.is_mapping() {
        return Some(TimeField { pointer: part(node, "time", errors)?, unit: None });
    }
    let mut fields = Fields::of(node, &TIME_FIELD, errors)?;
    let pointer = fields.required("pointer", errors).and_then(|node| part(node, "pointer", errors));
    let unit = fields.required("unit", errors).and_then(|node| node.choice("unit", &UNITS, errors));
    fields.finish(errors);
    Some(TimeField { pointer: pointer?, unit: Some(unit?) })
}

fn latency(node: &Node, errors: &mut Errors) -> Option<LatencyField> {
    if !node.is_mapping() {
        return Some(LatencyField { pointer: part(node, "latency", errors)?, unit: TimeUnit::Milliseconds });
    }
    let mut fields = Fields::of(node, &LATENCY_FIELD, errors)?;
    let pointer = fields.required("pointer", errors).and_then(|node| part(node, "pointer", errors));
    let unit = match fields.optional("unit", errors) {
        Some(node) => node.choice("unit", &UNITS, errors),
        None => Some(TimeUnit::Milliseconds),
    };
    fields.finish(errors);
    Some(LatencyField { pointer: pointer?, unit: unit? })
}

fn shadow(node: &Node, errors: &mut Errors) -> Option<ShadowFields> {
    let mut fields = Fields::of(node, &SHADOW_FIELDS, errors)?;
    let version = fields.required("version", errors).and_then(|node| part(node, "shadow.version", errors));
    let score = fields.required("score", errors).and_then(|node| part(node, "shadow.score", errors));
    fields.finish(errors);
    Some(ShadowFields { version: version?, score: score? })
}

/// Labels need a source and fields, and something that they can be compared with. Looks at the nodes, so that a mistake
/// within a part isn't reported as the lack of it.
pub fn agree_with_sources(fields: &Node, sources: &Node, task: Option<Task>, errors: &mut Errors) {
    match (sources.get("labels"), fields.get("labels")) {
        (Some(_), None) if fields.is_mapping() => {
            let hint = "add `labels: { event_id: …, time: …, label: … }` to `fields`";
            errors.add_with_hint(fields.position, "`sources.labels` is given, but `fields` has no `labels`", hint);
        }
        (None, Some(labels)) if sources.is_mapping() => {
            let hint = "add `labels: { topic: …, horizon: … }` to `sources`";
            errors.add_with_hint(labels.position, "`fields.labels` is given, but `sources` has no `labels`", hint);
        }
        _ => {}
    }
    let Some(predictions) = fields.get("predictions").filter(|predictions| predictions.is_mapping()) else { return };
    let has_output = predictions.get("score").is_some() || predictions.get("prediction").is_some();
    if task == Some(Task::BinaryClassification) && sources.get("labels").is_some() && !has_output {
        let message =
            "labels have nothing to be compared with: `fields.predictions` has neither `score` nor `prediction`";
        errors.add_with_hint(predictions.position, message, "add `score`, the probability of the label being true");
    }
}
