//! A model with daily windows, and findings about them.

use std::path::Path;
use std::time::Duration;

use contract::{EventTime, Fault, Finding, Severity, Subject, WallTime, Window};
use rules::{AlertChange, AlertState, Evaluation, Notification, NotificationContext, RuleSet, Stage, evaluate};

pub const MODEL: &str = "flights";
pub const DAY: Duration = Duration::from_hours(24);

/// The day'th window of June 2013, from 1.
pub fn june(day: u32) -> Window {
    let start = EventTime::parse("2013-06-01T00:00:00Z").unwrap() + DAY * (day - 1);
    Window { start, end: start + DAY }
}

/// Rules as they stand in a file, under one group.
pub fn rules(text: &str) -> RuleSet {
    let indented: Vec<String> = text.lines().map(|line| format!("      {line}")).collect();
    let file = format!("groups:\n  - name: test\n    rules:\n{}\n", indented.join("\n"));
    rules::rules_from_text(&file, Path::new("rules.yaml")).unwrap_or_else(|errors| panic!("{errors:?}\n{file}"))
}

/// A judged finding.
pub fn finding(subject: Subject, feature: &str, detector: &str, severity: Severity) -> Finding {
    Finding {
        model: MODEL.to_owned(),
        version: if subject == Subject::Performance { "v1".to_owned() } else { String::new() },
        segment: String::new(),
        window: june(1).into(),
        revision: 0,
        subject,
        feature: feature.to_owned(),
        detector: detector.to_owned(),
        statistic: Some(0.5),
        interval: None,
        limit: Some(0.6),
        level: Some(0.01),
        effect: Some(0.1),
        severity,
        fault: None,
        since: june(1).start,
        consecutive: 1,
        explanation: String::new(),
        reason: None,
    }
}

pub fn log_loss(value: f64, severity: Severity) -> Finding {
    let explanation = match severity {
        Severity::None => String::new(),
        _ => format!("log_loss is {value} where 0.55 is usual. Most of the rise comes from origin=EWR."),
    };
    let base = finding(Subject::Performance, "", "log_loss", severity);
    Finding { statistic: Some(value), explanation, ..base }
}

pub fn unit_change(feature: &str) -> Finding {
    let explanation = format!("{feature} from source weather looks like celsius where fahrenheit is declared.");
    let base = finding(Subject::Feature, feature, "unit_change", Severity::Critical);
    Finding { fault: Some(Fault::UnitChange), explanation, ..base }
}

/// One evaluation: the findings of a day at a stage.
pub fn day(day: u32, stage: Stage, findings: &[Finding]) -> Evaluation<'_> {
    let window = june(day);
    let after = if stage == Stage::Closed { Duration::from_hours(1) } else { DAY / 2 };
    let at = window.end + after;
    Evaluation { model: MODEL, window, at, stage, findings, rows: 900, coverage: Some(0.99), quarantined: false }
}

/// Follows one set of rules from window to window.
pub struct Life {
    pub rules: RuleSet,
    pub state: AlertState,
}

impl Life {
    pub fn new(text: &str) -> Self {
        Self { rules: rules(text), state: AlertState::default() }
    }

    pub fn step(&mut self, evaluation: &Evaluation<'_>) -> Vec<AlertChange> {
        let transition = evaluate(&self.rules, evaluation, &self.state);
        self.state = transition.state;
        transition.changes
    }

    /// The phases that the one alert moves through on a matured day: "pending>firing", "firing" (newer figures), or "".
    pub fn matured(&mut self, number: u32, value: f64, severity: Severity) -> String {
        let findings = [log_loss(value, severity)];
        told(&self.step(&day(number, Stage::Matured, &findings)))
    }
}

pub fn told(changes: &[AlertChange]) -> String {
    let phases = changes.iter().map(|change| {
        if change.is_update() {
            change.to.name().to_owned()
        } else {
            format!("{}>{}", change.from.name(), change.to.name())
        }
    });
    phases.collect::<Vec<_>>().join(" ")
}

pub fn context() -> NotificationContext {
    NotificationContext {
        owner: Some("airline-team".to_owned()),
        page: Some("http://127.0.0.1:9464/".to_owned()),
        retraining: "requested".to_owned(),
        retraining_reason: None,
        created: WallTime::parse("2026-11-24T12:00:00Z").unwrap(),
    }
}

pub const DECAY: &str = r##"- alert: PerformanceDecay
  when: performance(log_loss) >= warning
  for: 3 windows
  keep_firing_for: 2 windows
  severity: page
  annotations:
    summary: "{{model}}: log loss {{value}} since {{since}}"
    runbook: https://example.org/runbooks/decay
    channel: "#airline-alerts"
  actions: [ retrain ]
"##;

/// The changes that begin and end the alert of a decayed model.
pub fn decay() -> (AlertChange, AlertChange) {
    let mut life = Life::new(DECAY);
    for number in 17..19 {
        life.matured(number, 0.9, Severity::Warning);
    }
    let findings = [log_loss(0.912, Severity::Critical)];
    let firing = life.step(&day(19, Stage::Matured, &findings)).remove(0);
    life.matured(20, 0.56, Severity::None);
    let findings = [log_loss(0.55, Severity::None)];
    let resolved = life.step(&day(21, Stage::Matured, &findings)).remove(0);
    assert!(firing.is_firing() && resolved.is_resolved());
    (firing, resolved)
}

pub fn notification() -> Notification {
    Notification::from_change(&decay().0, &context()).unwrap()
}
