//! Artifacts: the files of one trained model in a folder, and the digest that names them all (promise T2).
//!
//! `artifact.json` lists the files, sorted by path, as canonical JSON: no white space, keys in a fixed order.
//!
//! ```json
//! {"files":[{"path":"metrics.json","sha256":"…","size":123},{"path":"model/weights.safetensors","sha256":"…","size":4567}]}
//! ```
//!
//! The SHA-256 of exactly those bytes is the artifact's. Whoever loads an artifact calls [`verify`] with the digest that
//! was registered. What a trainer leaves beside the model ([`is_by_product`]) is no part of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The list of files, within the artifact's folder.
pub const ARTIFACT_JSON: &str = "artifact.json";

/// Files of one artifact.
pub const MAX_FILES: usize = 1_000;

/// Bytes of one artifact.
pub const MAX_BYTES: u64 = 16 << 30;

/// Folders within folders.
const MAX_FOLDERS_DEEP: usize = 8;
/// Bytes of a path within the artifact.
const MAX_PATH: usize = 512;
/// Bytes of [`ARTIFACT_JSON`]: [`MAX_FILES`] lines with the longest paths, escapes included.
const MAX_JSON: u64 = 2 * 1024 * 1024;

/// An artifact's files and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Sorted by path.
    pub files: Vec<ArtifactFile>,
    /// The bytes of [`ARTIFACT_JSON`].
    pub json: String,
    /// Of [`Artifact::json`], in hexadecimal.
    pub sha256: String,
}

/// One file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactFile {
    /// Relative to the artifact's folder, with `/` between names.
    pub path: String,
    /// Hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed<T> {
    files: T,
}

/// Lists and hashes a folder's files. Symbolic links, names that other systems would misread, too many files, too many bytes
/// and a folder without any file are errors.
pub fn describe(folder: &Path) -> Result<Artifact> {
    let mut paths = Vec::new();
    walk(folder, "", 0, &mut paths)?;
    if paths.is_empty() {
        return Err(refusal(folder, "holds no file of a model"));
    }
    // Before anything is read: hashing takes its time, and nobody can stop it.
    let mut bytes = 0_u64;
    for path in &paths {
        bytes = bytes.saturating_add(folder.join(path).metadata()?.len());
    }
    if bytes > MAX_BYTES {
        return Err(refusal(folder, &format!("holds {bytes} bytes; {MAX_BYTES} is the most")));
    }
    paths.sort_unstable();
    let files: Vec<ArtifactFile> = paths.into_iter().map(|path| file(folder, path)).collect::<Result<_>>()?;
    let json = serde_json::to_string(&Listed { files: &files })?;
    let sha256 = hexadecimal(&Sha256::digest(json.as_bytes()));
    Ok(Artifact { files, json, sha256 })
}

/// Checks an artifact's folder against the digest that was registered: the list, and every file on it. What else lies in
/// the folder is not looked at, and nobody may load it: the files that were checked are the answer. The error is a sentence for
/// a person.
pub fn verify(folder: &Path, sha256: &str) -> std::result::Result<Vec<ArtifactFile>, String> {
    let json = read_list(folder)?;
    let found = hexadecimal(&Sha256::digest(&json));
    if found != sha256 {
        return Err(format!("{ARTIFACT_JSON} has the SHA-256 {found}, and {sha256} is registered"));
    }
    let listed: Listed<Vec<ArtifactFile>> =
        serde_json::from_slice(&json).map_err(|error| format!("{ARTIFACT_JSON} can't be read: {error}"))?;
    if listed.files.is_empty() || listed.files.len() > MAX_FILES {
        let count = listed.files.len();
        return Err(format!("{ARTIFACT_JSON} lists {count} files; an artifact has 1 to {MAX_FILES}"));
    }
    listed.files.iter().try_for_each(|file| verify_file(folder, file))?;
    Ok(listed.files)
}

/// A file's SHA-256 in hexadecimal, and its bytes.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = match file.read(&mut bytes) {
            Ok(0) => return Ok((hexadecimal(&hash.finalize()), size)),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(bytes.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

/// Whether a name in the outermost folder is something that a trainer or its runner leaves beside the model.
pub fn is_by_product(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        ARTIFACT_JSON,
        "checkpoint",
        "exit",
        "held_out_scores.parquet",
        "held_out_scores.csv",
        "training_scores.parquet",
        "training_scores.csv",
    ];
    let is_log = Path::new(name).extension().is_some_and(|extension| extension == "log");
    NAMES.contains(&name) || name.starts_with("progress") || is_log
}

/// Finds files; `prefix` is the folder within the artifact, with a `/` at its end.
fn walk(folder: &Path, prefix: &str, depth: usize, paths: &mut Vec<String>) -> Result<()> {
    if depth > MAX_FOLDERS_DEEP {
        return Err(refusal(folder, "is too deep"));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if depth == 0 && name.to_str().is_some_and(is_by_product) {
            continue;
        }
        let path = match name.to_str() {
            Some(name) => format!("{prefix}{name}"),
            None => return Err(refusal(&entry.path(), "has a name that is no UTF-8")),
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), depth + 1, paths)?;
        } else if !kind.is_file() {
            return Err(refusal(&entry.path(), "is neither a file nor a folder; links are not followed"));
        } else if !is_within(&path) {
            return Err(refusal(&entry.path(), "has a name that can't be part of an artifact"));
        } else if paths.len() >= MAX_FILES {
            return Err(refusal(folder, &format!("holds more than {MAX_FILES} files")));
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

fn file(folder: &Path, path: String) -> Result<ArtifactFile> {
    let (sha256, size) = hash_file(&folder.join(&path))?;
    Ok(ArtifactFile { path, sha256, size })
}

fn refusal(path: &Path, what: &str) -> Error {
    let path = path.display().to_string();
    Error::new(ErrorKind::InvalidData, format!("{} {what}", crate::printable(&path)))
}

/// The bytes of the list, of which no more are read than a list can have.
fn read_list(folder: &Path) -> std::result::Result<Vec<u8>, String> {
    let path = folder.join(ARTIFACT_JSON);
    let failed = |error: Error| format!("{} can't be read: {error}", path.display());
    let metadata = std::fs::symlink_metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut json = Vec::new();
    File::open(&path).and_then(|file| file.take(MAX_JSON + 1).read_to_end(&mut json)).map_err(failed)?;
    if json.len() as u64 > MAX_JSON {
        return Err(format!("{} is too large for a list of files", path.display()));
    }
    Ok(json)
}

fn verify_file(folder: &Path, listed: &ArtifactFile) -> std::result::Result<(), String> {
    let path = &listed.path;
    if !is_within(path) {
        return Err(format!("{ARTIFACT_JSON} lists {path:?}, which is no path within an artifact"));
    }
    let found = plain_file(folder, path)?;
    let failed = |error: Error| format!("{path} can't be read: {error}");
    let size = std::fs::metadata(&found).map_err(failed)?.len();
    if size != listed.size {
        return Err(format!("{path} has {size} bytes, and {ARTIFACT_JSON} lists {}", listed.size));
    }
    let (sha256, _) = hash_file(&found).map_err(failed)?;
    if sha256 != listed.sha256 {
        return Err(format!("{path} has the SHA-256 {sha256}, and {ARTIFACT_JSON} lists {}", listed.sha256));
    }
    Ok(())
}

/// The place of a listed file: no part of the way there may be a link, which could lead anywhere.
fn plain_file(folder: &Path, path: &str) -> std::result::Result<PathBuf, String> {
    let mut place = folder.to_owned();
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        place.push(name);
        let metadata = std::fs::symlink_metadata(&place).map_err(|error| format!("{path} can't be read: {error}"))?;
        let is_expected = if names.peek().is_some() { metadata.is_dir() } else { metadata.is_file() };
        if !is_expected {
            return Err(format!("{path} is no plain file within the artifact's folder"));
        }
    }
    Ok(place)
}

/// Whether a path is one that [`describe`] writes: names with `/` between, that stay within the folder on every system.
fn is_within(path: &str) -> bool {
    let is_name = |name: &str| {
        !matches!(name, "" | "." | "..") && !name.contains(['\\', ':']) && !name.chars().any(char::is_control)
    };
    path.len() <= MAX_PATH && path.split('/').count() <= MAX_FOLDERS_DEEP + 1 && path.split('/').all(is_name)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
