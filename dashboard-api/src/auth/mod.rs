//! Who asks, and what they may do (promise E2).
//!
//! - [`role`]: viewer, operator, admin; each may do what the one before it may.
//! - [`token`]: how a token looks, and the first one. Only hashes of tokens are kept.
//! - [`caller`]: from a request's header to a name and a role, or to 401 and 403.
//! - [`order`]: a command, from the look at the role to the line in the audit log.
//!
//! Reading is open to everybody on a loopback listener, and needs a token elsewhere. Commands always need one. The header
//! isn't sent by browsers of their own accord, so another site's page can't give commands with it.

pub(crate) mod caller;
pub(crate) mod order;
mod role;
pub(crate) mod token;

pub use role::Role;
pub use token::first_token;
