//! The registry's tables: versions, their aliases, and what validated them (promise T2).

use contract::{EventTime, WallTime};
use store::Transaction;

use crate::world::Registered;

/// The version that serves.
pub const CHAMPION: &str = "champion";
/// The version under trial.
pub const CHALLENGER: &str = "challenger";
/// The version before the one that serves.
pub const PREVIOUS: &str = "previous";

/// Longer names of versions are refused.
const NAME_LIMIT: usize = 64;

/// Why a version may be served, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The gate let it through.
    Passed,
    /// The gate did not.
    Failed,
    /// A person let it past the gate.
    Overridden,
    /// A person registered it.
    External,
}

impl Validation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Overridden => "overridden",
            Self::External => "external",
        }
    }
}

/// Letters, digits, `_`, `-` and `.`: names become parts of paths and URLs.
pub fn is_version_name(name: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= NAME_LIMIT && name.chars().all(is_good) && !name.starts_with('.')
}

/// The next whole number that is none of these versions' name.
pub fn next_version<'a>(versions: impl IntoIterator<Item = &'a str>) -> String {
    let newest = versions.into_iter().filter_map(|version| version.parse::<u64>().ok()).max().unwrap_or(0);
    newest.saturating_add(1).to_string()
}

/// The registry's word on a version, or None if it has none.
pub async fn registered(
    transaction: &mut Transaction,
    model: &str,
    version: Option<&str>,
) -> store::Result<Option<Registered>> {
    let Some(version) = version else { return Ok(None) };
    let row = transaction.version(model, version).await?;
    Ok(row.map(|row| Registered { version: row.version, sha256: row.sha256, uri: row.uri }))
}

/// A version becomes the one that serves, and the one before it the previous one.
pub async fn crown(
    transaction: &mut Transaction,
    model: &str,
    version: &str,
    at: EventTime,
    now: WallTime,
) -> store::Result<()> {
    let champion = transaction.aliases(model).await?.remove(CHAMPION);
    if champion.as_deref() == Some(version) {
        return Ok(());
    }
    if let Some(champion) = champion {
        transaction.set_alias(model, PREVIOUS, Some(&champion), at, now).await?;
    }
    transaction.set_alias(model, CHAMPION, Some(version), at, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_a_candidate_takes_no_name_that_anything_has() {
        assert_eq!(next_version([]), "1");
        assert_eq!(next_version(["2", "blue", "12", "7.5"]), "13");
        assert_eq!(next_version([u64::MAX.to_string().as_str()]), u64::MAX.to_string());
    }

    #[test]
    fn names_of_versions_are_safe_in_paths_and_urls() {
        for name in ["1", "2026-11-24", "v1.2_rc-3"] {
            assert!(is_version_name(name), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(!is_version_name(name), "{name}");
        }
    }
}
