//! Answers of a service as text for people. What stands in them may come from strangers, so it is made printable.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::Format;
use crate::exit::{Failure, print};

/// What a column is padded to at most: one long sentence must not push the columns after it off the screen in every row.
const WIDEST_PADDING: usize = 40;

/// Prints an answer as it is, or in words.
pub fn show(answer: &Value, format: Format, text: impl Fn(&Value) -> String) -> Result<(), Failure> {
    match format {
        Format::Json => print(&format!("{answer}\n")),
        Format::Text => print(&text(answer)),
    }
}

/// What stands at a JSON pointer; null where nothing does.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    static NOTHING: Value = Value::Null;
    value.pointer(pointer).unwrap_or(&NOTHING)
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text or a number as it is; nothing for null.
pub fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => contract::printable(text).into_owned(),
        other => other.to_string(),
    }
}

/// A figure with three digits; a dash where there is none.
pub fn figure(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// Rows of words under their headings, each column as wide as its widest word, within [`WIDEST_PADDING`]; `nothing` where there
/// are no rows.
///
/// `columns`: heading and JSON pointer into a row.
pub fn table(rows: &[Value], columns: &[(&str, &str)], nothing: &str) -> String {
    let cells = rows.iter().map(|row| columns.iter().map(|(_, pointer)| word(at(row, pointer))).collect());
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    grid(&headings, &cells.collect::<Vec<_>>(), nothing)
}

/// The same, of cells.
pub fn grid(headings: &[&str], rows: &[Vec<String>], nothing: &str) -> String {
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    let letters = |text: &str| text.chars().count();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| letters(cell));
        let widest = cells.chain(headings.get(column).map(|heading| letters(heading))).max().unwrap_or_default();
        widest.min(WIDEST_PADDING)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            let shown = if cell.is_empty() { "-" } else { cell };
            let _ = write!(text, "{shown:width$}  ");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_shifts_its_own_row_alone() {
        let long = "x".repeat(60);
        let rows =
            [vec!["1".to_owned(), long.clone(), "a".to_owned()], ["2", "short", "b"].map(str::to_owned).to_vec()];
        let told = grid(&["ID", "OUTCOME", "REASON"], &rows, "");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0].find("REASON"), Some(4 + WIDEST_PADDING + 2));
        assert_eq!(lines[1], format!("1   {long}  a"));
        assert_eq!(lines[2].find('b'), Some(4 + WIDEST_PADDING + 2));
    }
}
