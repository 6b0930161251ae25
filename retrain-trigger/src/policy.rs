//! When may a model be retrained? One at a time, a cool-down, a budget, a stop after failures, and a veto while a fault of the
//! pipeline stands: a model must not learn from broken data (promise T5).
//!
//! Pure: callers pass in what they observed, and record what comes out.

use contract::EventTime;
use contract::model::Retrain;
use contract::time::format_duration;
use serde::Serialize;
use store::RetrainingRow;

use crate::retraining::{Kind, State};

/// Retrainings that the policy looks back on.
pub const LOOKS_BACK: u32 = 1_000;

/// What a request is decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Faults in the newest windows, in words ("unit_change of dewp, temp"); empty when none stands.
    pub faults: Vec<String>,
    /// Id and state of the retraining that is under way.
    pub under_way: Option<(String, String)>,
    /// Event time of the newest request that was let through.
    pub last_requested: Option<EventTime>,
    /// Event times of the retrainings that were let through, newest first.
    pub runs: Vec<EventTime>,
    /// How many of the newest ended badly, one after the other.
    pub failures: u32,
}

impl Observed {
    /// From a model's newest [`LOOKS_BACK`] retrainings that were not vetoed and, if they were cancelled or gave way, had begun;
    /// newest first.
    pub fn new(faults: Vec<String>, rows: &[RetrainingRow]) -> Self {
        // A person's deployment or return is no run of the trainer; it is under way all the same.
        let own = || rows.iter().filter(|row| row.kind == Kind::Retraining.name());
        let is = |row: &&RetrainingRow, state: State| row.state == state.name();
        let runs: Vec<EventTime> = own().map(|row| row.event_time).collect();
        // What was cancelled, or gave way to a newer request, says nothing about the trainer.
        let ended = own().filter(|row| {
            !row.is_active && [State::Promoted, State::Failed, State::RolledBack].iter().any(|state| is(row, *state))
        });
        let failures = ended.take_while(|row| !is(row, State::Promoted)).count();
        Self {
            faults,
            under_way: rows.iter().find(|row| row.is_active).map(|row| (row.id.clone(), row.state.clone())),
            last_requested: runs.first().copied(),
            runs,
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
        }
    }
}

impl Observed {
    /// A request was let through.
    pub fn request(&mut self, row: &RetrainingRow) {
        self.under_way = row.is_active.then(|| (row.id.clone(), row.state.clone()));
        self.last_requested = Some(row.event_time);
        self.runs.insert(0, row.event_time);
    }
}

/// A rule, or a person, asks for a retraining.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// In event time.
    pub at: EventTime,
    /// A person knows why now: the cool-down and the stop after failures hold for rules.
    pub is_person: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    Requested,
    Vetoed { reason: String },
}

/// What would happen to a rule's request now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// The contract has no `retrain`.
    Disabled,
    Ready,
    CoolingDown {
        until: EventTime,
    },
    /// One is under way.
    UnderWay {
        id: String,
        state: String,
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
            Self::UnderWay { .. } => "under_way",
            Self::Vetoed { .. } => "vetoed",
        }
    }
}

/// Where a model stands. A fault weighs most: it is what a person has to mend.
pub fn standing(retrain: Option<&Retrain>, observed: &Observed, now: EventTime) -> Standing {
    stands(retrain, observed, Request { at: now, is_person: false })
}

fn stands(retrain: Option<&Retrain>, observed: &Observed, request: Request) -> Standing {
    let Some(retrain) = retrain else { return Standing::Disabled };
    let policy = &retrain.policy;
    if !observed.faults.is_empty() {
        return Standing::Vetoed { reason: format!("a fault of the pipeline stands: {}", observed.faults.join("; ")) };
    }
    if let Some((id, state)) = &observed.under_way {
        return Standing::UnderWay { id: id.clone(), state: state.clone() };
    }
    let recent = observed.runs.iter().filter(|run| **run + policy.per > request.at).count();
    if recent >= policy.runs as usize {
        let reason = format!("the budget of {} retrainings in {} is used up", policy.runs, format_duration(policy.per));
        return Standing::Vetoed { reason };
    }
    if request.is_person {
        return Standing::Ready;
    }
    if observed.failures >= policy.stop_after_failures {
        let reason =
            format!("the last {} retrainings ended badly; a person has to ask for the next", observed.failures);
        return Standing::Vetoed { reason };
    }
    match observed.last_requested.map(|last| last + policy.cool_down) {
        Some(until) if request.at < until => Standing::CoolingDown { until },
        _ => Standing::Ready,
    }
}

/// Decides one request.
pub fn decide(retrain: Option<&Retrain>, observed: &Observed, request: &Request) -> Decision {
    let reason = match (stands(retrain, observed, *request), retrain) {
        (Standing::Ready, _) => return Decision::Requested,
        (Standing::Vetoed { reason }, _) => reason,
        (Standing::UnderWay { id, state }, _) => format!("retraining {id} is under way: {state}"),
        (Standing::CoolingDown { until }, Some(retrain)) => {
            format!("cool-down of {} runs until {until}", format_duration(retrain.policy.cool_down))
        }
        (Standing::CoolingDown { .. } | Standing::Disabled, _) => "the contract has no `retrain` section".to_owned(),
    };
    Decision::Vetoed { reason }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::WallTime;
    use contract::model::{Dataset, Evaluate, RetrainPolicy, RolloutPlan};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(day: u32) -> EventTime {
        EventTime::from_micros(0) + DAY * day
    }

    fn retrain(cool_down: Duration) -> Retrain {
        Retrain {
            policy: RetrainPolicy {
                cool_down,
                runs: 2,
                per: DAY * 90,
                minimum_labels: 1,
                approval: Vec::new(),
                stop_after_failures: 2,
            },
            dataset: Dataset { span: DAY * 56, held_out: DAY * 7 },
            executor: None,
            evaluate: Evaluate { margin: 0.0, segments: Vec::new() },
            rollout: RolloutPlan {
                steps: vec![100],
                bake: DAY,
                gross_harm: 0.25,
                margin: 0.02,
                latency_ratio: 2.0,
                error_excess: 0.02,
                patience: Duration::ZERO,
            },
            target: None,
        }
    }

    fn row(day: u32, state: State) -> RetrainingRow {
        RetrainingRow {
            kind: "retraining".to_owned(),
            id: format!("r{day}"),
            model: "m".to_owned(),
            state: state.name().to_owned(),
            reason: String::new(),
            rule: String::new(),
            event_time: at(day),
            created: WallTime::from_micros(0),
            updated: WallTime::from_micros(0),
            version: String::new(),
            is_active: !state.is_over(),
            document: String::new(),
        }
    }

    fn rule(day: u32) -> Request {
        Request { at: at(day), is_person: false }
    }

    fn person(day: u32) -> Request {
        Request { at: at(day), is_person: true }
    }

    fn vetoed(reason: &str) -> Decision {
        Decision::Vetoed { reason: reason.to_owned() }
    }

    #[test]
    fn t5_a_standing_fault_vetoes_everybody() {
        let observed = Observed::new(vec!["unit_change of temp".to_owned()], &[]);
        for request in [rule(3), person(3)] {
            let decision = decide(Some(&retrain(Duration::ZERO)), &observed, &request);
            assert_eq!(decision, vetoed("a fault of the pipeline stands: unit_change of temp"));
        }
    }

    #[test]
    fn t5_the_cool_down_is_event_time_ends_and_holds_for_rules() {
        let observed = Observed::new(Vec::new(), &[row(0, State::Promoted)]);
        let retrain = retrain(DAY * 14);
        let early = decide(Some(&retrain), &observed, &rule(13));
        assert_eq!(early, vetoed("cool-down of 14d runs until 1970-01-15T00:00:00Z"));
        assert_eq!(decide(Some(&retrain), &observed, &rule(14)), Decision::Requested);
        assert_eq!(decide(Some(&retrain), &observed, &person(13)), Decision::Requested);
    }

    #[test]
    fn t5_one_at_a_time_within_a_budget() {
        let retrain = retrain(Duration::ZERO);
        let running = Observed::new(Vec::new(), &[row(9, State::Canary)]);
        assert_eq!(decide(Some(&retrain), &running, &person(10)), vetoed("retraining r9 is under way: canary"));
        let spent = Observed::new(Vec::new(), &[row(30, State::Cancelled), row(20, State::Promoted)]);
        assert_eq!(
            decide(Some(&retrain), &spent, &person(40)),
            vetoed("the budget of 2 retrainings in 90d is used up")
        );
        assert_eq!(decide(Some(&retrain), &spent, &person(110)), Decision::Requested);
    }

    #[test]
    fn t5_after_repeated_failures_rules_are_not_heard() {
        let retrain = retrain(Duration::ZERO);
        let rows = [row(300, State::RolledBack), row(290, State::Cancelled), row(100, State::Failed)];
        let failing = Observed::new(Vec::new(), &rows);
        assert_eq!(
            decide(Some(&retrain), &failing, &rule(600)),
            vetoed("the last 2 retrainings ended badly; a person has to ask for the next")
        );
        assert_eq!(decide(Some(&retrain), &failing, &person(600)), Decision::Requested);
        let mended = Observed::new(Vec::new(), &[row(400, State::Promoted), rows[0].clone(), rows[2].clone()]);
        assert_eq!(decide(Some(&retrain), &mended, &rule(600)), Decision::Requested);
    }

    #[test]
    fn without_the_owners_leave_nothing_is_requested() {
        let decision = decide(None, &Observed::default(), &person(0));
        assert!(matches!(decision, Decision::Vetoed { .. }));
        assert_eq!(standing(None, &Observed::default(), at(0)), Standing::Disabled);
    }
}
