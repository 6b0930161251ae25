//! A model's health in words, from what the monitor has stored. Pure.

use contract::Severity;
use serde::Serialize;
use store::AlertRow;

use crate::routes::timeline::TimelineWindow;

/// How a model is, in one word and one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    pub state: HealthState,
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthState {
    /// No window has been judged yet.
    Waiting,
    /// Nothing is beyond its limit in the newest window.
    Quiet,
    /// Something is, but no rule fires.
    Watching,
    /// The newest window is quarantined.
    Fault,
    /// An alert fires.
    Alerting,
}

/// `firing` are the alerts that fire now, newest first.
pub(crate) fn health(latest: Option<&TimelineWindow>, firing: &[AlertRow]) -> Health {
    let Some(latest) = latest else {
        return Health { state: HealthState::Waiting, words: "Waiting for the first window to close.".to_owned() };
    };
    let fault = latest.fault.map(|fault| format!("the newest window looks like a pipeline fault ({fault})"));
    if !firing.is_empty() {
        let alerts = alerting(firing);
        let words = fault.map_or_else(|| format!("{alerts}."), |fault| format!("{alerts}; {fault}."));
        return Health { state: HealthState::Alerting, words };
    }
    if latest.quarantined || fault.is_some() {
        let what = fault.unwrap_or_else(|| "the newest window is quarantined".to_owned());
        return Health { state: HealthState::Fault, words: format!("{}.", capitalised(&what)) };
    }
    if latest.worst_severity >= Severity::Warning {
        let what = latest.worst_feature.as_deref().unwrap_or("performance");
        let words = format!("No alert fires, but {what} is beyond its limit in the newest window.");
        return Health { state: HealthState::Watching, words };
    }
    Health { state: HealthState::Quiet, words: "Nothing is beyond its limit in the newest window.".to_owned() }
}

fn alerting(firing: &[AlertRow]) -> String {
    let mut rules: Vec<&str> = firing.iter().map(|alert| alert.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let since = firing.iter().map(|alert| alert.started).min().map(|time| time.to_string()).unwrap_or_default();
    // The day is enough for a sentence; the table has the time.
    let day = since.split('T').next().unwrap_or_default();
    let (count, verb) = if firing.len() == 1 {
        ("One alert".to_owned(), "fires")
    } else {
        (format!("{} alerts", firing.len()), "fire")
    };
    format!("{count} {verb} since {day}: {}", rules.join(", "))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use contract::{EventTime, WallTime};

    use super::*;

    fn alert(rule: &str, started: &str) -> AlertRow {
        AlertRow {
            fingerprint: rule.to_owned(),
            model: "flights".to_owned(),
            rule: rule.to_owned(),
            segment: String::new(),
            feature: String::new(),
            state: "firing".to_owned(),
            severity: "page".to_owned(),
            started: EventTime::parse(started).unwrap(),
            fired: None,
            resolved: None,
            value: None,
            annotations: "{}".to_owned(),
            notified: None,
            updated: WallTime::from_micros(0),
        }
    }

    #[test]
    fn words_name_the_gravest_thing_first() {
        let quiet = TimelineWindow::default();
        let drifted = TimelineWindow {
            worst_severity: Severity::Warning,
            worst_feature: Some("temp".to_owned()),
            ..TimelineWindow::default()
        };
        let faulty = TimelineWindow { fault: Some("unit_change"), quarantined: true, ..drifted.clone() };
        let one = [alert("PerformanceDecay", "2013-06-17T00:00:00Z")];
        let two = [alert("PipelineFault", "2013-05-09T00:00:00Z"), alert("PerformanceDecay", "2013-05-07T00:00:00Z")];
        let told = |window: Option<&TimelineWindow>, firing: &[AlertRow]| health(window, firing).words;
        assert_eq!(told(None, &one), "Waiting for the first window to close.");
        assert_eq!(told(Some(&quiet), &[]), "Nothing is beyond its limit in the newest window.");
        assert_eq!(told(Some(&drifted), &[]), "No alert fires, but temp is beyond its limit in the newest window.");
        assert_eq!(told(Some(&faulty), &[]), "The newest window looks like a pipeline fault (unit_change).");
        assert_eq!(told(Some(&drifted), &one), "One alert fires since 2013-06-17: PerformanceDecay.");
        assert_eq!(
            told(Some(&faulty), &two),
            "2 alerts fire since 2013-05-07: PerformanceDecay, PipelineFault; the newest window looks like a pipeline \
             fault (unit_change)."
        );
    }
}
