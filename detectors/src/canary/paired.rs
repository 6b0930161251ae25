//! The same events scored by both versions, one of them in the shadow.

use std::collections::BTreeMap;

use super::boundary::mixture;
use super::estimate::{Day, Estimate, MAX_BLOCKS, MINIMUM_LABELS};
use super::losses::{LOSS_CAP, Sums};
use super::settings::Settings;
use super::unpaired::conclude;
use super::verdict::{Interval, Verdict};

/// Pairs below which gross harm isn't tested.
const GROSS_MINIMUM: u64 = 30;
/// The boundary of gross harm is tightest at about 100 pairs.
const RHO_EVENTS: f64 = 7.0;
/// No differences are taken to vary less than this, in nats.
const LEAST_DIFFERENCE_DEVIATION: f64 = 0.1;
/// What a day's wobble may add to the difference, in nats, over √days. Pairs leave so little sampling error that one odd day
/// would otherwise be gross harm.
const DAY_ALLOWANCE: f64 = 0.2;

/// Differences of loss on the same events, candidate less stable.
///
/// Fed in the order in which labels became known, for days in any order; may be asked at any time. Holds sums of at most
/// [`MAX_BLOCKS`] days.
#[derive(Clone, Debug)]
pub struct Paired {
    settings: Settings,
    blocks: BTreeMap<i64, Sums>,
    all: Sums,
}

impl Paired {
    pub fn new(settings: Settings) -> Self {
        Self { settings: settings.in_range(), blocks: BTreeMap::new(), all: Sums::default() }
    }

    /// `block` is the day of the prediction. A difference that is no number doesn't count.
    pub fn observe(&mut self, block: i64, difference: f64) {
        if difference.is_nan() {
            return;
        }
        let difference = difference.clamp(-LOSS_CAP, LOSS_CAP);
        self.blocks.entry(block).or_default().add(difference);
        self.all.add(difference);
        if self.blocks.len() > MAX_BLOCKS {
            self.blocks.pop_first();
        }
    }

    /// Failed: gross harm event by event, or small harm by day. Successful: shown to be worse by less than the margin.
    pub fn verdict(&self) -> Verdict {
        let days = self.days();
        let estimate = Estimate::of(&days).filter(|_| days.len() >= self.settings.minimum_blocks as usize);
        let estimate = estimate.filter(|estimate| estimate.has_days(self.settings.minimum_blocks));
        let gross = self.gross();
        let blocked = estimate.map(|estimate| estimate.interval(&self.settings));
        let (phase, reason) = conclude(&self.settings, gross, blocked, days.len(), self.all.count);
        Verdict {
            phase,
            reason,
            gross,
            blocked,
            blocks: days.len() as u32,
            labelled_stable: self.all.count,
            labelled_candidate: self.all.count,
        }
    }

    fn gross(&self) -> Option<Interval> {
        if self.all.count < GROSS_MINIMUM {
            return None;
        }
        let pairs = self.all.count as f64;
        let standard_error = (self.all.variance().max(LEAST_DIFFERENCE_DEVIATION.powi(2)) / pairs).sqrt();
        let limit = mixture(pairs, self.settings.step_level(), RHO_EVENTS);
        let reach = limit * standard_error + DAY_ALLOWANCE / (self.blocks.len() as f64).sqrt();
        let estimate = self.all.mean();
        Some(Interval { estimate, lower: estimate - reach, upper: estimate + reach })
    }

    fn days(&self) -> Vec<Day> {
        let (scatter, degrees) = self
            .blocks
            .values()
            .fold((0.0, 0_u64), |(scatter, degrees), sums| (scatter + sums.scatter(), degrees + sums.count - 1));
        let of_pair = scatter / degrees.max(1) as f64;
        let full = self.blocks.values().filter(|sums| sums.count >= MINIMUM_LABELS);
        full.map(|sums| Day { difference: sums.mean(), variance: of_pair / sums.count as f64 }).collect()
    }
}
