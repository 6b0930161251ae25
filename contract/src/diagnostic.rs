//! Errors of configuration: what, where, and what to do now (promise E1).

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One error of one file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do: the nearest known key, the form that is expected.
    pub hint: Option<String>,
    /// The text of the line, for the caret; empty when it isn't known.
    pub source_line: String,
}

impl Diagnostic {
    pub fn new(file: &Path, line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, column, message: message.into(), hint: None, source_line: String::new() }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with_source_line(mut self, line: impl Into<String>) -> Self {
        self.source_line = line.into();
        self
    }
}

/// A place in a file, kept for errors that show only when what stands there is held against something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Both count from 1.
    pub line: usize,
    pub column: usize,
    pub source_line: String,
}

impl Place {
    pub fn diagnostic(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.file, self.line, self.column, message).with_source_line(self.source_line.clone())
    }
}

/// Characters of a source line that are shown; of a longer one, the part around the caret.
const MAX_SHOWN: usize = 160;

/// Every diagnostic in the manner of rustc, sorted by file and position, and how many there are. Ends with a newline.
pub fn render(diagnostics: &[Diagnostic], is_colored: bool) -> String {
    let paint = Paint { is_colored };
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let mut text = String::new();
    for diagnostic in sorted {
        write_one(&mut text, diagnostic, paint);
        text.push('\n');
    }
    let count = match diagnostics.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let _ = writeln!(text, "{}", paint.error(&count));
    text
}

fn write_one(text: &mut String, diagnostic: &Diagnostic, paint: Paint) {
    let Diagnostic { file, line, column, message, hint, source_line } = diagnostic;
    let _ = writeln!(text, "{}{}", paint.error("error"), paint.bold(&format!(": {}", printable(message))));
    // The gutter is as wide as the line number.
    let gutter = " ".repeat(line.to_string().len());
    let _ = writeln!(text, "{gutter}{} {}:{line}:{column}", paint.frame("-->"), printable(&file.display().to_string()));
    if !source_line.trim().is_empty() {
        let excerpt = Excerpt::new(source_line, *column);
        let bar = paint.frame("|");
        let _ = writeln!(text, "{gutter} {bar}");
        let _ = writeln!(text, "{} {bar} {}", paint.frame(&line.to_string()), excerpt.text);
        let _ =
            writeln!(text, "{gutter} {bar} {}{}", " ".repeat(excerpt.before), paint.error(&"^".repeat(excerpt.marked)));
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "{gutter} {} {}: {}", paint.frame("="), paint.bold("help"), printable(hint));
    }
}

/// The part of a line that is shown, and what is marked in it.
struct Excerpt {
    text: String,
    /// Characters before the mark.
    before: usize,
    /// Characters marked: a whole word, or one character.
    marked: usize,
}

impl Excerpt {
    /// `column` counts from 1.
    fn new(line: &str, column: usize) -> Self {
        let characters: Vec<char> = printable(line).chars().collect();
        let at = column.saturating_sub(1).min(characters.len());
        let is_word = |c: &&char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~');
        let marked = characters.iter().skip(at).take_while(is_word).take(MAX_SHOWN / 4).count().max(1);
        let start = if characters.len() <= MAX_SHOWN { 0 } else { at.saturating_sub(MAX_SHOWN / 2) };
        let mut text: String = characters.iter().skip(start).take(MAX_SHOWN).collect();
        let mut before = at - start;
        if start > 0 {
            text.insert(0, '…');
            before += 1;
        }
        if start + MAX_SHOWN < characters.len() {
            text.push('…');
        }
        Self { text, before, marked }
    }
}

/// Control characters would move the caret, or do worse to a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Clone, Copy)]
struct Paint {
    is_colored: bool,
}

impl Paint {
    fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn frame(self, text: &str) -> String {
        self.with("1;34", text)
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_colored { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_diagnostics_are_sorted_counted_and_safe_to_print() {
        let file = |name: &str, line, column| Diagnostic::new(Path::new(name), line, column, "wrong");
        let diagnostics = [
            file("b.yaml", 1, 1),
            file("a.yaml", 12, 3).with_source_line("  größe: \u{1b}[31m").with_hint("write `size`"),
            file("a.yaml", 2, 1),
        ];
        let expected = "error: wrong
 --> a.yaml:2:1

error: wrong
  --> a.yaml:12:3
   |
12 |   größe:  [31m
   |   ^^^^^
   = help: write `size`

error: wrong
 --> b.yaml:1:1

3 errors
";
        assert_eq!(render(&diagnostics, false), expected);
        let colored = render(&diagnostics[..1], true);
        assert!(colored.starts_with("\u{1b}[1;31merror\u{1b}[0m"), "{colored:?}");
        assert!(colored.ends_with("\u{1b}[1;31m1 error\u{1b}[0m\n"), "{colored:?}");
    }

    #[test]
    fn e1_long_lines_are_cut_around_the_caret() {
        let line = format!("{}here{}", "x ".repeat(400), " y".repeat(400));
        let excerpt = Excerpt::new(&line, 801);
        let marked: String = excerpt.text.chars().skip(excerpt.before).take(excerpt.marked).collect();
        assert_eq!(marked, "here");
        assert!(excerpt.text.chars().count() <= MAX_SHOWN + 2);
        assert_eq!(Excerpt::new("short", 99).before, 5);
    }
}
