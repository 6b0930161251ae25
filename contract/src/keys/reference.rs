//! The tables of keys in docs/contract.md and docs/configuration.md.

use std::fmt::Write;

use super::{Form, Key, Need, Object};

/// One section with a table for each mapping, in Markdown.
pub fn markdown(objects: &[&Object]) -> String {
    let mut text = String::new();
    for object in objects {
        let _ = writeln!(text, "### {}\n\n| key | type | default | meaning |\n|---|---|---|---|", heading(object));
        for key in object.keys.iter().filter(|key| key.is_taken()) {
            let default = match key.need {
                Need::Required => "**required**",
                Need::Default(value) => value,
                Need::Optional | Need::Later(_) | Need::Moved(..) => "–",
            };
            let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name, form(&key.form), meaning(key));
        }
        for key in object.keys {
            if let Need::Later(until) = key.need {
                let _ = writeln!(text, "| `{}` | | | Not supported yet: {until}. |", key.name);
            }
        }
        text.push('\n');
    }
    text
}

fn meaning(key: &Key) -> String {
    if key.example.is_empty() {
        key.meaning.to_owned()
    } else {
        format!("{} Example: `{}`", key.meaning, key.example.replace('|', "\\|"))
    }
}

/// "`windows`" or "A contract".
fn heading(object: &Object) -> String {
    let mut letters = object.what.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn form(form: &Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Boolean => "`true` or `false`".to_owned(),
        Form::Nothing => "no value".to_owned(),
        Form::One => "`1`".to_owned(),
        Form::Duration => "duration".to_owned(),
        Form::Pointer => "pointer".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Secret => "text or secret".to_owned(),
        Form::Range => "`[LOW, HIGH]`".to_owned(),
        Form::Anything => "anything".to_owned(),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::Object(object) => format!("[mapping](#{})", anchor(&heading(object))),
        Form::Map(name, value) => format!("mapping of {name} to {}", self::form(value)),
        Form::List(item) => format!("list of {}", self::form(item)),
        Form::Any(forms) => forms.iter().map(self::form).collect::<Vec<_>>().join("; "),
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}
