//! `type_mismatch`: the rise of the share of rows whose value has a wrong type.

use super::rate::{Rate, RateDetector};

/// Values of a wrong type among all rows, those included.
pub fn detector() -> RateDetector {
    RateDetector {
        name: "type_mismatch",
        applies_to: |_| true,
        rate: |column| Ok(Rate { hits: column.mistyped(), rows: column.rows().saturating_add(column.mistyped()) }),
    }
}
