//! When a notification is tried again: the schedule of Standard Webhooks 1.0.0, for every channel.

use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The wait before each attempt, in seconds.
const WAITS: [u64; 10] =
    [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// Waits differ by up to this share in both directions, so that what failed together isn't tried together.
const JITTER: f64 = 0.2;

/// The wait before the next attempt after so many; None when it was the last. `jitter` in [0, 1).
pub fn next(attempts: u32, jitter: f64) -> Option<Duration> {
    let wait = *WAITS.get(usize::try_from(attempts).ok()?)?;
    let factor = 1.0 + JITTER * (2.0 * jitter.clamp(0.0, 1.0) - 1.0);
    Some(Duration::from_secs(wait).mul_f64(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_ten_attempts_over_three_days_and_then_no_more() {
        assert_eq!(next(0, 0.9), Some(Duration::ZERO));
        assert_eq!(next(1, 0.5), Some(Duration::from_secs(5)));
        assert_eq!(next(9, 0.5), Some(Duration::from_hours(24)));
        assert_eq!(next(10, 0.5), None);
        assert_eq!(next(u32::MAX, 0.5), None);
        let total: Duration = (0..10).filter_map(|attempts| next(attempts, 0.5)).sum();
        assert_eq!(total.as_secs() / 3_600, 75);
    }

    #[test]
    fn r3_jitter_moves_a_wait_by_a_fifth_at_most() {
        for jitter in [-5.0, 0.0, 0.3, 0.999, 7.0, f64::NAN.max(0.0)] {
            let wait = next(2, jitter).unwrap().as_secs_f64();
            assert!((240.0..=360.0).contains(&wait), "{jitter}: {wait}");
        }
    }
}
