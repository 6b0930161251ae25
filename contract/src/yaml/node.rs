//! The marked tree, and how a node is read as a value of some kind.

use std::time::Duration;

use super::errors::{Errors, nearest};
use crate::time::{format_duration, parse_duration};

/// Where something stands. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A value and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub value: Value,
    pub position: Position,
}

/// What a node holds. Scalars stay text: whoever reads them knows what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `is_plain`: without quotes and not a block scalar, so `5` may be a number and `true` a boolean.
    Scalar {
        text: String,
        is_plain: bool,
    },
    Sequence(Vec<Node>),
    /// In the order of the file, each key once.
    Mapping(Vec<Entry>),
}

/// One key of a mapping. The key is a scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Node,
    pub value: Node,
}

impl Entry {
    /// The key's text.
    pub fn name(&self) -> &str {
        self.key.as_text().unwrap_or_default()
    }
}

impl Node {
    /// The text of a scalar as it stands, whatever its style; None for anything else.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The value of a key of a mapping, when it is one that has it; nothing is reported.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.name() == key).map(|entry| &entry.value),
            Value::Null | Value::Scalar { .. } | Value::Sequence(_) => None,
        }
    }

    pub fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }

    pub fn is_sequence(&self) -> bool {
        matches!(self.value, Value::Sequence(_))
    }

    /// For messages: "`5`", "a list", "a mapping", "nothing".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, is_plain: true } => format!("`{}`", shorten(text)),
            Value::Scalar { text, is_plain: false } => format!("the text \"{}\"", shorten(text)),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// Reports that `what` should be something else. Always None, so that callers can end with it.
    pub fn mismatch<T>(&self, what: &str, expected: &str, errors: &mut Errors) -> Option<T> {
        errors.add(self.position, format!("`{what}` must be {expected}, not {}", self.describe()));
        None
    }

    /// Text that isn't empty. Plain numbers and booleans count as the text they are.
    pub fn text(&self, what: &str, errors: &mut Errors) -> Option<String> {
        match self.as_text() {
            Some("") => {
                errors.add(self.position, format!("`{what}` is empty"));
                None
            }
            Some(text) => Some(text.to_owned()),
            None => self.mismatch(what, "text", errors),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, what: &str, errors: &mut Errors) -> Option<bool> {
        match self.plain() {
            Some("true" | "True" | "TRUE") => Some(true),
            Some("false" | "False" | "FALSE") => Some(false),
            _ => self.mismatch(what, "true or false", errors),
        }
    }

    /// A finite number, whole or not.
    pub fn number(&self, what: &str, errors: &mut Errors) -> Option<f64> {
        let number = self.plain().and_then(saphyr::parse_core_schema_fp);
        match number.filter(|number| number.is_finite()) {
            Some(number) => Some(number),
            None => self.mismatch(what, "a number", errors),
        }
    }

    /// A whole number that isn't negative.
    pub fn integer(&self, what: &str, errors: &mut Errors) -> Option<u64> {
        match self.plain().and_then(|text| text.parse().ok()) {
            Some(number) => Some(number),
            None => self.mismatch(what, "a whole number", errors),
        }
    }

    /// `30s`, `5m`, `1h30m`, `14d`. May be zero.
    pub fn duration(&self, what: &str, errors: &mut Errors) -> Option<Duration> {
        if let Some(duration) = self.as_text().and_then(parse_duration) {
            return Some(duration);
        }
        let message = format!("`{what}` must be a duration, not {}", self.describe());
        let hint = match self.as_text().and_then(|text| text.trim().parse::<u32>().ok()) {
            Some(number) => format!("add a unit: `{number}s`, `{number}m`, `{number}h` or `{number}d`"),
            None => "write it like `500ms`, `30s`, `5m`, `1h30m`, `14d` or `2w`".to_owned(),
        };
        errors.add_with_hint(self.position, message, hint);
        None
    }

    /// A duration above zero and at most `longest`.
    pub fn duration_within(&self, what: &str, longest: Duration, errors: &mut Errors) -> Option<Duration> {
        let duration = self.duration(what, errors)?;
        if duration.is_zero() {
            errors.add(self.position, format!("`{what}` must be longer than zero"));
            return None;
        }
        if duration > longest {
            errors.add(self.position, format!("`{what}` may be {} at most", format_duration(longest)));
            return None;
        }
        Some(duration)
    }

    /// One of some words.
    pub fn choice<T: Clone>(&self, what: &str, choices: &[(&str, T)], errors: &mut Errors) -> Option<T> {
        let text = self.as_text();
        if let Some((_, value)) = choices.iter().find(|(name, _)| text == Some(name)) {
            return Some(value.clone());
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let listed = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!("`{what}` can't be {}", self.describe());
        match text.and_then(|text| nearest(text, names())) {
            Some(name) => errors.add_with_hint(self.position, message, format!("did you mean `{name}`?")),
            None if choices.len() == 1 => errors.add_with_hint(self.position, message, format!("only {listed} so far")),
            None => errors.add_with_hint(self.position, message, format!("it is one of {listed}")),
        }
        None
    }

    /// A list; it may be empty.
    pub fn list(&self, what: &str, errors: &mut Errors) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar { text, .. } => {
                let message = format!("`{what}` must be a list, not {}", self.describe());
                errors.add_with_hint(self.position, message, format!("write `[ {} ]`", shorten(text)));
                None
            }
            Value::Null | Value::Mapping(_) => self.mismatch(what, "a list", errors),
        }
    }

    /// A list of texts.
    pub fn texts(&self, what: &str, errors: &mut Errors) -> Option<Vec<String>> {
        let items = self.list(what, errors)?;
        let texts: Vec<_> = items.iter().map(|item| item.text(what, errors)).collect();
        texts.into_iter().collect()
    }

    fn plain(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, is_plain: true } => Some(text),
            Value::Null | Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }
}

/// The first 40 characters, on one line: messages aren't the place for a whole block of text.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(40).collect();
    if text.chars().count() > 40 {
        short.push('…');
    }
    short
}
