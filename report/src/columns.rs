//! Which columns are compared, and as what: the contract's schema, or what the reference has.

use arrow::datatypes::{DataType, Schema};
use contract::Contract;
use contract::model::ColumnKind;

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
    pub range: Option<(f64, f64)>,
    pub judge: bool,
    pub in_reference: bool,
    pub in_current: bool,
}

/// The columns of the contract's schema, or else of the reference, in order.
pub fn choose(contract: Option<&Contract>, reference: &Schema, current: &Schema) -> Vec<Column> {
    let has = |schema: &Schema, name: &str| schema.column_with_name(name).is_some();
    if let Some(contract) = contract {
        let columns = contract.schema.iter().map(|column| Column {
            name: column.name.clone(),
            kind: of_contract(column.kind),
            range: column.range,
            judge: column.judge,
            in_reference: has(reference, &column.name),
            in_current: has(current, &column.name),
        });
        return columns.collect();
    }
    reference
        .fields()
        .iter()
        .map(|field| {
            let name = field.name();
            // A column without a single value in the reference has no type of its own.
            let data_type = match field.data_type() {
                DataType::Null => {
                    current.column_with_name(name).map_or(&DataType::Null, |(_, field)| field.data_type())
                }
                own => own,
            };
            Column {
                name: name.clone(),
                kind: of_type(data_type),
                range: None,
                judge: true,
                in_reference: true,
                in_current: has(current, name),
            }
        })
        .collect()
}

fn of_contract(kind: ColumnKind) -> Kind {
    if kind.is_numeric() { Kind::Numeric } else { Kind::Categorical }
}

fn of_type(data_type: &DataType) -> Kind {
    match data_type {
        numeric if numeric.is_numeric() => Kind::Numeric,
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Kind::Categorical
        }
        DataType::Dictionary(_, values) => of_type(values),
        _ => Kind::Other,
    }
}
