//! The names that conditions may use. `monitor/tests/it/vocabulary.rs` holds them against what the judge produces.

use contract::Fault;

pub const QUANTITIES: [&str; 6] = ["performance", "drift", "quality", "fault", "volume", "coverage"];

/// Performance figures that the judge makes of a window.
pub const METRICS: [&str; 4] = ["log_loss", "brier_score", "accuracy", "roc_auc"];

/// The one metric whose findings can be more than `info`: one test, one share of the budget.
pub const TESTED_METRIC: &str = "log_loss";

/// Detectors of data quality.
pub const QUALITY: [&str; 5] = ["missing_rate", "non_finite_rate", "unseen_categories", "range", "type_mismatch"];

/// Faults that the judge looks for.
pub const FAULTS: [Fault; 4] = [Fault::UnitChange, Fault::ConstantColumn, Fault::TypeChange, Fault::MissingColumn];

/// Faults that have a name and nothing that finds them: a rule about one of them would wait for ever.
pub const LATER_FAULTS: [Fault; 2] = [Fault::PermutedColumns, Fault::OneSource];

/// Names that mean something else than a column, unless they stand in quotes.
pub const RESERVED: [&str; 6] = ["any", "score", "prediction", "and", "or", "not"];
