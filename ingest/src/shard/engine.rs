//! The shard itself: what it holds, and what drivers call.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Contract, EventTime};

use crate::decode::label::{Label, LabelDecoder};
use crate::decode::prediction::{Prediction, PredictionDecoder};
use crate::decode::{Decoded, Refusal};
use crate::publication::{Counts, DeadLetter, Outcomes, Publication, Reason};
use crate::record::{Kind, Record};
use crate::{PAYLOAD_LIMIT, Result};

use super::buffer::{LabelBuffer, PredictionBuffer};
use super::guard::{self, Unconfirmed, Verdict};
use super::join::Join;
use super::limits::{BATCH_ROWS, PENDING_LETTER_BYTES, PENDING_LETTERS};
use super::phases::Wakes;
use super::waiting::Waiting;
use super::windows::WindowState;
use super::{Held, Identity, Limits, Rows};

/// One topic of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stream {
    pub next_offset: Option<i64>,
    /// Newest event time that was believed.
    pub watermark: Option<EventTime>,
    /// An event whose time the next one has to confirm.
    pub unconfirmed: Option<Unconfirmed>,
    /// Silent for long, says the driver.
    pub is_idle: bool,
    /// Nothing more will come.
    pub is_ended: bool,
}

/// The engine of one shard. See the [module](super).
pub struct Shard {
    pub(crate) contract: Arc<Contract>,
    pub(crate) identity: Identity,
    pub(crate) epoch: u64,
    pub(crate) limits: Limits,
    pub(crate) predictions: Stream,
    pub(crate) labels: Stream,
    pub(crate) counts: Counts,
    /// Of the next publication.
    pub(crate) sequence: u64,
    /// By start.
    pub(crate) windows: BTreeMap<EventTime, WindowState>,
    /// Windows that ended before this went early, to bound memory: what comes for them is late.
    pub(crate) floor: Option<EventTime>,
    /// The multiple of the window's size that labels passed last.
    pub(crate) revised: Option<i64>,
    /// How far the end of input has taken the clocks.
    pub(crate) end_of_input: Option<EventTime>,
    pub(crate) join: Join,
    pub(crate) waiting: Waiting,
    /// Keys of the store that are of no use any more.
    pub(crate) deletes: Vec<Vec<u8>>,
    pub(super) wakes: Wakes,
    pub(super) decoder: PredictionDecoder,
    pub(super) label_decoder: Option<LabelDecoder>,
    pub(super) buffer: PredictionBuffer,
    pub(super) label_buffer: LabelBuffer,
    pub(super) letters: Vec<DeadLetter>,
    letter_bytes: usize,
    pub(super) publications: Vec<Publication>,
    pub(super) untold_cells: usize,
    keeps_history: bool,
    rows: Vec<Rows>,
    /// Used again for each row.
    pub(super) segments: Vec<u16>,
    pub(super) text: String,
}

impl Shard {
    /// A shard that has read nothing.
    pub fn new(contract: Arc<Contract>, identity: Identity, epoch: u64) -> Result<Self> {
        Ok(Self::empty(contract, identity, epoch))
    }

    pub(crate) fn empty(contract: Arc<Contract>, identity: Identity, epoch: u64) -> Self {
        Self {
            keeps_history: true,
            limits: Limits::default(),
            predictions: Stream::default(),
            labels: Stream::default(),
            counts: Counts::default(),
            sequence: 0,
            windows: BTreeMap::new(),
            floor: None,
            revised: None,
            end_of_input: None,
            join: Join::new(contract.segments.len()),
            waiting: Waiting::default(),
            deletes: Vec::new(),
            wakes: Wakes::default(),
            decoder: PredictionDecoder::new(&contract),
            label_decoder: LabelDecoder::new(&contract),
            buffer: PredictionBuffer::new(Arc::clone(&contract)),
            label_buffer: LabelBuffer::default(),
            letters: Vec::new(),
            letter_bytes: 0,
            publications: Vec::new(),
            untold_cells: 0,
            rows: Vec::new(),
            segments: Vec::new(),
            text: String::new(),
            contract,
            identity,
            epoch,
        }
    }

    /// [`Self::take_rows`] will give nothing.
    #[must_use]
    pub fn without_history(mut self) -> Self {
        self.keeps_history = false;
        self
    }

    /// Other limits than the default ones, from now on.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes records of one partition in offset order. Offsets below [`Self::next_offset`] are skipped: redeliveries.
    pub fn accept(&mut self, kind: Kind, records: &[Record<'_>]) -> Result<()> {
        for record in records {
            let stream = self.stream_mut(kind);
            if stream.next_offset.is_some_and(|next| record.offset < next) {
                continue;
            }
            stream.next_offset = Some(record.offset.saturating_add(1));
            self.take(kind, record)?;
        }
        Ok(())
    }

    fn take(&mut self, kind: Kind, record: &Record<'_>) -> Result<()> {
        let payload = record.payload.unwrap_or_default();
        let refusal = if payload.is_empty() {
            Refusal::new(Reason::Undecodable, "the record is empty")
        } else if payload.len() > PAYLOAD_LIMIT {
            Refusal::new(Reason::Oversized, format!("the event is longer than {PAYLOAD_LIMIT} bytes"))
        } else {
            match self.decode(kind, payload) {
                Decoded::Event(event) => return self.believe(kind, record, payload, event),
                Decoded::OtherModel => {
                    self.outcomes_mut(kind).other_model += 1;
                    return Ok(());
                }
                Decoded::Refused(refusal) => refusal,
            }
        };
        self.refuse(kind, record.offset, payload, refusal);
        Ok(())
    }

    /// The decoder holds the event's texts and features until it decodes the next one.
    fn decode(&mut self, kind: Kind, payload: &[u8]) -> Decoded<Event> {
        match (kind, &mut self.label_decoder) {
            (Kind::Prediction, _) => self.decoder.decode(payload).map(Event::Prediction),
            (Kind::Label, Some(decoder)) => decoder.decode(payload).map(Event::Label),
            (Kind::Label, None) => Decoded::OtherModel,
        }
    }

    /// Takes an event that was understood, if its time is believed.
    fn believe(&mut self, kind: Kind, record: &Record<'_>, payload: &[u8], event: Event) -> Result<()> {
        let time = event.time();
        if let Some(before) = self.stream_mut(kind).unconfirmed.take() {
            if before.is_confirmed_by(time) {
                self.apply_again(kind, &before)?;
            } else {
                self.refuse_unconfirmed(kind, &before);
            }
            // The decoder has held another event meanwhile.
            if let Decoded::Event(event) = self.decode(kind, payload) {
                return self.believe(kind, record, payload, event);
            }
            return Ok(());
        }
        match guard::judge(time, record.timestamp, self.stream(kind).watermark) {
            Verdict::Believed => self.apply(record.offset, payload, event),
            Verdict::Unconfirmed => {
                let unconfirmed = Unconfirmed { offset: record.offset, time, payload: payload.to_vec() };
                self.stream_mut(kind).unconfirmed = Some(unconfirmed);
                Ok(())
            }
            Verdict::Refused => {
                let detail = "its time is more than a day ahead of the broker's timestamp";
                self.refuse(kind, record.offset, payload, Refusal::new(Reason::TimeInFuture, detail));
                Ok(())
            }
        }
    }

    pub(super) fn apply_again(&mut self, kind: Kind, event: &Unconfirmed) -> Result<()> {
        match self.decode(kind, &event.payload) {
            Decoded::Event(decoded) => self.apply(event.offset, &event.payload, decoded),
            Decoded::OtherModel | Decoded::Refused(_) => Ok(()),
        }
    }

    pub(super) fn refuse_unconfirmed(&mut self, kind: Kind, event: &Unconfirmed) {
        let detail = "its time is more than 30 days ahead of the events before and after it";
        self.refuse(kind, event.offset, &event.payload, Refusal::new(Reason::TimeInFuture, detail));
    }

    fn apply(&mut self, offset: i64, payload: &[u8], event: Event) -> Result<()> {
        match event {
            Event::Prediction(prediction) => self.apply_prediction(offset, payload, prediction)?,
            Event::Label(label) => self.apply_label(offset, label)?,
        }
        self.advance(false)
    }

    /// Writes a dead letter.
    pub(super) fn refuse(&mut self, kind: Kind, offset: i64, payload: &[u8], refusal: Refusal) {
        self.outcomes_mut(kind).dead_letter += 1;
        let payload = payload.get(..PAYLOAD_LIMIT).unwrap_or(payload).to_vec();
        self.letter_bytes += payload.len();
        self.letters.push(DeadLetter {
            model: self.contract.model.clone(),
            kind,
            topic: self.identity.topics.get(&kind).cloned().unwrap_or_default(),
            partition: self.identity.shard,
            offset,
            reason: refusal.reason,
            detail: refusal.detail,
            payload,
        });
        if self.letters.len() >= PENDING_LETTERS || self.letter_bytes >= PENDING_LETTER_BYTES {
            self.publish(Vec::new());
        }
    }

    pub(super) fn take_letters(&mut self) -> Vec<DeadLetter> {
        self.letter_bytes = 0;
        std::mem::take(&mut self.letters)
    }

    /// Brings the gathered rows into their windows' profiles, and into the history.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.buffer.len() == 0 {
            return Ok(());
        }
        let batch = self.buffer.finish();
        for ((start, version), rows) in batch.by_cell()? {
            if let Some(window) = self.windows.get_mut(&start) {
                window.add_rows(version, &rows, &self.contract)?;
            }
        }
        if self.keeps_history {
            self.rows.extend(batch.into_history(&self.contract)?);
        }
        Ok(())
    }

    pub(super) fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= BATCH_ROWS {
            self.flush()?;
        }
        if self.label_buffer.len() >= BATCH_ROWS {
            self.flush_labels()?;
        }
        Ok(())
    }

    fn flush_labels(&mut self) -> Result<()> {
        let rows = self.label_buffer.finish()?;
        self.rows.extend(rows.filter(|_| self.keeps_history));
        Ok(())
    }

    /// What is to be told, in order, since the last call: one publication whenever windows changed their phase.
    pub fn take_publications(&mut self) -> Vec<Publication> {
        self.untold_cells = 0;
        std::mem::take(&mut self.publications)
    }

    /// Watermarks, offsets, counts, and the dead letters that no publication has told yet.
    pub fn progress(&mut self) -> Publication {
        self.next_publication(Vec::new())
    }

    /// Accepted rows for the history since the last call: predictions, late ones included, and labels.
    pub fn take_rows(&mut self) -> Result<Vec<Rows>> {
        self.flush()?;
        self.flush_labels()?;
        Ok(std::mem::take(&mut self.rows))
    }

    /// Where a restart goes on reading; None before the first record.
    pub fn next_offset(&self, kind: Kind) -> Option<i64> {
        self.stream(kind).next_offset
    }

    /// Newest event time that was believed.
    pub fn watermark(&self, kind: Kind) -> Option<EventTime> {
        self.stream(kind).watermark
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn held(&self) -> Held {
        Held {
            rows: self.join.len(),
            waiting_labels: self.waiting.len(),
            windows: self.windows.len(),
            untold_cells: self.untold_cells,
        }
    }

    pub(super) fn stream(&self, kind: Kind) -> &Stream {
        match kind {
            Kind::Prediction => &self.predictions,
            Kind::Label => &self.labels,
        }
    }

    pub(super) fn stream_mut(&mut self, kind: Kind) -> &mut Stream {
        match kind {
            Kind::Prediction => &mut self.predictions,
            Kind::Label => &mut self.labels,
        }
    }

    pub(super) fn outcomes_mut(&mut self, kind: Kind) -> &mut Outcomes {
        match kind {
            Kind::Prediction => &mut self.counts.predictions,
            Kind::Label => &mut self.counts.labels,
        }
    }
}

/// An event that was understood.
#[derive(Clone, Copy, Debug)]
enum Event {
    Prediction(Prediction),
    Label(Label),
}

impl Event {
    fn time(&self) -> EventTime {
        match self {
            Self::Prediction(prediction) => prediction.time,
            Self::Label(label) => label.time,
        }
    }
}
