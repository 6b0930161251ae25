//! Which windows trailing baselines leave out because what was found in them may be a lasting shift.
//!
//! A shift that entered its own baseline would be usual after one window, and no rule could wait for the third. So a window
//! with a critical finding is held out while the finding stands, for [`LEARNING_WINDOWS`] windows at most: then the new
//! level is accepted. Warnings hold nothing out: without the storms in it, a baseline takes every storm for news.

use std::collections::BTreeSet;

use contract::{Finding, Severity, Subject, Window};
use store::Compared;

use crate::baselines::{Baselines, LEARNING_WINDOWS};
use crate::clock::Stage;

/// What of a window has a baseline of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Inputs,
    /// Of a version.
    Outputs(String),
    /// Of a version and its segments.
    Performance(String),
}

impl Side {
    /// Volume has none: a holiday is no shift of the columns.
    fn of(finding: &Finding) -> Option<Self> {
        match finding.subject {
            Subject::Feature | Subject::Quality => Some(Self::Inputs),
            Subject::Score | Subject::Prediction => Some(Self::Outputs(finding.version.clone())),
            Subject::Performance => Some(Self::Performance(finding.version.clone())),
            Subject::Volume => None,
        }
    }

    /// The version of its rows in the store.
    pub fn version(&self) -> &str {
        match self {
            Self::Inputs => "",
            Self::Outputs(version) | Self::Performance(version) => version,
        }
    }

    pub fn compared(&self) -> Compared {
        match self {
            Self::Inputs | Self::Outputs(_) => Compared::InputsAndOutputs,
            Self::Performance(_) => Compared::Performance,
        }
    }
}

/// What enters baselines after a stage.
pub(crate) fn compared(stage: Stage) -> Compared {
    match stage {
        Stage::Closed => Compared::InputsAndOutputs,
        Stage::Matured => Compared::Performance,
    }
}

/// The sides of a window that are held out.
pub(crate) fn held_out(baselines: &Baselines, window: Window, findings: &[Finding]) -> BTreeSet<Side> {
    let stands =
        |finding: &&Finding| finding.severity >= Severity::Critical && finding.consecutive as usize <= LEARNING_WINDOWS;
    let sides: BTreeSet<Side> = findings.iter().filter(stands).filter_map(Side::of).collect();
    sides.into_iter().filter(|side| baselines.holds_out(side, window)).collect()
}
