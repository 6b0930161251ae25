//! The model's clock, and the next step that is due by it.
//!
//! A model's clock is the smallest watermark of its streams over all shards, idle ones excepted. Steps are taken in the
//! order of the times at which they fall due, so what is judged before what depends only on the log.

use std::time::Duration;

use contract::model::Windows;
use contract::{EventTime, Window};
use store::ShardRow;

/// What is done to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Judge inputs, outputs, volume and faults.
    Closed,
    /// Judge performance.
    Matured,
}

/// A window and what is due for it. Ordered by the time it falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub due: EventTime,
    pub stage: Stage,
    pub window: Window,
}

/// When a stage of a window falls due.
pub fn due(windows: &Windows, stage: Stage, window: Window) -> EventTime {
    let after = match stage {
        Stage::Closed => windows.lateness,
        Stage::Matured => windows.maturity.max(windows.lateness),
    };
    window.end + after
}

/// The model's clock, or None while a shard has yet to say where it is.
pub fn now(shards: &[ShardRow], has_labels: bool) -> Option<EventTime> {
    let total = shards.first().map_or(0, |shard| shard.shards);
    if shards.is_empty() || shards.len() < usize::try_from(total).unwrap_or(usize::MAX) {
        return None;
    }
    let predictions = stream(shards.iter().map(|shard| (shard.prediction_watermark, shard.predictions_idle)))?;
    if !has_labels {
        return predictions.of_all();
    }
    let labels = stream(shards.iter().map(|shard| (shard.label_watermark, shard.labels_idle)))?;
    match (predictions, labels) {
        (Stream::Moving(predictions), Stream::Moving(labels)) => Some(predictions.min(labels)),
        (Stream::Moving(moving), Stream::Idle(_)) | (Stream::Idle(_), Stream::Moving(moving)) => Some(moving),
        (Stream::Idle(predictions), Stream::Idle(labels)) => predictions.max(labels),
    }
}

/// One topic of a model.
enum Stream {
    /// The smallest watermark of the partitions that aren't idle.
    Moving(EventTime),
    /// Every partition is idle; the largest watermark, if there was ever an event.
    Idle(Option<EventTime>),
}

impl Stream {
    fn of_all(self) -> Option<EventTime> {
        match self {
            Self::Moving(time) => Some(time),
            Self::Idle(time) => time,
        }
    }
}

/// None while a partition that isn't idle has no watermark.
fn stream(partitions: impl Iterator<Item = (Option<EventTime>, bool)>) -> Option<Stream> {
    let mut moving: Option<EventTime> = None;
    let mut newest: Option<EventTime> = None;
    for (watermark, is_idle) in partitions {
        newest = newest.max(watermark);
        if !is_idle {
            let watermark = watermark?;
            moving = Some(moving.map_or(watermark, |smallest| smallest.min(watermark)));
        }
    }
    Some(moving.map_or(Stream::Idle(newest), Stream::Moving))
}

/// Whether a window that is judged at `due` may lack rows of a shard that is merely silent.
pub fn is_silent(shards: &[ShardRow], due: EventTime) -> bool {
    shards.iter().any(|shard| shard.predictions_idle && shard.prediction_watermark.is_some_and(|time| time < due))
}

/// How long after its end a window's parts may still change.
pub fn settled_after(windows: &Windows, horizon: Duration) -> Duration {
    windows.maturity.max(windows.lateness).max(horizon) + windows.lateness + windows.size
}

#[cfg(test)]
mod tests {
    use contract::WallTime;

    use super::*;

    fn shard(index: i32, predictions: Option<i64>, labels: Option<i64>, idle: (bool, bool)) -> ShardRow {
        ShardRow {
            model: "m".to_owned(),
            shard: index,
            shards: 2,
            epoch: 1,
            sequence: 1,
            prediction_watermark: predictions.map(EventTime::from_micros),
            label_watermark: labels.map(EventTime::from_micros),
            predictions_idle: idle.0,
            labels_idle: idle.1,
            offsets: String::new(),
            counts: String::new(),
            updated: WallTime::from_micros(0),
        }
    }

    #[test]
    fn i2_the_clock_waits_for_every_shard_and_for_labels() {
        let awake = (false, false);
        assert_eq!(now(&[shard(0, Some(5), Some(4), awake)], true), None, "one of two shards");
        let both = [shard(0, Some(5), Some(4), awake), shard(1, Some(9), Some(3), awake)];
        assert_eq!(now(&both, true), Some(EventTime::from_micros(3)));
        assert_eq!(now(&both, false), Some(EventTime::from_micros(5)));
        let silent = [shard(0, Some(5), Some(4), awake), shard(1, None, None, awake)];
        assert_eq!(now(&silent, true), None);
    }

    #[test]
    fn i3_a_silent_shard_that_has_not_come_as_far_is_told() {
        let due = EventTime::from_micros(5);
        let awake = shard(0, Some(5), None, (false, false));
        let told = |time, is_idle| is_silent(&[awake.clone(), shard(1, time, None, (is_idle, false))], due);
        assert!(told(Some(4), true));
        assert!(!told(Some(5), true) && !told(Some(4), false) && !told(None, true));
    }

    #[test]
    fn i2_idle_streams_hold_nothing_back() {
        let shards = [shard(0, Some(5), Some(2), (false, true)), shard(1, None, None, (true, true))];
        assert_eq!(now(&shards, true), Some(EventTime::from_micros(5)));
        let shards = [shard(0, Some(5), Some(2), (true, true)), shard(1, None, None, (true, true))];
        assert_eq!(now(&shards, true), Some(EventTime::from_micros(5)));
    }
}
