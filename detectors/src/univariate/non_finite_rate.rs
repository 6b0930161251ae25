//! `non_finite_rate`: the rise of the share of values that are NaN or infinite.

use crate::Statistic;

use super::rate::{Rate, RateDetector};

/// NaN and infinities among the values that aren't null.
pub fn detector() -> RateDetector {
    RateDetector {
        name: "non_finite_rate",
        applies_to: |column| column.as_numeric().is_some(),
        rate: |column| {
            let numeric = column.as_numeric().ok_or(Statistic::Undefined("the column is not numeric"))?;
            let hits = numeric.nans() + numeric.infinities();
            Ok(Rate { hits, rows: hits + numeric.finite() })
        },
    }
}
