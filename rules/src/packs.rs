//! The rule files that are shipped. To add one: a file in `rules/packs/` and a line here.

use std::path::Path;

use contract::Diagnostic;
use contract::yaml::nearest;

use crate::file::rules_from_text;
use crate::rule::RuleSet;

/// Name, as contracts write it, and text.
pub const SHIPPED: &[(&str, &str)] = &[("packs/default.yaml", include_str!("../packs/default.yaml"))];

/// A shipped rule file.
pub fn shipped(name: &str) -> Result<RuleSet, Vec<Diagnostic>> {
    let Some((_, text)) = SHIPPED.iter().find(|(known, _)| *known == name) else {
        let names = || SHIPPED.iter().map(|(name, _)| *name);
        let diagnostic = Diagnostic::new(Path::new(name), 1, 1, format!("there is no shipped rule file `{name}`"));
        let hint = match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(vec![diagnostic.with_hint(hint)]);
    };
    rules_from_text(text, Path::new(name))
}
