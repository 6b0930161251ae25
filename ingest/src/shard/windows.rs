//! The profiles of the windows that are held: one cell for each version, and one for each of its segments.
//!
//! Once no more rows can come, a cell's profile is kept as bytes; its performance lives on until the window is final.

use std::collections::HashMap;

use contract::{Contract, Window};
use detectors::profile::{PerformanceProfile, WindowProfile};

use crate::Result;
use crate::publication::{Phase, WindowCell};

use super::buffer::{CellRows, Outputs};
use super::limits::{Limits, OTHER, SEGMENT_VALUE_BYTES};

/// One version, or one segment of it.
#[derive(Debug)]
pub(crate) struct Cell {
    pub profile: Profile,
    pub performance: PerformanceProfile,
    /// What the store lacks.
    pub is_profile_dirty: bool,
    pub is_performance_dirty: bool,
}

/// Everything but the performance.
#[derive(Debug)]
pub(crate) enum Profile {
    Live(Box<WindowProfile>),
    /// As bytes: smaller, and never changed again.
    Frozen(Vec<u8>),
}

impl Cell {
    fn new(profile: WindowProfile) -> Self {
        Self {
            profile: Profile::Live(Box::new(profile)),
            performance: PerformanceProfile::new(),
            is_profile_dirty: true,
            is_performance_dirty: true,
        }
    }

    /// The profile to be changed; None once it is frozen.
    pub fn live(&mut self) -> Option<&mut WindowProfile> {
        match &mut self.profile {
            Profile::Live(profile) => {
                self.is_profile_dirty = true;
                Some(profile)
            }
            Profile::Frozen(_) => None,
        }
    }

    pub fn performance(&mut self) -> &mut PerformanceProfile {
        self.is_performance_dirty = true;
        &mut self.performance
    }

    fn add_outputs(&mut self, outputs: &Outputs, contract: &Contract) -> Result<()> {
        let fields = &contract.fields.predictions;
        if contract.sources.labels.is_some() {
            self.performance().add_predictions(outputs.rows);
        }
        if let Some(profile) = self.live() {
            profile.rows += outputs.rows;
            if fields.score.is_some() {
                profile.score.update(outputs.scores.as_ref())?;
            }
            if fields.prediction.is_some() {
                profile.prediction.update(outputs.classes.as_ref())?;
            }
        }
        Ok(())
    }

    fn freeze(&mut self) {
        if let Profile::Live(profile) = &self.profile {
            self.profile = Profile::Frozen(profile.to_bytes());
        }
    }

    pub fn profile_bytes(&self) -> Vec<u8> {
        match &self.profile {
            Profile::Live(profile) => profile.to_bytes(),
            Profile::Frozen(bytes) => bytes.clone(),
        }
    }

    /// A whole copy.
    fn snapshot(&self) -> Result<WindowProfile> {
        let mut profile = match &self.profile {
            Profile::Live(profile) => WindowProfile::clone(profile),
            Profile::Frozen(bytes) => WindowProfile::from_bytes(bytes)?,
        };
        profile.performance = self.performance.clone();
        Ok(profile)
    }
}

/// A subset of a version's rows: one value of one segment column.
#[derive(Debug)]
pub(crate) struct Segment {
    pub column: String,
    pub value: String,
    pub cell: Cell,
}

impl Segment {
    fn new(column: &str, value: &str) -> Self {
        Self { column: column.to_owned(), value: value.to_owned(), cell: Cell::new(WindowProfile::for_segment()) }
    }
}

#[derive(Debug)]
pub(crate) struct Version {
    pub name: String,
    pub whole: Cell,
    pub segments: Vec<Segment>,
    /// By segment column: the number in `segments` of each value. Empty once the window is closed.
    numbers: Vec<HashMap<String, u16>>,
}

impl Version {
    fn new(name: &str, contract: &Contract) -> Self {
        let whole = Cell::new(WindowProfile::for_contract(contract));
        let numbers = vec![HashMap::new(); contract.segments.len()];
        Self { name: name.to_owned(), whole, segments: Vec::new(), numbers }
    }

    /// The number of a segment, made if it is new.
    fn segment(&mut self, number: usize, column: &str, value: &str, limit: usize) -> Option<u16> {
        let known = self.numbers.get_mut(number)?;
        if let Some(code) = known.get(value) {
            return Some(*code);
        }
        let value = if known.len() >= limit || value.len() > SEGMENT_VALUE_BYTES { OTHER } else { value };
        if let Some(code) = known.get(value) {
            return Some(*code);
        }
        let code = u16::try_from(self.segments.len()).ok()?;
        known.insert(value.to_owned(), code);
        self.segments.push(Segment::new(column, value));
        Some(code)
    }

    /// The whole version's cell, then its segments'.
    pub fn cells_mut(&mut self) -> impl Iterator<Item = &mut Cell> {
        std::iter::once(&mut self.whole).chain(self.segments.iter_mut().map(|segment| &mut segment.cell))
    }
}

/// One window.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(crate) struct WindowState {
    pub window: Window,
    /// What was published last.
    pub phase: Option<Phase>,
    pub next_revision: u32,
    pub late_rows: u64,
    pub closed_by_idleness: bool,
    /// No more rows can come.
    pub is_closed: bool,
    /// Since it was published last.
    pub is_changed: bool,
    pub versions: Vec<Version>,
    /// The store lacks something of it.
    pub is_dirty: bool,
}

impl WindowState {
    pub fn new(window: Window) -> Self {
        Self {
            window,
            phase: None,
            next_revision: 0,
            late_rows: 0,
            closed_by_idleness: false,
            is_closed: false,
            is_changed: true,
            versions: Vec::new(),
            is_dirty: true,
        }
    }

    /// The number of a version, made if it is new.
    pub fn version(&mut self, name: &str, contract: &Contract, limits: &Limits) -> u16 {
        let find = |versions: &[Version], name: &str| versions.iter().position(|version| version.name == name);
        let known = find(&self.versions, name)
            .or_else(|| if self.versions.len() < limits.versions { None } else { find(&self.versions, OTHER) });
        let number = known.unwrap_or_else(|| {
            let name = if self.versions.len() < limits.versions { name } else { OTHER };
            self.versions.push(Version::new(name, contract));
            self.versions.len() - 1
        });
        number as u16
    }

    /// The number of a version's segment, made if it is new: a value of the contract's segment column with that number.
    pub fn segment(&mut self, version: u16, number: usize, column: &str, value: &str, limits: &Limits) -> Option<u16> {
        self.versions.get_mut(usize::from(version))?.segment(number, column, value, limits.segment_values)
    }

    /// Adds rows by columns to a version and its segments.
    pub fn add_rows(&mut self, number: u16, rows: &CellRows, contract: &Contract) -> Result<()> {
        let Some(version) = self.versions.get_mut(usize::from(number)) else { return Ok(()) };
        let fields = &contract.fields.predictions;
        if let Some(profile) = version.whole.live() {
            for (column, array) in profile.columns.iter_mut().zip(&rows.features) {
                column.update(array.as_ref())?;
            }
            if fields.latency.is_some() {
                profile.latency.update(rows.latencies.as_ref())?;
            }
            profile.errors += rows.errors;
        }
        version.whole.add_outputs(&rows.outputs, contract)?;
        for (number, outputs) in &rows.segments {
            if let Some(segment) = version.segments.get_mut(usize::from(*number)) {
                segment.cell.add_outputs(outputs, contract)?;
            }
        }
        Ok(())
    }

    pub fn change(&mut self) {
        self.is_changed = true;
        self.is_dirty = true;
    }

    /// No more rows can come: profiles become bytes.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.is_dirty = true;
        for version in &mut self.versions {
            version.cells_mut().for_each(Cell::freeze);
            version.numbers = Vec::new();
        }
    }

    /// Copies of all cells, named for publication.
    pub fn cells(&self) -> Result<Vec<WindowCell>> {
        let mut cells = Vec::new();
        for version in &self.versions {
            let name = &version.name;
            let profile = version.whole.snapshot()?;
            cells.push(WindowCell { version: name.clone(), segment: String::new(), profile });
            for segment in &version.segments {
                let profile = segment.cell.snapshot()?;
                let segment = segment_name(&segment.column, &segment.value);
                cells.push(WindowCell { version: name.clone(), segment, profile });
            }
        }
        Ok(cells)
    }

    /// Puts back what the store held: a version and its segments (column, value), all empty.
    pub fn restore_version(&mut self, name: &str, segments: &[(&str, &str)], contract: &Contract) {
        let mut version = Version::new(name, contract);
        for (column, value) in segments {
            let number = contract.segments.iter().position(|segment| segment.column == *column);
            if let Some(known) = number.and_then(|number| version.numbers.get_mut(number)) {
                known.insert((*value).to_owned(), version.segments.len() as u16);
            }
            version.segments.push(Segment::new(column, value));
        }
        self.versions.push(version);
    }

    /// The cell of a version (`segment` 0), or of its segment with that number less one.
    pub fn cell_mut(&mut self, version: u16, segment: u16) -> Option<&mut Cell> {
        let version = self.versions.get_mut(usize::from(version))?;
        match segment.checked_sub(1) {
            None => Some(&mut version.whole),
            Some(number) => version.segments.get_mut(usize::from(number)).map(|segment| &mut segment.cell),
        }
    }
}

/// What a segment is called everywhere: `origin=EWR`.
pub fn segment_name(column: &str, value: &str) -> String {
    format!("{column}={value}")
}
