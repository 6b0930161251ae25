//! What a log's counts must be: written anew from docs/semantics.md, record by record, without any of the program's code.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::stream::{HOUR, Log, SECOND};

/// How a contract reads events: JSON pointers, and durations in microseconds.
pub struct Reading {
    pub event_id: &'static str,
    pub prediction_time: &'static str,
    pub version: &'static str,
    pub score: &'static str,
    pub label_time: &'static str,
    pub label: &'static str,
    pub size: i64,
    pub lateness: i64,
    pub horizon: i64,
    /// Whether records carry a broker's timestamp; files have none.
    pub has_timestamps: bool,
}

/// Reading the events of [`crate::stream::CONTRACT`].
pub const SHOP: Reading = Reading {
    event_id: "/id",
    prediction_time: "/at",
    version: "/model/version",
    score: "/output/p",
    label_time: "/known_at",
    label: "/bought",
    size: HOUR,
    lateness: 300 * SECOND,
    horizon: 48 * HOUR,
    has_timestamps: false,
};

/// Rows of one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    pub labelled: u64,
    pub positive: u64,
}

/// What one partition's log must come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub accepted: u64,
    pub duplicate: u64,
    pub late: u64,
    /// By kind and offset: the reason.
    pub dead_letters: BTreeMap<(&'static str, i64), &'static str>,
    /// Labels that were understood, whatever became of them.
    pub labels: u64,
    /// By the window's start.
    pub windows: BTreeMap<i64, Tally>,
}

impl Expected {
    pub fn dead(&self, kind: &str) -> u64 {
        self.dead_letters.keys().filter(|(of, _)| *of == kind).count() as u64
    }

    /// Dead letters by kind and reason.
    pub fn reasons(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for ((kind, _), reason) in &self.dead_letters {
            *counts.entry((*kind, *reason)).or_default() += 1;
        }
        counts
    }

    /// Adds another partition's windows.
    pub fn add_windows(&self, sum: &mut BTreeMap<i64, Tally>) {
        for (start, tally) in &self.windows {
            let entry = sum.entry(*start).or_default();
            entry.rows += tally.rows;
            entry.labelled += tally.labelled;
            entry.positive += tally.positive;
        }
    }
}

pub fn expect(log: &Log, reading: &Reading) -> Expected {
    let mut expected = Expected::default();
    // Event id: (time, counted in its window).
    let mut seen: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for (offset, entry) in log.predictions.iter().enumerate() {
        let written = reading.has_timestamps.then_some(entry.written);
        let newest = (watermark > i64::MIN).then_some(watermark);
        match read_prediction(&entry.bytes, reading, written, newest) {
            Err(reason) => drop(expected.dead_letters.insert(("prediction", offset as i64), reason)),
            Ok((id, _)) if seen.contains_key(&id) => expected.duplicate += 1,
            Ok((id, time)) => {
                let start = time.div_euclid(reading.size) * reading.size;
                let is_late = start + reading.size + reading.lateness <= watermark;
                seen.insert(id, (time, !is_late));
                if is_late {
                    expected.late += 1;
                } else {
                    expected.accepted += 1;
                    expected.windows.entry(start).or_default().rows += 1;
                    watermark = watermark.max(time);
                }
            }
        }
    }
    labels(log, reading, &seen, &mut expected);
    expected
}

fn labels(log: &Log, reading: &Reading, seen: &BTreeMap<String, (i64, bool)>, expected: &mut Expected) {
    // The last by (event time, offset) wins; those beyond the horizon don't count.
    let mut latest: BTreeMap<String, (i64, usize, bool)> = BTreeMap::new();
    for (offset, entry) in log.labels.iter().enumerate() {
        match read_label(&entry.bytes, reading) {
            Err(reason) => drop(expected.dead_letters.insert(("label", offset as i64), reason)),
            Ok((id, time, value)) => {
                expected.labels += 1;
                let is_in_time = seen.get(&id).is_some_and(|(predicted, _)| time <= predicted + reading.horizon);
                let is_newer = latest.get(&id).is_none_or(|(other, at, _)| (time, offset) > (*other, *at));
                if is_in_time && is_newer {
                    latest.insert(id, (time, offset, value));
                }
            }
        }
    }
    for (id, (_, _, value)) in latest {
        let Some((time, true)) = seen.get(&id) else { continue };
        let start = time.div_euclid(reading.size) * reading.size;
        let tally = expected.windows.entry(start).or_default();
        tally.labelled += 1;
        tally.positive += u64::from(value);
    }
}

/// Event id and time, or the reason why the event is a dead letter.
fn read_prediction(
    bytes: &[u8],
    reading: &Reading,
    written: Option<i64>,
    newest: Option<i64>,
) -> Result<(String, i64), &'static str> {
    let event: Value = serde_json::from_slice(bytes).map_err(|_| "undecodable")?;
    let id = text(&event, reading.event_id)?;
    let time = time(&event, reading.prediction_time)?;
    text(&event, reading.version)?;
    if !event.pointer(reading.score).is_some_and(Value::is_number) {
        return Err("wrong_type");
    }
    let limit = match written {
        Some(written) => Some(written + 24 * HOUR),
        None => newest.map(|newest| newest + 30 * 24 * HOUR),
    };
    if limit.is_some_and(|limit| time > limit) {
        return Err("time_in_future");
    }
    Ok((id, time))
}

fn read_label(bytes: &[u8], reading: &Reading) -> Result<(String, i64, bool), &'static str> {
    let event: Value = serde_json::from_slice(bytes).map_err(|_| "undecodable")?;
    let id = text(&event, reading.event_id)?;
    let time = time(&event, reading.label_time)?;
    let label = event.pointer(reading.label).filter(|value| !value.is_null()).ok_or("missing_field")?;
    let value = label.as_bool().or_else(|| label.as_i64().map(|number| number == 1)).ok_or("wrong_type")?;
    Ok((id, time, value))
}

/// The event id of a record, if it has one: what a producer would take as the key.
pub fn event_id(bytes: &[u8], reading: &Reading) -> Option<String> {
    let event: Value = serde_json::from_slice(bytes).ok()?;
    text(&event, reading.event_id).ok()
}

fn text(event: &Value, pointer: &str) -> Result<String, &'static str> {
    match event.pointer(pointer) {
        None | Some(Value::Null) => Err("missing_field"),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err("wrong_type"),
    }
}

/// RFC 3339 in UTC, or milliseconds.
fn time(event: &Value, pointer: &str) -> Result<i64, &'static str> {
    match event.pointer(pointer) {
        None | Some(Value::Null) => Err("missing_field"),
        Some(Value::String(text)) => from_rfc3339(text).ok_or("time_invalid"),
        Some(Value::Number(number)) => number.as_i64().map(|millis| millis * 1000).ok_or("time_invalid"),
        Some(_) => Err("wrong_type"),
    }
}

fn from_rfc3339(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let date: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    let clock: Vec<&str> = clock.split(':').collect();
    let ([year, month, day], [hour, minute, second]) = (date.as_slice(), clock.as_slice()) else { return None };
    let seconds: f64 = second.parse().ok()?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    // Days from civil, by Howard Hinnant.
    let year = year - i64::from(*month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 24 * HOUR + hour * HOUR + minute * 60 * SECOND + (seconds * 1e6).round() as i64)
}

#[test]
fn times_are_read_as_they_are_written() {
    for micros in [crate::stream::BEGIN, crate::stream::BEGIN + 77 * HOUR + 1_234_000, 951_782_400 * SECOND] {
        assert_eq!(from_rfc3339(&crate::stream::rfc3339(micros)), Some(micros));
    }
    assert_eq!(from_rfc3339("not a time"), None);
}
