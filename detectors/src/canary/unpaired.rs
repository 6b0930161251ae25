//! Live events, each scored by the version that served it.

use std::collections::BTreeMap;

use super::boundary::mixture;
use super::estimate::{Day, Estimate, MAX_BLOCKS, MINIMUM_LABELS};
use super::losses::{LOSS_CAP, Sums};
use super::settings::Settings;
use super::verdict::{Interval, Phase, Verdict};

/// Labels of each arm below which gross harm isn't tested: a variance is learnt first.
const GROSS_MINIMUM: u64 = 20;
/// The boundary of gross harm is tightest at about 40 labelled candidate events.
const RHO_EVENTS: f64 = 3.0;
/// No arm's losses are taken to vary less than this, in nats.
const LEAST_LOSS_DEVIATION: f64 = 0.1;
/// A labelled share that is off by this factor, in odds, is told.
const TOLD_ODDS: f64 = 1.5;
const TOLD_LABELS: u64 = 500;

/// The version that served an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    Stable,
    Candidate,
}

/// One labelled event.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// The day of its prediction: an index of windows, not of labels' arrival.
    pub block: i64,
    pub arm: Arm,
    /// [`super::loss`] of the score that was served.
    pub loss: f64,
}

/// Sums of one day.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    stable: Sums,
    candidate: Sums,
}

/// The comparison of one step: only events that were predicted while the step's weights applied belong into it.
///
/// Fed in the order in which labels became known, for days in any order; may be asked at any time. Holds sums of at most
/// [`MAX_BLOCKS`] days.
#[derive(Clone, Debug)]
pub struct Unpaired {
    settings: Settings,
    blocks: BTreeMap<i64, Block>,
    stable: Sums,
    candidate: Sums,
}

impl Unpaired {
    pub fn new(settings: Settings) -> Self {
        let (stable, candidate) = (Sums::default(), Sums::default());
        Self { settings: settings.in_range(), blocks: BTreeMap::new(), stable, candidate }
    }

    /// Losses beyond the cap count as the cap; one that is no number doesn't count.
    pub fn observe(&mut self, observation: &Observation) {
        if observation.loss.is_nan() {
            return;
        }
        let loss = observation.loss.clamp(0.0, LOSS_CAP);
        let block = self.blocks.entry(observation.block).or_default();
        let (of_day, of_all) = match observation.arm {
            Arm::Stable => (&mut block.stable, &mut self.stable),
            Arm::Candidate => (&mut block.candidate, &mut self.candidate),
        };
        of_day.add(loss);
        of_all.add(loss);
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
        let (phase, mut reason) = conclude(&self.settings, gross, blocked, days.len(), self.candidate.count);
        if let Some(words) = self.odd_share() {
            reason.push_str(&words);
        }
        Verdict {
            phase,
            reason,
            gross,
            blocked,
            blocks: days.len() as u32,
            labelled_stable: self.stable.count,
            labelled_candidate: self.candidate.count,
        }
    }

    /// The difference of the arms' means over all events. The split is random, so this difference and its error are of the events
    /// that came, whatever their days were like.
    fn gross(&self) -> Option<Interval> {
        let (stable, candidate) = (&self.stable, &self.candidate);
        let fewest = stable.count.min(candidate.count);
        if fewest < GROSS_MINIMUM {
            return None;
        }
        let of_mean = |sums: &Sums| sums.variance().max(LEAST_LOSS_DEVIATION.powi(2)) / sums.count as f64;
        let standard_error = (of_mean(stable) + of_mean(candidate)).sqrt();
        let events = 1.0 / (1.0 / stable.count as f64 + 1.0 / candidate.count as f64);
        // No Student's t: losses are skewed upwards, which makes the lower bound cautious on few events.
        let limit = mixture(events, self.settings.step_level(), RHO_EVENTS);
        let estimate = candidate.mean() - stable.mean();
        let reach = limit * standard_error;
        Some(Interval { estimate, lower: estimate - reach, upper: estimate + reach })
    }

    /// Days with enough labels of both arms. Their sampling variances come from losses pooled over days, so that a day's weight
    /// depends on its counts and not on its luck.
    fn days(&self) -> Vec<Day> {
        let of_event = |arm: fn(&Block) -> &Sums| {
            let usable = self.blocks.values().map(arm).filter(|sums| sums.count > 0);
            let (scatter, degrees) =
                usable.fold((0.0, 0_u64), |(scatter, degrees), s| (scatter + s.scatter(), degrees + s.count - 1));
            scatter / degrees.max(1) as f64
        };
        let (stable, candidate) = (of_event(|block| &block.stable), of_event(|block| &block.candidate));
        let full = |block: &&Block| block.stable.count.min(block.candidate.count) >= MINIMUM_LABELS;
        let day = |block: &Block| Day {
            difference: block.candidate.mean() - block.stable.mean(),
            variance: stable / block.stable.count as f64 + candidate / block.candidate.count as f64,
        };
        self.blocks.values().filter(full).map(day).collect()
    }

    /// Words for a split of the labelled events that isn't the one that was asked for: the arms may not be comparable.
    fn odd_share(&self) -> Option<String> {
        let all = self.stable.count + self.candidate.count;
        let Settings { share, .. } = self.settings;
        if all < TOLD_LABELS || share <= 0.0 || share >= 1.0 {
            return None;
        }
        let seen = (self.candidate.count as f64 + 0.5) / (self.stable.count as f64 + 0.5);
        let ratio = seen / (share / (1.0 - share));
        (!(1.0 / TOLD_ODDS..=TOLD_ODDS).contains(&ratio)).then(|| {
            let labelled = self.candidate.count as f64 / all as f64 * 100.0;
            let asked = share * 100.0;
            format!(" (the candidate has {labelled:.0} % of the labelled events, and was to have {asked:.0} %)")
        })
    }
}

/// The phase of a step and its reason, from both differences. `candidate` counts the labelled events of the candidate.
pub(super) fn conclude(
    settings: &Settings,
    gross: Option<Interval>,
    blocked: Option<Interval>,
    days: usize,
    candidate: u64,
) -> (Phase, String) {
    let Settings { gross_harm, margin, minimum_blocks, .. } = *settings;
    if let Some(Interval { estimate, lower, .. }) = gross
        && lower > gross_harm
    {
        let reason = format!(
            "gross harm: over {candidate} labelled candidate events the log loss is {estimate:.2} above stable's, at least {lower:.2} \
             where {gross_harm:.2} is the limit"
        );
        return (Phase::Failed, reason);
    }
    let Some(Interval { estimate, lower, upper }) = blocked else {
        let reason = format!(
            "{days} of {minimum_blocks} days have labels enough, with {candidate} labelled candidate events: no gross harm is shown"
        );
        return (Phase::Inconclusive, reason);
    };
    let signed = |value: f64| if value < 0.0 { format!("{:.3} below", -value) } else { format!("{value:.3} above") };
    if lower > 0.0 {
        let reason =
            format!("worse: over {days} days the log loss is {estimate:.3} above stable's, at least {lower:.3}");
        return (Phase::Failed, reason);
    }
    if upper < margin {
        let reason = format!(
            "no worse: over {days} days the log loss is {} stable's, at most {} where the margin is {margin:.3}",
            signed(estimate),
            signed(upper)
        );
        return (Phase::Successful, reason);
    }
    let reason = format!(
        "not decided: over {days} days the log loss is {} stable's, between {lower:.3} and {upper:.3}; above 0 throughout would be \
         harm, below {margin:.3} throughout would pass",
        signed(estimate)
    );
    (Phase::Inconclusive, reason)
}
