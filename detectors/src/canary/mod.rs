//! Is the candidate worse than the version that serves? The statistics of the gate and of the rollout (promises T3 and T4).
//!
//! - [`gate`](gate()): identical held-out rows, scored by both, once;
//! - [`Unpaired`]: live events, each scored by the arm that served it; [`Paired`]: the same events scored by both, one in the
//!   shadow. Both may be asked after every label. Gross harm is tested event by event, small harm by day, since the events of a
//!   day aren't independent: a good candidate may look worse through its first mild days;
//! - [`Operations`]: errors and latency, which need no labels. They can end a step as `failed`, never as `successful`;
//! - `estimate`, `boundary` and `rates` hold the formulas, docs/canary.md the figures that were measured.
//!
//! The distribution of the scores is no test here: a good candidate moves it, that is what it is for.

mod block;
mod boundary;
mod estimate;
mod gate;
mod losses;
mod operations;
mod paired;
mod rates;
mod settings;
mod unpaired;
mod verdict;

pub use block::{block, block_length};
pub use estimate::MAX_BLOCKS;
pub use gate::{Gate, GateRow, MAX_SEGMENTS, gate, gate_segments};
pub use losses::{LOSS_CAP, loss};
pub use operations::Operations;
pub use paired::Paired;
pub use settings::Settings;
pub use unpaired::{Arm, Observation, Unpaired};
pub use verdict::{Interval, Phase, Verdict, combine};
