//! The values of JSON objects as columns of the types that a first reading found.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, NullArray, NullBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use serde_json::Value;

use super::BATCH_ROWS;

/// Texts of one batch: far below the 2 GiB that a column of it can hold.
const BATCH_TEXT_BYTES: usize = 64 << 20;

/// The rows of a batch that is being filled.
pub struct Cells {
    schema: SchemaRef,
    places: HashMap<String, usize>,
    columns: Vec<Column>,
    /// The values of one row by column.
    row: Vec<Value>,
    rows: usize,
    text_bytes: usize,
}

enum Column {
    Nothing(usize),
    Integers(Int64Builder),
    Floats(Float64Builder),
    Booleans(BooleanBuilder),
    Texts(StringBuilder),
    Lists(ListBuilder<NullBuilder>),
    /// Which of the rows have an object.
    Objects(Vec<bool>),
}

impl Cells {
    pub fn new(schema: &SchemaRef) -> Self {
        let names = schema.fields().iter().map(|field| field.name().clone());
        Self {
            places: names.enumerate().map(|(place, name)| (name, place)).collect(),
            columns: schema.fields().iter().map(|field| Column::new(field.data_type())).collect(),
            row: vec![Value::Null; schema.fields().len()],
            rows: 0,
            text_bytes: 0,
            schema: Arc::clone(schema),
        }
    }

    /// Adds a row. What isn't in the schema is left out.
    pub fn append(&mut self, members: Vec<(String, Value)>) {
        for (name, value) in members {
            if let Some(slot) = self.places.get(&name).and_then(|place| self.row.get_mut(*place)) {
                *slot = value;
            }
        }
        for (column, value) in self.columns.iter_mut().zip(&mut self.row) {
            self.text_bytes += column.append(std::mem::take(value));
        }
        self.rows += 1;
    }

    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.text_bytes >= BATCH_TEXT_BYTES
    }

    /// The rows so far; the next batch begins.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        self.text_bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}

impl Column {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Integers(Int64Builder::new()),
            DataType::Float64 => Self::Floats(Float64Builder::new()),
            DataType::Boolean => Self::Booleans(BooleanBuilder::new()),
            DataType::Utf8 => Self::Texts(StringBuilder::new()),
            DataType::List(_) => Self::Lists(ListBuilder::new(NullBuilder::new())),
            DataType::Struct(_) => Self::Objects(Vec::new()),
            _ => Self::Nothing(0),
        }
    }

    /// How many bytes of text were added.
    fn append(&mut self, value: Value) -> usize {
        match self {
            Self::Nothing(rows) => *rows += 1,
            Self::Integers(builder) => builder.append_option(value.as_i64()),
            Self::Floats(builder) => builder.append_option(value.as_f64().or_else(|| named_number(&value))),
            Self::Booleans(builder) => builder.append_option(value.as_bool()),
            Self::Lists(builder) => builder.append(value.is_array()),
            Self::Objects(are_there) => are_there.push(value.is_object()),
            Self::Texts(builder) => {
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    other => Some(other.to_string()),
                };
                builder.append_option(text.as_deref());
                return text.map_or(0, |text| text.len());
            }
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Nothing(rows) => Arc::new(NullArray::new(std::mem::take(rows))),
            Self::Integers(builder) => Arc::new(builder.finish()),
            Self::Floats(builder) => Arc::new(builder.finish()),
            Self::Booleans(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
            Self::Lists(builder) => Arc::new(builder.finish()),
            Self::Objects(are_there) => {
                let rows = are_there.len();
                Arc::new(StructArray::new_empty_fields(rows, Some(NullBuffer::from(std::mem::take(are_there)))))
            }
        }
    }
}

fn named_number(value: &Value) -> Option<f64> {
    match value.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
