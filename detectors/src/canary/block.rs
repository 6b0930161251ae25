//! What hangs together: the events of a day.

use std::time::Duration;

use contract::EventTime;
use contract::time::micros;

const DAY: Duration = Duration::from_hours(24);

/// How long a block is: a day, or a window where windows are longer. Hours of one day share its weather, so windows that are
/// shorter than a day are no blocks: an equal candidate would be rolled back in a third of all rollouts.
pub fn block_length(window: Duration) -> Duration {
    window.max(DAY)
}

/// The number of an event's block.
pub fn block(time: EventTime, window: Duration) -> i64 {
    time.micros().div_euclid(micros(block_length(window)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t3_a_block_is_a_day_at_least() {
        let at = |hours: i64| EventTime::from_micros(hours * 3_600_000_000);
        let hour = Duration::from_hours(1);
        assert_eq!([0, 23, 24, 47, 48].map(|hours| block(at(hours), hour)), [0, 0, 1, 1, 2]);
        assert_eq!([0, 24, 71, 72].map(|hours| block(at(hours), DAY * 3)), [0, 0, 0, 1]);
        assert_eq!(block(at(-1), DAY), -1);
    }
}
