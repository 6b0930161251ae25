//! The aggregates that make and merge profiles.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, TypeSignature, Volatility};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use crate::Error;
use crate::profile::{CategoricalProfile, ColumnProfile, NumericProfile};

/// What an aggregate takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Numeric,
    Categorical,
    /// Bytes of profiles.
    Merge,
}

/// `numeric_profile`, `categorical_profile` or `merge_profiles`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ProfileFunction {
    kind: Kind,
    signature: Signature,
}

impl ProfileFunction {
    pub fn new(kind: Kind) -> Self {
        let signature = match kind {
            Kind::Numeric => {
                let forms = vec![TypeSignature::Any(1), TypeSignature::Any(3)];
                Signature::one_of(forms, Volatility::Immutable)
            }
            Kind::Categorical | Kind::Merge => Signature::any(1, Volatility::Immutable),
        };
        Self { kind, signature }
    }

    fn takes(&self, data_type: &DataType) -> bool {
        let value_type = match data_type {
            DataType::Dictionary(_, value_type) => value_type,
            other => other,
        };
        match self.kind {
            Kind::Numeric => value_type.is_numeric() || matches!(value_type, DataType::Boolean | DataType::Null),
            Kind::Categorical => value_type.is_string() || matches!(data_type, DataType::Boolean | DataType::Null),
            Kind::Merge => {
                matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null)
            }
        }
    }
}

impl AggregateUDFImpl for ProfileFunction {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Numeric => "numeric_profile",
            Kind::Categorical => "categorical_profile",
            Kind::Merge => "merge_profiles",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(column) if self.takes(column) => Ok(DataType::Binary),
            other => plan_err!("{} can't take values of type {other:?}; cast the column first", self.name()),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let state = match (self.kind, arguments.exprs) {
            (Kind::Numeric, [_, low, high]) => {
                let range = Some((literal(low.as_ref())?, literal(high.as_ref())?));
                State::Profile(ColumnProfile::Numeric(NumericProfile::new(range)))
            }
            (Kind::Numeric, _) => State::Profile(ColumnProfile::Numeric(NumericProfile::default())),
            (Kind::Categorical, _) => State::Profile(ColumnProfile::Categorical(CategoricalProfile::new())),
            (Kind::Merge, _) => State::Merge(None),
        };
        Ok(Box::new(ProfileAccumulator { state }))
    }
}

/// A bound of the declared range: a number that stands in the query.
fn literal(expression: &dyn PhysicalExpr) -> Result<f64> {
    let value = expression.downcast_ref::<Literal>().map(|literal| literal.value().cast_to(&DataType::Float64));
    match value {
        Some(Ok(ScalarValue::Float64(Some(number)))) if number.is_finite() => Ok(number),
        _ => plan_err!("the range of numeric_profile must be two finite numbers"),
    }
}

#[derive(Debug)]
enum State {
    Profile(ColumnProfile),
    /// None before the first profile, whose kind decides.
    Merge(Option<ColumnProfile>),
}

/// Holds one profile; its state between stages is the profile's bytes.
#[derive(Debug)]
struct ProfileAccumulator {
    state: State,
}

impl ProfileAccumulator {
    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let theirs = ColumnProfile::from_any_bytes(bytes).map_err(failed)?;
        match &mut self.state {
            State::Profile(mine) | State::Merge(Some(mine)) => {
                if mine.as_numeric().is_some() != theirs.as_numeric().is_some() {
                    return plan_err!("numeric and categorical profiles can't be merged");
                }
                mine.merge(&theirs);
            }
            State::Merge(none) => *none = Some(theirs),
        }
        Ok(())
    }

    fn profile(&self) -> Option<&ColumnProfile> {
        match &self.state {
            State::Profile(profile) => Some(profile),
            State::Merge(profile) => profile.as_ref(),
        }
    }
}

impl Accumulator for ProfileAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(column) = values.first() else { return Ok(()) };
        match &mut self.state {
            State::Profile(profile) => profile.update(column.as_ref()).map_err(failed),
            State::Merge(_) => self.merge_batch(values),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        for row in (0..states.len()).filter(|row| states.is_valid(*row)) {
            let bytes = bytes_at(states.as_ref(), row).ok_or_else(|| exec_datafusion_err!("profiles are binary"))?;
            self.merge(bytes)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.profile().map(ColumnProfile::to_own_bytes)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.profile().map_or(0, ColumnProfile::heap_size)
    }
}

/// The bytes in a row of any binary array.
pub(super) fn bytes_at(array: &dyn Array, row: usize) -> Option<&[u8]> {
    match array.data_type() {
        _ if array.is_null(row) => None,
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(array.as_binary_view().value(row)),
        _ => None,
    }
}

pub(super) fn failed(error: Error) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
