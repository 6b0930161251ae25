//! What a run has got so far, in `checkpoint/` of its output folder: the scores of finished folds, and the fit in progress.
//!
//! `checkpoint.json` names the files and their SHA-256; files are written beside it first, under new names, and it is replaced
//! last. So at any moment it names whole files: a kill loses what came after the last one and nothing else. One that belongs to
//! another specification, or is damaged, is discarded.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fit::{Position, State};
use crate::{Error, Result};

const SCHEMA_VERSION: u64 = 1;
const DOCUMENT: &str = "checkpoint.json";
const LOCK: &str = "lock";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    schema_version: u64,
    /// Of everything that the results depend on.
    fingerprint: String,
    /// Out-of-fold scores, fold by fold.
    folds: Vec<Stored>,
    fit: Option<StoredFit>,
}

/// A file of numbers, little-endian.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    file: String,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFit {
    /// Which fit: the folds in turn, then the model itself.
    index: usize,
    position: Position,
    numbers: Stored,
}

/// The checkpoint of one output folder, which it holds for itself.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    document: Document,
    /// Kept for the lock.
    lock: File,
}

/// What was found when a checkpoint was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Usable,
    /// Why it was discarded.
    Unusable(String),
}

impl Checkpoint {
    /// Opens or creates `OUTPUT/checkpoint`. Errors: [`Error::Busy`] while another process has it.
    pub fn open(output: &Path, fingerprint: &str) -> Result<(Self, Found)> {
        let folder = output.join("checkpoint");
        fs::create_dir_all(&folder).map_err(Error::file(&folder, "created"))?;
        let path = folder.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::file(&path, "opened"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(output.to_owned())),
            Err(TryLockError::Error(source)) => return Err(Error::File { path, doing: "locked", source }),
        }
        let (document, found) = match read(&folder, fingerprint) {
            Ok(Some(document)) => (document, Found::Usable),
            Ok(None) => (fresh(fingerprint), Found::Nothing),
            Err(reason) => (fresh(fingerprint), Found::Unusable(reason)),
        };
        let checkpoint = Self { folder, document, lock };
        checkpoint.remove_others()?;
        Ok((checkpoint, found))
    }

    /// A folder for files that are to be renamed into the output folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn folds_done(&self) -> usize {
        self.document.folds.len()
    }

    /// Scores of a finished fold.
    pub fn fold(&self, index: usize) -> Result<Option<Vec<f64>>> {
        let Some(stored) = self.document.folds.get(index) else { return Ok(None) };
        let bytes = self.bytes(stored)?;
        Ok(Some(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()))
    }

    /// Folds are finished in turn.
    pub fn save_fold(&mut self, scores: &[f64]) -> Result<()> {
        let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
        let stored = self.store(&format!("fold-{}.f64", self.document.folds.len()), &bytes)?;
        self.document.folds.push(stored);
        self.document.fit = None;
        self.commit()
    }

    /// The state of a fit, where it is the one that was in progress.
    pub fn fit(&self, index: usize) -> Result<Option<State>> {
        let Some(fit) = self.document.fit.as_ref().filter(|fit| fit.index == index) else { return Ok(None) };
        let bytes = self.bytes(&fit.numbers)?;
        let numbers = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Some(State { position: fit.position.clone(), numbers }))
    }

    pub fn save_fit(&mut self, index: usize, state: &State) -> Result<()> {
        let bytes: Vec<u8> = state.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let position = state.position.clone();
        // Beside what the document names now, which must stay whole until it is replaced.
        let numbers = self.store(&format!("fit-{index}-{}-{}.f32", position.epoch, position.batch), &bytes)?;
        self.document.fit = Some(StoredFit { index, position, numbers });
        self.commit()
    }

    fn bytes(&self, stored: &Stored) -> Result<Vec<u8>> {
        let path = self.folder.join(&stored.file);
        fs::read(&path).map_err(Error::file(&path, "read"))
    }

    fn store(&self, file: &str, bytes: &[u8]) -> Result<Stored> {
        replace(&self.folder.join("numbers.draft"), &self.folder.join(file), bytes)?;
        Ok(Stored { file: file.to_owned(), sha256: hash(bytes) })
    }

    fn commit(&self) -> Result<()> {
        let draft = self.folder.join("checkpoint.draft");
        replace(&draft, &self.folder.join(DOCUMENT), &serde_json::to_vec(&self.document)?)?;
        self.remove_others()
    }

    /// Everything that the document doesn't name.
    fn remove_others(&self) -> Result<()> {
        let entries = fs::read_dir(&self.folder).map_err(Error::file(&self.folder, "listed"))?;
        let named =
            |name: &str| name == LOCK || name == DOCUMENT || self.document.files().any(|stored| stored.file == name);
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(named) {
                let path = entry.path();
                fs::remove_file(&path).map_err(Error::file(&path, "removed"))?;
            }
        }
        Ok(())
    }
}

impl Drop for Checkpoint {
    /// Closing the file isn't enough: a process that is being started holds it too, for an instant.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Document {
    fn files(&self) -> impl Iterator<Item = &Stored> {
        self.folds.iter().chain(self.fit.as_ref().map(|fit| &fit.numbers))
    }
}

fn fresh(fingerprint: &str) -> Document {
    Document { schema_version: SCHEMA_VERSION, fingerprint: fingerprint.to_owned(), ..Document::default() }
}

/// Errors: why it can't be used.
fn read(folder: &Path, fingerprint: &str) -> Result<Option<Document>, String> {
    let bytes = match fs::read(folder.join(DOCUMENT)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| format!("it can't be read: {error}"))?;
    if document.schema_version != SCHEMA_VERSION || document.fingerprint != fingerprint {
        return Err("it belongs to another specification or another trainer".to_owned());
    }
    for stored in document.files() {
        let bytes = fs::read(folder.join(&stored.file)).map_err(|error| format!("{}: {error}", stored.file))?;
        if hash(&bytes) != stored.sha256 {
            return Err(format!("{} is damaged", stored.file));
        }
    }
    Ok(Some(document))
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A whole file at `path`, or what was there before: written as `draft` in the same folder first. It isn't forced to the disk: a
/// power cut may cost a checkpoint, which then is recognised as damaged.
fn replace(draft: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(draft, bytes).map_err(Error::file(draft, "written"))?;
    fs::rename(draft, path).map_err(Error::file(path, "written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: u32, number: f32) -> State {
        State { position: Position { epoch, ..Position::default() }, numbers: vec![number, f32::MIN_POSITIVE] }
    }

    #[test]
    fn what_was_saved_is_found_again() {
        let output = tempfile::tempdir().unwrap();
        let (mut checkpoint, found) = Checkpoint::open(output.path(), "a").unwrap();
        assert_eq!(found, Found::Nothing);
        checkpoint.save_fit(0, &state(1, 0.1)).unwrap();
        checkpoint.save_fold(&[0.1, 1.0 / 3.0]).unwrap();
        checkpoint.save_fit(1, &state(1, 0.2)).unwrap();
        checkpoint.save_fit(1, &state(2, 0.3)).unwrap();
        drop(checkpoint);
        let (checkpoint, found) = Checkpoint::open(output.path(), "a").unwrap();
        assert_eq!((found, checkpoint.folds_done()), (Found::Usable, 1));
        assert_eq!(checkpoint.fold(0).unwrap(), Some(vec![0.1, 1.0 / 3.0]));
        assert_eq!(checkpoint.fold(1).unwrap(), None);
        assert_eq!(checkpoint.fit(0).unwrap(), None);
        assert_eq!(checkpoint.fit(1).unwrap(), Some(state(2, 0.3)));
        // Nothing is left of what was replaced.
        assert_eq!(fs::read_dir(checkpoint.folder()).unwrap().count(), 4);
    }

    #[test]
    fn one_of_another_specification_or_damaged_is_discarded() {
        let output = tempfile::tempdir().unwrap();
        let (mut checkpoint, _) = Checkpoint::open(output.path(), "a").unwrap();
        checkpoint.save_fold(&[0.5]).unwrap();
        drop(checkpoint);
        let damaged = output.path().join("checkpoint/fold-0.f64");
        fs::write(&damaged, [0; 8]).unwrap();
        let (mut checkpoint, found) = Checkpoint::open(output.path(), "a").unwrap();
        assert_eq!(found, Found::Unusable("fold-0.f64 is damaged".to_owned()));
        assert!(!damaged.exists());
        checkpoint.save_fold(&[0.5]).unwrap();
        drop(checkpoint);
        let (checkpoint, found) = Checkpoint::open(output.path(), "b").unwrap();
        assert!(matches!(found, Found::Unusable(reason) if reason.contains("another specification")));
        assert_eq!(checkpoint.folds_done(), 0);
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let output = tempfile::tempdir().unwrap();
        let first = Checkpoint::open(output.path(), "a").unwrap();
        assert!(matches!(Checkpoint::open(output.path(), "a"), Err(Error::Busy(_))));
        drop(first);
        Checkpoint::open(output.path(), "a").unwrap();
    }
}
