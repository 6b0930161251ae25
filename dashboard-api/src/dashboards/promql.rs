//! As much of PromQL as is needed to say which metrics an expression asks for, and which of their labels.
//!
//! It reads tokens, not a grammar: Prometheus itself says whether an expression is well formed. Grafana's variables
//! (`$model`, `${model:regex}`, `[[model]]`) may stand anywhere.

use std::ops::Range;

/// Words that stand before a list of labels in parentheses.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What an expression asks for. Positions are bytes of the expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expression {
    pub metrics: Vec<Name>,
    pub labels: Vec<Label>,
    pub variables: Vec<Name>,
    /// Labels that the expression makes itself (`label_replace`, `label_join`, `count_values`).
    pub made_labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub name: String,
    pub at: usize,
}

/// A label, and the metrics of which one must have it: indices of [`Expression::metrics`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub name: String,
    pub at: usize,
    pub metrics: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    /// A variable's name.
    Variable(String),
    Sign(char),
}

/// A token and where it begins.
type Placed = (usize, Token);

pub(super) fn read(text: &str) -> Expression {
    let tokens = tokens(text);
    let mut expression = Expression { metrics: metrics(&tokens), ..Expression::default() };
    for (at, token) in &tokens {
        if let Token::Variable(name) = token {
            expression.variables.push(Name { name: name.clone(), at: *at });
        }
    }
    expression.made_labels = made_labels(&tokens);
    let mut labels = selector_labels(&tokens, &expression.metrics);
    labels.extend(grouping_labels(&tokens, &expression.metrics));
    labels.extend(label_values(&tokens, &expression.metrics));
    expression.labels = labels;
    expression
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

fn tokens(text: &str) -> Vec<Placed> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (length, token) = token(rest, first);
        tokens.extend(token.map(|token| (at, token)));
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    tokens
}

/// The length and the token at the beginning of a text; no token for spaces, comments and numbers.
fn token(rest: &str, first: char) -> (usize, Option<Token>) {
    let until = |end: fn(char) -> bool, from: usize| {
        rest.get(from..).and_then(|tail| tail.find(end)).map_or(rest.len(), |length| from + length)
    };
    match first {
        '#' => (until(|letter| letter == '\n', 0), None),
        '"' | '\'' | '`' => {
            let length = string_length(rest, first);
            let inside = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
            (length, Some(Token::Text(inside.to_owned())))
        }
        '$' if rest.starts_with("${") => {
            let length = until(|letter| letter == '}', 2);
            (length + 1, Some(Token::Variable(variable(rest.get(2..length).unwrap_or_default()))))
        }
        '$' => {
            let length = until(|letter| !is_word(letter) || letter == ':', 1);
            (length, Some(Token::Variable(rest.get(1..length).unwrap_or_default().to_owned())))
        }
        '[' if rest.starts_with("[[") => {
            let length = until(|letter| letter == ']', 2);
            (length + 2, Some(Token::Variable(variable(rest.get(2..length).unwrap_or_default()))))
        }
        _ if first.is_ascii_digit() => (until(|letter| !is_word(letter) && letter != '.', 0), None),
        _ if is_word(first) => {
            let length = until(|letter| !is_word(letter), 0);
            (length, Some(Token::Word(rest.get(..length).unwrap_or_default().to_owned())))
        }
        _ if first.is_whitespace() => (first.len_utf8(), None),
        _ => (first.len_utf8(), Some(Token::Sign(first))),
    }
}

/// `model:regex` and `model.text` name the variable `model`.
fn variable(inside: &str) -> String {
    inside.split([':', '.']).next().unwrap_or_default().to_owned()
}

fn string_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if letter == '\\' && quote != '`' {
            is_escaped = true;
        } else if letter == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// Bellwether's names outside of braces, and those that stand in `{__name__="…"}`.
fn metrics(tokens: &[Placed]) -> Vec<Name> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for (index, (at, token)) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.starts_with("bellwether_") => {
                names.push(Name { name: word.clone(), at: *at });
            }
            Token::Word(word) if depth > 0 && word == "__name__" => {
                if let (Some((_, Token::Sign('='))), Some((at, Token::Text(name)))) =
                    (tokens.get(index + 1), tokens.get(index + 2))
                    && name.starts_with("bellwether_")
                {
                    names.push(Name { name: name.clone(), at: at + 1 });
                }
            }
            _ => {}
        }
    }
    names
}

/// The metrics that stand between two bytes.
fn metrics_between(metrics: &[Name], bytes: &Range<usize>) -> Range<usize> {
    metrics.partition_point(|name| name.at < bytes.start)..metrics.partition_point(|name| name.at < bytes.end)
}

/// Labels in braces belong to the metric before them, or to the one that they name.
fn selector_labels(tokens: &[Placed], metrics: &[Name]) -> Vec<Label> {
    let mut labels = Vec::new();
    for (index, (at, token)) in tokens.iter().enumerate() {
        if *token != Token::Sign('{') {
            continue;
        }
        let rest = tokens.get(index + 1..).unwrap_or_default();
        let inside: Vec<&Placed> = rest.iter().take_while(|(_, token)| *token != Token::Sign('}')).collect();
        let end = inside.last().map_or(*at, |(last, _)| last + 1);
        let start = match index.checked_sub(1).and_then(|before| tokens.get(before)) {
            Some((start, Token::Word(_))) => *start,
            _ => *at,
        };
        let owners = metrics_between(metrics, &(start..end + 1));
        for pair in inside.windows(2) {
            if let [(at, Token::Word(name)), (_, Token::Sign('=' | '!'))] = pair
                && name != "__name__"
            {
                labels.push(Label { name: name.clone(), at: *at, metrics: owners.clone() });
            }
        }
    }
    labels
}

/// Labels of `by (…)` belong to a metric of the aggregated expression; those of `on (…)` to any of the whole.
fn grouping_labels(tokens: &[Placed], metrics: &[Name]) -> Vec<Label> {
    let mut labels = Vec::new();
    for (index, (_, token)) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        if !GROUPINGS.contains(&word.as_str()) || !matches!(tokens.get(index + 1), Some((_, Token::Sign('(')))) {
            continue;
        }
        let Some(close) = closing(tokens, index + 1) else { continue };
        let is_aggregation = matches!(word.as_str(), "by" | "without");
        let operand = if is_aggregation { operand(tokens, index, close) } else { None };
        let owners = match operand {
            Some(range) => metrics_between(metrics, &range),
            None => 0..metrics.len(),
        };
        for (at, token) in tokens.get(index + 2..close).unwrap_or_default() {
            if let Token::Word(name) = token {
                labels.push(Label { name: name.clone(), at: *at, metrics: owners.clone() });
            }
        }
    }
    labels
}

/// The bytes of what is aggregated: `sum by (x) (HERE)` or `sum(HERE) by (x)`.
fn operand(tokens: &[Placed], keyword: usize, close: usize) -> Option<Range<usize>> {
    let byte = |index: usize| tokens.get(index).map(|(at, _)| *at);
    if matches!(tokens.get(close + 1), Some((_, Token::Sign('(')))) {
        let end = closing(tokens, close + 1)?;
        return Some(byte(close + 1)?..byte(end)?);
    }
    let before = keyword.checked_sub(1)?;
    let open = opening(tokens, before)?;
    Some(byte(open)?..byte(before)?)
}

/// The parenthesis that closes the one at `open`.
fn closing(tokens: &[Placed], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, (_, token)) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') if depth == 1 => return Some(index),
            Token::Sign(')') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The parenthesis that the one at `close` closes.
fn opening(tokens: &[Placed], close: usize) -> Option<usize> {
    if !matches!(tokens.get(close), Some((_, Token::Sign(')')))) {
        return None;
    }
    let mut depth = 0_usize;
    for index in (0..=close).rev() {
        match tokens.get(index) {
            Some((_, Token::Sign(')'))) => depth += 1,
            Some((_, Token::Sign('('))) if depth == 1 => return Some(index),
            Some((_, Token::Sign('('))) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Text arguments of the functions that make labels. Not all of them are labels; being generous costs nothing.
fn made_labels(tokens: &[Placed]) -> Vec<String> {
    let mut labels = Vec::new();
    for (index, (_, token)) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        if !["label_replace", "label_join", "count_values"].contains(&word.as_str()) {
            continue;
        }
        if let Some(close) = closing(tokens, index + 1) {
            let arguments = tokens.get(index + 1..close).unwrap_or_default();
            labels.extend(arguments.iter().filter_map(|(_, token)| match token {
                Token::Text(text) => Some(text.clone()),
                _ => None,
            }));
        }
    }
    labels
}

/// Grafana's `label_values(metric, label)`.
fn label_values(tokens: &[Placed], metrics: &[Name]) -> Vec<Label> {
    let mut labels = Vec::new();
    for (index, (_, token)) in tokens.iter().enumerate() {
        if !matches!(token, Token::Word(word) if word == "label_values") {
            continue;
        }
        let Some(close) = closing(tokens, index + 1) else { continue };
        if let (Some((_, Token::Sign(','))), Some((at, Token::Word(name)))) =
            (tokens.get(close - 2), tokens.get(close - 1))
        {
            labels.push(Label { name: name.clone(), at: *at, metrics: 0..metrics.len() });
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[Name]) -> Vec<&str> {
        names.iter().map(|name| name.name.as_str()).collect()
    }

    /// Each label with the metrics that it may belong to.
    fn owned(expression: &Expression) -> Vec<(&str, Vec<&str>)> {
        let of = |label: &Label| names(&expression.metrics[label.metrics.clone()]);
        expression.labels.iter().map(|label| (label.name.as_str(), of(label))).collect()
    }

    #[test]
    fn labels_belong_to_the_metric_that_they_choose_from() {
        let expression =
            read("bellwether_a{x=\"bellwether_no\", y=~'}'}[5m] / on (z) bellwether_b{w!=\"$v\"} offset 5m");
        assert_eq!(names(&expression.metrics), ["bellwether_a", "bellwether_b"]);
        assert_eq!(
            owned(&expression),
            [
                ("x", vec!["bellwether_a"]),
                ("y", vec!["bellwether_a"]),
                ("w", vec!["bellwether_b"]),
                ("z", vec!["bellwether_a", "bellwether_b"]),
            ]
        );
    }

    #[test]
    fn grouping_looks_at_what_it_groups() {
        let expression = read("sum(bellwether_a) by (x) / sum without (y) (rate(bellwether_b[5m])) + bellwether_c");
        assert_eq!(owned(&expression), [("x", vec!["bellwether_a"]), ("y", vec!["bellwether_b"])]);
        let values = read("label_values(bellwether_a{b=\"$c\"}, d)");
        assert_eq!(owned(&values), [("b", vec!["bellwether_a"]), ("d", vec!["bellwether_a"])]);
    }

    #[test]
    fn variables_are_found_in_all_their_forms() {
        let expression = read("rate(bellwether_a[$__rate_interval]) + ${b:regex} + [[c]] + $d{x=\"1\"}");
        assert_eq!(names(&expression.variables), ["__rate_interval", "b", "c", "d"]);
    }

    #[test]
    fn half_written_expressions_are_read_as_far_as_they_go() {
        for text in [
            "",
            "sum by (",
            "bellwether_a{",
            "${",
            "[[",
            "\"",
            "label_values(",
            "by()",
            ")(",
            "é{ü=\"x\"",
            "label_values()",
        ] {
            read(text);
        }
        assert_eq!(
            read("label_replace(bellwether_a, \"b\", \"$1\", \"c\", \"(.*)\")").made_labels,
            ["b", "$1", "c", "(.*)"]
        );
    }
}
