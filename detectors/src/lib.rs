//! Profiles, detectors and the judge: everything that computes about data. Pure: no I/O, no clock, no tasks.
//!
//! - [`profile`]: mergeable summaries of columns, windows and performance;
//! - [`univariate`]: detectors, functions of two profiles, and [`kernel`], the same on plain counts and samples;
//! - [`performance`]: figures that need labels;
//! - [`aggregates`]: the same accumulators and detectors as functions of DataFusion's SQL;
//! - [`judge`]: from statistics to findings.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "exact results are promised, and tested as such"))]

pub mod aggregates;
pub mod canary;
mod error;
pub mod judge;
pub mod kernel;
pub mod performance;
pub mod profile;
mod statistic;
pub mod univariate;

pub use error::{Error, ErrorClass};
pub use statistic::Statistic;
