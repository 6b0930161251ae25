//! From a contract's YAML to [`Contract`], with every error at once (promise E1).
//!
//! Keys, required keys and defaults stand in [`crate::keys::contract`]; this module adds what one key demands of
//! another. docs/contract.md says the same to users.

mod detect;
mod fields;
mod json;
mod pointer;
mod retrain;
mod schema;
mod sources;
mod windows;

pub use detect::{FileKind, detect};
pub use json::beyond_limits;
pub use retrain::{MAX_ATTEMPTS, MAX_STEPS, MINIMUM_HELD_OUT_DAYS};
pub use schema::{MAX_COLUMNS, MAX_SEGMENTS};
pub(crate) use sources::topic;
pub use windows::{MAX_HELD_WINDOWS, MINIMUM_TRAILING_WINDOWS};

use std::path::{Path, PathBuf};

use crate::configuration::secret::{PRIVATE_IN_CONTRACTS, masked};
use crate::diagnostic::Diagnostic;
use crate::keys::contract::{CONTRACT, DEFAULT_PACK};
use crate::model::{Contract, RuleFile, Task};
use crate::yaml::{Errors, Fields, Node, parse_into, read, read_text};

/// Rule files of one contract.
pub const MAX_RULE_FILES: usize = 100;

/// Reads a contract file, and what holds its secret. All of its errors come back, sorted by position; none shows the
/// secret.
pub fn read_contract(path: &Path) -> Result<Contract, Vec<Diagnostic>> {
    let text = read_text(path).map_err(|diagnostic| vec![diagnostic])?;
    contract_from_text(&text, path)
}

/// Reads a contract's text; `path` names it in errors, and relative paths start at its folder.
pub fn contract_from_text(text: &str, path: &Path) -> Result<Contract, Vec<Diagnostic>> {
    let result = read(text, path, |root, errors| contract(root, path, errors));
    let masked = |diagnostic| masked(diagnostic, text, &PRIVATE_IN_CONTRACTS);
    result.map_err(|diagnostics| diagnostics.into_iter().map(masked).collect())
}

/// The rule files that a contract's text names, whatever else is wrong with it: so that their errors can be told with its own.
pub fn rule_files(text: &str, path: &Path) -> Vec<RuleFile> {
    let mut errors = Errors::new(path, text);
    let root = parse_into(text, &mut errors);
    root.and_then(|root| root.get("rules").and_then(|node| rules(node, &mut errors))).unwrap_or_default()
}

fn contract(root: &Node, path: &Path, errors: &mut Errors) -> Option<Contract> {
    let mut fields = Fields::of(root, &CONTRACT, errors)?;
    if let Some(node) = fields.required("version", errors) {
        version(node, errors);
    }
    let model = fields.required("model", errors).and_then(|node| model(node, errors));
    let task = fields.required("task", errors).and_then(|node| task(node, errors));
    let owner = fields.optional("owner", errors).and_then(|node| node.text("owner", errors));
    let sources_node = fields.required("sources", errors);
    let sources = sources_node.and_then(|node| sources::sources(node, errors));
    let fields_node = fields.required("fields", errors);
    let event_fields = fields_node.and_then(|node| fields::fields(node, errors));
    if let (Some(sources), Some(event_fields)) = (sources_node, fields_node) {
        fields::agree_with_sources(event_fields, sources, task, errors);
    }
    let columns = fields.required("schema", errors).and_then(|node| schema::schema(node, errors));
    let segments = fields.optional("segments", errors);
    let segments = segments.and_then(|node| schema::segments(node, columns.as_deref(), errors)).unwrap_or_default();
    let horizon = sources.as_ref().and_then(|sources| sources.labels.as_ref()).map(|labels| labels.horizon);
    let windows = fields.required("windows", errors).and_then(|node| windows::windows(node, horizon, errors));
    let size = windows.as_ref().map(|windows| windows.size);
    let baseline = windows::baseline(fields.optional("baseline", errors), size, errors);
    let budget = windows::budget(fields.optional("budget", errors), errors);
    let rules = match fields.optional("rules", errors) {
        Some(node) => rules(node, errors),
        None => Some(vec![RuleFile { name: DEFAULT_PACK.to_owned(), place: None }]),
    };
    let folder = folder(path);
    let around = retrain::Around {
        task,
        sources: sources_node,
        fields: fields_node,
        columns: columns.as_deref(),
        size,
        folder: &folder,
    };
    let retrain = fields.optional("retrain", errors).and_then(|node| retrain::retrain(node, &around, errors));
    fields.finish(errors);
    Some(Contract {
        model: model?,
        task: task?,
        owner,
        sources: sources?,
        fields: event_fields?,
        schema: columns?,
        segments,
        windows: windows?,
        baseline: baseline?,
        budget: budget?,
        rules: rules?,
        retrain,
        folder,
    })
}

/// The folder of a file; `.` where the path names none.
pub(crate) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn version(node: &Node, errors: &mut Errors) {
    if node.integer("version", errors).is_some_and(|version| version != 1) {
        errors.add_with_hint(node.position, "this version of contracts is unknown", "write `version: 1`");
    }
}

/// Names of models become parts of paths, of keys and of URLs.
fn model(node: &Node, errors: &mut Errors) -> Option<String> {
    let name = node.text("model", errors)?;
    let is_good = name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_good {
        let hint = "use letters, digits, `_`, `-` and `.`, beginning with a letter or a digit; at most 100";
        errors.add_with_hint(node.position, format!("`model` can't be {}", node.describe()), hint);
        return None;
    }
    Some(name)
}

fn task(node: &Node, errors: &mut Errors) -> Option<Task> {
    let choices = [
        ("binary_classification", Task::BinaryClassification),
        ("multiclass_classification", Task::MulticlassClassification),
        ("regression", Task::Regression),
        ("ranking", Task::Ranking),
        ("none", Task::None),
    ];
    node.choice("task", &choices, errors)
}

fn rules(node: &Node, errors: &mut Errors) -> Option<Vec<RuleFile>> {
    let files = node.list("rules", errors)?;
    if files.len() > MAX_RULE_FILES {
        errors.add(node.position, format!("more than {MAX_RULE_FILES} rule files"));
        return None;
    }
    let mut named: Vec<RuleFile> = Vec::new();
    for file in files {
        match file.text("rules", errors) {
            Some(name) if named.iter().any(|known| known.name == name) => {
                errors.add_with_hint(file.position, format!("`{name}` is named twice"), "leave one out");
            }
            Some(name) => named.push(RuleFile { name, place: Some(errors.place(file.position)) }),
            None => {}
        }
    }
    Some(named)
}
