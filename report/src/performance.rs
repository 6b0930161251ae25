//! Performance of both data sets, where both have a `score` in [0, 1] and a boolean or 0/1 `label`.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{ident, try_cast};
use detectors::judge::performance::{METRICS, metric};
use detectors::profile::PerformanceProfile;
use futures::TryStreamExt;
use serde::Serialize;

use crate::error::{Error, Result};

/// Without a column `prediction`, a score from here on counts as the class 1.
const THRESHOLD: f64 = 0.5;

/// Figures by scikit-learn's names; empty where there is nothing to compute them from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Performance {
    pub reference: BTreeMap<&'static str, f64>,
    pub current: BTreeMap<&'static str, f64>,
}

pub async fn compare(reference: (&Path, DataFrame), current: (&Path, DataFrame)) -> Result<Performance> {
    Ok(Performance {
        reference: figures(reference.0, reference.1).await?,
        current: figures(current.0, current.1).await?,
    })
}

async fn figures(path: &Path, data: DataFrame) -> Result<BTreeMap<&'static str, f64>> {
    let has = |name: &str| data.schema().as_arrow().column_with_name(name).is_some();
    if !(has("score") && has("label")) {
        return Ok(BTreeMap::new());
    }
    let failed = |source| Error::Profile { path: path.to_owned(), source: Box::new(source) };
    let columns = ["score", "label", "prediction"].into_iter().filter(|name| has(name));
    let numbers: Vec<_> = columns.map(|name| try_cast(ident(name), DataType::Float64).alias(name)).collect();
    let mut batches = data.select(numbers).map_err(failed)?.execute_stream().await.map_err(failed)?;
    let mut profile = PerformanceProfile::default();
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        if !add(&mut profile, &batch) {
            return Ok(BTreeMap::new());
        }
    }
    Ok(METRICS.iter().filter_map(|name| Some((*name, metric(&profile, name).value()?))).collect())
}

/// False: these are no probabilities, or no two classes.
fn add(profile: &mut PerformanceProfile, batch: &RecordBatch) -> bool {
    let column = |name: &str| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>());
    let (Some(scores), Some(labels)) = (column("score"), column("label")) else { return true };
    let mut classes = column("prediction").map(PrimitiveArray::iter);
    for (score, label) in scores.iter().zip(labels.iter()) {
        let class = classes.as_mut().and_then(|classes| classes.next().flatten());
        let (Some(score), Some(label)) = (score, label) else { continue };
        if !(0.0..=1.0).contains(&score) {
            return false;
        }
        let Some(is_positive) = binary(label) else { return false };
        let predicted = class.and_then(binary).unwrap_or(score >= THRESHOLD);
        profile.add_prediction();
        profile.add(score, Some(predicted), is_positive, 0);
    }
    true
}

fn binary(class: f64) -> Option<bool> {
    match class {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    }
}
