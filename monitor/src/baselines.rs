//! What windows are compared with: fixed data, a trailing span of accepted windows, or the first accepted windows.
//!
//! Inputs have one baseline a model; outputs and performance have one a version. Quarantined windows enter none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use contract::model::{BaselineKind, BaselinePart};
use contract::time::format_duration;
use contract::{Contract, EventTime, Window};
use detectors::judge::Baseline;
use detectors::judge::baseline::BASELINE_WINDOWS_LIMIT;
use detectors::profile::WindowProfile;
use ingest::publication::WindowCell;

use crate::error::{Error, Result};

/// A learnt baseline is complete with this many accepted windows.
pub const LEARNING_WINDOWS: usize = 14;

/// The baselines of one model.
#[derive(Debug)]
pub struct Baselines {
    inputs: Part,
    outputs: PerVersion,
    performance: PerVersion,
}

/// Windows of a baseline file, in order: whole versions and their segments.
type Seed = Vec<(Window, Vec<WindowCell>)>;

impl Baselines {
    /// Reads the files that the contract names. Each file is read once.
    pub async fn load(contract: &Contract) -> Result<Self> {
        let mut files: BTreeMap<std::path::PathBuf, Seed> = BTreeMap::new();
        let parts = [&contract.baseline.inputs, &contract.baseline.outputs, &contract.baseline.performance];
        for path in parts.iter().filter_map(|part| seed_path(part)) {
            let path = contract.resolve(path);
            if let Entry::Vacant(entry) = files.entry(path) {
                let path = entry.key();
                let windows = ingest::dataset::window_profiles(path, contract)
                    .await
                    .map_err(|source| Error::Baseline { model: contract.model.clone(), path: path.clone(), source })?;
                entry.insert(windows);
            }
        }
        let seed = |part: &BaselinePart| seed_path(part).and_then(|path| files.get(&contract.resolve(path)));
        let [inputs, outputs, performance] = parts;
        let mut input_part = Part::new(inputs);
        for (window, cells) in seed(inputs).into_iter().flatten() {
            let mut whole = WindowProfile::for_contract(contract);
            cells.iter().filter(|cell| cell.segment.is_empty()).for_each(|cell| whole.merge(&cell.profile));
            input_part.seed(*window, whole);
        }
        Ok(Self {
            inputs: input_part,
            outputs: PerVersion::new(outputs, seed(outputs)),
            performance: PerVersion::new(performance, seed(performance)),
        })
    }

    /// What a window's inputs are compared with.
    pub fn inputs(&self, window: Window) -> Baseline {
        self.inputs.before(window)
    }

    pub fn outputs(&self, version: &str, window: Window) -> Baseline {
        self.outputs.before(version, "", window)
    }

    /// Of a whole version, or of one of its segments.
    pub fn performance(&self, version: &str, segment: &str, window: Window) -> Baseline {
        self.performance.before(version, segment, window)
    }

    /// Takes in an accepted window's inputs and outputs.
    pub fn accept_closed<'a>(
        &mut self,
        window: Window,
        inputs: &WindowProfile,
        versions: impl Iterator<Item = (&'a str, &'a WindowProfile)>,
    ) {
        self.inputs.accept(window, inputs);
        for (version, profile) in versions {
            self.accept_output(version, window, profile);
        }
    }

    /// Takes in an accepted window's outputs of one version.
    pub fn accept_output(&mut self, version: &str, window: Window, profile: &WindowProfile) {
        self.outputs.accept(version, "", window, profile);
    }

    /// Takes in an accepted window's matured performance: whole versions and segments.
    pub fn accept_matured<'a>(
        &mut self,
        window: Window,
        cells: impl Iterator<Item = (&'a (String, String), &'a WindowProfile)>,
    ) {
        for ((version, segment), profile) in cells {
            self.performance.accept(version, segment, window, profile);
        }
    }

    /// An accepted window's profiles were revised. Baselines that hold the window hold the revision from now on, as they
    /// would after a restart; others stay as they are.
    pub fn revise<'a>(
        &mut self,
        window: Window,
        inputs: &WindowProfile,
        cells: impl Iterator<Item = (&'a (String, String), &'a WindowProfile)>,
    ) {
        self.inputs.revise(window, inputs);
        for ((version, segment), profile) in cells {
            self.outputs.revise(version, segment, window, profile);
            self.performance.revise(version, segment, window, profile);
        }
    }

    /// The longest trailing span, and whether a part is learnt from the first windows: what has to be read after a
    /// restart.
    pub fn needs(&self) -> (Option<Duration>, bool) {
        let kinds = [self.inputs.kind, self.outputs.empty.kind, self.performance.empty.kind];
        let span = kinds.iter().filter_map(|kind| match kind {
            Kind::Trailing(span) => Some(*span),
            Kind::Fixed | Kind::Learnt => None,
        });
        (span.max(), kinds.contains(&Kind::Learnt))
    }
}

fn seed_path(part: &BaselinePart) -> Option<&std::path::PathBuf> {
    match &part.kind {
        BaselineKind::Fixed(path) => Some(path),
        BaselineKind::Training | BaselineKind::Trailing(_) => part.history.as_ref(),
    }
}

/// A baseline for each (version, segment), made when it is first asked to accept something.
#[derive(Debug)]
struct PerVersion {
    empty: Part,
    /// Seeds serve every version: a file says what the model is expected to do, whichever version serves.
    seeded: BTreeMap<String, Part>,
    parts: BTreeMap<(String, String), Part>,
}

impl PerVersion {
    fn new(part: &BaselinePart, seed: Option<&Seed>) -> Self {
        let empty = Part::new(part);
        let mut seeded: BTreeMap<String, Part> = BTreeMap::new();
        let mut merged: BTreeMap<(String, Window), WindowProfile> = BTreeMap::new();
        for (window, cell) in
            seed.into_iter().flatten().flat_map(|(window, cells)| cells.iter().map(move |c| (window, c)))
        {
            match merged.entry((cell.segment.clone(), *window)) {
                Entry::Occupied(mut entry) => entry.get_mut().merge(&cell.profile),
                Entry::Vacant(entry) => {
                    entry.insert(cell.profile.clone());
                }
            }
        }
        for ((segment, window), profile) in merged {
            seeded.entry(segment).or_insert_with(|| empty.clone()).seed(window, profile);
        }
        Self { empty, seeded, parts: BTreeMap::new() }
    }

    fn initial(&self, segment: &str) -> &Part {
        self.seeded.get(segment).unwrap_or(&self.empty)
    }

    fn before(&self, version: &str, segment: &str, window: Window) -> Baseline {
        let key = (version.to_owned(), segment.to_owned());
        self.parts.get(&key).unwrap_or_else(|| self.initial(segment)).before(window)
    }

    fn accept(&mut self, version: &str, segment: &str, window: Window, profile: &WindowProfile) {
        if matches!(self.empty.kind, Kind::Fixed) {
            return;
        }
        let initial = self.initial(segment).clone();
        let key = (version.to_owned(), segment.to_owned());
        self.parts.entry(key).or_insert(initial).accept(window, profile);
    }

    fn revise(&mut self, version: &str, segment: &str, window: Window, profile: &WindowProfile) {
        if let Some(part) = self.parts.get_mut(&(version.to_owned(), segment.to_owned())) {
            part.revise(window, profile);
        }
    }
}

/// The windows of one baseline.
#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    windows: BTreeMap<Window, WindowProfile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Never changes.
    Fixed,
    /// The accepted windows of the last so long.
    Trailing(Duration),
    /// The first [`LEARNING_WINDOWS`] accepted windows, unless a file seeds it.
    Learnt,
}

impl Part {
    fn new(part: &BaselinePart) -> Self {
        let kind = match part.kind {
            BaselineKind::Fixed(_) => Kind::Fixed,
            BaselineKind::Trailing(span) => Kind::Trailing(span),
            BaselineKind::Training => Kind::Learnt,
        };
        Self { kind, windows: BTreeMap::new() }
    }

    fn seed(&mut self, window: Window, profile: WindowProfile) {
        self.windows.insert(window, profile);
    }

    fn accept(&mut self, window: Window, profile: &WindowProfile) {
        match self.kind {
            Kind::Fixed => return,
            Kind::Learnt if self.windows.len() >= LEARNING_WINDOWS => return,
            Kind::Learnt => {}
            Kind::Trailing(span) => {
                let oldest = window.end - span;
                while let Some(first) = self.windows.first_entry().filter(|first| first.key().start < oldest) {
                    first.remove();
                }
            }
        }
        self.windows.insert(window, profile.clone());
    }

    /// The window's profile was revised: labels came or were corrected after it was accepted.
    fn revise(&mut self, window: Window, profile: &WindowProfile) {
        if self.kind == Kind::Fixed {
            return;
        }
        if let Some(held) = self.windows.get_mut(&window) {
            held.clone_from(profile);
        }
    }

    /// The windows that may judge `window`; thinned evenly when there are more than a baseline holds.
    fn before(&self, window: Window) -> Baseline {
        let from = match self.kind {
            Kind::Trailing(span) => window.start - span,
            Kind::Fixed | Kind::Learnt => EventTime::MIN,
        };
        let is_before = |held: &Window| held.start >= from && held.end <= window.start;
        let held: Vec<&WindowProfile> = self
            .windows
            .iter()
            .filter(|(held, _)| self.kind == Kind::Fixed || is_before(held))
            .map(|(_, p)| p)
            .collect();
        let every = held.len().div_ceil(BASELINE_WINDOWS_LIMIT).max(1);
        // The newest are kept when the span is thinned; a baseline is oldest first.
        let mut held: Vec<WindowProfile> = held.into_iter().rev().step_by(every).cloned().collect();
        held.reverse();
        Baseline::new(self.description(), held)
    }

    fn description(&self) -> String {
        match self.kind {
            Kind::Fixed => "the reference data".to_owned(),
            Kind::Trailing(span) => format!("the trailing {}", format_duration(span)),
            Kind::Learnt => "the first accepted windows".to_owned(),
        }
    }
}
