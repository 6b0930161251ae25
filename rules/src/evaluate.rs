//! The life of an alert, as Prometheus's words have it: pending, firing, resolved. A pure function (promise R1).
//!
//! ```text
//!             condition holds              held for `for`
//!  inactive ───────────────► pending ───────────────────► firing
//!      ▲                        │ condition fails            │ condition fails for `keep_firing_for`
//!      └────────────────────────┘ (silently)                 ▼
//!                                                         resolved
//! ```
//!
//! Windows in which a condition can't be told change nothing, nor do windows without rows, unless something was found in
//! them: values of a wrong type are dead letters and no rows, but a fault. An alert is one per (model, rule, segment, feature): a condition over any column is one conversation, whose annotations name the columns
//! (promise R2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use contract::{EventTime, Finding, Severity, Subject, Window};

use crate::observe::{Observation, Truth, observe, segments};
use crate::rule::{Action, AlertSeverity, Rule, RuleSet};
use crate::state::{ALERTS_LIMIT, AlertPhase, AlertState, Standing, fingerprint};
use crate::template::{cut, figure};

/// Columns, versions and the like that an annotation names.
const NAMED: usize = 10;
/// Findings whose explanations are told in an annotation; the notification has more.
const EXPLAINED: usize = 3;

/// Which of a window's two judgements is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Inputs, outputs, volume and faults.
    Closed,
    /// Performance and coverage.
    Matured,
}

/// One judged window.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    pub model: &'a str,
    pub window: Window,
    /// When the judgement fell due: the time at which alerts fire and resolve.
    pub at: EventTime,
    pub stage: Stage,
    pub findings: &'a [Finding],
    pub rows: u64,
    /// Share of the predictions that have a label; None without predictions.
    pub coverage: Option<f64>,
    /// A fault of the pipeline explains the window's performance.
    pub quarantined: bool,
}

/// What an evaluation leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    pub state: AlertState,
    /// Changes of phase, and alerts that stand as they did but with newer figures; by rule, then segment.
    pub changes: Vec<AlertChange>,
    /// Alerts that could not be kept because [`ALERTS_LIMIT`] stand already.
    pub left_out: usize,
}

/// An alert after an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    pub fingerprint: String,
    pub model: String,
    pub rule: String,
    pub segment: String,
    pub feature: String,
    pub severity: AlertSeverity,
    pub from: AlertPhase,
    /// The same as `from` when only figures are newer.
    pub to: AlertPhase,
    /// Start of the first window of the run.
    pub started: EventTime,
    pub fired: Option<EventTime>,
    pub resolved: Option<EventTime>,
    /// The figure that the rule looked at in this window, or last.
    pub value: Option<f64>,
    /// The rule's own, filled; and `explanation`, `feature`, `fault`, `version` where there is such a thing.
    pub annotations: BTreeMap<String, String>,
    pub actions: Vec<Action>,
    /// What makes the condition hold in this window, the gravest first.
    pub findings: Vec<Finding>,
}

impl AlertChange {
    /// It has just begun to fire.
    pub fn is_firing(&self) -> bool {
        self.from != AlertPhase::Firing && self.to == AlertPhase::Firing
    }

    /// It fired, and is now over.
    pub fn is_resolved(&self) -> bool {
        self.to == AlertPhase::Resolved
    }

    /// It was pending, and leaves no trace.
    pub fn is_cleared(&self) -> bool {
        self.to == AlertPhase::Inactive
    }

    /// Only its figures are newer.
    pub fn is_update(&self) -> bool {
        self.from == self.to
    }

    pub fn asks_for_retraining(&self) -> bool {
        self.is_firing() && self.actions.contains(&Action::Retrain)
    }
}

/// Evaluates every rule that is due at this stage of the window. A window that is not newer than the last one evaluated at
/// that stage changes nothing.
pub fn evaluate(rules: &RuleSet, evaluation: &Evaluation<'_>, state: &AlertState) -> Transition {
    let mut transition = Transition { state: state.clone(), changes: Vec::new(), left_out: 0 };
    let seen = match evaluation.stage {
        Stage::Closed => &mut transition.state.closed,
        Stage::Matured => &mut transition.state.matured,
    };
    if seen.is_some_and(|seen| evaluation.window.start <= seen) {
        return transition;
    }
    *seen = Some(evaluation.window.start);
    retire(rules, evaluation, &mut transition);
    if is_silent(evaluation) {
        return transition;
    }
    let is_due = |rule: &&Rule| stage(rule) == evaluation.stage;
    for rule in rules.rules().iter().filter(is_due) {
        for segment in standing_segments(rule, evaluation, &transition.state) {
            let observation = observe(&rule.condition, evaluation, &segment);
            let alert = Alert { rule, evaluation, segment, feature: feature(rule) };
            alert.step(&observation, &mut transition);
        }
    }
    transition
}

/// A window without rows in which nothing was found.
fn is_silent(evaluation: &Evaluation<'_>) -> bool {
    let is_found = |finding: &Finding| finding.fault.is_some() || finding.severity > Severity::None;
    evaluation.rows == 0 && !evaluation.findings.iter().any(is_found)
}

/// When a rule's condition is known.
pub fn stage(rule: &Rule) -> Stage {
    if rule.condition.needs_labels() { Stage::Matured } else { Stage::Closed }
}

fn feature(rule: &Rule) -> String {
    rule.condition.feature().unwrap_or_default().to_owned()
}

/// Segments that findings speak of now, and those with an alert of the rule.
fn standing_segments(rule: &Rule, evaluation: &Evaluation<'_>, state: &AlertState) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = segments(&rule.condition, evaluation).into_iter().map(str::to_owned).collect();
    all.extend(state.alerts.values().filter(|alert| alert.rule == rule.alert).map(|alert| alert.segment.clone()));
    all
}

/// Alerts whose rule is gone, or is about another column now, are over.
fn retire(rules: &RuleSet, evaluation: &Evaluation<'_>, transition: &mut Transition) {
    let known: BTreeSet<(&str, String)> =
        rules.rules().iter().map(|rule| (rule.alert.as_str(), feature(rule))).collect();
    let is_orphan = |alert: &Standing| !known.contains(&(alert.rule.as_str(), alert.feature.clone()));
    let orphans: Vec<String> =
        transition.state.alerts.iter().filter(|(_, alert)| is_orphan(alert)).map(|(key, _)| key.clone()).collect();
    for key in orphans {
        let Some(mut alert) = transition.state.alerts.remove(&key) else { continue };
        let from = alert.phase();
        let (to, resolved) = match from {
            AlertPhase::Firing => (AlertPhase::Resolved, Some(evaluation.at)),
            _ => (AlertPhase::Inactive, None),
        };
        alert.annotations.insert("resolution".to_owned(), "the rule was removed".to_owned());
        transition.changes.push(change(evaluation.model, key, &alert, from, to, resolved));
    }
}

/// An alert as it stands, told as a change.
fn change(
    model: &str,
    fingerprint: String,
    alert: &Standing,
    from: AlertPhase,
    to: AlertPhase,
    resolved: Option<EventTime>,
) -> AlertChange {
    AlertChange {
        fingerprint,
        model: model.to_owned(),
        rule: alert.rule.clone(),
        segment: alert.segment.clone(),
        feature: alert.feature.clone(),
        severity: alert.severity,
        from,
        to,
        started: alert.started,
        fired: alert.fired,
        resolved,
        value: alert.value,
        annotations: alert.annotations.clone(),
        actions: Vec::new(),
        findings: Vec::new(),
    }
}

/// One alert's identity in one evaluation.
struct Alert<'a> {
    rule: &'a Rule,
    evaluation: &'a Evaluation<'a>,
    segment: String,
    feature: String,
}

impl Alert<'_> {
    fn step(&self, observation: &Observation<'_>, transition: &mut Transition) {
        let key = fingerprint(self.evaluation.model, &self.rule.alert, &self.segment, &self.feature);
        let before = transition.state.alerts.get(&key).cloned();
        match observation.truth {
            Truth::Unknown => {}
            Truth::Holds if before.is_none() && transition.state.alerts.len() >= ALERTS_LIMIT => {
                transition.left_out += 1;
            }
            Truth::Holds => {
                let from = before.as_ref().map_or(AlertPhase::Inactive, Standing::phase);
                let alert = self.held(before, observation);
                let mut change = change(self.evaluation.model, key.clone(), &alert, from, alert.phase(), None);
                change.actions.clone_from(&self.rule.actions);
                change.findings = observation.findings.iter().map(|finding| (*finding).clone()).collect();
                transition.state.alerts.insert(key, alert);
                transition.changes.push(change);
            }
            Truth::Fails => {
                let Some(before) = before else { return };
                let from = before.phase();
                transition.state.alerts.remove(&key);
                let mut change = match self.failed(before) {
                    (alert, AlertPhase::Firing) => {
                        let change = change(self.evaluation.model, key.clone(), &alert, from, AlertPhase::Firing, None);
                        transition.state.alerts.insert(key, alert);
                        change
                    }
                    (alert, to) => {
                        let resolved = (to == AlertPhase::Resolved).then_some(self.evaluation.at);
                        change(self.evaluation.model, key, &alert, from, to, resolved)
                    }
                };
                change.value = observation.value.or(change.value);
                change.actions.clone_from(&self.rule.actions);
                transition.changes.push(change);
            }
        }
    }

    /// The condition holds in this window.
    fn held(&self, before: Option<Standing>, observation: &Observation<'_>) -> Standing {
        let window = self.evaluation.window;
        let mut alert = before.unwrap_or_else(|| Standing {
            rule: self.rule.alert.clone(),
            segment: self.segment.clone(),
            feature: self.feature.clone(),
            severity: self.rule.severity,
            started: window.start,
            held: 0,
            fired: None,
            gone_since: None,
            gone: 0,
            value: None,
            annotations: BTreeMap::new(),
        });
        alert.severity = self.rule.severity;
        alert.held = alert.held.saturating_add(1);
        alert.gone = 0;
        alert.gone_since = None;
        if alert.fired.is_none() && self.rule.hold.is_reached(alert.held, alert.started, window) {
            alert.fired = Some(self.evaluation.at);
        }
        alert.value = observation.value;
        alert.annotations = self.annotations(&alert, observation);
        alert
    }

    /// The condition fails in this window: the alert after it, and its phase.
    fn failed(&self, mut alert: Standing) -> (Standing, AlertPhase) {
        if alert.phase() == AlertPhase::Pending {
            return (alert, AlertPhase::Inactive);
        }
        let since = *alert.gone_since.get_or_insert(self.evaluation.window.start);
        alert.gone = alert.gone.saturating_add(1);
        let is_over = self.rule.keep.is_reached(alert.gone, since, self.evaluation.window);
        (alert, if is_over { AlertPhase::Resolved } else { AlertPhase::Firing })
    }

    fn annotations(&self, alert: &Standing, observation: &Observation<'_>) -> BTreeMap<String, String> {
        let values = self.values(alert, observation);
        let mut annotations: BTreeMap<String, String> =
            self.rule.annotations.iter().map(|(name, template)| (name.clone(), template.fill(&values))).collect();
        for name in ["explanation", "feature", "fault", "version"] {
            if let Some(value) = values.get(name).filter(|value| !value.is_empty()) {
                annotations.entry(name.to_owned()).or_insert_with(|| value.clone());
            }
        }
        annotations
            .entry("summary".to_owned())
            .or_insert_with(|| format!("{}: {} since {}", self.evaluation.model, self.rule.alert, alert.started));
        annotations
    }

    /// What placeholders stand for.
    fn values(&self, alert: &Standing, observation: &Observation<'_>) -> BTreeMap<&'static str, String> {
        let Evaluation { model, window, rows, coverage, .. } = self.evaluation;
        let findings = &observation.findings;
        let named = |of: fn(&Finding) -> &str| names(findings.iter().map(|finding| of(finding)));
        let feature = named(|finding| match finding.subject {
            Subject::Score | Subject::Prediction => finding.subject.name(),
            _ => &finding.feature,
        });
        let shown = |value: Option<f64>| value.map_or(String::new(), figure);
        BTreeMap::from([
            ("alert", self.rule.alert.clone()),
            ("coverage", shown(*coverage)),
            ("detector", named(|finding| &finding.detector)),
            ("explanation", explanations(findings)),
            ("fault", named(|finding| finding.fault.map_or("", contract::Fault::name))),
            ("feature", if self.feature.is_empty() { feature } else { self.feature.clone() }),
            ("limit", shown(observation.limit)),
            ("model", (*model).to_owned()),
            ("rows", rows.to_string()),
            ("segment", self.segment.clone()),
            ("severity", self.rule.severity.name().to_owned()),
            ("since", alert.started.to_string()),
            ("value", shown(observation.value)),
            ("version", named(|finding| &finding.version)),
            ("window_end", window.end.to_string()),
            ("window_start", window.start.to_string()),
        ])
    }
}

/// Different names in the order in which they first come, the first [`NAMED`] of them.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in all.filter(|name| !name.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// What the gravest findings say, one for each column and version.
fn explanations(findings: &[&Finding]) -> String {
    let mut told = BTreeSet::new();
    let firsts = findings.iter().filter(|finding| {
        !finding.explanation.is_empty()
            && told.insert((finding.subject, finding.feature.as_str(), finding.version.as_str()))
    });
    let texts: Vec<&str> = firsts.take(EXPLAINED).map(|finding| finding.explanation.as_str()).collect();
    cut(&texts.join(" "), crate::template::MAX_CHARACTERS)
}
