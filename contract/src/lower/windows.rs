//! `windows`, `baseline` and `budget`: what is compared with what, how often, and with which licence to err.

use std::path::PathBuf;
use std::time::Duration;

use crate::keys::Object;
use crate::keys::contract::{BASELINE, BASELINE_PART, BUDGET, WINDOWS};
use crate::model::{Baseline, BaselineKind, BaselinePart, Budget, Windows};
use crate::time::{format_duration, parse_duration};
use crate::yaml::{Errors, Fields, Node};

const DAY: Duration = Duration::from_hours(24);

/// No span of a contract is longer.
pub(crate) const LONGEST: Duration = Duration::from_hours(8784);

const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// Windows that late events and labels can still change, and that are held for it.
pub const MAX_HELD_WINDOWS: u128 = 8_192;

/// A baseline with fewer windows judges nothing.
pub const MINIMUM_TRAILING_WINDOWS: u32 = 8;

/// `horizon`: of the labels, when there are some.
pub fn windows(node: &Node, horizon: Option<Duration>, errors: &mut Errors) -> Option<Windows> {
    let mut fields = Fields::of(node, &WINDOWS, errors)?;
    let size_node = fields.required("size", errors);
    let size = size_node.and_then(|node| window_size(node, errors));
    let lateness = match fields.optional("lateness", errors) {
        Some(node) => span("windows.lateness", node, errors),
        None => Some(Duration::ZERO),
    };
    let maturity_node = fields.optional("maturity", errors);
    let maturity = maturity_node.and_then(|node| span("windows.maturity", node, errors));
    if let Some(zone) = fields.optional("zone", errors)
        && zone.text("windows.zone", errors).is_some_and(|zone| zone != "UTC")
    {
        errors.add_with_hint(zone.position, "time zones other than UTC are not supported yet", "write `UTC`");
    }
    fields.finish(errors);
    if let (Some(node), Some(maturity)) = (maturity_node, maturity) {
        check_maturity(node, maturity, lateness, horizon, errors);
    }
    let (size, lateness) = (size?, lateness?);
    let held = (horizon.unwrap_or_default() + lateness).as_micros() / size.as_micros().max(1);
    if let Some(node) = size_node.filter(|_| held > MAX_HELD_WINDOWS) {
        let message = format!("{held} windows would be held until the last label; {MAX_HELD_WINDOWS} are allowed");
        errors.add_with_hint(node.position, message, "make windows longer, or the label horizon shorter");
    }
    // Without a word about it, performance waits for the last label: early ones are no fair sample.
    let maturity = maturity.unwrap_or_else(|| horizon.unwrap_or(lateness).max(lateness));
    Some(Windows { size, lateness, maturity })
}

fn window_size(node: &Node, errors: &mut Errors) -> Option<Duration> {
    let size = node.duration_within("windows.size", LONGEST, errors)?;
    if size < SHORTEST_WINDOW {
        errors.add(node.position, "`windows.size` must be 1s at least");
        return None;
    }
    Some(size)
}

/// A duration that may be zero.
pub(super) fn span(what: &str, node: &Node, errors: &mut Errors) -> Option<Duration> {
    let duration = node.duration(what, errors)?;
    if duration > LONGEST {
        errors.add(node.position, format!("`{what}` may be {} at most", format_duration(LONGEST)));
        return None;
    }
    Some(duration)
}

fn check_maturity(
    node: &Node,
    maturity: Duration,
    lateness: Option<Duration>,
    horizon: Option<Duration>,
    errors: &mut Errors,
) {
    let given = format_duration(maturity);
    if let Some(lateness) = lateness.filter(|lateness| maturity < *lateness) {
        let message = format!("`maturity` ({given}) is shorter than `lateness` ({})", format_duration(lateness));
        let hint = "a window can't mature before it has closed; make `maturity` longer";
        errors.add_with_hint(node.position, message, hint);
    }
    if let Some(horizon) = horizon.filter(|horizon| maturity > *horizon) {
        let message = format!("`maturity` ({given}) is longer than the label horizon ({})", format_duration(horizon));
        errors.add_with_hint(node.position, message, "no label counts after the horizon; make `maturity` shorter");
    }
}

/// `size`: of the windows, when it is known.
pub fn baseline(node: Option<&Node>, size: Option<Duration>, errors: &mut Errors) -> Option<Baseline> {
    let training = BaselinePart { kind: BaselineKind::Training, history: None };
    let Some(node) = node else {
        return Some(Baseline { inputs: training.clone(), outputs: training.clone(), performance: training });
    };
    let has_any = |object: &Object| object.keys.iter().any(|key| node.get(key.name).is_some());
    if !node.is_mapping() || (has_any(&BASELINE_PART) && !has_any(&BASELINE)) {
        let all = part(node, "baseline", size, errors)?;
        return Some(Baseline { inputs: all.clone(), outputs: all.clone(), performance: all });
    }
    let mut fields = Fields::of(node, &BASELINE, errors)?;
    let mut one = |key: &'static str, what: &str| match fields.optional(key, errors) {
        Some(node) => part(node, what, size, errors),
        None => Some(training.clone()),
    };
    let inputs = one("inputs", "baseline.inputs");
    let outputs = one("outputs", "baseline.outputs");
    let performance = one("performance", "baseline.performance");
    fields.finish(errors);
    Some(Baseline { inputs: inputs?, outputs: outputs?, performance: performance? })
}

fn part(node: &Node, what: &str, size: Option<Duration>, errors: &mut Errors) -> Option<BaselinePart> {
    const FORMS: &str = "it is `training`, `{ fixed: PATH }` or `{ trailing: DURATION }`";
    if !node.is_mapping() {
        if node.as_text() == Some("training") {
            return Some(BaselinePart { kind: BaselineKind::Training, history: None });
        }
        errors.add_with_hint(node.position, format!("`{what}` can't be {}", node.describe()), FORMS);
        return None;
    }
    let mut fields = Fields::of(node, &BASELINE_PART, errors)?;
    let is_training = fields.bare("training", errors);
    let fixed_node = fields.optional("fixed", errors);
    let trailing_node = fields.optional("trailing", errors);
    let history_node = fields.optional("history", errors);
    fields.finish(errors);
    let given = usize::from(is_training) + [fixed_node, trailing_node].iter().flatten().count();
    if given > 1 {
        errors.add_with_hint(node.position, format!("`{what}` is more than one thing at once"), FORMS);
        return None;
    }
    let history = history_node.and_then(|node| history(node, fixed_node.is_some(), errors));
    let kind = match (fixed_node, trailing_node) {
        (Some(node), _) => BaselineKind::Fixed(PathBuf::from(node.text("fixed", errors)?)),
        (None, Some(node)) => BaselineKind::Trailing(trailing(node, size, errors)?),
        (None, None) => BaselineKind::Training,
    };
    Some(BaselinePart { kind, history })
}

fn trailing(node: &Node, size: Option<Duration>, errors: &mut Errors) -> Option<Duration> {
    let span = node.duration_within("trailing", LONGEST, errors)?;
    let needed = size.map(|size| size.saturating_mul(MINIMUM_TRAILING_WINDOWS));
    if let (Some(size), Some(needed)) = (size, needed.filter(|needed| span < *needed)) {
        let held = span.as_micros() / size.as_micros().max(1);
        let message = format!("{} hold {held} windows of {}", format_duration(span), format_duration(size));
        let hint = format!("{MINIMUM_TRAILING_WINDOWS} are needed: at least `{}`", format_duration(needed));
        errors.add_with_hint(node.position, message, hint);
        return None;
    }
    Some(span)
}

fn history(node: &Node, is_fixed: bool, errors: &mut Errors) -> Option<PathBuf> {
    let text = node.text("history", errors)?;
    if parse_duration(&text).is_some() {
        let hint = "name a file or folder that seeds the baseline";
        errors.add_with_hint(node.position, "a `history` given as a duration is not supported yet", hint);
        return None;
    }
    if is_fixed {
        let message = "`history` means nothing beside `fixed`, which is there from the start";
        errors.add_with_hint(node.position, message, "leave one of them out");
        return None;
    }
    Some(PathBuf::from(text))
}

pub fn budget(node: Option<&Node>, errors: &mut Errors) -> Option<Budget> {
    let mut budget = Budget { false_alarms: 1.0, per: DAY * 30 };
    let Some(node) = node else { return Some(budget) };
    let mut fields = Fields::of(node, &BUDGET, errors)?;
    if let Some(node) = fields.optional("false_alarms", errors) {
        let number = node.number("budget.false_alarms", errors);
        if number.is_some_and(|number| number <= 0.0) {
            let hint = "no test is without false alarms; write `1` and a longer `per`";
            errors.add_with_hint(node.position, "`budget.false_alarms` must be above zero", hint);
        }
        budget.false_alarms = number.unwrap_or(budget.false_alarms);
    }
    if let Some(node) = fields.optional("per", errors) {
        // Ten years, so that "one in ten years" can be asked for.
        budget.per = node.duration_within("budget.per", LONGEST * 10, errors).unwrap_or(budget.per);
    }
    fields.finish(errors);
    Some(budget)
}
