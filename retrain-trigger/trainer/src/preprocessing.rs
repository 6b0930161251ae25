//! From columns to what a network takes: numbers of a common size, and codes of categories.
//!
//! Everything is learnt from training rows, stored in `model.json`, and applied by the same code in training and in serving.
//!
//! | column | becomes |
//! |---|---|
//! | `float64`, `int64`, `boolean` (0 and 1) | (value - mean) / standard deviation, held within ±clip; a missing value is the median. Where training rows lacked values a second number says whether this one is missing (1) or not (0) |
//! | `string` | the code of its category. Rare and unseen ones are `other` (code 0); missing is a category of its own where it is common enough, else `other` |
//!
//! A number that isn't finite, or beyond 1e100, counts as missing. A column that was constant says nothing and becomes nothing.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use contract::model::ColumnKind;
use serde::{Deserialize, Serialize};

use crate::spec::column_kind;
use crate::{Column, Error, Result};

/// Sums of squares stay finite below.
const MAX_MAGNITUDE: f64 = 1e100;
/// Categories of a column; the rarest beyond are `other`.
const MAX_CATEGORIES: usize = 10_000;

/// How each column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Standard deviations.
    pub clip: f64,
    pub columns: Vec<Encoding>,
}

/// How one column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    pub name: String,
    #[serde(rename = "type", deserialize_with = "column_kind")]
    pub kind: ColumnKind,
    #[serde(flatten)]
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    Number(Number),
    Category(Category),
    /// Constant where there is a value: only whether one is missing (1) or not (0) says something.
    Presence,
    /// Constant, or without any value, in the training rows.
    Unused,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    pub mean: f64,
    /// Standard deviation, above 0.
    pub scale: f64,
    /// Median: what a missing value counts as.
    pub impute: f64,
    /// Whether a second number says that the value is missing.
    pub has_indicator: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// Sorted; the first has code 1.
    pub categories: Vec<String>,
    /// Training rows of each category.
    pub rows: Vec<u64>,
    /// Training rows that were `other`.
    pub other_rows: u64,
    /// Training rows that lacked a value, where that is a category of its own: the last code.
    pub missing_rows: Option<u64>,
}

impl Category {
    /// How many codes there are.
    pub fn codes(&self) -> usize {
        1 + self.categories.len() + usize::from(self.missing_rows.is_some())
    }

    fn code(&self, value: Option<&str>) -> i32 {
        let place = match value {
            Some(value) => {
                self.categories.binary_search_by(|category| category.as_str().cmp(value)).map_or(0, |at| at + 1)
            }
            None => self.missing_rows.map_or(0, |_| self.codes() - 1),
        };
        place as i32
    }
}

/// Rows as a network takes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    pub rows: usize,
    /// Row by row, [`Preprocessing::numbers`] each.
    pub numbers: Vec<f32>,
    /// Row by row, one for each of [`Preprocessing::tables`].
    pub codes: Vec<i32>,
}

impl Preprocessing {
    /// Learns from the rows that `keep` (one a row, over all batches) says true for.
    ///
    /// Errors: [`Error::Unlearnable`] when no column says anything.
    pub fn learn(
        batches: &[RecordBatch],
        columns: &[Column],
        keep: &[bool],
        minimum_category_rows: u64,
        clip: f64,
    ) -> Result<Self> {
        let mut encodings = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let arrays = kept(batches, index, keep)?;
            let role = if column.kind == ColumnKind::String {
                learn_category(&arrays, minimum_category_rows)?
            } else {
                learn_number(&arrays, column.kind)?
            };
            encodings.push(Encoding { name: column.name.clone(), kind: column.kind, role });
        }
        let preprocessing = Self { clip, columns: encodings };
        if preprocessing.numbers() == 0 && preprocessing.tables().next().is_none() {
            return Err(Error::Unlearnable(
                "every feature is constant, or has no value, in the training rows".to_owned(),
            ));
        }
        Ok(preprocessing)
    }

    /// Numbers a row.
    pub fn numbers(&self) -> usize {
        let width = |encoding: &Encoding| match &encoding.role {
            Role::Number(number) => 1 + usize::from(number.has_indicator),
            Role::Presence => 1,
            Role::Category(_) | Role::Unused => 0,
        };
        self.columns.iter().map(width).sum()
    }

    /// The categorical columns.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Category)> {
        self.columns.iter().filter_map(|encoding| match &encoding.role {
            Role::Category(category) => Some((encoding.name.as_str(), category)),
            Role::Number(_) | Role::Presence | Role::Unused => None,
        })
    }

    /// Encodes rows. Errors: [`Error::Input`] when the batch hasn't the columns of the model, in their order.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::Input(format!(
                "it has {} columns, and the model was trained on {}",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        let (width, tables, rows) = (self.numbers(), self.tables().count(), batch.num_rows());
        let mut encoded = Encoded { rows, numbers: vec![0.0; rows * width], codes: vec![0; rows * tables] };
        let (mut number_at, mut table_at) = (0, 0);
        for (encoding, array) in self.columns.iter().zip(batch.columns()) {
            match &encoding.role {
                Role::Unused => {}
                Role::Number(number) => {
                    let cells = encoded.numbers.get_mut(number_at..).unwrap_or_default();
                    self.encode_number(number, &numbers(array, encoding.kind)?, cells, width);
                    number_at += 1 + usize::from(number.has_indicator);
                }
                Role::Presence => {
                    let cells = encoded.numbers.get_mut(number_at..).unwrap_or_default();
                    for (cell, value) in cells.iter_mut().step_by(width).zip(numbers(array, encoding.kind)?) {
                        *cell = if value.is_none() { 1.0 } else { 0.0 };
                    }
                    number_at += 1;
                }
                Role::Category(category) => {
                    let cells = encoded.codes.get_mut(table_at..).unwrap_or_default();
                    for (cell, value) in cells.iter_mut().step_by(tables).zip(texts(array)?.iter()) {
                        *cell = category.code(value);
                    }
                    table_at += 1;
                }
            }
        }
        Ok(encoded)
    }

    /// `cells` begins at this column's number in the first row.
    fn encode_number(&self, number: &Number, values: &[Option<f64>], cells: &mut [f32], width: usize) {
        for (row, value) in values.iter().enumerate() {
            let scaled = (value.unwrap_or(number.impute) - number.mean) / number.scale;
            if let Some(cell) = cells.get_mut(row * width) {
                *cell = scaled.clamp(-self.clip, self.clip) as f32;
            }
            if number.has_indicator
                && let Some(cell) = cells.get_mut(row * width + 1)
            {
                *cell = if value.is_none() { 1.0 } else { 0.0 };
            }
        }
    }

    /// Whether a stored one can be applied: what [`Preprocessing::learn`] guarantees.
    pub fn check(&self) -> Result<(), String> {
        if !(self.clip.is_finite() && self.clip > 0.0) {
            return Err("its clip is no positive number".to_owned());
        }
        for encoding in &self.columns {
            let is_text = encoding.kind == ColumnKind::String;
            let is_sound = match &encoding.role {
                Role::Unused => true,
                Role::Presence => !is_text,
                Role::Number(number) => {
                    let finite = [number.mean, number.scale, number.impute].iter().all(|value| value.is_finite());
                    finite && number.scale > 0.0 && !is_text
                }
                Role::Category(category) => {
                    let known = category.categories.len();
                    is_text
                        && known <= MAX_CATEGORIES
                        && category.rows.len() == known
                        && category.categories.is_sorted_by(|one, next| one < next)
                }
            };
            if !is_sound {
                return Err(format!("the encoding of the column `{}` makes no sense", encoding.name));
            }
        }
        Ok(())
    }
}

/// One column's arrays beside which of their rows are kept.
fn kept<'a>(batches: &'a [RecordBatch], index: usize, keep: &'a [bool]) -> Result<Vec<(&'a ArrayRef, &'a [bool])>> {
    let mut rest = keep;
    let mut arrays = Vec::with_capacity(batches.len());
    for batch in batches {
        let (Some(array), Some((mine, others))) = (batch.columns().get(index), rest.split_at_checked(batch.num_rows()))
        else {
            return Err(Error::Input("rows and columns don't match".to_owned()));
        };
        arrays.push((array, mine));
        rest = others;
    }
    Ok(arrays)
}

fn learn_number(arrays: &[(&ArrayRef, &[bool])], kind: ColumnKind) -> Result<Role> {
    let (mut present, mut missing) = (Vec::new(), 0_u64);
    for (array, keep) in arrays {
        for (value, _) in numbers(array, kind)?.into_iter().zip(*keep).filter(|(_, keep)| **keep) {
            match value {
                Some(value) => present.push(value),
                None => missing += 1,
            }
        }
    }
    if present.is_empty() {
        return Ok(Role::Unused);
    }
    let count = present.len() as f64;
    let mean = present.iter().sum::<f64>() / count;
    let variance = present.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    let impute = median(&mut present);
    // Beside rounding: the deviation of many equal numbers isn't exactly 0.
    let is_constant = variance.sqrt() <= 1e-12 * mean.abs() || variance == 0.0;
    if is_constant {
        return Ok(if missing > 0 { Role::Presence } else { Role::Unused });
    }
    Ok(Role::Number(Number { mean, scale: variance.sqrt(), impute, has_indicator: missing > 0 }))
}

/// The lower one of two in the middle. Reorders.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len().saturating_sub(1) / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

fn learn_category(arrays: &[(&ArrayRef, &[bool])], minimum_rows: u64) -> Result<Role> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut missing = 0;
    for (array, keep) in arrays {
        for (value, _) in texts(array)?.iter().zip(*keep).filter(|(_, keep)| **keep) {
            match value {
                Some(value) => *counts.entry(value).or_default() += 1,
                None => missing += 1,
            }
        }
    }
    let total = counts.values().sum::<u64>();
    if counts.len() + usize::from(missing > 0) < 2 {
        return Ok(Role::Unused);
    }
    let mut common: Vec<(&str, u64)> = counts.into_iter().filter(|(_, rows)| *rows >= minimum_rows).collect();
    common.sort_unstable_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    common.truncate(MAX_CATEGORIES);
    common.sort_unstable();
    let missing_rows = (missing >= minimum_rows.max(1)).then_some(missing);
    let of_their_own = common.iter().map(|(_, rows)| rows).sum::<u64>() + missing_rows.unwrap_or(0);
    Ok(Role::Category(Category {
        categories: common.iter().map(|(value, _)| (*value).to_owned()).collect(),
        rows: common.iter().map(|(_, rows)| *rows).collect(),
        other_rows: total + missing - of_their_own,
        missing_rows,
    }))
}

/// None: missing, not finite, or absurdly large.
fn numbers(array: &ArrayRef, kind: ColumnKind) -> Result<Vec<Option<f64>>> {
    let wrong = || Error::Input(format!("a column is {}, and {kind:?} was expected", array.data_type()));
    let values: Vec<Option<f64>> = match kind {
        ColumnKind::Float64 => {
            let usable = |value: &f64| value.is_finite() && value.abs() <= MAX_MAGNITUDE;
            let values = array.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
            values.iter().map(|value| value.filter(usable)).collect()
        }
        ColumnKind::Int64 => {
            let values = array.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
            values.iter().map(|value| value.map(|value| value as f64)).collect()
        }
        ColumnKind::Boolean => {
            let values = array.as_boolean_opt().ok_or_else(wrong)?;
            values.iter().map(|value| value.map(|value| if value { 1.0 } else { 0.0 })).collect()
        }
        ColumnKind::String => return Err(wrong()),
    };
    Ok(values)
}

fn texts(array: &ArrayRef) -> Result<&arrow::array::StringArray> {
    array
        .as_string_opt()
        .ok_or_else(|| Error::Input(format!("a column is {}, and text was expected", array.data_type())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::data::schema;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column { name: name.to_owned(), kind }
    }

    fn learn_one(kind: ColumnKind, array: ArrayRef, minimum_rows: u64) -> Result<Preprocessing> {
        let columns = [column("a", kind)];
        let keep = vec![true; array.len()];
        let batch = RecordBatch::try_new(schema(&columns), vec![array]).unwrap();
        Preprocessing::learn(&[batch], &columns, &keep, minimum_rows, 3.0)
    }

    fn encode_one(preprocessing: &Preprocessing, array: ArrayRef) -> Encoded {
        let columns = [column("a", preprocessing.columns[0].kind)];
        preprocessing.encode(&RecordBatch::try_new(schema(&columns), vec![array]).unwrap()).unwrap()
    }

    fn floats(values: &[Option<f64>]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[test]
    fn numbers_are_scaled_clipped_and_filled_with_the_median() {
        let learnt = learn_one(ColumnKind::Float64, floats(&[Some(1.0), Some(2.0), Some(6.0), None]), 1).unwrap();
        let Role::Number(number) = &learnt.columns[0].role else { panic!("{learnt:?}") };
        assert_eq!((number.mean, number.impute, number.has_indicator), (3.0, 2.0, true));
        let far = [Some(3.0), None, Some(f64::NAN), Some(f64::NEG_INFINITY), Some(1e101), Some(1e99), Some(-1e99)];
        let encoded = encode_one(&learnt, floats(&far));
        let filled = ((2.0 - 3.0) / number.scale) as f32;
        let expected = [0.0, 0.0, filled, 1.0, filled, 1.0, filled, 1.0, filled, 1.0, 3.0, 0.0, -3.0, 0.0];
        assert_eq!(encoded.numbers, expected);
    }

    #[test]
    fn only_kept_rows_teach() {
        let columns = [column("a", ColumnKind::Int64)];
        let batch = |values: Vec<i64>| {
            RecordBatch::try_new(schema(&columns), vec![Arc::new(Int64Array::from(values)) as ArrayRef]).unwrap()
        };
        let batches = [batch(vec![1, 1000]), batch(vec![3, 2000])];
        let learnt = Preprocessing::learn(&batches, &columns, &[true, false, true, false], 1, 3.0).unwrap();
        let Role::Number(number) = &learnt.columns[0].role else { panic!("{learnt:?}") };
        assert_eq!((number.mean, number.scale, number.impute), (2.0, 1.0, 1.0));
        assert!(Preprocessing::learn(&batches, &columns, &[true], 1, 3.0).is_err(), "too few flags");
    }

    #[test]
    fn booleans_are_noughts_and_ones() {
        let values = BooleanArray::from(vec![Some(true), Some(false), Some(false), Some(true)]);
        let learnt = learn_one(ColumnKind::Boolean, Arc::new(values.clone()), 1).unwrap();
        assert_eq!(encode_one(&learnt, Arc::new(values)).numbers, [1.0, -1.0, -1.0, 1.0]);
    }

    #[test]
    fn rare_unseen_and_missing_texts_share_a_code() {
        let texts = StringArray::from(vec![Some("b"), Some("b"), Some("a"), Some("a"), Some("rare"), None]);
        let learnt = learn_one(ColumnKind::String, Arc::new(texts), 2).unwrap();
        let asked =
            || Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("rare"), Some("new"), None])) as ArrayRef;
        assert_eq!(encode_one(&learnt, asked()).codes, [1, 2, 0, 0, 0]);
        let Role::Category(category) = &learnt.columns[0].role else { panic!("{learnt:?}") };
        assert_eq!((category.other_rows, category.missing_rows), (2, None));
        // Common enough, missing is a category.
        let texts = StringArray::from(vec![Some("b"), Some("b"), None, None]);
        let learnt = learn_one(ColumnKind::String, Arc::new(texts), 2).unwrap();
        assert_eq!(encode_one(&learnt, asked()).codes, [0, 1, 0, 0, 2]);
    }

    #[test]
    fn what_says_nothing_is_not_used() {
        for values in [vec![Some(0.1); 1_000], vec![None; 3], vec![Some(f64::INFINITY); 2]] {
            let error = learn_one(ColumnKind::Float64, floats(&values), 1).unwrap_err();
            assert!(matches!(error, Error::Unlearnable(_)), "{error}");
        }
        // That a value is there may say something even when the value doesn't.
        let learnt = learn_one(ColumnKind::Float64, floats(&[Some(7.0), None]), 1).unwrap();
        assert_eq!(encode_one(&learnt, floats(&[Some(7.0), None, Some(9.0)])).numbers, [0.0, 1.0, 0.0]);
    }

    #[test]
    fn a_stored_one_is_the_same_and_nonsense_is_refused() {
        let texts = StringArray::from(vec![Some("b"), Some("a"), None]);
        let learnt = learn_one(ColumnKind::String, Arc::new(texts), 1).unwrap();
        let text = serde_json::to_string(&learnt).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), learnt);
        learnt.check().unwrap();
        let mut unsorted = learnt.clone();
        let Role::Category(category) = &mut unsorted.columns[0].role else { panic!("{learnt:?}") };
        category.categories.reverse();
        assert!(unsorted.check().unwrap_err().contains("`a`"));
        let mut widened = learnt;
        widened.clip = f64::INFINITY;
        assert!(widened.check().is_err());
    }

    #[test]
    fn other_columns_are_refused() {
        let learnt = learn_one(ColumnKind::Float64, floats(&[Some(1.0), Some(2.0)]), 1).unwrap();
        let columns = [column("a", ColumnKind::String)];
        let texts = Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
        let batch = RecordBatch::try_new(schema(&columns), vec![texts]).unwrap();
        assert!(matches!(learnt.encode(&batch), Err(Error::Input(_))));
        let none = RecordBatch::try_new(schema(&[]), vec![]);
        assert!(none.is_err() || learnt.encode(&none.unwrap()).is_err());
    }
}
