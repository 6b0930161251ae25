//! Labels whose prediction hasn't come yet, each with what is needed to judge it as if it came after its prediction.

use std::collections::{BTreeSet, HashMap};

use contract::EventTime;

use super::join::IdHashing;

/// A label as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitingLabel {
    pub time: EventTime,
    pub offset: i64,
    pub value: Option<bool>,
    /// The labels' watermark just before it came: whether it came in time doesn't depend on when its prediction is read.
    pub watermark_before: Option<EventTime>,
    /// Whether the store has it.
    pub is_stored: bool,
}

impl WaitingLabel {
    /// The last label by this order wins.
    pub fn rank(&self) -> (EventTime, i64) {
        (self.time, self.offset)
    }
}

/// (event id, offset): what a waiting label is stored under.
pub(crate) type Key = (u128, i64);

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_id: HashMap<u128, Vec<WaitingLabel>, IdHashing>,
    /// (time, offset, id), to let the oldest go.
    order: BTreeSet<(EventTime, i64, u128)>,
    /// Since the last checkpoint; some may be gone again.
    added: Vec<Key>,
    removed: Vec<Key>,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The labels that wait for one event id, in order of arrival.
    pub fn of(&self, id: u128) -> &[WaitingLabel] {
        self.by_id.get(&id).map_or(&[], Vec::as_slice)
    }

    pub fn add(&mut self, id: u128, label: WaitingLabel) {
        self.order.insert((label.time, label.offset, id));
        if !label.is_stored {
            self.added.push((id, label.offset));
        }
        let labels = self.by_id.entry(id).or_default();
        let place = labels.partition_point(|other| other.offset < label.offset);
        labels.insert(place, label);
    }

    /// Takes out all labels of an event id, in order of arrival.
    pub fn take(&mut self, id: u128) -> Vec<WaitingLabel> {
        let labels = self.by_id.remove(&id).unwrap_or_default();
        for label in &labels {
            self.order.remove(&(label.time, label.offset, id));
            if label.is_stored {
                self.removed.push((id, label.offset));
            }
        }
        labels
    }

    /// Takes out the oldest label of an event id, by time and offset.
    pub fn drop_oldest_of(&mut self, id: u128) {
        if let Some((time, offset)) = self.of(id).iter().map(WaitingLabel::rank).min() {
            self.remove(time, offset, id);
        }
    }

    /// The time of the oldest label.
    pub fn oldest(&self) -> Option<EventTime> {
        self.order.first().map(|(time, ..)| *time)
    }

    pub fn drop_oldest(&mut self) {
        if let Some((time, offset, id)) = self.order.first().copied() {
            self.remove(time, offset, id);
        }
    }

    fn remove(&mut self, time: EventTime, offset: i64, id: u128) {
        self.order.remove(&(time, offset, id));
        let Some(labels) = self.by_id.get_mut(&id) else { return };
        if let Some(place) = labels.iter().position(|label| label.offset == offset)
            && labels.remove(place).is_stored
        {
            self.removed.push((id, offset));
        }
        if labels.is_empty() {
            self.by_id.remove(&id);
        }
    }

    /// What the store lacks and what it has in vain; afterwards it has all.
    pub fn changes(&mut self) -> (Vec<(Key, WaitingLabel)>, Vec<Key>) {
        let mut puts = Vec::new();
        for (id, offset) in std::mem::take(&mut self.added) {
            let labels = self.by_id.get_mut(&id).map_or(&mut [] as &mut [_], Vec::as_mut_slice);
            if let Some(label) = labels.iter_mut().find(|label| label.offset == offset && !label.is_stored) {
                label.is_stored = true;
                puts.push(((id, offset), *label));
            }
        }
        (puts, std::mem::take(&mut self.removed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(time: i64, offset: i64) -> WaitingLabel {
        let time = EventTime::from_micros(time);
        WaitingLabel { time, offset, value: Some(true), watermark_before: None, is_stored: false }
    }

    #[test]
    fn i5_labels_wait_in_order_of_arrival() {
        let mut waiting = Waiting::default();
        waiting.add(7, label(20, 1));
        waiting.add(7, label(10, 2));
        waiting.add(8, label(15, 3));
        assert_eq!((waiting.len(), waiting.oldest()), (3, Some(EventTime::from_micros(10))));
        assert_eq!(waiting.changes().0.len(), 3);
        waiting.drop_oldest();
        assert_eq!(waiting.of(7).iter().map(|label| label.offset).collect::<Vec<_>>(), [1]);
        assert_eq!(waiting.take(8).len(), 1);
        waiting.add(9, label(1, 4));
        waiting.drop_oldest_of(9);
        let (puts, deletes) = waiting.changes();
        assert_eq!((puts.len(), deletes), (0, vec![(7, 2), (8, 3)]), "what came and went leaves no trace");
    }
}
