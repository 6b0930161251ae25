//! One window out of the shards' parts.

use std::collections::BTreeMap;

use contract::{Contract, EventTime, Window};
use detectors::profile::WindowProfile;
use ingest::publication::decode_cells;
use store::PartRow;

use crate::error::{Error, Result};
use crate::layout::fits;

/// A window of a model, merged over its shards.
#[derive(Clone, Debug)]
pub struct MergedWindow {
    pub window: Window,
    /// Grows with every revision of any part.
    pub revision: u32,
    /// By (version, segment); the segment of a whole version is empty.
    pub cells: BTreeMap<(String, String), WindowProfile>,
    /// All versions as one: what inputs are judged on.
    pub inputs: WindowProfile,
    /// Every part's columns are the contract's; else those that aren't were left out.
    pub is_of_contract: bool,
    pub late: u64,
    pub closed_by_idleness: bool,
    /// JSON: the offsets that the parts were taken at.
    pub as_of: String,
}

impl MergedWindow {
    /// The whole-version profiles.
    pub fn versions(&self) -> impl Iterator<Item = (&str, &WindowProfile)> {
        self.cells
            .iter()
            .filter(|((_, segment), _)| segment.is_empty())
            .map(|((version, _), profile)| (version.as_str(), profile))
    }

    /// A version's segments.
    pub fn segments(&self, version: &str) -> impl Iterator<Item = (&str, &WindowProfile)> {
        self.cells
            .iter()
            .filter(move |((of, segment), _)| of == version && !segment.is_empty())
            .map(|((_, segment), profile)| (segment.as_str(), profile))
    }
}

/// The version of predictions that name none: an empty version means "all versions" everywhere else.
pub const UNVERSIONED: &str = "unversioned";

/// Merges parts. Which shard comes first doesn't matter: profiles are monoids. Windows that start at `other_columns_until`
/// or earlier were taken in under a contract with other columns; without those, the rest of them holds.
pub fn merge(
    contract: &Contract,
    window: Window,
    parts: &[PartRow],
    other_columns_until: Option<EventTime>,
) -> Result<MergedWindow> {
    let is_older = other_columns_until.is_some_and(|until| window.start <= until);
    let mut merged = MergedWindow {
        window,
        revision: parts.iter().map(|part| part.revision).sum(),
        cells: BTreeMap::new(),
        inputs: WindowProfile::for_contract(contract),
        is_of_contract: true,
        late: 0,
        closed_by_idleness: false,
        as_of: String::new(),
    };
    let mut as_of = BTreeMap::new();
    for part in parts {
        let contents = decode_cells(&part.cells).map_err(|error| Error::Stored {
            model: contract.model.clone(),
            detail: format!("part of shard {} from {}: {error}", part.shard, window.start),
        })?;
        merged.late += contents.late_rows;
        merged.closed_by_idleness |= contents.closed_by_idleness;
        as_of.insert(part.shard, contents.as_of);
        for mut cell in contents.cells {
            if cell.segment.is_empty() {
                if is_older || !fits(contract, &cell.profile) {
                    cell.profile.columns.clear();
                    merged.is_of_contract = false;
                }
                merged.inputs.merge(&cell.profile);
            }
            let version = if cell.version.is_empty() { UNVERSIONED.to_owned() } else { cell.version };
            match merged.cells.entry((version, cell.segment)) {
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(&cell.profile),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(cell.profile);
                }
            }
        }
    }
    merged.as_of = serde_json::to_string(&as_of).unwrap_or_default();
    Ok(merged)
}
