//! The trainer from specification to artifact: what it learns, what it refuses, and that an end in the middle changes nothing.

#![allow(clippy::needless_pass_by_value, reason = "literals read better")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod data;
mod program;
mod resume;
mod sample;
mod scoring;
mod training;
