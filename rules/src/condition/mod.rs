//! The language of `when`: what has to be so for an alert.
//!
//! ```text
//! condition   = conjunction { "or" conjunction }
//! conjunction = term { "and" term }
//! term        = "(" condition ")" | quantity [ operator ( severity | number ) ]
//! quantity    = performance(METRIC) | drift(COLUMN) | quality([DETECTOR[, COLUMN]]) | fault([FAULT])
//!             | volume | volume(rows) | coverage
//! operator    = ">=" | ">" | "<=" | "<"
//! severity    = info | warning | critical
//! ```
//!
//! `any` stands for every column, detector or fault; `score` and `prediction` for what the model puts out; quotes make a
//! column of any name. A quantity without comparison means `>= warning`.

mod lexer;
mod parser;
pub mod vocabulary;

use std::fmt;

use contract::{Fault, Severity};

pub(crate) use parser::sql_not_yet;
pub use parser::{MAX_CHARACTERS, MAX_DEPTH, SyntaxError, parse};

/// A condition over the findings of one window.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Test(Test),
    /// `and`; two or more.
    All(Vec<Condition>),
    /// `or`; two or more.
    Any(Vec<Condition>),
}

/// One quantity and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub quantity: Quantity,
    pub requirement: Requirement,
    /// Where it stands in the condition's text, in characters from 0.
    pub offset: usize,
    /// Where the column stands that it names; the same as `offset` when it names none.
    pub feature_offset: usize,
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A performance metric of the whole model, of each version.
    Performance { metric: String },
    /// The distribution of inputs or outputs.
    Drift(Target),
    /// A fault of the pipeline; None is any.
    Fault(Option<Fault>),
    /// Data quality of inputs; None is any.
    Quality { detector: Option<String>, feature: Option<String> },
    /// The judge's finding about the number of rows.
    Volume,
    /// The number of rows itself.
    Rows,
    /// Share of the predictions that have a label.
    Coverage,
}

/// Whose distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Of any input or output.
    Any,
    Feature(String),
    Score,
    Prediction,
}

/// What is asked of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Requirement {
    /// A finding of this severity or a higher one.
    Severity(Severity),
    /// The figure itself, compared with a number.
    Number { operator: Operator, number: f64 },
    /// That there is one (faults).
    Present,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Operator {
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::Above => left > right,
            Self::AtMost => left <= right,
            Self::Below => left < right,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        }
    }
}

/// When a quantity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// When a window closes.
    Closed,
    /// When its labels have matured.
    Matured,
    /// At both times.
    Both,
}

impl Quantity {
    pub fn known(&self) -> Known {
        match self {
            Self::Performance { .. } | Self::Coverage => Known::Matured,
            Self::Drift(_) | Self::Fault(_) | Self::Quality { .. } | Self::Volume => Known::Closed,
            Self::Rows => Known::Both,
        }
    }

    /// The column that is named, if one is.
    pub fn feature(&self) -> Option<&str> {
        match self {
            Self::Drift(Target::Feature(name)) | Self::Quality { feature: Some(name), .. } => Some(name),
            _ => None,
        }
    }
}

impl Condition {
    /// Every test, from left to right.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
        }
    }

    /// The one column that the condition is about; None when it names none, or several.
    pub fn feature(&self) -> Option<&str> {
        let tests = self.tests();
        let mut features = tests.iter().map(|test| test.quantity.feature());
        let first = features.next().flatten()?;
        features.all(|feature| feature == Some(first)).then_some(first)
    }

    /// Whether it is known only when labels have matured.
    pub fn needs_labels(&self) -> bool {
        self.tests().iter().any(|test| test.quantity.known() == Known::Matured)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Test(test) => return test.fmt(f),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            if matches!(part, Self::Test(_)) { part.fmt(f)? } else { write!(f, "({part})")? }
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quantity.fmt(f)?;
        match self.requirement {
            Requirement::Severity(severity) => write!(f, " >= {severity}"),
            Requirement::Number { operator, number } => write!(f, " {} {number}", operator.symbol()),
            Requirement::Present => Ok(()),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Performance { metric } => write!(f, "performance({metric})"),
            Self::Drift(Target::Any) => f.write_str("drift(any)"),
            Self::Drift(Target::Score) => f.write_str("drift(score)"),
            Self::Drift(Target::Prediction) => f.write_str("drift(prediction)"),
            Self::Drift(Target::Feature(name)) => write!(f, "drift({})", quoted(name)),
            Self::Fault(None) => f.write_str("fault(any)"),
            Self::Fault(Some(fault)) => write!(f, "fault({fault})"),
            Self::Quality { detector, feature } => {
                let detector = detector.as_deref().unwrap_or("any");
                match feature {
                    None => write!(f, "quality({detector})"),
                    Some(name) => write!(f, "quality({detector}, {})", quoted(name)),
                }
            }
            Self::Volume => f.write_str("volume"),
            Self::Rows => f.write_str("volume(rows)"),
            Self::Coverage => f.write_str("coverage"),
        }
    }
}

/// A column's name as the language reads it back as a column.
fn quoted(name: &str) -> String {
    if lexer::is_name(name) && !vocabulary::RESERVED.contains(&name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
