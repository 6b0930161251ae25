//! Errors and latency of the two arms, which need no labels.

use std::cmp::Ordering;

use super::rates::{rate_bounds, side_of_quantile};
use super::unpaired::Arm;
use super::verdict::{Interval, Phase, Verdict};

/// Requests of each arm below which nothing is tested.
const MINIMUM_REQUESTS: u64 = 100;
/// The quantile of the latency that is compared.
const QUANTILE: f64 = 0.95;
/// Cells of the latency histogram: eight to a factor of two, from a microsecond to 18 minutes, so an edge is at most 9 % off.
/// Latencies outside count as the nearest.
const CELLS: usize = 240;
const CELLS_PER_DOUBLING: f64 = 8.0;
const LEAST_SECONDS: f64 = 1e-6;

/// Counts of latencies in cells whose edges grow geometrically. Bounded, whatever the traffic.
#[derive(Clone, Debug)]
struct Latencies {
    cells: Vec<u64>,
    count: u64,
}

impl Latencies {
    fn new() -> Self {
        Self { cells: vec![0; CELLS], count: 0 }
    }

    fn add(&mut self, seconds: f64) {
        let cell = ((seconds.max(LEAST_SECONDS) / LEAST_SECONDS).log2() * CELLS_PER_DOUBLING).floor() as usize;
        if let Some(count) = self.cells.get_mut(cell.min(CELLS - 1)) {
            *count += 1;
            self.count += 1;
        }
    }

    /// The upper edge of a cell, in seconds.
    fn edge(cell: usize) -> f64 {
        LEAST_SECONDS * ((cell + 1) as f64 / CELLS_PER_DOUBLING).exp2()
    }

    /// The upper edge of the quantile's cell, the highest edge that surely lies below the quantile, and the lowest that surely lies
    /// above. `None` while there are too few.
    fn quantile(&self, level: f64) -> Option<Interval> {
        let (mut estimate, mut lower, mut upper) = (None, LEAST_SECONDS, None);
        let mut below = 0;
        for (cell, count) in self.cells.iter().enumerate() {
            below += count;
            if estimate.is_none() && below as f64 >= QUANTILE * self.count as f64 {
                estimate = Some(Self::edge(cell));
            }
            match side_of_quantile(below, self.count, QUANTILE, level) {
                Ordering::Less => lower = Self::edge(cell),
                Ordering::Greater if upper.is_none() => upper = Some(Self::edge(cell)),
                Ordering::Greater | Ordering::Equal => {}
            }
        }
        Some(Interval { estimate: estimate?, lower, upper: upper? })
    }
}

#[derive(Clone, Debug)]
struct Requests {
    count: u64,
    errors: u64,
    latencies: Latencies,
}

impl Requests {
    fn new() -> Self {
        Self { count: 0, errors: 0, latencies: Latencies::new() }
    }

    fn error_rate(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.errors as f64 / self.count as f64 }
    }
}

/// The comparison of one step. Failed once the candidate surely has more errors, or is slower, than is granted; else
/// inconclusive, which holds nothing up: see [`super::combine`].
///
/// Both tests may be asked at any time. They take requests to be independent; an outage that hits both arms at once moves both
/// bounds, and so harms no candidate.
#[derive(Clone, Debug)]
pub struct Operations {
    latency_ratio: f64,
    error_excess: f64,
    /// Level of one bound of one arm.
    level: f64,
    stable: Requests,
    candidate: Requests,
}

impl Operations {
    /// `latency_ratio`: the 95th percentile of the candidate's latency may be so many times stable's. `error_excess`: its rate of
    /// errors may be so much above stable's. `level`: the chance of a false failure over all `steps` (shared evenly by steps, the
    /// two tests and the two arms); it comes on top of that of the comparison by labels.
    pub fn new(latency_ratio: f64, error_excess: f64, level: f64, steps: u32) -> Self {
        let sane = |value: f64, least: f64, otherwise: f64| if value.is_nan() { otherwise } else { value.max(least) };
        let level = if level.is_nan() { 0.05 } else { level.clamp(1e-9, 0.5) };
        Self {
            latency_ratio: sane(latency_ratio, 0.0, 2.0),
            error_excess: sane(error_excess, 0.0, 0.02),
            level: level / f64::from(steps.clamp(1, 1_000)) / 4.0,
            stable: Requests::new(),
            candidate: Requests::new(),
        }
    }

    /// A latency that is negative or no number doesn't count; the request still does.
    pub fn observe(&mut self, arm: Arm, latency_seconds: Option<f64>, is_error: bool) {
        let requests = match arm {
            Arm::Stable => &mut self.stable,
            Arm::Candidate => &mut self.candidate,
        };
        requests.count += 1;
        requests.errors += u64::from(is_error);
        if let Some(seconds) = latency_seconds.filter(|seconds| *seconds >= 0.0) {
            requests.latencies.add(seconds);
        }
    }

    /// How far the candidate's rate of errors lies above stable's. `None` without requests enough.
    pub fn errors(&self) -> Option<Interval> {
        let (stable, candidate) = (&self.stable, &self.candidate);
        if stable.count.min(candidate.count) < MINIMUM_REQUESTS {
            return None;
        }
        let of_stable = rate_bounds(stable.errors, stable.count, self.level);
        let of_candidate = rate_bounds(candidate.errors, candidate.count, self.level);
        Some(Interval {
            estimate: candidate.error_rate() - stable.error_rate(),
            lower: of_candidate.0 - of_stable.1,
            upper: of_candidate.1 - of_stable.0,
        })
    }

    /// How many times stable's the candidate's 95th percentile of latency is. `None` without requests enough for both bounds.
    pub fn latency(&self) -> Option<Interval> {
        let (stable, candidate) = (&self.stable.latencies, &self.candidate.latencies);
        if stable.count.min(candidate.count) < MINIMUM_REQUESTS {
            return None;
        }
        let (stable, candidate) = (stable.quantile(self.level)?, candidate.quantile(self.level)?);
        Some(Interval {
            estimate: candidate.estimate / stable.estimate,
            lower: candidate.lower / stable.upper,
            upper: candidate.upper / stable.lower,
        })
    }

    pub fn verdict(&self) -> Verdict {
        let (errors, latency) = (self.errors(), self.latency());
        let mut reasons = Vec::new();
        if let Some(errors) = errors
            && errors.lower > self.error_excess
        {
            reasons.push(format!(
                "errors: {:.1} % of the candidate's requests against {:.1} %, at least {:.1} points more where {:.1} are granted",
                self.candidate.error_rate() * 100.0,
                self.stable.error_rate() * 100.0,
                errors.lower * 100.0,
                self.error_excess * 100.0
            ));
        }
        if let Some(latency) = latency
            && latency.lower > self.latency_ratio
        {
            reasons.push(format!(
                "latency: the candidate's 95th percentile is {:.1} times stable's, at least {:.1} times where {:.1} is granted",
                latency.estimate, latency.lower, self.latency_ratio
            ));
        }
        if !reasons.is_empty() {
            return Verdict { phase: Phase::Failed, ..Verdict::inconclusive(reasons.join("; ")) };
        }
        Verdict::inconclusive(self.words(errors, latency))
    }

    fn words(&self, errors: Option<Interval>, latency: Option<Interval>) -> String {
        let Some(_) = errors else {
            let (candidate, stable) = (self.candidate.count, self.stable.count);
            return format!(
                "{candidate} requests of the candidate and {stable} of stable, {MINIMUM_REQUESTS} are needed of each"
            );
        };
        let (candidate, stable) = (self.candidate.error_rate() * 100.0, self.stable.error_rate() * 100.0);
        let errors = format!("errors {candidate:.1} % against {stable:.1} %");
        latency.map_or_else(
            || format!("{errors}; too few latencies to compare"),
            |ratio| format!("{errors}; 95th percentile of latency {:.2} times stable's", ratio.estimate),
        )
    }
}
