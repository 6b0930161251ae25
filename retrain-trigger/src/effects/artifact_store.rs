//! The registry's store: artifacts in folders that are called by their SHA-256 (promise T2).
//!
//! `REGISTRY/MODEL/sha256-HEX/` holds an artifact's files and `artifact.json`; `REGISTRY/MODEL/sha256-HEX.baseline.parquet` the
//! scores that its performance is expected by. A folder appears with all its files on the disk, and never changes. Folders are
//! moved into place whole, which object stores can't do; so this is the file system's own.

use std::fs::{File, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::artifact::{ARTIFACT_JSON, describe, verify};

use super::files;
use crate::world::{Outcome, Trouble};

/// An artifact in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub sha256: String,
    pub uri: String,
    /// Where its baseline is, or would be.
    pub baseline: PathBuf,
}

/// Copies a folder's artifact into the store, without by-products and the files in `without`. The same files again are the same
/// artifact.
pub(super) fn keep(store: &Path, source: &Path, without: &[&str]) -> Outcome<Kept> {
    std::fs::create_dir_all(store).map_err(|error| files::cannot_write(store, &error))?;
    let described = describe(source).map_err(|error| cannot_keep(source, &error))?;
    let incoming = files::scratch(store).map_err(|error| files::cannot_write(store, &error))?;
    let paths = described.files.iter().map(|file| file.path.as_str()).filter(|path| !without.contains(path));
    copy(source, incoming.path(), paths).map_err(|error| cannot_keep(source, &error))?;
    let artifact = describe(incoming.path()).map_err(|error| cannot_keep(source, &error))?;
    let folder = store.join(format!("sha256-{}", artifact.sha256));
    if folder.exists() {
        verify(&folder, &artifact.sha256).map_err(|why| {
            Trouble::Lasting(format!(
                "the registry's {} was changed: {why}; restore it from a backup",
                folder.display()
            ))
        })?;
    } else {
        let listed = incoming.path().join(ARTIFACT_JSON);
        files::write(&listed, artifact.json.as_bytes())
            .and_then(|()| std::fs::set_permissions(incoming.path(), Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::rename(incoming.path(), &folder))
            .and_then(|()| files::sync_folder(store))
            .map_err(|error| files::cannot_write(&folder, &error))?;
    }
    let uri = uri(&folder)?;
    Ok(Kept {
        baseline: store.join(format!("sha256-{}.baseline.parquet", artifact.sha256)),
        sha256: artifact.sha256,
        uri,
    })
}

/// `file://` and the path as it is: the interface knows no escapes.
fn uri(folder: &Path) -> Outcome<String> {
    let path = folder.to_str().filter(|_| folder.is_absolute());
    let path = path.ok_or_else(|| Trouble::Lasting(format!("{} is no absolute path in UTF-8", folder.display())))?;
    Ok(format!("file://{path}"))
}

/// Copies files, each on the disk.
fn copy<'a>(from: &Path, to: &Path, paths: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut folders = std::collections::BTreeSet::from([to.to_owned()]);
    for path in paths {
        let target = to.join(path);
        let folder = target.parent().unwrap_or(to);
        std::fs::create_dir_all(folder)?;
        folders.extend(folder.ancestors().take_while(|folder| folder.starts_with(to)).map(Path::to_owned));
        std::io::copy(&mut File::open(from.join(path))?, &mut File::create(&target)?)?;
        File::open(&target)?.sync_all()?;
    }
    folders.iter().try_for_each(|folder| files::sync_folder(folder))
}

/// What `describe` refuses, it refuses again.
fn cannot_keep(source: &Path, error: &Error) -> Trouble {
    let words = format!("the artifact in {} can't be kept: {error}", source.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
            Trouble::Lasting(words)
        }
        _ => Trouble::Passing(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(weights: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("checkpoint")).unwrap();
        std::fs::create_dir(folder.path().join("nested")).unwrap();
        for (name, bytes) in [
            ("model.bin", weights),
            ("nested/vocabulary.txt", b"a b"),
            ("held_out_scores.csv", b"event_id,score\n"),
            ("trainer.log", b"..."),
            ("checkpoint/1", b"..."),
            ("reference.parquet", b"rows"),
        ] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn t2_an_artifact_is_called_by_its_content_and_kept_once() {
        let store = tempfile::tempdir().unwrap();
        let kept = keep(store.path(), trained(b"1").path(), &["reference.parquet"]).unwrap();
        let again = keep(store.path(), trained(b"1").path(), &["reference.parquet"]).unwrap();
        let other = keep(store.path(), trained(b"2").path(), &["reference.parquet"]).unwrap();
        assert_eq!(kept, again);
        assert_ne!(kept.sha256, other.sha256);
        assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 2);
        let folder = PathBuf::from(kept.uri.strip_prefix("file://").unwrap());
        verify(&folder, &kept.sha256).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [ARTIFACT_JSON, "model.bin", "nested"]);
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn t2_a_changed_artifact_is_named_and_links_are_refused() {
        let store = tempfile::tempdir().unwrap();
        let kept = keep(store.path(), trained(b"1").path(), &["reference.parquet"]).unwrap();
        let folder = PathBuf::from(kept.uri.strip_prefix("file://").unwrap());
        std::fs::write(folder.join("model.bin"), b"3").unwrap();
        let trouble = keep(store.path(), trained(b"1").path(), &["reference.parquet"]).unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Lasting(words) if words.contains("model.bin has the SHA-256")),
            "{trouble}"
        );
        let source = trained(b"1");
        std::os::unix::fs::symlink("/etc/passwd", source.path().join("link")).unwrap();
        let trouble = keep(store.path(), source.path(), &[]).unwrap_err();
        assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains("links are not followed")), "{trouble}");
        assert!(matches!(keep(store.path(), Path::new("/nowhere"), &[]), Err(Trouble::Lasting(_))));
    }
}
