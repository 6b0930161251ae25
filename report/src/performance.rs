//! Performance of both data sets, where both have a `score` in [0, 1] and a boolean or 0/1 `label`.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{ident, try_cast};
use detectors::judge::performance::{METRICS, metric};
use detectors::profile::PerformanceProfile;
use futures::TryStreamExt;
use serde::Serialize;

use crate::compare::Pair;
use crate::error::{Error, Result};
use crate::types::{Class, type_name};

/// Without a column `prediction`, a score from here on counts as the class 1.
const THRESHOLD: f64 = 0.5;

/// Figures by scikit-learn's names; empty where there is nothing to compute them from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Performance {
    pub reference: BTreeMap<&'static str, f64>,
    pub current: BTreeMap<&'static str, f64>,
    /// Rows whose score is no probability or whose label is no class.
    pub skipped: Pair<u64>,
    /// Why a side has no figures, where either could have some.
    pub reasons: Pair<Option<String>>,
}

#[derive(Default)]
struct Side {
    figures: BTreeMap<&'static str, f64>,
    skipped: u64,
    reason: Option<String>,
    has_columns: bool,
}

pub async fn compare(reference: (&Path, DataFrame), current: (&Path, DataFrame)) -> Result<Performance> {
    let (mut before, mut now) = (side(reference.0, reference.1).await?, side(current.0, current.1).await?);
    if !before.has_columns && !now.has_columns {
        // Nobody expects figures.
        (before.reason, now.reason) = (None, None);
    }
    Ok(Performance {
        reference: before.figures,
        current: now.figures,
        skipped: Pair { reference: before.skipped, current: now.skipped },
        reasons: Pair { reference: before.reason, current: now.reason },
    })
}

/// Rows with a score and a label.
#[derive(Default)]
struct Rows {
    profile: PerformanceProfile,
    usable: u64,
    skipped: u64,
}

async fn side(path: &Path, data: DataFrame) -> Result<Side> {
    let schema = data.schema().as_arrow();
    let has_columns = ["score", "label"].iter().all(|name| schema.column_with_name(name).is_some());
    let reason = unusable(schema, "score").or_else(|| unusable(schema, "label"));
    if reason.is_some() {
        return Ok(Side { reason, has_columns, ..Side::default() });
    }
    let failed = |source| Error::Profile { path: path.to_owned(), source: Box::new(source) };
    let number = |name: &str| try_cast(ident(name), DataType::Float64).alias(name);
    let mut columns = vec![number("score"), number("label")];
    columns.extend(["score", "label"].map(|name| ident(name).is_not_null().alias(format!("has_{name}"))));
    if unusable(schema, "prediction").is_none() {
        columns.push(number("prediction"));
    }
    let mut batches = data.select(columns).map_err(failed)?.execute_stream().await.map_err(failed)?;
    let mut rows = Rows::default();
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        add(&mut rows, &batch);
    }
    let Rows { profile, usable, skipped } = rows;
    let reason = match usable {
        0 if skipped == 0 => Some("no row has both a score and a label".to_owned()),
        // Most of it being something else, this is no score or no label of a binary classifier.
        _ if usable == 0 || skipped > usable => Some(format!(
            "{skipped} of the {} rows with a score and a label are unusable: a score lies in [0, 1], a label is 0, 1 or a boolean",
            usable + skipped
        )),
        _ => None,
    };
    let figure = |name: &&'static str| Some((*name, metric(&profile, name).value()?));
    let figures = if reason.is_none() { METRICS.iter().filter_map(figure).collect() } else { BTreeMap::new() };
    Ok(Side { figures, skipped, reason, has_columns })
}

/// Why there are no numbers in a column.
fn unusable(schema: &Schema, name: &str) -> Option<String> {
    let Some((_, field)) = schema.column_with_name(name) else { return Some(format!("there is no column `{name}`")) };
    let is_readable = Class::of(field.data_type()).is_readable_as_number();
    (!is_readable).then(|| format!("the column `{name}` is {}", type_name(field.data_type())))
}

fn add(rows: &mut Rows, batch: &RecordBatch) {
    let column = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>());
    let is_there = |name: &str| batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
    let (Some(scores), Some(labels)) = (column("score"), column("label")) else { return };
    let (Some(has_score), Some(has_label)) = (is_there("has_score"), is_there("has_label")) else { return };
    let mut classes = column("prediction").map(PrimitiveArray::iter);
    for (row, (score, label)) in scores.iter().zip(labels.iter()).enumerate() {
        let class = classes.as_mut().and_then(|classes| classes.next().flatten());
        // A label that is NaN is how some programs write that there is none yet.
        if !has_score.value(row) || !has_label.value(row) || label.is_some_and(f64::is_nan) {
            continue;
        }
        let score = score.filter(|score| (0.0..=1.0).contains(score));
        let (Some(score), Some(is_positive)) = (score, label.and_then(binary)) else {
            rows.skipped += 1;
            continue;
        };
        let predicted = class.and_then(binary).unwrap_or(score >= THRESHOLD);
        rows.usable += 1;
        rows.profile.add_prediction();
        rows.profile.add(score, Some(predicted), is_positive, 0);
    }
}

fn binary(class: f64) -> Option<bool> {
    match class {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    }
}
