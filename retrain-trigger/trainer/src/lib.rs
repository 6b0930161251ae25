//! Trains tabular models with libtorch, and scores with what it trained.
//!
//! - [`spec`] and [`parameters`]: what is asked for; [`data`]: the pinned rows.
//! - [`preprocessing`]: from columns to numbers, learnt from the training rows and stored with the model.
//! - [`network`], [`optimizer`], [`fit`]: the model and its fitting; [`random`]: every random choice, by seed.
//! - [`folds`]: which model hasn't seen a row; [`metrics`]: how good scores are.
//! - [`train`]: the whole run, with [`checkpoint`] to go on after an end, [`progress`] to say how far it is, and [`artifact`],
//!   what it leaves; [`device`]: CPU or CUDA.
//! - [`predictor`]: a trained model in memory, for serving apps. It needs no tensor.
//!
//! The same specification gives the same bytes on the CPU, interrupted or not. Another kind of CPU, or another number of threads,
//! rounds sums otherwise: scores agree to three digits, bytes don't.

pub mod artifact;
pub mod checkpoint;
mod cuda;
pub mod data;
pub mod device;
mod error;
pub mod fit;
pub mod folds;
pub mod metrics;
pub mod network;
pub mod optimizer;
pub mod parameters;
pub mod predictor;
pub mod preprocessing;
pub mod progress;
pub mod random;
pub mod spec;
pub mod train;

pub use error::{Class, Error, Result};
pub use predictor::{Column, Predictor};
pub use spec::Spec;
pub use train::train;
