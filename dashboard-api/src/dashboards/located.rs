//! JSON with positions: serde_json says where a text is broken, but not where a good value stands.

/// How deep values may nest.
const DEPTH_LIMIT: usize = 64;

/// A value and the byte at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    pub at: usize,
    pub value: Value,
}

/// Numbers and booleans are kept as they are written: dashboards are checked, not computed with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Literal(String),
    Text(String),
    List(Vec<Located>),
    Object(Vec<(String, Located)>),
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub at: usize,
    pub message: String,
}

impl Located {
    /// The value of a key; the last one, if the key comes twice.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Object(fields) => fields.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Calls `visit` for every object in this value, outermost first.
    pub fn each_object<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        match &self.value {
            Value::Object(fields) => {
                visit(self);
                for (_, value) in fields {
                    value.each_object(visit);
                }
            }
            Value::List(items) => items.iter().for_each(|item| item.each_object(visit)),
            _ => {}
        }
    }
}

/// Reads one JSON text.
pub(super) fn parse(text: &str) -> Result<Located, SyntaxError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("there is more text after the end of the JSON value"));
    }
    Ok(value)
}

/// The byte of the text that wrote byte `offset` of the string that begins (with its quote) at byte `at`.
pub(super) fn place_in_string(text: &str, at: usize, offset: usize) -> usize {
    let mut place = at + 1;
    let mut decoded = 0;
    while decoded < offset {
        let Some(rest) = text.get(place..) else { return at };
        let mut letters = rest.chars();
        let (written, meant) = match (letters.next(), letters.next()) {
            (Some('\\'), Some('u')) => (6, code_unit(rest).map_or(1, utf8_share)),
            (Some('\\'), Some(_)) => (2, 1),
            (Some(letter), _) => (letter.len_utf8(), letter.len_utf8()),
            (None, _) => return at,
        };
        place += written;
        decoded += meant;
    }
    place
}

fn code_unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.get(2..6)?, 16).ok()
}

/// Bytes of UTF-8 that one UTF-16 code unit stands for; halves of a pair have two each.
fn utf8_share(unit: u32) -> usize {
    match unit {
        0..=0x7f => 1,
        0x80..=0x7ff | 0xd800..=0xdfff => 2,
        _ => 3,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, message: &str) -> SyntaxError {
        SyntaxError { at: self.at, message: message.to_owned() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Steps over a byte if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Located, SyntaxError> {
        self.skip_space();
        let at = self.at;
        if depth > DEPTH_LIMIT {
            return Err(self.error("values nest too deeply"));
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(_) => self.literal()?,
            None => return Err(self.error("the text ends where a value is expected")),
        };
        Ok(Located { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut fields = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in quotes is expected here"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.error("a colon is expected here"));
            }
            fields.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or a closing brace is expected here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or a closing bracket is expected here"));
            }
        }
    }

    /// A string; serde_json decodes its escapes.
    fn string(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
                None => return Err(SyntaxError { at: start, message: "this text in quotes has no end".to_owned() }),
            }
        }
        self.at += 1;
        let written = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(written).map_err(|_| SyntaxError {
            at: start,
            message: "this text in quotes is broken: an unknown escape or a control character".to_owned(),
        })
    }

    fn literal(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        if word == "null" {
            return Ok(Value::Null);
        }
        if word.is_empty() || serde_json::from_str::<serde_json::Value>(word).is_err() {
            self.at = start;
            return Err(self.error("this is no JSON value"));
        }
        Ok(Value::Literal(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value without its positions.
    fn plain(value: &Located) -> serde_json::Value {
        match &value.value {
            Value::Null => serde_json::Value::Null,
            Value::Literal(word) => serde_json::from_str(word).unwrap(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(plain).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            " {\"a\" : [1, -2.5e3, true, false, null, {}, []], \"b\\n\\u00e9\\ud83d\\ude00\": \"é\\\\\\\"\"} ",
            "0",
            "\"\"",
            "[[[[]]]]",
        ] {
            assert_eq!(
                plain(&parse(text).unwrap()),
                serde_json::from_str::<serde_json::Value>(text).unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn it_refuses_what_serde_json_refuses() {
        for text in
            ["", "{", "[1,]", "{\"a\" 1}", "{a: 1}", "tru", "01", "\"\\x\"", "\"abc", "\"a\\", "1 2", "{\"a\":1,}", "-"]
        {
            assert!(parse(text).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
        assert_eq!(parse("[1, x]").unwrap_err().at, 4);
    }

    #[test]
    fn places_in_strings_step_over_escapes() {
        let text = r#"["a\"\u00e9\ud83d\ude00é→x"]"#;
        let Value::List(items) = parse(text).unwrap().value else { panic!("no list") };
        let Value::Text(decoded) = &items[0].value else { panic!("no text") };
        let place = place_in_string(text, items[0].at, decoded.find('x').unwrap());
        assert_eq!(text.get(place..=place), Some("x"));
    }
}
