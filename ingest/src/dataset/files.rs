//! Which files a path means, and of which kind they are: by their first bytes, then by their extension.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use datafusion::datasource::listing::ListingTableUrl;

use crate::error::{Error, Result};

/// Data files of one folder.
const FILES_LIMIT: usize = 100_000;
/// Folders within folders.
const DEPTH_LIMIT: usize = 16;
/// Bytes that are looked at to tell the kind.
const SNIFFED: u64 = 4_096;
/// What some programs write before UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Parquet,
    /// Arrow IPC, the file or the stream form.
    Arrow,
    Csv,
    JsonLines,
    /// One array of objects.
    JsonArray,
}

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            Self::Csv => "CSV",
            Self::JsonLines => "JSON lines",
            Self::JsonArray => "a JSON array",
        }
    }
}

/// The data files of a path in the order of their names, all of one kind.
pub fn find(path: &Path) -> Result<(FileKind, Vec<PathBuf>)> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    if !metadata.is_dir() {
        return Ok((kind(path)?, vec![path.to_owned()]));
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files)?;
    files.sort();
    let mut found: Option<(FileKind, &PathBuf)> = None;
    for file in &files {
        let own = kind(file)?;
        match found {
            None => found = Some((own, file)),
            Some((first, _)) if first == own => {}
            Some((first, example)) => {
                let detail = format!(
                    "its files are of several kinds: {} is {}, {} is {}",
                    example.display(),
                    first.name(),
                    file.display(),
                    own.name()
                );
                return Err(Error::Format { path: path.to_owned(), detail });
            }
        }
    }
    match found {
        Some((kind, _)) => Ok((kind, files)),
        None => Err(Error::Format { path: path.to_owned(), detail: "the folder holds no data files".to_owned() }),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.to_owned(), detail: error.to_string() }
}

/// Collects files whose extension is one of ours; hidden ones and markers such as `_SUCCESS` are none.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let too_much = |detail: &str| Error::Format { path: folder.to_owned(), detail: detail.to_owned() };
    if depth > DEPTH_LIMIT {
        return Err(too_much("its folders are nested too deeply"));
    }
    for entry in std::fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))? {
        let path = entry.map_err(|error| cannot_read(folder, &error))?.path();
        let is_marker = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if is_marker {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, files)?;
        } else if by_extension(&path).is_some() {
            if files.len() >= FILES_LIMIT {
                return Err(too_much("there are more than 100,000 files"));
            }
            files.push(path);
        }
    }
    Ok(())
}

/// What the extension promises; for JSON the first byte decides between its two forms.
fn by_extension(path: &Path) -> Option<FileKind> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    match extension.as_str() {
        "parquet" | "pq" | "parq" => Some(FileKind::Parquet),
        "arrow" | "feather" | "ipc" | "arrows" => Some(FileKind::Arrow),
        "csv" => Some(FileKind::Csv),
        "json" | "jsonl" | "ndjson" => Some(FileKind::JsonLines),
        _ => None,
    }
}

fn kind(path: &Path) -> Result<FileKind> {
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let mut start = Vec::new();
    file.take(SNIFFED).read_to_end(&mut start).map_err(|error| cannot_read(path, &error))?;
    let failed = |detail: &str| Err(Error::Format { path: path.to_owned(), detail: detail.to_owned() });
    match start.as_slice() {
        [] => failed("the file is empty: 0 bytes"),
        [b'P', b'A', b'R', b'1', ..] => Ok(FileKind::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xFF, 0xFF, 0xFF, 0xFF, ..] => Ok(FileKind::Arrow),
        [b'F', b'E', b'A', b'1', ..] => failed("it is Feather version 1, which is no longer read: write version 2"),
        [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [b'B', b'Z', b'h', ..] | [b'P', b'K', 3, 4, ..] => {
            failed("it is compressed: unpack it first")
        }
        start => match by_extension(path) {
            Some(FileKind::Parquet) => failed("it does not begin as Parquet does"),
            Some(FileKind::Arrow) => failed("it does not begin as Arrow IPC does"),
            Some(_) if start.contains(&0) => failed("it is binary, but its name says text"),
            Some(FileKind::JsonLines) => match start
                .strip_prefix(BYTE_ORDER_MARK)
                .unwrap_or(start)
                .iter()
                .find(|byte| !byte.is_ascii_whitespace())
            {
                Some(b'[') => Ok(FileKind::JsonArray),
                _ => Ok(FileKind::JsonLines),
            },
            Some(kind) => Ok(kind),
            None => failed("neither its name nor its content is known"),
        },
    }
}

/// The file as DataFusion names it. Escaped by hand: a path given as it is would be a pattern where it has `*`, `?` or `[`.
pub fn url(file: &Path) -> Result<ListingTableUrl> {
    let path = std::fs::canonicalize(file).map_err(|error| cannot_read(file, &error))?;
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(*byte)),
            other => {
                let _ = write!(url, "%{other:02X}");
            }
        }
    }
    ListingTableUrl::parse(url).map_err(|error| Error::File { path: file.to_owned(), detail: error.to_string() })
}
