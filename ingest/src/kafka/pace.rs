//! Which of a worker's partitions may be read next, so that none runs far ahead of the others in the broker's time.
//!
//! Without this, catching up would read all predictions before the first label, and the join would have to hold them all.

use std::time::Duration;

use contract::{Contract, EventTime};

/// A partition may be so far ahead: a window, but not less than this …
const SHORTEST: Duration = Duration::from_mins(1);
/// … nor more than this.
const LONGEST: Duration = Duration::from_hours(1);

/// How far ahead any partition of these contracts may be.
pub fn stretch<'a>(contracts: impl IntoIterator<Item = &'a Contract>) -> Duration {
    let smallest = contracts.into_iter().map(|contract| contract.windows.size).min();
    smallest.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
}

/// How far one partition has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The broker's time of the last record, the newest or not: one absurd time passes with its record.
    pub front: Option<EventTime>,
    /// Nothing was left when it was last read.
    pub at_end: bool,
}

/// Whether the partition at `place` may be read. At least one always may.
pub fn may_read(positions: &[Position], place: usize, stretch: Duration) -> bool {
    let Some(own) = positions.get(place).and_then(|position| position.front) else {
        return true;
    };
    let others = positions.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, position)| position);
    others.filter(|other| !other.at_end).all(|other| other.front.is_some_and(|front| own <= front + stretch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: Option<i64>, at_end: bool) -> Position {
        Position { front: seconds.map(|seconds| EventTime::from_millis(seconds * 1_000)), at_end }
    }

    #[test]
    fn i6_no_partition_runs_ahead() {
        let stretch = Duration::from_mins(1);
        let may = |positions: &[Position]| -> Vec<bool> {
            (0..positions.len()).map(|place| may_read(positions, place, stretch)).collect()
        };
        assert_eq!(may(&[at(None, false), at(None, false)]), [true, true]);
        assert_eq!(may(&[at(Some(0), false), at(None, false)]), [false, true], "the other has not answered yet");
        assert_eq!(may(&[at(Some(60), false), at(Some(0), false)]), [true, true]);
        assert_eq!(may(&[at(Some(61), false), at(Some(0), false)]), [false, true]);
        assert_eq!(may(&[at(Some(61), false), at(Some(0), true)]), [true, true], "the other is at its end");
        assert_eq!(may(&[at(Some(61), true), at(Some(0), false)]), [false, true]);
        assert_eq!(may(&[at(Some(500), false), at(Some(0), false), at(Some(100), false)]), [false, true, false]);
        assert_eq!(may(&[at(Some(5), false)]), [true]);
    }
}
