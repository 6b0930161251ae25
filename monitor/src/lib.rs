//! What happens when windows close: merge the shards' parts, judge, evaluate rules, enqueue notifications.
//!
//! - [`Monitor`] is the [`ingest::Sink`] that shards publish to: it keeps their parts in the store and advances the model.
//! - [`model`] takes a model from one due step to the next, each step one transaction.
//! - [`clock`] says which step is due; [`merge`] and [`judgement`] do the work of a step; [`baselines`] hold what to compare
//!   with, [`registered`] those that come with the registry, [`holding`] says what stays out of them; [`commit`] writes what came out.
//! - [`news`] words what people are told of retrainings; [`delivery`] empties the notification outbox.
//!
//! Detectors, rules and retraining policy are other crates; this one only calls them in order.

pub mod baselines;
pub mod clock;
mod commit;
pub mod delivery;
mod error;
mod holding;
pub mod journal;
pub mod judgement;
mod layout;
pub mod merge;
pub mod metrics;
pub mod model;
pub mod news;
mod part;
mod registered;
mod restart;
mod revision;
mod rows;
mod sink;

pub use commit::DeliveryPlan;
pub use error::{Class, Error, Result};
pub use journal::{Entry, Journal};
pub use model::{ModelMonitor, ModelSetup};
pub use sink::Monitor;
