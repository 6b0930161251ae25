//! Reading rule files: every error at once, each with file, line, column and a hint (promise E1).

use std::collections::BTreeMap;
use std::path::Path;

use contract::time::parse_duration;
use contract::yaml::{Errors, Fields, Node, Position, Value, read, read_text};
use contract::{Diagnostic, Place};

use crate::condition::{self, Condition, Test};
use crate::rule::{Action, AlertSeverity, Origin, Rule, RuleSet, Span};
use crate::template::Template;

/// Characters of an alert's name.
pub const MAX_NAME: usize = 100;
/// Annotations of one rule.
pub const MAX_ANNOTATIONS: usize = 50;
/// Windows that a span may name.
const MAX_WINDOWS: u32 = 10_000;

/// Reads a rule file. `named_at`: where a contract names it, to say there that it is missing.
pub fn read_rules(path: &Path, named_at: Option<&Place>) -> Result<RuleSet, Vec<Diagnostic>> {
    if !path.is_file() {
        let message = format!("there is no rule file `{}`", path.display());
        let diagnostic =
            named_at.map_or_else(|| Diagnostic::new(path, 1, 1, &message), |place| place.diagnostic(&message));
        return Err(vec![diagnostic.with_hint("paths are relative to the contract; `packs/default.yaml` is shipped")]);
    }
    let text = read_text(path).map_err(|diagnostic| vec![diagnostic])?;
    rules_from_text(&text, path)
}

/// Reads the text of a rule file. `path` stands in the errors.
pub fn rules_from_text(text: &str, path: &Path) -> Result<RuleSet, Vec<Diagnostic>> {
    let source = Source { lines: text.trim_start_matches('\u{feff}').lines().collect() };
    let rules = read(text, path, |root, errors| file(root, &source, errors))?;
    RuleSet::from_rules(rules)
}

/// The file's lines, to find the place of an error inside a scalar.
struct Source<'a> {
    lines: Vec<&'a str>,
}

impl Source<'_> {
    fn line(&self, position: Position) -> &str {
        self.lines.get(position.line.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The position of a scalar's character. Where the scalar was folded or escaped, the place in the file can't be
    /// computed from the text: then it is the scalar's beginning.
    fn within(&self, node: &Node, offset: usize) -> Position {
        let Some(text) = node.as_text() else { return node.position };
        let written: String = self.line(node.position).chars().skip(node.position.column.saturating_sub(1)).collect();
        let quote = usize::from(written.starts_with(['"', '\'']));
        let is_as_written = written.chars().skip(quote).take(offset).eq(text.chars().take(offset));
        let column = if is_as_written { node.position.column + quote + offset } else { node.position.column };
        Position { line: node.position.line, column }
    }
}

fn file(root: &Node, source: &Source<'_>, errors: &mut Errors) -> Option<Vec<Rule>> {
    let mut fields = Fields::open(root, "a rule file", errors)?;
    let groups = fields.required("groups", errors).and_then(|node| node.list("groups", errors));
    fields.finish(errors);
    let groups: Vec<_> = groups?.iter().map(|node| group(node, source, errors)).collect();
    Some(groups.into_iter().flatten().flatten().collect())
}

fn group(node: &Node, source: &Source<'_>, errors: &mut Errors) -> Option<Vec<Rule>> {
    let mut fields = Fields::open(node, "a group", errors)?;
    let name = fields.required("name", errors).and_then(|node| node.text("name", errors));
    let rules = fields.required("rules", errors).and_then(|node| node.list("rules", errors));
    fields.finish(errors);
    let name = name.unwrap_or_default();
    let rules: Vec<_> = rules?.iter().map(|node| rule(node, &name, source, errors)).collect();
    Some(rules.into_iter().flatten().collect())
}

fn rule(node: &Node, group: &str, source: &Source<'_>, errors: &mut Errors) -> Option<Rule> {
    let mut fields = Fields::open(node, "a rule", errors)?;
    let alert = fields.required("alert", errors);
    let (condition, columns) = condition_of(&mut fields, source, errors).unzip();
    let hold = fields.optional("for", errors).map_or(Some(Span::default()), |node| span(node, "for", errors));
    let keep = fields.optional("keep_firing_for", errors);
    let keep = keep.map_or(Some(Span::default()), |node| span(node, "keep_firing_for", errors));
    let severity = fields.optional("severity", errors);
    let choices = AlertSeverity::ALL.map(|severity| (severity.name(), severity));
    let severity = severity.map_or(Some(AlertSeverity::Ticket), |node| node.choice("severity", &choices, errors));
    let annotations = fields.optional("annotations", errors);
    let annotations = annotations.map_or(Some(BTreeMap::new()), |node| annotations_of(node, source, errors));
    let actions = fields.optional("actions", errors).map_or(Some(Vec::new()), |node| actions_of(node, errors));
    fields.finish(errors);
    let place = alert.map(|node| errors.place(node.position));
    let alert = alert.and_then(|node| alert_name(node, errors));
    let (actions, action_places): (Vec<_>, Vec<_>) = actions?.into_iter().unzip();
    Some(Rule {
        alert: alert?,
        group: group.to_owned(),
        condition: condition?,
        hold: hold?,
        keep: keep?,
        severity: severity?,
        annotations: annotations?,
        actions,
        origin: Origin { is_shipped: false, alert: place?, columns: columns?, actions: action_places },
    })
}

fn alert_name(node: &Node, errors: &mut Errors) -> Option<String> {
    let name = node.text("alert", errors)?;
    if name.chars().count() > MAX_NAME {
        errors.add(node.position, format!("an alert's name may have {MAX_NAME} characters"));
        return None;
    }
    if name.chars().any(char::is_control) {
        errors.add(node.position, "an alert's name is one line of text");
        return None;
    }
    Some(name)
}

/// The condition, and where it names columns.
fn condition_of(
    fields: &mut Fields<'_>,
    source: &Source<'_>,
    errors: &mut Errors,
) -> Option<(Condition, Vec<(String, Place)>)> {
    // Other systems' words, which `nearest` can't guess.
    for (foreign, hint) in [
        ("expr", "the condition is called `when` here: `when: drift(any) >= critical`"),
        ("sql", "use `when` with performance(…), drift(…), quality(…), fault(…), volume or coverage"),
    ] {
        if let Some(position) = fields.position_of(foreign) {
            fields.optional(foreign, errors);
            let message = match foreign {
                "sql" => "conditions in SQL are not supported yet".to_owned(),
                _ => format!("unknown key `{foreign}` in a rule"),
            };
            errors.add_with_hint(position, message, hint);
            fields.position_of("when")?;
        }
    }
    let node = fields.required("when", errors)?;
    if matches!(&node.value, Value::Mapping(entries) if entries.iter().any(|entry| entry.name() == "sql")) {
        let error = condition::sql_not_yet(0);
        errors.add_with_hint(node.position, error.message, error.hint.unwrap_or_default());
        return None;
    }
    let text = node.text("when", errors)?;
    match condition::parse(&text) {
        Ok(condition) => {
            let place = |offset| errors.place(source.within(node, offset));
            let column = |test: &Test| Some((test.quantity.feature()?.to_owned(), place(test.feature_offset)));
            let columns = condition.tests().into_iter().filter_map(column).collect();
            Some((condition, columns))
        }
        Err(found) => {
            for error in found {
                let position = source.within(node, error.offset);
                match error.hint {
                    Some(hint) => errors.add_with_hint(position, error.message, hint),
                    None => errors.add(position, error.message),
                }
            }
            None
        }
    }
}

/// `3 windows`, or a duration of event time; `0` is no time at all.
fn span(node: &Node, what: &str, errors: &mut Errors) -> Option<Span> {
    let text = node.as_text().unwrap_or_default().trim();
    if let Some(windows) = text.strip_suffix("windows").or_else(|| text.strip_suffix("window")) {
        return match windows.trim().parse::<u32>() {
            Ok(windows) if windows <= MAX_WINDOWS => Some(Span::Windows(windows)),
            _ => {
                let message = format!("`{what}` names no number of windows: {}", node.describe());
                errors.add_with_hint(node.position, message, format!("write `3 windows`; {MAX_WINDOWS} at most"));
                None
            }
        };
    }
    if text == "0" {
        return Some(Span::default());
    }
    if let Some(duration) = parse_duration(text) {
        return Some(Span::Time(duration));
    }
    let hint = match text.parse::<u32>() {
        Ok(number) => format!("add a unit: `{number} windows`, `{number}h` or `{number}d`"),
        Err(_) => "write `3 windows`, or a duration of event time such as `6h` or `3d`".to_owned(),
    };
    errors.add_with_hint(node.position, format!("`{what}` must say how long, not {}", node.describe()), hint);
    None
}

fn annotations_of(node: &Node, source: &Source<'_>, errors: &mut Errors) -> Option<BTreeMap<String, Template>> {
    let mut fields = Fields::open(node, "`annotations`", errors)?;
    let entries = fields.rest();
    if let Some(entry) = entries.get(MAX_ANNOTATIONS) {
        errors.add(entry.key.position, format!("a rule may have {MAX_ANNOTATIONS} annotations"));
    }
    let mut annotations = BTreeMap::new();
    let mut is_good = true;
    for entry in entries {
        let Some(text) = entry.value.text(entry.name(), errors) else {
            is_good = false;
            continue;
        };
        match Template::parse(&text) {
            Ok(template) => {
                annotations.insert(entry.name().to_owned(), template);
            }
            Err(found) => {
                is_good = false;
                for error in found {
                    errors.add_with_hint(source.within(&entry.value, error.offset), error.message, error.hint);
                }
            }
        }
    }
    is_good.then_some(annotations)
}

fn actions_of(node: &Node, errors: &mut Errors) -> Option<Vec<(Action, Place)>> {
    let choices = [("retrain", Action::Retrain)];
    let items = node.list("actions", errors)?;
    let action = |node: &Node| Some((node.choice("actions", &choices, errors)?, errors.place(node.position)));
    let actions: Vec<_> = items.iter().map(action).collect();
    actions.into_iter().collect()
}
