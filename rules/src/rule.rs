//! What a rule is.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::yaml::nearest;
use contract::{Contract, Diagnostic, EventTime, Place, Window};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::template::Template;

/// Rules of one model.
pub const RULES_LIMIT: usize = 1_000;

/// One rule: a condition, how long it must hold, and who should care.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in a [`RuleSet`].
    pub alert: String,
    pub group: String,
    pub condition: Condition,
    /// How long the condition must hold before the alert fires.
    pub hold: Span,
    /// How long the condition must be gone before the alert resolves.
    pub keep: Span,
    pub severity: AlertSeverity,
    pub annotations: BTreeMap<String, Template>,
    pub actions: Vec<Action>,
    pub origin: Origin,
}

/// Where a rule comes from, and where those parts of it stand that other rules or a contract can make wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// It belongs to Bellwether and not to the contract's owner.
    pub is_shipped: bool,
    /// Of the alert's name.
    pub alert: Place,
    /// The columns that the condition names.
    pub columns: Vec<(String, Place)>,
    /// As many as there are actions.
    pub actions: Vec<Place>,
}

impl Rule {
    /// What a contract makes impossible: see [`RuleSet::check`].
    fn check(&self, contract: &Contract) -> Vec<Diagnostic> {
        let columns = self.origin.columns.iter().filter_map(|(name, place)| self.check_column(name, place, contract));
        let mut errors: Vec<Diagnostic> = columns.collect();
        // Everyone has the shipped rules; where nothing may be retrained, the decision says so.
        if contract.retrain.is_none() && !self.origin.is_shipped {
            for (Action::Retrain, place) in self.actions.iter().zip(&self.origin.actions) {
                let message = format!("rule {}: the contract of {} has no `retrain`", self.alert, contract.model);
                let hint = "add `retrain: { policy: { cool_down: 14d } }` to the contract, or take this action out";
                errors.push(place.diagnostic(message).with_hint(hint));
            }
        }
        errors
    }

    fn check_column(&self, name: &str, place: &Place, contract: &Contract) -> Option<Diagnostic> {
        let message = match contract.schema.iter().find(|column| column.name == name) {
            None => format!("rule {}: model {} has no column `{name}`", self.alert, contract.model),
            Some(column) if !column.judge => {
                format!("rule {}: column `{name}` has `judge: false`, so this can't fire", self.alert)
            }
            Some(_) => return None,
        };
        let names = contract.schema.iter().map(|column| column.name.as_str());
        let hint = match nearest(name, names) {
            Some(meant) if meant != name => format!("did you mean `{meant}`?"),
            _ => "name a judged column of the contract's `schema`".to_owned(),
        };
        Some(place.diagnostic(message).with_hint(hint))
    }
}

/// Whom an alert concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// Somebody looks at it in working hours.
    Ticket,
    /// Somebody is woken.
    Page,
}

impl AlertSeverity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Ticket, Self::Page];

    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// What an alert does besides telling people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Asks for a retraining when it fires.
    Retrain,
}

/// How long: in judged windows, or in event time. The default is not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Windows(u32),
    Time(Duration),
}

impl Default for Span {
    fn default() -> Self {
        Self::Windows(0)
    }
}

impl Span {
    /// Whether a run is long enough: `windows` judged windows, the first of them starting at `since`, the last being
    /// `window`. Spans of zero and of one window are the same: the first window is enough.
    pub fn is_reached(self, windows: u32, since: EventTime, window: Window) -> bool {
        match self {
            Self::Windows(needed) => windows >= needed,
            Self::Time(needed) => window.end.micros_since(since) >= contract::time::micros(needed),
        }
    }
}

/// The rules that one model is watched by, in the order of their files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

impl RuleSet {
    /// Rules of one or several files. Every alert name must be there once.
    pub(crate) fn from_rules(rules: Vec<Rule>) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
        for rule in &rules {
            if let Some(first) = seen.get(rule.alert.as_str()) {
                let hint = format!(
                    "it stands in {}:{} already; give one of them another name",
                    first.file.display(),
                    first.line
                );
                let message = format!("there are two alerts `{}`", rule.alert);
                errors.push(rule.origin.alert.diagnostic(message).with_hint(hint));
            } else {
                seen.insert(&rule.alert, &rule.origin.alert);
            }
        }
        if let Some(rule) = rules.get(RULES_LIMIT) {
            let message = format!("a model may have {RULES_LIMIT} rules, this is one more");
            errors.push(rule.origin.alert.diagnostic(message).with_hint("leave out those that nobody acts on"));
        }
        if errors.is_empty() { Ok(Self { rules }) } else { Err(errors) }
    }

    /// The rules of several files as one set.
    pub fn merge(sets: Vec<Self>) -> Result<Self, Vec<Diagnostic>> {
        Self::from_rules(sets.into_iter().flat_map(|set| set.rules).collect())
    }

    /// The same rules, as Bellwether's own.
    pub(crate) fn into_shipped(mut self) -> Self {
        self.rules.iter_mut().for_each(|rule| rule.origin.is_shipped = true);
        self
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What a contract makes impossible: columns that it doesn't have or doesn't judge, so that a rule would never fire; and
    /// retraining that it doesn't allow.
    pub fn check(&self, contract: &Contract) -> Vec<Diagnostic> {
        self.rules.iter().flat_map(|rule| rule.check(contract)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_reached_by_windows_or_by_event_time() {
        let day = Duration::from_hours(24);
        let start = EventTime::from_micros(0);
        let window = |index: u32| Window { start: start + day * index, end: start + day * (index + 1) };
        let reached = |span: Span, windows| span.is_reached(windows, start, window(windows - 1));
        assert!(reached(Span::default(), 1) && reached(Span::Windows(1), 1));
        assert!(!reached(Span::Windows(3), 2) && reached(Span::Windows(3), 3));
        assert!(!reached(Span::Time(day * 3), 2) && reached(Span::Time(day * 3), 3));
        assert!(reached(Span::Time(Duration::ZERO), 1));
    }
}
