//! Event ids: to recognise duplicates, and to find a label's prediction.
//!
//! Rows lie in buckets, one for each window, in order of arrival, and are stored in blocks. A bucket outlives its window:
//! once the window is final its rows are only ids, kept until the duplicate horizon has passed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use contract::EventTime;

/// Rows of one stored block. A label that changes one row rewrites its block.
pub(crate) const BLOCK_ROWS: usize = 1_024;
/// A row without a value of a segment's column.
pub(crate) const NO_SEGMENT: u16 = u16::MAX;

/// Ids are hashes already: their lowest bits are as good as any hash of them.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

pub(crate) type IdHashing = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Start of its window.
    pub bucket: EventTime,
    pub row: u32,
}

/// What a label needs of its prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Joined {
    /// Number of the version in its window.
    pub version: u16,
    pub score: Option<f64>,
    pub predicted: Option<bool>,
    pub label: Option<RowLabel>,
}

/// The label that a row has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowLabel {
    pub time: EventTime,
    pub offset: i64,
    pub value: Option<bool>,
}

/// One prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub id: u128,
    pub time: EventTime,
    /// None: no label can reach it, because it came late or its window is final.
    pub joined: Option<Joined>,
    /// The same id was used again after the duplicate horizon: the newer row is found.
    pub is_replaced: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    rows: Vec<Row>,
    /// Numbers of the segments of each row, one for each segment column.
    segments: Vec<u16>,
    /// Blocks that the store lacks.
    dirty: BTreeSet<u32>,
    /// Blocks that the store may have.
    stored: u32,
}

impl Bucket {
    fn touch(&mut self, row: usize) {
        self.dirty.insert((row / BLOCK_ROWS) as u32);
    }
}

/// All rows that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Join {
    /// How many segment columns there are.
    width: usize,
    places: HashMap<u128, Place, IdHashing>,
    buckets: BTreeMap<EventTime, Bucket>,
    rows: usize,
    /// Buckets with blocks that the store lacks.
    dirty: BTreeSet<EventTime>,
}

impl Join {
    /// `width`: number of segment columns whose values are kept for each row.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn find(&self, id: u128) -> Option<Place> {
        self.places.get(&id).copied()
    }

    pub fn row(&self, place: Place) -> Option<&Row> {
        self.buckets.get(&place.bucket)?.rows.get(place.row as usize)
    }

    /// The segments of a row.
    pub fn segments(&self, place: Place) -> &[u16] {
        let start = place.row as usize * self.width;
        let bucket = self.buckets.get(&place.bucket);
        bucket.and_then(|bucket| bucket.segments.get(start..start + self.width)).unwrap_or_default()
    }

    /// Adds a row to its window's bucket; the store lacks it unless `is_stored`.
    pub fn add(&mut self, bucket: EventTime, row: Row, segments: &[u16], is_stored: bool) -> Place {
        let place = {
            let held = self.buckets.entry(bucket).or_default();
            let place = Place { bucket, row: held.rows.len() as u32 };
            held.rows.push(row);
            // Late rows have no segments, but keep their place.
            held.segments.extend(segments.iter().copied().chain(std::iter::repeat(NO_SEGMENT)).take(self.width));
            if is_stored {
                held.stored = place.row / BLOCK_ROWS as u32 + 1;
            } else {
                held.touch(place.row as usize);
                self.dirty.insert(bucket);
            }
            place
        };
        self.rows += 1;
        if !row.is_replaced
            && let Some(before) = self.places.insert(row.id, place)
        {
            self.change(before, |row| row.is_replaced = true);
        }
        place
    }

    pub fn set_label(&mut self, place: Place, label: RowLabel) {
        self.change(place, |row| {
            if let Some(joined) = &mut row.joined {
                joined.label = Some(label);
            }
        });
    }

    fn change(&mut self, place: Place, change: impl FnOnce(&mut Row)) {
        let Some(bucket) = self.buckets.get_mut(&place.bucket) else { return };
        if let Some(row) = bucket.rows.get_mut(place.row as usize) {
            change(row);
            bucket.touch(place.row as usize);
            self.dirty.insert(place.bucket);
        }
    }

    /// The window is final: only its ids are still of use. Nothing needs to be stored for that.
    pub fn release(&mut self, bucket: EventTime) {
        if let Some(bucket) = self.buckets.get_mut(&bucket) {
            bucket.rows.iter_mut().for_each(|row| row.joined = None);
        }
    }

    /// The oldest window that has rows.
    pub fn oldest(&self) -> Option<EventTime> {
        self.buckets.first_key_value().map(|(start, _)| *start)
    }

    /// Forgets a window's rows. Returns how many there were, and how many blocks the store may have.
    pub fn forget(&mut self, start: EventTime) -> (usize, u32) {
        let Some(bucket) = self.buckets.remove(&start) else { return (0, 0) };
        self.dirty.remove(&start);
        for row in bucket.rows.iter().filter(|row| !row.is_replaced) {
            self.places.remove(&row.id);
        }
        self.rows -= bucket.rows.len();
        (bucket.rows.len(), bucket.stored)
    }

    /// Calls `put` with (window, block number, rows, segments) of each block that the store lacks; afterwards it has all.
    pub fn store_blocks(&mut self, mut put: impl FnMut(EventTime, u32, &[Row], &[u16])) {
        for start in std::mem::take(&mut self.dirty) {
            let Some(bucket) = self.buckets.get_mut(&start) else { continue };
            for block in std::mem::take(&mut bucket.dirty) {
                let from = block as usize * BLOCK_ROWS;
                let to = (from + BLOCK_ROWS).min(bucket.rows.len());
                let rows = bucket.rows.get(from..to).unwrap_or_default();
                let segments = bucket.segments.get(from * self.width..to * self.width).unwrap_or_default();
                put(start, block, rows, segments);
                bucket.stored = bucket.stored.max(block + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u128) -> Row {
        let joined = Some(Joined { version: 0, score: Some(0.5), predicted: None, label: None });
        Row { id, time: EventTime::from_micros(1), joined, is_replaced: false }
    }

    #[test]
    fn only_changed_blocks_are_stored() {
        let mut join = Join::new(1);
        let window = EventTime::from_micros(0);
        let places: Vec<_> = (0..3_000).map(|id| join.add(window, row(id), &[id as u16], false)).collect();
        let blocks = |join: &mut Join| {
            let mut blocks = Vec::new();
            join.store_blocks(|_, block, rows, segments| blocks.push((block, rows.len(), segments.len())));
            blocks
        };
        assert_eq!(blocks(&mut join), [(0, 1_024, 1_024), (1, 1_024, 1_024), (2, 952, 952)]);
        assert_eq!(blocks(&mut join), []);
        join.set_label(places[1_500], RowLabel { time: window, offset: 1, value: Some(true) });
        assert_eq!(blocks(&mut join), [(1, 1_024, 1_024)]);
        assert_eq!(join.segments(places[2_000]), [2_000]);
        assert_eq!((join.find(7), join.forget(window), join.find(7)), (Some(places[7]), (3_000, 3), None));
        assert_eq!(join.len(), 0);
    }

    #[test]
    fn an_id_used_again_finds_the_newer_row() {
        let mut join = Join::new(0);
        let first = join.add(EventTime::from_micros(0), row(5), &[], false);
        let second = join.add(EventTime::from_micros(100), row(5), &[], false);
        assert_eq!(join.find(5), Some(second));
        assert!(join.row(first).unwrap().is_replaced);
        join.forget(EventTime::from_micros(0));
        assert_eq!(join.find(5), Some(second));
    }
}
