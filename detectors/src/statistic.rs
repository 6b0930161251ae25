//! What a detector returns: a number, or the reason why there is none. Never NaN, never a silent zero (promise D3).

use std::fmt;

/// The value of a statistic, or why it has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// A finite number. Build it with [`Statistic::of`], which checks.
    Value(f64),
    /// The definition gives no number for these data, however many rows there are.
    Undefined(&'static str),
    /// More rows are needed.
    InsufficientData { rows: u64, needed: u64 },
}

impl Statistic {
    /// A computed number; NaN and infinities become `Undefined`.
    pub fn of(value: f64) -> Self {
        if value.is_finite() { Self::Value(value) } else { Self::Undefined("the result is not a finite number") }
    }

    /// The same for a figure that may not exist.
    pub fn of_option(value: Option<f64>, reason: &'static str) -> Self {
        value.map_or(Self::Undefined(reason), Self::of)
    }

    pub fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Undefined(_) | Self::InsufficientData { .. } => None,
        }
    }

    /// Applies a function to the value; reasons stay as they are.
    #[must_use]
    pub fn map(self, function: impl FnOnce(f64) -> f64) -> Self {
        match self {
            Self::Value(value) => Self::of(function(value)),
            reason => reason,
        }
    }

    /// The `status` of reports: `scored`, `undefined` or `insufficient_data`.
    pub fn status(self) -> &'static str {
        match self {
            Self::Value(_) => "scored",
            Self::Undefined(_) => "undefined",
            Self::InsufficientData { .. } => "insufficient_data",
        }
    }

    /// `Err` with the reason unless both samples have the rows that a statistic needs.
    pub(crate) fn require(rows: u64, needed: u64) -> Result<(), Self> {
        if rows < needed { Err(Self::InsufficientData { rows, needed }) } else { Ok(()) }
    }
}

/// Shows the value, or the reason.
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Undefined(reason) => f.write_str(reason),
            Self::InsufficientData { rows, needed } => write!(f, "{rows} usable rows of the {needed} needed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_no_value_is_nan_or_infinite() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Statistic::of(bad).value(), None);
            assert_eq!(Statistic::Value(1.0).map(|_| bad).status(), "undefined");
        }
        assert_eq!(Statistic::of(2.0).map(|x| x * 2.0), Statistic::Value(4.0));
    }

    #[test]
    fn reasons_are_sentences() {
        let insufficient = Statistic::InsufficientData { rows: 1, needed: 2 };
        assert_eq!(insufficient.to_string(), "1 usable rows of the 2 needed");
        assert_eq!(Statistic::Undefined("both are constant").to_string(), "both are constant");
    }
}
