//! YAML that is passed on as JSON.

use serde_json::{Map, Value as Json};

use crate::yaml::{Errors, Node, Value};

/// Lists and mappings within each other.
const MAX_DEPTH: usize = 8;
/// Values in all.
const MAX_VALUES: usize = 1_000;

/// A mapping of names to anything: plain scalars become numbers, booleans and null where they look like it, quoted ones
/// stay text.
pub fn object(node: &Node, what: &str, errors: &mut Errors) -> Option<Map<String, Json>> {
    let mut reader = Reader { what, left: MAX_VALUES };
    match reader.value(node, 0, errors)? {
        Json::Object(members) => Some(members),
        _ => node.mismatch(what, "a mapping", errors),
    }
}

/// What `parameters` that didn't come from a file have more of than those of a contract may; None: nothing.
pub fn beyond_limits(parameters: &Map<String, Json>) -> Option<String> {
    // The mapping itself is a value too, as in a file.
    let mut left = MAX_VALUES - 1;
    parameters.values().find_map(|value| excess(value, 1, &mut left))
}

fn excess(value: &Json, depth: usize, left: &mut usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return Some(format!("lists and mappings more than {MAX_DEPTH} deep"));
    }
    let Some(rest) = left.checked_sub(1) else {
        return Some(format!("more than {MAX_VALUES} values"));
    };
    *left = rest;
    match value {
        Json::Array(items) => items.iter().find_map(|item| excess(item, depth + 1, left)),
        Json::Object(members) => members.values().find_map(|member| excess(member, depth + 1, left)),
        _ => None,
    }
}

struct Reader<'a> {
    what: &'a str,
    /// Values that may still come.
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, node: &Node, depth: usize, errors: &mut Errors) -> Option<Json> {
        if depth > MAX_DEPTH {
            errors.add(node.position, format!("`{}` has lists and mappings more than {MAX_DEPTH} deep", self.what));
            return None;
        }
        // Aliases make many values of few: this is the bound on them.
        let Some(left) = self.left.checked_sub(1) else {
            errors.add(node.position, format!("`{}` has more than {MAX_VALUES} values", self.what));
            return None;
        };
        self.left = left;
        match &node.value {
            Value::Null => Some(Json::Null),
            Value::Scalar { text, is_plain: false } => Some(Json::String(text.clone())),
            Value::Scalar { text, is_plain: true } => self.plain(node, text, errors),
            Value::Sequence(items) => {
                let items: Option<Vec<Json>> = items.iter().map(|item| self.value(item, depth + 1, errors)).collect();
                items.map(Json::Array)
            }
            Value::Mapping(entries) => {
                let members = entries
                    .iter()
                    .map(|entry| Some((entry.name().to_owned(), self.value(&entry.value, depth + 1, errors)?)));
                members.collect::<Option<Map<String, Json>>>().map(Json::Object)
            }
        }
    }

    fn plain(&self, node: &Node, text: &str, errors: &mut Errors) -> Option<Json> {
        match text {
            "true" | "True" | "TRUE" => return Some(Json::Bool(true)),
            "false" | "False" | "FALSE" => return Some(Json::Bool(false)),
            _ => {}
        }
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
        match saphyr::parse_core_schema_fp(text) {
            None => Some(Json::String(text.to_owned())),
            Some(number) => match serde_json::Number::from_f64(number) {
                Some(number) => Some(Json::Number(number)),
                None => node.mismatch(self.what, "made of finite numbers, as JSON is", errors),
            },
        }
    }
}
