//! Times that lie too far ahead: one poisoned timestamp can't close windows early (promise I4).

use std::time::Duration;

use contract::EventTime;

/// How far an event's time may lie ahead of the broker's timestamp.
pub(crate) const AHEAD_OF_BROKER: Duration = Duration::from_hours(24);
/// Without broker's timestamps: how far an event's time may lie ahead of the watermark without the next event's agreement.
pub(crate) const JUMP: Duration = Duration::from_hours(30 * 24);

/// An event whose time nothing confirms yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    pub offset: i64,
    pub time: EventTime,
    pub payload: Vec<u8>,
}

impl Unconfirmed {
    /// Whether the next event of the stream agrees: it isn't itself back where the stream was before.
    pub fn is_confirmed_by(&self, next: EventTime) -> bool {
        next + JUMP >= self.time
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Believed,
    /// Ahead of the broker's timestamp.
    Refused,
    /// The next event decides.
    Unconfirmed,
}

/// Whether a time is believed. The first event of a stream without broker's timestamps has to be confirmed too.
pub(crate) fn judge(time: EventTime, broker: Option<EventTime>, watermark: Option<EventTime>) -> Verdict {
    match (broker, watermark) {
        (Some(broker), _) if time > broker + AHEAD_OF_BROKER => Verdict::Refused,
        (Some(_), _) => Verdict::Believed,
        (None, Some(watermark)) if time <= watermark + JUMP => Verdict::Believed,
        (None, _) => Verdict::Unconfirmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_times_far_ahead_are_not_believed() {
        let day = |days: i64| EventTime::from_millis(days * 86_400_000);
        assert_eq!(judge(day(11), Some(day(10)), None), Verdict::Believed);
        assert_eq!(judge(day(11) + Duration::from_micros(1), Some(day(10)), Some(day(11))), Verdict::Refused);
        assert_eq!(judge(day(3), Some(day(10_000)), None), Verdict::Believed, "a replay of old data");
        assert_eq!(judge(day(3), None, None), Verdict::Unconfirmed);
        assert_eq!(judge(day(33), None, Some(day(3))), Verdict::Believed);
        assert_eq!(judge(day(34), None, Some(day(3))), Verdict::Unconfirmed);
        let unconfirmed = Unconfirmed { offset: 0, time: day(100), payload: Vec::new() };
        assert!(unconfirmed.is_confirmed_by(day(70)) && !unconfirmed.is_confirmed_by(day(69)));
    }
}
