//! Progress as JSON lines, for whoever runs the trainer.
//!
//! A reader that has gone (a monitor that was killed) doesn't stop the training: its artifact is on disk when a new one asks.

use std::io::Write;

use serde::Serialize;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    Progress {
        phase: Phase,
        /// Which out-of-fold model.
        #[serde(skip_serializing_if = "Option::is_none")]
        fold: Option<usize>,
        /// Epochs done, of so many.
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<u32>,
        /// Mean over the epoch.
        #[serde(skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_loss: Option<f64>,
        /// Of the whole run.
        fraction: f64,
    },
    /// There was a checkpoint: the run goes on after it.
    Resumed {
        folds_done: usize,
        fraction: f64,
    },
    /// There was a checkpoint that can't be used: the run begins anew.
    Discarded {
        reason: &'a str,
    },
    Done {
        metrics: &'a serde_json::Value,
    },
    Error {
        message: &'a str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Read,
    /// A model that leaves out a share of the weeks.
    Fold,
    /// The model itself.
    Fit,
    Score,
    Write,
}

/// Where lines go.
pub struct Progress<'a> {
    output: &'a mut dyn Write,
}

impl<'a> Progress<'a> {
    pub fn new(output: &'a mut dyn Write) -> Self {
        Self { output }
    }

    /// Lost if nobody reads.
    pub fn say(&mut self, line: &Line<'_>) {
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            let _ = self.output.write_all(&text).and_then(|()| self.output.flush());
        }
    }

    /// A phase begins.
    pub fn phase(&mut self, phase: Phase, fraction: f64) {
        self.say(&Line::Progress {
            phase,
            fold: None,
            epoch: None,
            of: None,
            loss: None,
            validation_loss: None,
            fraction,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_what_the_interface_promises() {
        let mut text = Vec::new();
        let mut progress = Progress::new(&mut text);
        progress.phase(Phase::Read, 0.0);
        let (fold, epoch, of, loss) = (Some(0), Some(3), Some(8), Some(0.51));
        progress.say(&Line::Progress {
            phase: Phase::Fold,
            fold,
            epoch,
            of,
            loss,
            validation_loss: None,
            fraction: 0.42,
        });
        progress.say(&Line::Error { message: "no" });
        let expected = concat!(
            r#"{"type":"progress","phase":"read","fraction":0.0}"#,
            "\n",
            r#"{"type":"progress","phase":"fold","fold":0,"epoch":3,"of":8,"loss":0.51,"fraction":0.42}"#,
            "\n",
            r#"{"type":"error","message":"no"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_reader_that_has_gone_stops_nobody() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        Progress::new(&mut Gone).phase(Phase::Write, 1.0);
    }
}
