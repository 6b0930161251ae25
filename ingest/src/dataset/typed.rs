//! Columns of a data file in the types that a contract declares.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, new_null_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit as ArrowUnit, TimestampMicrosecondType};
use contract::EventTime;
use contract::model::{ColumnKind, TimeUnit};

use crate::error::Result;

/// Turns what can't be cast into nulls.
const SAFE: CastOptions<'static> =
    CastOptions { safe: true, format_options: arrow::util::display::FormatOptions::new() };

/// The declared type's array; values that have another type are null in it, though not in `array`.
pub fn column(array: &ArrayRef, kind: ColumnKind) -> Result<ArrayRef> {
    if !holds(array.data_type(), kind) {
        return Ok(new_null_array(&data_type(kind), array.len()));
    }
    match kind {
        ColumnKind::Float64 | ColumnKind::String => to(array, &data_type(kind)),
        ColumnKind::Int64 => integers(array),
        ColumnKind::Boolean => Ok(std::sync::Arc::new(booleans(array)?)),
    }
}

pub fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Float64 => DataType::Float64,
        ColumnKind::Int64 => DataType::Int64,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::String => DataType::Utf8,
    }
}

/// Whether a file's column of that type can hold values of the declared type. Text can hold any, since a column of CSV with
/// one word in it is text; numbers can be booleans, which many files write as 0 and 1.
pub fn holds(found: &DataType, kind: ColumnKind) -> bool {
    match found {
        DataType::Dictionary(_, values) => holds(values, kind),
        DataType::Null => true,
        text if text.is_string() => true,
        DataType::Boolean => kind == ColumnKind::Boolean,
        number if number.is_numeric() => kind != ColumnKind::String,
        _ => false,
    }
}

/// Rows whose value was lost in [`column`].
pub fn lost_rows(array: &dyn Array, typed: &dyn Array) -> Vec<usize> {
    if array.null_count() == typed.null_count() {
        return Vec::new();
    }
    // A dictionary can hold nulls among its values: those are nulls, not lost.
    let logical = array.logical_nulls();
    let had = |row: usize| logical.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    (0..typed.len()).filter(|row| had(*row) && typed.is_null(*row)).collect()
}

/// Nulls where there is no such cast at all.
fn to(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(array.clone());
    }
    if !can_cast_types(array.data_type(), data_type) {
        return Ok(new_null_array(data_type, array.len()));
    }
    Ok(cast_with_options(array, data_type, &SAFE)?)
}

/// Whole numbers in any form, as the stream reads them.
fn integers(array: &ArrayRef) -> Result<ArrayRef> {
    if array.data_type().is_integer() {
        return to(array, &DataType::Int64);
    }
    let whole = to(array, &DataType::Int64)?;
    let (whole, floats) = (whole.as_primitive::<Int64Type>(), to(array, &DataType::Float64)?);
    // 2^63 is the first double beyond 64-bit integers.
    let fits = |value: f64| (value.fract() == 0.0 && value.abs() < 9.223_372_036_854_776e18).then_some(value as i64);
    let from_text = array.data_type().is_string();
    let values = whole.iter().zip(floats.as_primitive::<Float64Type>().iter());
    let values = values.map(|(whole, float)| whole.filter(|_| from_text).or_else(|| float.and_then(fits)));
    Ok(std::sync::Arc::new(values.collect::<Int64Array>()))
}

/// Values as texts, one form for each: 1 and 1.0 are both `1`.
pub fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    if !array.data_type().is_floating() {
        return to(array, &DataType::Utf8);
    }
    let floats = to(array, &DataType::Float64)?;
    let text = |value: f64| {
        if value.fract() == 0.0 && value.abs() < 9e15 { (value as i64).to_string() } else { value.to_string() }
    };
    let texts = floats.as_primitive::<Float64Type>().iter().map(|value| value.map(text));
    Ok(std::sync::Arc::new(texts.collect::<StringArray>()))
}

/// 0, 1, booleans and their names.
pub fn booleans(array: &ArrayRef) -> Result<BooleanArray> {
    let texts = texts(array)?;
    let truth = |text: &str| match text {
        "1" => Some(true),
        "0" => Some(false),
        other if other.eq_ignore_ascii_case("true") => Some(true),
        other if other.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    Ok(texts.as_string::<i32>().iter().map(|text| text.and_then(truth)).collect())
}

pub fn floats(array: &ArrayRef) -> Result<Float64Array> {
    Ok(to(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// Event times; None for what is none. `Err`: no column of such a type holds times.
pub fn times(
    array: &ArrayRef,
    unit: Option<TimeUnit>,
) -> Result<std::result::Result<Vec<Option<EventTime>>, DataType>> {
    let array = match array.data_type() {
        DataType::Dictionary(_, values) => to(array, &values.as_ref().clone())?,
        _ => array.clone(),
    };
    let micros = |micros: i64| Some(EventTime::from_micros(micros));
    Ok(Ok(match (array.data_type(), unit) {
        (DataType::Null, _) => vec![None; array.len()],
        (DataType::Timestamp(..) | DataType::Date32 | DataType::Date64, _) => {
            let instants = to(&array, &DataType::Timestamp(ArrowUnit::Microsecond, Some("+00:00".into())))?;
            instants.as_primitive::<TimestampMicrosecondType>().iter().map(|time| time.and_then(micros)).collect()
        }
        (text, _) if text.is_string() => {
            let texts = to(&array, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|text| text.and_then(EventTime::parse)).collect()
        }
        (number, Some(unit)) if number.is_numeric() => {
            let per_second = match unit {
                TimeUnit::Seconds => 1.0,
                TimeUnit::Milliseconds => 1e3,
                TimeUnit::Microseconds => 1e6,
                TimeUnit::Nanoseconds => 1e9,
            };
            let seconds = floats(&array)?;
            // Conversion saturates, and what saturates is no valid time.
            let time = |value: f64| {
                value.is_finite().then(|| EventTime::from_micros((value / per_second * 1e6).round() as i64))
            };
            seconds.iter().map(|value| value.and_then(time)).collect()
        }
        (other, _) => return Ok(Err(other.clone())),
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn values_take_the_declared_type_or_are_lost() {
        let words: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), Some("2.0"), Some("x"), None, Some("1.5")]));
        let whole = column(&words, ColumnKind::Int64).unwrap();
        assert_eq!(whole.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), Some(2), None, None, None]);
        assert_eq!(lost_rows(&words, &whole), [2, 4]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.0), Some(0.5), Some(f64::NAN), None]));
        let whole = column(&floats, ColumnKind::Int64).unwrap();
        assert_eq!(lost_rows(&floats, &whole), [1, 2]);
        let names = column(&floats, ColumnKind::String).unwrap();
        assert_eq!(lost_rows(&floats, &names), [0, 1, 2], "a number is no text");
        let names = texts(&floats).unwrap();
        assert_eq!(names.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("3"), Some("0.5"), Some("NaN"), None]);
        assert_eq!(lost_rows(&floats, &column(&floats, ColumnKind::Float64).unwrap()), Vec::<usize>::new());
        let truths: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
        assert_eq!(booleans(&truths).unwrap(), BooleanArray::from(vec![false, true]));
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert_eq!(lost_rows(&counts, &column(&counts, ColumnKind::Boolean).unwrap()), [1]);
        let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![1]));
        for kind in [ColumnKind::Float64, ColumnKind::Int64, ColumnKind::Boolean, ColumnKind::String] {
            assert_eq!(lost_rows(&days, &column(&days, kind).unwrap()), [0], "{kind:?}");
        }
    }

    #[test]
    fn times_come_in_many_types() {
        let day = EventTime::parse("2013-05-09T00:00:00Z").unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("2013-05-08T20:00:00-04:00"), Some("soon"), None]));
        assert_eq!(times(&texts, None).unwrap().unwrap(), [Some(day), None, None]);
        let millis: ArrayRef = Arc::new(Int64Array::from(vec![day.millis()]));
        assert_eq!(times(&millis, Some(TimeUnit::Milliseconds)).unwrap().unwrap(), [Some(day)]);
        assert_eq!(times(&millis, None).unwrap().unwrap_err(), DataType::Int64);
        for zone in [None, Some("America/New_York"), Some("+02:00")] {
            let instants = arrow::array::TimestampMillisecondArray::from(vec![day.millis()]).with_timezone_opt(zone);
            if let Ok(found) = times(&(Arc::new(instants) as ArrayRef), None) {
                assert_eq!(found.unwrap(), [Some(day)], "{zone:?}");
            }
        }
    }
}
