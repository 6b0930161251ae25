//! Names and values of the data in text for a terminal: they come from strangers, and a terminal obeys control characters.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character escaped that moves the cursor, breaks the line or reorders what stands around it.
///
/// Escapes are Rust's: `\n`, `\u{1b}`, `\u{202e}`. A backslash stays as it is: the result is for reading, not for parsing.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(escaped, "{}", character.escape_debug());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters (Unicode `Cc`), line and paragraph separators, the bidirectional controls of UAX #9 (section 2),
/// and characters without a width that can make two names look alike.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("one\ntwo\r\t", "one\\ntwo\\r\\t"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("gpj\u{202e}.exe", "gpj\\u{202e}.exe"),
            ("a\u{2066}b\u{2069}\u{200f}", "a\\u{2066}b\\u{2069}\\u{200f}"),
            ("amount\u{200b}", "amount\\u{200b}"),
            ("\u{2028}\u{feff}\0", "\\u{2028}\\u{feff}\\0"),
        ] {
            assert_eq!(printable(text), shown);
            assert!(!printable(text).contains(is_hidden));
        }
    }

    #[test]
    fn every_script_stays_as_it_is() {
        for text in ["", "Größe", "用户", "🦀 a b", "C:\\n", "\"quoted\"", "עברית", "می\u{200c}خواهم", "👩\u{200d}🚀"]
        {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }
}
