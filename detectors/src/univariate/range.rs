//! `range`: the rise of the share of values outside the range that the contract declares.

use crate::Statistic;

use super::rate::{Rate, RateDetector};

/// Finite values outside the declared closed range among all finite ones.
pub fn detector() -> RateDetector {
    RateDetector {
        name: "range",
        applies_to: |column| column.as_numeric().is_some_and(|numeric| numeric.range().is_some()),
        rate: |column| {
            let numeric = column.as_numeric().ok_or(Statistic::Undefined("the column is not numeric"))?;
            if numeric.range().is_none() {
                return Err(Statistic::Undefined("no range was declared when the values were counted"));
            }
            Ok(Rate { hits: numeric.below_range() + numeric.above_range(), rows: numeric.finite() })
        },
    }
}
