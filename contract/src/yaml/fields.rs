//! Walking a mapping key by key.

use super::errors::{Errors, nearest};
use super::node::{Entry, Node, Position, Value};
use crate::keys::{Need, Object};

/// The keys of one mapping. Take those you know, then [`Fields::finish`] reports the rest.
#[derive(Debug)]
pub struct Fields<'a> {
    /// Names the mapping in messages: "a contract", "`windows`".
    what: String,
    position: Position,
    entries: Vec<(&'a Entry, bool)>,
    known: Vec<&'static str>,
    /// What was asked for, whether it is there or not.
    asked: Vec<&'static str>,
    /// The table that the keys come from; then required and unknown keys have been reported already.
    table: Option<&'static Object>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping; anything else is an error. `what` names it in messages: "a rule", "`windows`".
    pub fn open(node: &'a Node, what: &str, errors: &mut Errors) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            let found = node.describe();
            errors.add_with_hint(node.position, format!("{what} must be a mapping, not {found}"), "write `key: value`");
            return None;
        };
        let entries = entries.iter().map(|entry| (entry, false)).collect();
        let (what, known, asked) = (what.to_owned(), Vec::new(), Vec::new());
        Some(Self { what, position: node.position, entries, known, asked, table: None })
    }

    /// Opens a mapping whose keys stand in a table. Reports what is missing, unknown, not supported yet and moved.
    pub fn of(node: &'a Node, object: &'static Object, errors: &mut Errors) -> Option<Self> {
        let mut fields = Self::open(node, object.what, errors)?;
        fields.table = Some(object);
        fields.known = object.keys.iter().filter(|key| key.is_taken()).map(|key| key.name).collect();
        // A misspelt key isn't missing as well.
        let mut misspelt = Vec::new();
        for (entry, is_taken) in &mut fields.entries {
            let is_known = object.keys.iter().any(|key| key.name == entry.name());
            if !is_known {
                *is_taken = true;
                misspelt.extend(unknown(entry, &fields.what, &fields.known, errors));
            }
        }
        for key in object.keys {
            match (key.need, fields.position_of(key.name)) {
                (Need::Required, None) if !misspelt.contains(&key.name) => fields.missing(key.name, errors),
                (Need::Later(hint), Some(position)) => {
                    fields.mark(key.name);
                    errors.add_with_hint(position, format!("`{}` is not supported yet", key.name), hint);
                }
                (Need::Moved(now, instead), Some(position)) => {
                    fields.mark(key.name);
                    errors.add_with_hint(position, now, instead);
                }
                _ => {}
            }
        }
        Some(fields)
    }

    /// Where the mapping starts.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Where a key stands, without taking it.
    pub fn position_of(&self, key: &str) -> Option<Position> {
        self.entries.iter().find(|(entry, _)| entry.name() == key).map(|(entry, _)| entry.key.position)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str, errors: &mut Errors) -> Option<&'a Node> {
        if self.position_of(key).is_none() {
            self.asked.push(key);
            // A table has reported it already.
            if self.table.is_none() {
                self.known.push(key);
                self.missing(key, errors);
            }
            return None;
        }
        self.optional(key, errors)
    }

    /// The value of a key that may be there. A key without a value is an error: it says nothing.
    pub fn optional(&mut self, key: &'static str, errors: &mut Errors) -> Option<&'a Node> {
        debug_assert!(
            self.table.is_none_or(|table| table.key(key).is_some()),
            "`{key}` is missing in the table of keys"
        );
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.asked.push(key);
        let entry = self.mark(key)?;
        if entry.value.value == Value::Null {
            let message = format!("`{key}` has no value");
            errors.add_with_hint(entry.key.position, message, "give it one, or leave the key out");
            return None;
        }
        Some(&entry.value)
    }

    /// Takes a key that stands alone, as in `{ training: , history: FILE }`; whether it is there.
    pub fn bare(&mut self, key: &'static str, errors: &mut Errors) -> bool {
        self.asked.push(key);
        self.known.push(key);
        let Some(entry) = self.mark(key) else { return false };
        if entry.value.value != Value::Null {
            errors.add(entry.value.position, format!("`{key}` takes no value"));
        }
        true
    }

    /// All keys and values that weren't taken yet, for mappings whose keys are names; they count as taken.
    pub fn rest(&mut self) -> Vec<&'a Entry> {
        let rest = self.entries.iter_mut().filter(|(_, is_taken)| !*is_taken);
        rest.map(|(entry, is_taken)| {
            *is_taken = true;
            *entry
        })
        .collect()
    }

    /// Reports every key that nobody took, with the nearest known one. With a table: every key of it was asked for.
    pub fn finish(self, errors: &mut Errors) {
        if let Some(table) = self.table {
            let is_asked = |name: &str| self.asked.contains(&name);
            let forgotten = table.keys.iter().find(|key| key.is_taken() && !is_asked(key.name));
            debug_assert!(forgotten.is_none(), "nobody asked for {forgotten:?}");
        }
        for (entry, _) in self.entries.iter().filter(|(_, is_taken)| !is_taken) {
            unknown(entry, &self.what, &self.known, errors);
        }
    }

    fn mark(&mut self, key: &str) -> Option<&'a Entry> {
        let (entry, is_taken) = self.entries.iter_mut().find(|(entry, _)| entry.name() == key)?;
        *is_taken = true;
        Some(entry)
    }

    fn missing(&self, key: &str, errors: &mut Errors) {
        let example = self.table.and_then(|table| table.key(key)).map_or("", |key| key.example);
        let hint = match example {
            "" => format!("add `{key}:` here"),
            example => format!("add it here, such as `{key}: {example}`"),
        };
        errors.add_with_hint(self.position, format!("{} needs `{key}`", self.what), hint);
    }
}

/// Reports an unknown key; gives the known one that was probably meant.
fn unknown(entry: &Entry, what: &str, known: &[&'static str], errors: &mut Errors) -> Option<&'static str> {
    let name = entry.name();
    let meant = nearest(name, known.iter().copied());
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known keys: {}", known.join(", ")),
    };
    errors.add_with_hint(entry.key.position, format!("unknown key `{name}` in {what}"), hint);
    meant
}
