//! What a token allows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Each role may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything but the audit log and the list of tokens.
    Viewer,
    /// Retrains, approves, promotes, rolls back, cancels; reads the audit log.
    Operator,
    /// Overrides the gate, registers versions, makes and revokes tokens.
    Admin,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|role| role.name() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_roles_are_ordered_and_nothing_else_is_a_role() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        for text in ["", "Admin", "root", "admin "] {
            assert_eq!(Role::parse(text), None, "{text}");
        }
    }
}
