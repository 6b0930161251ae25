//! The history: every accepted row, as Parquet files below the state folder.
//!
//! One file a checkpoint and kind, at `history/MODEL/KIND/YYYY-MM-DD/SHARD-FIRST-LAST-EPOCH.parquet`: the day of its
//! earliest row, the offsets of its first and its last. A file is written under another name and moved when it is on disk, before the
//! checkpoint that lists it. What a crash in between leaves behind is removed by the next owner ([`History::discard`]),
//! which writes the same rows again: promise I1 holds for the history too. Nothing is ever deleted for its age.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::publication::{HistoryFile, Kind};
use crate::shard::Rows;
use crate::state::folder_name;

/// Rows of a row group: what a reader has to hold at once.
const GROUP_ROWS: usize = 128 * 1_024;

/// Writes one shard's files.
#[derive(Clone, Debug)]
pub struct History {
    state: PathBuf,
    /// Of the model, relative to the state folder.
    folder: PathBuf,
    shard: i32,
    epoch: u64,
}

impl History {
    pub fn new(state: &Path, model: &str, shard: i32, epoch: u64) -> Self {
        Self { state: state.to_owned(), folder: Path::new("history").join(folder_name(model)), shard, epoch }
    }

    /// Writes the rows of one checkpoint: a file for each kind that has any. They are on disk when this returns.
    pub async fn write(&self, rows: Vec<Rows>) -> Result<Vec<HistoryFile>> {
        if rows.iter().all(|rows| rows.batch.num_rows() == 0) {
            return Ok(Vec::new());
        }
        let history = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            for kind in Kind::ALL {
                let rows: Vec<&Rows> = rows.iter().filter(|r| r.kind == kind && r.batch.num_rows() > 0).collect();
                files.extend(history.write_kind(kind, &rows)?);
            }
            Ok(files)
        });
        written.await.map_err(|error| Error::File { path: self.folder.clone(), detail: error.to_string() })?
    }

    fn write_kind(&self, kind: Kind, rows: &[&Rows]) -> Result<Option<HistoryFile>> {
        let (Some(first), Some(min_time), Some(max_time)) =
            (rows.first(), rows.iter().map(|rows| rows.min_time).min(), rows.iter().map(|rows| rows.max_time).max())
        else {
            return Ok(None);
        };
        let (first_offset, schema) = (first.first_offset, first.batch.schema());
        let last_offset = rows.iter().map(|rows| rows.last_offset).max().unwrap_or(first_offset);
        let day: String = min_time.to_string().chars().take(10).collect();
        let folder = self.folder.join(kind.name()).join(day);
        let name = format!("{:05}-{first_offset:020}-{last_offset:020}-{}.parquet", self.shard, self.epoch);
        let path = folder.join(name);
        let sha256 = self.write_file(&folder, &path, &schema, rows)?;
        Ok(Some(HistoryFile {
            kind,
            path: path.to_string_lossy().into_owned(),
            rows: rows.iter().map(|rows| rows.batch.num_rows() as u64).sum(),
            min_time,
            max_time,
            sha256,
            first_offset,
            last_offset,
        }))
    }

    /// Writes, syncs and moves; the file's SHA-256 in hexadecimal.
    fn write_file(&self, folder: &Path, path: &Path, schema: &SchemaRef, rows: &[&Rows]) -> Result<String> {
        let folder = self.state.join(folder);
        let target = self.state.join(path);
        let temporary = target.with_extension("parquet.tmp");
        let failed = |error: &dyn std::fmt::Display| Error::File { path: target.clone(), detail: error.to_string() };
        make_folder(&folder).map_err(|error| failed(&error))?;
        let file = File::create(&temporary).map_err(|error| failed(&error))?;
        let hashing = Hashing { inner: BufWriter::new(file), hash: Sha256::new() };
        let mut writer =
            ArrowWriter::try_new(hashing, schema.clone(), Some(properties(schema))).map_err(|error| failed(&error))?;
        for rows in rows {
            writer.write(&rows.batch).map_err(|error| failed(&error))?;
        }
        let hashing = writer.into_inner().map_err(|error| failed(&error))?;
        let file = hashing.inner.into_inner().map_err(|error| failed(&error))?;
        file.sync_all().map_err(|error| failed(&error))?;
        std::fs::rename(&temporary, &target).map_err(|error| failed(&error))?;
        sync_folder(&folder).map_err(|error| failed(&error))?;
        Ok(hexadecimal(&hashing.hash.finalize()))
    }

    /// Removes files of this shard with rows that are not in the checkpoint, which ends before `next_offset`.
    pub async fn discard(&self, next_offset: impl Fn(Kind) -> i64) -> Result<()> {
        let history = self.clone();
        let from = Kind::ALL.map(|kind| (kind, next_offset(kind)));
        let removed = tokio::task::spawn_blocking(move || {
            from.into_iter().try_for_each(|(kind, from)| {
                history.discard_kind(&history.state.join(&history.folder).join(kind.name()), from)
            })
        });
        let failed = |detail: String| Error::File { path: self.state.join(&self.folder), detail };
        removed.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }

    fn discard_kind(&self, folder: &Path, from: i64) -> std::io::Result<()> {
        let days = match std::fs::read_dir(folder) {
            Ok(days) => days,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for day in days {
            let day = day?.path();
            if !day.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(&day)? {
                let file = file?;
                let name = file.file_name().to_string_lossy().into_owned();
                let is_uncounted =
                    self.last_offset(&name).is_some_and(|last| last >= from || !name.ends_with(".parquet"));
                if is_uncounted {
                    tracing::info!(
                        file = name,
                        "removing a history file that no checkpoint lists; its rows come again"
                    );
                    std::fs::remove_file(file.path())?;
                }
            }
        }
        Ok(())
    }

    /// The last offset of a file of this shard, finished or not.
    fn last_offset(&self, name: &str) -> Option<i64> {
        let mut parts = name.split('-');
        let shard: i32 = parts.next()?.parse().ok()?;
        let last = parts.nth(1)?.parse().ok()?;
        (shard == self.shard).then_some(last)
    }
}

/// Makes a folder whose entry survives a power cut.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(parent)?,
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Dictionaries where values repeat: floats are read faster without.
fn properties(schema: &SchemaRef) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for field in schema.fields() {
        let repeats = matches!(
            field.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Int64 | DataType::Dictionary(..)
        );
        if repeats {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), true);
        }
    }
    properties.build()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
    }
    text
}

/// Hashes what passes through.
struct Hashing {
    inner: BufWriter<File>,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, RecordBatch, StringArray};
    use contract::EventTime;

    use super::*;

    fn rows(kind: Kind, first_offset: i64, day: &str) -> Rows {
        let batch = RecordBatch::try_from_iter([
            ("ünïcode.name", Arc::new(Float64Array::from(vec![1.0, f64::NAN])) as _),
            ("version", Arc::new(StringArray::from(vec![Some("1"), None])) as _),
        ]);
        let time = EventTime::parse(&format!("{day}T12:00:00Z")).unwrap();
        Rows {
            kind,
            batch: batch.unwrap(),
            first_offset,
            last_offset: first_offset + 1,
            min_time: time,
            max_time: time,
        }
    }

    #[tokio::test]
    async fn i1_files_that_no_checkpoint_lists_are_written_again_not_twice() {
        let folder = tempfile::tempdir().unwrap();
        let first = History::new(folder.path(), "Mödel/..", 3, 1);
        let kept = first
            .write(vec![rows(Kind::Prediction, 10, "2013-05-09"), rows(Kind::Label, 0, "2013-05-09")])
            .await
            .unwrap();
        assert_eq!(kept.len(), 2);
        let lost = first.write(vec![rows(Kind::Prediction, 12, "2013-05-10")]).await.unwrap();
        std::fs::write(folder.path().join(&lost[0].path).with_extension("parquet.tmp"), "half").unwrap();
        // The checkpoint reached offset 12; the next owner reads more at once, from an earlier day on.
        let second = History::new(folder.path(), "Mödel/..", 3, 2);
        second.discard(|kind| if kind == Kind::Prediction { 12 } else { 2 }).await.unwrap();
        let again = vec![rows(Kind::Prediction, 12, "2013-05-09"), rows(Kind::Prediction, 14, "2013-05-11")];
        let again = second.write(again).await.unwrap();
        assert_eq!((again[0].rows, again[0].first_offset, again[0].last_offset), (4, 12, 15));
        let mut found = Vec::new();
        let mut folders = vec![folder.path().to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        let mut listed: Vec<_> = kept.iter().chain(&again).map(|file| folder.path().join(&file.path)).collect();
        listed.sort();
        assert_eq!(found, listed);
        for file in kept.iter().chain(&again) {
            let bytes = std::fs::read(folder.path().join(&file.path)).unwrap();
            assert_eq!(hexadecimal(&Sha256::digest(&bytes)), file.sha256);
        }
    }
}
