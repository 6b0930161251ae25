//! Which columns are compared, and as what: those of the contract's schema, or else those of either data set.

use arrow::datatypes::{DataType, Schema};
use contract::Contract;
use contract::model::ColumnKind;

use crate::types::{Class, type_name};

/// At most so many columns in one report.
pub const MAX_COLUMNS: usize = 10_000;

/// What a column is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Numeric,
    Categorical,
    /// Dates, lists, binaries: named in the report, not compared.
    Other,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Other => "other",
        }
    }
}

/// A column to compare.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// The type that the contract declares.
    pub declared: Option<ColumnKind>,
    pub range: Option<(f64, f64)>,
    pub judge: bool,
    pub in_reference: bool,
    pub in_current: bool,
    /// Why the two sides can't be compared: one of them is of a type that none of its values can be read from.
    pub clash: Option<String>,
    /// A column of the side that lacks this one, called the same but for capitals.
    pub similar: Option<String>,
}

impl Column {
    pub fn is_compared(&self) -> bool {
        self.kind != Kind::Other && self.clash.is_none()
    }
}

/// The columns of the contract's schema in order, or else of the reference and then those that only the current data has.
pub fn choose(contract: Option<&Contract>, reference: &Schema, current: &Schema) -> Vec<Column> {
    if let Some(contract) = contract {
        return contract.schema.iter().map(|column| of_contract(column, reference, current)).collect();
    }
    let is_new = |name: &str| reference.column_with_name(name).is_none();
    let fields = reference.fields().iter().chain(current.fields().iter().filter(|field| is_new(field.name())));
    fields.map(|field| of_data(field.name(), reference, current)).collect()
}

fn of_contract(column: &contract::model::Column, reference: &Schema, current: &Schema) -> Column {
    let name = &column.name;
    let wrong = |schema: &Schema| {
        let found = data_type(schema, name)?;
        (!ingest::dataset::holds(found, column.kind)).then(|| type_name(found))
    };
    let declared = type_name_of_kind(column.kind);
    let clash = match (wrong(reference), wrong(current)) {
        (Some(before), Some(now)) if before == now => Some(format!("is {now} in both data sets")),
        (Some(before), Some(now)) => Some(format!("is {before} in the reference and {now} in the current data")),
        (Some(before), None) => Some(format!("is {before} in the reference")),
        (None, Some(now)) => Some(format!("is {now} in the current data")),
        (None, None) => None,
    };
    Column {
        kind: if column.kind.is_numeric() { Kind::Numeric } else { Kind::Categorical },
        declared: Some(column.kind),
        range: column.range,
        judge: column.judge,
        clash: clash.map(|found| format!("{found}, where the contract declares {declared}")),
        ..found(name, reference, current)
    }
}

fn of_data(name: &str, reference: &Schema, current: &Schema) -> Column {
    let found = found(name, reference, current);
    let (before, now) = match (data_type(reference, name), data_type(current, name)) {
        (Some(before), Some(now)) => (before, now),
        (Some(only), None) | (None, Some(only)) => (only, only),
        (None, None) => return found,
    };
    let kind = kind(Class::of(before), Class::of(now));
    let clash = kind.is_none().then(|| format!("changed its type from {} to {}", type_name(before), type_name(now)));
    Column { kind: kind.unwrap_or(Class::of(before).kind()), clash, ..found }
}

/// Where a column is, before anything is known of its type.
fn found(name: &str, reference: &Schema, current: &Schema) -> Column {
    let (before, now) = (data_type(reference, name).is_some(), data_type(current, name).is_some());
    let similar = |here: &Schema, there: &Schema| {
        let is_similar = |other: &str| other.to_lowercase() == name.to_lowercase() && data_type(there, other).is_none();
        here.fields().iter().map(|field| field.name()).find(|other| is_similar(other)).cloned()
    };
    Column {
        name: name.to_owned(),
        kind: Kind::Other,
        declared: None,
        range: None,
        judge: true,
        in_reference: before,
        in_current: now,
        clash: None,
        similar: match (before, now) {
            (true, true) => None,
            (true, false) => similar(current, reference),
            (false, true) => similar(reference, current),
            (false, false) => similar(current, &Schema::empty()),
        },
    }
}

fn data_type<'a>(schema: &'a Schema, name: &str) -> Option<&'a DataType> {
    schema.column_with_name(name).map(|(_, field)| field.data_type())
}

fn type_name_of_kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Float64 => "float64",
        ColumnKind::Int64 => "int64",
        ColumnKind::Boolean => "boolean",
        ColumnKind::String => "string",
    }
}

/// What values of both classes are compared as; None if one side's can't be read as the other's.
fn kind(reference: Class, current: Class) -> Option<Kind> {
    match (reference, current) {
        // A column without a single value has no type of its own.
        (Class::Nothing, only) | (only, Class::Nothing) => Some(only.kind()),
        (one, same) if one == same => Some(one.kind()),
        (Class::Number, Class::Boolean | Class::Text) | (Class::Boolean, Class::Number) => Some(Kind::Numeric),
        (Class::Boolean, Class::Text) | (Class::Text, Class::Boolean | Class::Number) => Some(Kind::Categorical),
        _ => None,
    }
}
