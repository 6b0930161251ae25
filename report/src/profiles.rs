//! Profiles of the columns of one data set, in one pass, by DataFusion aggregates.

use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result as DataFusionResult;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ExprFunctionExt, cast, ident, lit, try_cast};
use detectors::aggregates::{categorical_profile, numeric_profile, numeric_profile_in_range};
use detectors::profile::{CategoricalProfile, ColumnProfile, NumericProfile};
use ingest::dataset::declared;

use crate::columns::{Column, Kind};
use crate::error::{Error, Result};

/// The profiles of a data set, in the order of the columns; `None` for columns that aren't compared or aren't there.
pub struct Profiles {
    pub rows: u64,
    pub columns: Vec<Option<ColumnProfile>>,
}

/// Profiles `columns`; `is_here` says which of them the data set has.
pub async fn profile(
    path: &Path,
    data: DataFrame,
    columns: &[Column],
    is_here: impl Fn(&Column) -> bool,
) -> Result<Profiles> {
    let failed = |source| Error::Profile { path: path.to_owned(), source: Box::new(source) };
    let mut expressions = vec![count(lit(1)).alias("rows")];
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| is_here(column) && column.is_compared()) {
        let is_numeric =
            data.schema().as_arrow().field_with_name(&column.name).is_ok_and(|f| f.data_type().is_numeric());
        expressions.extend(aggregates(index, column, is_numeric).map_err(failed)?);
    }
    let batches = data.aggregate(vec![], expressions).map_err(failed)?.collect().await.map_err(failed)?;
    let Some(batch) = batches.first() else {
        return Ok(Profiles { rows: 0, columns: vec![None; columns.len()] });
    };
    let integer = |name: &str| {
        let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
        (!column.is_empty()).then(|| column.value(0) as u64)
    };
    let mut profiles = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let bytes = batch.column_by_name(&format!("profile_{index}")).and_then(|array| array.as_binary_opt::<i32>());
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty() && !bytes.is_null(0)).map(|bytes| bytes.value(0))
        else {
            profiles.push(None);
            continue;
        };
        let mistyped = integer(&format!("present_{index}"))
            .zip(integer(&format!("typed_{index}")))
            .map_or(0, |(present, typed)| present.saturating_sub(typed));
        profiles.push(Some(decode(column, bytes, mistyped)?));
    }
    Ok(Profiles { rows: integer("rows").unwrap_or(0), columns: profiles })
}

/// Values that can't be read in the type that is compared are mistyped, not missing. Without a contract that can happen to
/// numbers alone: anything has a text.
fn aggregates(index: usize, column: &Column, is_numeric: bool) -> DataFusionResult<Vec<Expr>> {
    let value = ident(&column.name);
    let typed = match (column.declared, column.kind) {
        (Some(kind), _) => declared(value.clone(), kind),
        (None, Kind::Numeric) => try_cast(value.clone(), DataType::Float64),
        (None, _) => cast(value.clone(), DataType::Utf8),
    };
    let profile = match (column.kind, column.range) {
        (Kind::Numeric, Some(range)) => numeric_profile_in_range(cast(typed.clone(), DataType::Float64), range),
        (Kind::Numeric, None) => numeric_profile(cast(typed.clone(), DataType::Float64)),
        _ => categorical_profile(typed.clone()),
    };
    let can_be_mistyped = column.declared.is_some() || (column.kind == Kind::Numeric && !is_numeric);
    if !can_be_mistyped {
        return Ok(vec![profile.alias(format!("profile_{index}"))]);
    }
    let is_readable = value.clone().is_null().or(typed.clone().is_not_null());
    Ok(vec![
        profile.filter(is_readable).build()?.alias(format!("profile_{index}")),
        count(value).alias(format!("present_{index}")),
        count(typed).alias(format!("typed_{index}")),
    ])
}

fn decode(column: &Column, bytes: &[u8], mistyped: u64) -> Result<ColumnProfile> {
    let failed = |error: detectors::Error| Error::Decode { column: column.name.clone(), detail: error.to_string() };
    let mut profile = match column.kind {
        Kind::Numeric => ColumnProfile::Numeric(NumericProfile::from_bytes(bytes).map_err(failed)?),
        _ => ColumnProfile::Categorical(CategoricalProfile::from_bytes(bytes).map_err(failed)?),
    };
    profile.add_mistyped(mistyped);
    Ok(profile)
}
