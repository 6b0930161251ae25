//! Tumbling windows of event time, in UTC.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{EventTime, micros};

/// A half-open interval `[start, end)` of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    pub start: EventTime,
    pub end: EventTime,
}

impl Window {
    /// The window of the given size that holds `time`; windows are aligned to the epoch.
    pub fn holding(time: EventTime, size: Duration) -> Self {
        let size = micros(size).max(1);
        let start = time.micros().div_euclid(size).saturating_mul(size);
        Self { start: EventTime::from_micros(start), end: EventTime::from_micros(start.saturating_add(size)) }
    }

    pub fn contains(&self, time: EventTime) -> bool {
        self.start <= time && time < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open_and_aligned() {
        let day = Duration::from_hours(24);
        let window = Window::holding(EventTime::parse("2013-05-09T23:59:59.999999Z").unwrap(), day);
        assert_eq!(window.start, EventTime::parse("2013-05-09T00:00:00Z").unwrap());
        assert!(window.contains(window.start));
        assert!(!window.contains(window.end));
        assert_eq!(Window::holding(window.end, day).start, window.end);
        assert_eq!(Window::holding(EventTime::from_micros(-1), day).end, EventTime::from_micros(0));
    }
}
