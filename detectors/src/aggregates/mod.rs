//! Profiles and detectors as functions of DataFusion's SQL, so that the same code runs in the stream, over the history, in
//! reports and on a cluster.
//!
//! - `numeric_profile(column)`, `numeric_profile(column, low, high)` with a declared range, and `categorical_profile(column)`:
//!   aggregates that return a profile's bytes ([`crate::profile::ColumnProfile::from_any_bytes`] reads them);
//! - `merge_profiles(profile)`: an aggregate over such bytes: hours to a day, days to a baseline;
//! - each detector by its name over two profiles, `psi(baseline, current)`: its statistic, or null where it has none.

mod detector;
mod profile;

use std::sync::{Arc, LazyLock};

use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF, lit};

use crate::univariate::builtin_detectors;

use detector::DetectorFunction;
use profile::{Kind, ProfileFunction};

static NUMERIC: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| function(Kind::Numeric));
static CATEGORICAL: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| function(Kind::Categorical));
static MERGE: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| function(Kind::Merge));

fn function(kind: Kind) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(ProfileFunction::new(kind)))
}

/// The bytes of the numeric profile of a column of numbers or booleans.
pub fn numeric_profile(column: Expr) -> Expr {
    NUMERIC.call(vec![column])
}

/// The same with a declared closed range; values outside are counted.
pub fn numeric_profile_in_range(column: Expr, range: (f64, f64)) -> Expr {
    NUMERIC.call(vec![column, lit(range.0), lit(range.1)])
}

/// The bytes of the categorical profile of a column of text or booleans.
pub fn categorical_profile(column: Expr) -> Expr {
    CATEGORICAL.call(vec![column])
}

/// The bytes of all profiles of a column as one.
pub fn merge_profiles(column: Expr) -> Expr {
    MERGE.call(vec![column])
}

/// Makes every function of this module known to SQL.
pub fn register(context: &SessionContext) {
    for function in [&NUMERIC, &CATEGORICAL, &MERGE] {
        context.register_udaf(function.as_ref().clone());
    }
    for detector in builtin_detectors() {
        context.register_udf(ScalarUDF::from(DetectorFunction::new(detector.name())));
    }
}
