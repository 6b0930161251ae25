//! The scores that a trainer leaves beside its model: `event_id` and `score`, as Parquet or CSV.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use xxhash_rust::xxh3::xxh3_128;

use crate::world::{Outcome, Trouble};

const EVENT_ID: &str = "event_id";
const SCORE: &str = "score";

/// Scores by event.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// By [`key`]; None is no number in [0, 1].
    by_event: HashMap<u128, Option<f64>>,
    /// Rows whose event is there already.
    pub repeated: u64,
}

/// An event id, in 16 bytes.
pub(super) fn key(event_id: &str) -> u128 {
    xxh3_128(event_id.as_bytes())
}

impl Scores {
    /// Reads the first of these files that is there; None if there is none. Files with more than `limit` rows are refused.
    pub fn read(folder: &Path, names: [&str; 2], limit: u64) -> Outcome<Option<Self>> {
        let paths = names.map(|name| folder.join(name));
        let Some(path) = paths.iter().find(|path| path.is_file()) else { return Ok(None) };
        let mut scores = Self::default();
        let is_csv = path.extension().is_some_and(|extension| extension == "csv");
        let read = if is_csv { scores.read_csv(path, limit) } else { scores.read_parquet(path, limit) };
        read.map_err(|detail| Trouble::Lasting(format!("{} can't be used: {detail}", path.display())))?;
        Ok(Some(scores))
    }

    /// The event's score, if it has one.
    pub fn of(&self, event_id: &str) -> Option<f64> {
        self.by_event.get(&key(event_id)).copied().flatten()
    }

    pub fn has(&self, event_id: &str) -> bool {
        self.by_event.contains_key(&key(event_id))
    }

    /// Events.
    pub fn len(&self) -> u64 {
        self.by_event.len() as u64
    }

    fn add(&mut self, event_id: &str, score: Option<f64>, limit: u64) -> Result<(), String> {
        match self.by_event.entry(key(event_id)) {
            Entry::Occupied(_) => self.repeated += 1,
            Entry::Vacant(entry) => {
                entry.insert(score.filter(|score| (0.0..=1.0).contains(score)));
            }
        }
        if self.len() + self.repeated > limit {
            return Err(format!("it has more than {limit} rows"));
        }
        Ok(())
    }

    fn read_parquet(&mut self, path: &Path, limit: u64) -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), [EVENT_ID, SCORE]);
        let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
        for batch in reader {
            let batch = batch.map_err(|error| error.to_string())?;
            let column = |name: &str, kind: &DataType| {
                let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
                cast(column, kind).map_err(|error| error.to_string())
            };
            let (ids, scores) = (column(EVENT_ID, &DataType::Utf8)?, column(SCORE, &DataType::Float64)?);
            for (id, score) in ids.as_string::<i32>().iter().zip(scores.as_primitive::<Float64Type>()) {
                self.add(id.ok_or("a row has no event_id")?, score, limit)?;
            }
        }
        Ok(())
    }

    fn read_csv(&mut self, path: &Path, limit: u64) -> Result<(), String> {
        let mut reader = csv::Reader::from_path(path).map_err(|error| error.to_string())?;
        let headers = reader.headers().map_err(|error| error.to_string())?.clone();
        let place = |name: &str| {
            headers.iter().position(|header| header == name).ok_or_else(|| format!("it has no column `{name}`"))
        };
        let (id, score) = (place(EVENT_ID)?, place(SCORE)?);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| error.to_string())? {
            let event_id = record.get(id).ok_or("a row has no event_id")?;
            self.add(event_id, record.get(score).and_then(|text| text.trim().parse().ok()), limit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["scores.parquet", "scores.csv"];

    #[test]
    fn scores_that_are_no_probabilities_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Scores::read(folder.path(), NAMES, 9).unwrap().is_none());
        let text = "score,event_id\n0.5,a\nNaN,b\n1.5,c\n,d\n1,0012\n0.1,a\n";
        std::fs::write(folder.path().join("scores.csv"), text).unwrap();
        let scores = Scores::read(folder.path(), NAMES, 6).unwrap().unwrap();
        assert_eq!((scores.of("a"), scores.of("0012")), (Some(0.5), Some(1.0)));
        for event in ["b", "c", "d"] {
            assert!(scores.has(event) && scores.of(event).is_none(), "{event}");
        }
        assert_eq!((scores.len(), scores.repeated, scores.has("12")), (5, 1, false));
        let trouble = Scores::read(folder.path(), NAMES, 5).unwrap_err();
        assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains("more than 5 rows")), "{trouble}");
        std::fs::write(folder.path().join("scores.csv"), "id,score\n").unwrap();
        assert!(Scores::read(folder.path(), NAMES, 9).unwrap_err().to_string().contains("no column `event_id`"));
    }
}
