//! Labels: the truth for an earlier event id.

use contract::model::Task;
use contract::{Contract, EventTime};

use super::event::{Decoded, Event, Pointer, Refusal};
use super::visit::Scalar;

/// A label that was understood; [`LabelDecoder::event_id`] has the id's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub id: u128,
    pub time: EventTime,
    /// None where the task isn't binary classification: such labels are joined and kept, but make no figure yet.
    pub value: Option<bool>,
}

#[derive(Debug)]
pub(crate) struct LabelDecoder {
    event: Event,
    label: Pointer,
    is_binary: bool,
}

impl LabelDecoder {
    /// None for a contract without labels.
    pub fn new(contract: &Contract) -> Option<Self> {
        let (fields, source) = (contract.fields.labels.as_ref()?, contract.sources.labels.as_ref()?);
        let (event, label) =
            Event::new(&source.filter, &fields.event_id, &fields.time, |tree| Pointer::new(tree, &fields.label));
        Some(Self { event, label, is_binary: contract.task == Task::BinaryClassification })
    }

    pub fn decode(&mut self, payload: &[u8]) -> Decoded<Label> {
        match self.event.read(payload) {
            Decoded::Event(()) => match self.label() {
                Ok(label) => Decoded::Event(label),
                Err(refusal) => Decoded::Refused(refusal),
            },
            Decoded::OtherModel => Decoded::OtherModel,
            Decoded::Refused(refusal) => Decoded::Refused(refusal),
        }
    }

    fn label(&mut self) -> Result<Label, Refusal> {
        Ok(Label { id: self.event.id()?, time: self.event.time()?, value: self.value()? })
    }

    #[expect(clippy::float_cmp, reason = "a label is exactly 0 or exactly 1")]
    fn value(&self) -> Result<Option<bool>, Refusal> {
        let pointer = &self.label.pointer;
        match self.label.value(&self.event.scratch) {
            Scalar::Absent | Scalar::Null => Err(Refusal::missing("label", pointer)),
            Scalar::Boolean(value) if self.is_binary => Ok(Some(value)),
            Scalar::Integer(value @ (0 | 1)) if self.is_binary => Ok(Some(value == 1)),
            Scalar::Float(value) if self.is_binary && (value == 0.0 || value == 1.0) => Ok(Some(value == 1.0)),
            found if self.is_binary => Err(Refusal::wrong_type("label", pointer, found, "a boolean, 0 or 1")),
            found @ (Scalar::Object | Scalar::Array) => {
                Err(Refusal::wrong_type("label", pointer, found, "a single value"))
            }
            _ => Ok(None),
        }
    }

    /// Of the event that was decoded last.
    pub fn event_id(&self) -> &str {
        self.event.id_text()
    }
}
