//! From text to the marked tree, event by event: no recursion, so depth is a number to check and not a stack to lose.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::errors::Errors;
use super::node::{Entry, Node, Position, Value};
use crate::diagnostic::Diagnostic;

/// A longer file is no contract, configuration or rule file.
pub const MAX_BYTES: usize = 1 << 20;

/// Mappings and lists within each other.
pub const MAX_DEPTH: usize = 64;

/// Nodes of one file, those that aliases repeat included.
pub const MAX_NODES: usize = 200_000;

/// Parses a file's text; an empty file is [`Value::Null`]. All errors that YAML itself allows to name come back.
pub fn parse(text: &str, file: &Path) -> Result<Node, Vec<Diagnostic>> {
    super::read(text, file, |root, _| Some(root.clone()))
}

/// Parses a file's text into a collector. A tree with duplicate keys comes back with the first of them, and an error
/// for each of the others, so that lowering can go on; None when the text is no YAML.
pub fn parse_into(text: &str, errors: &mut Errors) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let message = format!("the file has more than {MAX_BYTES} bytes");
        errors.add(START, message);
        return None;
    }
    // The parser takes U+0000 for the end of the file, and what follows would be ignored in silence.
    if let Some((position, c)) = control_character(text) {
        errors.add(position, format!("the character U+{:04X} is not allowed", u32::from(c)));
        return None;
    }
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => tree.take(event, position(span.start), errors),
            Err(error) => Err(Stop::from_scan(&error, text)),
        };
        if let Err(stop) = step {
            match stop.hint {
                Some(hint) => errors.add_with_hint(stop.position, stop.message, hint),
                None => errors.add(stop.position, stop.message),
            }
            return None;
        }
    }
    Some(tree.root.unwrap_or(Node { value: Value::Null, position: START }))
}

const START: Position = Position { line: 1, column: 1 };

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn control_character(text: &str) -> Option<(Position, char)> {
    let is_bad = |c: &char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    let mut position = START;
    let mut previous = ' ';
    for c in text.chars() {
        if is_bad(&c) {
            return Some((position, c));
        }
        match c {
            '\n' if previous == '\r' => {}
            '\n' | '\r' => position = Position { line: position.line + 1, column: 1 },
            _ => position.column += 1,
        }
        previous = c;
    }
    None
}

/// An error after which the rest of the file can't be read.
struct Stop {
    position: Position,
    message: String,
    hint: Option<String>,
}

impl Stop {
    fn new(position: Position, message: impl Into<String>) -> Self {
        Self { position, message: message.into(), hint: None }
    }

    fn from_scan(error: &ScanError, text: &str) -> Self {
        let position = position(*error.marker());
        let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or_default();
        let is_indented_by_tab = line.trim_start_matches(' ').starts_with('\t');
        let hint = if is_indented_by_tab {
            Some("indent with spaces; YAML allows no tabs there")
        } else if error.info().contains("mapping values") {
            Some("put quotes around text that holds `: `, and check the indentation")
        } else if error.info().contains("flow") {
            Some("a `{` or `[` further up may not be closed")
        } else {
            None
        };
        let message = format!("this is not YAML: {}", error.info());
        Self { position, message, hint: hint.map(str::to_owned) }
    }
}

/// A mapping or list that isn't closed yet.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, places: BTreeMap<String, Position>, key: Option<Node> },
}

#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    /// Finished nodes that an alias may name, by the parser's number, with their sizes.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, position: Position, errors: &mut Errors) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Stop::new(position, "a second document; one file is one document"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), position)?;
                let is_plain = style == ScalarStyle::Plain;
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Value::Null,
                    text => Value::Scalar { text: text.to_owned(), is_plain },
                };
                self.finished(Node { value, position }, anchor, 1, errors)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), position)?;
                self.begin(position, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), position)?;
                let content = Content::Mapping { entries: Vec::new(), places: BTreeMap::new(), key: None };
                self.begin(position, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Err(Stop::new(position, "this closes what was never opened"));
                };
                let value = match open.content {
                    Content::Sequence(items) => Value::Sequence(items),
                    Content::Mapping { entries, .. } => Value::Mapping(entries),
                };
                self.finished(Node { value, position: open.position }, open.anchor, 1, errors)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Stop::new(position, "this alias lies within what it stands for"));
                };
                let (size, depth) = (*size, depth(node));
                if self.nodes + size > MAX_NODES {
                    return Err(Stop::new(position, format!("more than {MAX_NODES} values with those of aliases")));
                }
                if self.open.len() + depth > MAX_DEPTH {
                    return Err(too_deep(position));
                }
                let node = node.clone();
                self.finished(node, 0, size, errors)
            }
        }
    }

    fn begin(&mut self, position: Position, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(position));
        }
        self.open.push(Open { position, anchor, content });
        Ok(())
    }

    /// Puts a finished node where it belongs. `size`: nodes that it adds, without those counted before.
    fn finished(&mut self, node: Node, anchor: usize, size: usize, errors: &mut Errors) -> Result<(), Stop> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err(Stop::new(node.position, format!("more than {MAX_NODES} values")));
        }
        if anchor > 0 {
            let size = count(&node);
            self.nodes += size;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, places, key }) => match key.take() {
                None if node.as_text().is_none() => {
                    return Err(Stop::new(node.position, format!("a key must be text, not {}", node.describe())));
                }
                None => *key = Some(node),
                Some(key) => {
                    let name = key.as_text().unwrap_or_default();
                    if let Some(first) = places.get(name) {
                        let hint = format!("it stands on line {} already; keep one of them", first.line);
                        errors.add_with_hint(key.position, format!("`{name}` is given twice"), hint);
                    } else {
                        places.insert(name.to_owned(), key.position);
                        entries.push(Entry { key, value: node });
                    }
                }
            },
        }
        Ok(())
    }
}

fn too_deep(position: Position) -> Stop {
    Stop::new(position, format!("more than {MAX_DEPTH} mappings and lists within each other"))
}

/// Tags would be ignored in silence, so they are errors; even `!!str`, since quotes say the same.
fn refuse_tag(tag: Option<&Tag>, position: Position) -> Result<(), Stop> {
    let Some(tag) = tag else { return Ok(()) };
    let tag = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
    let stop = Stop::new(position, format!("the tag `{tag}` means nothing here"));
    Err(Stop { hint: Some("leave it out; put quotes around what is meant as text".to_owned()), ..stop })
}

/// Nodes of a tree, keys included. Depth is bounded by [`MAX_DEPTH`].
fn count(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 1,
        Value::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| 1 + count(&entry.value)).sum::<usize>(),
    }
}

/// Mappings and lists within each other, this one included.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 0,
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}
