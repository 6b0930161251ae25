//! From findings to people: rule files, alerts and their life, notifications and the channels that carry them.
//!
//! - [`condition`] is the small language of `when`; [`rule`] what a rule is; [`file`] reads rule files, with the position of
//!   every error (promise E1); [`packs`] are the rule files that are shipped.
//! - [`observe`] decides whether a condition holds in a window; [`evaluate`] is the life of an alert, a pure function of
//!   (findings, rules, previous state, event time) (promise R1); [`state`] is what it remembers.
//! - [`notification`] is what is said about a change, [`route`] who is told, [`schedule`] when a failed attempt is
//!   repeated, [`channels`] how it gets there (promise R3).
//!
//! Nothing here knows Kafka, the store, or training.

pub mod channels;
pub mod condition;
mod error;
pub mod evaluate;
pub mod file;
pub mod notification;
pub mod observe;
pub mod packs;
mod route;
pub mod rule;
pub mod schedule;
pub mod state;
pub mod template;

pub use error::{Class, Error, Result};
pub use evaluate::{AlertChange, Evaluation, Stage, Transition, evaluate};
pub use file::{read_rules, rules_from_text};
pub use notification::{Notification, NotificationContext, NotificationKind, RetrainingNews};
pub use packs::{SHIPPED, shipped};
pub use route::route;
pub use rule::{Action, AlertSeverity, Rule, RuleSet, Span};
pub use state::{AlertPhase, AlertState, fingerprint};
