//! What the owner of a model grants a candidate, and how the level of a rollout is shared.

use super::estimate::MAX_BLOCKS;
use super::losses::LOSS_CAP;

/// Settings of one step of a rollout. Values out of range are taken to the nearest that makes sense.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Harm, in nats, beyond which events alone decide, without waiting for days.
    pub gross_harm: f64,
    /// A step is passed once the candidate is shown to be worse by less than this, in nats.
    pub margin: f64,
    /// The candidate's share of the traffic, 0 to 1. Not used by the tests, which compare means; a share of the labelled events
    /// that is far from it is told in the verdict.
    pub share: f64,
    /// The chance that an equal or better candidate is ever rolled back, over the whole rollout.
    pub level: f64,
    /// Days that small harm, and passing, need at least.
    pub minimum_blocks: u32,
    /// Steps of the rollout, the bake among them: the level is shared evenly.
    pub steps: u32,
}

impl Settings {
    /// With every value in its range.
    pub(super) fn in_range(self) -> Self {
        let within = |value: f64, low: f64, high: f64, otherwise: f64| {
            if value.is_nan() { otherwise } else { value.clamp(low, high) }
        };
        Self {
            gross_harm: within(self.gross_harm, 0.0, LOSS_CAP, 0.25),
            margin: within(self.margin, 0.0, LOSS_CAP, 0.0),
            share: within(self.share, 0.0, 1.0, 0.5),
            level: within(self.level, 1e-9, 0.5, 0.05),
            minimum_blocks: self.minimum_blocks.clamp(2, MAX_BLOCKS as u32),
            steps: self.steps.clamp(1, 1_000),
        }
    }

    /// Level of either test of harm in this step. Gross harm needs no part of it: its claim is that the harm is above
    /// `gross_harm`, which an equal candidate is so far from that its chance of rolling one back is nil beside the level.
    pub(super) fn step_level(&self) -> f64 {
        self.level / f64::from(self.steps)
    }

    /// Level of passing a step. Not shared: a candidate that is worse by the margin must pass every step to be promoted, so the
    /// chance that it is promoted is at most that of any one step.
    pub(super) fn passing_level(&self) -> f64 {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_steps_share_the_level_and_passing_has_all_of_it() {
        let settings =
            Settings { gross_harm: 0.25, margin: 0.02, share: 0.1, level: 0.06, minimum_blocks: 3, steps: 3 };
        assert!((settings.step_level() - 0.02).abs() < 1e-15);
        assert_eq!(settings.passing_level(), 0.06);
    }

    #[test]
    fn d3_settings_out_of_range_are_taken_to_the_nearest_in_range() {
        let wild = Settings {
            gross_harm: f64::NAN,
            margin: -1.0,
            share: f64::INFINITY,
            level: 0.0,
            minimum_blocks: 0,
            steps: 0,
        };
        let tame = wild.in_range();
        assert_eq!((tame.gross_harm, tame.margin, tame.share, tame.level), (0.25, 0.0, 1.0, 1e-9));
        assert_eq!((tame.minimum_blocks, tame.steps), (2, 1));
    }
}
