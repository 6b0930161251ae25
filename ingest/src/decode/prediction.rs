//! Predictions: features, score, predicted class, latency, error.

use std::fmt::Write;

use contract::model::{ColumnKind, Privacy};
use contract::{Contract, EventTime};

use crate::publication::Reason;

use super::event::{Decoded, Event, Pointer, Refusal, seconds};
use super::tree::Tree;
use super::visit::{Scalar, Scratch};

/// 2^63 is the first double beyond 64 signed bits.
const INTEGERS_END: f64 = 9.223_372_036_854_776e18;
/// Longer names of versions are wrong.
const VERSION_BYTES_LIMIT: usize = 256;

/// A prediction that was understood. [`PredictionDecoder`] holds its texts and features until the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prediction {
    pub id: u128,
    pub time: EventTime,
    /// NaN and infinities are possible: as texts, which JSON can carry.
    pub score: Option<f64>,
    /// The predicted class, where it is one of two.
    pub predicted: Option<bool>,
    /// Seconds.
    pub latency: Option<f64>,
    pub is_error: bool,
    /// What another version would have given ([`PredictionDecoder::shadow_version`]).
    pub shadow_score: Option<f64>,
    /// Some features have a wrong type ([`PredictionDecoder::mistyped`]); everything else is right.
    pub is_mistyped: bool,
}

#[derive(Debug)]
pub(crate) struct PredictionDecoder {
    event: Event,
    pointers: Pointers,
    version: String,
    shadow_version: String,
    class: Option<String>,
    mistyped: Vec<usize>,
}

/// Where the parts of a prediction are.
#[derive(Debug)]
struct Pointers {
    version: Option<Pointer>,
    features: Pointer,
    score: Option<Pointer>,
    prediction: Option<Pointer>,
    latency: Option<(Pointer, f64)>,
    error: Option<Pointer>,
    shadow: Option<Shadow>,
    columns: Vec<Column>,
}

/// The score of another version.
#[derive(Debug)]
struct Shadow {
    version: Pointer,
    score: Pointer,
}

/// One feature.
#[derive(Debug)]
struct Column {
    name: String,
    slot: usize,
    kind: ColumnKind,
    /// The text itself must be kept nowhere, profiles included.
    is_hashed: bool,
}

impl Pointers {
    fn new(contract: &Contract, tree: &mut Tree) -> Self {
        let fields = &contract.fields.predictions;
        let mut optional = |pointer: &Option<String>| pointer.as_deref().map(|pointer| Pointer::new(tree, pointer));
        let (version, score) = (optional(&fields.version), optional(&fields.score));
        let (prediction, error) = (optional(&fields.prediction), optional(&fields.error));
        let latency = fields.latency.as_ref().map(|field| (Pointer::new(tree, &field.pointer), seconds(field.unit)));
        let shadow = fields.shadow.as_ref().map(|shadow| Shadow {
            version: Pointer::new(tree, &shadow.version),
            score: Pointer::new(tree, &shadow.score),
        });
        let features = Pointer::new(tree, &fields.features);
        let columns = contract.schema.iter().map(|column| Column {
            name: column.name.clone(),
            slot: tree.add_member(&fields.features, &column.name),
            kind: column.kind,
            is_hashed: column.kind == ColumnKind::String && column.privacy != Privacy::Keep,
        });
        let columns = columns.collect();
        Self { version, features, score, prediction, latency, error, shadow, columns }
    }
}

impl PredictionDecoder {
    pub fn new(contract: &Contract) -> Self {
        let fields = &contract.fields.predictions;
        let (event, pointers) =
            Event::new(&contract.sources.predictions.filter, &fields.event_id, &fields.time, |tree| {
                Pointers::new(contract, tree)
            });
        let (version, shadow_version) = (String::new(), String::new());
        Self { event, pointers, version, shadow_version, class: None, mistyped: Vec::new() }
    }

    pub fn decode(&mut self, payload: &[u8]) -> Decoded<Prediction> {
        match self.event.read(payload) {
            Decoded::Event(()) => match self.prediction() {
                Ok(prediction) => Decoded::Event(prediction),
                Err(refusal) => Decoded::Refused(refusal),
            },
            Decoded::OtherModel => Decoded::OtherModel,
            Decoded::Refused(refusal) => Decoded::Refused(refusal),
        }
    }

    fn prediction(&mut self) -> Result<Prediction, Refusal> {
        let (id, time) = (self.event.id()?, self.event.time()?);
        self.read_versions()?;
        let score = self.number("score", self.pointers.score.as_ref())?;
        let predicted = self.read_class()?;
        let latency = match &self.pointers.latency {
            Some((pointer, unit)) => self.number("latency", Some(pointer))?.map(|value| value * unit),
            None => None,
        };
        let is_error = self.is_error();
        let shadow_score = self.number("shadow score", self.pointers.shadow.as_ref().map(|shadow| &shadow.score))?;
        self.read_features()?;
        let is_mistyped = !self.mistyped.is_empty();
        Ok(Prediction { id, time, score, predicted, latency, is_error, shadow_score, is_mistyped })
    }

    fn read_versions(&mut self) -> Result<(), Refusal> {
        let (pointers, scratch) = (&self.pointers, &self.event.scratch);
        read_version("version", pointers.version.as_ref(), scratch, &mut self.version)?;
        let shadow = pointers.shadow.as_ref().map(|shadow| &shadow.version);
        read_version("shadow version", shadow, scratch, &mut self.shadow_version)
    }

    fn number(&self, what: &str, pointer: Option<&Pointer>) -> Result<Option<f64>, Refusal> {
        let Some(pointer) = pointer else { return Ok(None) };
        let found = pointer.value(&self.event.scratch);
        match typed(found, ColumnKind::Float64, &self.event.scratch) {
            Some(Scalar::Float(value)) => Ok(Some(value)),
            Some(_) => Ok(None),
            None => Err(Refusal::wrong_type(what, &pointer.pointer, found, "a number")),
        }
    }

    fn read_class(&mut self) -> Result<Option<bool>, Refusal> {
        self.class = None;
        let Some(pointer) = &self.pointers.prediction else { return Ok(None) };
        let mut text = String::new();
        match pointer.value(&self.event.scratch) {
            Scalar::Absent | Scalar::Null => return Ok(None),
            found @ (Scalar::Object | Scalar::Array) => {
                return Err(Refusal::wrong_type("prediction", &pointer.pointer, found, "a single value"));
            }
            found => write_text(found, &self.event.scratch, &mut text),
        }
        let predicted = match text.as_str() {
            "1" => Some(true),
            "0" => Some(false),
            other if other.eq_ignore_ascii_case("true") => Some(true),
            other if other.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        self.class = Some(text);
        Ok(predicted)
    }

    /// Nothing, false, 0 and the empty text say that there was no error; anything else says that there was one.
    fn is_error(&self) -> bool {
        let Some(pointer) = &self.pointers.error else { return false };
        match pointer.value(&self.event.scratch) {
            Scalar::Absent | Scalar::Null | Scalar::Boolean(false) | Scalar::Integer(0) => false,
            Scalar::Text(span) => !self.event.scratch.text(span).is_empty(),
            Scalar::Float(value) => value != 0.0,
            Scalar::Boolean(true) | Scalar::Integer(_) | Scalar::Large(_) | Scalar::Object | Scalar::Array => true,
        }
    }

    fn read_features(&mut self) -> Result<(), Refusal> {
        self.mistyped.clear();
        let scratch = &mut self.event.scratch;
        let features = &self.pointers.features;
        match features.value(scratch) {
            Scalar::Object => {}
            Scalar::Absent | Scalar::Null => return Err(Refusal::missing("object of features", &features.pointer)),
            other => return Err(Refusal::wrong_type("value of the features", &features.pointer, other, "an object")),
        }
        for (index, column) in self.pointers.columns.iter().enumerate() {
            match typed(scratch.get(column.slot), column.kind, scratch) {
                Some(Scalar::Text(span)) if column.is_hashed => {
                    let hashed = hashed(scratch.text(span));
                    let span = scratch.keep(&hashed);
                    scratch.set(column.slot, Scalar::Text(span));
                }
                Some(value) => scratch.set(column.slot, value),
                None => self.mistyped.push(index),
            }
        }
        Ok(())
    }

    /// The value of a column of the schema in its declared type, or Null.
    pub fn feature(&self, column: usize) -> Scalar {
        self.pointers.columns.get(column).map_or(Scalar::Null, |column| self.event.scratch.get(column.slot))
    }

    /// A feature as text; false if it is null.
    pub fn write_feature(&self, column: usize, text: &mut String) -> bool {
        let value = self.feature(column);
        write_text(value, &self.event.scratch, text);
        value != Scalar::Null
    }

    /// The text of a feature that is one.
    pub fn text(&self, value: Scalar) -> Option<&str> {
        match value {
            Scalar::Text(span) => Some(self.event.scratch.text(span)),
            _ => None,
        }
    }

    /// Columns whose value had a wrong type, by index.
    pub fn mistyped(&self) -> &[usize] {
        &self.mistyped
    }

    /// Says which columns are mistyped and how.
    pub fn refusal(&self) -> Refusal {
        let mut detail = String::new();
        for column in self.mistyped.iter().filter_map(|index| self.pointers.columns.get(*index)).take(3) {
            let found = self.event.scratch.get(column.slot);
            let separator = if detail.is_empty() { "" } else { "; " };
            // Writing to a string can't fail.
            let _ = write!(detail, "{separator}feature `{}` is ", column.name);
            let _ = if column.kind == ColumnKind::Int64 && is_large(found) {
                write!(detail, "too large for int64")
            } else {
                write!(detail, "{}, where {} is expected", found.type_name(), kind_name(column.kind))
            };
        }
        if let Some(more) = self.mistyped.len().checked_sub(4) {
            let _ = write!(detail, "; and {} more", more + 1);
        }
        Refusal::new(Reason::WrongType, detail)
    }

    pub fn event_id(&self) -> &str {
        self.event.id_text()
    }

    /// Empty where the event names none.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The version that scored the event too, without effect on the answer.
    pub fn shadow_version(&self) -> Option<&str> {
        Some(self.shadow_version.as_str()).filter(|version| !version.is_empty())
    }

    /// What was predicted, as text.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }
}

/// A version as text; empty where there is none.
fn read_version(what: &str, pointer: Option<&Pointer>, scratch: &Scratch, text: &mut String) -> Result<(), Refusal> {
    text.clear();
    let Some(pointer) = pointer else { return Ok(()) };
    match pointer.value(scratch) {
        Scalar::Absent | Scalar::Null => {}
        Scalar::Text(span) => text.push_str(scratch.text(span)),
        Scalar::Integer(value) => text.push_str(&value.to_string()),
        Scalar::Large(value) => text.push_str(&value.to_string()),
        other => return Err(Refusal::wrong_type(what, &pointer.pointer, other, "text or an integer")),
    }
    if text.len() > VERSION_BYTES_LIMIT {
        let pointer = &pointer.pointer;
        let detail = format!("the {what} at `{pointer}` is longer than {VERSION_BYTES_LIMIT} bytes");
        return Err(Refusal::new(Reason::WrongType, detail));
    }
    Ok(())
}

fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Float64 => "a number",
        ColumnKind::Int64 => "an integer",
        ColumnKind::Boolean => "a boolean",
        ColumnKind::String => "text",
    }
}

/// The value in the type that is declared; None if it has another one.
#[expect(clippy::float_cmp, reason = "whole numbers are exactly whole")]
fn typed(value: Scalar, kind: ColumnKind, scratch: &Scratch) -> Option<Scalar> {
    match (kind, value) {
        (_, Scalar::Absent | Scalar::Null) => Some(Scalar::Null),
        (ColumnKind::Float64, Scalar::Float(_))
        | (ColumnKind::Int64, Scalar::Integer(_))
        | (ColumnKind::Boolean, Scalar::Boolean(_))
        | (ColumnKind::String, Scalar::Text(_)) => Some(value),
        (ColumnKind::Float64, Scalar::Integer(value)) => Some(Scalar::Float(value as f64)),
        (ColumnKind::Float64, Scalar::Large(value)) => Some(Scalar::Float(value as f64)),
        (ColumnKind::Float64, Scalar::Text(span)) => match scratch.text(span) {
            "NaN" => Some(Scalar::Float(f64::NAN)),
            "Infinity" => Some(Scalar::Float(f64::INFINITY)),
            "-Infinity" => Some(Scalar::Float(f64::NEG_INFINITY)),
            _ => None,
        },
        (ColumnKind::Int64, Scalar::Float(value)) if value.trunc() == value && value.abs() < INTEGERS_END => {
            Some(Scalar::Integer(value as i64))
        }
        _ => None,
    }
}

/// A whole number that 64 signed bits don't hold. Doubles of that size are all whole.
fn is_large(value: Scalar) -> bool {
    match value {
        Scalar::Large(_) => true,
        Scalar::Float(value) => value.abs() >= INTEGERS_END,
        _ => false,
    }
}

/// One form for each value: 1, 1.0 and 1e0 are all `1`.
#[expect(clippy::float_cmp, reason = "whole numbers are exactly whole")]
fn write_text(value: Scalar, scratch: &Scratch, text: &mut String) {
    // Writing to a string can't fail.
    let _ = match value {
        Scalar::Text(span) => text.write_str(scratch.text(span)),
        Scalar::Boolean(value) => write!(text, "{value}"),
        Scalar::Integer(value) => write!(text, "{value}"),
        Scalar::Large(value) => write!(text, "{value}"),
        Scalar::Float(value) if value.trunc() == value && value.abs() < 9e15 => write!(text, "{}", value as i64),
        Scalar::Float(value) => write!(text, "{value}"),
        Scalar::Absent | Scalar::Null | Scalar::Object | Scalar::Array => Ok(()),
    };
}

/// What is kept of a text that must not be kept: 32 hexadecimal digits.
pub(crate) fn hashed(text: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn decoder() -> PredictionDecoder {
        let text = "version: 1\nmodel: m\ntask: none\nsources: { predictions: { topic: p } }\n\
                    fields: { predictions: { event_id: /id, time: /t, version: /v, prediction: /class } }\n\
                    schema: { n: { type: int64 }, x: { type: float64 } }\nwindows: { size: 1h }\n";
        PredictionDecoder::new(&contract::lower::contract_from_text(text, Path::new("m.yaml")).unwrap())
    }

    #[test]
    fn i4_whole_numbers_beyond_64_signed_bits_are_ids_versions_and_doubles_but_no_int64() {
        let mut decoder = decoder();
        let mut decode = |n: &str| {
            let large = u64::MAX;
            let event = format!(
                r#"{{"id": {large}, "t": "2026-03-01T00:00:00Z", "v": {large}, "class": {large}, "n": {n}, "x": {large}}}"#
            );
            let Decoded::Event(prediction) = decoder.decode(event.as_bytes()) else { panic!("{n} is refused") };
            let refusal = prediction.is_mistyped.then(|| decoder.refusal().detail);
            assert_eq!([decoder.event_id(), decoder.version()], ["18446744073709551615"; 2]);
            assert_eq!(decoder.class(), Some("18446744073709551615"));
            assert_eq!(decoder.feature(1), Scalar::Float(u64::MAX as f64));
            refusal
        };
        assert_eq!(decode("9223372036854775807"), None);
        for n in ["9223372036854775808", "18446744073709551616", "-1e300"] {
            assert_eq!(decode(n).as_deref(), Some("feature `n` is too large for int64"), "{n}");
        }
        assert_eq!(decode("0.5").as_deref(), Some("feature `n` is a number, where an integer is expected"));
    }
}
