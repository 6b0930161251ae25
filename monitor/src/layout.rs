//! Whether columns can be compared: stored profiles have no names, only the order of the contract's schema.

use contract::Contract;
use detectors::profile::{ColumnProfile, WindowProfile};

/// Of profiles whose columns aren't those of the contract.
pub(crate) const OTHER: i64 = 0;

/// The names and kinds of the contract's columns in their order, hashed (FNV-1a, 64 bits).
pub(crate) fn layout(contract: &Contract) -> i64 {
    let columns = contract.schema.iter().map(|column| format!("{}\0{:?}\0", column.name, column.kind));
    let hash = columns
        .flat_map(String::into_bytes)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash as i64
}

/// Whether a profile can have been made of the contract's columns: as many, of the same kinds.
pub(crate) fn fits(contract: &Contract, profile: &WindowProfile) -> bool {
    let is_numeric = |column: &ColumnProfile| matches!(column, ColumnProfile::Numeric(_));
    contract.schema.len() == profile.columns.len()
        && contract.schema.iter().zip(&profile.columns).all(|(c, profile)| c.kind.is_numeric() == is_numeric(profile))
}
