//! The embedded engine: one SQLite file in WAL mode with `synchronous=FULL`.
//!
//! ```text
//!  commit() ──┐                                   ┌── one transaction, one fsync
//!  commit() ──┼─► channel ─► writer thread ───────┤   every caller of the group is answered after it
//!  commit() ──┘              (owns the connection) └── each caller's batch in a savepoint of its own
//!  get, list, … ─► read connection (sees what is committed), on the blocking pool
//! ```
//!
//! Guarantees: those of the trait. Commits that wait at the same time share one fsync. A group of `Lazy` commits alone is
//! visible at once and synced by the next `Now`, or after [`LAZY_SYNC`]. The epoch is compared inside the write
//! transaction, so two daemons on one file cannot both write: the older lease is refused. The file has mode 0600.
//!
//! It does not back up, and it does not prune.

mod schema;
mod writer;

use super::{Batch, Durability, Store, StoreError, Table};
use crate::domain::{AuditRecord, Event, JournalRecord};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::{Counters, Request, write_all};

/// After this time a `Lazy` commit is on the disk even when nothing else is written.
pub const LAZY_SYNC: Duration = Duration::from_millis(500);

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const QUEUE: usize = 1024;
/// Pages of the log after which they are copied into the file, each once: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;

/// A store in one file.
pub struct SqliteStore {
    path: Arc<str>,
    // `None` only while it is being dropped.
    writer: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    reader: Arc<Mutex<Connection>>,
    counters: Arc<Counters>,
}

impl SqliteStore {
    /// Opens the file, makes it when it is missing, and brings its schema up to date. Blocks; call it at start.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`], [`StoreError::ReadOnly`], [`StoreError::Full`], [`StoreError::Busy`], or the
    /// engine's own words.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with_limit(path, u32::MAX)
    }

    /// [`SqliteStore::open`] with a limit of the file's size, in pages of 4096 bytes; beyond it a commit answers
    /// [`StoreError::Full`].
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub fn open_with_limit(path: &Path, pages: u32) -> Result<Self, StoreError> {
        let shown: Arc<str> = path.display().to_string().into();
        // SQLite gives its -wal and -shm files the mode of the database file.
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(
            |source| match source.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    StoreError::ReadOnly { path: shown.to_string() }
                }
                _ => StoreError::Engine { doing: format!("open {shown}"), source: Box::new(source) },
            },
        )?;
        let mut writer = connect(path, &shown)?;
        schema::migrate(&mut writer, &shown)?;
        writer
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(|source| explain("limit", &shown, source))?;
        let reader = connect(path, &shown)?;
        let counters = Arc::new(Counters::default());
        let (sender, receiver) = sync_channel(QUEUE);
        let (name, counted) = (shown.clone(), counters.clone());
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_all(writer, &receiver, &name, &counted))
            .map_err(|source| StoreError::Engine {
                doing: "start the writer thread".into(),
                source: Box::new(source),
            })?;
        Ok(Self {
            path: shown,
            writer: Some(sender),
            thread: Some(thread),
            reader: Arc::new(Mutex::new(reader)),
            counters,
        })
    }

    /// How many groups were written since it was opened. Fewer than commits: that is group commit.
    pub fn groups(&self) -> u64 {
        self.counters.groups.load(Ordering::Relaxed)
    }

    /// How often it waited for the disk since it was opened. At most one for each commit that is `Now`.
    pub fn syncs(&self) -> u64 {
        self.counters.syncs.load(Ordering::Relaxed)
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let gone =
            || StoreError::Engine { doing: format!("write {}", self.path), source: "the writer has ended".into() };
        let sender = self.writer.clone().ok_or_else(gone)?;
        match sender.try_send(request) {
            Ok(()) => {}
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(gone()),
            Err(std::sync::mpsc::TrySendError::Full(request)) => {
                let sent = tokio::task::spawn_blocking(move || sender.send(request).is_ok()).await;
                if !sent.unwrap_or(false) {
                    return Err(gone());
                }
            }
        }
        answer.await.map_err(|_| gone())?
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reader, path) = (self.reader.clone(), self.path.clone());
        let done = tokio::task::spawn_blocking(move || {
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection).map_err(|source| explain(doing, &path, source))
        });
        done.await.map_err(|source| StoreError::Engine { doing: doing.into(), source: Box::new(source) })?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.writer = None;
        if let Some(thread) = self.thread.take() {
            // The writer ends by itself when its channel closes; its last group is committed before that.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get_bytes(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.read("read a record", move |connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM record WHERE kind = ?1 AND key = ?2")?;
            statement.query_row(params![table.name(), key], |row| row.get(0)).optional()
        })
        .await
    }

    async fn list_bytes(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read("list records", move |connection| {
            // A range scan on the primary key; keys compare bytewise, so `char::MAX` closes the prefix.
            let end = format!("{prefix}{}", char::MAX);
            let mut statement = connection.prepare_cached(
                "SELECT key, value FROM record WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
            )?;
            let rows = statement.query_map(params![table.name(), prefix, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }

    async fn page_bytes(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let (after, limit) = (after.to_owned(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.read("read a page of records", move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT key, value FROM record WHERE kind = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?;
            let rows =
                statement.query_map(params![table.name(), after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }

    async fn page_back_bytes(
        &self,
        table: Table,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let (before, limit) = (before.map(str::to_owned), i64::try_from(limit).unwrap_or(i64::MAX));
        self.read("read a page of records", move |connection| {
            let sql = match before {
                Some(_) => "SELECT key, value FROM record WHERE kind = ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
                None => "SELECT key, value FROM record WHERE kind = ?1 AND ?2 IS NULL ORDER BY key DESC LIMIT ?3",
            };
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![table.name(), before, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let (answer, received) = oneshot::channel();
        self.ask(Request::Commit { epoch, batch, durability, answer }, received).await
    }

    async fn journal(&self, transaction: &str) -> Result<Vec<JournalRecord>, StoreError> {
        let id = transaction.to_owned();
        let rows: Vec<Vec<u8>> = self
            .read("read a journal", move |connection| {
                let sql = "SELECT value FROM journal WHERE transaction_id = ?1 ORDER BY sequence";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map(params![id], |row| row.get(0))?;
                rows.collect()
            })
            .await?;
        rows.iter().map(|bytes| parse(Table::Transactions, transaction, bytes)).collect()
    }

    async fn open_transactions(&self) -> Result<Vec<String>, StoreError> {
        self.read("list open transactions", |connection| {
            let sql = "SELECT transaction_id FROM journal_head WHERE closed = 0 ORDER BY first";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
        .await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        let (after, limit) = (i64::try_from(sequence).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<(i64, Vec<u8>)> = self
            .read("read the outbox", move |connection| {
                let sql = "SELECT sequence, value FROM outbox WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect()
            })
            .await?;
        let parsed = rows.iter().map(|(at, bytes)| {
            Ok((u64::try_from(*at).unwrap_or_default(), parse(Table::Transactions, "outbox", bytes)?))
        });
        parsed.collect()
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Vec<u8>> = self
            .read("read the audit log", move |connection| {
                let sql = "SELECT value FROM audit ORDER BY sequence DESC LIMIT ?1";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map(params![limit], |row| row.get(0))?;
                rows.collect()
            })
            .await?;
        rows.iter().map(|bytes| parse(Table::Transactions, "audit", bytes)).collect()
    }

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        let (answer, received) = oneshot::channel();
        self.ask(Request::Lease { holder: holder.into(), answer }, received).await
    }
}

fn connect(path: &Path, shown: &str) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What a savepoint may have to take back needs no file.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    };
    open().map_err(|source| explain("open", shown, source))
}

fn explain(doing: &str, path: &str, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
        _ => StoreError::Engine { doing: format!("{doing} ({path})"), source: Box::new(source) },
    }
}

fn parse<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Decode { table, key: key.into(), source })
}
