//! JSON events, read by a contract's pointers into values of the declared types.
//!
//! A [`tree`] is compiled once from the contract's RFC 6901 pointers; [`visit`] drives a typed serde visitor by it, which
//! leaves each pointer's value in a slot, without a tree of values or a map a row. [`prediction`] and [`label`] then check
//! the types. A row's values reach Arrow builders only when all of them are right ([`crate::shard`]).
//!
//! Every refusal has a reason and a sentence for a person, which never contains values of the event (promise E2).

pub(crate) mod event;
pub(crate) mod label;
pub(crate) mod prediction;
mod tree;
mod visit;

pub use event::TimeReader;
pub(crate) use event::{Decoded, Refusal};
pub(crate) use visit::Scalar;
