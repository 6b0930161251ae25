//! The vocabulary that all of Bellwether's crates share.
//!
//! - [`model`]: the contract of one model, as its owner wrote it.
//! - [`configuration`]: the configuration of one `bellwether run`.
//! - [`lower`]: from a contract's YAML to the contract; [`keys`] and [`schema`]: its keys, for parser, docs and editors.
//! - [`yaml`] and [`diagnostic`]: reading YAML with positions, collecting every error before giving up.
//! - [`time`] and [`window`]: event time, wall time, windows of event time.
//! - [`finding`]: statistics after judgement.
//! - [`artifact`]: the digest of a trained model's files.
//! - [`metrics`]: the names of every exported metric.
//! - [`is_this_machine`]: hosts that only this machine itself is asked by.
//! - [`printable()`]: text of the data for a terminal.
//!
//! This crate depends on no other crate of the workspace.

pub mod artifact;
pub mod configuration;
pub mod diagnostic;
pub mod finding;
mod host;
pub mod keys;
pub mod lower;
pub mod metrics;
pub mod model;
mod printable;
pub mod schema;
pub mod time;
pub mod window;
pub mod yaml;

pub use diagnostic::{Diagnostic, Place};
pub use finding::{Fault, Finding, Severity, Subject};
pub use host::is_this_machine;
pub use model::Contract;
pub use printable::printable;
pub use time::{EventTime, WallTime};
pub use window::Window;
