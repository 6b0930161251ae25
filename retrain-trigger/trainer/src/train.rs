//! The whole run: read, fit the folds, fit the model, score, write.

use std::fs;
use std::path::Path;

use contract::EventTime;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tch::Device;

use crate::artifact::{self, HELD_OUT_SCORES_FILE, TRAINING_SCORES_FILE, Trained};
use crate::checkpoint::{Checkpoint, Found};
use crate::data::{self, Layout, Table};
use crate::fit::{self, Attendance, Fit};
use crate::metrics::Metrics;
use crate::network::{Architecture, Examples, Weights};
use crate::preprocessing::{Encoded, Preprocessing};
use crate::progress::{Line, Phase, Progress};
use crate::{Error, Predictor, Result, Spec, device, folds};

/// Scores are computed for so many rows between two questions whether to stop.
const SCORED_ROWS: usize = 8_192;

/// Trains as `spec` says and leaves the artifact in `output`, or goes on where an earlier call was stopped. `stop` is asked
/// all the time, and at the latest a batch later the call ends with [`Error::Interrupted`].
///
/// Returns the content of `metrics.json`.
pub fn train(spec: &Spec, output: &Path, progress: &mut Progress<'_>, stop: &dyn Fn() -> bool) -> Result<Value> {
    fs::create_dir_all(output).map_err(Error::file(output, "created"))?;
    let device = device::choose(spec.device)?;
    tch::set_num_threads(i32::try_from(spec.threads).unwrap_or(1));
    let (mut checkpoint, found) = Checkpoint::open(output, &fingerprint(spec, device))?;
    if let Found::Unusable(reason) = &found {
        progress.say(&Line::Discarded { reason });
    }
    progress.phase(Phase::Read, 0.0);
    let table = read(spec, stop)?;
    let held_out =
        spec.held_out.as_ref().map(|file| data::read_pinned(file, &layout(spec, false), stop)).transpose()?;
    let assigned = folds::assign(&table.times, spec.parameters.folds)?;
    let mut run = Run { spec, device, table, folds: assigned, checkpoint: &mut checkpoint, progress, stop };
    if found == Found::Usable {
        let folds_done = run.checkpoint.folds_done();
        let fraction = fit::fraction(folds_done as f64, run.folds.count + 1);
        run.progress.say(&Line::Resumed { folds_done, fraction });
    }
    let out_of_fold = run.out_of_fold()?;
    let everything = vec![true; run.table.rows()];
    let model = run.fit(run.folds.count, &everything)?;
    run.finish(&model, &out_of_fold, held_out.as_ref(), output)
}

/// Everything that the result depends on.
fn fingerprint(spec: &Spec, device: Device) -> String {
    let columns: Vec<_> = spec.columns.iter().map(|column| json!([column.name, column.kind])).collect();
    let parts = json!({
        "build": artifact::build(),
        "model": spec.model, "retraining": spec.retraining, "parent": spec.parent_version, "version": spec.version,
        "seed": spec.seed, "device": device::name(device), "threads": spec.threads,
        "columns": columns, "names": [spec.event_id, spec.time, spec.label],
        "manifest": spec.manifest, "train": spec.train.sha256,
        "held_out": spec.held_out.as_ref().map(|file| &file.sha256),
        "parameters": spec.parameters,
    });
    format!("{:x}", Sha256::digest(parts.to_string()))
}

fn layout(spec: &Spec, is_labelled: bool) -> Layout<'_> {
    Layout {
        features: &spec.columns,
        event_id: &spec.event_id,
        time: is_labelled.then_some(spec.time.as_str()),
        label: is_labelled.then_some(spec.label.as_str()),
    }
}

fn read(spec: &Spec, stop: &dyn Fn() -> bool) -> Result<Table> {
    let table = data::read_pinned(&spec.train, &layout(spec, true), stop)?;
    let positives = table.labels.iter().filter(|label| **label).count();
    if positives == 0 || positives == table.rows() {
        let what = if table.rows() == 0 { "there are no rows" } else { "all labels are the same" };
        return Err(Error::Unlearnable(format!("{what} in {}", spec.train.path.display())));
    }
    Ok(table)
}

/// A model with what it was fitted through.
struct Fitted {
    preprocessing: Preprocessing,
    architecture: Architecture,
    weights: Weights,
    predictor: Predictor,
}

struct Run<'a, 'b> {
    spec: &'a Spec,
    device: Device,
    table: Table,
    folds: folds::Folds,
    checkpoint: &'a mut Checkpoint,
    progress: &'a mut Progress<'b>,
    stop: &'a dyn Fn() -> bool,
}

impl Run<'_, '_> {
    /// Each training row's score by the model that hasn't seen it.
    fn out_of_fold(&mut self) -> Result<Vec<f64>> {
        let mut scores = vec![0.0; self.table.rows()];
        for fold in 0..self.folds.count {
            let of_fold: Vec<bool> = self.folds.of.iter().map(|of| *of == fold).collect();
            let found = if let Some(found) = self.checkpoint.fold(fold)? {
                found
            } else {
                let seen: Vec<bool> = of_fold.iter().map(|is_left_out| !is_left_out).collect();
                let fitted = self.fit(fold, &seen)?;
                let found = self.score(&fitted.predictor, &self.table, Some(&of_fold))?;
                self.checkpoint.save_fold(&found)?;
                found
            };
            let places = scores.iter_mut().zip(&of_fold).filter(|(_, is_left_out)| **is_left_out);
            places.zip(found).for_each(|((place, _), score)| *place = score);
        }
        Ok(scores)
    }

    /// The fit of this number, on the rows that `seen` says.
    fn fit(&mut self, index: usize, seen: &[bool]) -> Result<Fitted> {
        let parameters = &self.spec.parameters;
        let (batches, columns) = (&self.table.batches, &self.spec.columns);
        let preprocessing =
            Preprocessing::learn(batches, columns, seen, parameters.minimum_category_rows, parameters.clip)?;
        let architecture = Architecture::new(&preprocessing, parameters)?;
        let is_newest = match parameters.patience {
            Some(_) => self.newest(seen),
            None => vec![false; seen.len()],
        };
        let learnt: Vec<bool> = seen.iter().zip(&is_newest).map(|(seen, is_newest)| *seen && !is_newest).collect();
        let (training, positives) = self.examples(&preprocessing, &learnt)?;
        let is_validated = is_newest.contains(&true);
        let validation = is_validated.then(|| self.examples(&preprocessing, &is_newest)).transpose()?;
        if positives == 0 || positives == training.rows {
            return Err(Error::Unlearnable(format!("all labels are the same when fold {index} is left out")));
        }
        let mut weights = Fit {
            architecture: &architecture,
            parameters,
            seed: self.spec.seed,
            training: &training,
            validation: validation.as_ref().map(|(examples, _)| examples),
            positive_rate: positives as f64 / training.rows as f64,
            device: self.device,
        }
        .run(&mut Attendance {
            index,
            fits: self.folds.count + 1,
            progress: self.progress,
            checkpoint: self.checkpoint,
            stop: self.stop,
        })?;
        weights.settle_unseen(&architecture, &preprocessing);
        let predictor = Predictor::new(preprocessing.clone(), &architecture, &weights).map_err(Error::Unlearnable)?;
        Ok(Fitted { preprocessing, architecture, weights, predictor })
    }

    /// Of the rows that are seen, those of the newest days.
    fn newest(&self, seen: &[bool]) -> Vec<bool> {
        let times = self.table.times.iter().zip(seen).filter(|(_, seen)| **seen).map(|(time, _)| *time);
        let mut newest = folds::newest_days(&times.collect::<Vec<_>>()).into_iter();
        seen.iter().map(|seen| *seen && newest.next().unwrap_or(false)).collect()
    }

    /// Encoded rows, and how many of them have the positive class. In a drill the labels are inverted here, and nowhere else.
    fn examples(&self, preprocessing: &Preprocessing, wanted: &[bool]) -> Result<(Examples, usize)> {
        let mut chosen = Encoded::default();
        let (width, tables) = (preprocessing.numbers(), preprocessing.tables().count());
        let mut rest = wanted;
        for batch in &self.table.batches {
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            let encoded = preprocessing.encode(batch)?;
            let (mine, others) = rest.split_at_checked(encoded.rows).unwrap_or_default();
            rest = others;
            for (row, _) in mine.iter().enumerate().filter(|(_, wanted)| **wanted) {
                chosen.rows += 1;
                chosen
                    .numbers
                    .extend_from_slice(encoded.numbers.get(row * width..(row + 1) * width).unwrap_or_default());
                chosen.codes.extend_from_slice(encoded.codes.get(row * tables..(row + 1) * tables).unwrap_or_default());
            }
        }
        let is_inverted = self.spec.parameters.invert_labels;
        let labels = self.table.labels.iter().zip(wanted).filter(|(_, wanted)| **wanted);
        let labels: Vec<bool> = labels.map(|(label, _)| *label != is_inverted).collect();
        let positives = labels.iter().filter(|label| **label).count();
        Ok((Examples::new(&chosen, &labels, self.device)?, positives))
    }

    /// Scores of all rows, or of those that `wanted` says.
    fn score(&self, predictor: &Predictor, table: &Table, wanted: Option<&[bool]>) -> Result<Vec<f64>> {
        let mut scores = Vec::new();
        for batch in &table.batches {
            for start in (0..batch.num_rows()).step_by(SCORED_ROWS) {
                if (self.stop)() {
                    return Err(Error::Interrupted);
                }
                let rows = SCORED_ROWS.min(batch.num_rows() - start);
                scores.extend(predictor.score(&batch.slice(start, rows))?);
            }
        }
        if let Some(wanted) = wanted {
            let mut wanted = wanted.iter();
            scores.retain(|_| wanted.next().is_some_and(|wanted| *wanted));
        }
        Ok(scores)
    }

    fn finish(self, model: &Fitted, out_of_fold: &[f64], held_out: Option<&Table>, output: &Path) -> Result<Value> {
        self.progress.phase(Phase::Score, fit::FITTING.1);
        let in_sample = self.score(&model.predictor, &self.table, None)?;
        let held_out_scores = held_out.map(|table| self.score(&model.predictor, table, None)).transpose()?;
        let times = || self.table.times.iter().copied();
        let span = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        self.progress.phase(Phase::Write, 0.98);
        let draft = self.checkpoint.folder().join("scores.draft");
        artifact::write_scores(&self.table.event_ids, out_of_fold, &draft, &output.join(TRAINING_SCORES_FILE))?;
        if let (Some(table), Some(scores)) = (held_out, held_out_scores) {
            artifact::write_scores(&table.event_ids, &scores, &draft, &output.join(HELD_OUT_SCORES_FILE))?;
        }
        let trained = Trained {
            spec: self.spec,
            device: device::name(self.device),
            preprocessing: &model.preprocessing,
            architecture: &model.architecture,
            weights: &model.weights,
            span: (EventTime::from_micros(span.0), EventTime::from_micros(span.1)),
            folds: self.folds.count,
            out_of_fold: Metrics::of(out_of_fold, &self.table.labels)?,
            in_sample: Metrics::of(&in_sample, &self.table.labels)?,
        };
        artifact::write(&trained, output, self.checkpoint)
    }
}
