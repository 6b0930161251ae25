//! `missing_rate`: the rise of the share of rows without a value.

use super::rate::{Rate, RateDetector};

/// Nulls among all rows.
pub fn detector() -> RateDetector {
    RateDetector {
        name: "missing_rate",
        applies_to: |_| true,
        rate: |column| Ok(Rate { hits: column.nulls(), rows: column.rows() }),
    }
}
