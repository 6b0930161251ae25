//! One pass over an event's JSON: each pointer's value into its slot.
//!
//! Producers write the members of an object in the same order again and again, so the member that followed the last time
//! is tried first; looking a name up is the exception. Of a member that occurs twice, the last one counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::tree::{ROOT_SLOT, Tree};

/// What was found at a pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Scalar {
    #[default]
    Absent,
    Null,
    Boolean(bool),
    Integer(i64),
    /// A whole number beyond 64 signed bits: an id, if anything.
    Large(u64),
    Float(f64),
    /// A place in [`Scratch`]'s texts.
    Text(Span),
    Object,
    Array,
}

impl Scalar {
    /// For error messages.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Absent => "missing",
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Large(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Object => "an object",
            Self::Array => "an array",
        }
    }
}

/// Byte positions; an event is shorter than [`crate::PAYLOAD_LIMIT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

const NOTHING: usize = usize::MAX;

/// The values of one event, used again for the next.
#[derive(Debug)]
pub(crate) struct Scratch {
    slots: Vec<Scalar>,
    texts: String,
    /// By node: the number of the event that it was last seen in.
    seen: Vec<u64>,
    event: u64,
    /// By node: the child that came first, and the sibling that came next, the last time.
    first: Vec<usize>,
    next: Vec<usize>,
}

impl Scratch {
    pub fn new(tree: &Tree) -> Self {
        Self {
            slots: vec![Scalar::Absent; tree.slots()],
            texts: String::new(),
            seen: vec![0; tree.nodes()],
            event: 0,
            first: vec![NOTHING; tree.nodes()],
            next: vec![NOTHING; tree.nodes()],
        }
    }

    /// Reads an event; the error says what is wrong with it.
    pub fn read(&mut self, tree: &Tree, payload: &[u8]) -> Result<(), String> {
        self.slots.fill(Scalar::Absent);
        self.texts.clear();
        self.event += 1;
        let text = std::str::from_utf8(payload).map_err(|error| format!("not UTF-8 (byte {})", error.valid_up_to()))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let root = Value { tree, scratch: self, node: 0 };
        root.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| describe(&error))?;
        if self.get(ROOT_SLOT) == Scalar::Object { Ok(()) } else { Err("not a JSON object".to_owned()) }
    }

    pub fn get(&self, slot: usize) -> Scalar {
        self.slots.get(slot).copied().unwrap_or_default()
    }

    pub fn set(&mut self, slot: usize, value: Scalar) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
    }

    pub fn text(&self, span: Span) -> &str {
        self.texts.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Keeps a text until the next event.
    pub fn keep(&mut self, text: &str) -> Span {
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        Span { start, end: self.texts.len() as u32 }
    }

    /// Whether this is the first time that a node is seen in this event.
    fn enter(&mut self, node: usize) -> bool {
        match self.seen.get_mut(node) {
            Some(seen) if *seen != self.event => {
                *seen = self.event;
                true
            }
            _ => false,
        }
    }

    /// Forgets what an earlier member of the same name left.
    fn forget(&mut self, tree: &Tree, node: usize) {
        let Some(found) = tree.node(node) else { return };
        for slot in &found.slots {
            self.set(*slot, Scalar::Absent);
        }
        for (_, child) in &found.children {
            if let Some(seen) = self.seen.get_mut(*child) {
                *seen = 0;
            }
            self.forget(tree, *child);
        }
    }
}

/// Positions and kinds, never contents.
fn describe(error: &serde_json::Error) -> String {
    let what = if error.is_eof() { "not JSON: it ends too early" } else { "not JSON" };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The value of one node.
struct Value<'a> {
    tree: &'a Tree,
    scratch: &'a mut Scratch,
    node: usize,
}

impl Value<'_> {
    fn put(&mut self, value: Scalar) {
        if let Some(node) = self.tree.node(self.node) {
            node.slots.iter().for_each(|slot| self.scratch.set(*slot, value));
        }
    }

    fn has_children(&self) -> bool {
        self.tree.node(self.node).is_some_and(|node| !node.children.is_empty())
    }

    /// The value of a child.
    fn child(&mut self, node: usize) -> Value<'_> {
        if !self.scratch.enter(node) {
            self.scratch.forget(self.tree, node);
        }
        Value { tree: self.tree, scratch: self.scratch, node }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.put(Scalar::Boolean(value));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<(), E> {
        self.put(Scalar::Integer(value));
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<(), E> {
        self.put(i64::try_from(value).map_or(Scalar::Large(value), Scalar::Integer));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.put(Scalar::Float(value));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        let span = self.scratch.keep(value);
        self.put(Scalar::Text(span));
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.put(Scalar::Null);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.put(Scalar::Object);
        if !self.has_children() {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut last = None;
        loop {
            let guesses = if last.is_some() { &self.scratch.next } else { &self.scratch.first };
            let guess = guesses.get(last.unwrap_or(self.node)).copied().unwrap_or(NOTHING);
            let key = Key { tree: self.tree, node: self.node, guess };
            match members.next_key_seed(key)? {
                None => return Ok(()),
                Some(None) => {
                    members.next_value::<IgnoredAny>()?;
                }
                Some(Some(child)) => {
                    if child != guess {
                        let guesses = if last.is_some() { &mut self.scratch.next } else { &mut self.scratch.first };
                        if let Some(place) = guesses.get_mut(last.unwrap_or(self.node)) {
                            *place = child;
                        }
                    }
                    members.next_value_seed(self.child(child))?;
                    last = Some(child);
                }
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        self.put(Scalar::Array);
        if self.has_children() {
            for index in 0_u32.. {
                let more = match self.tree.child(self.node, &index.to_string()) {
                    Some(child) => elements.next_element_seed(self.child(child))?.is_some(),
                    None => elements.next_element::<IgnoredAny>()?.is_some(),
                };
                if !more {
                    return Ok(());
                }
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// The child that a member's name leads to.
struct Key<'a> {
    tree: &'a Tree,
    node: usize,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        if self.tree.node(self.guess).is_some_and(|node| *node.name == *name) {
            return Ok(Some(self.guess));
        }
        Ok(self.tree.child(self.node, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        let mut tree = Tree::new();
        let slots = [tree.add("/a"), tree.add("/b/c"), tree.add("/b/d/1"), tree.add("/e")];
        let mut scratch = Scratch::new(&tree);
        // Twice, so that learnt orders are used.
        scratch.read(&tree, br#"{"e": 1, "b": {"d": [], "c": "x"}, "a": 2}"#)?;
        scratch.read(&tree, json.as_bytes())?;
        Ok(slots
            .iter()
            .map(|slot| match scratch.get(*slot) {
                Scalar::Text(span) => format!("text {}", scratch.text(span)),
                other => format!("{other:?}"),
            })
            .collect())
    }

    #[test]
    fn values_are_found_in_any_order() {
        let found = ["Integer(-5)", "text é\n", "Float(1.5)", "Boolean(true)"];
        assert_eq!(
            read(r#"{"a": -5, "b": {"c": "é\n", "d": [0, 1.5, 2]}, "x": {"a": [{}]}, "e": true}"#).unwrap(),
            found
        );
        assert_eq!(read(r#"{"e": true, "b": {"d": [0, 1.5], "c": "\u00e9\n"}, "a": -5}"#).unwrap(), found);
        let large = read(r#"{"a": 9223372036854775807, "b": {"c": 18446744073709551615}}"#).unwrap();
        assert_eq!(large[..2], ["Integer(9223372036854775807)", "Large(18446744073709551615)"]);
    }

    #[test]
    fn i4_the_last_of_two_members_counts() {
        let found = read(r#"{"a": 1, "b": {"c": 1, "d": [0, 1]}, "a": "z", "b": {"d": 7}, "e": {"x": 1}}"#).unwrap();
        assert_eq!(found, ["text z", "Absent", "Absent", "Object"]);
        assert_eq!(read(r#"{"b": {"c": 1}, "b": null}"#).unwrap(), ["Absent"; 4]);
    }

    #[test]
    fn i4_what_is_no_event_is_refused_without_quoting_it() {
        for bad in ["", "secret", "[1]", "7", r#"{"a": 1"#, r#"{"a": 1} x"#, r#"{"a": 1e999}"#, r#"{"a": NaN}"#] {
            let error = read(bad).unwrap_err();
            assert!(error.starts_with("not ") && !error.contains("secret"), "{bad}: {error}");
        }
        let deep = format!("{}{}", r#"{"a":"#.repeat(500), "}".repeat(500));
        assert!(read(&deep).is_err());
        let mut tree = Tree::new();
        tree.add("/a");
        assert_eq!(Scratch::new(&tree).read(&tree, b"{\"a\": \"\xff\"}"), Err("not UTF-8 (byte 7)".to_owned()));
    }
}
