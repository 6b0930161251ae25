//! The profile of a categorical column: exact counts by name while there are few names.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use crate::Error;

use super::codec::{Reader, Writer};

pub(crate) const KIND: u8 = b'C';
/// With more names than this, names are given up and hashes counted.
pub const NAMES_LIMIT: usize = 1_024;
/// How many counts remain of a column with too many names.
pub const BUCKETS: usize = 256;
/// Longer names are cut and told apart by a hash; bytes.
const NAME_BYTES_LIMIT: usize = 256;
const NAME_PREFIX_BYTES: usize = 200;

static BUCKET_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..BUCKETS).map(|i| format!("#{i:02x}")).collect());

#[derive(Clone, Debug, PartialEq, Eq)]
enum Counts {
    Names(BTreeMap<String, u64>),
    /// By the lowest byte of the name's hash.
    Buckets(Box<[u64; BUCKETS]>),
}

/// The mergeable summary of a categorical column. Booleans are the categories `false` and `true`.
///
/// Counts are exact by name for up to [`NAMES_LIMIT`] names; beyond, they are exact for [`BUCKETS`] groups of names, and
/// which names there were is lost (`is_collapsed`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoricalProfile {
    nulls: u64,
    valid: u64,
    mistyped: u64,
    counts: Counts,
}

impl Default for CategoricalProfile {
    fn default() -> Self {
        Self::new()
    }
}

impl CategoricalProfile {
    pub fn new() -> Self {
        Self { nulls: 0, valid: 0, mistyped: 0, counts: Counts::Names(BTreeMap::new()) }
    }

    /// Adds the rows of an array of strings, of a dictionary of strings (by its codes), or of booleans.
    pub fn update(&mut self, array: &dyn Array) -> Result<(), Error> {
        match array.data_type() {
            DataType::Null => self.nulls += array.len() as u64,
            DataType::Boolean => {
                let booleans = array.as_boolean();
                self.nulls += booleans.null_count() as u64;
                self.add("true", booleans.true_count() as u64);
                self.add("false", booleans.false_count() as u64);
            }
            DataType::Utf8 => self.update_names(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.update_names(array.as_string::<i64>().iter()),
            DataType::Utf8View => self.update_names(array.as_string_view().iter()),
            DataType::Dictionary(_, value) if is_text(value) => self.update_codes(array),
            other => return Err(Error::UnsupportedType { profile: "categorical", data_type: other.clone() }),
        }
        Ok(())
    }

    /// Adds one name a row; None is a null.
    pub fn update_names<'a>(&mut self, names: impl IntoIterator<Item = Option<&'a str>>) {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        // Neighbouring rows often agree: count the run before the map is asked.
        let mut run: Option<(&str, u64)> = None;
        for name in names {
            let Some(name) = name else {
                self.nulls += 1;
                continue;
            };
            match &mut run {
                Some((last, count)) if *last == name => *count += 1,
                _ => {
                    if let Some((last, count)) = run.replace((name, 1)) {
                        *counts.entry(last).or_default() += count;
                    }
                }
            }
        }
        if let Some((last, count)) = run {
            *counts.entry(last).or_default() += count;
        }
        for (name, count) in counts {
            self.add(name, count);
        }
    }

    /// Counts codes, then looks each code's name up once.
    fn update_codes(&mut self, array: &dyn Array) {
        let dictionary = array.as_any_dictionary();
        let names = dictionary.values();
        let nulls = dictionary.keys().nulls();
        if names.is_empty() {
            self.nulls += array.len() as u64;
            return;
        }
        let mut counts = vec![0_u64; names.len()];
        for (row, code) in dictionary.normalized_keys().into_iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                self.nulls += 1;
            } else if let Some(count) = counts.get_mut(code) {
                *count += 1;
            }
        }
        for (code, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            match text_at(names.as_ref(), code) {
                Some(name) => self.add(name, count),
                None => self.nulls += count,
            }
        }
    }

    /// Adds `count` rows of one name.
    pub fn add(&mut self, name: &str, count: u64) {
        if count == 0 {
            return;
        }
        self.valid += count;
        self.add_name(name, count);
    }

    fn add_name(&mut self, name: &str, count: u64) {
        match &mut self.counts {
            Counts::Names(names) => {
                let shortened;
                let name = if name.len() > NAME_BYTES_LIMIT {
                    shortened = shorten(name);
                    shortened.as_str()
                } else {
                    name
                };
                if let Some(known) = names.get_mut(name) {
                    *known = known.saturating_add(count);
                } else {
                    names.insert(name.to_owned(), count);
                }
                if names.len() > NAMES_LIMIT {
                    self.collapse();
                }
            }
            Counts::Buckets(buckets) => {
                if let Some(bucket) = buckets.get_mut(bucket(name)) {
                    *bucket = bucket.saturating_add(count);
                }
            }
        }
    }

    /// Gives the names up.
    fn collapse(&mut self) {
        if let Counts::Names(names) = &self.counts {
            let mut buckets = Box::new([0_u64; BUCKETS]);
            for (name, count) in names {
                if let Some(bucket) = buckets.get_mut(bucket(name)) {
                    *bucket = bucket.saturating_add(*count);
                }
            }
            self.counts = Counts::Buckets(buckets);
        }
    }

    /// This profile with its names given up, to be compared with one that has none.
    #[must_use]
    pub fn collapsed(&self) -> Self {
        let mut collapsed = self.clone();
        collapsed.collapse();
        collapsed
    }

    pub fn add_mistyped(&mut self, rows: u64) {
        self.mistyped += rows;
    }

    pub fn merge(&mut self, other: &Self) {
        self.nulls = self.nulls.saturating_add(other.nulls);
        self.valid = self.valid.saturating_add(other.valid);
        self.mistyped = self.mistyped.saturating_add(other.mistyped);
        match &other.counts {
            Counts::Names(names) => names.iter().for_each(|(name, count)| self.add_name(name, *count)),
            Counts::Buckets(theirs) => {
                self.collapse();
                if let Counts::Buckets(mine) = &mut self.counts {
                    for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                        *mine = mine.saturating_add(*theirs);
                    }
                }
            }
        }
    }

    /// This profile less a part that was merged into it. For comparisons, never stored.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        rest.nulls = rest.nulls.saturating_sub(part.nulls);
        rest.valid = rest.valid.saturating_sub(part.valid);
        rest.mistyped = rest.mistyped.saturating_sub(part.mistyped);
        match (&mut rest.counts, &part.counts) {
            (Counts::Names(mine), Counts::Names(theirs)) => {
                for (name, count) in theirs {
                    if let Some(left) = mine.get_mut(name) {
                        *left = left.saturating_sub(*count);
                    }
                }
                mine.retain(|_, count| *count > 0);
            }
            (Counts::Buckets(mine), theirs) => {
                let subtract = |mine: &mut [u64; BUCKETS], theirs: &[u64; BUCKETS]| {
                    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = mine.saturating_sub(*theirs));
                };
                match theirs {
                    Counts::Buckets(theirs) => subtract(mine, theirs),
                    Counts::Names(names) => {
                        for (name, count) in names {
                            if let Some(left) = mine.get_mut(bucket(name)) {
                                *left = left.saturating_sub(*count);
                            }
                        }
                    }
                }
            }
            // A whole that kept its names has no part that gave them up.
            (Counts::Names(_), Counts::Buckets(_)) => {}
        }
        rest
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::start(KIND);
        self.encode(&mut writer);
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::start(bytes, KIND, "categorical")?;
        let profile = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(profile)
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.byte(u8::from(self.is_collapsed()));
        writer.unsigned(self.nulls);
        writer.unsigned(self.mistyped);
        match &self.counts {
            Counts::Names(names) => {
                writer.unsigned(names.len() as u64);
                for (name, count) in names {
                    writer.text(name);
                    writer.unsigned(*count);
                }
            }
            Counts::Buckets(buckets) => buckets.iter().for_each(|count| writer.unsigned(*count)),
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let is_collapsed = reader.byte()?;
        let (nulls, mistyped) = (reader.unsigned()?, reader.unsigned()?);
        let counts = match is_collapsed {
            0 => decode_names(reader)?,
            1 => {
                let mut buckets = Box::new([0_u64; BUCKETS]);
                for bucket in buckets.iter_mut() {
                    *bucket = reader.unsigned()?;
                }
                Counts::Buckets(buckets)
            }
            _ => return Err(reader.error("it is malformed")),
        };
        let mut profile = Self { nulls, valid: 0, mistyped, counts };
        let total = profile.counts().try_fold(0_u64, |sum, (_, count)| sum.checked_add(count));
        profile.valid = total.ok_or(reader.error("its counts are too large"))?;
        if profile.valid.checked_add(nulls).and_then(|rows| rows.checked_add(mistyped)).is_none() {
            return Err(reader.error("its counts are too large"));
        }
        Ok(profile)
    }

    /// Nulls included.
    pub fn rows(&self) -> u64 {
        self.nulls + self.valid
    }

    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// Rows with a value.
    pub fn valid(&self) -> u64 {
        self.valid
    }

    pub fn mistyped(&self) -> u64 {
        self.mistyped
    }

    /// Whether there were too many names to keep; then the names of [`Self::counts`] are `#00` to `#ff`.
    pub fn is_collapsed(&self) -> bool {
        matches!(self.counts, Counts::Buckets(_))
    }

    /// About how many bytes it holds besides its own; names count as 32 bytes, whatever their length.
    pub(crate) fn heap_size(&self) -> usize {
        match &self.counts {
            Counts::Names(names) => names.len() * (size_of::<(String, u64)>() + 32),
            Counts::Buckets(_) => size_of::<[u64; BUCKETS]>(),
        }
    }

    /// Counts by name, sorted by name, none of them zero.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        let (names, buckets) = match &self.counts {
            Counts::Names(names) => (Some(names), None),
            Counts::Buckets(buckets) => (None, Some(buckets)),
        };
        let names = names.into_iter().flatten().map(|(name, count)| (name.as_str(), *count));
        let buckets = buckets.into_iter().flat_map(|buckets| BUCKET_NAMES.iter().zip(buckets.iter()));
        names.chain(buckets.map(|(name, count)| (name.as_str(), *count)).filter(|(_, count)| *count > 0))
    }

    /// The count of one name; 0 for names that were never seen, None when names were given up.
    pub fn count(&self, name: &str) -> Option<u64> {
        match &self.counts {
            Counts::Names(names) => Some(names.get(name).copied().unwrap_or(0)),
            Counts::Buckets(_) => None,
        }
    }
}

fn decode_names(reader: &mut Reader<'_>) -> Result<Counts, Error> {
    let length = reader.length(NAMES_LIMIT)?;
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..length {
        let name = reader.text(NAME_BYTES_LIMIT)?;
        let count = reader.unsigned()?;
        let follows = names.last_key_value().is_none_or(|(last, _)| last.as_str() < name);
        if count == 0 || !follows {
            return Err(reader.error("its names are out of order"));
        }
        names.insert(name.to_owned(), count);
    }
    Ok(Counts::Names(names))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn text_at(names: &dyn Array, index: usize) -> Option<&str> {
    if names.is_null(index) {
        return None;
    }
    match names.data_type() {
        DataType::Utf8 => Some(names.as_string::<i32>().value(index)),
        DataType::LargeUtf8 => Some(names.as_string::<i64>().value(index)),
        DataType::Utf8View => Some(names.as_string_view().value(index)),
        _ => None,
    }
}

fn bucket(name: &str) -> usize {
    // Names beyond the limit are hashed as they are kept, so that collapsing early or late is the same.
    let hash = if name.len() > NAME_BYTES_LIMIT { hash(&shorten(name)) } else { hash(name) };
    (hash % BUCKETS as u64) as usize
}

fn shorten(name: &str) -> String {
    let mut end = NAME_PREFIX_BYTES;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…#{:016x}", name.get(..end).unwrap_or_default(), hash(name))
}

/// FNV-1a, with a last mix since its lowest bits alone are weak. Part of the stored format: never change it.
fn hash(name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::{Int32Type, UInt8Type};

    use super::*;

    #[test]
    fn every_form_of_text_counts_the_same() {
        let rows = [Some("a"), None, Some("b"), Some("a"), Some("Größe")];
        let forms: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter(rows)),
            Arc::new(StringViewArray::from_iter(rows)),
            Arc::new(rows.into_iter().collect::<DictionaryArray<Int32Type>>()),
            Arc::new(rows.into_iter().collect::<DictionaryArray<UInt8Type>>()),
        ];
        let profiles: Vec<_> = forms
            .iter()
            .map(|form| {
                let mut profile = CategoricalProfile::new();
                profile.update(form.as_ref()).unwrap();
                profile
            })
            .collect();
        assert_eq!(profiles[0].counts().collect::<Vec<_>>(), [("Größe", 1), ("a", 2), ("b", 1)]);
        assert_eq!((profiles[0].rows(), profiles[0].nulls()), (5, 1));
        assert!(profiles.iter().all(|profile| *profile == profiles[0]));
    }

    #[test]
    fn booleans_are_categories() {
        let mut profile = CategoricalProfile::new();
        profile.update(&BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])).unwrap();
        assert_eq!(profile.counts().collect::<Vec<_>>(), [("false", 1), ("true", 2)]);
    }

    #[test]
    fn e3_too_many_names_collapse_to_the_same_buckets_in_any_order() {
        let names: Vec<String> = (0..3_000).map(|i| format!("user-{i}")).chain(["x".repeat(5_000)]).collect();
        let mut forwards = CategoricalProfile::new();
        forwards.update_names(names.iter().map(|name| Some(name.as_str())));
        let mut backwards = CategoricalProfile::new();
        for name in names.iter().rev() {
            backwards.update_names([Some(name.as_str())]);
        }
        assert!(forwards.is_collapsed());
        assert_eq!(forwards.to_bytes(), backwards.to_bytes());
        assert!(forwards.to_bytes().len() < 1_024);
        assert_eq!(forwards.counts().map(|(_, count)| count).sum::<u64>(), 3_001);
        assert_eq!(forwards.counts().count(), BUCKETS);
        let mut part = CategoricalProfile::new();
        part.update_names([Some("user-1"), Some("user-2"), None]);
        let mut whole = forwards.clone();
        whole.merge(&part);
        assert_eq!(whole.without(&part), forwards);
    }
}
