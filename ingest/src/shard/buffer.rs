//! Accepted rows, gathered until there are enough for a step by columns.
//!
//! A batch is used twice: its rows go into the profiles of their windows, and it is the history's record batch. Columns of
//! the history: `event_id`, `time` (UTC, microseconds), then for predictions `version`, `score`, `prediction`, `latency`
//! (seconds), `error`, `late`, `offset`, where the contract has `shadow` also `shadow_version` and `shadow_score` (null where
//! no other version scored), and the schema's columns, for labels `label` and `offset`. A feature with the name of one of
//! these keeps it, and the event's own column gets underscores in front.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, DictionaryArray, Float64Builder, Int64Array, Int64Builder,
    RecordBatch, StringArray, StringBuilder, StringDictionaryBuilder, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use contract::model::{ColumnKind, Privacy};
use contract::{Contract, EventTime};

use crate::decode::Scalar;
use crate::decode::label::{Label, LabelDecoder};
use crate::decode::prediction::{Prediction, PredictionDecoder, hashed};
use crate::{Kind, Result};

use super::Rows;

/// Builds one column of the schema.
enum ColumnBuilder {
    Float(Float64Builder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Text(StringDictionaryBuilder<Int32Type>),
}

impl ColumnBuilder {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Float64 => Self::Float(Float64Builder::new()),
            ColumnKind::Int64 => Self::Integer(Int64Builder::new()),
            ColumnKind::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnKind::String => Self::Text(StringDictionaryBuilder::new()),
        }
    }

    /// The decoder has checked the type; anything else is a null.
    fn append(&mut self, value: Scalar, decoder: &PredictionDecoder) {
        match (self, value) {
            (Self::Float(builder), Scalar::Float(value)) => builder.append_value(value),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Integer(builder), Scalar::Integer(value)) => builder.append_value(value),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Scalar::Boolean(value)) => builder.append_value(value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Text(builder), value) => builder.append_option(decoder.text(value)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

/// What another version would have given. It is in no profile.
#[derive(Default)]
struct ShadowBuilder {
    versions: StringDictionaryBuilder<Int32Type>,
    scores: Float64Builder,
}

/// Whose profile a row belongs to: window and number of the version.
pub(crate) type CellKey = (EventTime, u16);

/// Predictions that are in no profile yet.
pub(crate) struct PredictionBuffer {
    contract: Arc<Contract>,
    columns: Vec<ColumnBuilder>,
    event_ids: StringBuilder,
    times: Vec<i64>,
    versions: StringDictionaryBuilder<Int32Type>,
    scores: Float64Builder,
    classes: StringDictionaryBuilder<Int32Type>,
    latencies: Float64Builder,
    errors: Vec<bool>,
    offsets: Vec<i64>,
    /// Where the contract says where it is.
    shadow: Option<ShadowBuilder>,
    /// None: late, in the history alone.
    cells: Vec<Option<CellKey>>,
    /// Numbers of the segments of each row.
    segments: Vec<u16>,
}

impl PredictionBuffer {
    pub fn new(contract: Arc<Contract>) -> Self {
        let columns = contract.schema.iter().map(|column| ColumnBuilder::new(column.kind)).collect();
        let shadow = contract.fields.predictions.shadow.as_ref().map(|_| ShadowBuilder::default());
        Self {
            contract,
            columns,
            event_ids: StringBuilder::new(),
            times: Vec::new(),
            versions: StringDictionaryBuilder::new(),
            scores: Float64Builder::new(),
            classes: StringDictionaryBuilder::new(),
            latencies: Float64Builder::new(),
            errors: Vec::new(),
            offsets: Vec::new(),
            shadow,
            cells: Vec::new(),
            segments: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn append(
        &mut self,
        decoder: &PredictionDecoder,
        prediction: &Prediction,
        offset: i64,
        cell: Option<CellKey>,
        segments: &[u16],
    ) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.append(decoder.feature(index), decoder);
        }
        self.event_ids.append_value(decoder.event_id());
        self.times.push(prediction.time.micros());
        self.versions.append_value(decoder.version());
        self.scores.append_option(prediction.score);
        self.classes.append_option(decoder.class());
        self.latencies.append_option(prediction.latency);
        self.errors.push(prediction.is_error);
        self.offsets.push(offset);
        if let Some(shadow) = &mut self.shadow {
            shadow.versions.append_option(decoder.shadow_version());
            shadow.scores.append_option(prediction.shadow_score);
        }
        self.cells.push(cell);
        self.segments.extend_from_slice(segments);
    }

    /// Takes all rows out.
    pub fn finish(&mut self) -> Batch {
        Batch {
            features: self.columns.iter_mut().map(ColumnBuilder::finish).collect(),
            event_ids: self.event_ids.finish(),
            times: std::mem::take(&mut self.times),
            versions: self.versions.finish(),
            scores: Arc::new(self.scores.finish()),
            classes: Arc::new(self.classes.finish()),
            latencies: Arc::new(self.latencies.finish()),
            errors: std::mem::take(&mut self.errors),
            offsets: std::mem::take(&mut self.offsets),
            shadow: self
                .shadow
                .as_mut()
                .map(|shadow| (shadow.versions.finish(), Arc::new(shadow.scores.finish()) as _)),
            cells: std::mem::take(&mut self.cells),
            segments: std::mem::take(&mut self.segments),
            width: self.contract.segments.len(),
        }
    }
}

/// Predictions by columns.
pub(crate) struct Batch {
    features: Vec<ArrayRef>,
    event_ids: StringArray,
    times: Vec<i64>,
    versions: DictionaryArray<Int32Type>,
    scores: ArrayRef,
    classes: ArrayRef,
    latencies: ArrayRef,
    errors: Vec<bool>,
    offsets: Vec<i64>,
    shadow: Option<(DictionaryArray<Int32Type>, ArrayRef)>,
    cells: Vec<Option<CellKey>>,
    segments: Vec<u16>,
    width: usize,
}

/// The rows of one cell.
pub(crate) struct CellRows {
    pub features: Vec<ArrayRef>,
    pub outputs: Outputs,
    pub latencies: ArrayRef,
    pub errors: u64,
    /// (number of the segment, its rows' outputs).
    pub segments: Vec<(u16, Outputs)>,
}

/// What the model put out.
pub(crate) struct Outputs {
    pub rows: u64,
    pub scores: ArrayRef,
    pub classes: ArrayRef,
}

impl Batch {
    /// The rows of each cell that has any, in order of the cells.
    pub fn by_cell(&self) -> Result<Vec<(CellKey, CellRows)>> {
        let mut cells: BTreeMap<CellKey, Vec<u32>> = BTreeMap::new();
        let mut run: Option<(CellKey, Vec<u32>)> = None;
        for (row, cell) in self.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            match &mut run {
                Some((key, rows)) if key == cell => rows.push(row as u32),
                _ => {
                    if let Some((key, rows)) = run.replace((*cell, vec![row as u32])) {
                        cells.entry(key).or_default().extend(rows);
                    }
                }
            }
        }
        if let Some((key, rows)) = run {
            cells.entry(key).or_default().extend(rows);
        }
        cells.into_iter().map(|(key, rows)| Ok((key, self.cell_rows(&rows)?))).collect()
    }

    fn cell_rows(&self, rows: &[u32]) -> Result<CellRows> {
        let outputs = self.outputs(rows)?;
        let errors = rows.iter().filter(|row| self.errors.get(**row as usize) == Some(&true)).count() as u64;
        let features = self.features.iter().map(|column| select(column, rows)).collect::<Result<_>>()?;
        let mut segments: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for row in rows {
            let start = *row as usize * self.width;
            for segment in self.segments.get(start..start + self.width).unwrap_or_default() {
                if *segment != super::join::NO_SEGMENT {
                    segments.entry(*segment).or_default().push(*row);
                }
            }
        }
        let segments = segments.into_iter().map(|(segment, rows)| Ok((segment, self.outputs(&rows)?)));
        let segments = segments.collect::<Result<_>>()?;
        Ok(CellRows { features, outputs, latencies: select(&self.latencies, rows)?, errors, segments })
    }

    fn outputs(&self, rows: &[u32]) -> Result<Outputs> {
        let (scores, classes) = (select(&self.scores, rows)?, select(&self.classes, rows)?);
        Ok(Outputs { rows: rows.len() as u64, scores, classes })
    }

    /// The history's rows, the event's own columns first ([`VERSION_COLUMN`], [`LATENCY_COLUMN`]); None if there are
    /// none. Columns that must not be kept are left out or hashed.
    pub fn into_history(self, contract: &Contract) -> Result<Option<Rows>> {
        let late: BooleanArray = self.cells.iter().map(|cell| Some(cell.is_none())).collect();
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("event_id".to_owned(), Arc::new(self.event_ids)),
            ("time".to_owned(), utc(&self.times)),
            ("version".to_owned(), Arc::new(self.versions)),
            ("score".to_owned(), self.scores),
            ("prediction".to_owned(), self.classes),
            ("latency".to_owned(), self.latencies),
            ("error".to_owned(), Arc::new(BooleanArray::from(self.errors))),
            ("late".to_owned(), Arc::new(late)),
            ("offset".to_owned(), Arc::new(Int64Array::from(self.offsets.clone()))),
        ];
        if let Some((versions, scores)) = self.shadow {
            columns.push(("shadow_version".to_owned(), Arc::new(versions)));
            columns.push(("shadow_score".to_owned(), scores));
        }
        for (name, _) in &mut columns {
            while contract.column(name).is_some() {
                name.insert(0, '_');
            }
        }
        for (column, array) in contract.schema.iter().zip(self.features) {
            match (column.privacy, column.kind) {
                (Privacy::Drop, _) => {}
                // Texts were hashed when they were decoded.
                (Privacy::Keep, _) | (Privacy::Hash, ColumnKind::String) => columns.push((column.name.clone(), array)),
                (Privacy::Hash, _) => columns.push((column.name.clone(), hash_values(&array)?)),
            }
        }
        rows(Kind::Prediction, columns, &self.times, &self.offsets)
    }
}

/// Where a prediction's version and latency stand in [`Rows`]: by place, since a feature may have either name.
pub(crate) const VERSION_COLUMN: usize = 2;
pub(crate) const LATENCY_COLUMN: usize = 5;

/// The rows of an array; without a copy where they are neighbours.
fn select(array: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(array.slice(0, 0)) };
    if (last - first) as usize + 1 == rows.len() {
        return Ok(array.slice(*first as usize, rows.len()));
    }
    Ok(take(array, &UInt32Array::from(rows.to_vec()), None)?)
}

fn hash_values(array: &ArrayRef) -> Result<ArrayRef> {
    let format = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())?;
    let hash = |row: usize| array.is_valid(row).then(|| hashed(&format.value(row).to_string()));
    Ok(Arc::new((0..array.len()).map(hash).collect::<StringArray>()))
}

fn utc(micros: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC"))
}

fn rows(kind: Kind, columns: Vec<(String, ArrayRef)>, times: &[i64], offsets: &[i64]) -> Result<Option<Rows>> {
    let ends = (times.iter().min(), times.iter().max(), offsets.first(), offsets.last());
    let (Some(min_time), Some(max_time), Some(first_offset), Some(last_offset)) = ends else { return Ok(None) };
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())?;
    Ok(Some(Rows {
        kind,
        batch,
        first_offset: *first_offset,
        last_offset: *last_offset,
        min_time: EventTime::from_micros(*min_time),
        max_time: EventTime::from_micros(*max_time),
    }))
}

/// Labels for the history.
#[derive(Debug, Default)]
pub(crate) struct LabelBuffer {
    event_ids: StringBuilder,
    times: Vec<i64>,
    labels: BooleanBuilder,
    offsets: Vec<i64>,
}

impl LabelBuffer {
    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn append(&mut self, decoder: &LabelDecoder, label: &Label, offset: i64) {
        self.event_ids.append_value(decoder.event_id());
        self.times.push(label.time.micros());
        self.labels.append_option(label.value);
        self.offsets.push(offset);
    }

    /// Takes all rows out.
    pub fn finish(&mut self) -> Result<Option<Rows>> {
        let (times, offsets) = (std::mem::take(&mut self.times), std::mem::take(&mut self.offsets));
        let columns: Vec<(String, ArrayRef)> = vec![
            ("event_id".to_owned(), Arc::new(self.event_ids.finish())),
            ("time".to_owned(), utc(&times)),
            ("label".to_owned(), Arc::new(self.labels.finish())),
            ("offset".to_owned(), Arc::new(Int64Array::from(offsets.clone()))),
        ];
        rows(Kind::Label, columns, &times, &offsets)
    }
}
