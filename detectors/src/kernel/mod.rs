//! Statistics on plain counts and samples, without profiles: what the detectors call, and what the goldens check at full
//! precision.
//!
//! - [`binned`]: distances between two rows of counts;
//! - [`contingency`]: tests of two rows of counts;
//! - [`kolmogorov`]: the Kolmogorov–Smirnov statistic and its null distribution;
//! - [`moments`]: tests of means and variances;
//! - [`samples`]: distances between two samples;
//! - [`tails`]: probabilities and quantiles of the distributions above.

pub mod binned;
pub mod contingency;
pub mod kolmogorov;
pub mod moments;
pub mod samples;
pub mod tails;
