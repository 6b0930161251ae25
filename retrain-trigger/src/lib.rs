//! When may a model be retrained? The policy that every request passes (promise T5).
//!
//! Pure: the monitor passes in what it observed, and records what comes out. Planning, training, registry and rollout
//! build on the requests that this crate lets through.

pub mod policy;

pub use policy::{Decision, Observed, Request, Standing, decide, standing};
