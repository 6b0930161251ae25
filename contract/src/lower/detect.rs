//! Which of our kinds a file is.

use std::path::Path;

use crate::keys::Object;
use crate::keys::configuration::CONFIGURATION;
use crate::keys::contract::CONTRACT;
use crate::yaml::{Errors, Value, parse_into};

/// A file without its telling key is still recognised by so many other ones: the key may be what is misspelt.
const TELLING_KEYS: usize = 3;

/// What `bellwether check` knows to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Has `model:`.
    Contract,
    /// Has `contracts:`.
    Configuration,
    /// Has `groups:`.
    Rules,
    /// A .json file with `panels`.
    Dashboard,
}

/// The kind of a file by its text; None: none of ours. Works on files with errors, too.
pub fn detect(path: &Path, text: &str) -> Option<FileKind> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return is_dashboard(text).then_some(FileKind::Dashboard);
    }
    let keys = top_keys(path, text);
    let has = |name: &str| keys.iter().any(|key| key == name);
    let known = |object: &Object| object.keys.iter().filter(|key| has(key.name)).count();
    if has("model") {
        Some(FileKind::Contract)
    } else if has("contracts") {
        Some(FileKind::Configuration)
    } else if has("groups") {
        Some(FileKind::Rules)
    } else if known(&CONTRACT) >= TELLING_KEYS {
        Some(FileKind::Contract)
    } else if known(&CONFIGURATION) >= TELLING_KEYS {
        Some(FileKind::Configuration)
    } else {
        None
    }
}

/// A dashboard that isn't JSON any more is still one that should be checked.
fn is_dashboard(text: &str) -> bool {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.get("panels").is_some(),
        Err(_) => text.contains("\"panels\""),
    }
}

/// The keys of the outermost mapping; of a file that is no YAML, what stands before a colon at the start of a line.
fn top_keys(path: &Path, text: &str) -> Vec<String> {
    let mut errors = Errors::new(path, "");
    match parse_into(text, &mut errors).map(|root| root.value) {
        Some(Value::Mapping(entries)) => entries.iter().map(|entry| entry.name().to_owned()).collect(),
        Some(_) => Vec::new(),
        None => text.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_kinds_are_told_by_their_keys_even_in_broken_files() {
        let kind = |name: &str, text: &str| detect(Path::new(name), text);
        assert_eq!(kind("a.yaml", "version: 1\nmodel: fraud\n"), Some(FileKind::Contract));
        assert_eq!(kind("a.yaml", "model: fraud\nschema: { amount: [\n"), Some(FileKind::Contract));
        assert_eq!(kind("a.yaml", "modle: x\nversion: 1\ntask: none\nwindows: {}\n"), Some(FileKind::Contract));
        assert_eq!(kind("a.yml", "contracts: [a.yaml]\n"), Some(FileKind::Configuration));
        assert_eq!(kind("a.yaml", "groups: []\n"), Some(FileKind::Rules));
        assert_eq!(kind("a.json", "{\"panels\": []}"), Some(FileKind::Dashboard));
        assert_eq!(kind("a.json", "{\"panels\": [}"), Some(FileKind::Dashboard));
        assert_eq!(kind("a.json", "{\"model\": 1}"), None);
        assert_eq!(kind("a.yaml", "services:\n  web:\n    model: x\n"), None);
        assert_eq!(kind("a.yaml", ""), None);
    }
}
