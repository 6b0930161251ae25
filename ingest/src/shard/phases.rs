//! From clocks to phases to publications (docs/semantics.md, "Windows").
//!
//! Two pairs of clocks. The *hard* ones are functions of the logs: they close windows and make them final. The *soft* ones
//! also know which source is idle: they decide only when something is published first, never what its final revision says.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::EventTime;
use contract::time::micros;

use crate::publication::{Phase, Publication, Watermarks, WindowPart};
use crate::{Kind, Result};

use super::Shard;
use super::windows::WindowState;

/// What time it is for windows, by predictions and by labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clocks {
    hard_predictions: Option<EventTime>,
    hard_labels: Option<EventTime>,
    soft_predictions: Option<EventTime>,
    soft_labels: Option<EventTime>,
}

/// The next times at which something can fall due, one for each clock; None: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wakes {
    hard_predictions: Option<EventTime>,
    hard_labels: Option<EventTime>,
    soft_predictions: Option<EventTime>,
    soft_labels: Option<EventTime>,
}

impl Wakes {
    fn are_due(&self, clocks: &Clocks) -> bool {
        let is_due = |wake: Option<EventTime>, clock: Option<EventTime>| wake.is_some() && wake <= clock;
        is_due(self.hard_predictions, clocks.hard_predictions)
            || is_due(self.hard_labels, clocks.hard_labels)
            || is_due(self.soft_predictions, clocks.soft_predictions)
            || is_due(self.soft_labels, clocks.soft_labels)
    }
}

/// What is to be done with one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// It takes no more rows.
    closes: bool,
    publish: Option<Phase>,
    is_final: bool,
}

impl Shard {
    /// Wall time's only influence: the driver says that a source has, or has no longer, been silent for long.
    pub fn set_idle(&mut self, kind: Kind, idle: bool) -> Result<()> {
        self.stream_mut(kind).is_idle = idle;
        self.advance(true)
    }

    /// Nothing more will come of a source: from now on the other one's watermark is its own.
    pub fn end_of_source(&mut self, kind: Kind) -> Result<()> {
        if let Some(event) = self.stream_mut(kind).unconfirmed.take() {
            // A stream's only event has nothing that contradicts it.
            if self.stream(kind).watermark.is_none() {
                self.apply_again(kind, &event)?;
            } else {
                self.refuse_unconfirmed(kind, &event);
            }
        }
        self.stream_mut(kind).is_ended = true;
        self.advance(true)
    }

    /// The end of all input: every window goes through all of its states, in the order in which they fall due.
    pub fn finish(&mut self) -> Result<()> {
        self.end_of_source(Kind::Prediction)?;
        self.end_of_source(Kind::Label)?;
        while let Some(due) = self.next_due() {
            self.end_of_input = Some(due);
            self.advance(true)?;
        }
        Ok(())
    }

    /// The next time at which a window that is held changes its state, if both clocks go on.
    fn next_due(&self) -> Option<EventTime> {
        let now = self.clocks().hard_predictions;
        let dues = self.windows.values().flat_map(|state| {
            let end = state.window.end;
            [self.closes_after(), self.matures_after(), self.final_after()].map(|after| end + after)
        });
        dues.filter(|due| Some(*due) > now).min()
    }

    fn clocks(&self) -> Clocks {
        let (predictions, labels) = (self.predictions.watermark, self.labels.watermark);
        let both = predictions.max(labels);
        let has_labels = self.contract.sources.labels.is_some();
        let clock = |own: Option<EventTime>, stands_still: bool| {
            if stands_still { both.max(self.end_of_input) } else { own.max(self.end_of_input) }
        };
        Clocks {
            hard_predictions: clock(predictions, self.predictions.is_ended),
            hard_labels: clock(labels, self.labels.is_ended || !has_labels),
            soft_predictions: clock(predictions, self.predictions.is_ended || self.predictions.is_idle),
            soft_labels: clock(labels, self.labels.is_ended || self.labels.is_idle || !has_labels),
        }
    }

    fn closes_after(&self) -> Duration {
        self.contract.windows.lateness
    }

    fn matures_after(&self) -> Duration {
        self.contract.windows.maturity.max(self.contract.windows.lateness)
    }

    pub(super) fn final_after(&self) -> Duration {
        let windows = &self.contract.windows;
        self.contract.label_horizon().saturating_add(windows.lateness).max(self.matures_after())
    }

    /// Which multiple of the window's size the labels' clock has passed.
    fn multiple(&self, clock: Option<EventTime>) -> Option<i64> {
        clock.map(|time| time.micros().div_euclid(micros(self.contract.windows.size).max(1)))
    }

    /// Takes every window to the phase that is due, after each record; `all`: whatever the wakes say.
    pub(super) fn advance(&mut self, all: bool) -> Result<()> {
        let clocks = self.clocks();
        if !all && !self.wakes.are_due(&clocks) {
            return Ok(());
        }
        let multiple = self.multiple(clocks.soft_labels);
        let revises = multiple > self.revised;
        self.revised = self.revised.max(multiple);
        let mut steps = BTreeMap::new();
        for (start, state) in &self.windows {
            let step = self.step(state, &clocks, revises);
            if step != Step::default() {
                steps.insert(*start, step);
            } else if state.phase.is_none() {
                // Windows fall due in order.
                break;
            }
        }
        if !steps.is_empty() {
            self.flush()?;
            self.take_steps(&steps)?;
        }
        self.forget_expired();
        self.expire_waiting();
        self.reset_wakes();
        Ok(())
    }

    fn step(&self, state: &WindowState, clocks: &Clocks, revises: bool) -> Step {
        let end = state.window.end;
        let is_past = |clock: Option<EventTime>, after: Duration| clock >= Some(end + after);
        let closes = is_past(clocks.hard_predictions, self.closes_after());
        if state.phase.is_none() && !closes && !is_past(clocks.soft_predictions, self.closes_after()) {
            return Step::default();
        }
        let was_matured = state.phase >= Some(Phase::Matured);
        let is_matured = was_matured || is_past(clocks.soft_labels, self.matures_after());
        // Both clocks: labels can still change it before the one, and late rows are still counted before the other.
        let is_settled = is_past(clocks.hard_labels, self.final_after());
        let is_final = is_matured && is_settled && is_past(clocks.hard_predictions, self.final_after());
        let closes = closes && !state.is_closed;
        let publish = if is_final {
            (!was_matured || state.is_changed).then_some(Phase::Final)
        } else if is_matured && !was_matured {
            Some(Phase::Matured)
        } else if was_matured && state.is_changed && (revises || closes) {
            Some(Phase::Revised)
        } else if state.phase.is_none() || (closes && state.is_changed) {
            Some(Phase::Closed)
        } else {
            None
        };
        Step { closes, publish, is_final }
    }

    fn take_steps(&mut self, steps: &BTreeMap<EventTime, Step>) -> Result<()> {
        let mut parts = Vec::new();
        for (start, step) in steps {
            if step.closes
                && let Some(state) = self.windows.get_mut(start)
            {
                state.close();
            }
            if let Some(phase) = step.publish {
                parts.extend(self.part(*start, phase)?);
            }
        }
        if !parts.is_empty() {
            self.publish(parts);
        }
        for (start, _) in steps.iter().filter(|(_, step)| step.is_final) {
            self.drop_window(*start);
        }
        Ok(())
    }

    /// A window's share, as it stands.
    fn part(&mut self, start: EventTime, phase: Phase) -> Result<Option<WindowPart>> {
        let as_of = self.offsets();
        let closes_after = self.closes_after();
        let Some(state) = self.windows.get_mut(&start) else { return Ok(None) };
        if state.phase.is_none() {
            state.closed_by_idleness = self.predictions.watermark < Some(state.window.end + closes_after);
        }
        let part = WindowPart {
            window: state.window,
            revision: state.next_revision,
            phase,
            late_rows: state.late_rows,
            closed_by_idleness: state.closed_by_idleness,
            as_of,
            cells: state.cells()?,
        };
        state.phase = Some(phase);
        state.next_revision += 1;
        state.is_changed = false;
        state.is_dirty = true;
        Ok(Some(part))
    }

    /// Makes a window final now, to bound memory.
    pub(crate) fn end_early(&mut self, start: EventTime) -> Result<()> {
        let Some(state) = self.windows.get(&start) else { return Ok(()) };
        self.floor = self.floor.max(Some(state.window.end));
        let step = Step { closes: !state.is_closed, publish: Some(Phase::Final), is_final: true };
        self.flush()?;
        self.take_steps(&BTreeMap::from([(start, step)]))
    }

    fn drop_window(&mut self, start: EventTime) {
        if let Some(state) = self.windows.remove(&start) {
            self.join.release(start);
            self.deletes.extend(crate::checkpoint::window_keys(&state));
        }
    }

    /// Forgets ids that are beyond the duplicate horizon.
    fn forget_expired(&mut self) {
        let horizon = self.contract.duplicate_horizon() + self.contract.windows.size;
        while let Some(oldest) = self.join.oldest() {
            let is_expired = self.predictions.watermark >= Some(oldest + horizon);
            if !is_expired || self.windows.contains_key(&oldest) {
                return;
            }
            self.forget_rows(oldest);
        }
    }

    /// Forgets the ids of one window. Returns how many there were.
    pub(super) fn forget_rows(&mut self, start: EventTime) -> u64 {
        let (rows, blocks) = self.join.forget(start);
        self.deletes.extend((0..blocks).map(|block| crate::checkpoint::block_key(start, block)));
        rows as u64
    }

    fn offsets(&self) -> BTreeMap<Kind, i64> {
        let next = |kind| Some((kind, self.stream(kind).next_offset?));
        Kind::ALL.into_iter().filter_map(next).collect()
    }

    pub(super) fn publish(&mut self, parts: Vec<WindowPart>) {
        self.untold_cells += parts.iter().map(|part| part.cells.len()).sum::<usize>();
        let publication = self.next_publication(parts);
        self.publications.push(publication);
    }

    pub(super) fn next_publication(&mut self, parts: Vec<WindowPart>) -> Publication {
        let sequence = self.sequence;
        self.sequence += 1;
        let told = |watermark: Option<EventTime>| watermark.max(self.end_of_input);
        Publication {
            model: self.contract.model.clone(),
            shard: self.identity.shard,
            shards: self.identity.shards,
            epoch: self.epoch,
            sequence,
            watermarks: Watermarks {
                prediction: told(self.predictions.watermark),
                label: told(self.labels.watermark),
                predictions_idle: self.predictions.is_idle || self.predictions.is_ended,
                labels_idle: self.labels.is_idle || self.labels.is_ended,
            },
            offsets: self.offsets(),
            counts: self.counts.clone(),
            parts,
            dead_letters: self.take_letters(),
            history_files: Vec::new(),
        }
    }

    /// Looks for the next times at which something can fall due: windows fall due in order of their starts.
    pub(crate) fn reset_wakes(&mut self) {
        let clocks = self.clocks();
        let size = self.contract.windows.size;
        let next = |clock: Option<EventTime>, after: Duration| {
            // end + after > clock, as a bound of the start.
            let from = clock.map_or(EventTime::MIN, |clock| clock - after - size + Duration::from_micros(1));
            self.windows.range(from..).next().map(|(_, state)| state.window.end + after)
        };
        let revision = self
            .multiple(clocks.soft_labels)
            .map(|multiple| EventTime::from_micros((multiple + 1).saturating_mul(micros(size))));
        let closes = next(clocks.hard_predictions, self.closes_after());
        let ends = next(clocks.hard_predictions, self.final_after());
        let matures = next(clocks.soft_labels, self.matures_after());
        self.wakes = Wakes {
            hard_predictions: [closes, ends].into_iter().flatten().min(),
            hard_labels: next(clocks.hard_labels, self.final_after()),
            soft_predictions: next(clocks.soft_predictions, self.closes_after()),
            soft_labels: [matures, revision].into_iter().flatten().min(),
        };
    }
}
