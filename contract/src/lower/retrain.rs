//! `retrain`: when a model is retrained, on what, by what, and how a candidate comes to serve.

use std::path::Path;
use std::time::Duration;

use super::json;
use super::schema::segments;
use super::windows::{LONGEST, span};
use crate::configuration::Secret;
use crate::configuration::secret::secret;
use crate::keys::retrain::{DATASET, EVALUATE, EXECUTOR, RETRAIN, RETRAIN_BUDGET, RETRAIN_POLICY, ROLLOUT, TARGET};
use crate::model::{
    ApprovalStage, Column, DataFormat, Dataset, Device, Evaluate, Executor, Retrain, RetrainPolicy, RolloutPlan,
    Target, Task,
};
use crate::time::format_duration;
use crate::yaml::{Errors, Fields, Node};

const DAY: Duration = Duration::from_hours(24);

/// Starts of a trainer for one retraining.
pub const MAX_ATTEMPTS: u32 = 10;

/// Steps of a rollout.
pub const MAX_STEPS: usize = 20;

/// With fewer days of held-out data, or windows where these are longer, there is no interval to judge a candidate by.
pub const MINIMUM_HELD_OUT_DAYS: u32 = 3;

const MAX_RUNS: u32 = 1_000;
const MAX_FAILURES: u32 = 100;
/// Program and arguments.
const MAX_COMMAND: usize = 100;
const LONGEST_TIMEOUT: Duration = Duration::from_hours(720);
/// Data and budgets may reach further than windows.
const LONGEST_SPAN: Duration = LONGEST.saturating_mul(10);

const STAGES: [(&str, ApprovalStage); 2] = [("training", ApprovalStage::Training), ("rollout", ApprovalStage::Rollout)];

const DATA_FORMATS: [(&str, DataFormat); 2] = [("parquet", DataFormat::Parquet), ("csv", DataFormat::Csv)];
const DEVICES: [(&str, Device); 3] = [("auto", Device::Auto), ("cpu", Device::Cpu), ("cuda", Device::Cuda)];

/// What else the contract says, as far as it can be read: a mistake there isn't reported as the lack of it.
pub struct Around<'a> {
    pub task: Option<Task>,
    pub sources: Option<&'a Node>,
    pub fields: Option<&'a Node>,
    pub columns: Option<&'a [Column]>,
    /// Of the windows.
    pub size: Option<Duration>,
    /// Where paths start.
    pub folder: &'a Path,
}

pub fn retrain(node: &Node, around: &Around<'_>, errors: &mut Errors) -> Option<Retrain> {
    let mut fields = Fields::of(node, &RETRAIN, errors)?;
    let policy = given(fields.optional("policy", errors), default_policy(), |node| policy(node, errors));
    let dataset_node = fields.optional("dataset", errors);
    let executor_node = fields.optional("executor", errors);
    // Without either nobody pins data, and windows may be of any size.
    let place = dataset_node.or(executor_node);
    let dataset = dataset(dataset_node, place, around.size, errors);
    let executor = executor_node.and_then(|node| executor(node, errors));
    let evaluate =
        given(fields.optional("evaluate", errors), default_evaluate(), |node| evaluate(node, around.columns, errors));
    let rollout = given(fields.optional("rollout", errors), default_rollout(), |node| rollout(node, errors));
    let target_node = fields.optional("target", errors);
    let target = target_node.and_then(|node| target(node, around.folder, errors));
    fields.finish(errors);
    if let Some(node) = executor_node {
        check_executor(node, around, errors);
    }
    if let Some(node) = target_node {
        check_target(node, executor_node.is_some(), around, errors);
    }
    Some(Retrain { policy: policy?, dataset: dataset?, executor, evaluate: evaluate?, rollout: rollout?, target })
}

/// A value that may be left out.
fn given<T>(node: Option<&Node>, default: T, read: impl FnOnce(&Node) -> Option<T>) -> Option<T> {
    match node {
        Some(node) => read(node),
        None => Some(default),
    }
}

fn default_policy() -> RetrainPolicy {
    RetrainPolicy {
        cool_down: DAY * 14,
        runs: 4,
        per: DAY * 90,
        minimum_labels: 1_000,
        approval: Vec::new(),
        stop_after_failures: 3,
    }
}

fn policy(node: &Node, errors: &mut Errors) -> Option<RetrainPolicy> {
    let default = default_policy();
    let mut fields = Fields::of(node, &RETRAIN_POLICY, errors)?;
    let cool_down = given(fields.optional("cool_down", errors), default.cool_down, |node| {
        span("retrain.policy.cool_down", node, errors)
    });
    let budget = given(fields.optional("budget", errors), (default.runs, default.per), |node| budget(node, errors));
    let minimum_labels = given(fields.optional("minimum_labels", errors), default.minimum_labels, |node| {
        node.integer("minimum_labels", errors)
    });
    let approval = given(fields.optional("approval", errors), default.approval, |node| approval(node, errors));
    let stop_after_failures =
        given(fields.optional("stop_after_failures", errors), default.stop_after_failures, |node| {
            count(node, "stop_after_failures", MAX_FAILURES, errors)
        });
    fields.finish(errors);
    let (runs, per) = budget?;
    Some(RetrainPolicy {
        cool_down: cool_down?,
        runs,
        per,
        minimum_labels: minimum_labels?,
        approval: approval?,
        stop_after_failures: stop_after_failures?,
    })
}

fn budget(node: &Node, errors: &mut Errors) -> Option<(u32, Duration)> {
    let RetrainPolicy { runs, per, .. } = default_policy();
    let mut fields = Fields::of(node, &RETRAIN_BUDGET, errors)?;
    let runs = given(fields.optional("runs", errors), runs, |node| count(node, "runs", MAX_RUNS, errors));
    let per = given(fields.optional("per", errors), per, |node| node.duration_within("per", LONGEST_SPAN, errors));
    fields.finish(errors);
    Some((runs?, per?))
}

fn approval(node: &Node, errors: &mut Errors) -> Option<Vec<ApprovalStage>> {
    let mut stages = Vec::new();
    for item in node.list("approval", errors)? {
        match item.choice("approval", &STAGES, errors) {
            Some(stage) if stages.contains(&stage) => {
                errors.add_with_hint(item.position, "the same approval is asked for twice", "leave one out");
            }
            Some(stage) => stages.push(stage),
            None => {}
        }
    }
    stages.sort_unstable();
    Some(stages)
}

/// `place`: what an error about a default points at; None: nothing is asked of the defaults.
fn dataset(node: Option<&Node>, place: Option<&Node>, size: Option<Duration>, errors: &mut Errors) -> Option<Dataset> {
    let mut dataset = Dataset { span: DAY * 56, held_out: DAY * 7 };
    let Some(place) = place else { return Some(dataset) };
    let (mut span_node, mut held_out_node) = (None, None);
    if let Some(node) = node {
        let mut fields = Fields::of(node, &DATASET, errors)?;
        span_node = fields.optional("span", errors);
        held_out_node = fields.optional("held_out", errors);
        fields.finish(errors);
        let mut read = |node: Option<&Node>, what: &str, default| {
            given(node, default, |node| node.duration_within(what, LONGEST_SPAN, errors))
        };
        let (span, held_out) =
            (read(span_node, "span", dataset.span), read(held_out_node, "held_out", dataset.held_out));
        dataset = Dataset { span: span?, held_out: held_out? };
    }
    let held_out = format_duration(dataset.held_out);
    let block = size.unwrap_or_default().max(DAY);
    let needed = block.saturating_mul(MINIMUM_HELD_OUT_DAYS);
    if dataset.held_out < needed {
        let what = if block == DAY { "days".to_owned() } else { format!("windows of {}", format_duration(block)) };
        let message = format!("the held-out data ({held_out}) are less than three {what}");
        let hint = format!("candidates are judged by days: write `held_out: {}` or more", format_duration(needed));
        errors.add_with_hint(held_out_node.unwrap_or(place).position, message, hint);
    }
    if dataset.span < dataset.held_out {
        let span = format_duration(dataset.span);
        let message = format!("the training data (`span`, {span}) are shorter than the held-out data ({held_out})");
        let position = span_node.or(held_out_node).unwrap_or(place).position;
        errors.add_with_hint(position, message, "make `span` longer, or `held_out` shorter");
    }
    Some(dataset)
}

fn executor(node: &Node, errors: &mut Errors) -> Option<Executor> {
    let mut fields = Fields::of(node, &EXECUTOR, errors)?;
    let command = fields.required("command", errors).and_then(|node| command(node, errors));
    let timeout = given(fields.optional("timeout", errors), Duration::from_hours(2), |node| {
        node.duration_within("timeout", LONGEST_TIMEOUT, errors)
    });
    let attempts = given(fields.optional("attempts", errors), 3, |node| count(node, "attempts", MAX_ATTEMPTS, errors));
    let device =
        given(fields.optional("device", errors), Device::default(), |node| node.choice("device", &DEVICES, errors));
    let format = given(fields.optional("format", errors), DataFormat::default(), |node| {
        node.choice("format", &DATA_FORMATS, errors)
    });
    let seed = given(fields.optional("seed", errors), 0, |node| node.integer("seed", errors));
    let parameters = given(fields.optional("parameters", errors), serde_json::Map::new(), |node| {
        json::object(node, "parameters", errors)
    });
    fields.finish(errors);
    Some(Executor {
        command: command?,
        timeout: timeout?,
        attempts: attempts?,
        device: device?,
        format: format?,
        seed: seed?,
        parameters: parameters?,
    })
}

fn command(node: &Node, errors: &mut Errors) -> Option<Vec<String>> {
    let words = node.texts("command", errors)?;
    if words.is_empty() {
        errors.add_with_hint(node.position, "`command` names no program", "write `[ bellwether-trainer ]`");
        return None;
    }
    if words.len() > MAX_COMMAND {
        errors.add(node.position, format!("`command` has more than {MAX_COMMAND} words"));
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        errors.add(node.position, "`command` has a NUL character, which no program can be given");
        return None;
    }
    Some(words)
}

fn default_evaluate() -> Evaluate {
    Evaluate { margin: 0.0, segments: Vec::new() }
}

fn evaluate(node: &Node, columns: Option<&[Column]>, errors: &mut Errors) -> Option<Evaluate> {
    let mut fields = Fields::of(node, &EVALUATE, errors)?;
    let margin = given(fields.optional("margin", errors), 0.0, |node| {
        number(node, "evaluate.margin", 0.0, f64::INFINITY, errors)
    });
    let segments = given(fields.optional("segments", errors), Vec::new(), |node| segments(node, columns, errors));
    fields.finish(errors);
    Some(Evaluate { margin: margin?, segments: segments?.into_iter().map(|segment| segment.column).collect() })
}

fn default_rollout() -> RolloutPlan {
    RolloutPlan {
        steps: vec![10, 50, 100],
        bake: DAY * 7,
        gross_harm: 0.25,
        margin: 0.05,
        latency_ratio: 2.0,
        error_excess: 0.02,
        patience: Duration::from_mins(10),
    }
}

fn rollout(node: &Node, errors: &mut Errors) -> Option<RolloutPlan> {
    let default = default_rollout();
    let mut fields = Fields::of(node, &ROLLOUT, errors)?;
    let steps = given(fields.optional("steps", errors), default.steps, |node| steps(node, errors));
    let bake = given(fields.optional("bake", errors), default.bake, |node| span("rollout.bake", node, errors));
    let gross_harm = given(fields.optional("gross_harm", errors), default.gross_harm, |node| {
        let gross_harm = number(node, "gross_harm", 0.0, f64::INFINITY, errors)?;
        if gross_harm > 0.0 {
            return Some(gross_harm);
        }
        let hint = "any difference would count as gross; small ones are what `margin` is for";
        errors.add_with_hint(node.position, "`gross_harm` must be above zero", hint);
        None
    });
    let margin = given(fields.optional("margin", errors), default.margin, |node| {
        number(node, "rollout.margin", 0.0, f64::INFINITY, errors)
    });
    let latency_ratio = given(fields.optional("latency_ratio", errors), default.latency_ratio, |node| {
        number(node, "latency_ratio", 1.0, f64::INFINITY, errors)
    });
    let error_excess = given(fields.optional("error_excess", errors), default.error_excess, |node| {
        number(node, "error_excess", 0.0, 1.0, errors)
    });
    let patience = given(fields.optional("patience", errors), default.patience, |node| {
        node.duration_within("patience", DAY, errors)
    });
    fields.finish(errors);
    Some(RolloutPlan {
        steps: steps?,
        bake: bake?,
        gross_harm: gross_harm?,
        margin: margin?,
        latency_ratio: latency_ratio?,
        error_excess: error_excess?,
        patience: patience?,
    })
}

fn steps(node: &Node, errors: &mut Errors) -> Option<Vec<u32>> {
    let items = node.list("steps", errors)?;
    if items.len() > MAX_STEPS {
        errors.add(node.position, format!("more than {MAX_STEPS} steps"));
        return None;
    }
    let mut steps: Vec<u32> = Vec::new();
    for item in items {
        let step = count(item, "steps", 100, errors)?;
        if let Some(last) = steps.last().filter(|last| step <= **last) {
            errors.add_with_hint(item.position, format!("{step} % comes after {last} %"), "steps must rise");
            return None;
        }
        steps.push(step);
    }
    if steps.last() != Some(&100) {
        let position = items.last().map_or(node.position, |item| item.position);
        errors.add_with_hint(position, "the last step must be 100", "a candidate that is good gets all of the traffic");
        return None;
    }
    Some(steps)
}

fn target(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Target> {
    let mut fields = Fields::of(node, &TARGET, errors)?;
    let url = fields.required("url", errors).and_then(|node| url(node, errors));
    let token: Option<Option<Secret>> =
        given(fields.optional("token", errors), None, |node| secret(node, "token", folder, errors).map(Some));
    fields.finish(errors);
    Some(Target { url: url?, token: token? })
}

/// Without a `/` at its end. The text isn't shown in errors: people put passwords into addresses.
fn url(node: &Node, errors: &mut Errors) -> Option<String> {
    let text = node.text("url", errors)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_good = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', ':'])
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    if !is_good {
        errors.add_with_hint(node.position, "`url` is no web address", "write `http://host:8080` or `https://host`");
        return None;
    }
    if text.contains(['@', '?', '#']) {
        let hint = "write host, port and path alone; a password is given as `token`";
        errors.add_with_hint(node.position, "`url` has parts that the app's address can't have", hint);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// What a retraining learns from, and is compared by.
fn check_executor(node: &Node, around: &Around<'_>, errors: &mut Errors) {
    if around.task.is_some_and(|task| task != Task::BinaryClassification) {
        let hint = "other tasks aren't supported yet; without `executor`, requests are recorded all the same";
        errors.add_with_hint(node.position, "`executor` is for the task `binary_classification`", hint);
    }
    if around.sources.is_some_and(|sources| sources.is_mapping() && sources.get("labels").is_none()) {
        let hint = "add `labels` to `sources` and to `fields`";
        errors.add_with_hint(node.position, "`executor` has nothing to learn from: there are no labels", hint);
    }
    if lacks(around, "score") {
        let hint = "add `score`, the probability of the label being true, to `fields.predictions`";
        errors.add_with_hint(node.position, "`executor` needs scores: candidates are compared by them", hint);
    }
}

fn check_target(node: &Node, has_executor: bool, around: &Around<'_>, errors: &mut Errors) {
    if !has_executor {
        let hint = "add `executor: { command: [ bellwether-trainer ] }`, or leave `target` out";
        errors.add_with_hint(node.position, "`target` needs `executor`: nobody would make candidates to serve", hint);
    }
    if lacks(around, "version") {
        let hint = "add `version`, the version of the model that predicted, to `fields.predictions`";
        errors.add_with_hint(node.position, "`target` needs versions: events must say who answered", hint);
    }
}

/// Whether the fields of predictions can be read and are without a key.
fn lacks(around: &Around<'_>, key: &str) -> bool {
    let predictions = around.fields.and_then(|fields| fields.get("predictions"));
    predictions.is_some_and(|predictions| predictions.is_mapping() && predictions.get(key).is_none())
}

/// A whole number from 1 to `most`.
fn count(node: &Node, what: &str, most: u32, errors: &mut Errors) -> Option<u32> {
    let number = node.integer(what, errors)?;
    match u32::try_from(number) {
        Ok(number) if (1..=most).contains(&number) => Some(number),
        _ => {
            errors.add(node.position, format!("`{what}` must be from 1 to {most}, not {number}"));
            None
        }
    }
}

/// A number within a closed interval.
fn number(node: &Node, what: &str, least: f64, most: f64, errors: &mut Errors) -> Option<f64> {
    let number = node.number(what, errors)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let allowed = if most.is_finite() { format!("from {least} to {most}") } else { format!("{least} at least") };
    errors.add(node.position, format!("`{what}` must be {allowed}, not {number}"));
    None
}
