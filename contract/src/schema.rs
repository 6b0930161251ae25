//! JSON Schemas (draft 2020-12) of contracts and configurations, for editors; made from [`crate::keys`].
//!
//! They know less than [`crate::lower`] does (nothing about what one key demands of another), but nothing else.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::keys::{Form, Key, Need, Object, configuration, contract};

/// The schema of a contract, as it stands in contract/schema/contract.schema.json.
pub fn contract_schema() -> String {
    document("Bellwether contract", &contract::CONTRACT)
}

/// The schema of a configuration, as it stands in contract/schema/configuration.schema.json.
pub fn configuration_schema() -> String {
    document("Bellwether configuration", &configuration::CONFIGURATION)
}

fn document(title: &str, root: &'static Object) -> String {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    if let Value::Object(members) = object(root) {
        schema.extend(members);
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn object(object: &'static Object) -> Value {
    let keys = || object.keys.iter().filter(|key| key.is_taken());
    let properties: Map<String, Value> = keys().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> = keys().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn property(key: &'static Key) -> Value {
    let mut schema = form(&key.form);
    if let Value::Object(members) = &mut schema {
        let mut description = key.meaning.to_owned();
        if let Need::Default(value) = key.need {
            let _ = write!(description, " Default: {value}.");
        }
        members.insert("description".to_owned(), json!(description));
    }
    schema
}

fn form(form: &'static Form) -> Value {
    match form {
        Form::Text | Form::Path => json!({ "type": ["string", "number", "boolean"] }),
        Form::Number => json!({ "type": "number" }),
        Form::Boolean => json!({ "type": "boolean" }),
        Form::Nothing => json!({ "type": "null" }),
        Form::One => json!({ "const": 1 }),
        Form::Duration => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$" }),
        Form::Pointer => json!({ "type": "string", "pattern": "^(/([^/~]|~[01])*)*$" }),
        Form::Secret => json!({ "anyOf": [self::form(&Form::Text), object(&configuration::SECRET)] }),
        Form::Range => json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 }),
        Form::Anything => json!({}),
        Form::Choice(words) => json!({ "enum": words }),
        Form::Object(known) => object(known),
        Form::Map(_, value) => json!({ "type": "object", "additionalProperties": self::form(value) }),
        Form::List(item) => json!({ "type": "array", "items": self::form(item) }),
        Form::Any(forms) => json!({ "anyOf": forms.iter().map(self::form).collect::<Vec<_>>() }),
    }
}
