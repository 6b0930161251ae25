//! What the life of alerts remembers between windows. It is kept in the store as JSON (promise R1).

use std::collections::BTreeMap;

use contract::EventTime;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::rule::AlertSeverity;

/// Alerts of one model that can stand at once; what is left out is counted.
pub const ALERTS_LIMIT: usize = 10_000;
/// The format that this version writes. `rules/tests/formats/` holds one file of each.
pub const FORMAT: u32 = 1;
/// Hexadecimal digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 16;

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertPhase {
    /// Not there.
    Inactive,
    /// The condition holds, but not yet for long enough.
    Pending,
    Firing,
    /// It fired, and is over.
    Resolved,
}

impl AlertPhase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Every alert of a model that is pending or firing, and how far rules have been evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    #[serde(deserialize_with = "known_format")]
    pub(crate) format: u32,
    /// Start of the newest window whose close has been evaluated; an earlier one changes nothing.
    pub(crate) closed: Option<EventTime>,
    /// The same for maturity.
    pub(crate) matured: Option<EventTime>,
    /// By fingerprint.
    pub(crate) alerts: BTreeMap<String, Standing>,
}

impl Default for AlertState {
    fn default() -> Self {
        Self { format: FORMAT, closed: None, matured: None, alerts: BTreeMap::new() }
    }
}

impl AlertState {
    /// Alerts that are pending or firing.
    pub fn standing(&self) -> usize {
        self.alerts.len()
    }

    /// Alerts of a rule in a phase.
    pub fn count(&self, rule: &str, phase: AlertPhase) -> usize {
        self.alerts.values().filter(|alert| alert.rule == rule && alert.phase() == phase).count()
    }
}

/// One alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub rule: String,
    pub segment: String,
    pub feature: String,
    pub severity: AlertSeverity,
    /// Start of the first window of the run.
    pub started: EventTime,
    /// Judged windows in which the condition held.
    pub held: u32,
    pub fired: Option<EventTime>,
    /// While it fires: start of the first window of those at the end in which the condition failed, and their number.
    pub gone_since: Option<EventTime>,
    pub gone: u32,
    /// As of the newest window in which the condition held.
    pub value: Option<f64>,
    pub annotations: BTreeMap<String, String>,
}

impl Standing {
    pub fn phase(&self) -> AlertPhase {
        if self.fired.is_some() { AlertPhase::Firing } else { AlertPhase::Pending }
    }
}

fn known_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        FORMAT => Ok(FORMAT),
        other => Err(serde::de::Error::custom(format!(
            "alert states of format {other} are not known to this version, which knows {FORMAT}"
        ))),
    }
}

/// The identity of an alert as text: it depends on these four parts alone, so versions come and go under it.
pub fn fingerprint(model: &str, rule: &str, segment: &str, feature: &str) -> String {
    let mut hash = Sha256::new();
    for part in [model, rule, segment, feature] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).take(FINGERPRINT_DIGITS).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_a_fingerprint_tells_its_four_parts_apart() {
        let one = fingerprint("flights", "PerformanceDecay", "", "");
        assert_eq!(one, fingerprint("flights", "PerformanceDecay", "", ""));
        assert_eq!(one.len(), FINGERPRINT_DIGITS);
        assert_ne!(fingerprint("a", "bc", "", ""), fingerprint("ab", "c", "", ""));
        assert_ne!(fingerprint("a", "b", "c", ""), fingerprint("a", "b", "", "c"));
    }

    #[test]
    fn e5_a_later_format_is_refused_with_a_reason() {
        let text = serde_json::to_string(&AlertState::default()).unwrap().replace("\"format\":1", "\"format\":99");
        let error = serde_json::from_str::<AlertState>(&text).unwrap_err().to_string();
        assert!(error.starts_with("alert states of format 99 are not known"), "{error}");
    }
}
