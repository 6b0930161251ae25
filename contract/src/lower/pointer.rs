//! JSON pointers (RFC 6901).

use crate::yaml::{Errors, Node};

/// A pointer to a part of an event: not the event itself.
pub fn part(node: &Node, what: &str, errors: &mut Errors) -> Option<String> {
    if node.as_text() == Some("") {
        let hint = "name a part of the event, such as `/request_id`";
        errors.add_with_hint(node.position, format!("`{what}` can't be the event itself"), hint);
        return None;
    }
    pointer(node, what, errors)
}

/// Any pointer; `""` is the event itself.
pub fn pointer(node: &Node, what: &str, errors: &mut Errors) -> Option<String> {
    let Some(text) = node.as_text() else {
        return node.mismatch(what, "a JSON pointer such as `/request_id`", errors);
    };
    if !text.is_empty() && !text.starts_with('/') {
        // People who write `$.a.b` or `a.b` mean the path of names.
        let names = text.trim_start_matches('$').trim_start_matches('.').replace('.', "/");
        let hint = format!("a pointer begins with `/`: did you mean `/{names}`?");
        errors.add_with_hint(node.position, format!("`{what}` is no JSON pointer: `{text}`"), hint);
        return None;
    }
    let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !is_escaped {
        let message = format!("`{what}` is no JSON pointer: `~` must be followed by 0 or 1");
        errors.add_with_hint(node.position, message, "`~0` stands for `~` in a name, `~1` for `/`");
        return None;
    }
    Some(text.to_owned())
}
