//! What a history's seed decides: how often things go wrong, and what becomes of each candidate.

use contract::EventTime;
use detectors::canary::{Phase, Verdict};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use retrain_trigger::retraining::{Analysis, GateReport};

/// Probabilities.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// An effect or an observation doesn't go as it should.
    pub mishap: f64,
    /// The process ends before, in, or after a call, or between two transactions.
    pub kill: f64,
    /// Someone or something else acts meanwhile.
    pub others: f64,
    /// The serving app restarts and has lost its state, or someone sets its traffic by hand.
    pub meddling: f64,
}

impl Odds {
    pub fn draw(rng: &mut StdRng) -> Self {
        let mut of = |choices: [f64; 4]| *choices.choose(rng).unwrap();
        Self {
            mishap: of([0.0, 0.05, 0.15, 0.3]),
            kill: of([0.0, 0.02, 0.05, 0.1]),
            others: of([0.02, 0.05, 0.1, 0.2]),
            meddling: of([0.0, 0.0, 0.0, 0.04]),
        }
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    FailsBefore,
    /// It happens, and the answer is lost.
    FailsAfter,
    /// It hangs; the time runs out; it happens later, or never.
    Late,
    /// It happens, and again later.
    Twice,
    Refused,
    KilledBefore,
    KilledAfter,
}

impl Fate {
    pub fn draw(rng: &mut StdRng, odds: &Odds) -> Self {
        if rng.random_bool(odds.kill) {
            return if rng.random_bool(0.5) { Self::KilledBefore } else { Self::KilledAfter };
        }
        if !rng.random_bool(odds.mishap) {
            return Self::Fine;
        }
        match rng.random_range(0..50) {
            0..12 => Self::FailsBefore,
            12..24 => Self::FailsAfter,
            24..37 => Self::Late,
            37..49 => Self::Twice,
            _ => Self::Refused,
        }
    }
}

/// What a candidate is worth.
#[derive(Clone, Debug)]
pub struct Worth {
    pub gate: Phase,
    /// What the events say in the end, from this share of the traffic on; before it they find the candidate good.
    verdict: Phase,
    from_weight: u32,
    /// Looks at each share without an answer.
    looks: u32,
    /// Whether the shadow's scores are compared during the bake.
    has_shadow: bool,
}

/// The reason of a verdict that stays open, and waits for a person.
pub const UNDECIDED: &str = "the events do not decide";

impl Worth {
    pub fn draw(rng: &mut StdRng) -> Self {
        use Phase::{Error, Failed, Inconclusive, Successful};
        let gate = [Successful, Successful, Successful, Successful, Successful, Successful, Failed, Inconclusive];
        let verdict = [Successful, Successful, Successful, Successful, Failed, Failed, Error, Inconclusive];
        Self {
            gate: *gate.choose(rng).unwrap(),
            verdict: *verdict.choose(rng).unwrap(),
            from_weight: *[1, 50, 100].choose(rng).unwrap(),
            looks: rng.random_range(0..3),
            has_shadow: rng.random_bool(0.7),
        }
    }

    pub fn report(&self) -> GateReport {
        GateReport {
            phase: self.gate,
            reason: "as chance has it".to_owned(),
            stable: Some(0.5),
            candidate: Some(0.4),
            difference: None,
            margin: 0.0,
            rows: 100,
            blocks: 7,
            worse_segments: Vec::new(),
        }
    }

    /// The answer after so many looks at a share of the traffic.
    pub fn analysis(&self, weight: u32, looks: u32, until: EventTime) -> Analysis {
        let phase = match looks < self.looks {
            true => Phase::Inconclusive,
            false if weight >= self.from_weight => self.verdict,
            false => Phase::Successful,
        };
        let reason = match phase {
            Phase::Inconclusive if looks >= self.looks => UNDECIDED,
            Phase::Inconclusive => "too few events",
            _ => "the events have decided",
        };
        analysis(phase, reason, until, self.has_shadow && weight == 100)
    }
}

pub fn analysis(phase: Phase, reason: &str, until: EventTime, has_shadow: bool) -> Analysis {
    Analysis {
        phase,
        reason: reason.to_owned(),
        until,
        performance: None,
        shadow: has_shadow.then(|| verdict(phase)),
        operations: None,
        scores: None,
    }
}

fn verdict(phase: Phase) -> Verdict {
    Verdict {
        phase,
        reason: "as chance has it".to_owned(),
        gross: None,
        blocked: None,
        blocks: 7,
        labelled_stable: 100,
        labelled_candidate: 100,
    }
}
