//! One retraining at a time, a cool-down, and a veto while a fault of the pipeline stands: a model must not learn from
//! broken data.

use contract::EventTime;
use contract::model::Retrain;
use contract::time::format_duration;
use serde::Serialize;

/// What a request is decided on.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Faults in the newest windows, in words ("unit_change of dewp, temp"); empty when none stands.
    pub faults: Vec<String>,
    /// Event time of the newest request that was let through.
    pub last_requested: Option<EventTime>,
}

/// A rule, or a person, asks for a retraining.
#[derive(Clone, Debug)]
pub struct Request {
    /// In event time.
    pub at: EventTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    Requested,
    Vetoed { reason: String },
}

/// What would happen to a request now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// The contract has no `retrain`.
    Disabled,
    Ready,
    CoolingDown {
        until: EventTime,
    },
    Vetoed {
        reason: String,
    },
}

impl Standing {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Ready => "ready",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Vetoed { .. } => "vetoed",
        }
    }
}

/// Where a model stands. A fault weighs more than a cool-down: it is what a person has to mend.
pub fn standing(retrain: Option<&Retrain>, observed: &Observed, now: EventTime) -> Standing {
    let Some(retrain) = retrain else { return Standing::Disabled };
    if !observed.faults.is_empty() {
        return Standing::Vetoed { reason: format!("a fault of the pipeline stands: {}", observed.faults.join("; ")) };
    }
    match observed.last_requested.map(|last| last + retrain.cool_down) {
        Some(until) if now < until => Standing::CoolingDown { until },
        _ => Standing::Ready,
    }
}

/// Decides one request.
pub fn decide(retrain: Option<&Retrain>, observed: &Observed, request: &Request) -> Decision {
    match (standing(retrain, observed, request.at), retrain) {
        (Standing::Ready, _) => Decision::Requested,
        (Standing::Vetoed { reason }, _) => Decision::Vetoed { reason },
        (Standing::CoolingDown { until }, Some(retrain)) => Decision::Vetoed {
            reason: format!("cool-down of {} runs until {until}", format_duration(retrain.cool_down)),
        },
        (Standing::CoolingDown { .. } | Standing::Disabled, _) => {
            Decision::Vetoed { reason: "the contract has no `retrain` section".to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(day: u32) -> EventTime {
        EventTime::from_micros(0) + DAY * day
    }

    #[test]
    fn t5_a_standing_fault_vetoes_even_without_a_cool_down() {
        let retrain = Retrain { cool_down: Duration::ZERO };
        let observed = Observed { faults: vec!["unit_change of temp".to_owned()], last_requested: None };
        let decision = decide(Some(&retrain), &observed, &Request { at: at(3) });
        assert_eq!(
            decision,
            Decision::Vetoed { reason: "a fault of the pipeline stands: unit_change of temp".to_owned() }
        );
    }

    #[test]
    fn t5_the_cool_down_is_event_time_and_ends() {
        let retrain = Retrain { cool_down: DAY * 14 };
        let observed = Observed { faults: Vec::new(), last_requested: Some(at(0)) };
        let early = decide(Some(&retrain), &observed, &Request { at: at(13) });
        assert_eq!(early, Decision::Vetoed { reason: "cool-down of 14d runs until 1970-01-15T00:00:00Z".to_owned() });
        assert_eq!(decide(Some(&retrain), &observed, &Request { at: at(14) }), Decision::Requested);
    }

    #[test]
    fn without_the_owners_leave_nothing_is_requested() {
        let decision = decide(None, &Observed::default(), &Request { at: at(0) });
        assert!(matches!(decision, Decision::Vetoed { .. }));
        assert_eq!(standing(None, &Observed::default(), at(0)), Standing::Disabled);
    }
}
