//! The gate (promise T3): identical held-out rows, scored by both versions, before any traffic.
//!
//! The rows of a day share its weather, so days are the units: the error of the mean difference is clustered by day (Liang and Zeger
//! 1986; the small-sample factor G/(G-1) and Student's t with G-1 degrees of freedom as in Cameron and Miller 2015, section VI).
//! On the flights data errors that take rows for independent are 8 times too small.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::tails::{student_limit, student_two_sided_limit, student_upper};

use super::losses::Sums;
use super::verdict::{Interval, Phase};

/// Two-sided level of the gate's interval.
const LEVEL: f64 = 0.05;
/// Days that an interval needs: with two, Student's t has one degree of freedom, and anything is possible.
const MINIMUM_DAYS: u64 = 3;
/// Family-wise level at which any segment is called worse.
const SEGMENT_LEVEL: f64 = 0.05;
/// Rows of a segment below which it isn't tested.
const MINIMUM_SEGMENT_ROWS: u64 = 100;
/// Segments tested at most, the largest first.
pub const MAX_SEGMENTS: usize = 1_000;

/// Losses of one held-out row.
#[derive(Clone, Copy, Debug)]
pub struct GateRow {
    /// The day of the row.
    pub block: i64,
    /// [`super::loss`] of the stable version's score.
    pub stable: f64,
    /// The same of the candidate's.
    pub candidate: f64,
}

/// The gate's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Successful: the whole interval lies below minus the margin. Failed: the difference itself doesn't. Inconclusive: it does,
    /// but other days might have said otherwise.
    pub phase: Phase,
    pub reason: String,
    /// Mean losses; `None` without rows.
    pub stable: Option<f64>,
    pub candidate: Option<f64>,
    /// Candidate less stable, 95 %, clustered by day; `None` below three days.
    pub difference: Option<Interval>,
    pub rows: u64,
    pub blocks: u64,
}

/// Compares both versions on the same rows. The candidate must be better by more than `margin`, in nats.
///
/// Rows with a loss that is no finite number are left out.
pub fn gate(rows: &[GateRow], margin: f64) -> Gate {
    let margin = if margin.is_finite() { margin } else { 0.0 };
    let paired = Differences::of(rows);
    let (stable, candidate) = (paired.stable.mean(), paired.candidate.mean());
    let (count, days) = (paired.stable.count, paired.days.len() as u64);
    let clustered = paired.clustered();
    let difference = clustered.map(|Clustered { mean, error, degrees }| {
        let reach = student_two_sided_limit(LEVEL, degrees) * error;
        Interval { estimate: mean, lower: mean - reach, upper: mean + reach }
    });
    let (phase, reason) = match difference {
        None => (Phase::Inconclusive, format!("{count} rows of {days} days, {MINIMUM_DAYS} days are needed")),
        Some(difference) => conclude(stable, candidate, difference, margin, count, days),
    };
    let of_rows = |mean: f64| (count > 0).then_some(mean);
    Gate {
        phase,
        reason,
        stable: of_rows(stable),
        candidate: of_rows(candidate),
        difference,
        rows: count,
        blocks: days,
    }
}

fn conclude(stable: f64, candidate: f64, difference: Interval, margin: f64, rows: u64, days: u64) -> (Phase, String) {
    let Interval { estimate, lower, upper } = difference;
    let figures = format!(
        "log loss {candidate:.3} against stable's {stable:.3} on the same {rows} rows of {days} days, difference {estimate:.3} \
         (95 % from {lower:.3} to {upper:.3})"
    );
    let needed = if margin > 0.0 { format!("better by more than {margin:.3}") } else { "better".to_owned() };
    if upper < -margin {
        return (Phase::Successful, figures);
    }
    if estimate < -margin {
        return (
            Phase::Inconclusive,
            format!("{figures}: not shown to be {needed}, since other days might say otherwise"),
        );
    }
    (Phase::Failed, format!("{figures}: not {needed}"))
}

/// Values of protected columns for which the candidate is clearly worse, with figures: "origin=EWR (0.051 worse, …)". Worst first.
///
/// A segment with 100 rows of three days is tested one-sided, by the same clustered error; Holm's procedure (1979) holds the chance
/// that any is named by luck at 5 %.
pub fn gate_segments(segments: &BTreeMap<String, Vec<GateRow>>) -> Vec<String> {
    let mut tested: Vec<(&str, Clustered, u64)> = segments
        .iter()
        .filter_map(|(name, rows)| {
            let paired = Differences::of(rows);
            let rows = paired.stable.count;
            (rows >= MINIMUM_SEGMENT_ROWS).then(|| paired.clustered()).flatten().map(|it| (name.as_str(), it, rows))
        })
        .collect();
    tested.sort_by_key(|(_, _, rows)| std::cmp::Reverse(*rows));
    tested.truncate(MAX_SEGMENTS);
    tested.sort_by(|(_, a, _), (_, b, _)| a.p_worse().total_cmp(&b.p_worse()));
    let tests = tested.len();
    let level = |rank: usize| SEGMENT_LEVEL / (tests - rank) as f64;
    let worse = tested.iter().enumerate().take_while(|(rank, (_, it, _))| it.p_worse() < level(*rank));
    worse
        .map(|(rank, (name, it, rows))| {
            let least = it.mean - student_limit(level(rank), it.degrees) * it.error;
            format!("{name} ({:.3} worse, at least {least:.3}, on {rows} rows)", it.mean)
        })
        .collect()
}

/// Differences of the rows that can be compared.
#[derive(Default)]
struct Differences {
    stable: Sums,
    candidate: Sums,
    /// Rows and sum of differences of each day.
    days: BTreeMap<i64, (u64, f64)>,
}

impl Differences {
    fn of(rows: &[GateRow]) -> Self {
        let mut differences = Self::default();
        for row in rows {
            if !(row.stable.abs() < LARGEST_LOSS && row.candidate.abs() < LARGEST_LOSS) {
                continue;
            }
            differences.stable.add(row.stable);
            differences.candidate.add(row.candidate);
            let day = differences.days.entry(row.block).or_default();
            day.0 += 1;
            day.1 += row.candidate - row.stable;
        }
        differences
    }

    /// `None` below three days.
    fn clustered(&self) -> Option<Clustered> {
        let days = self.days.len() as f64;
        if (self.days.len() as u64) < MINIMUM_DAYS {
            return None;
        }
        let rows = self.stable.count as f64;
        let mean = self.days.values().map(|(_, sum)| sum).sum::<f64>() / rows;
        let scatter: f64 = self.days.values().map(|(count, sum)| (sum - mean * *count as f64).powi(2)).sum();
        let error = (days / (days - 1.0) * scatter).sqrt() / rows;
        Some(Clustered { mean, error, degrees: days - 1.0 })
    }
}

/// No log loss of a clipped score is this large; beyond it sums of squares would lose their meaning.
const LARGEST_LOSS: f64 = 1e6;

/// A mean difference with its error.
struct Clustered {
    mean: f64,
    error: f64,
    degrees: f64,
}

impl Clustered {
    /// P-value of "no worse".
    fn p_worse(&self) -> f64 {
        if self.error > 0.0 {
            student_upper(self.mean / self.error, self.degrees)
        } else if self.mean > 0.0 {
            0.0
        } else {
            1.0
        }
    }
}
