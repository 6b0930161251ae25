//! The profile of a binary classifier's performance: a group, since labels get corrected.
//!
//! Everything is an integer (counts, and sums in fixed point), so that removing what was added gives back the same bytes.

use std::collections::BTreeMap;

use crate::Error;

use super::codec::{Reader, Writer};

const KIND: u8 = b'P';
/// Bins of the score over [0, 1]: by its distance to the nearer of 0 and 1, 128 to each factor of two from 2^-40 to a half,
/// so that small scores are told apart as well as large ones. 0, a half and 1 have bins of their own.
const SCORE_BINS: u16 = 2 * MIDDLE_BIN + 1;
/// Of a score of one half: after that of 0, that of everything below 2^-40, and 39 factors of two.
const MIDDLE_BIN: u16 = 2 + 39 * 128;
/// The bits of 2^-40; a double's bits grow with it.
const SMALLEST_OCTAVE: u64 = (1_023 - 40) << 52;
/// A bin is the exponent and the first 7 bits of the mantissa …
const BIN_SHIFT: u32 = 52 - 7;
/// … and within it scores are told apart by the next 16: with the precision of single floats.
const OFFSET_SHIFT: u32 = BIN_SHIFT - 16;
/// Scores are kept this far from 0 and 1 in the log loss.
const CLIP: f64 = 1e-15;
/// Losses are rounded to multiples of 2^-60 a row.
const FIXED_POINT: f64 = (1_u64 << 60) as f64;
/// Buckets of label delays: negative, zero, then four to each factor of two of the microseconds.
const DELAY_BUCKETS: u16 = 2 + 63 * 4;

/// Negative and positive rows of one score bin, and the sums of their offsets in it and of the squares of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScoreBin {
    pub negatives: i64,
    pub positives: i64,
    offsets: i64,
    squares: i64,
}

impl ScoreBin {
    fn merge(&mut self, other: &Self) {
        add(&mut self.negatives, other.negatives);
        add(&mut self.positives, other.positives);
        add(&mut self.offsets, other.offsets);
        add(&mut self.squares, other.squares);
    }

    /// Whether all rows have one offset: their mean square is the square of their mean.
    pub fn is_one_score(&self) -> bool {
        let rows = i128::from(self.negatives) + i128::from(self.positives);
        rows * i128::from(self.squares) == i128::from(self.offsets).pow(2)
    }
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
        for (sum, value) in [(&mut self.log_loss, loss), (&mut self.squared_error, error * error)] {
            *sum = sum.wrapping_add(i128::from(by) * fixed(value));
        }
        let (number, offset) = place(score);
        let (negatives, positives) = if label { (0, by) } else { (by, 0) };
        self.add_to_bin(
            number,
            &ScoreBin { negatives, positives, offsets: by * offset, squares: by * offset * offset },
        );
    }

    fn add_to_bin(&mut self, number: u16, rows: &ScoreBin) {
        let bin = self.bins.entry(number).or_default();
        bin.merge(rows);
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
            self.add_to_bin(*number, theirs);
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

    fn sums(&self) -> [i128; 2] {
        [self.log_loss, self.squared_error]
    }

    fn sums_mut(&mut self) -> [&mut i128; 2] {
        [&mut self.log_loss, &mut self.squared_error]
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

    pub(crate) fn squared_error_sum(&self) -> f64 {
        self.squared_error as f64 / FIXED_POINT
    }

    /// The bins, ascending, and whether all rows of a bin are known to have one score.
    pub(crate) fn score_bins(&self) -> impl Iterator<Item = (&ScoreBin, bool)> {
        // Offsets are places in a factor of two; next to 0 and 1 are many of those.
        let is_mixed = |number: u16| number == 1 || number == SCORE_BINS - 2;
        self.bins.iter().map(move |(number, bin)| (bin, !is_mixed(*number) && bin.is_one_score()))
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
            for sum in [bin.negatives, bin.positives, bin.offsets, bin.squares] {
                writer.signed(i128::from(sum));
            }
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
            let bin = ScoreBin {
                negatives: reader.signed_64()?,
                positives: reader.signed_64()?,
                offsets: reader.signed_64()?,
                squares: reader.signed_64()?,
            };
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

/// The number of a score's bin, ascending with the score, and its offset in the bin.
fn place(score: f64) -> (u16, i64) {
    // Exact: of two numbers within a factor of two of each other the difference is a double.
    let is_upper = score > 0.5;
    let distance = if is_upper { 1.0 - score } else { score };
    let bits = distance.to_bits();
    let number = if distance <= 0.0 {
        0
    } else {
        bits.checked_sub(SMALLEST_OCTAVE).map_or(1, |above| 2 + (above >> BIN_SHIFT) as u16)
    };
    let offset = i64::from((bits >> OFFSET_SHIFT) as u16);
    (if is_upper { SCORE_BINS - 1 - number } else { number }, offset)
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
    fn bins_ascend_with_the_score_and_tell_small_ones_apart() {
        let ascending = [
            0.0,
            1e-300,
            0.9 * 2.0_f64.powi(-40),
            2.0_f64.powi(-40),
            1e-9,
            1.01e-9,
            1e-4,
            1.01e-4,
            0.25,
            0.252,
            0.499_999,
            0.5,
            0.500_001,
            0.999,
            0.999_01,
            1.0 - 1e-9,
            1.0 - 1e-14,
            1.0,
        ];
        let numbers: Vec<u16> = ascending.iter().map(|score| place(*score).0).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] <= pair[1]), "{numbers:?}");
        let distinct: std::collections::BTreeSet<u16> = numbers.iter().copied().collect();
        assert_eq!(distinct.len(), ascending.len() - 1, "only those below 2^-40 are together: {numbers:?}");
        assert_eq!((numbers[0], numbers[11], numbers[17]), (0, MIDDLE_BIN, SCORE_BINS - 1));
        assert_eq!(place(-0.0), (0, 0));
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
