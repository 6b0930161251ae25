//! Errors that come again and again, twenty times a second while Kafka is away: each is said when it is new, then seldom.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// An error that goes on is said so often.
const EVERY: Duration = Duration::from_secs(30);
/// Errors that are told apart. librdkafka has some two hundred; those beyond aren't said while so many come.
const ERRORS: usize = 64;

/// What was said when, and how often it came since.
#[derive(Debug, Default)]
pub struct Reminders {
    said: BTreeMap<String, (Instant, u64)>,
}

impl Reminders {
    /// How often the error was passed over since it was said, if it is to be said now.
    pub fn is_due(&mut self, error: &str, now: Instant) -> Option<u64> {
        if let Some((said, passed_over)) = self.said.get_mut(error) {
            if now.duration_since(*said) < EVERY {
                *passed_over += 1;
                return None;
            }
            *said = now;
            return Some(std::mem::take(passed_over));
        }
        if self.said.len() >= ERRORS {
            self.said.retain(|_, (said, _)| now.duration_since(*said) < EVERY);
            if self.said.len() >= ERRORS {
                return None;
            }
        }
        self.said.insert(error.to_owned(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_an_error_is_said_when_it_is_new_and_then_every_half_minute() {
        let (mut reminders, start) = (Reminders::default(), Instant::now());
        let at = |millis: u64| start + Duration::from_millis(millis);
        // Two errors in turn, twenty times a second for two minutes.
        let mut said = Vec::new();
        for millis in (0..120_000).step_by(50) {
            for error in ["down", "refused"] {
                said.extend(reminders.is_due(error, at(millis)).map(|passed_over| (error, millis, passed_over)));
            }
        }
        let expected = [(0, 0), (30_000, 599), (60_000, 599), (90_000, 599)];
        let expected: Vec<_> =
            expected.iter().flat_map(|(millis, n)| ["down", "refused"].map(|error| (error, *millis, *n))).collect();
        assert_eq!(said, expected);
        assert_eq!(reminders.is_due("another", at(120_001)), Some(0), "a change is said at once");
    }

    #[test]
    fn e3_errors_without_number_are_not_all_said() {
        let (mut reminders, start) = (Reminders::default(), Instant::now());
        let said = (0..10_000).filter(|n| reminders.is_due(&n.to_string(), start).is_some()).count();
        assert_eq!((said, reminders.said.len()), (ERRORS, ERRORS));
        assert_eq!(reminders.is_due("later", start + EVERY), Some(0));
        assert_eq!(reminders.said.len(), 1);
    }
}
