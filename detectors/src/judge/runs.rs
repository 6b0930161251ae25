//! Runs: for how many windows, and since when, has a finding been beyond its limit (a blip or a persistent change)?

use std::collections::HashMap;

use contract::{EventTime, Finding, Severity, Subject};

/// The findings of the window judged before this one, by what they are about.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    runs: HashMap<Key, (EventTime, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    version: String,
    segment: String,
    subject: Subject,
    feature: String,
    detector: String,
}

impl Key {
    fn of(finding: &Finding) -> Self {
        Self {
            version: finding.version.clone(),
            segment: finding.segment.clone(),
            subject: finding.subject,
            feature: finding.feature.clone(),
            detector: finding.detector.clone(),
        }
    }
}

impl Previous {
    /// Remembers what lies beyond its limit; everything else has no run.
    pub fn from_findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let beyond = findings.into_iter().filter(|finding| finding.severity > Severity::None);
        Self { runs: beyond.map(|finding| (Key::of(finding), (finding.since, finding.consecutive))).collect() }
    }

    /// Sets `since` and `consecutive`, and says in the explanation whether this may be a blip.
    pub(super) fn continue_runs(&self, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| finding.severity > Severity::None) {
            let (since, consecutive) = match self.runs.get(&Key::of(finding)) {
                Some((since, windows)) => (*since, windows.saturating_add(1)),
                None => (finding.window.start, 1),
            };
            finding.since = since;
            finding.consecutive = consecutive;
            let run = match (consecutive, finding.fault) {
                // A fault is one from its first window on.
                (1, Some(_)) => continue,
                (1, None) => "First window beyond its limit: this may be a blip.".to_owned(),
                _ => format!("Beyond its limit for {consecutive} windows in a row, since {since}."),
            };
            if !finding.explanation.is_empty() {
                finding.explanation.push(' ');
            }
            finding.explanation.push_str(&run);
        }
    }
}
