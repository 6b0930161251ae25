//! The collector of everything that is wrong with one file.

use std::path::{Path, PathBuf};

use super::node::Position;
use crate::diagnostic::{Diagnostic, Place};

/// Errors kept of one file; the last one says how many more there are.
pub const MAX_ERRORS: usize = 100;

/// The errors of one file, so far.
#[derive(Debug)]
pub struct Errors {
    file: PathBuf,
    lines: Vec<String>,
    found: Vec<Diagnostic>,
    left_out: usize,
}

impl Errors {
    /// A collector for a file; the text gives the lines that carets point into.
    pub fn new(file: &Path, text: &str) -> Self {
        Self { file: file.to_owned(), lines: split_lines(text), found: Vec::new(), left_out: 0 }
    }

    /// The file that is being read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Adds an error: what is wrong, without a full stop.
    pub fn add(&mut self, position: Position, message: impl Into<String>) {
        self.push(position, message.into(), None);
    }

    /// Adds an error and what to do about it.
    pub fn add_with_hint(&mut self, position: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.push(position, message.into(), Some(hint.into()));
    }

    /// A position, with all that an error needs that is found after the file has been read.
    pub fn place(&self, position: Position) -> Place {
        let (position, source_line) = self.locate(position);
        let Position { line, column } = position;
        Place { file: self.file.clone(), line, column, source_line: source_line.to_owned() }
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Everything that was found, sorted by position. Empty only when nothing was added.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut found = self.found;
        found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        if let (true, Some(last)) = (self.left_out > 0, found.last().cloned()) {
            let message = format!("{} more errors are not shown", self.left_out);
            found.push(Diagnostic { message, hint: None, ..last });
        }
        found
    }

    fn push(&mut self, position: Position, message: String, hint: Option<String>) {
        if self.found.len() >= MAX_ERRORS {
            self.left_out += 1;
            return;
        }
        let mut diagnostic = self.place(position).diagnostic(message);
        diagnostic.hint = hint;
        self.found.push(diagnostic);
    }

    /// The nearest position that lies within the file, and its line: the end of a file may be reported behind it.
    fn locate(&self, position: Position) -> (Position, &str) {
        let last = self.lines.len().max(1);
        let line = position.line.clamp(1, last);
        let text = self.lines.get(line - 1).map_or("", String::as_str);
        let end = text.chars().count() + 1;
        let column = if position.line > last { end } else { position.column.clamp(1, end) };
        (Position { line, column }, text)
    }
}

/// Lines as YAML counts them: ended by LF, CR LF or CR.
fn split_lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.split('\n').map(str::to_owned).collect()
}

/// The known word that was probably meant: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let lower = word.to_lowercase();
    known
        .into_iter()
        // Distances cost the product of the lengths; far apart lengths can't be near anyway.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= 3)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(length.max(candidate.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_the_nearest_known_word_is_named_and_nothing_far_fetched() {
        let known = ["horizon", "format", "topic", "where"];
        assert_eq!(nearest("horzion", known), Some("horizon"));
        assert_eq!(nearest("Topic", known), Some("topic"));
        assert_eq!(nearest("topics", known), Some("topic"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn e1_positions_are_kept_within_the_file() {
        let mut errors = Errors::new(Path::new("a.yaml"), "one\r\ntwo\rthree\n");
        errors.add(Position { line: 9, column: 9 }, "end");
        errors.add(Position { line: 2, column: 99 }, "far right");
        errors.add(Position { line: 0, column: 0 }, "nowhere");
        let places: Vec<_> = errors.into_diagnostics().into_iter().map(|d| (d.line, d.column, d.source_line)).collect();
        assert_eq!(places, [(1, 1, "one".into()), (2, 4, "two".into()), (3, 6, "three".into())]);
    }

    #[test]
    fn e1_a_hopeless_file_has_a_bounded_report() {
        let mut errors = Errors::new(Path::new("a.yaml"), "x");
        for _ in 0..MAX_ERRORS + 7 {
            errors.add(Position { line: 1, column: 1 }, "wrong");
        }
        let found = errors.into_diagnostics();
        assert_eq!(found.len(), MAX_ERRORS + 1);
        assert_eq!(found.last().unwrap().message, "7 more errors are not shown");
    }
}
