//! Does a condition hold in a window? Yes, no, or it can't be told: the judge had nothing to judge.

use std::cmp::Reverse;

use contract::{Finding, Severity, Subject};

use crate::condition::{Condition, Quantity, Requirement, Target, Test};
use crate::evaluate::Evaluation;

/// What a window says about a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation<'a> {
    pub truth: Truth,
    /// The findings that make it hold, the gravest first; empty when it doesn't, or when figures alone decide.
    pub findings: Vec<&'a Finding>,
    /// The figure that was looked at, where there is one.
    pub value: Option<f64>,
    /// What the figure was held against.
    pub limit: Option<f64>,
}

/// Kleene's three values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truth {
    Holds,
    Fails,
    /// Nothing was judged: this window neither counts nor breaks a run.
    #[default]
    Unknown,
}

/// Looks at one window, for the whole model (an empty segment) or for one segment.
pub fn observe<'a>(condition: &Condition, evaluation: &Evaluation<'a>, segment: &str) -> Observation<'a> {
    match condition {
        Condition::Test(test) => observe_test(test, evaluation, segment),
        Condition::All(parts) => {
            join(parts.iter().map(|part| observe(part, evaluation, segment)).collect(), Truth::Fails)
        }
        Condition::Any(parts) => {
            join(parts.iter().map(|part| observe(part, evaluation, segment)).collect(), Truth::Holds)
        }
    }
}

/// The segments that findings speak of, besides the whole model.
pub(crate) fn segments<'a>(condition: &Condition, evaluation: &Evaluation<'a>) -> Vec<&'a str> {
    let tests = condition.tests();
    let concerns = |finding: &&Finding| tests.iter().any(|test| is_about(&test.quantity, finding));
    let mut segments: Vec<&str> = evaluation.findings.iter().filter(concerns).map(|f| f.segment.as_str()).collect();
    segments.push("");
    segments.sort_unstable();
    segments.dedup();
    segments
}

/// `decisive` decides alone; otherwise one unknown part makes the whole unknown.
fn join(parts: Vec<Observation<'_>>, decisive: Truth) -> Observation<'_> {
    let truth = if parts.iter().any(|part| part.truth == decisive) {
        decisive
    } else if parts.iter().any(|part| part.truth == Truth::Unknown) {
        Truth::Unknown
    } else {
        parts.first().map_or(Truth::Unknown, |part| part.truth)
    };
    // The figure of the part that speaks for the outcome.
    let speaker = parts.iter().find(|part| part.truth == truth && part.value.is_some());
    let (value, limit) = speaker.map_or((None, None), |part| (part.value, part.limit));
    let mut findings = Vec::new();
    if truth == Truth::Holds {
        for finding in parts.into_iter().filter(|part| part.truth == Truth::Holds).flat_map(|part| part.findings) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        gravest_first(&mut findings);
    }
    Observation { truth, findings, value, limit }
}

fn observe_test<'a>(test: &Test, evaluation: &Evaluation<'a>, segment: &str) -> Observation<'a> {
    match &test.quantity {
        Quantity::Rows => figure(test, segment.is_empty().then_some(evaluation.rows as f64)),
        Quantity::Coverage => figure(test, evaluation.coverage.filter(|_| segment.is_empty())),
        Quantity::Performance { .. } if evaluation.quarantined => Observation::default(),
        Quantity::Fault(_) => observe_fault(test, evaluation, segment),
        quantity => {
            let about = |finding: &&Finding| finding.segment == segment && is_about(quantity, finding);
            observe_findings(test, &evaluation.findings.iter().filter(about).collect::<Vec<_>>())
        }
    }
}

/// A number against a number.
fn figure<'a>(test: &Test, value: Option<f64>) -> Observation<'a> {
    let (Requirement::Number { operator, number }, Some(value)) = (test.requirement, value) else {
        return Observation::default();
    };
    let truth = if operator.holds(value, number) { Truth::Holds } else { Truth::Fails };
    Observation { truth, findings: Vec::new(), value: Some(value), limit: Some(number) }
}

/// Faults are found by looking at all columns together; any judged input says that they were looked for.
fn observe_fault<'a>(test: &Test, evaluation: &Evaluation<'a>, segment: &str) -> Observation<'a> {
    let here = || evaluation.findings.iter().filter(|finding| finding.segment == segment);
    let mut findings: Vec<&Finding> = here().filter(|finding| is_about(&test.quantity, finding)).collect();
    let is_input = |finding: &&Finding| matches!(finding.subject, Subject::Feature | Subject::Quality);
    let truth = if !findings.is_empty() {
        Truth::Holds
    } else if here().filter(is_input).any(is_judged) {
        Truth::Fails
    } else {
        Truth::Unknown
    };
    gravest_first(&mut findings);
    let (value, limit) = findings.first().map_or((None, None), |finding| (finding.statistic, finding.limit));
    Observation { truth, findings, value, limit }
}

/// `about`: the findings that the test is about.
fn observe_findings<'a>(test: &Test, about: &[&'a Finding]) -> Observation<'a> {
    let matches = |finding: &&&Finding| match test.requirement {
        Requirement::Severity(least) => finding.severity >= least,
        Requirement::Number { operator, number } => {
            finding.statistic.is_some_and(|value| operator.holds(value, number))
        }
        Requirement::Present => true,
    };
    // A number asks only for the figure; a severity asks for a judgement.
    let is_known = |finding: &&Finding| match test.requirement {
        Requirement::Number { .. } => finding.statistic.is_some(),
        Requirement::Severity(_) | Requirement::Present => is_judged(finding),
    };
    let mut findings: Vec<&Finding> = about.iter().filter(matches).copied().collect();
    let truth = if !findings.is_empty() {
        Truth::Holds
    } else if about.iter().any(is_known) {
        Truth::Fails
    } else {
        Truth::Unknown
    };
    gravest_first(&mut findings);
    // Where one figure was looked at, it is told although the condition fails.
    let shown = findings.first().copied().or(if about.len() == 1 { about.first().copied() } else { None });
    let limit = match test.requirement {
        Requirement::Number { number, .. } => Some(number),
        Requirement::Severity(_) | Requirement::Present => shown.and_then(|finding| finding.limit),
    };
    Observation { truth, findings, value: shown.and_then(|finding| finding.statistic), limit }
}

fn is_about(quantity: &Quantity, finding: &Finding) -> bool {
    match quantity {
        Quantity::Performance { metric } => finding.subject == Subject::Performance && finding.detector == *metric,
        Quantity::Drift(Target::Any) => {
            matches!(finding.subject, Subject::Feature | Subject::Score | Subject::Prediction)
        }
        Quantity::Drift(Target::Feature(name)) => finding.subject == Subject::Feature && finding.feature == *name,
        Quantity::Drift(Target::Score) => finding.subject == Subject::Score,
        Quantity::Drift(Target::Prediction) => finding.subject == Subject::Prediction,
        Quantity::Fault(fault) => finding.fault.is_some() && (fault.is_none() || finding.fault == *fault),
        Quantity::Quality { detector, feature } => {
            finding.subject == Subject::Quality
                && detector.as_ref().is_none_or(|detector| finding.detector == *detector)
                && feature.as_ref().is_none_or(|feature| finding.feature == *feature)
        }
        Quantity::Volume => finding.subject == Subject::Volume,
        Quantity::Rows | Quantity::Coverage => false,
    }
}

/// Whether there was a limit to be beyond. Statistics that are only shown, or that are still learning, have none.
fn is_judged(finding: &Finding) -> bool {
    finding.limit.is_some() || finding.fault.is_some() || finding.severity > Severity::None
}

/// The gravest first; of equals, the verdict of a fault before the statistics that it explains. A total order, so that
/// the order in which findings come doesn't matter.
fn gravest_first(findings: &mut [&Finding]) {
    findings.sort_by_key(|finding| {
        let is_verdict = finding.fault.is_some_and(|fault| fault.name() == finding.detector);
        let names = (finding.feature.clone(), finding.detector.clone(), finding.version.clone());
        (Reverse(finding.severity), !is_verdict, names, finding.segment.clone())
    });
}
