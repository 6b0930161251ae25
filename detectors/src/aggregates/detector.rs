//! Detectors as scalar functions of two profiles.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::profile::ColumnProfile;
use crate::univariate::{Detector, builtin_detectors};

use super::profile::{bytes_at, failed};

/// The statistic of one detector; null where it has none. `range` is DataFusion's own, so that detector's function is
/// called `outside_range`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DetectorFunction {
    detector: &'static str,
    signature: Signature,
}

impl DetectorFunction {
    pub fn new(detector: &'static str) -> Self {
        Self { detector, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DetectorFunction {
    fn name(&self) -> &'static str {
        if self.detector == "range" { "outside_range" } else { self.detector }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let is_binary =
            |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        if types.iter().all(is_binary) {
            Ok(DataType::Float64)
        } else {
            plan_err!("{} takes two profiles (binary), as numeric_profile and categorical_profile return", self.name())
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [baselines, currents] = arrays.as_slice() else { return exec_err!("{} takes two profiles", self.name()) };
        let detectors = builtin_detectors();
        let Some(detector) = detectors.iter().find(|detector| detector.name() == self.detector) else {
            return exec_err!("there is no detector {}", self.detector);
        };
        let rows = 0..baselines.len().min(currents.len());
        let statistics = rows.map(|row| statistic(detector.as_ref(), baselines.as_ref(), currents.as_ref(), row));
        Ok(ColumnarValue::Array(Arc::new(statistics.collect::<Result<Float64Array>>()?)))
    }
}

fn statistic(detector: &dyn Detector, baselines: &dyn Array, currents: &dyn Array, row: usize) -> Result<Option<f64>> {
    let (Some(baseline), Some(current)) = (bytes_at(baselines, row), bytes_at(currents, row)) else { return Ok(None) };
    let baseline = ColumnProfile::from_any_bytes(baseline).map_err(failed)?;
    let current = ColumnProfile::from_any_bytes(current).map_err(failed)?;
    Ok(if detector.applies_to(&current) { detector.statistic(&baseline, &current).value() } else { None })
}
