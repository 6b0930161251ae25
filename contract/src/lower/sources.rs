//! `sources`: topics, filters and the label horizon.

use std::time::Duration;

use super::pointer::pointer;
use super::windows::LONGEST;
use crate::keys::contract::{LABEL_SOURCE, PREDICTION_SOURCE, SOURCES};
use crate::model::{Format, Source, Sources};
use crate::yaml::{Errors, Fields, Node};

pub fn sources(node: &Node, errors: &mut Errors) -> Option<Sources> {
    let mut fields = Fields::of(node, &SOURCES, errors)?;
    let predictions = fields.required("predictions", errors).and_then(|node| {
        let mut fields = Fields::of(node, &PREDICTION_SOURCE, errors)?;
        let source = source(&mut fields, "sources.predictions", Some(Duration::ZERO), errors);
        fields.finish(errors);
        source
    });
    let labels_node = fields.optional("labels", errors);
    let labels = labels_node.and_then(|node| {
        let mut fields = Fields::of(node, &LABEL_SOURCE, errors)?;
        let horizon = fields.required("horizon", errors);
        let horizon = horizon.and_then(|node| node.duration_within("sources.labels.horizon", LONGEST, errors));
        let source = source(&mut fields, "sources.labels", horizon, errors);
        fields.finish(errors);
        source
    });
    fields.finish(errors);
    if let (Some(predictions), Some(labels), Some(node)) = (&predictions, &labels, labels_node)
        && predictions.topic == labels.topic
    {
        let message = format!("labels come from the topic of the predictions, `{}`", labels.topic);
        errors.add_with_hint(node.position, message, "one topic for both is not supported yet; use two");
    }
    Some(Sources { predictions: predictions?, labels })
}

fn source(fields: &mut Fields<'_>, what: &str, horizon: Option<Duration>, errors: &mut Errors) -> Option<Source> {
    let topic = fields.required("topic", errors).and_then(|node| topic(node, &format!("{what}.topic"), errors));
    let format = match fields.optional("format", errors) {
        Some(node) => node.choice(&format!("{what}.format"), &[("json", Format::Json)], errors),
        None => Some(Format::Json),
    };
    let filter = match fields.optional("where", errors) {
        Some(node) => filter(node, &format!("{what}.where"), errors),
        None => Some(Vec::new()),
    };
    Some(Source { topic: topic?, format: format?, filter: filter?, horizon: horizon? })
}

/// A name that Kafka allows for a topic.
pub(crate) fn topic(node: &Node, what: &str, errors: &mut Errors) -> Option<String> {
    let topic = node.text(what, errors)?;
    let is_good = topic.len() <= 249
        && !matches!(topic.as_str(), "." | "..")
        && topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_good {
        let hint = "Kafka allows letters, digits, `_`, `-` and `.`; at most 249";
        errors.add_with_hint(node.position, format!("`{what}` can't be {}", node.describe()), hint);
        return None;
    }
    Some(topic)
}

fn filter(node: &Node, what: &str, errors: &mut Errors) -> Option<Vec<(String, String)>> {
    let mut fields = Fields::open(node, &format!("`{what}`"), errors)?;
    let pairs: Vec<_> = fields
        .rest()
        .into_iter()
        .map(|entry| Some((pointer(&entry.key, what, errors)?, entry.value.text(what, errors)?)))
        .collect();
    pairs.into_iter().collect()
}
