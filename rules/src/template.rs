//! Annotations: text with `{{placeholders}}`, checked when the file is read and filled when an alert changes.

use std::collections::BTreeMap;

use contract::printable;
use contract::yaml::nearest;

/// Every placeholder, with what it stands for. docs/rules.md lists them too.
pub const PLACEHOLDERS: [&str; 16] = [
    "alert",
    "coverage",
    "detector",
    "explanation",
    "fault",
    "feature",
    "limit",
    "model",
    "rows",
    "segment",
    "severity",
    "since",
    "value",
    "version",
    "window_end",
    "window_start",
];

/// Characters of a filled annotation; longer ones are cut.
pub const MAX_CHARACTERS: usize = 4_000;

/// What is wrong with a template, and where: in characters from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub offset: usize,
    pub message: String,
    pub hint: String,
}

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(&'static str),
}

impl Template {
    /// Reads a template; every unknown placeholder is an error.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let mut pieces = Vec::new();
        let mut errors = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            let offset = text.chars().count() - after.chars().count() - 2;
            let Some((name, behind)) = after.split_once("}}") else {
                let hint = "close it with `}}`".to_owned();
                errors.push(TemplateError { offset, message: "this placeholder is never closed".to_owned(), hint });
                rest = "";
                break;
            };
            match PLACEHOLDERS.iter().find(|known| **known == name.trim()) {
                Some(known) => pieces.push(Piece::Placeholder(known)),
                None => errors.push(unknown(name.trim(), offset)),
            }
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if errors.is_empty() { Ok(Self { pieces }) } else { Err(errors) }
    }

    /// Fills the placeholders; one without a value becomes nothing. Values come from the data (versions, segments), so
    /// their control characters are escaped; the template's own line breaks stand.
    pub fn fill(&self, values: &BTreeMap<&'static str, String>) -> String {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Placeholder(name) => {
                    filled.push_str(&printable(values.get(name).map_or("", String::as_str)));
                }
            }
        }
        cut(&filled, MAX_CHARACTERS)
    }
}

fn unknown(name: &str, offset: usize) -> TemplateError {
    let hint = match nearest(name, PLACEHOLDERS) {
        Some(meant) => format!("did you mean `{{{{{meant}}}}}`?"),
        None => format!("there are: {}", PLACEHOLDERS.join(", ")),
    };
    TemplateError { offset, message: format!("there is no placeholder `{name}`"), hint }
}

/// The first characters of a text, with an ellipsis where something is missing.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// A figure as people read it: about four digits.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 1_000.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 0.001 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_those_without_a_value_vanish() {
        let template = Template::parse("{{model}}: {{ value }} in [{{segment}}] {not one}").unwrap();
        let values = BTreeMap::from([("model", "flights".to_owned()), ("value", "0.7".to_owned())]);
        assert_eq!(template.fill(&values), "flights: 0.7 in [] {not one}");
    }

    #[test]
    fn d3_values_of_the_data_bring_no_control_characters() {
        let template = Template::parse("of {{version}}:\nsee below").unwrap();
        let values = BTreeMap::from([("version", "1\n\u{1b}[2J\u{202e}2".to_owned())]);
        assert_eq!(template.fill(&values), "of 1\\n\\u{1b}[2J\\u{202e}2:\nsee below");
    }

    #[test]
    fn e1_every_unknown_placeholder_is_an_error_at_its_place() {
        let errors = Template::parse("é {{modle}} {{banana}} {{model").unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| (error.offset, error.hint.as_str())).collect();
        assert_eq!(told[0], (2, "did you mean `{{model}}`?"));
        assert!(told[1].0 == 12 && told[1].1.starts_with("there are: alert, "));
        assert_eq!(told[2], (23, "close it with `}}`"));
    }

    #[test]
    fn filled_text_is_bounded() {
        let template = Template::parse(&"a".repeat(MAX_CHARACTERS + 1)).unwrap();
        let filled = template.fill(&BTreeMap::new());
        assert_eq!(filled.chars().count(), MAX_CHARACTERS);
        assert!(filled.ends_with('…'));
    }

    #[test]
    fn figures_are_short() {
        let shown: Vec<String> = [0.0, 923.0, 12_345.6, 0.912_34, -0.5, 0.000_12].into_iter().map(figure).collect();
        assert_eq!(shown, ["0", "923", "12346", "0.912", "-0.500", "1.2e-4"]);
    }
}
