//! Event time and wall time: two types that never mix (design: "Words").
//!
//! Both count microseconds since 1970-01-01T00:00:00Z. Windows, rules and verdicts live in [`EventTime`];
//! delivery, retries and idleness in [`WallTime`].

use std::fmt::{self, Write};
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            pub const MIN: Self = Self(i64::MIN);
            pub const MAX: Self = Self(i64::MAX);

            /// Microseconds since the epoch.
            pub const fn from_micros(micros: i64) -> Self {
                Self(micros)
            }

            /// Milliseconds since the epoch, saturating.
            pub const fn from_millis(millis: i64) -> Self {
                Self(millis.saturating_mul(1_000))
            }

            pub const fn micros(self) -> i64 {
                self.0
            }

            pub const fn millis(self) -> i64 {
                self.0.div_euclid(1_000)
            }

            /// Seconds since the epoch, for metrics.
            pub fn seconds(self) -> f64 {
                self.0 as f64 / 1e6
            }

            /// Microseconds from `earlier` to `self`; negative when `self` is the earlier one. Saturates.
            pub const fn micros_since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }

            /// RFC 3339 in any offset.
            pub fn parse(text: &str) -> Option<Self> {
                let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
                i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000)).ok().map(Self)
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;
            fn add(self, duration: Duration) -> Self {
                Self(self.0.saturating_add(micros(duration)))
            }
        }

        impl Sub<Duration> for $name {
            type Output = Self;
            fn sub(self, duration: Duration) -> Self {
                Self(self.0.saturating_sub(micros(duration)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let formatted = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
                    .ok()
                    .and_then(|time| time.format(&Rfc3339).ok());
                match formatted {
                    Some(text) => f.write_str(&text),
                    None => write!(f, "{}us", self.0),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
            }
        }
    };
}

instant!(
    /// When something happened, by the producer's own record.
    EventTime
);
instant!(
    /// When Bellwether saw or did something.
    WallTime
);

impl WallTime {
    /// The one place that reads the clock.
    pub fn now() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the workspace's one clock")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(micros(since))
    }
}

/// Microseconds of a duration, saturating at what an instant can hold.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Parses `500ms`, `30s`, `5m`, `6h`, `14d`, `2w`, and sums such as `1h30m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit_millis = match rest.get(..letters)? {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        rest = rest.get(letters..)?;
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit_millis)?))?;
    }
    Some(total)
}

/// Writes a duration the way [`parse_duration`] reads it: `1d`, `1h30m`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = millis / size;
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
            millis %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_and_write_rfc_3339() {
        let time = EventTime::parse("2013-05-09T12:00:00.25-04:00").unwrap();
        assert_eq!(time.to_string(), "2013-05-09T16:00:00.25Z");
        assert_eq!(EventTime::parse(&time.to_string()), Some(time));
        assert_eq!(EventTime::parse("yesterday"), None);
    }

    #[test]
    fn durations_read_and_write() {
        for text in ["500ms", "30s", "5m", "1h30m", "14d"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        for bad in ["", "5", "m5", "5y", "-1s", "1.5h", "99999999999999999999d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
