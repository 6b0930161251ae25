//! Files that are there whole or not at all, whenever the process is killed (promise T1).

use std::fs::{DirEntry, File, Permissions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

use crate::world::Trouble;

/// How the names of unfinished files begin and end; what a kill left of them is removed by [`sweep`].
const TEMPORARY: (&str, &str) = (".writing-", ".tmp");

/// A file that nobody sees before [`keep`]; dropped, it is gone.
pub(super) fn begin(folder: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(TEMPORARY.0)
        .suffix(TEMPORARY.1)
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
}

/// A folder for what is spilled; dropped, it is gone.
pub(super) fn scratch(folder: &Path) -> Result<TempDir> {
    tempfile::Builder::new().prefix(TEMPORARY.0).suffix(TEMPORARY.1).tempdir_in(folder)
}

/// Puts a file that is on the disk in its place, instead of what was there.
pub(super) fn keep(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes a file at once.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the path has no folder"))?;
    let mut file = begin(folder)?;
    file.write_all(bytes)?;
    keep(file, path)
}

/// Reads a text of at most `limit` bytes; None if there is no such file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    if file.take(limit + 1).read_to_string(&mut text)? as u64 > limit {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {limit} bytes")));
    }
    Ok(Some(text))
}

/// Removes what a kill left half written.
pub(super) fn sweep(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1) {
            remove(&entry)?;
        }
    }
    Ok(())
}

/// Removes everything but the file of that name.
pub(super) fn empty(folder: &Path, but: &str) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != but {
            remove(&entry)?;
        }
    }
    Ok(())
}

fn remove(entry: &DirEntry) -> Result<()> {
    let is_folder = entry.file_type()?.is_dir();
    if is_folder { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) }
}

/// The entries of a folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}

/// Trouble with a file that is to be written: a full disk passes.
pub(super) fn cannot_write(path: &Path, error: &Error) -> Trouble {
    Trouble::Passing(format!("{} can't be written: {error}", path.display()))
}

/// Trouble with a file that was there: what is gone or broken doesn't come back.
pub(super) fn cannot_read(path: &Path, error: &Error) -> Trouble {
    let words = format!("{} can't be read: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Trouble::Lasting(words),
        _ => Trouble::Passing(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_a_file_is_there_whole_or_not_at_all_and_remains_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(read(&path, 10).unwrap(), None);
        write(&path, b"old").unwrap();
        let half = begin(folder.path()).unwrap();
        half.as_file().write_all(b"ne").unwrap();
        // What a kill leaves behind.
        half.keep().unwrap();
        let _ = scratch(folder.path()).unwrap().keep();
        assert_eq!(read(&path, 10).unwrap().as_deref(), Some("old"));
        assert!(read(&path, 2).is_err());
        sweep(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
