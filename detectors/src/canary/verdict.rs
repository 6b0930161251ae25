//! What a comparison says at a moment.

use serde::{Deserialize, Serialize};

/// Argo's phases of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The candidate is shown to be no worse. Asked of one step at one moment: the step is passed.
    Successful,
    /// Harm is shown.
    Failed,
    /// The measurement couldn't be made. No comparison of this module says so; those who fetch the events may.
    Error,
    /// Neither is shown yet. It waits, and never promotes.
    Inconclusive,
}

/// A figure and what the data leave possible for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub estimate: f64,
    pub lower: f64,
    pub upper: f64,
}

/// The answer of [`super::Unpaired`], [`super::Paired`] or [`super::Operations`]. Differences are candidate less stable, in nats:
/// above zero the candidate is worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub phase: Phase,
    /// One plain sentence with the figures that decide.
    pub reason: String,
    /// The difference, event by event. Both bounds hold at any time of looking.
    pub gross: Option<Interval>,
    /// The difference, blocked by day. The lower bound has the level of a rollback, the upper one that of passing a step.
    pub blocked: Option<Interval>,
    /// Days that count: those with enough labels.
    pub blocks: u32,
    pub labelled_stable: u64,
    pub labelled_candidate: u64,
}

impl Verdict {
    /// Nothing is known yet, for this reason.
    pub(super) fn inconclusive(reason: String) -> Self {
        Self {
            phase: Phase::Inconclusive,
            reason,
            gross: None,
            blocked: None,
            blocks: 0,
            labelled_stable: 0,
            labelled_candidate: 0,
        }
    }
}

/// The verdict of a step from that by labels and that of operations: failed if either failed; successful only by labels, and not
/// while the operations could not be measured; else by labels.
#[must_use]
pub fn combine(labels: Verdict, operations: &Verdict) -> Verdict {
    let is_decided = labels.phase == Phase::Failed;
    match operations.phase {
        Phase::Failed if is_decided => {
            let reason = format!("{}; {}", labels.reason, operations.reason);
            Verdict { reason, ..labels }
        }
        Phase::Failed | Phase::Error if !is_decided => {
            Verdict { phase: operations.phase, reason: operations.reason.clone(), ..labels }
        }
        _ => labels,
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Verdict, combine};

    fn verdict(phase: Phase, reason: &str) -> Verdict {
        Verdict { phase, ..Verdict::inconclusive(reason.to_owned()) }
    }

    #[test]
    fn t4_one_failure_fails_a_step_and_only_labels_pass_it() {
        use Phase::{Error, Failed, Inconclusive, Successful};
        let cases = [
            (Successful, Inconclusive, Successful),
            (Successful, Failed, Failed),
            (Successful, Error, Error),
            (Successful, Successful, Successful),
            (Inconclusive, Successful, Inconclusive),
            (Inconclusive, Failed, Failed),
            (Failed, Successful, Failed),
            (Failed, Error, Failed),
        ];
        for (labels, operations, expected) in cases {
            let combined = combine(verdict(labels, "labels"), &verdict(operations, "operations"));
            assert_eq!(combined.phase, expected, "{labels:?} and {operations:?}");
        }
        let both = combine(verdict(Failed, "worse"), &verdict(Failed, "slower"));
        assert_eq!(both.reason, "worse; slower");
    }
}
