//! From tokens to a [`Condition`].

use contract::Severity;
use contract::yaml::nearest;

use super::lexer::{Token, TokenKind, tokens};
use super::vocabulary::{FAULTS, LATER_FAULTS, METRICS, QUALITY, QUANTITIES, TESTED_METRIC};
use super::{Condition, Known, Operator, Quantity, Requirement, Target, Test};

/// Characters of a condition.
pub const MAX_CHARACTERS: usize = 2_000;
/// Parentheses within each other.
pub const MAX_DEPTH: usize = 16;

/// What is wrong with a condition, and where: in characters from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub offset: usize,
    pub message: String,
    pub hint: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a condition. Errors of different tests are told apart only after the syntax is right.
pub fn parse(text: &str) -> Result<Condition, Vec<SyntaxError>> {
    if text.chars().count() > MAX_CHARACTERS {
        return Err(vec![SyntaxError::new(0, format!("a condition may have {MAX_CHARACTERS} characters"))]);
    }
    if let Some(rest) = text.trim_start().strip_prefix("sql:") {
        let offset = text.chars().count() - rest.chars().count() - 4;
        return Err(vec![sql_not_yet(offset)]);
    }
    let condition = tokens(text).and_then(|tokens| {
        let mut parser = Parser { tokens, position: 0 };
        let condition = parser.any(0)?;
        parser.expect_end()?;
        Ok(condition)
    });
    let condition = condition.map_err(|error| vec![error])?;
    let errors = mixed_times(&condition);
    if errors.is_empty() { Ok(condition) } else { Err(errors) }
}

/// `sql` conditions are announced in the interface, and come later.
pub(crate) fn sql_not_yet(offset: usize) -> SyntaxError {
    SyntaxError::new(offset, "conditions in SQL are not supported yet")
        .with_hint("use performance(…), drift(…), quality(…), fault(…), volume or coverage")
}

/// What is known at the close and what is known at maturity can't stand in one condition.
fn mixed_times(condition: &Condition) -> Vec<SyntaxError> {
    let tests = condition.tests();
    let Some(first) = tests.iter().find(|test| test.quantity.known() != Known::Both) else { return Vec::new() };
    let differs =
        |test: &&&Test| test.quantity.known() != Known::Both && test.quantity.known() != first.quantity.known();
    let name = |quantity: &Quantity| quantity.to_string();
    tests
        .iter()
        .filter(differs)
        .map(|test| {
            let (closed, matured) =
                if first.quantity.known() == Known::Closed { (*first, *test) } else { (*test, *first) };
            let message = format!(
                "{} is known when a window closes, {} when its labels have matured",
                name(&closed.quantity),
                name(&matured.quantity)
            );
            SyntaxError::new(test.offset, message).with_hint("write two rules")
        })
        .collect()
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    /// The token that comes next; the last one is always the end.
    fn peek(&self) -> Token {
        let end = Token { kind: TokenKind::End, offset: 0 };
        self.tokens.get(self.position).or(self.tokens.last()).cloned().unwrap_or(end)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn accept(&mut self, kind: &TokenKind) -> bool {
        let is_next = self.peek().kind == *kind;
        self.position += usize::from(is_next);
        is_next
    }

    fn accept_word(&mut self, word: &str) -> bool {
        self.accept(&TokenKind::Name(word.to_owned()))
    }

    fn any(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        let mut parts = vec![self.all(depth)?];
        while self.accept_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        let mut parts = vec![self.term(depth)?];
        while self.accept_word("and") {
            parts.push(self.term(depth)?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn term(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        let token = self.peek();
        if self.accept(&TokenKind::Open) {
            if depth >= MAX_DEPTH {
                return Err(SyntaxError::new(
                    token.offset,
                    format!("more than {MAX_DEPTH} parentheses within each other"),
                ));
            }
            let inner = self.any(depth + 1)?;
            self.expect_close()?;
            return Ok(inner);
        }
        self.test().map(Condition::Test)
    }

    fn test(&mut self) -> Result<Test, SyntaxError> {
        let token = self.advance();
        let TokenKind::Name(name) = &token.kind else {
            let message = format!("a condition is expected here, not {}", token.kind.describe());
            return Err(SyntaxError::new(token.offset, message).with_hint("write it like `drift(any) >= critical`"));
        };
        if name == "not" {
            return Err(SyntaxError::new(token.offset, "`not` is not part of the language")
                .with_hint("turn the comparison round"));
        }
        if !QUANTITIES.contains(&name.as_str()) {
            let hint = match nearest(name, QUANTITIES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are: {}", QUANTITIES.join(", ")),
            };
            return Err(SyntaxError::new(token.offset, format!("`{name}` is nothing that is known")).with_hint(hint));
        }
        let arguments = self.arguments()?;
        let quantity = quantity(name, token.offset, &arguments)?;
        let requirement = self.requirement(&quantity, token.offset)?;
        // A column is always the last argument.
        let feature = quantity.feature().and(arguments.last());
        let feature_offset = feature.map_or(token.offset, |argument| argument.offset);
        Ok(Test { quantity, requirement, offset: token.offset, feature_offset })
    }

    /// What stands in the parentheses; empty when there are none.
    fn arguments(&mut self) -> Result<Vec<Token>, SyntaxError> {
        let mut arguments = Vec::new();
        if !self.accept(&TokenKind::Open) {
            return Ok(arguments);
        }
        if self.accept(&TokenKind::Close) {
            return Ok(arguments);
        }
        loop {
            let token = self.advance();
            match token.kind {
                TokenKind::Name(_) | TokenKind::Quoted(_) => arguments.push(token),
                other => {
                    return Err(SyntaxError::new(
                        token.offset,
                        format!("a name is expected here, not {}", other.describe()),
                    ));
                }
            }
            if !self.accept(&TokenKind::Comma) {
                self.expect_close()?;
                return Ok(arguments);
            }
        }
    }

    fn requirement(&mut self, quantity: &Quantity, start: usize) -> Result<Requirement, SyntaxError> {
        let token = self.peek();
        let TokenKind::Operator(operator) = token.kind else { return bare(quantity, start) };
        self.advance();
        let value = self.advance();
        match value.kind {
            TokenKind::Number(number) => compare_number(quantity, operator, number, value.offset),
            TokenKind::Name(name) => compare_severity(quantity, operator, &name, token.offset, value.offset),
            other => {
                let message = format!("a severity or a number is expected here, not {}", other.describe());
                Err(SyntaxError::new(value.offset, message).with_hint("severities are info, warning, critical"))
            }
        }
    }

    fn expect_close(&mut self) -> Result<(), SyntaxError> {
        let token = self.advance();
        if token.kind == TokenKind::Close {
            return Ok(());
        }
        Err(SyntaxError::new(token.offset, format!("`)` is expected here, not {}", token.kind.describe())))
    }

    fn expect_end(&self) -> Result<(), SyntaxError> {
        let token = self.peek();
        if token.kind == TokenKind::End {
            return Ok(());
        }
        let message = format!("{} is one word too many", token.kind.describe());
        Err(SyntaxError::new(token.offset, message).with_hint("conditions are joined with `and` and `or`"))
    }
}

fn one_or(mut parts: Vec<Condition>, joined: fn(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            joined(parts)
        }
    }
}

/// An argument as a word (a keyword may be meant) or as a quoted column.
fn word(argument: &Token) -> (&str, bool) {
    match &argument.kind {
        TokenKind::Name(name) => (name, false),
        TokenKind::Quoted(text) => (text, true),
        _ => ("", false),
    }
}

fn quantity(name: &str, offset: usize, arguments: &[Token]) -> Result<Quantity, SyntaxError> {
    let most = match name {
        "coverage" => 0,
        "quality" => 2,
        _ => 1,
    };
    if let Some(extra) = arguments.get(most) {
        let most = ["its own name", "one name", "two names"].get(most).copied().unwrap_or_default();
        return Err(SyntaxError::new(extra.offset, format!("`{name}` takes no more than {most}")));
    }
    let first = arguments.first();
    match name {
        "performance" => metric(first, offset),
        "drift" => target(first, offset),
        "fault" => fault(first),
        "quality" => quality(first, arguments.get(1)),
        "volume" => match first.map(|argument| (word(argument).0, argument.offset)) {
            None => Ok(Quantity::Volume),
            Some(("rows", _)) => Ok(Quantity::Rows),
            Some((other, at)) => Err(SyntaxError::new(at, format!("`volume` has no `{other}`"))
                .with_hint("write `volume(rows) < 100`, or `volume >= warning`")),
        },
        _ => Ok(Quantity::Coverage),
    }
}

fn metric(argument: Option<&Token>, offset: usize) -> Result<Quantity, SyntaxError> {
    let Some(argument) = argument else {
        return Err(SyntaxError::new(offset, "`performance` needs a metric").with_hint("write `performance(log_loss)`"));
    };
    let (name, _) = word(argument);
    if METRICS.contains(&name) {
        return Ok(Quantity::Performance { metric: name.to_owned() });
    }
    Err(SyntaxError::new(argument.offset, format!("there is no metric `{name}`")).with_hint(choices(name, METRICS)))
}

fn target(argument: Option<&Token>, offset: usize) -> Result<Quantity, SyntaxError> {
    let Some(argument) = argument else {
        let hint = "write `drift(any)`, or name a column";
        return Err(SyntaxError::new(offset, "`drift` needs to know of what").with_hint(hint));
    };
    Ok(Quantity::Drift(match word(argument) {
        ("any", false) => Target::Any,
        ("score", false) => Target::Score,
        ("prediction", false) => Target::Prediction,
        (name, _) => Target::Feature(name.to_owned()),
    }))
}

fn fault(argument: Option<&Token>) -> Result<Quantity, SyntaxError> {
    let Some(argument) = argument else { return Ok(Quantity::Fault(None)) };
    let (name, _) = word(argument);
    if name == "any" {
        return Ok(Quantity::Fault(None));
    }
    if LATER_FAULTS.iter().any(|fault| fault.name() == name) {
        let message = format!("the fault `{name}` is not supported yet: nothing looks for it");
        let hint = format!("there are: {}", FAULTS.map(contract::Fault::name).join(", "));
        return Err(SyntaxError::new(argument.offset, message).with_hint(hint));
    }
    let known = FAULTS.iter().find(|fault| fault.name() == name);
    known.map(|fault| Quantity::Fault(Some(*fault))).ok_or_else(|| {
        let hint = choices(name, FAULTS.map(contract::Fault::name));
        SyntaxError::new(argument.offset, format!("there is no fault `{name}`")).with_hint(hint)
    })
}

fn quality(detector: Option<&Token>, feature: Option<&Token>) -> Result<Quantity, SyntaxError> {
    let detector = match detector.map(|argument| (word(argument).0, argument.offset)) {
        None | Some(("any", _)) => None,
        Some((name, _)) if QUALITY.contains(&name) => Some(name.to_owned()),
        Some((name, offset)) => {
            let error = SyntaxError::new(offset, format!("there is no detector of quality `{name}`"));
            return Err(error.with_hint(choices(name, QUALITY)));
        }
    };
    let feature = feature.map(word).filter(|name| *name != ("any", false)).map(|(name, _)| name.to_owned());
    Ok(Quantity::Quality { detector, feature })
}

fn choices<const N: usize>(name: &str, known: [&str; N]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// A quantity that stands alone.
fn bare(quantity: &Quantity, offset: usize) -> Result<Requirement, SyntaxError> {
    match quantity {
        Quantity::Fault(_) => Ok(Requirement::Present),
        Quantity::Coverage => {
            Err(SyntaxError::new(offset, "`coverage` needs a comparison").with_hint("write `coverage < 0.5`"))
        }
        Quantity::Rows => {
            Err(SyntaxError::new(offset, "`volume(rows)` needs a comparison").with_hint("write `volume(rows) < 100`"))
        }
        _ => at_least(quantity, Severity::Warning, offset),
    }
}

fn compare_number(
    quantity: &Quantity,
    operator: Operator,
    number: f64,
    offset: usize,
) -> Result<Requirement, SyntaxError> {
    match quantity {
        Quantity::Performance { .. } | Quantity::Coverage | Quantity::Rows => {
            Ok(Requirement::Number { operator, number })
        }
        Quantity::Volume => Err(SyntaxError::new(offset, "`volume` is compared with a severity")
            .with_hint("for the number of rows, write `volume(rows)`")),
        Quantity::Fault(_) => Err(fault_alone(offset)),
        Quantity::Drift(_) | Quantity::Quality { .. } => {
            let message =
                format!("`{quantity}` is compared with a severity: what a number means differs between detectors");
            Err(SyntaxError::new(offset, message).with_hint("write `>= warning`"))
        }
    }
}

fn fault_alone(offset: usize) -> SyntaxError {
    SyntaxError::new(offset, "a fault is there or not; it has no severity").with_hint("write `fault(any)` alone")
}

fn compare_severity(
    quantity: &Quantity,
    operator: Operator,
    name: &str,
    operator_offset: usize,
    offset: usize,
) -> Result<Requirement, SyntaxError> {
    let Some(place) = Severity::ALL.iter().position(|severity| severity.name() == name) else {
        let hint = choices(name, ["info", "warning", "critical"]);
        return Err(SyntaxError::new(offset, format!("`{name}` is neither a severity nor a number")).with_hint(hint));
    };
    match quantity {
        Quantity::Coverage | Quantity::Rows => {
            return Err(SyntaxError::new(offset, format!("`{quantity}` is compared with a number")));
        }
        Quantity::Fault(_) => return Err(fault_alone(offset)),
        _ => {}
    }
    let least = match operator {
        Operator::AtLeast => place,
        Operator::Above => place + 1,
        Operator::AtMost | Operator::Below => {
            return Err(SyntaxError::new(
                operator_offset,
                "an alert waits for something grave, so it can't ask for less",
            )
            .with_hint("compare severities with `>=` or `>`"));
        }
    };
    match Severity::ALL.get(least) {
        Some(Severity::None) => Err(SyntaxError::new(offset, "this always holds").with_hint("write `>= info`")),
        Some(severity) => at_least(quantity, *severity, offset),
        None => Err(SyntaxError::new(offset, "nothing is graver than critical").with_hint("write `>= critical`")),
    }
}

/// A rule that could never hold is an error now rather than silence later.
fn at_least(quantity: &Quantity, severity: Severity, offset: usize) -> Result<Requirement, SyntaxError> {
    match quantity {
        Quantity::Performance { metric } if metric != TESTED_METRIC && severity > Severity::Info => {
            let message = format!("findings about {metric} are never more than info: only {TESTED_METRIC} is tested");
            let hint = format!("write `performance({TESTED_METRIC})`, or compare {metric} with a number");
            Err(SyntaxError::new(offset, message).with_hint(hint))
        }
        _ => Ok(Requirement::Severity(severity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    #[test]
    fn conditions_read_as_they_are_written() {
        for text in [
            "performance(log_loss) >= warning",
            "performance(accuracy) < 0.8",
            "drift(any) >= critical",
            "drift(temp) >= info",
            "drift(\"score\") >= warning",
            "drift(score) >= warning",
            "fault(any)",
            "fault(unit_change)",
            "quality(missing_rate, amount) >= warning",
            "coverage < 0.5",
            "volume >= warning",
            "volume(rows) < 100",
            "coverage < 0.5 and volume(rows) >= 1000",
            "(fault(any) or drift(any) >= critical) and volume(rows) > 10",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn short_forms_mean_at_least_a_warning() {
        assert_eq!(shown("drift(any)"), "drift(any) >= warning");
        assert_eq!(shown("quality(any,amount)"), "quality(any, amount) >= warning");
        assert_eq!(shown("quality"), "quality(any) >= warning");
        assert_eq!(shown("drift(a) > info"), "drift(a) >= warning");
        assert_eq!(shown("drift( 'a \"b' )≥warning"), "drift(\"a \\\"b\") >= warning");
        assert_eq!(shown("volume or fault"), "volume >= warning or fault(any)");
    }

    #[test]
    fn e1_a_column_has_a_place_of_its_own() {
        let condition = parse("drift(a) and (quality(any, \"é b\") or fault)").unwrap();
        let places = condition.tests().into_iter().map(|test| (test.offset, test.feature_offset));
        assert_eq!(places.collect::<Vec<_>>(), [(0, 6), (14, 27), (37, 37)]);
    }

    #[test]
    fn and_binds_closer_than_or() {
        let condition = parse("fault or drift(a) and drift(b)").unwrap();
        assert_eq!(condition.to_string(), "fault(any) or (drift(a) >= warning and drift(b) >= warning)");
        assert_eq!(condition.tests().iter().map(|test| test.offset).collect::<Vec<_>>(), [0, 9, 22]);
    }

    #[test]
    fn the_feature_is_the_one_that_is_named() {
        assert_eq!(parse("drift(a) and quality(range, a)").unwrap().feature(), Some("a"));
        assert_eq!(parse("drift(a) and drift(b)").unwrap().feature(), None);
        assert_eq!(parse("drift(a) or fault").unwrap().feature(), None);
        assert_eq!(parse("drift(any)").unwrap().feature(), None);
    }

    #[test]
    fn e1_every_test_of_the_wrong_time_is_named() {
        let errors = parse("drift(any) and coverage < 0.5 or performance(log_loss)").unwrap_err();
        assert_eq!(errors.iter().map(|error| error.offset).collect::<Vec<_>>(), [15, 33]);
    }

    #[test]
    fn e1_depth_and_length_are_bounded() {
        let nested = |depth| format!("{}fault{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)).unwrap_err()[0].offset, MAX_DEPTH);
        assert!(parse(&" ".repeat(MAX_CHARACTERS + 1)).is_err());
    }
}
