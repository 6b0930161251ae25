//! Streams of days that wobble, as the flights do: what both versions lose on the events of a day.

use detectors::canary::{Arm, Observation, Unpaired, Verdict, loss};

use crate::simulation::Random;

/// Events of a day.
pub const EVENTS: usize = 923;
/// Different days, each of so many different events; streams draw from both.
const DAYS: usize = 128;
const EVENTS_OF_DAY: usize = 1_024;
/// How far the noise in the logit makes the worse candidate worse.
pub const WORSE: f64 = 0.05;

/// Losses of one event.
#[derive(Clone, Copy)]
pub struct Event {
    pub stable: f64,
    /// Of the same scores with noise in the logit.
    pub noisy: f64,
    /// Of the model that learnt from inverted labels.
    pub inverted: f64,
}

/// Seasons of a model of two outcomes. How surprising its events are decides what can be seen, and how far apart the outcomes
/// are what inverted labels cost.
#[derive(Clone, Copy, Debug)]
pub enum Season {
    /// A rate of .33: losses of stable with a standard deviation of .44, of the noisy candidate .55; inverted labels cost .52.
    Summer,
    /// A rate of .27: .50, .59 and .72.
    Spring,
    /// A rate of .21: .56, .64 and 1.05, as on the flights in late August, when the demo's bad candidate comes.
    Autumn,
}

/// Days to draw from. The base rate and the difficulty of a day are its own.
pub struct World {
    days: Vec<Vec<Event>>,
    /// Mean loss of stable, the unit of the factors by which other candidates differ.
    mean: f64,
}

struct Raw {
    logit: f64,
    label: bool,
    noise: f64,
}

impl World {
    pub fn new(season: Season, seed: u64) -> Self {
        let (base, wobble) = match season {
            Season::Summer => (-0.8, 0.7),
            Season::Spring => (-1.1, 0.7),
            Season::Autumn => (-1.5, 0.6),
        };
        let mut random = Random::new(seed);
        let raw: Vec<Vec<Raw>> = (0..DAYS).map(|_| raw_day(&mut random, base, wobble)).collect();
        let all = || raw.iter().flatten();
        let of = |event: &Raw, logit: f64| loss(1.0 / (1.0 + (-logit).exp()), event.label);
        let mean = all().map(|event| of(event, event.logit)).sum::<f64>() / (DAYS * EVENTS_OF_DAY) as f64;
        let harm = |scale: f64| {
            let noisy = all().map(|event| of(event, event.logit + scale * event.noise)).sum::<f64>();
            noisy / (DAYS * EVENTS_OF_DAY) as f64 - mean
        };
        let (mut low, mut high) = (0.0, 3.0);
        for _ in 0..16 {
            let middle = 0.5 * (low + high);
            if harm(middle) < WORSE { low = middle } else { high = middle }
        }
        let event = |event: &Raw| Event {
            stable: of(event, event.logit),
            noisy: of(event, event.logit + low * event.noise),
            inverted: of(event, -event.logit),
        };
        Self { days: raw.iter().map(|day| day.iter().map(event).collect()).collect(), mean }
    }

    /// Mean loss, standard deviation of losses, standard deviation of the days' means, of the losses that `pick` gives.
    pub fn describe(&self, pick: impl Fn(&Event) -> f64) -> (f64, f64, f64) {
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let scatter = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            (mean, (scatter / (values.len() - 1) as f64).sqrt())
        };
        let losses: Vec<f64> = self.days.iter().flatten().map(&pick).collect();
        let days: Vec<f64> =
            self.days.iter().map(|day| day.iter().map(&pick).sum::<f64>() / day.len() as f64).collect();
        let (mean, deviation) = moments(&losses);
        (mean, deviation, moments(&days).1)
    }
}

fn raw_day(random: &mut Random, base: f64, wobble: f64) -> Vec<Raw> {
    let (of_day, slope) = (base + wobble * random.normal(), 1.0 + 0.2 * random.normal());
    let event = |random: &mut Random| {
        let part = 0.8 * random.normal();
        let truth = 1.0 / (1.0 + (-(of_day + slope * part)).exp());
        Raw { logit: base + part, label: random.uniform() < truth, noise: random.normal() }
    };
    (0..EVENTS_OF_DAY).map(|_| event(random)).collect()
}

/// The candidate of a stream.
#[derive(Clone, Copy)]
pub enum Candidate {
    /// Stable's own scores.
    Equal,
    /// Worse by .05 on every day.
    Noisy,
    Inverted,
    /// Stable's losses times a factor of the day, so that the difference is `change` in the mean and wobbles by `wobble`; through
    /// the first `mild` days it is .05 worse instead.
    Other {
        change: f64,
        wobble: f64,
        mild: i64,
    },
}

/// One event of a stream.
pub struct Live {
    pub day: i64,
    pub arm: Arm,
    pub stable: f64,
    pub candidate: f64,
}

/// A stream of labelled events in the order in which their labels come: most within hours, some days after.
pub struct Stream<'a> {
    world: &'a World,
    random: Random,
    candidate: Candidate,
    share: f64,
    day: i64,
    /// Of the events of the days that run or ran: (hour at which the label comes, event).
    waiting: Vec<(i64, Live)>,
}

impl<'a> Stream<'a> {
    pub fn new(world: &'a World, seed: u64, candidate: Candidate, share: f64) -> Self {
        Self { world, random: Random::new(seed), candidate, share, day: 0, waiting: Vec::new() }
    }

    /// Days that ran.
    pub fn days(&self) -> i64 {
        self.day
    }

    /// The share of the traffic from now on.
    pub fn set_share(&mut self, share: f64) {
        self.share = share;
    }

    /// The next day's events, and the labels that come during this day.
    pub fn next_day(&mut self) -> Vec<Live> {
        let of_day = (self.random.uniform() * DAYS as f64) as usize;
        let difference = match self.candidate {
            Candidate::Other { mild, .. } if self.day < mild => WORSE,
            Candidate::Other { change, wobble, .. } => change + wobble * self.random.normal(),
            _ => 0.0,
        };
        let factor = (1.0 + difference / self.world.mean).max(0.0);
        let (first, end) = (self.day * 24, self.day * 24 + 24);
        for _ in 0..EVENTS {
            let (live, arrival) = self.event(of_day, factor, first);
            self.waiting.push((arrival, live));
        }
        self.day += 1;
        let (mut come, left): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|(arrival, _)| *arrival < end);
        self.waiting = left;
        come.sort_by_key(|(arrival, _)| *arrival);
        come.into_iter().map(|(_, live)| live).collect()
    }

    fn event(&mut self, of_day: usize, factor: f64, first: i64) -> (Live, i64) {
        let Event { stable, noisy, inverted } =
            self.world.days[of_day][(self.random.uniform() * EVENTS_OF_DAY as f64) as usize];
        let candidate = match self.candidate {
            Candidate::Equal => stable,
            Candidate::Noisy => noisy,
            Candidate::Inverted => inverted,
            Candidate::Other { .. } => stable * factor,
        };
        let arm = if self.random.uniform() < self.share { Arm::Candidate } else { Arm::Stable };
        // One label in ten comes up to three days after its event, the others within four hours.
        let draw = self.random.uniform();
        let late = if draw < 0.1 { draw * 720.0 } else { draw * 4.0 };
        let arrival = first + (self.random.uniform() * 24.0) as i64 + late as i64;
        (Live { day: self.day, arm, stable, candidate }, arrival)
    }
}

/// Feeds one event of a stream.
pub fn observe(comparison: &mut Unpaired, event: &Live) {
    let loss = if event.arm == Arm::Candidate { event.candidate } else { event.stable };
    comparison.observe(&Observation { block: event.day, arm: event.arm, loss });
}

/// Labelled events of both arms.
pub fn labelled(verdict: &Verdict) -> u64 {
    verdict.labelled_stable + verdict.labelled_candidate
}

/// The value below which `share` of the values lie.
pub fn quantile(values: &[u64], share: f64) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1]
}
