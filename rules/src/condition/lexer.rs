//! From the text of a condition to tokens with their positions.

use super::Operator;
use super::parser::SyntaxError;

/// A token and where it starts, in characters from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A word: letters, digits, `_`, and inside it `.` and `-`.
    Name(String),
    /// Text in quotes.
    Quoted(String),
    Number(f64),
    Open,
    Close,
    Comma,
    Operator(Operator),
    End,
}

impl TokenKind {
    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Quoted(text) => format!("\"{text}\""),
            Self::Number(number) => format!("`{number}`"),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Operator(operator) => format!("`{}`", operator.symbol()),
            Self::End => "the end of the condition".to_owned(),
        }
    }
}

/// Whether a column of this name can stand without quotes.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_part)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { characters: text.chars().collect(), position: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.take_while(char::is_whitespace);
        let offset = lexer.position;
        let kind = lexer.next()?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token { kind, offset });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    characters: Vec<char>,
    position: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> String {
        let start = self.position;
        while self.peek().is_some_and(&accepts) {
            self.position += 1;
        }
        self.characters.get(start..self.position).unwrap_or_default().iter().collect()
    }

    fn next(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.position;
        let Some(c) = self.peek() else { return Ok(TokenKind::End) };
        if is_name_start(c) {
            return Ok(TokenKind::Name(self.take_while(is_name_part)));
        }
        if c.is_ascii_digit() || matches!(c, '.' | '-' | '+') {
            return self.number();
        }
        if matches!(c, '"' | '\'') {
            return self.quoted(c);
        }
        self.position += 1;
        let is_equal_next = self.peek() == Some('=');
        let operator = |operator| Ok(TokenKind::Operator(operator));
        match c {
            '(' => Ok(TokenKind::Open),
            ')' => Ok(TokenKind::Close),
            ',' => Ok(TokenKind::Comma),
            '>' | '<' if is_equal_next => {
                self.position += 1;
                operator(if c == '>' { Operator::AtLeast } else { Operator::AtMost })
            }
            '>' => operator(Operator::Above),
            '<' => operator(Operator::Below),
            '≥' => operator(Operator::AtLeast),
            '≤' => operator(Operator::AtMost),
            '=' | '!' => Err(SyntaxError::new(start, format!("`{c}` is no comparison here"))
                .with_hint("compare with `>=`, `>`, `<=` or `<`")),
            '&' => Err(SyntaxError::new(start, "`&` means nothing here").with_hint("write `and`")),
            '|' => Err(SyntaxError::new(start, "`|` means nothing here").with_hint("write `or`")),
            '%' => {
                Err(SyntaxError::new(start, "`%` means nothing here").with_hint("write shares as numbers: 0.5 is half"))
            }
            _ => Err(SyntaxError::new(start, format!("`{c}` means nothing here"))
                .with_hint("a column with an unusual name goes in quotes: drift(\"my column\")")),
        }
    }

    fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.position;
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_'));
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(TokenKind::Number(number)),
            _ => Err(SyntaxError::new(start, format!("`{text}` is not a number"))
                .with_hint("write numbers like 0.5, 1000 or 1e-3")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind, SyntaxError> {
        let start = self.position;
        self.position += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.position += 1;
            match c {
                c if c == quote => return Ok(TokenKind::Quoted(text)),
                '\\' => {
                    text.extend(self.peek());
                    self.position += 1;
                }
                c => text.push(c),
            }
        }
        Err(SyntaxError::new(start, "this quote is never closed"))
    }
}
