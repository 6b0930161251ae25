//! A contract's types as functions of DataFusion, for whoever profiles files without windows.

use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use contract::model::ColumnKind;
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::typed;

/// The values in the type that a contract declares; null where a value has another type, as in [`super::window_profiles`].
pub fn declared(value: Expr, kind: ColumnKind) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(Declared { kind, signature }).call(vec![value])
}

#[derive(Debug, PartialEq, Eq)]
struct Declared {
    kind: ColumnKind,
    signature: Signature,
}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Declared {
    fn name(&self) -> &'static str {
        match self.kind {
            ColumnKind::Float64 => "declared_float64",
            ColumnKind::Int64 => "declared_int64",
            ColumnKind::Boolean => "declared_boolean",
            ColumnKind::String => "declared_string",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(typed::data_type(self.kind))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [array] = arrays.as_slice() else { return exec_err!("{} takes one column", self.name()) };
        let typed = typed::column(array, self.kind).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(typed))
    }
}
