//! Pinning: the rows that a candidate learns from and is judged on, chosen once for a retraining.
//!
//! - [`span`](super::span) chooses events and history files, [`join`](super::join) joins them, [`split`](super::split) writes
//!   `train.parquet`, `held_out.parquet` and `held_out_truth.parquet`, and [`manifest`](super::manifest) is the commit.
//! - A kill before the manifest is written leaves nothing pinned; after it, the same retraining gets the same files for ever,
//!   made anew from the manifest's list if they are gone.
//! - Every history file is compared with its SHA-256 before it is used.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use contract::artifact::hash_file;
use contract::model::Retrain;
use futures::StreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::join::{self, Join};
use super::manifest::{MANIFEST, ManifestFile, Results, Selection, SourceFile};
use super::split::{self, MAX_LABELLED_ROWS, Split};
use super::{Effects, files, span, training};
use crate::retraining::{Manifest, Retraining};
use crate::world::{Outcome, Trouble};

/// A model's retrainings that keep their data, logs and outputs; older ones keep the manifest alone.
pub const RETRAININGS_KEPT: usize = 10;
/// Retrainings that are looked at when one is pinned.
const LOOKS_BACK: u32 = 1_000;

/// Pins a retraining's data, or finds them pinned.
pub(super) async fn pin(effects: &Effects, retraining: &Retraining) -> Outcome<Manifest> {
    let folder = effects.folder(&retraining.id);
    std::fs::create_dir_all(&folder)
        .and_then(|()| files::sweep(&folder))
        .map_err(|error| files::cannot_write(&folder, &error))?;
    if let Some(pinned) = ManifestFile::read(&folder)? {
        restore(effects, &folder, &pinned).await?;
        return pinned.summary(&folder);
    }
    forget_old(effects).await;
    let retrain = effects.retrain()?;
    let selection = span::choose(&effects.store, &effects.contract, retrain, &retraining.id).await?;
    let selection = verified(effects, selection).await?;
    let results = build(effects, &folder, &selection, Some(retrain)).await?;
    let pinned = ManifestFile { selection, results };
    pinned.write(&folder)?;
    pinned.summary(&folder)
}

/// Makes room: what was registered lies in the registry, and a manifest says what a version has learnt from. What can't be
/// removed now is removed with the next one.
async fn forget_old(effects: &Effects) {
    let rows = effects.store.requested_retrainings(&effects.contract.model, LOOKS_BACK).await.unwrap_or_default();
    let folders = rows.iter().filter(|row| !row.is_active).map(|row| effects.folder(&row.id));
    let folders: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).skip(RETRAININGS_KEPT).collect();
    let emptied = super::blocking(move || {
        for folder in folders {
            // Someone may have failed to stop its trainer.
            if !training::is_held(&folder)? {
                files::empty(&folder, MANIFEST).map_err(|error| files::cannot_write(&folder, &error))?;
            }
        }
        Ok(())
    });
    if let Err(trouble) = emptied.await {
        tracing::warn!("old retrainings stay on the disk: {trouble}");
    }
}

/// The data files of a manifest, made anew where they aren't as they were.
pub(super) async fn restore(effects: &Effects, folder: &Path, pinned: &ManifestFile) -> Outcome<()> {
    let (data, at) = (pinned.results.data.clone(), folder.to_owned());
    if super::blocking(move || Ok(data.are_there(&at))).await? {
        return Ok(());
    }
    verified(effects, pinned.selection.clone()).await?;
    let results = build(effects, folder, &pinned.selection, None).await?;
    if results != pinned.results {
        return Err(Trouble::Lasting(format!(
            "the data of {} can't be made again as they were pinned; start another retraining",
            folder.display()
        )));
    }
    Ok(())
}

/// Compares every history file with its SHA-256, and finds the rows of the span in it.
async fn verified(effects: &Effects, selection: Selection) -> Outcome<Selection> {
    let state = effects.folders.state.clone();
    super::blocking(move || {
        let mut selection = selection;
        let (names, horizon) = (selection.names.clone(), selection.label_horizon);
        let (from, to) = (selection.from.micros(), selection.to.micros());
        for file in &mut selection.files {
            verify(&state, file)?;
            let (time, from, to) = match file.kind.as_str() {
                "label" => ("time", from.saturating_sub(horizon), to.saturating_add(horizon)),
                _ => (names.time.as_str(), from, to),
            };
            let range = row_range(&state.join(&file.path), time, from, to);
            (file.first, file.last) = range.map_err(|detail| unreadable(&state.join(&file.path), &detail))?;
        }
        Ok(selection)
    })
    .await
}

fn verify(state: &Path, file: &SourceFile) -> Outcome<()> {
    let path = state.join(&file.path);
    let (sha256, _) = hash_file(&path).map_err(|error| files::cannot_read(&path, &error))?;
    if sha256 == file.sha256 {
        return Ok(());
    }
    Err(Trouble::Lasting(format!(
        "the history file {} was changed: its SHA-256 is {sha256}, and {} was recorded; restore it from a backup",
        path.display(),
        file.sha256
    )))
}

fn unreadable(path: &Path, detail: &str) -> Trouble {
    Trouble::Lasting(format!("the history file {} can't be read: {detail}", path.display()))
}

/// The smallest range of rows that holds all times in `[from, to)`.
fn row_range(path: &Path, time: &str, from: i64, to: i64) -> Result<(u64, u64), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [time]);
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    let (mut range, mut row) = (None, 0);
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let times = batch.column_by_name(time).and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| format!("it has no times in `{time}`"))?;
        for value in times.values() {
            row += 1;
            if (from..to).contains(value) {
                range = Some((range.map_or(row - 1, |(first, _)| first), row));
            }
        }
    }
    Ok(range.unwrap_or((0, 0)))
}

/// Joins and splits. `policy`: what the data must be enough for; None where that was found before.
async fn build(effects: &Effects, folder: &Path, selection: &Selection, policy: Option<&Retrain>) -> Outcome<Results> {
    let scratch = files::scratch(folder).map_err(|error| files::cannot_write(folder, &error))?;
    let join = Join::open(&effects.folders.state, selection, scratch.path())?;
    let mut split = Split::begin(folder, selection)?;
    let mut rows = join.rows().await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| join::trouble(&error))?;
        split.add(&batch).map_err(|error| split::trouble(folder, &error))?;
        if split.counts.labelled > MAX_LABELLED_ROWS {
            return Err(Trouble::Lasting(format!(
                "more than {MAX_LABELLED_ROWS} labelled rows from {} to {}; make retrain.dataset.span shorter",
                selection.from, selection.to
            )));
        }
    }
    let late_rows = join.late_rows().await?;
    let counts = split.counts;
    let data = split.finish(folder)?;
    if let Some(policy) = policy {
        enough(selection, policy, &counts, data.train.rows, data.held_out.rows)?;
    }
    let coverage = if counts.rows == 0 { 0.0 } else { counts.labelled as f64 / counts.rows as f64 };
    Ok(Results { rows: counts.rows, labelled: counts.labelled, coverage, late_rows, data })
}

/// Whether there is enough to learn from and to judge on.
fn enough(selection: &Selection, retrain: &Retrain, counts: &split::Counts, train: u64, held_out: u64) -> Outcome<()> {
    let Selection { from, held_out_from, to, .. } = selection;
    let needed = retrain.policy.minimum_labels;
    if counts.labelled < needed {
        return Err(Trouble::Lasting(format!(
            "{} of {} predictions from {from} to {to} have a label, and retrain.policy.minimum_labels asks for {needed}",
            counts.labelled, counts.rows
        )));
    }
    if held_out == 0 {
        return Err(Trouble::Lasting(format!(
            "no prediction from {held_out_from} to {to} has a label, and a candidate is judged on them \
             (retrain.dataset.held_out)"
        )));
    }
    if train == 0 {
        return Err(Trouble::Lasting(format!(
            "no prediction from {from} to {held_out_from} has a label, and a candidate learns from them (retrain.dataset.span)"
        )));
    }
    if counts.positive == 0 || counts.positive == train {
        let missing = if counts.positive == 0 { "true" } else { "false" };
        return Err(Trouble::Lasting(format!(
            "none of the {train} training rows from {from} to {held_out_from} has the label {missing}; both are needed"
        )));
    }
    Ok(())
}
