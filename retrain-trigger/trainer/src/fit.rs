//! Fitting: mini-batches in an order drawn anew each epoch, until the epochs are over or nothing improves any more.
//!
//! A fit can be stopped before any batch and goes on from its [`State`] to the same bytes: the state holds everything that
//! the next batch depends on, and random choices depend on the seed and the place alone ([`crate::random`]).

use rand::Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::checkpoint::Checkpoint;
use crate::network::{Architecture, Examples, Network, Weights};
use crate::optimizer::AdamW;
use crate::parameters::Parameters;
use crate::progress::{Line, Phase, Progress};
use crate::random::{generator, permutation};
use crate::{Error, Result};

/// An epoch of more batches than this is saved on its way, too.
const CHECKPOINT_BATCHES: u64 = 2_000;
/// Rows whose validation loss is computed at once.
const VALIDATION_ROWS: usize = 65_536;

/// How far a fit is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs done.
    pub epoch: u32,
    /// Batches done of the epoch in progress.
    pub batch: u64,
    /// Batches done in all.
    pub step: u64,
    /// Of the epoch in progress, over its rows.
    pub(crate) loss_sum: f64,
    pub(crate) best: Option<Best>,
    /// Epochs since the best one.
    pub(crate) stale: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    epoch: u32,
    validation_loss: f64,
}

/// A fit between two batches.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub position: Position,
    /// Parameters, the optimizer's two moments, and with a best epoch its parameters, one after the other.
    pub numbers: Vec<f32>,
}

/// What a fit is about.
pub struct Fit<'a> {
    pub architecture: &'a Architecture,
    pub parameters: &'a Parameters,
    pub seed: u64,
    pub training: &'a Examples,
    /// With it the fit stops early.
    pub validation: Option<&'a Examples>,
    /// Share of the positive class in the training rows, neither 0 nor 1.
    pub positive_rate: f64,
    pub device: Device,
}

/// What a run does beside fitting.
pub struct Attendance<'a, 'b> {
    /// Which fit this is, of so many: the folds, then the model itself.
    pub index: usize,
    pub fits: usize,
    pub progress: &'a mut Progress<'b>,
    pub checkpoint: &'a mut Checkpoint,
    /// Asked before each batch: whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

/// Fitting takes this part of a run, from first to second, of 1.
pub(crate) const FITTING: (f64, f64) = (0.02, 0.95);

impl Attendance<'_, '_> {
    fn fraction(&self, position: &Position, epochs: u32) -> f64 {
        fraction(self.index as f64 + f64::from(position.epoch) / f64::from(epochs.max(1)), self.fits)
    }

    fn epoch(&mut self, position: &Position, epochs: u32, loss: f64, validation_loss: Option<f64>) {
        let fold = (self.index + 1 < self.fits).then_some(self.index);
        let phase = if fold.is_some() { Phase::Fold } else { Phase::Fit };
        let (epoch, of, loss) = (Some(position.epoch), Some(epochs), Some(loss));
        let fraction = self.fraction(position, epochs);
        self.progress.say(&Line::Progress { phase, fold, epoch, of, loss, validation_loss, fraction });
    }
}

/// Of the whole run, after so many of its fits.
pub(crate) fn fraction(fits_done: f64, fits: usize) -> f64 {
    let (from, to) = FITTING;
    // Three digits are enough to watch.
    ((from + (to - from) * fits_done / fits.max(1) as f64) * 1e3).round() / 1e3
}

/// A fit in memory.
struct Running<'a> {
    fit: &'a Fit<'a>,
    network: Network,
    optimizer: AdamW,
    position: Position,
    best: Vec<f32>,
}

impl Fit<'_> {
    /// Errors: [`Error::Interrupted`] when asked to stop (a checkpoint is written), [`Error::Diverged`].
    pub fn run(&self, attendance: &mut Attendance<'_, '_>) -> Result<Weights> {
        let state = attendance.checkpoint.fit(attendance.index)?;
        let mut running = self.start(attendance.index as u64, state)?;
        while !running.is_over() {
            let (loss, validation_loss) = running.epoch(attendance)?;
            attendance.checkpoint.save_fit(attendance.index, &running.state()?)?;
            // What has been said is saved.
            attendance.epoch(&running.position, self.parameters.epochs, loss, validation_loss);
        }
        running.finished()
    }

    fn start(&self, index: u64, state: Option<State>) -> Result<Running<'_>> {
        let length = self.architecture.blocks().iter().map(crate::network::Block::length).sum::<usize>();
        let (position, numbers) = if let Some(state) = state {
            (state.position, state.numbers)
        } else {
            let generator = generator(self.seed, "weights", &[index]);
            let mut numbers = Weights::initial(self.architecture, self.positive_rate, generator).flat;
            numbers.resize(3 * length, 0.0);
            (Position::default(), numbers)
        };
        let part = |index: usize| numbers.get(index * length..(index + 1) * length).unwrap_or_default();
        let network = Network::new(self.architecture, part(0), self.device)?;
        let optimizer = AdamW::new(part(1), part(2), &network.decay_mask()?, self.parameters.weight_decay)?;
        Ok(Running { fit: self, network, optimizer, position, best: part(3).to_vec() })
    }
}

impl Running<'_> {
    fn is_over(&self) -> bool {
        let parameters = self.fit.parameters;
        let has_stalled = parameters.patience.is_some_and(|patience| self.position.stale >= patience);
        self.position.epoch >= parameters.epochs || (has_stalled && self.fit.validation.is_some())
    }

    /// Goes on with the epoch in progress to its end; its loss, and that on the validation rows.
    fn epoch(&mut self, attendance: &mut Attendance<'_, '_>) -> Result<(f64, Option<f64>)> {
        let (rows, batch_rows) = (self.fit.training.rows, self.fit.parameters.batch.max(1));
        let place = [attendance.index as u64, u64::from(self.position.epoch)];
        let order = permutation(rows, generator(self.fit.seed, "order", &place));
        for batch in order.chunks(batch_rows).skip(self.position.batch as usize) {
            if (attendance.stop)() {
                attendance.checkpoint.save_fit(attendance.index, &self.state()?)?;
                return Err(Error::Interrupted);
            }
            self.batch(batch, place)?;
            if self.position.batch.is_multiple_of(CHECKPOINT_BATCHES) {
                attendance.checkpoint.save_fit(attendance.index, &self.state()?)?;
            }
        }
        let loss = self.position.loss_sum / rows.max(1) as f64;
        self.position = Position { epoch: self.position.epoch + 1, batch: 0, loss_sum: 0.0, ..self.position.clone() };
        let validation_loss = self.validate()?;
        if !loss.is_finite() || validation_loss.is_some_and(|loss| !loss.is_finite()) {
            return Err(Error::Diverged { epoch: self.position.epoch });
        }
        Ok((loss, validation_loss))
    }

    /// `place`: which fit and which epoch.
    fn batch(&mut self, rows: &[i64], place: [u64; 2]) -> Result<()> {
        let indices = Tensor::f_from_slice(rows)?.f_to_device(self.fit.device)?;
        let examples = self.fit.training.select(&indices)?;
        let loss = self.network.loss(&examples, &self.masks(rows.len(), place)?)?;
        let gradient = self.network.gradient(&loss)?;
        let rate = self.learning_rate();
        self.position.step += 1;
        tch::no_grad(|| self.optimizer.step(&mut self.network.flat, &gradient, self.position.step, rate))?;
        self.position.loss_sum += loss.f_double_value(&[])? * rows.len() as f64;
        self.position.batch += 1;
        Ok(())
    }

    /// Falls evenly to nothing, so that the last batches don't decide where the weights end.
    fn learning_rate(&self) -> f64 {
        let parameters = self.fit.parameters;
        let batches = self.fit.training.rows.div_ceil(parameters.batch.max(1)) as u64;
        let all = batches * u64::from(parameters.epochs);
        parameters.learning_rate * (1.0 - self.position.step as f64 / all.max(1) as f64)
    }

    /// One a hidden layer: 0 for silent units, and what keeps the sum for the others.
    fn masks(&self, rows: usize, [index, epoch]: [u64; 2]) -> Result<Vec<Tensor>> {
        let dropout = self.fit.parameters.dropout;
        if dropout == 0.0 {
            return Ok(Vec::new());
        }
        let mut generator = generator(self.fit.seed, "dropout", &[index, epoch, self.position.batch]);
        let mut masks = Vec::new();
        for units in &self.fit.architecture.hidden {
            let kept = (1.0 / (1.0 - dropout)) as f32;
            let draws = (0..rows * units).map(|_| if generator.random::<f64>() < dropout { 0.0 } else { kept });
            let mask = Tensor::f_from_slice(&draws.collect::<Vec<f32>>())?.f_view([rows as i64, *units as i64])?;
            masks.push(mask.f_to_device(self.fit.device)?);
        }
        Ok(masks)
    }

    /// The loss on validation rows after an epoch, and whether it is the best one.
    fn validate(&mut self) -> Result<Option<f64>> {
        let Some(validation) = self.fit.validation else { return Ok(None) };
        let order: Vec<i64> = (0..validation.rows as i64).collect();
        let mut sum = 0.0;
        for rows in order.chunks(VALIDATION_ROWS) {
            let examples = validation.select(&Tensor::f_from_slice(rows)?.f_to_device(self.fit.device)?)?;
            let loss = tch::no_grad(|| self.network.loss(&examples, &[]))?;
            sum += loss.f_double_value(&[])? * rows.len() as f64;
        }
        let validation_loss = sum / validation.rows.max(1) as f64;
        if self.position.best.is_none_or(|best| validation_loss < best.validation_loss) {
            self.position.best = Some(Best { epoch: self.position.epoch, validation_loss });
            self.position.stale = 0;
            self.best = numbers(&self.network.flat)?;
        } else {
            self.position.stale += 1;
        }
        Ok(Some(validation_loss))
    }

    fn state(&self) -> Result<State> {
        let mut all = numbers(&self.network.flat)?;
        all.append(&mut numbers(&self.optimizer.mean)?);
        all.append(&mut numbers(&self.optimizer.square)?);
        all.extend_from_slice(&self.best);
        Ok(State { position: self.position.clone(), numbers: all })
    }

    /// The weights of the best epoch where epochs were compared, else of the last.
    fn finished(self) -> Result<Weights> {
        let flat = if self.best.is_empty() { numbers(&self.network.flat)? } else { self.best };
        if flat.iter().any(|weight| !weight.is_finite()) {
            return Err(Error::Diverged { epoch: self.position.epoch });
        }
        Ok(Weights { flat })
    }
}

fn numbers(flat: &Tensor) -> Result<Vec<f32>> {
    Ok(Vec::<f32>::try_from(flat)?)
}
