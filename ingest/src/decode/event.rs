//! What predictions and labels have in common: whose event it is, its id, its time.

use contract::EventTime;
use contract::model::{TimeField, TimeUnit};

use crate::publication::Reason;

use super::tree::Tree;
use super::visit::{Scalar, Scratch};

/// The latest time that is believed to be one, 2262-04-11: nanoseconds end there, and Arrow's and Parquet's times with them.
pub(crate) const LATEST: EventTime = EventTime::from_micros(i64::MAX / 1_000);

/// What decoding an event gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decoded<T> {
    Event(T),
    /// The contract's `where` says that it belongs to another model.
    OtherModel,
    Refused(Refusal),
}

impl<T> Decoded<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Event(event) => Decoded::Event(change(event)),
            Self::OtherModel => Decoded::OtherModel,
            Self::Refused(refusal) => Decoded::Refused(refusal),
        }
    }
}

/// Why an event can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub detail: String,
}

impl Refusal {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub fn missing(what: &str, pointer: &str) -> Self {
        Self::new(Reason::MissingField, format!("the {what} at `{pointer}` is missing"))
    }

    pub fn wrong_type(what: &str, pointer: &str, found: Scalar, expected: &str) -> Self {
        let found = found.type_name();
        Self::new(Reason::WrongType, format!("the {what} at `{pointer}` is {found}, where {expected} is expected"))
    }
}

/// A pointer and where its value goes.
#[derive(Debug)]
pub(crate) struct Pointer {
    pub pointer: String,
    slot: usize,
}

impl Pointer {
    pub fn new(tree: &mut Tree, pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), slot: tree.add(pointer) }
    }

    pub fn value(&self, scratch: &Scratch) -> Scalar {
        scratch.get(self.slot)
    }
}

/// Reads event id and time, and whose event it is.
#[derive(Debug)]
pub(crate) struct Event {
    pub tree: Tree,
    pub scratch: Scratch,
    filter: Vec<(Pointer, String)>,
    id: Pointer,
    time: Time,
    id_text: String,
}

impl Event {
    /// `rest` adds the pointers that only this kind of event has.
    pub fn new<T>(
        filter: &[(String, String)],
        id: &str,
        time: &TimeField,
        rest: impl FnOnce(&mut Tree) -> T,
    ) -> (Self, T) {
        let mut tree = Tree::new();
        let filter = filter.iter().map(|(at, text)| (Pointer::new(&mut tree, at), text.clone())).collect();
        let id = Pointer::new(&mut tree, id);
        let time = Time::new(&mut tree, time);
        let rest = rest(&mut tree);
        let scratch = Scratch::new(&tree);
        (Self { tree, scratch, filter, id, time, id_text: String::new() }, rest)
    }

    /// Reads the JSON. `Event(())`: it is JSON and belongs to this model.
    pub fn read(&mut self, payload: &[u8]) -> Decoded<()> {
        if let Err(detail) = self.scratch.read(&self.tree, payload) {
            return Decoded::Refused(Refusal::new(Reason::Undecodable, detail));
        }
        let is_ours = |(pointer, text): &(Pointer, String)| match pointer.value(&self.scratch) {
            Scalar::Text(span) => self.scratch.text(span) == text,
            Scalar::Integer(value) => value.to_string() == *text,
            Scalar::Large(value) => value.to_string() == *text,
            Scalar::Boolean(value) => value.to_string() == *text,
            _ => false,
        };
        if self.filter.iter().all(is_ours) { Decoded::Event(()) } else { Decoded::OtherModel }
    }

    /// The hash of the event id, whose text is [`Self::id_text`] afterwards.
    pub fn id(&mut self) -> Result<u128, Refusal> {
        self.id_text.clear();
        match self.id.value(&self.scratch) {
            Scalar::Text(span) => self.id_text.push_str(self.scratch.text(span)),
            Scalar::Integer(value) => self.id_text.push_str(&value.to_string()),
            Scalar::Large(value) => self.id_text.push_str(&value.to_string()),
            Scalar::Absent | Scalar::Null => {}
            other => return Err(Refusal::wrong_type("event id", &self.id.pointer, other, "text or an integer")),
        }
        if self.id_text.is_empty() {
            return Err(Refusal::missing("event id", &self.id.pointer));
        }
        Ok(hash_id(&self.id_text))
    }

    pub fn id_text(&self) -> &str {
        &self.id_text
    }

    pub fn time(&self) -> Result<EventTime, Refusal> {
        self.time.value(&self.scratch)
    }
}

/// What an event id is known by. Part of the stored format: never change it.
pub(crate) fn hash_id(id: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(id.as_bytes())
}

/// Reads times.
#[derive(Debug)]
struct Time {
    pointer: Pointer,
    unit: Option<TimeUnit>,
}

impl Time {
    fn new(tree: &mut Tree, field: &TimeField) -> Self {
        Self { pointer: Pointer::new(tree, &field.pointer), unit: field.unit }
    }

    fn value(&self, scratch: &Scratch) -> Result<EventTime, Refusal> {
        let pointer = &self.pointer.pointer;
        let found = self.pointer.value(scratch);
        let time = match (found, self.unit) {
            (Scalar::Absent | Scalar::Null, _) => return Err(Refusal::missing("time", pointer)),
            (Scalar::Text(span), _) => EventTime::parse(scratch.text(span)),
            (Scalar::Integer(value), Some(unit)) => whole_micros(value, unit).map(EventTime::from_micros),
            // Even in nanoseconds it lies behind the last time.
            (Scalar::Large(_), Some(_)) => None,
            (Scalar::Float(value), Some(unit)) => fractional_micros(value, unit).map(EventTime::from_micros),
            (other, None) => return Err(Refusal::wrong_type("time", pointer, other, "RFC 3339 text")),
            (other, Some(_)) => return Err(Refusal::wrong_type("time", pointer, other, "a number")),
        };
        time.filter(|time| (EventTime::from_micros(0)..=LATEST).contains(time)).ok_or_else(|| {
            Refusal::new(Reason::TimeInvalid, format!("the time at `{pointer}` is no time between 1970 and 2262"))
        })
    }
}

fn whole_micros(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Seconds => value.checked_mul(1_000_000),
        TimeUnit::Milliseconds => value.checked_mul(1_000),
        TimeUnit::Microseconds => Some(value),
        TimeUnit::Nanoseconds => Some(value.div_euclid(1_000)),
    }
}

fn fractional_micros(value: f64, unit: TimeUnit) -> Option<i64> {
    let micros = (value * seconds(unit) * 1e6).round();
    // Conversion saturates, and what saturates is no valid time.
    micros.is_finite().then_some(micros as i64)
}

/// How many seconds one of the unit is.
pub(crate) fn seconds(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Seconds => 1.0,
        TimeUnit::Milliseconds => 1e-3,
        TimeUnit::Microseconds => 1e-6,
        TimeUnit::Nanoseconds => 1e-9,
    }
}

/// Reads nothing but the times of events, to interleave files.
#[derive(Debug)]
pub struct TimeReader {
    tree: Tree,
    scratch: Scratch,
    time: Time,
}

impl TimeReader {
    pub fn new(field: &TimeField) -> Self {
        let mut tree = Tree::new();
        let time = Time::new(&mut tree, field);
        let scratch = Scratch::new(&tree);
        Self { tree, scratch, time }
    }

    /// None where there is no valid time.
    pub fn time(&mut self, payload: &[u8]) -> Option<EventTime> {
        self.scratch.read(&self.tree, payload).ok()?;
        self.time.value(&self.scratch).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(json: &str, unit: Option<TimeUnit>) -> Result<i64, Reason> {
        let field = TimeField { pointer: "/t".to_owned(), unit };
        let (mut event, ()) = Event::new(&[], "/id", &field, |_| ());
        assert_eq!(event.read(format!(r#"{{"t": {json}}}"#).as_bytes()), Decoded::Event(()));
        event.time().map(EventTime::micros).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn times_have_units_or_are_rfc_3339() {
        assert_eq!(time("\"1970-01-01T01:00:00.5+01:00\"", None), Ok(500_000));
        assert_eq!(time("1.5", Some(TimeUnit::Seconds)), Ok(1_500_000));
        assert_eq!(time("1500", Some(TimeUnit::Milliseconds)), Ok(1_500_000));
        assert_eq!(time("1500", Some(TimeUnit::Microseconds)), Ok(1_500));
        assert_eq!(time("1700000000123456789", Some(TimeUnit::Nanoseconds)), Ok(1_700_000_000_123_456));
        assert_eq!(time("\"2013-01-01T00:00:00Z\"", Some(TimeUnit::Seconds)), Ok(1_356_998_400_000_000));
    }

    #[test]
    fn i4_absurd_times_have_a_reason() {
        assert_eq!(time("null", None), Err(Reason::MissingField));
        assert_eq!(time("17", None), Err(Reason::WrongType));
        assert_eq!(time("true", Some(TimeUnit::Seconds)), Err(Reason::WrongType));
        for text in ["\"yesterday\"", "\"1969-12-31T23:59:59Z\"", "\"9999-01-01T00:00:00Z\"", "\"\""] {
            assert_eq!(time(text, None), Err(Reason::TimeInvalid), "{text}");
        }
        for number in ["-1", "9223372036854775807", "1e300", "-1e300", "99999999999"] {
            assert_eq!(time(number, Some(TimeUnit::Seconds)), Err(Reason::TimeInvalid), "{number}");
        }
        assert_eq!(time("9223372036854775808", Some(TimeUnit::Nanoseconds)), Err(Reason::TimeInvalid));
    }

    #[test]
    fn ids_are_text_or_integers() {
        let field = TimeField { pointer: "/t".to_owned(), unit: None };
        let (mut event, ()) = Event::new(&[("/m".to_owned(), "fraud".to_owned())], "/id", &field, |_| ());
        let mut id = |json: &str| {
            let read = event.read(format!(r#"{{"m": "fraud", "id": {json}}}"#).as_bytes());
            assert_eq!(read, Decoded::Event(()));
            event.id().map_err(|refusal| refusal.reason)
        };
        assert_eq!(id("17"), id("\"17\""));
        assert_ne!(id("17"), id("18"));
        for large in ["9223372036854775808", "18446744073709551615"] {
            assert!(id(large).is_ok());
            assert_eq!(id(large), id(&format!("\"{large}\"")));
        }
        assert_ne!(id("18446744073709551615"), id("18446744073709551614"));
        assert_eq!(id("\"\""), Err(Reason::MissingField));
        assert_eq!(id("1.5"), Err(Reason::WrongType));
        assert_eq!(event.read(br#"{"m": "other", "id": 1}"#), Decoded::OtherModel);
        assert_eq!(event.read(br#"{"id": 1}"#), Decoded::OtherModel);
    }
}
