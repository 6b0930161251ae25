//! A shard's checkpoints: one SlateDB database a shard, on the local disk, written durably and fenced.
//!
//! Keys begin with what they are: `s` the shard's own entries, `o` publications that may not be in the store yet (the
//! outbox, by sequence), `m` this module's (format, epoch, where reading began). One checkpoint is one write batch
//! (docs/semantics.md, "Checkpoints"). Opening a database fences whoever had it open: promise I1.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::WallTime;
use slatedb::config::{
    CompactorOptions, FlushOptions, FlushType, GarbageCollectorDirectoryOptions, GarbageCollectorOptions, Settings,
};
use slatedb::object_store::local::LocalFileSystem;
use slatedb::{CloseReason, Db, ErrorKind, WriteBatch};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::publication::{Kind, Publication};
use crate::shard::Changes;

/// The form of everything that is kept here.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"mformat";
const EPOCH_KEY: &[u8] = b"mepoch";
const SHARD: u8 = b's';
const OUTBOX: u8 = b'o';
/// Names of folders are at most so long; longer ones end in a hash.
const NAME_LIMIT: usize = 160;
/// Write-ahead files are replayed when a database is opened: after so many checkpoints they are merged.
const CHECKPOINTS_A_MERGE: u32 = 256;
/// Files that nobody refers to any more are kept for so long: far above the longest stall of a writer, since a writer that
/// was fenced in its sleep must still find the files that fence it.
const GRACE: Duration = Duration::from_hours(1);
/// Memory for what is not merged yet.
const MERGE_BYTES: usize = 8 << 20;
const UNMERGED_BYTES: usize = 256 << 20;

/// The open checkpoint of one shard.
pub struct ShardState {
    database: Db,
    model: String,
    shard: i32,
    /// Sequences of publications that the store has: their entries go with the next batch.
    told: Vec<u64>,
    checkpoints: u32,
}

/// What the owner before left.
pub struct Opened {
    pub state: ShardState,
    /// Above that of every owner before.
    pub epoch: u64,
    /// The shard's entries; none: it has never been checkpointed.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// In order.
    pub outbox: Vec<Publication>,
    /// Where a first owner began to read, by kind.
    pub starts: BTreeMap<Kind, i64>,
}

/// The folder of one shard's checkpoints below the state folder.
pub fn folder(state: &Path, model: &str, shard: i32) -> PathBuf {
    state.join("shards").join(folder_name(model)).join(format!("{shard:05}"))
}

/// A model's name as the name of a folder: anything but letters, digits, `-`, `_` and inner dots is escaped, so that no
/// name leaves the state folder and no two names meet, on file systems that ignore capitals neither.
pub fn folder_name(model: &str) -> String {
    let mut name = String::with_capacity(model.len());
    for (place, byte) in model.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if place > 0 => name.push('.'),
            other => {
                let _ = write!(name, "%{other:02x}");
            }
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() > NAME_LIMIT {
        name.truncate(NAME_LIMIT);
        let _ = write!(name, "%%{:016x}", xxh3_64(model.as_bytes()));
    }
    name
}

impl ShardState {
    /// Opens the shard's database, made if it is missing, and fences every owner before.
    pub async fn open(state: &Path, model: &str, shard: i32) -> Result<Opened> {
        let failed = |detail: String| Error::Checkpoint { model: model.to_owned(), shard, detail };
        let folder = folder(state, model, shard);
        std::fs::create_dir_all(&folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        let files = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(error.to_string()))?;
        let builder = Db::builder("checkpoints", Arc::new(files.with_fsync(true)));
        let database = builder.with_settings(settings()).with_db_cache_disabled().build().await;
        let database = database.map_err(|error| classify(&error, model, shard))?;
        let mut opened = Self { database, model: model.to_owned(), shard, told: Vec::new(), checkpoints: 0 };
        let (entries, outbox) = (opened.scan(SHARD).await?, opened.outbox().await?);
        let starts = opened.starts().await?;
        let epoch = opened.begin_epoch().await?;
        Ok(Opened { state: opened, epoch, entries, outbox, starts })
    }

    /// Writes one checkpoint and waits until it is on disk. Publications stay in the outbox until [`Self::told`].
    pub async fn write(&mut self, changes: Changes, outbox: &[Publication]) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (key, value) in changes.puts {
            batch.put(key, value);
        }
        for key in changes.deletes {
            batch.delete(key);
        }
        for sequence in self.told.drain(..) {
            batch.delete(outbox_key(sequence));
        }
        for publication in outbox {
            batch.put(outbox_key(publication.sequence), publication.to_bytes());
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.commit(batch).await?;
        self.checkpoints += 1;
        if self.checkpoints.is_multiple_of(CHECKPOINTS_A_MERGE) {
            let merge = FlushOptions { flush_type: FlushType::MemTable };
            self.database.flush_with_options(merge).await.map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    /// The store has this publication.
    pub fn told(&mut self, sequence: u64) {
        self.told.push(sequence);
    }

    /// Remembers where a first owner begins to read, so that a crash before its first checkpoint changes nothing.
    pub async fn begin_at(&mut self, kind: Kind, offset: i64) -> Result<()> {
        let mut batch = WriteBatch::new();
        batch.put(start_key(kind), offset.to_be_bytes());
        self.commit(batch).await
    }

    /// Ends the database's tasks. Everything that was written is durable already.
    pub async fn close(self) -> Result<()> {
        self.database.close().await.map_err(|error| self.error(&error))
    }

    async fn commit(&self, batch: WriteBatch) -> Result<()> {
        let failed = |error: slatedb::Error| self.error(&error);
        let written = self.database.write(batch).await.map_err(failed)?;
        // There is no flush by timer: one flush a batch, and at once.
        self.database.flush().await.map_err(failed)?;
        written.await_durable().await.map_err(failed)
    }

    async fn scan(&self, prefix: u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let failed = |error: slatedb::Error| self.error(&error);
        let mut entries = Vec::new();
        let mut found = self.database.scan(vec![prefix]..vec![prefix + 1]).await.map_err(failed)?;
        while let Some(entry) = found.next().await.map_err(failed)? {
            entries.push((entry.key.to_vec(), entry.value.to_vec()));
        }
        Ok(entries)
    }

    async fn outbox(&self) -> Result<Vec<Publication>> {
        let entries = self.scan(OUTBOX).await?;
        entries.iter().map(|(_, value)| Publication::from_bytes(value)).collect()
    }

    async fn starts(&self) -> Result<BTreeMap<Kind, i64>> {
        let mut starts = BTreeMap::new();
        for kind in Kind::ALL {
            if let Some(bytes) = self.fixed(&start_key(kind)).await? {
                starts.insert(kind, i64::from_be_bytes(bytes));
            }
        }
        Ok(starts)
    }

    async fn begin_epoch(&mut self) -> Result<u64> {
        match self.fixed(FORMAT_KEY).await?.map(u32::from_be_bytes) {
            None | Some(FORMAT) => {}
            Some(newer) => {
                let detail =
                    format!("it has format {newer}, this version reads format {FORMAT}: use the version that wrote it");
                return Err(Error::Checkpoint { model: self.model.clone(), shard: self.shard, detail });
            }
        }
        // The clock, so that a shard whose checkpoints were removed still follows all of its owners before.
        let now = u64::try_from(WallTime::now().millis()).unwrap_or(0);
        let epoch = self.fixed(EPOCH_KEY).await?.map_or(0, |bytes| u64::from_be_bytes(bytes) + 1).max(now);
        let mut batch = WriteBatch::new();
        batch.put(FORMAT_KEY, FORMAT.to_be_bytes());
        batch.put(EPOCH_KEY, epoch.to_be_bytes());
        self.commit(batch).await?;
        Ok(epoch)
    }

    /// A value of a known length.
    async fn fixed<const N: usize>(&self, key: &[u8]) -> Result<Option<[u8; N]>> {
        let value = self.database.get(key).await.map_err(|error| self.error(&error))?;
        value
            .map(|bytes| {
                <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| Error::Checkpoint {
                    model: self.model.clone(),
                    shard: self.shard,
                    detail: format!("{} has a wrong length", String::from_utf8_lossy(key)),
                })
            })
            .transpose()
    }

    fn error(&self, error: &slatedb::Error) -> Error {
        classify(error, &self.model, self.shard)
    }
}

fn classify(error: &slatedb::Error, model: &str, shard: i32) -> Error {
    let model = model.to_owned();
    match error.kind() {
        ErrorKind::Closed(CloseReason::Fenced) => Error::Fenced { model, shard },
        _ => Error::Checkpoint { model, shard, detail: error.to_string() },
    }
}

fn outbox_key(sequence: u64) -> Vec<u8> {
    let mut key = vec![OUTBOX];
    key.extend(sequence.to_be_bytes());
    key
}

fn start_key(kind: Kind) -> Vec<u8> {
    format!("mstart/{}", kind.name()).into_bytes()
}

fn settings() -> Settings {
    let kept = Some(GarbageCollectorDirectoryOptions {
        interval: Some(Duration::from_mins(10)),
        min_age: GRACE,
        dry_run: false,
    });
    let collector = GarbageCollectorOptions {
        manifest_options: kept,
        wal_options: kept,
        // Files that fence are kept for ever: they are empty.
        wal_fence_options: None,
        compacted_options: kept,
        compactions_options: kept,
        ..GarbageCollectorOptions::default()
    };
    Settings {
        flush_interval: None,
        l0_sst_size_bytes: MERGE_BYTES,
        max_unflushed_bytes: UNMERGED_BYTES,
        compactor_options: Some(CompactorOptions { max_concurrent_compactions: 1, ..CompactorOptions::default() }),
        garbage_collector_options: Some(collector),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_no_model_name_leaves_the_state_folder() {
        let long = "x".repeat(1_000);
        for (model, name) in [
            ("flights", "flights"),
            ("fraud-v2.eu", "fraud-v2.eu"),
            ("..", "%2e."),
            ("../../etc", "%2e.%2f..%2fetc"),
            ("Fraud", "%46raud"),
            ("ümläut", "%c3%bcml%c3%a4ut"),
            ("", "%"),
            ("a\0b", "a%00b"),
        ] {
            assert_eq!(folder_name(model), name);
        }
        assert!(folder_name(&long).len() < 200);
        assert_ne!(folder_name(&long), folder_name(&"x".repeat(1_001)));
    }
}
