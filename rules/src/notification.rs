//! What is said about an alert that begins or ends, or about a retraining: the same facts for every channel.

use std::collections::BTreeMap;

use contract::{EventTime, Fault, Finding, Severity, Subject, WallTime};
use serde::{Deserialize, Serialize};

use crate::evaluate::AlertChange;
use crate::rule::AlertSeverity;
use crate::template::cut;

/// Findings that a notification carries, the gravest.
pub const EVIDENCE_LIMIT: usize = 20;
/// Characters of an explanation.
const EXPLANATION_LIMIT: usize = 1_000;
/// The format that this version writes into the outbox.
pub const SCHEMA_VERSION: u32 = 1;

/// What the alert itself doesn't know.
#[derive(Clone, Debug, Default)]
pub struct NotificationContext {
    pub owner: Option<String>,
    /// Where the service's page is.
    pub page: Option<String>,
    /// Where the model stands with retraining: `requested`, `vetoed`, or a name that is not worth telling.
    pub retraining: String,
    pub retraining_reason: Option<String>,
    /// When the alert changed, in wall time.
    pub created: WallTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    Firing,
    Resolved,
    /// A retraining ended, or waits for a person.
    Retraining,
}

impl NotificationKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Retraining => "retraining",
        }
    }
}

/// What became of a retraining.
#[derive(Clone, Debug)]
pub struct RetrainingNews {
    pub model: String,
    /// The retraining's id.
    pub retraining: String,
    /// `promoted`, `rolled_back`, `failed`, `awaiting_approval`, `awaiting_deployment`, `rollback_stuck`.
    pub news: &'static str,
    pub severity: AlertSeverity,
    /// On the model's clock.
    pub at: EventTime,
    /// The candidate; empty if there is none yet.
    pub version: String,
    /// One sentence.
    pub summary: String,
}

/// One message. Kept in the outbox as JSON until it is delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    pub schema_version: u32,
    /// The same however often the alert's change is computed or the message is sent: the idempotency key.
    pub id: String,
    pub kind: NotificationKind,
    pub model: String,
    pub rule: String,
    pub severity: AlertSeverity,
    /// Empty for the whole model.
    pub segment: String,
    /// Empty unless the rule is about one column.
    pub feature: String,
    pub fingerprint: String,
    pub started: EventTime,
    pub fired: Option<EventTime>,
    pub resolved: Option<EventTime>,
    pub value: Option<f64>,
    pub annotations: BTreeMap<String, String>,
    pub evidence: Vec<Evidence>,
    pub owner: Option<String>,
    pub page: Option<String>,
    pub retraining: String,
    pub retraining_reason: Option<String>,
    pub created: WallTime,
}

/// A finding, as messages tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub subject: Subject,
    pub feature: String,
    pub detector: String,
    pub version: String,
    pub severity: Severity,
    pub statistic: Option<f64>,
    pub limit: Option<f64>,
    pub effect: Option<f64>,
    pub fault: Option<Fault>,
    pub since: EventTime,
    pub consecutive: u32,
    pub explanation: String,
}

impl From<&Finding> for Evidence {
    fn from(finding: &Finding) -> Self {
        Self {
            subject: finding.subject,
            feature: finding.feature.clone(),
            detector: finding.detector.clone(),
            version: finding.version.clone(),
            severity: finding.severity,
            statistic: finding.statistic,
            limit: finding.limit,
            effect: finding.effect,
            fault: finding.fault,
            since: finding.since,
            consecutive: finding.consecutive,
            explanation: cut(&finding.explanation, EXPLANATION_LIMIT),
        }
    }
}

impl Notification {
    /// What there is to say about a change; None unless an alert has just begun to fire, or is over after it fired.
    pub fn from_change(change: &AlertChange, context: &NotificationContext) -> Option<Self> {
        let kind = match (change.is_firing(), change.is_resolved()) {
            (true, _) => NotificationKind::Firing,
            (_, true) => NotificationKind::Resolved,
            _ => return None,
        };
        Some(Self {
            schema_version: SCHEMA_VERSION,
            id: identity(&change.fingerprint, change.started, kind),
            kind,
            model: change.model.clone(),
            rule: change.rule.clone(),
            severity: change.severity,
            segment: change.segment.clone(),
            feature: change.feature.clone(),
            fingerprint: change.fingerprint.clone(),
            started: change.started,
            fired: change.fired,
            resolved: change.resolved,
            value: change.value,
            annotations: change.annotations.clone(),
            evidence: change.findings.iter().take(EVIDENCE_LIMIT).map(Evidence::from).collect(),
            owner: context.owner.clone(),
            page: context.page.clone(),
            retraining: context.retraining.clone(),
            retraining_reason: context.retraining_reason.clone(),
            created: context.created,
        })
    }

    /// What there is to say about a retraining. Said again, it has the same id.
    pub fn of_retraining(news: &RetrainingNews, context: &NotificationContext) -> Self {
        let annotations = [("summary", &news.summary), ("version", &news.version)];
        let annotations = annotations.into_iter().filter(|(_, text)| !text.is_empty());
        Self {
            schema_version: SCHEMA_VERSION,
            id: format!("{}-{}", news.retraining, news.news),
            kind: NotificationKind::Retraining,
            model: news.model.clone(),
            rule: "Retraining".to_owned(),
            severity: news.severity,
            segment: String::new(),
            feature: String::new(),
            fingerprint: news.retraining.clone(),
            started: news.at,
            fired: None,
            resolved: None,
            value: None,
            annotations: annotations.map(|(name, text)| (name.to_owned(), cut(text, EXPLANATION_LIMIT))).collect(),
            evidence: Vec::new(),
            owner: context.owner.clone(),
            page: context.page.clone(),
            retraining: news.news.to_owned(),
            retraining_reason: Some(cut(&news.summary, EXPLANATION_LIMIT)),
            created: context.created,
        }
    }

    /// What webhooks call it: `alert.firing`, `alert.resolved`, `retraining.promoted` and so on.
    pub fn event_type(&self) -> String {
        match self.kind {
            NotificationKind::Firing | NotificationKind::Resolved => format!("alert.{}", self.kind.name()),
            NotificationKind::Retraining => format!("retraining.{}", self.retraining),
        }
    }

    /// The id of the message about the beginning of the same life of the alert.
    pub fn firing_id(&self) -> String {
        identity(&self.fingerprint, self.started, NotificationKind::Firing)
    }
}

fn identity(fingerprint: &str, started: EventTime, kind: NotificationKind) -> String {
    format!("{fingerprint}-{}-{}", started.micros(), kind.name())
}
