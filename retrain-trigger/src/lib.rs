//! From an alert to a better model in service, and back if it isn't better.
//!
//! - [`policy`] decides whether a request may begin; [`commands`] takes what people ask for.
//! - [`retraining`] is the durable state machine; [`plan`] is its planner, a pure function from what is observed to the next
//!   step; [`execute`] does one step and records it before and after; [`driver`] is the loop around that.
//! - [`world`] is what the executor acts on; [`effects`] is the real one: data from the history, the trainer as a process, the
//!   registry's files, the serving target over HTTP, and what live events say.
//! - [`registry`] holds the versions: only what stands there can be served.
//!
//! The monitor doesn't need this crate's effects to watch a model; it only asks the policy.

pub mod clock;
pub mod commands;
pub mod driver;
pub mod effects;
mod error;
pub mod execute;
pub mod plan;
pub mod policy;
pub mod registry;
pub mod retraining;
pub mod world;

use contract::{EventTime, WallTime};
use sha2::{Digest, Sha256};

pub use effects::runner;
pub use error::{Class, Error, Result};
pub use policy::{Decision, Observed, Request, Standing, decide, standing};

/// A name for a retraining that is good for folders, and says when: model, event time, and a number that tells two of the
/// same minute apart.
pub fn retraining_id(model: &str, at: EventTime, now: WallTime) -> String {
    format!("{model}-{}-{:x}", moment(at), now.micros())
}

/// The same for one that a rule asks for: asking again for the same reason gives the same name.
pub fn retraining_id_of_rule(model: &str, at: EventTime, fingerprint: &str) -> String {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(fingerprint.as_bytes()));
    format!("{model}-{}-{:08x}", moment(at), u32::from_be_bytes([a, b, c, d]))
}

/// "20130620T0800Z".
fn moment(at: EventTime) -> String {
    let text: String = at.to_string().chars().take(16).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{text}Z")
}
