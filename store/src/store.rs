//! Opening the database, and its transactions.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};

use crate::error::{Doing, Error, Result};

/// The most rows that one answer holds, whatever was asked for.
pub const MAX_ROWS: u32 = 10_000;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a statement waits for another process's lock, and a caller for a free connection.
const PATIENCE: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database. Cloning is cheap; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    /// One connection: SQLite has one writer at a time, and the pool's queue is fair where SQLite's busy loop isn't.
    writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

impl Store {
    /// Opens the database file, creating it and bringing its tables up to date where needed.
    ///
    /// Commits are on the disk when they return (`synchronous = FULL`).
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        migrate(&writer, path).await?;
        // After the migration, since a reader neither creates the file nor changes its journal mode.
        let reader = pool(READERS).connect_with(options.read_only(true)).await.map_err(failed)?;
        Ok(Self { writer, reader })
    }

    /// A database that lives as long as its clones, for `replay` and tests.
    ///
    /// It has one connection: while a transaction is open, read through the transaction.
    pub async fn in_memory() -> Result<Self> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let writer = pool(1).connect_with(options).await.map_err(failed)?;
        migrate(&writer, path).await?;
        Ok(Self { reader: writer.clone(), writer })
    }

    /// Starts a transaction that writes. It waits for the one before it; dropped without
    /// [`Transaction::commit`] it leaves nothing.
    pub async fn begin(&self) -> Result<Transaction> {
        // IMMEDIATE: a transaction that reads first and then writes could otherwise fail with SQLITE_BUSY in its middle.
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await.doing("begin a transaction")?;
        Ok(Transaction { inner })
    }

    /// Whether the database answers, for `/readyz`.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.reader).await.doing("read")?;
        Ok(())
    }

    /// Waits for running transactions and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Changes that become visible and durable together.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) inner: sqlx::Transaction<'static, Sqlite>,
}

impl Transaction {
    pub async fn commit(self) -> Result<()> {
        self.inner.commit().await.doing("commit a transaction")
    }

    pub async fn rollback(self) -> Result<()> {
        self.inner.rollback().await.doing("roll a transaction back")
    }
}

/// Connections are kept open: an in-memory database dies with its last one.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // A connection to a file or to memory doesn't die between two uses.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn migrate(pool: &SqlitePool, path: &Path) -> Result<()> {
    MIGRATIONS.run(pool).await.map_err(|source| Error::Migrate { path: path.to_owned(), source })
}

/// Offers a query both on [`Store`] and inside a [`Transaction`].
macro_rules! reads {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty = $query:path;)*) => {
        impl $crate::Store {
            $($(#[$doc])* pub async fn $name(&self, $($argument: $kind),*) -> $crate::Result<$answer> {
                $query(&self.reader, $($argument),*).await
            })*
        }

        impl $crate::Transaction {
            $($(#[$doc])* pub async fn $name(&mut self, $($argument: $kind),*) -> $crate::Result<$answer> {
                $query(&mut *self.inner, $($argument),*).await
            })*
        }
    };
}

pub(crate) use reads;
