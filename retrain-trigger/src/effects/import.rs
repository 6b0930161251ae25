//! Artifacts that were made elsewhere, on their way into the registry's store.

use std::fs::File;
use std::path::{Path, PathBuf};

use contract::Contract;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use super::manifest::{Names, columns};
use super::{artifact_store, evaluate, files};
use crate::world::{Imported, Outcome};

/// Reference data that may lie beside a model, no part of its artifact.
const REFERENCE: &str = "reference.parquet";
/// The first one that has all columns becomes the performance baseline.
const BASELINES: [&str; 2] = [REFERENCE, "training_scores.parquet"];

pub(super) fn import(store: &Path, contract: &Contract, folder: &Path, version: &str) -> Outcome<Imported> {
    let kept = artifact_store::keep(store, folder, &[REFERENCE])?;
    let baselines = BASELINES.map(|name| folder.join(name));
    let baseline = baselines.iter().find(|path| is_baseline(contract, path));
    if let Some(path) = baseline {
        copy(path, &kept.baseline)?;
    }
    let environment = evaluate::document(&folder.join(evaluate::ENVIRONMENT))?;
    let lineage = json!({
        "version": version,
        "imported_from": folder,
        "code_revision": evaluate::code_revision(&environment),
        "environment": environment,
        "manifest": Value::Null,
    });
    let baseline = baseline.map(|_| kept.baseline.to_string_lossy().into_owned());
    Ok(Imported { sha256: kept.sha256, uri: kept.uri, baseline: baseline.unwrap_or_default(), lineage })
}

/// Whether a file has times, scores, labels and all features.
fn is_baseline(contract: &Contract, path: &PathBuf) -> bool {
    let Some(reader) = File::open(path).ok().and_then(|file| SerializedFileReader::new(file).ok()) else {
        return false;
    };
    let found: Vec<String> =
        reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let names = Names::of(contract);
    let features = columns(contract).into_iter().map(|column| column.name);
    [names.time, names.score, names.label].into_iter().chain(features).all(|name| found.contains(&name))
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let mut source = File::open(from).map_err(|error| files::cannot_read(from, &error))?;
    let copied = to.parent().map_or_else(|| Err(std::io::ErrorKind::InvalidInput.into()), files::begin);
    let copied = copied.and_then(|mut file| {
        std::io::copy(&mut source, &mut file)?;
        files::keep(file, to)
    });
    copied.map_err(|error| files::cannot_write(to, &error))
}
