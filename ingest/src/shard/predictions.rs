//! What becomes of a prediction (docs/semantics.md, "The shard").

use contract::{EventTime, Window};

use crate::decode::prediction::Prediction;
use crate::{Kind, Result};

use super::Shard;
use super::join::{Joined, NO_SEGMENT, Row};
use super::windows::WindowState;

impl Shard {
    /// Takes a prediction whose time is believed.
    pub(super) fn apply_prediction(&mut self, offset: i64, payload: &[u8], prediction: Prediction) -> Result<()> {
        let window = Window::holding(prediction.time, self.contract.windows.size);
        let is_late = self.is_closed(window);
        if prediction.is_mistyped {
            let refusal = self.decoder.refusal();
            self.refuse(Kind::Prediction, offset, payload, refusal);
            if !is_late {
                self.count_mistyped(window, prediction.time)?;
            }
            return Ok(());
        }
        if self.is_duplicate(prediction.id) {
            self.counts.predictions.duplicate += 1;
            return Ok(());
        }
        if is_late {
            self.take_late(window, offset, &prediction);
        } else {
            self.take_in_time(window, offset, &prediction)?;
        }
        self.flush_if_full()
    }

    /// Whether a window takes no more rows. Depends on the log of predictions alone.
    fn is_closed(&self, window: Window) -> bool {
        let closes = window.end + self.contract.windows.lateness;
        self.predictions.watermark >= Some(closes) || self.floor >= Some(window.end)
    }

    fn is_duplicate(&self, id: u128) -> bool {
        let Some(row) = self.join.find(id).and_then(|place| self.join.row(place)) else { return false };
        self.is_remembered(row.time)
    }

    /// Whether ids of that time are still known.
    fn is_remembered(&self, time: EventTime) -> bool {
        self.predictions.watermark < Some(time + self.contract.duplicate_horizon())
    }

    /// The whole event is a dead letter; that its columns have another type shows in the window.
    fn count_mistyped(&mut self, window: Window, time: EventTime) -> Result<()> {
        self.open_window(window)?;
        let Some(state) = self.windows.get_mut(&window.start) else { return Ok(()) };
        let version = state.version(self.decoder.version(), &self.contract, &self.limits);
        if let Some(profile) = state.cell_mut(version, 0).and_then(|cell| cell.live()) {
            for column in self.decoder.mistyped() {
                if let Some(column) = profile.columns.get_mut(*column) {
                    column.add_mistyped(1);
                }
            }
        }
        state.change();
        self.predictions.watermark = self.predictions.watermark.max(Some(time));
        Ok(())
    }

    fn take_late(&mut self, window: Window, offset: i64, prediction: &Prediction) {
        self.counts.predictions.late += 1;
        // The window may be held for longer, where labels lag behind; its count doesn't depend on that.
        let is_shown = self.predictions.watermark < Some(window.end + self.final_after());
        if let Some(state) = self.windows.get_mut(&window.start).filter(|_| is_shown) {
            state.late_rows += 1;
            state.change();
        }
        self.segments.clear();
        self.segments.resize(self.contract.segments.len(), NO_SEGMENT);
        self.buffer.append(&self.decoder, prediction, offset, None, &self.segments);
        if self.is_remembered(prediction.time) {
            let row = Row { id: prediction.id, time: prediction.time, joined: None, is_replaced: false };
            self.join.add(window.start, row, &[], false);
        }
    }

    fn take_in_time(&mut self, window: Window, offset: i64, prediction: &Prediction) -> Result<()> {
        self.open_window(window)?;
        let Some(state) = self.windows.get_mut(&window.start) else { return Ok(()) };
        self.counts.predictions.accepted += 1;
        let version = state.version(self.decoder.version(), &self.contract, &self.limits);
        self.segments.clear();
        for (number, segment) in self.contract.segments.iter().enumerate() {
            self.text.clear();
            let column = self.contract.column(&segment.column);
            let is_value = column.is_some_and(|column| self.decoder.write_feature(column, &mut self.text));
            let code =
                if is_value { state.segment(version, number, &segment.column, &self.text, &self.limits) } else { None };
            self.segments.push(code.unwrap_or(NO_SEGMENT));
        }
        state.change();
        self.buffer.append(&self.decoder, prediction, offset, Some((window.start, version)), &self.segments);
        let joined = self.contract.sources.labels.is_some().then_some(Joined {
            version,
            score: prediction.score,
            predicted: prediction.predicted,
            label: None,
        });
        let row = Row { id: prediction.id, time: prediction.time, joined, is_replaced: false };
        let place = self.join.add(window.start, row, &self.segments, false);
        self.predictions.watermark = self.predictions.watermark.max(Some(prediction.time));
        self.join_waiting(prediction.id, place);
        self.bound_rows()
    }

    fn open_window(&mut self, window: Window) -> Result<()> {
        if self.windows.contains_key(&window.start) {
            return Ok(());
        }
        while self.windows.len() >= self.limits.windows.max(1) {
            let Some(oldest) = self.windows.first_key_value().map(|(start, _)| *start) else { break };
            self.counts.evicted.windows += 1;
            self.end_early(oldest)?;
        }
        self.windows.insert(window.start, WindowState::new(window));
        self.reset_wakes();
        Ok(())
    }

    /// Lets the oldest windows' ids go while there are too many.
    fn bound_rows(&mut self) -> Result<()> {
        while self.join.len() > self.limits.rows {
            let Some(oldest) = self.join.oldest() else { break };
            self.end_early(oldest)?;
            self.counts.evicted.rows += self.forget_rows(oldest);
        }
        Ok(())
    }
}
