//! The model: embeddings for categories beside the numbers, then layers of rectified units, then one logit.
//!
//! Without hidden layers it is a logistic regression: a coefficient for each number and for each category.
//!
//! All parameters lie in one flat tensor, and the layers are views into it: an optimizer's step is a handful of operations
//! whatever the number of layers, and a checkpoint is one block of numbers.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::parameters::{MAX_HIDDEN_LAYERS, Parameters};
use crate::preprocessing::{Encoded, Preprocessing};
use crate::{Error, Result};

const MAX_PARAMETERS: usize = 50_000_000;
/// Without a choice, an embedding has at most so many numbers.
const MAX_USUAL_EMBEDDING: usize = 8;
/// Initial embeddings are uniform within ± this.
const EMBEDDING_BOUND: f64 = 0.5;

/// The architecture, as `model.json` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    pub numbers: usize,
    /// One for each categorical column.
    pub embeddings: Vec<Embedding>,
    /// Units of each layer.
    pub hidden: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedding {
    pub codes: usize,
    pub dimension: usize,
}

/// One block of the flat tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub name: String,
    pub size: Vec<i64>,
    /// Uniform within ± this at the start.
    bound: f64,
    pub decays: bool,
}

impl Block {
    pub fn length(&self) -> usize {
        self.size.iter().product::<i64>() as usize
    }
}

impl Architecture {
    /// For encoded columns. Errors: [`Error::Unlearnable`] for more parameters than this trainer takes.
    pub fn new(preprocessing: &Preprocessing, parameters: &Parameters) -> Result<Self> {
        let dimension = |codes: usize| match (parameters.hidden.is_empty(), parameters.embedding) {
            (true, _) => 1,
            (false, Some(dimension)) => dimension,
            (false, None) => ((codes as f64).sqrt().ceil() as usize).min(MAX_USUAL_EMBEDDING),
        };
        let embedding = |codes| Embedding { codes, dimension: dimension(codes) };
        let architecture = Self {
            numbers: preprocessing.numbers(),
            embeddings: preprocessing.tables().map(|(_, category)| embedding(category.codes())).collect(),
            hidden: parameters.hidden.clone(),
        };
        architecture.check().map_err(Error::Unlearnable)?;
        Ok(architecture)
    }

    /// Errors in words.
    pub fn check(&self) -> Result<(), String> {
        let saturating = |length: usize, more: (usize, usize)| length.saturating_add(more.0.saturating_mul(more.1));
        let tables = self.embeddings.iter().map(|embedding| (embedding.codes, embedding.dimension));
        let inputs =
            self.embeddings.iter().fold(self.numbers, |sum, embedding| sum.saturating_add(embedding.dimension));
        let layers = std::iter::once(&inputs).chain(&self.hidden).zip(self.hidden.iter().chain([&1]));
        let length = tables.chain(layers.map(|(from, to)| (from.saturating_add(1), *to))).fold(0, saturating);
        if length > MAX_PARAMETERS {
            return Err(format!("the model would have {length} parameters; at most {MAX_PARAMETERS} are taken"));
        }
        // For scoring, what each category adds to the first layer is a table.
        let units = self.hidden.first().copied().unwrap_or(0);
        let codes = self.embeddings.iter().fold(0, |sum: usize, embedding| sum.saturating_add(embedding.codes));
        let table = codes.saturating_mul(units);
        if table > MAX_PARAMETERS || self.hidden.len() > MAX_HIDDEN_LAYERS {
            return Err(format!(
                "the model has {codes} categories, {units} units in its first layer and {} hidden layers: too large to score",
                self.hidden.len()
            ));
        }
        Ok(())
    }

    /// The parameters, in the order of the flat tensor.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let is_linear = self.hidden.is_empty();
        let mut blocks = Vec::new();
        for (index, embedding) in self.embeddings.iter().enumerate() {
            let bound = if is_linear { 0.0 } else { EMBEDDING_BOUND };
            let size = vec![embedding.codes as i64, embedding.dimension as i64];
            blocks.push(Block { name: format!("embedding.{index}.weight"), size, bound, decays: true });
        }
        let embedded: usize = self.embeddings.iter().map(|embedding| embedding.dimension).sum();
        let mut inputs = if is_linear { self.numbers } else { self.numbers + embedded };
        for (index, units) in self.hidden.iter().chain([&1]).enumerate() {
            let name = if index == self.hidden.len() { "output".to_owned() } else { format!("hidden.{index}") };
            let bound = if is_linear { 0.0 } else { 1.0 / (inputs.max(1) as f64).sqrt() };
            let size = vec![*units as i64, inputs as i64];
            blocks.push(Block { name: format!("{name}.weight"), size, bound, decays: true });
            blocks.push(Block { name: format!("{name}.bias"), size: vec![*units as i64], bound: 0.0, decays: false });
            inputs = *units;
        }
        blocks
    }
}

/// Parameters as plain numbers, in the order of [`Architecture::blocks`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub(crate) flat: Vec<f32>,
}

impl Weights {
    /// Where a fit starts: small random numbers, and the base rate of the positive class.
    pub(crate) fn initial(architecture: &Architecture, positive_rate: f64, mut generator: StdRng) -> Self {
        let mut flat = Vec::new();
        for block in architecture.blocks() {
            let draws = 0..block.length();
            flat.extend(draws.map(|_| {
                if block.bound > 0.0 { generator.random_range(-block.bound..block.bound) as f32 } else { 0.0 }
            }));
        }
        if let Some(bias) = flat.last_mut() {
            *bias = (positive_rate / (1.0 - positive_rate)).ln() as f32;
        }
        Self { flat }
    }

    /// `other` of a column where no training row was `other` never moved: it becomes the mean of the other categories, by their rows.
    pub(crate) fn settle_unseen(&mut self, architecture: &Architecture, preprocessing: &Preprocessing) {
        let mut rest = self.flat.as_mut_slice();
        for (embedding, (_, category)) in architecture.embeddings.iter().zip(preprocessing.tables()) {
            let length = embedding.codes * embedding.dimension;
            let Some((table, others)) = std::mem::take(&mut rest).split_at_mut_checked(length) else { return };
            rest = others;
            let Some((other, known)) = table.split_at_mut_checked(embedding.dimension) else { return };
            if category.other_rows > 0 {
                continue;
            }
            let rows = || category.rows.iter().chain(&category.missing_rows);
            let total = rows().sum::<u64>().max(1) as f64;
            for (place, value) in other.iter_mut().enumerate() {
                let column = known.iter().skip(place).step_by(embedding.dimension);
                let sum: f64 = column.zip(rows()).map(|(value, rows)| f64::from(*value) * *rows as f64).sum();
                *value = (sum / total) as f32;
            }
        }
    }

    /// Writes a safetensors file, one tensor a block.
    pub fn save(&self, architecture: &Architecture, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        let mut rest = self.flat.as_slice();
        for block in architecture.blocks() {
            let Some((mine, others)) = rest.split_at_checked(block.length()) else {
                return Err(Error::Unlearnable("the weights don't fit the architecture".to_owned()));
            };
            tensors.push((block.name, Tensor::f_from_slice(mine)?.f_view(block.size.as_slice())?));
            rest = others;
        }
        Ok(Tensor::write_safetensors(&tensors, path)?)
    }

    /// Reads what [`Weights::save`] wrote. Errors in words.
    pub fn load(architecture: &Architecture, path: &Path) -> Result<Self, String> {
        architecture.check()?;
        let tensors = Tensor::read_safetensors(path).map_err(|error| error.to_string())?;
        let mut flat: Vec<f32> = Vec::new();
        for block in architecture.blocks() {
            let (_, tensor) = tensors
                .iter()
                .find(|(name, _)| *name == block.name)
                .ok_or_else(|| format!("it has no tensor `{}`", block.name))?;
            if tensor.size() != block.size || tensor.f_kind().ok() != Some(Kind::Float) {
                return Err(format!("the tensor `{}` isn't float32 of the size {:?}", block.name, block.size));
            }
            let mut values = vec![0.0; block.length()];
            tensor.f_copy_data(&mut values, block.length()).map_err(|error| error.to_string())?;
            flat.append(&mut values);
        }
        if flat.iter().any(|value| !value.is_finite()) {
            return Err("its weights aren't all numbers".to_owned());
        }
        Ok(Self { flat })
    }
}

/// Encoded rows on a device, with their labels.
#[derive(Debug)]
pub struct Examples {
    pub(crate) rows: usize,
    numbers: Tensor,
    codes: Tensor,
    labels: Tensor,
}

impl Examples {
    /// `labels`: one a row.
    pub fn new(encoded: &Encoded, labels: &[bool], device: Device) -> Result<Self> {
        let labels: Vec<f32> = labels.iter().map(|label| if *label { 1.0 } else { 0.0 }).collect();
        let rows = encoded.rows as i64;
        let width = |length: usize| (length / encoded.rows.max(1)) as i64;
        Ok(Self {
            rows: encoded.rows,
            numbers: Tensor::f_from_slice(&encoded.numbers)?
                .f_view([rows, width(encoded.numbers.len())])?
                .f_to_device(device)?,
            codes: Tensor::f_from_slice(&encoded.codes)?
                .f_view([rows, width(encoded.codes.len())])?
                .f_to_device(device)?,
            labels: Tensor::f_from_slice(&labels)?.f_to_device(device)?,
        })
    }

    /// The rows with these numbers, in this order.
    pub(crate) fn select(&self, rows: &Tensor) -> Result<Self> {
        Ok(Self {
            rows: rows.numel(),
            numbers: self.numbers.f_index_select(0, rows)?,
            codes: self.codes.f_index_select(0, rows)?,
            labels: self.labels.f_index_select(0, rows)?,
        })
    }
}

/// Parameters on a device.
pub(crate) struct Network {
    architecture: Architecture,
    /// All parameters. The blocks share its memory.
    pub flat: Tensor,
    blocks: Vec<Tensor>,
}

impl Network {
    pub fn new(architecture: &Architecture, flat: &[f32], device: Device) -> Result<Self> {
        let flat = Tensor::f_from_slice(flat)?.f_to_device(device)?;
        let mut blocks = Vec::new();
        let mut offset = 0;
        for block in architecture.blocks() {
            let length = block.length() as i64;
            let view = flat.f_narrow(0, offset, length)?.f_view(block.size.as_slice())?;
            // Detached it is a leaf, of which there are gradients, and still the same memory.
            blocks.push(view.f_detach()?.f_set_requires_grad(true)?);
            offset += length;
        }
        Ok(Self { architecture: architecture.clone(), flat, blocks })
    }

    /// 1 for parameters that decay, 0 for biases.
    pub fn decay_mask(&self) -> Result<Tensor> {
        let flags = self.architecture.blocks().into_iter().flat_map(|block| {
            let flag: f32 = if block.decays { 1.0 } else { 0.0 };
            std::iter::repeat_n(flag, block.length())
        });
        Ok(Tensor::f_from_slice(&flags.collect::<Vec<_>>())?.f_to_device(self.flat.device())?)
    }

    /// Mean log loss. `masks`: what each hidden layer's units are multiplied by (rows × units); none without dropout.
    pub fn loss(&self, examples: &Examples, masks: &[Tensor]) -> Result<Tensor> {
        let logits = self.logits(examples, masks)?;
        let none: Option<&Tensor> = None;
        Ok(logits.f_binary_cross_entropy_with_logits(&examples.labels, none, none, tch::Reduction::Mean)?)
    }

    /// Gradient of a loss, flat.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.blocks, false, false)?;
        let flat = gradients.iter().map(|gradient| gradient.f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::f_cat(&flat, 0)?)
    }

    /// One a row.
    pub fn logits(&self, examples: &Examples, masks: &[Tensor]) -> Result<Tensor> {
        let (tables, layers) = self.blocks.split_at(self.architecture.embeddings.len().min(self.blocks.len()));
        let mut embedded = Vec::with_capacity(tables.len() + 1);
        for (column, table) in tables.iter().enumerate() {
            let codes = examples.codes.f_select(1, column as i64)?;
            embedded.push(Tensor::f_embedding(table, &codes, -1, false, false)?);
        }
        let pairs = layers.chunks_exact(2).filter_map(|pair| pair.first().zip(pair.last()));
        if self.architecture.hidden.is_empty() {
            // Each category's one number is its coefficient.
            let mut logits = embedded.into_iter();
            let mut sum = logits.next();
            for more in logits {
                sum = sum.map(|sum| sum.f_add(&more)).transpose()?;
            }
            for (weight, bias) in pairs {
                let linear = examples.numbers.f_linear(weight, Some(bias))?;
                sum = Some(sum.map_or_else(|| Ok(linear.shallow_clone()), |sum| sum.f_add(&linear))?);
            }
            return Ok(sum.ok_or_else(|| Error::Unlearnable("the model has no layer".to_owned()))?.f_squeeze_dim(1)?);
        }
        embedded.push(examples.numbers.shallow_clone());
        let mut units = Tensor::f_cat(&embedded, 1)?;
        for (layer, (weight, bias)) in pairs.enumerate() {
            units = units.f_linear(weight, Some(bias))?;
            if layer < self.architecture.hidden.len() {
                units = units.f_relu()?;
            }
            if let Some(mask) = masks.get(layer) {
                units = units.f_mul(mask)?;
            }
        }
        Ok(units.f_squeeze_dim(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_an_architecture_that_would_take_all_memory_to_score_is_refused() {
        let wide = |codes, hidden| {
            let embeddings = vec![Embedding { codes, dimension: 1 }];
            Architecture { numbers: 1, embeddings, hidden }.check()
        };
        assert_eq!(wide(1_000, vec![1_000]), Ok(()));
        // Few parameters, and a table of a hundred million numbers.
        assert!(wide(10_000, vec![10_000]).unwrap_err().ends_with("too large to score"));
        assert!(wide(1, vec![1; 9]).unwrap_err().ends_with("too large to score"));
    }
}
