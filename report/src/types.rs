//! The types of data files, as far as it matters what can be compared with what.

use arrow::datatypes::DataType;

use crate::columns::Kind;

/// Types whose values can be read as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The type of a column without a value.
    Nothing,
    Number,
    Boolean,
    Text,
    /// Days and instants.
    Time,
    List,
    Struct,
    Map,
    Binary,
    Other,
}

impl Class {
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Nothing,
            DataType::Boolean => Self::Boolean,
            number if number.is_numeric() => Self::Number,
            text if text.is_string() => Self::Text,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Self::Time,
            list if list.is_list() => Self::List,
            DataType::Struct(_) => Self::Struct,
            DataType::Map(..) => Self::Map,
            binary if binary.is_binary() => Self::Binary,
            _ => Self::Other,
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::Number => Kind::Numeric,
            Self::Boolean | Self::Text | Self::Nothing => Kind::Categorical,
            _ => Kind::Other,
        }
    }

    /// Whether numbers can be made of some of its values.
    pub fn is_readable_as_number(self) -> bool {
        matches!(self, Self::Nothing | Self::Number | Self::Boolean | Self::Text)
    }
}

/// What people call it.
pub fn type_name(data_type: &DataType) -> String {
    let name = match Class::of(data_type) {
        Class::Nothing => "empty",
        Class::Boolean => "boolean",
        Class::Text => "text",
        Class::List => "list",
        Class::Struct => "struct",
        Class::Map => "map",
        Class::Binary => "binary",
        Class::Number | Class::Time | Class::Other => match data_type {
            DataType::Dictionary(_, values) => return type_name(values),
            DataType::Timestamp(..) => "timestamp",
            DataType::Date32 | DataType::Date64 => "date",
            DataType::Time32(_) | DataType::Time64(_) => "time of day",
            DataType::Duration(_) => "duration",
            DataType::Interval(_) => "interval",
            decimal if decimal.is_decimal() => "decimal",
            // `Int64`, `Float32`: their names hold nothing but a width.
            number if number.is_numeric() => return number.to_string().to_lowercase(),
            _ => "another type",
        },
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[test]
    fn types_have_classes_and_names() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
        for (data_type, class, name) in [
            (DataType::Float64, Class::Number, "float64"),
            (DataType::UInt8, Class::Number, "uint8"),
            (DataType::Decimal128(20, 2), Class::Number, "decimal"),
            (DataType::Utf8View, Class::Text, "text"),
            (dictionary(DataType::Utf8), Class::Text, "text"),
            (dictionary(DataType::Binary), Class::Binary, "binary"),
            (dictionary(DataType::Int64), Class::Number, "int64"),
            (DataType::FixedSizeBinary(2), Class::Binary, "binary"),
            (DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), Class::Time, "timestamp"),
            (DataType::Date32, Class::Time, "date"),
            (DataType::Duration(TimeUnit::Second), Class::Other, "duration"),
            (list, Class::List, "list"),
        ] {
            assert_eq!((Class::of(&data_type), type_name(&data_type).as_str()), (class, name), "{data_type}");
        }
    }
}
