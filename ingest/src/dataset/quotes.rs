//! Quotes that don't end: a CSV reader takes everything up to the next quote, or the rest of the file, for one value.

use std::io::{self, Read};

/// Passes bytes on and looks whether every quoted value ends where RFC 4180 wants it to.
pub struct Quotes<R> {
    inner: R,
    state: State,
    /// From 1.
    line: u64,
    /// Where the quote opened that was met last.
    opened: u64,
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first value, where a byte order mark may stand.
    Beginning,
    Start,
    Plain,
    Quoted,
    /// At a quote within quotes: the end, or the first half of a doubled one.
    Quote,
    /// Spaces between the end of the quotes and the next comma.
    Blank,
    Broken,
}

impl<R> Quotes<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, state: State::Beginning, line: 1, opened: 0, has_ended: false }
    }

    /// What is wrong with the quotes, of what was read so far.
    pub fn problem(&self) -> Option<String> {
        match self.state {
            State::Broken => {
                Some(format!("line {}: a quote opens there and doesn't end where its value does", self.opened))
            }
            State::Quoted if self.has_ended => {
                Some(format!("line {}: a quote opens there and never ends", self.opened))
            }
            _ => None,
        }
    }

    fn see(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Broken, _) => return,
            (State::Beginning, 0xEF | 0xBB | 0xBF) => State::Beginning,
            (State::Beginning | State::Start, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) | (State::Quote, b'"') => State::Quoted,
            (_, b',' | b'\n' | b'\r') => State::Start,
            (State::Quote | State::Blank, b' ') => State::Blank,
            (State::Quote | State::Blank, _) => State::Broken,
            (State::Beginning | State::Start | State::Plain, _) => State::Plain,
        };
        self.line += u64::from(byte == b'\n');
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.has_ended |= read == 0 && !buffer.is_empty();
        buffer.iter().take(read).for_each(|byte| self.see(*byte));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        let mut quotes = Quotes::new(text.as_bytes());
        io::copy(&mut quotes, &mut io::sink()).unwrap();
        quotes.problem()
    }

    #[test]
    fn quotes_end_where_their_value_does() {
        let good =
            ["", "a,b\n1,2", "\u{feff}\"a\",b\r\n\"x \"\"y\"\"\",\"\"\n", "\"two\nlines\" ,1", "5\" pipe,it\"s\n"];
        for text in good {
            assert_eq!(problem(text), None, "{text:?}");
        }
        for (text, line) in [
            ("a,b\n1,\"x\n2,y\n", 2),
            ("\u{feff}\"a,b\n1,2\n", 1),
            ("a,b\n\"two\nlines\",1\n2,\"open\n3,\"z\"\n", 4),
            ("a\n\"says \\\"no\\\" to it\"\n", 2),
            ("a\n\"", 2),
        ] {
            let problem = problem(text).unwrap();
            assert!(problem.starts_with(&format!("line {line}: a quote opens there")), "{text:?}: {problem}");
        }
    }
}
