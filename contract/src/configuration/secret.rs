//! Secrets: where they come from, and how errors keep quiet about them.

use std::path::Path;

use super::Secret;
use crate::diagnostic::Diagnostic;
use crate::yaml::{Errors, Fields, Node, nearest};

/// Bytes of a file that holds a secret; more is some other file.
const MAX_SECRET: u64 = 64 * 1024;

/// Text, `{ file: PATH }` or `{ env: NAME }`. A file or variable that isn't there, or is empty, is an error.
pub fn secret(node: &Node, what: &str, folder: &Path, errors: &mut Errors) -> Option<Secret> {
    if !node.is_mapping() {
        return match node.as_text() {
            Some("") => {
                errors.add(node.position, format!("`{what}` is empty"));
                None
            }
            Some(text) => Some(Secret::new(text)),
            None => {
                let hint = "write the text, `{ file: PATH }` or `{ env: NAME }`";
                errors.add_with_hint(node.position, format!("`{what}` must be text or a mapping"), hint);
                None
            }
        };
    }
    // Not by the table: it would name an unknown key, which may be the secret itself.
    let mut fields = Fields::open(node, &format!("`{what}`"), errors)?;
    let file = fields.optional("file", errors);
    let variable = fields.optional("env", errors);
    if !fields.rest().is_empty() {
        errors.add_with_hint(node.position, format!("`{what}` has an unknown key"), "known keys: file, env");
        return None;
    }
    match (file, variable) {
        (Some(file), None) => from_file(file, what, folder, errors),
        (None, Some(variable)) => from_environment(variable, what, errors),
        _ => {
            let hint = "write `{ file: PATH }` or `{ env: NAME }`";
            errors.add_with_hint(node.position, format!("`{what}` needs either `file` or `env`"), hint);
            None
        }
    }
}

fn from_file(node: &Node, what: &str, folder: &Path, errors: &mut Errors) -> Option<Secret> {
    let path = folder.join(node.text("file", errors)?);
    let size = std::fs::metadata(&path).map(|metadata| metadata.len());
    let text = match size {
        Ok(size) if size > MAX_SECRET => {
            errors.add(node.position, format!("{} is too large for a secret", path.display()));
            return None;
        }
        Ok(_) => std::fs::read_to_string(&path),
        Err(error) => Err(error),
    };
    match text.as_deref().map(str::trim_end) {
        Ok("") => errors.add(node.position, format!("`{what}`: {} is empty", path.display())),
        Ok(text) => return Some(Secret::new(text)),
        Err(error) => errors.add(node.position, format!("`{what}`: {} can't be read: {error}", path.display())),
    }
    None
}

fn from_environment(node: &Node, what: &str, errors: &mut Errors) -> Option<Secret> {
    let name = node.text("env", errors)?;
    // Such names can never be set, and not every platform takes them kindly.
    let value = if name.contains(['=', '\0']) { None } else { std::env::var(&name).ok() };
    match value.as_deref() {
        None => {
            let hint = "set it before the service starts";
            errors.add_with_hint(
                node.position,
                format!("`{what}`: the environment variable `{name}` is not set"),
                hint,
            );
        }
        Some("") => errors.add(node.position, format!("`{what}`: the environment variable `{name}` is empty")),
        Some(text) => return Some(Secret::new(text)),
    }
    None
}

/// Words in keys whose values errors must not show.
pub const PRIVATE: [&str; 8] = ["password", "secret", "token", "credential", "jaas", "key", "url", "server"];

/// The few of them that contracts have: their columns may have names like the others.
pub const PRIVATE_IN_CONTRACTS: [&str; 2] = ["token", "url"];

/// The diagnostic with whatever follows a telling key in its source line hidden. Misspelt keys count as telling.
pub fn masked(diagnostic: Diagnostic, text: &str, private: &[&str]) -> Diagnostic {
    let before = text.lines().take(diagnostic.line.saturating_sub(1)).filter(|line| !line.trim().is_empty()).last();
    // The value of a key may begin on the line below it.
    let goes_on = before.is_some_and(|line| {
        let start = line.trim_end().trim_end_matches(['|', '>', '-', '+', ' ']);
        start.strip_suffix(':').is_some_and(|key| is_telling(key, private))
    });
    let line = if goes_on { hide(&diagnostic.source_line) } else { mask(&diagnostic.source_line, private) };
    diagnostic.with_source_line(line)
}

/// Hides everything after the first colon whose key tells, unless what follows only says where the secret is.
fn mask(line: &str, private: &[&str]) -> String {
    let colons = line.match_indices(':').map(|(index, _)| index);
    let mut parts = colons.filter_map(|index| line.split_at_checked(index + 1));
    let cut = parts.find(|(key, value)| is_telling(key, private) && !says_where(value));
    cut.map_or_else(|| line.to_owned(), |(key, value)| format!("{key}{}", hide(value)))
}

/// `{ file: …` or `{ env: …`
fn says_where(value: &str) -> bool {
    let key = value.trim_start().strip_prefix('{').map(str::trim_start);
    key.is_some_and(|key| key.starts_with("file:") || key.starts_with("env:"))
}

fn hide(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { c } else { '•' }).collect()
}

/// Whether the last word of a text that ends in a key is a private one: of `sasl.password`, `password`.
fn is_telling(key: &str, private: &[&str]) -> bool {
    let key = key.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let word = key.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    private.iter().any(|private| word.contains(private)) || nearest(word, private.iter().copied()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_never_show_what_may_be_a_secret() {
        assert_eq!(mask("  password: hunter2 # old", &PRIVATE), "  password: ••••••• • •••");
        assert_eq!(mask("{ pasword: hunter2 }", &PRIVATE), "{ pasword: ••••••• •");
        assert_eq!(mask("sasl.password: hunter2", &PRIVATE), "sasl.password: •••••••");
        assert_eq!(mask("ssl_key_password: \"a:b\"", &PRIVATE), "ssl_key_password: •••••");
        assert_eq!(mask("\"secret\": \"whsec_x\"", &PRIVATE), "\"secret\": •••••••••");
        assert_eq!(mask("{ password: { env: A }, secret: b }", &PRIVATE), "{ password: { env: A }, secret: • •");
        assert_eq!(mask("listen: localhost:9464", &PRIVATE), "listen: localhost:9464");
        let below = Diagnostic::new(Path::new("a.yaml"), 3, 1, "wrong").with_source_line("  hunter2 [");
        assert_eq!(masked(below, "email:\n  password: |-\n  hunter2 [\n", &PRIVATE).source_line, "  ••••••• •");
    }
}
