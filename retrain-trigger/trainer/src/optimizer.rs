//! AdamW (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2) over one flat tensor.
//!
//! Written out here since its state must be kept in checkpoints, which libtorch's own optimizers don't offer.

use tch::{Device, Tensor};

use crate::Result;

const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Moments of the gradient, as long as the parameters.
pub(crate) struct AdamW {
    pub mean: Tensor,
    pub square: Tensor,
    /// The weight decay of each parameter.
    decay: Tensor,
}

impl AdamW {
    /// `decay_mask`: 1 where parameters decay.
    pub fn new(mean: &[f32], square: &[f32], decay_mask: &Tensor, weight_decay: f64) -> Result<Self> {
        let device: Device = decay_mask.device();
        Ok(Self {
            mean: Tensor::f_from_slice(mean)?.f_to_device(device)?,
            square: Tensor::f_from_slice(square)?.f_to_device(device)?,
            decay: decay_mask.f_mul_scalar(weight_decay)?,
        })
    }

    /// One step; `step` counts from 1.
    pub fn step(&mut self, parameters: &mut Tensor, gradient: &Tensor, step: u64, learning_rate: f64) -> Result<()> {
        let corrected = |decay: f64| 1.0 - decay.powf(step as f64);
        let _ = self.mean.f_lerp_(gradient, 1.0 - MEAN_DECAY)?;
        let _ = self.square.f_lerp_(&gradient.f_square()?, 1.0 - SQUARE_DECAY)?;
        let mut denominator = self.square.f_div_scalar(corrected(SQUARE_DECAY))?;
        let _ = denominator.f_sqrt_()?.f_add_scalar_(EPSILON)?;
        let mut change = self.mean.f_div(&denominator)?;
        let _ = change.f_mul_scalar_(learning_rate / corrected(MEAN_DECAY))?;
        // Held above nought: a decay beyond all of a weight would turn its sign.
        let keep = self.decay.f_mul_scalar(-learning_rate)?.f_add_scalar(1.0)?.f_clamp_min(0.0)?;
        let _ = parameters.f_mul_(&keep)?;
        let _ = parameters.f_sub_(&change)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The algorithm on one number, in plain arithmetic.
    #[test]
    fn steps_follow_the_paper() {
        let decay = 0.5;
        let mut parameters = Tensor::from_slice(&[2.0_f32, 2.0]);
        let mask = Tensor::from_slice(&[1.0_f32, 0.0]);
        let mut optimizer = AdamW::new(&[0.0; 2], &[0.0; 2], &mask, decay).unwrap();
        let (mut mean, mut square, mut decaying, mut plain) = (0.0, 0.0, 2.0, 2.0);
        for (index, gradient) in [3.0_f64, -1.0, 0.5].into_iter().enumerate() {
            let step = index as i32 + 1;
            let rate = 0.1 / f64::from(step);
            optimizer.step(&mut parameters, &Tensor::from_slice(&[gradient as f32; 2]), step as u64, rate).unwrap();
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let change =
                rate * (mean / (1.0 - 0.9_f64.powi(step))) / ((square / (1.0 - 0.999_f64.powi(step))).sqrt() + 1e-8);
            decaying = decaying * (1.0 - rate * decay) - change;
            plain -= change;
        }
        assert!((parameters.double_value(&[0]) - decaying).abs() < 1e-5, "{parameters:?} {decaying}");
        assert!((parameters.double_value(&[1]) - plain).abs() < 1e-5, "{parameters:?} {plain}");
    }
}
