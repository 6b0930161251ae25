//! What becomes of a label (docs/semantics.md, "Labels").
//!
//! Whether a label counts depends on the two logs alone, not on which of label and prediction is read first: a label that
//! waits is judged later by the watermark that it came at.

use contract::{EventTime, Window};
use detectors::profile::PerformanceProfile;

use crate::decode::label::Label;
use crate::{Kind, Result};

use super::Shard;
use super::join::{Joined, Place, RowLabel};
use super::waiting::WaitingLabel;

/// What a label does to its prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It counts from now on; a label before it is taken out.
    Counts,
    /// A newer one is there already.
    Superseded,
    /// The very label that is there.
    Duplicate,
    /// Beyond the horizon, or the window was final.
    TooLate,
}

impl Shard {
    /// Takes a label whose time is believed.
    pub(super) fn apply_label(&mut self, offset: i64, label: Label) -> Result<()> {
        let watermark_before = self.labels.watermark;
        self.labels.watermark = watermark_before.max(Some(label.time));
        let waiting = WaitingLabel { time: label.time, offset, value: label.value, watermark_before, is_stored: false };
        let effect = match self.join.find(label.id).filter(|place| self.can_be_labelled(*place)) {
            Some(place) => self.label_row(place, &waiting),
            None => self.wait(label.id, waiting),
        };
        let outcomes = self.outcomes_mut(Kind::Label);
        match effect {
            Effect::Counts | Effect::Superseded => outcomes.accepted += 1,
            Effect::Duplicate => outcomes.duplicate += 1,
            Effect::TooLate => outcomes.late += 1,
        }
        if effect != Effect::Duplicate
            && let Some(decoder) = &self.label_decoder
        {
            self.label_buffer.append(decoder, &label, offset);
        }
        self.flush_if_full()
    }

    fn can_be_labelled(&self, place: Place) -> bool {
        self.join.row(place).is_some_and(|row| row.joined.is_some())
    }

    /// Labels that came before their prediction, in the order in which they came.
    pub(super) fn join_waiting(&mut self, id: u128, place: Place) {
        for label in self.waiting.take(id) {
            if self.label_row(place, &label) == Effect::TooLate {
                self.counts.labels.unmatched += 1;
            }
        }
    }

    fn label_row(&mut self, place: Place, label: &WaitingLabel) -> Effect {
        let Some((time, joined)) = self.join.row(place).and_then(|row| Some((row.time, row.joined?))) else {
            return Effect::TooLate;
        };
        let effect = self.effect(time, &joined, label);
        if effect == Effect::Counts {
            self.change_performance(place, time, &joined, label);
            let label = RowLabel { time: label.time, offset: label.offset, value: label.value };
            self.join.set_label(place, label);
        }
        effect
    }

    fn effect(&self, prediction: EventTime, joined: &Joined, label: &WaitingLabel) -> Effect {
        let horizon = self.contract.label_horizon();
        let window = Window::holding(prediction, self.contract.windows.size);
        let is_within = label.time <= prediction + horizon && prediction <= label.time + horizon;
        let was_final = label.watermark_before >= Some(window.end + horizon + self.contract.windows.lateness);
        if !is_within || was_final {
            return Effect::TooLate;
        }
        match joined.label {
            Some(before) if (before.time, before.value) == (label.time, label.value) => Effect::Duplicate,
            Some(before) if label.rank() < (before.time, before.offset) => Effect::Superseded,
            _ => Effect::Counts,
        }
    }

    fn change_performance(&mut self, place: Place, time: EventTime, joined: &Joined, label: &WaitingLabel) {
        let score = joined.score.unwrap_or(f64::NAN);
        let change = |performance: &mut PerformanceProfile| {
            if let Some(RowLabel { time: known, value: Some(value), .. }) = joined.label {
                performance.remove(score, joined.predicted, value, known.micros_since(time));
            }
            if let Some(value) = label.value {
                performance.add(score, joined.predicted, value, label.time.micros_since(time));
            }
        };
        let Some(window) = self.windows.get_mut(&place.bucket) else { return };
        if let Some(cell) = window.cell_mut(joined.version, 0) {
            change(cell.performance());
        }
        for segment in self.join.segments(place) {
            if let Some(number) = segment.checked_add(1)
                && let Some(cell) = window.cell_mut(joined.version, number)
            {
                change(cell.performance());
            }
        }
        window.change();
    }

    /// Keeps a label until its prediction comes.
    fn wait(&mut self, id: u128, label: WaitingLabel) -> Effect {
        if self.can_come(label.time) {
            let winner = self.waiting.of(id).iter().max_by_key(|other| other.rank());
            if winner.is_some_and(|winner| (winner.time, winner.value) == (label.time, label.value)) {
                return Effect::Duplicate;
            }
            self.waiting.add(id, label);
            if self.waiting.of(id).len() > self.limits.labels_of_one_event {
                self.waiting.drop_oldest_of(id);
                self.count_evicted_label();
            } else if self.waiting.len() > self.limits.waiting_labels {
                self.waiting.drop_oldest();
                self.count_evicted_label();
            }
        } else {
            self.counts.labels.unmatched += 1;
        }
        Effect::Counts
    }

    fn count_evicted_label(&mut self) {
        self.counts.labels.unmatched += 1;
        self.counts.evicted.waiting_labels += 1;
    }

    /// Whether a prediction that a label of that time belongs to can still be accepted.
    fn can_come(&self, label: EventTime) -> bool {
        let newest = Window::holding(label + self.contract.label_horizon(), self.contract.windows.size);
        !self.predictions.is_ended && self.predictions.watermark < Some(newest.end + self.contract.windows.lateness)
    }

    /// Lets labels go whose prediction can't come any more.
    pub(super) fn expire_waiting(&mut self) {
        while let Some(oldest) = self.waiting.oldest() {
            if self.can_come(oldest) {
                return;
            }
            self.waiting.drop_oldest();
            self.counts.labels.unmatched += 1;
        }
    }
}
