//! What windows are compared with: fixed data, a trailing span of accepted windows, a registered version's training data, or
//! the first accepted windows.
//!
//! Inputs have one baseline a model; outputs and performance have one a version, so a promotion moves them. Quarantined windows enter none, nor do those
//! that are held out ([`crate::holding`]).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::model::{BaselineKind, BaselinePart};
use contract::{Contract, Window};
use detectors::judge::{Baseline, MINIMUM_BASELINE_WINDOWS};
use detectors::profile::WindowProfile;
use ingest::publication::WindowCell;

use crate::clock::Stage;
use crate::error::{Error, Result};
use crate::holding::Side;
pub use crate::part::LEARNING_WINDOWS;
use crate::part::{Kind, Part, Use};

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
        let mut input_part = Part::new(inputs, Use::Inputs);
        for (window, cells) in seed(inputs).into_iter().flatten() {
            let mut whole = WindowProfile::for_contract(contract);
            cells.iter().filter(|cell| cell.segment.is_empty()).for_each(|cell| whole.merge(&cell.profile));
            input_part.seed(*window, &whole);
        }
        Ok(Self {
            inputs: input_part,
            outputs: PerVersion::new(outputs, Use::Outputs, seed(outputs)),
            performance: PerVersion::new(performance, Use::Performance, seed(performance)),
        })
    }

    /// A version came into the registry with its training data, scored by models that hadn't seen them: where the contract
    /// says `training`, its outputs and its performance are compared with those from now on. `is_champion`: inputs too.
    pub fn register(&mut self, version: &str, windows: &[(Window, Vec<WindowCell>)], is_champion: bool) {
        if is_champion && matches!(self.inputs.kind, Kind::Learnt | Kind::Registered) {
            let whole = windows.iter().flat_map(|(window, cells)| {
                cells.iter().filter(|cell| cell.segment.is_empty()).map(|cell| (*window, &cell.profile))
            });
            self.inputs = Part::registered(Use::Inputs, whole);
        }
        self.outputs.register(version, windows);
        self.performance.register(version, windows);
    }

    /// Lets go the training data of versions that aren't held any more.
    pub fn hold_registered(&mut self, is_held: impl Fn(&str) -> bool) {
        for part in [&mut self.outputs, &mut self.performance] {
            part.registered.retain(|(version, _), _| is_held(version));
        }
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

    /// Whether a window's inputs can be judged at all.
    pub fn judges_inputs(&self, window: Window) -> bool {
        self.inputs.len_before(window) >= MINIMUM_BASELINE_WINDOWS
    }

    /// Whether the side's baseline leaves a window out when something is found in it.
    pub(crate) fn holds_out(&self, side: &Side, window: Window) -> bool {
        match side {
            Side::Inputs => self.inputs.holds_out(window),
            Side::Outputs(version) => self.outputs.part(version, "").holds_out(window),
            Side::Performance(version) => self.performance.part(version, "").holds_out(window),
        }
    }

    /// Takes in an accepted window's inputs.
    pub fn accept_inputs(&mut self, window: Window, profile: &WindowProfile) {
        self.inputs.accept(window, profile);
    }

    /// Takes in an accepted window's outputs of one version.
    pub fn accept_outputs(&mut self, version: &str, window: Window, profile: &WindowProfile) {
        self.outputs.accept(version, "", window, profile);
    }

    /// Takes in an accepted window's matured performance of a whole version or one of its segments.
    pub fn accept_performance(&mut self, version: &str, segment: &str, window: Window, profile: &WindowProfile) {
        self.performance.accept(version, segment, window, profile);
    }

    /// Drops the baselines of versions that are gone.
    pub fn forget_gone(&mut self, stage: Stage, window: Window) {
        let side = match stage {
            Stage::Closed => &mut self.outputs,
            Stage::Matured => &mut self.performance,
        };
        side.parts.retain(|_, part| !part.is_gone(window));
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

    /// The longest trailing span of what enters after a stage, and whether a part is learnt from the first windows: what
    /// has to be read after a restart.
    pub fn needs(&self, stage: Stage) -> (Option<Duration>, bool) {
        let kinds = match stage {
            Stage::Closed => vec![self.inputs.kind, self.outputs.empty.kind],
            Stage::Matured => vec![self.performance.empty.kind],
        };
        let span = kinds.iter().filter_map(|kind| match kind {
            Kind::Trailing(span) => Some(*span),
            Kind::Fixed | Kind::Learnt | Kind::Registered => None,
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
    /// By version and segment: the training data of registered versions.
    registered: BTreeMap<(String, String), Part>,
    parts: BTreeMap<(String, String), Part>,
}

impl PerVersion {
    fn new(part: &BaselinePart, used: Use, seed: Option<&Seed>) -> Self {
        let empty = Part::new(part, used);
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
            seeded.entry(segment).or_insert_with(|| empty.clone()).seed(window, &profile);
        }
        Self { empty, seeded, registered: BTreeMap::new(), parts: BTreeMap::new() }
    }

    fn register(&mut self, version: &str, windows: &[(Window, Vec<WindowCell>)]) {
        if self.empty.kind != Kind::Learnt {
            return;
        }
        self.registered.retain(|(of, _), _| of != version);
        // What was learnt of it so far has done its work.
        self.parts.retain(|(of, _), _| of != version);
        let segments: BTreeSet<&str> =
            windows.iter().flat_map(|(_, cells)| cells.iter().map(|cell| cell.segment.as_str())).collect();
        for segment in segments {
            let cells = windows.iter().flat_map(|(window, cells)| {
                cells.iter().filter(|cell| cell.segment == segment).map(|cell| (*window, &cell.profile))
            });
            let part = Part::registered(self.empty.used, cells);
            self.registered.insert((version.to_owned(), segment.to_owned()), part);
        }
    }

    fn initial(&self, key: &(String, String)) -> &Part {
        self.registered.get(key).or_else(|| self.seeded.get(&key.1)).unwrap_or(&self.empty)
    }

    fn part(&self, version: &str, segment: &str) -> &Part {
        let key = (version.to_owned(), segment.to_owned());
        self.parts.get(&key).unwrap_or_else(|| self.initial(&key))
    }

    fn before(&self, version: &str, segment: &str, window: Window) -> Baseline {
        self.part(version, segment).before(window)
    }

    fn accept(&mut self, version: &str, segment: &str, window: Window, profile: &WindowProfile) {
        let key = (version.to_owned(), segment.to_owned());
        if let Some(part) = self.parts.get_mut(&key) {
            part.accept(window, profile);
            return;
        }
        let initial = self.initial(&key);
        if !initial.is_given() {
            let mut part = initial.clone();
            part.accept(window, profile);
            self.parts.insert(key, part);
        }
    }

    fn revise(&mut self, version: &str, segment: &str, window: Window, profile: &WindowProfile) {
        if let Some(part) = self.parts.get_mut(&(version.to_owned(), segment.to_owned())) {
            part.revise(window, profile);
        }
    }
}
