//! The windows of a data file: the cells that the stream would have made of the same rows.
//!
//! Columns: `time`, the schema's columns, and optionally `version`, `score`, `prediction`, `latency` (seconds), `error`,
//! `late` and `label` (0, 1 or boolean), called as in the history (see [`crate::history`]): a feature with the name of one
//! of these keeps it, and the event's own column has underscores in front.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::DataType;
use contract::model::{ColumnKind, Privacy, Task};
use contract::{Contract, EventTime, Window};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ident};
use detectors::profile::WindowProfile;
use futures::StreamExt;

use super::{read_with, typed};
use crate::decode::prediction::hashed;
use crate::error::{Error, Result};
use crate::publication::WindowCell;
use crate::shard::Limits;
use crate::shard::limits::{OTHER, SEGMENT_VALUE_BYTES};
use crate::shard::windows::segment_name;

/// The event's own columns.
const OWN: [&str; 8] = ["time", "version", "score", "prediction", "latency", "error", "late", "label"];

/// All windows of a file or folder in order, each with the cells of its versions and their segments.
///
/// Rows without a valid time, rows that came too late for their window and rows with a value of a wrong type are in no
/// profile, as in the stream; the last are counted as mistyped in their columns. Of more than [`Limits::windows`] windows
/// the newest are kept.
///
/// Errors: those of [`super::read`], and [`Error::Format`] without a column of times.
pub async fn window_profiles(path: &Path, contract: &Contract) -> Result<Vec<(Window, Vec<WindowCell>)>> {
    let failed = |detail: String| Error::Format { path: path.to_owned(), detail };
    let mut texts = super::text_columns(contract);
    texts.insert(own_name(contract, "version"));
    let data = read_with(path, &texts).await?;
    let data = needed(data, contract).map_err(|error| failed(error.to_string()))?;
    let time = own_name(contract, "time");
    if data.schema().as_arrow().column_with_name(&time).is_none() {
        return Err(failed(format!("it has no column `{time}`: windows need the time of every row")));
    }
    let mut windows = Windows::new(contract);
    let mut batches = data.execute_stream().await.map_err(|error| failed(error.to_string()))?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| failed(super::first_line(&error.to_string())))?;
        windows.add(&batch).map_err(|problem| match problem {
            Problem::TimeType(found) => failed(format!("column `{time}` is {found}, not a timestamp or RFC 3339 text")),
            Problem::Other(error) => error,
        })?;
    }
    let untimed = windows.untimed;
    if untimed > 0 {
        tracing::warn!(path = %path.display(), untimed, "rows without a valid time were left out");
    }
    Ok(windows.finish())
}

/// What the history calls a column of the event's own.
pub fn own_name(contract: &Contract, name: &str) -> String {
    let mut name = name.to_owned();
    while contract.column(&name).is_some() {
        name.insert(0, '_');
    }
    name
}

/// Only the columns that are used.
fn needed(data: DataFrame, contract: &Contract) -> datafusion::error::Result<DataFrame> {
    let own = OWN.map(|name| own_name(contract, name));
    let has = |name: &&String| data.schema().as_arrow().column_with_name(name).is_some();
    let names = contract.schema.iter().map(|column| &column.name).chain(&own).filter(has);
    let columns: Vec<Expr> = names.map(ident).collect();
    data.select(columns)
}

enum Problem {
    TimeType(DataType),
    Other(Error),
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// A row's cell: start of its window and its version.
type Key = (EventTime, String);

struct Windows<'a> {
    contract: &'a Contract,
    limits: Limits,
    cells: BTreeMap<EventTime, BTreeMap<(String, String), WindowProfile>>,
    untimed: u64,
}

/// A batch by its meaning.
struct Rows {
    columns: Vec<ArrayRef>,
    scores: Float64Array,
    classes: StringArray,
    latencies: Float64Array,
    errors: BooleanArray,
    labels: BooleanArray,
}

impl<'a> Windows<'a> {
    fn new(contract: &'a Contract) -> Self {
        Self { contract, limits: Limits::default(), cells: BTreeMap::new(), untimed: 0 }
    }

    fn own(&self, batch: &RecordBatch, name: &str) -> ArrayRef {
        let column = batch.column_by_name(&own_name(self.contract, name));
        column.cloned().unwrap_or_else(|| new_null_array(&DataType::Null, batch.num_rows()))
    }

    fn add(&mut self, batch: &RecordBatch) -> std::result::Result<(), Problem> {
        let unit = self.contract.fields.predictions.time.unit;
        let times = typed::times(&self.own(batch, "time"), unit)?.map_err(Problem::TimeType)?;
        let versions = typed::texts(&self.own(batch, "version"))?;
        let late = typed::booleans(&self.own(batch, "late"))?;
        let mut columns = Vec::with_capacity(self.contract.schema.len());
        let mut mistyped: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, column) in self.contract.schema.iter().enumerate() {
            let found = batch.column_by_name(&column.name).cloned();
            let found = found.unwrap_or_else(|| new_null_array(&DataType::Null, batch.num_rows()));
            let array = typed::column(&found, column.kind)?;
            for row in typed::lost_rows(&found, &array) {
                mistyped.entry(row).or_default().push(number);
            }
            let is_hashed = column.kind == ColumnKind::String && column.privacy != Privacy::Keep;
            columns.push(if is_hashed { hash(&array) } else { array });
        }
        let classes = typed::texts(&self.own(batch, "prediction"))?;
        let rows = Rows {
            columns,
            scores: typed::floats(&self.own(batch, "score"))?,
            classes: classes.as_string::<i32>().clone(),
            latencies: typed::floats(&self.own(batch, "latency"))?,
            errors: is_error(&self.own(batch, "error"))?,
            labels: typed::booleans(&self.own(batch, "label"))?,
        };
        let mut keys: HashMap<Key, Vec<u32>> = HashMap::new();
        for (row, time) in times.into_iter().enumerate() {
            let Some(time) =
                time.filter(|time| (EventTime::from_micros(0)..=crate::decode::event::LATEST).contains(time))
            else {
                self.untimed += 1;
                continue;
            };
            if late.is_valid(row) && late.value(row) {
                continue;
            }
            let start = Window::holding(time, self.contract.windows.size).start;
            let version = versions.as_string_opt::<i32>().filter(|v| v.is_valid(row)).map_or("", |v| v.value(row));
            let version = self.version(start, version);
            match mistyped.get(&row) {
                None => keys.entry((start, version)).or_default().push(row as u32),
                Some(columns) => self.count_mistyped(start, &version, columns),
            }
        }
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort();
        for ((start, version), selected) in keys {
            self.add_cells(start, &version, &rows, &selected)?;
        }
        while self.cells.len() > self.limits.windows {
            self.cells.pop_first();
        }
        Ok(())
    }

    /// The version's name, or that of those beyond the limit.
    fn version(&self, start: EventTime, version: &str) -> String {
        let Some(cells) = self.cells.get(&start) else { return version.to_owned() };
        let is_known = cells.contains_key(&(version.to_owned(), String::new()));
        let known = || cells.keys().filter(|(_, segment)| segment.is_empty()).count();
        if is_known || known() < self.limits.versions { version.to_owned() } else { OTHER.to_owned() }
    }

    fn whole(&mut self, start: EventTime, version: &str) -> &mut WindowProfile {
        let cells = self.cells.entry(start).or_default();
        let key = (version.to_owned(), String::new());
        cells.entry(key).or_insert_with(|| WindowProfile::for_contract(self.contract))
    }

    fn count_mistyped(&mut self, start: EventTime, version: &str, columns: &[usize]) {
        let profile = self.whole(start, version);
        for number in columns {
            if let Some(column) = profile.columns.get_mut(*number) {
                column.add_mistyped(1);
            }
        }
    }

    fn add_cells(&mut self, start: EventTime, version: &str, rows: &Rows, selected: &[u32]) -> Result<()> {
        let picked = UInt32Array::from(selected.to_vec());
        let contract = self.contract;
        let profile = self.whole(start, version);
        for (profile, array) in profile.columns.iter_mut().zip(&rows.columns) {
            profile.update(take(array, &picked, None)?.as_ref())?;
        }
        if contract.fields.predictions.latency.is_some() {
            profile.latency.update(take(&rows.latencies, &picked, None)?.as_ref())?;
        }
        profile.errors += selected.iter().filter(|row| rows.errors.value(**row as usize)).count() as u64;
        outputs(contract, profile, rows, selected)?;
        for segment in &contract.segments {
            let array = contract.column(&segment.column).and_then(|number| rows.columns.get(number));
            let Some(array) = array else { continue };
            let texts = typed::texts(array)?;
            let texts = texts.as_string::<i32>();
            let mut values: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
            for row in selected.iter().filter(|row| texts.is_valid(**row as usize)) {
                values.entry(texts.value(*row as usize)).or_default().push(*row);
            }
            for (value, selected) in values {
                let profile = self.segment(start, version, &segment.column, value);
                outputs(contract, profile, rows, &selected)?;
            }
        }
        Ok(())
    }

    /// The profile of one value of a segment's column, or of those beyond the limit.
    fn segment(&mut self, start: EventTime, version: &str, column: &str, value: &str) -> &mut WindowProfile {
        let cells = self.cells.entry(start).or_default();
        let key = |value: &str| (version.to_owned(), segment_name(column, value));
        let mut name = key(value);
        if !cells.contains_key(&name) {
            let prefix = segment_name(column, "");
            let known = cells.keys().filter(|(of, segment)| of == version && segment.starts_with(&prefix)).count();
            if known >= self.limits.segment_values || value.len() > SEGMENT_VALUE_BYTES {
                name = key(OTHER);
            }
        }
        cells.entry(name).or_insert_with(WindowProfile::for_segment)
    }

    fn finish(self) -> Vec<(Window, Vec<WindowCell>)> {
        let size = self.contract.windows.size;
        let cells = |cells: BTreeMap<(String, String), WindowProfile>| {
            let cell = |((version, segment), profile)| WindowCell { version, segment, profile };
            cells.into_iter().map(cell).collect()
        };
        self.cells.into_iter().map(|(start, of)| (Window::holding(start, size), cells(of))).collect()
    }
}

/// What the model put out, and how well it did, as far as the contract knows of it.
fn outputs(contract: &Contract, profile: &mut WindowProfile, rows: &Rows, selected: &[u32]) -> Result<()> {
    let (fields, picked) = (&contract.fields.predictions, UInt32Array::from(selected.to_vec()));
    profile.rows += selected.len() as u64;
    if fields.score.is_some() {
        profile.score.update(take(&rows.scores, &picked, None)?.as_ref())?;
    }
    if fields.prediction.is_some() {
        profile.prediction.update(take(&rows.classes, &picked, None)?.as_ref())?;
    }
    if contract.sources.labels.is_none() {
        return Ok(());
    }
    profile.performance.add_predictions(selected.len() as u64);
    if contract.task != Task::BinaryClassification {
        return Ok(());
    }
    for row in selected.iter().map(|row| *row as usize).filter(|row| rows.labels.is_valid(*row)) {
        let score = if rows.scores.is_valid(row) { rows.scores.value(row) } else { f64::NAN };
        let class = rows.classes.is_valid(row).then(|| rows.classes.value(row));
        let predicted = match class {
            Some("1") => Some(true),
            Some("0") => Some(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        profile.performance.add(score, predicted, rows.labels.value(row), 0);
    }
    Ok(())
}

/// Nothing, false, 0 and the empty text are no errors; anything else is one.
fn is_error(array: &ArrayRef) -> Result<BooleanArray> {
    let texts = typed::texts(array)?;
    let texts = texts.as_string::<i32>();
    Ok(texts.iter().map(|text| Some(text.is_some_and(|text| !matches!(text, "" | "0" | "false")))).collect())
}

/// Texts that must be kept nowhere. A history file holds their hashes already.
fn hash(array: &ArrayRef) -> ArrayRef {
    let is_hash =
        |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let hash = |text: &str| if is_hash(text) { text.to_owned() } else { hashed(text) };
    let texts = array.as_string::<i32>().iter().map(|text| text.map(hash));
    std::sync::Arc::new(texts.collect::<StringArray>())
}
