//! A version's performance baseline: rows with labels and the scores of models that hadn't seen them.
//!
//! Columns as in a contract's reference data: `time`, the features, `version`, `score`, `prediction` (1 from a score of 0.5 on,
//! else 0), `label` (1 or 0).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::join::{BATCH_ROWS, time_type};
use super::manifest::Selection;
use super::scores::Scores;
use super::split::DataWriter;
use super::{files, split};
use crate::world::{Outcome, Trouble};

/// From here on an event is predicted to be true.
const THRESHOLD: f64 = 0.5;

/// Where the labels of rows are.
pub(super) enum Labels<'a> {
    /// In the rows themselves.
    Own,
    /// Beside them, in the same order.
    Given(&'a [bool]),
}

/// Writes `rows` with their scores to `target`; rows without a score are left out. False, and nothing written, if none has one.
pub(super) fn write(
    rows: &Path,
    labels: &Labels<'_>,
    scores: &Scores,
    selection: &Selection,
    version: &str,
    target: &Path,
) -> Outcome<bool> {
    let unreadable = |detail: String| Trouble::Lasting(format!("{} can't be read: {detail}", rows.display()));
    let file = File::open(rows).map_err(|error| files::cannot_read(rows, &error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(|error| unreadable(error.to_string()))?;
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Trouble::Lasting(format!("{} is no file of a folder", target.display())));
    };
    let schema = Arc::new(schema(selection));
    let mut writer = DataWriter::begin(folder, schema.clone()).map_err(|error| split::trouble(target, &error))?;
    let (mut first, mut is_any) = (0, false);
    for batch in reader {
        let batch = batch.map_err(|error| unreadable(error.to_string()))?;
        let labels = match labels {
            Labels::Given(given) => given.iter().skip(first).take(batch.num_rows()).map(|label| Some(*label)).collect(),
            Labels::Own => {
                let own = batch.column_by_name(&selection.names.label).and_then(|labels| labels.as_boolean_opt());
                own.cloned().ok_or_else(|| unreadable("it has no labels".to_owned()))?
            }
        };
        first += batch.num_rows();
        let scored = scored(&batch, &labels, scores, selection, version, &schema);
        let scored = scored.map_err(|error| unreadable(error.to_string()))?;
        is_any |= scored.num_rows() > 0;
        writer.add(&scored, 0..scored.num_columns()).map_err(|error| split::trouble(target, &error))?;
    }
    if is_any {
        writer.finish(folder, &name.to_string_lossy())?;
    }
    Ok(is_any)
}

fn schema(selection: &Selection) -> Schema {
    let names = &selection.names;
    let mut fields = vec![Field::new(&names.time, time_type(), false)];
    fields.extend(selection.columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true)));
    fields.push(Field::new(&names.version, DataType::Utf8, false));
    fields.push(Field::new(&names.score, DataType::Float64, false));
    fields.push(Field::new(&names.prediction, DataType::Int64, false));
    fields.push(Field::new(&names.label, DataType::Int64, false));
    Schema::new(fields)
}

/// The rows of a batch that have a score.
fn scored(
    batch: &RecordBatch,
    labels: &BooleanArray,
    scores: &Scores,
    selection: &Selection,
    version: &str,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let names = &selection.names;
    let column = |name: &String| {
        batch.column_by_name(name).cloned().ok_or_else(|| ArrowError::SchemaError(format!("it has no column `{name}`")))
    };
    let ids = column(&names.event_id)?;
    let ids =
        ids.as_string_opt::<i32>().ok_or_else(|| ArrowError::SchemaError("its event ids are no text".to_owned()))?;
    let found: Vec<Option<f64>> = ids.iter().map(|id| scores.of(id?)).collect();
    let is_scored: BooleanArray = found.iter().map(|score| Some(score.is_some())).collect();
    let values: Vec<f64> = found.into_iter().map(Option::unwrap_or_default).collect();
    let predictions: Int64Array = values.iter().map(|score| Some(i64::from(*score >= THRESHOLD))).collect();
    let mut columns: Vec<ArrayRef> = vec![column(&names.time)?];
    for feature in &selection.columns {
        columns.push(column(&feature.name)?);
    }
    columns.push(Arc::new(StringArray::from(vec![version; values.len()])));
    columns.push(Arc::new(Float64Array::from(values)));
    columns.push(Arc::new(predictions));
    columns.push(Arc::new(labels.iter().map(|label| label.map(i64::from)).collect::<Int64Array>()));
    filter_record_batch(&RecordBatch::try_new(schema.clone(), columns)?, &is_scored)
}
