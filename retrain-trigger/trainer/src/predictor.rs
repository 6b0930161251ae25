//! A trained model that scores rows, in a serving app as well as at the end of a training.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use contract::model::ColumnKind;

use crate::artifact::{MODEL_FILE, Model, WEIGHTS_FILE};
use crate::network::{Architecture, Weights};
use crate::preprocessing::Preprocessing;
use crate::{Error, Result, data};

/// `model.json` with the categories of some columns.
const MAX_MODEL_BYTES: u64 = 64 << 20;
/// Logits are held within ±this: scores stay clear of 0 and 1.
const MAX_LOGIT: f64 = 30.0;

/// One feature, as the model was trained on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// A model in memory. Plain numbers, no tensor: it is `Send` and `Sync`, and a row's score is the same bits whatever batch it
/// comes in. (A matrix product of libtorch rounds otherwise for other numbers of rows.)
#[derive(Debug)]
pub struct Predictor {
    columns: Vec<Column>,
    schema: SchemaRef,
    preprocessing: Preprocessing,
    /// What each category adds to the first layer, column by column: codes × units.
    tables: Vec<Vec<f64>>,
    /// The first takes the numbers. At least one; the last has one unit.
    layers: Vec<Layer>,
}

/// A linear layer.
#[derive(Debug)]
struct Layer {
    /// Inputs × units: a row for each input.
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Predictor {
    /// Reads `model.json` and `model.safetensors`. Whether they are the bytes that were registered is the caller's to check.
    ///
    /// Errors: [`Error::Model`].
    pub fn load(folder: &Path) -> Result<Self> {
        let wrong = |detail: String| Error::Model { folder: folder.to_owned(), detail };
        let path = folder.join(MODEL_FILE);
        let length = std::fs::metadata(&path).map_err(|error| wrong(format!("{MODEL_FILE}: {error}")))?.len();
        if length > MAX_MODEL_BYTES {
            return Err(wrong(format!("{MODEL_FILE} is longer than {MAX_MODEL_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(format!("{MODEL_FILE}: {error}")))?;
        let model = Model::parse(&text).map_err(|detail| wrong(format!("{MODEL_FILE}: {detail}")))?;
        let weights = Weights::load(&model.architecture, &folder.join(WEIGHTS_FILE))
            .map_err(|detail| wrong(format!("{WEIGHTS_FILE}: {detail}")))?;
        Self::new(model.preprocessing, &model.architecture, &weights).map_err(wrong)
    }

    /// Errors in words: the parts don't belong together.
    pub(crate) fn new(
        preprocessing: Preprocessing,
        architecture: &Architecture,
        weights: &Weights,
    ) -> Result<Self, String> {
        preprocessing.check()?;
        let codes = preprocessing.tables().map(|(_, category)| category.codes());
        let is_fitting = codes.eq(architecture.embeddings.iter().map(|embedding| embedding.codes))
            && preprocessing.numbers() == architecture.numbers;
        let mut blocks = Blocks::of(architecture, weights).filter(|_| is_fitting);
        let blocks = blocks.as_mut().ok_or("its preprocessing, architecture and weights don't belong together")?;
        let embeddings: Vec<Vec<f64>> = architecture.embeddings.iter().map(|_| blocks.next()).collect();
        let layers: Vec<Layer> = (0..=architecture.hidden.len())
            .map(|_| {
                let (weights, bias) = (blocks.next(), blocks.next());
                Layer { weights: transposed(&weights, bias.len()), bias }
            })
            .collect();
        let (tables, layers) = folded(architecture, embeddings, layers);
        let columns: Vec<Column> = preprocessing
            .columns
            .iter()
            .map(|encoding| Column { name: encoding.name.clone(), kind: encoding.kind })
            .collect();
        Ok(Self { schema: data::schema(&columns), columns, preprocessing, tables, layers })
    }

    /// The features, in the order of [`Predictor::schema`].
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What [`Predictor::score`] expects: nullable Float64, Int64, Boolean and Utf8.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Probabilities of the positive class, strictly between 0 and 1, one a row. Null, and numbers that aren't finite, are
    /// missing values; categories that the training didn't know are `other`.
    ///
    /// Errors: [`Error::Input`] for columns of other names or types.
    pub fn score(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        for (index, (column, field)) in self.columns.iter().zip(batch.schema_ref().fields()).enumerate() {
            if column.name != *field.name() {
                return Err(Error::Input(format!(
                    "its column {index} is `{}`, and the model's is `{}`",
                    field.name(),
                    column.name
                )));
            }
        }
        let encoded = self.preprocessing.encode(batch)?;
        let (width, tables) = (self.preprocessing.numbers(), self.tables.len());
        let row = |row: usize| {
            let numbers = encoded.numbers.get(row * width..(row + 1) * width).unwrap_or_default();
            let codes = encoded.codes.get(row * tables..(row + 1) * tables).unwrap_or_default();
            self.score_row(numbers, codes)
        };
        Ok((0..encoded.rows).map(row).collect())
    }

    fn score_row(&self, numbers: &[f32], codes: &[i32]) -> f64 {
        let mut inputs: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            let units = layer.bias.len();
            let mut sums = layer.bias.clone();
            if index == 0 {
                for (code, table) in codes.iter().zip(&self.tables) {
                    let at = usize::try_from(*code).unwrap_or(0) * units;
                    add(&mut sums, table.get(at..at + units).unwrap_or_default(), 1.0);
                }
            }
            for (input, weights) in inputs.iter().zip(layer.weights.chunks_exact(units.max(1))) {
                // Silent units are many, and add nothing.
                if *input != 0.0 {
                    add(&mut sums, weights, *input);
                }
            }
            if index + 1 < self.layers.len() {
                for sum in &mut sums {
                    *sum = sum.max(0.0);
                }
            }
            inputs = sums;
        }
        let logit = inputs.first().copied().unwrap_or_default().clamp(-MAX_LOGIT, MAX_LOGIT);
        1.0 / (1.0 + (-logit).exp())
    }
}

fn add(sums: &mut [f64], weights: &[f64], input: f64) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum += input * weight;
    }
}

/// The weights' blocks one after the other.
struct Blocks<'a> {
    lengths: std::vec::IntoIter<usize>,
    rest: &'a [f32],
}

impl<'a> Blocks<'a> {
    /// None when they don't fit.
    fn of(architecture: &Architecture, weights: &'a Weights) -> Option<Self> {
        let lengths: Vec<usize> = architecture.blocks().iter().map(crate::network::Block::length).collect();
        let is_fitting = lengths.iter().sum::<usize>() == weights.flat.len();
        is_fitting.then(|| Self { lengths: lengths.into_iter(), rest: &weights.flat })
    }

    fn next(&mut self) -> Vec<f64> {
        let length = self.lengths.next().unwrap_or(0);
        let (block, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        block.iter().map(|value| f64::from(*value)).collect()
    }
}

/// From a row for each unit to a row for each input.
fn transposed(weights: &[f64], units: usize) -> Vec<f64> {
    let inputs = weights.len() / units.max(1);
    (0..inputs).flat_map(|input| weights.iter().skip(input).step_by(inputs).copied()).collect()
}

/// Embeddings and the part of the first layer that takes them become one table a column: what a category adds is looked up.
fn folded(
    architecture: &Architecture,
    embeddings: Vec<Vec<f64>>,
    mut layers: Vec<Layer>,
) -> (Vec<Vec<f64>>, Vec<Layer>) {
    if architecture.hidden.is_empty() {
        return (embeddings, layers);
    }
    let Some(first) = layers.first_mut() else { return (embeddings, layers) };
    let units = first.bias.len();
    let mut tables = Vec::with_capacity(embeddings.len());
    for (embedding, values) in architecture.embeddings.iter().zip(embeddings) {
        let mut weights = first.weights.split_off((embedding.dimension * units).min(first.weights.len()));
        std::mem::swap(&mut weights, &mut first.weights);
        let mut table = vec![0.0; embedding.codes * units];
        for (row, numbers) in table.chunks_exact_mut(units.max(1)).zip(values.chunks_exact(embedding.dimension.max(1)))
        {
            for (number, weights) in numbers.iter().zip(weights.chunks_exact(units.max(1))) {
                add(row, weights, *number);
            }
        }
        tables.push(table);
    }
    (tables, layers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use tch::Device;

    use super::*;
    use crate::network::{Examples, Network};
    use crate::parameters::Parameters;
    use crate::random::generator;

    fn batch() -> RecordBatch {
        let x: Float64Array = (0..40).map(|row| (row % 7 > 0).then_some(f64::from(row) * 0.37 % 5.0)).collect();
        let y: Float64Array = (0..40).map(|row| Some(f64::from(row % 3))).collect();
        let a: StringArray = (0..40).map(|row| Some(["p", "q", "r", "s"][row % 4])).collect();
        let b: StringArray = (0..40).map(|row| (row % 5 > 0).then_some(["u", "v"][row % 2])).collect();
        let arrays: Vec<(&str, ArrayRef)> =
            vec![("x", Arc::new(x)), ("a", Arc::new(a)), ("y", Arc::new(y)), ("b", Arc::new(b))];
        RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    }

    /// The scoring in plain arithmetic against libtorch's.
    #[test]
    fn scores_are_those_of_the_network() {
        let batch = batch();
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let (number, text) = (ColumnKind::Float64, ColumnKind::String);
        let columns = [column("x", number), column("a", text), column("y", number), column("b", text)];
        let preprocessing = Preprocessing::learn(std::slice::from_ref(&batch), &columns, &[true; 40], 1, 3.0).unwrap();
        for hidden in [vec![], vec![5], vec![6, 3]] {
            let parameters = Parameters { hidden, ..Parameters::default() };
            let architecture = Architecture::new(&preprocessing, &parameters).unwrap();
            let mut weights = Weights::initial(&architecture, 0.3, generator(1, "test", &[]));
            // A logistic regression begins with noughts, which would hide everything.
            for (place, weight) in weights.flat.iter_mut().enumerate() {
                *weight += ((place * 37 % 17) as f32 - 8.0) / 16.0;
            }
            let predictor = Predictor::new(preprocessing.clone(), &architecture, &weights).unwrap();
            let scores = predictor.score(&batch).unwrap();
            let examples = Examples::new(&preprocessing.encode(&batch).unwrap(), &[false; 40], Device::Cpu).unwrap();
            let network = Network::new(&architecture, &weights.flat, Device::Cpu).unwrap();
            let theirs = Vec::<f64>::try_from(network.logits(&examples, &[]).unwrap().sigmoid()).unwrap();
            let spread = scores.iter().copied().fold(0.0, f64::max) - scores.iter().copied().fold(1.0, f64::min);
            assert!(spread > 0.02, "{scores:?}");
            for (ours, theirs) in scores.iter().zip(theirs) {
                assert!((ours - theirs).abs() < 1e-5, "{:?}: {ours} and {theirs}", architecture.hidden);
            }
            weights.flat.pop();
            assert!(Predictor::new(preprocessing.clone(), &architecture, &weights).is_err());
        }
    }
}
