//! The profile of a binary classifier's performance: a group, since labels get corrected.
//!
//! Everything is an integer (counts, and sums in fixed point), so that removing what was added gives back the same bytes.

use std::collections::BTreeMap;

use crate::Error;

use super::codec::{Reader, Writer};

const KIND: u8 = b'P';
/// Equal-width bins of the score over [0, 1].
pub const SCORE_BINS: u16 = 1_000;
/// Scores are kept this far from 0 and 1 in the log loss.
const CLIP: f64 = 1e-15;
/// Losses are rounded to multiples of 2^-60 a row.
const FIXED_POINT: f64 = (1_u64 << 60) as f64;
/// Buckets of label delays: negative, zero, then four to each factor of two of the microseconds.
const DELAY_BUCKETS: u16 = 2 + 63 * 4;

/// Negative and positive rows of one score bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoreBin {
    pub negatives: i64,
    pub positives: i64,
}

/// Counts by score bin and label, exact sums of losses, and the delays of labels. [`Self::remove`] undoes [`Self::add`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerformanceProfile {
    predictions: i64,
    /// Labelled rows whose score is a number outside [0, 1], or NaN: in no figure of the score.
    invalid_scores: i64,
    /// Labelled rows that had a predicted class, and those of them that were right.
    decided: i64,
    correct: i64,
    labelled: i64,
    positives: i64,
    log_loss: i128,
    log_loss_squares: i128,
    squared_error: i128,
    /// By number of the bin, none of them empty.
    bins: BTreeMap<u16, ScoreBin>,
    /// By number of the bucket, none of them zero.
    delays: BTreeMap<u16, i64>,
}

impl PerformanceProfile {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a prediction that may get a label.
    pub fn add_prediction(&mut self) {
        self.add_predictions(1);
    }

    pub fn add_predictions(&mut self, rows: u64) {
        self.predictions = self.predictions.wrapping_add(rows.cast_signed());
    }

    /// Adds a labelled row: the score, the class that was predicted with it if any, the truth, and the time from the
    /// prediction to the label.
    pub fn add(&mut self, score: f64, predicted: Option<bool>, label: bool, delay_micros: i64) {
        self.change(score, predicted, label, delay_micros, 1);
    }

    /// Takes back what [`Self::add`] added.
    pub fn remove(&mut self, score: f64, predicted: Option<bool>, label: bool, delay_micros: i64) {
        self.change(score, predicted, label, delay_micros, -1);
    }

    fn change(&mut self, score: f64, predicted: Option<bool>, label: bool, delay_micros: i64, by: i64) {
        add(&mut self.labelled, by);
        add(&mut self.positives, by * i64::from(label));
        if let Some(predicted) = predicted {
            add(&mut self.decided, by);
            add(&mut self.correct, by * i64::from(predicted == label));
        }
        let delays = self.delays.entry(delay_bucket(delay_micros)).or_default();
        add(delays, by);
        if *delays == 0 {
            self.delays.remove(&delay_bucket(delay_micros));
        }
        if !(0.0..=1.0).contains(&score) {
            add(&mut self.invalid_scores, by);
            return;
        }
        let loss = row_log_loss(score, label);
        let error = score - f64::from(u8::from(label));
        for (sum, value) in [
            (&mut self.log_loss, loss),
            (&mut self.log_loss_squares, loss * loss),
            (&mut self.squared_error, error * error),
        ] {
            *sum = sum.wrapping_add(i128::from(by) * fixed(value));
        }
        let number = ((score * f64::from(SCORE_BINS)) as u16).min(SCORE_BINS - 1);
        let bin = self.bins.entry(number).or_default();
        add(if label { &mut bin.positives } else { &mut bin.negatives }, by);
        if *bin == ScoreBin::default() {
            self.bins.remove(&number);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counters_mut().into_iter().zip(other.counters()) {
            add(mine, theirs);
        }
        for (mine, theirs) in self.sums_mut().into_iter().zip(other.sums()) {
            *mine = mine.wrapping_add(theirs);
        }
        for (number, theirs) in &other.bins {
            let bin = self.bins.entry(*number).or_default();
            add(&mut bin.negatives, theirs.negatives);
            add(&mut bin.positives, theirs.positives);
            if *bin == ScoreBin::default() {
                self.bins.remove(number);
            }
        }
        for (bucket, theirs) in &other.delays {
            let delays = self.delays.entry(*bucket).or_default();
            add(delays, *theirs);
            if *delays == 0 {
                self.delays.remove(bucket);
            }
        }
    }

    fn counters(&self) -> [i64; 6] {
        [self.predictions, self.invalid_scores, self.decided, self.correct, self.labelled, self.positives]
    }

    fn counters_mut(&mut self) -> [&mut i64; 6] {
        [
            &mut self.predictions,
            &mut self.invalid_scores,
            &mut self.decided,
            &mut self.correct,
            &mut self.labelled,
            &mut self.positives,
        ]
    }

    fn sums(&self) -> [i128; 3] {
        [self.log_loss, self.log_loss_squares, self.squared_error]
    }

    fn sums_mut(&mut self) -> [&mut i128; 3] {
        [&mut self.log_loss, &mut self.log_loss_squares, &mut self.squared_error]
    }

    /// Rows that could get a label.
    pub fn predictions(&self) -> u64 {
        unsigned(self.predictions)
    }

    pub fn labelled(&self) -> u64 {
        unsigned(self.labelled)
    }

    pub fn positives(&self) -> u64 {
        unsigned(self.positives)
    }

    /// Labelled rows without a usable score.
    pub fn invalid_scores(&self) -> u64 {
        unsigned(self.invalid_scores)
    }

    /// Labelled rows with a score in [0, 1].
    pub fn scored(&self) -> u64 {
        unsigned(self.labelled.saturating_sub(self.invalid_scores))
    }

    /// Labelled rows with a predicted class.
    pub fn decided(&self) -> u64 {
        unsigned(self.decided)
    }

    pub(crate) fn correct(&self) -> u64 {
        unsigned(self.correct)
    }

    pub(crate) fn log_loss_sum(&self) -> f64 {
        self.log_loss as f64 / FIXED_POINT
    }

    pub(crate) fn log_loss_squares_sum(&self) -> f64 {
        self.log_loss_squares as f64 / FIXED_POINT
    }

    pub(crate) fn squared_error_sum(&self) -> f64 {
        self.squared_error as f64 / FIXED_POINT
    }

    /// (number of the bin, its counts), ascending; bin i holds scores from i/1000 up to (i + 1)/1000, the last one 1 too.
    pub fn score_bins(&self) -> impl DoubleEndedIterator<Item = (u16, ScoreBin)> {
        self.bins.iter().map(|(number, bin)| (*number, *bin))
    }

    /// The delay in seconds that a share of the labels came within: the upper end of its bucket, at most 25 % too long.
    pub fn delay_quantile(&self, share: f64) -> Option<f64> {
        let total = self.delays.values().copied().map(unsigned).sum::<u64>();
        if total == 0 || !(0.0..=1.0).contains(&share) {
            return None;
        }
        let place = (share * total as f64).ceil().max(1.0) as u64;
        let mut sum = 0;
        let bucket = self.delays.iter().find_map(|(bucket, count)| {
            sum += unsigned(*count);
            (sum >= place).then_some(*bucket)
        });
        bucket.map(|bucket| delay_upper_micros(bucket) / 1e6)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::start(KIND);
        self.encode(&mut writer);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::start(bytes, KIND, "performance")?;
        let profile = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(profile)
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        self.counters().iter().for_each(|counter| writer.signed(i128::from(*counter)));
        self.sums().iter().for_each(|sum| writer.signed(*sum));
        writer.unsigned(self.bins.len() as u64);
        for (number, bin) in &self.bins {
            writer.unsigned(u64::from(*number));
            writer.signed(i128::from(bin.negatives));
            writer.signed(i128::from(bin.positives));
        }
        writer.unsigned(self.delays.len() as u64);
        for (bucket, count) in &self.delays {
            writer.unsigned(u64::from(*bucket));
            writer.signed(i128::from(*count));
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut profile = Self::new();
        for counter in profile.counters_mut() {
            *counter = reader.signed_64()?;
        }
        for sum in profile.sums_mut() {
            *sum = reader.signed()?;
        }
        for _ in 0..reader.length(usize::from(SCORE_BINS))? {
            let number = next_number(reader, profile.bins.last_key_value().map(|(last, _)| *last), SCORE_BINS)?;
            let bin = ScoreBin { negatives: reader.signed_64()?, positives: reader.signed_64()? };
            if bin == ScoreBin::default() {
                return Err(reader.error("a bin is empty"));
            }
            profile.bins.insert(number, bin);
        }
        for _ in 0..reader.length(usize::from(DELAY_BUCKETS))? {
            let number = next_number(reader, profile.delays.last_key_value().map(|(last, _)| *last), DELAY_BUCKETS)?;
            let count = reader.signed_64()?;
            if count == 0 {
                return Err(reader.error("a bucket is empty"));
            }
            profile.delays.insert(number, count);
        }
        Ok(profile)
    }
}

fn next_number(reader: &mut Reader<'_>, last: Option<u16>, limit: u16) -> Result<u16, Error> {
    let number = u16::try_from(reader.unsigned()?).ok().filter(|number| *number < limit && last < Some(*number));
    number.ok_or(reader.error("its bins are out of order"))
}

fn add(counter: &mut i64, by: i64) {
    *counter = counter.wrapping_add(by);
}

/// Counts are negative only where something was removed that had not been added.
fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// -ln of the probability given to the truth, at most 34.5 nats.
pub(crate) fn row_log_loss(score: f64, label: bool) -> f64 {
    let score = score.clamp(CLIP, 1.0 - CLIP);
    if label { -score.ln() } else { -(-score).ln_1p() }
}

fn fixed(value: f64) -> i128 {
    (value * FIXED_POINT).round() as i128
}

fn delay_bucket(micros: i64) -> u16 {
    match u64::try_from(micros) {
        Err(_) => 0,
        Ok(0) => 1,
        Ok(micros) => {
            let octave = micros.ilog2();
            let quarter = ((u128::from(micros) << 2) >> octave) as u16 & 3;
            2 + octave as u16 * 4 + quarter
        }
    }
}

fn delay_upper_micros(bucket: u16) -> f64 {
    match bucket.checked_sub(2) {
        None => 0.0,
        Some(place) => f64::from(5 + place % 4) / 4.0 * 2.0_f64.powi(i32::from(place / 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_a_corrected_label_leaves_no_trace() {
        let mut profile = PerformanceProfile::new();
        profile.add(0.25, Some(false), true, 3_600_000_000);
        profile.add_prediction();
        let before = profile.to_bytes();
        profile.add(0.75, Some(true), false, -5);
        profile.add(f64::NAN, None, true, 0);
        assert_eq!((profile.labelled(), profile.invalid_scores(), profile.scored()), (3, 1, 2));
        profile.remove(f64::NAN, None, true, 0);
        profile.remove(0.75, Some(true), false, -5);
        assert_eq!(profile.to_bytes(), before);
        profile.remove(0.25, Some(false), true, 3_600_000_000);
        assert_eq!(profile, PerformanceProfile { predictions: 1, ..PerformanceProfile::new() });
    }

    #[test]
    fn delays_are_known_to_a_quarter() {
        let mut profile = PerformanceProfile::new();
        assert_eq!(profile.delay_quantile(0.5), None);
        for (micros, at_most) in
            [(-7, 0.0), (0, 0.0), (1, 1.25), (1_000_000, 1.25e6), (i64::MAX, 1.25 * 2.0_f64.powi(63))]
        {
            profile.add(0.5, None, true, micros);
            let upper = profile.delay_quantile(1.0).unwrap() * 1e6;
            assert!(upper >= micros as f64 && upper <= at_most.max(micros as f64 * 1.25), "{micros}: {upper}");
        }
    }
}
