//! The profile of a numeric column: counts on the dyadic grid, exact sums, and everything that is no finite number apart.

use arrow::array::{Array, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::Error;

use super::codec::{Reader, Writer};
use super::dyadic::{self, CELLS_LIMIT, DyadicCounts};
use super::sum::{BatchSums, ExactSums};

pub(crate) const KIND: u8 = b'N';
/// Values gathered before they are counted: small enough for the cache, large enough that a sort is cheap a value.
const CHUNK: usize = 16_384;

/// Counts of the values in `low..=high`; both are the same where the cell holds one distinct value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub low: f64,
    pub high: f64,
    pub count: u64,
}

/// The mergeable summary of a numeric column.
///
/// Counts, minimum, maximum, mean and variance are exact. The distribution is exact while at most
/// [`CELLS_LIMIT`] distinct values have been seen, and known to within one cell afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct NumericProfile {
    range: Option<(f64, f64)>,
    nulls: u64,
    nans: u64,
    positive_infinities: u64,
    negative_infinities: u64,
    finite: u64,
    below_range: u64,
    above_range: u64,
    mistyped: u64,
    /// Smallest and largest key; in the wrong order while there is none.
    extremes: (u64, u64),
    counts: DyadicCounts,
    sums: ExactSums,
}

impl Default for NumericProfile {
    fn default() -> Self {
        Self::new(None)
    }
}

impl NumericProfile {
    /// An empty profile; values outside the closed `range` are counted.
    pub fn new(range: Option<(f64, f64)>) -> Self {
        Self {
            range: range.filter(|(low, high)| low <= high),
            nulls: 0,
            nans: 0,
            positive_infinities: 0,
            negative_infinities: 0,
            finite: 0,
            below_range: 0,
            above_range: 0,
            mistyped: 0,
            extremes: (u64::MAX, 0),
            counts: DyadicCounts::default(),
            sums: ExactSums::default(),
        }
    }

    /// Adds the rows of an array of any numeric type or of booleans (0 and 1). Integers beyond 2^53 are rounded.
    pub fn update(&mut self, array: &dyn Array) -> Result<(), Error> {
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            self.update_floats(floats);
            return Ok(());
        }
        let value_type = match array.data_type() {
            DataType::Dictionary(_, value_type) => value_type,
            other => other,
        };
        if !(value_type.is_numeric() || matches!(value_type, DataType::Boolean | DataType::Null)) {
            let data_type = array.data_type().clone();
            return Err(Error::UnsupportedType { profile: "numeric", data_type });
        }
        self.update_floats(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>());
        Ok(())
    }

    fn update_floats(&mut self, array: &Float64Array) {
        self.nulls += array.null_count() as u64;
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.update_values(array.values().iter().copied()),
            Some(nulls) => {
                self.update_values(nulls.valid_indices().filter_map(|row| array.values().get(row).copied()));
            }
        }
    }

    /// Adds rows that are numbers, NaN or infinities.
    pub fn update_values(&mut self, values: impl IntoIterator<Item = f64>) {
        let (low, high) = self.range.unwrap_or((f64::MIN, f64::MAX));
        let mut values = values.into_iter();
        let mut keys = Vec::with_capacity(values.size_hint().0.min(CHUNK));
        let mut sums = BatchSums::new();
        loop {
            for value in values.by_ref().take(CHUNK) {
                if value.is_finite() {
                    keys.push(dyadic::key(value));
                    sums.add(value);
                    self.below_range += u64::from(value < low);
                    self.above_range += u64::from(value > high);
                } else if value.is_nan() {
                    self.nans += 1;
                } else if value > 0.0 {
                    self.positive_infinities += 1;
                } else {
                    self.negative_infinities += 1;
                }
            }
            let Some((least, most)) = keys.iter().min().copied().zip(keys.iter().max().copied()) else {
                // Nothing finite in this chunk; more may follow only if it was full of other things.
                match values.next() {
                    Some(value) => {
                        self.update_values(std::iter::once(value));
                        continue;
                    }
                    None => break,
                }
            };
            self.finite += keys.len() as u64;
            self.extremes = (self.extremes.0.min(least), self.extremes.1.max(most));
            self.counts.add_keys(&mut keys);
            keys.clear();
        }
        self.sums.absorb(&sums);
    }

    /// Counts rows whose value had a wrong type; they are in no other figure.
    pub fn add_mistyped(&mut self, rows: u64) {
        self.mistyped += rows;
    }

    /// Adds another's rows. Declared ranges that differ become the range that spans both.
    pub fn merge(&mut self, other: &Self) {
        self.range = match (self.range, other.range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, another) => one.or(another),
        };
        for (mine, theirs) in self.counters_mut().into_iter().zip(other.counters()) {
            *mine = mine.saturating_add(theirs);
        }
        self.extremes = (self.extremes.0.min(other.extremes.0), self.extremes.1.max(other.extremes.1));
        self.counts.merge(&other.counts);
        self.sums.merge(&other.sums);
    }

    /// This profile less a part that was merged into it. Sums and counts are exact; the level stays, and the extremes are
    /// known to within a cell. For comparisons, never stored.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let counts = self.counts.without(&part.counts);
        let mut rest = Self { range: self.range, counts, sums: self.sums.clone(), ..Self::default() };
        for (left, (whole, part)) in
            rest.counters_mut().into_iter().zip(self.counters().into_iter().zip(part.counters()))
        {
            *left = whole.saturating_sub(part);
        }
        rest.sums.remove(&part.sums);
        let level = rest.counts.level();
        if let Some(((first, _), (last, _))) = rest.counts.cells().first().zip(rest.counts.cells().last()) {
            rest.extremes = (bounds(*first, level).0.max(self.extremes.0), bounds(*last, level).1.min(self.extremes.1));
        }
        rest
    }

    fn counters(&self) -> [u64; 8] {
        [
            self.nulls,
            self.nans,
            self.positive_infinities,
            self.negative_infinities,
            self.finite,
            self.below_range,
            self.above_range,
            self.mistyped,
        ]
    }

    fn counters_mut(&mut self) -> [&mut u64; 8] {
        [
            &mut self.nulls,
            &mut self.nans,
            &mut self.positive_infinities,
            &mut self.negative_infinities,
            &mut self.finite,
            &mut self.below_range,
            &mut self.above_range,
            &mut self.mistyped,
        ]
    }

    /// The versioned binary form; equal profiles have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::start(KIND);
        self.encode(&mut writer);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::start(bytes, KIND, "numeric")?;
        let profile = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(profile)
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.byte(u8::from(self.range.is_some()));
        if let Some((low, high)) = self.range {
            writer.float(low);
            writer.float(high);
        }
        for counter in self.counters() {
            writer.unsigned(counter);
        }
        if self.finite == 0 {
            return;
        }
        writer.unsigned(self.extremes.0);
        writer.unsigned(self.extremes.1 - self.extremes.0);
        self.sums.encode(writer);
        encode_cells(&self.counts, writer);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let range = match reader.byte()? {
            0 => None,
            1 => Some((reader.float()?, reader.float()?)),
            _ => return Err(reader.error("its range is malformed")),
        };
        if range.is_some_and(|(low, high)| low.is_nan() || high.is_nan() || low > high) {
            return Err(reader.error("its range is malformed"));
        }
        let mut profile = Self::new(range);
        for counter in profile.counters_mut() {
            *counter = reader.unsigned()?;
        }
        let total = profile.counters().iter().try_fold(0_u64, |sum, counter| sum.checked_add(*counter));
        if total.is_none() || profile.below_range.max(profile.above_range) > profile.finite {
            return Err(reader.error("its counters contradict each other"));
        }
        if profile.finite > 0 {
            let least = reader.unsigned()?;
            let most = least.checked_add(reader.unsigned()?).ok_or(reader.error("its extremes are no numbers"))?;
            profile.extremes = (least, most);
            profile.sums = ExactSums::decode(reader)?;
            profile.counts = decode_cells(reader)?;
            profile.check(reader)?;
        }
        Ok(profile)
    }

    /// What a damaged or forged profile could get wrong and later code relies on.
    fn check(&self, reader: &Reader<'_>) -> Result<(), Error> {
        let (least, most) = self.extremes;
        if !dyadic::value(least).is_finite() || !dyadic::value(most).is_finite() {
            return Err(reader.error("its extremes are no numbers"));
        }
        let cells = self.counts.cells();
        let level = self.counts.level();
        let ends = cells.first().zip(cells.last()).map(|((first, _), (last, _))| (*first, *last));
        let total = cells.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count));
        if ends != Some((least >> level, most >> level)) || total != Some(self.finite) {
            return Err(reader.error("its cells contradict its counters"));
        }
        Ok(())
    }

    /// All rows: numbers, NaN, infinities and nulls.
    pub fn rows(&self) -> u64 {
        self.nulls + self.nans + self.infinities() + self.finite
    }

    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// Both signs.
    pub fn infinities(&self) -> u64 {
        self.positive_infinities + self.negative_infinities
    }

    pub fn positive_infinities(&self) -> u64 {
        self.positive_infinities
    }

    pub fn negative_infinities(&self) -> u64 {
        self.negative_infinities
    }

    pub fn finite(&self) -> u64 {
        self.finite
    }

    pub fn below_range(&self) -> u64 {
        self.below_range
    }

    pub fn above_range(&self) -> u64 {
        self.above_range
    }

    pub fn mistyped(&self) -> u64 {
        self.mistyped
    }

    /// The declared range.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The smallest finite value.
    pub fn min(&self) -> Option<f64> {
        (self.finite > 0).then(|| dyadic::value(self.extremes.0))
    }

    pub fn max(&self) -> Option<f64> {
        (self.finite > 0).then(|| dyadic::value(self.extremes.1))
    }

    /// Of the finite values; exact to one unit in the last place.
    pub fn mean(&self) -> Option<f64> {
        self.sums.mean(self.finite)
    }

    /// The unbiased variance of the finite values. None below two values, or when it overflows a double.
    pub fn variance(&self) -> Option<f64> {
        self.sums.variance(self.finite)
    }

    /// Its root, which exists even where the variance overflows.
    pub fn standard_deviation(&self) -> Option<f64> {
        self.sums.standard_deviation(self.finite)
    }

    /// Whether each cell is one distinct value, so that every quantile is exact.
    pub fn is_exact(&self) -> bool {
        self.counts.level() == 0
    }

    /// Occupied cells, ascending.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        self.counts.cells().iter().map(|(cell, count)| self.cell(*cell, *count))
    }

    fn cell(&self, number: u64, count: u64) -> Cell {
        let (least, most) = self.extremes;
        let (low, high) = bounds(number, self.counts.level());
        Cell { low: dyadic::value(low.max(least)), high: dyadic::value(high.min(most)), count }
    }

    pub(crate) fn counts(&self) -> &DyadicCounts {
        &self.counts
    }

    pub(crate) fn extremes(&self) -> (u64, u64) {
        self.extremes
    }

    /// The quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, numpy's default). Exact
    /// when the profile is; else values are taken as evenly spread over their cell, so it is off by less than a cell.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.quantiles([share]).pop()
    }

    /// The quantiles at ascending shares, in one pass; shares outside 0 to 1 end it.
    pub fn quantiles(&self, shares: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut walk = Walk { cells: self.counts.cells(), before: 0, profile: self };
        let last = self.finite.saturating_sub(1);
        let mut quantiles = Vec::new();
        for share in shares {
            if self.finite == 0 || !(0.0..=1.0).contains(&share) {
                break;
            }
            let position = last as f64 * share;
            let below = position.floor();
            let fraction = position - below;
            let place = (below as u64).min(last);
            let low = walk.order_statistic(place);
            // Ahead of the walk: the next share may need the lower place again.
            let mut ahead = walk;
            let high = if fraction > 0.0 { ahead.order_statistic((place + 1).min(last)) } else { low };
            quantiles.extend(low.zip(high).map(|(low, high)| interpolate(low, high, fraction)));
        }
        quantiles
    }
}

/// A walk over the cells in ascending order.
#[derive(Clone, Copy)]
struct Walk<'a> {
    /// Those that aren't passed yet.
    cells: &'a [(u64, u64)],
    /// Values in those that are.
    before: u64,
    profile: &'a NumericProfile,
}

impl Walk<'_> {
    /// The value at that place of the ascending order, counted from 0. Places must not fall below the last one's cell.
    fn order_statistic(&mut self, place: u64) -> Option<f64> {
        while let [(_, count), rest @ ..] = self.cells
            && self.before + count <= place
        {
            self.before += count;
            self.cells = rest;
        }
        let (cell, count) = self.cells.first()?;
        let Cell { low, high, count } = self.profile.cell(*cell, *count);
        let within = ((place - self.before.min(place)) as f64 + 0.5) / count as f64;
        Some(if low < high { interpolate(low, high, within) } else { low })
    }
}

/// numpy's `_lerp`: exact at both ends, without overflow of the difference for opposite extremes.
pub(crate) fn interpolate(low: f64, high: f64, fraction: f64) -> f64 {
    let difference = high - low;
    if !difference.is_finite() {
        low * (1.0 - fraction) + high * fraction
    } else if fraction >= 0.5 {
        high - difference * (1.0 - fraction)
    } else {
        low + difference * fraction
    }
}

/// The smallest and the largest key of a cell.
pub(crate) fn bounds(cell: u64, level: u8) -> (u64, u64) {
    let low = cell << level;
    (low, low | ((1_u64 << level) - 1))
}

/// Cells as differences, less the zero bits that all of them end with.
fn encode_cells(counts: &DyadicCounts, writer: &mut Writer) {
    let zeros = counts.cells().iter().map(|(cell, _)| cell.trailing_zeros()).min().unwrap_or(0).min(63);
    writer.byte(counts.level());
    writer.byte(zeros as u8);
    writer.unsigned(counts.cells().len() as u64);
    let mut last = 0;
    for (cell, count) in counts.cells() {
        writer.unsigned((cell >> zeros) - last);
        writer.unsigned(count - 1);
        last = cell >> zeros;
    }
}

fn decode_cells(reader: &mut Reader<'_>) -> Result<DyadicCounts, Error> {
    let level = reader.byte()?;
    let zeros = u32::from(reader.byte()?.min(63));
    let length = reader.length(CELLS_LIMIT)?;
    let mut cells = Vec::with_capacity(length);
    let mut last = 0_u64;
    for _ in 0..length {
        last = last.checked_add(reader.unsigned()?).ok_or(reader.error("a cell is too large"))?;
        if last > u64::MAX >> zeros {
            return Err(reader.error("a cell is too large"));
        }
        cells.push((last << zeros, reader.unsigned()?.checked_add(1).ok_or(reader.error("a count is too large"))?));
    }
    DyadicCounts::from_parts(level, cells).ok_or(reader.error("its cells are out of order"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_what_is_no_finite_number_is_counted_apart() {
        let array =
            Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(-7.0), Some(-0.0)]);
        let mut profile = NumericProfile::new(Some((0.0, 0.5)));
        profile.update(&array).unwrap();
        assert_eq!((profile.rows(), profile.nulls(), profile.nans(), profile.infinities()), (6, 1, 1, 1));
        assert_eq!((profile.finite(), profile.below_range(), profile.above_range()), (3, 1, 1));
        assert_eq!((profile.min(), profile.max(), profile.mean()), (Some(-7.0), Some(1.0), Some(-2.0)));
        assert_eq!(NumericProfile::from_bytes(&profile.to_bytes()).unwrap(), profile);
    }

    #[test]
    fn a_long_run_of_nothing_finite_is_no_end() {
        let mut profile = NumericProfile::default();
        profile.update_values(std::iter::repeat_n(f64::NAN, 3 * CHUNK).chain([1.0]));
        assert_eq!((profile.nans(), profile.finite()), (3 * CHUNK as u64, 1));
    }

    #[test]
    fn what_was_merged_can_be_taken_out_for_a_comparison() {
        let profile = |from: i32, to: i32| {
            let mut profile = NumericProfile::default();
            profile.update_values((from..to).map(|i| f64::from(i) * 0.37).chain([f64::NAN]));
            profile
        };
        let (part, rest) = (profile(0, 3_000), profile(1_000, 5_000));
        let mut whole = part.clone();
        whole.merge(&rest);
        let left = whole.without(&part);
        assert_eq!((left.rows(), left.finite(), left.nans()), (rest.rows(), rest.finite(), rest.nans()));
        assert_eq!((left.mean(), left.standard_deviation()), (rest.mean(), rest.standard_deviation()));
        let mut coarse = rest.counts.clone();
        coarse.coarsen(left.counts.level());
        assert_eq!(left.counts, coarse);
        assert_eq!(part.without(&part).finite(), 0);
    }

    #[test]
    fn d1_quantiles_of_few_values_are_exact() {
        let mut profile = NumericProfile::default();
        profile.update_values([4.0, 1.0, 2.0, 3.0]);
        assert_eq!(profile.quantile(0.5), Some(2.5));
        assert_eq!(profile.quantile(0.0), Some(1.0));
        assert_eq!(profile.quantile(1.0), Some(4.0));
        assert_eq!(profile.quantile(f64::NAN), None);
        assert_eq!(NumericProfile::default().quantile(0.5), None);
    }
}
