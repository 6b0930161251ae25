//! The rule files that are shipped. To add one: a file in `rules/packs/` and a line here.

use std::path::Path;

use contract::yaml::nearest;
use contract::{Diagnostic, Place};

use crate::file::rules_from_text;
use crate::rule::RuleSet;

/// Name, as contracts write it, and text.
pub const SHIPPED: &[(&str, &str)] = &[("packs/default.yaml", include_str!("../packs/default.yaml"))];

/// A shipped rule file. `named_at`: where a contract names it, to say there that there is none of that name.
pub fn shipped(name: &str, named_at: Option<&Place>) -> Result<RuleSet, Vec<Diagnostic>> {
    let Some((_, text)) = SHIPPED.iter().find(|(known, _)| *known == name) else {
        let names = || SHIPPED.iter().map(|(name, _)| *name);
        let message = format!("there is no shipped rule file `{name}`, nor one beside the contract");
        let diagnostic = named_at
            .map_or_else(|| Diagnostic::new(Path::new(name), 1, 1, &message), |place| place.diagnostic(&message));
        let hint = match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        return Err(vec![diagnostic.with_hint(hint)]);
    };
    Ok(rules_from_text(text, Path::new(name))?.into_shipped())
}
