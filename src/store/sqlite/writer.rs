//! The thread that writes: it owns its connection, makes one transaction of all that waits, and answers each.

use super::{LAZY_SYNC, explain};
use crate::domain::JournalRecord;
use crate::store::{Batch, Change, Durability, StoreError, Table};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use tokio::sync::oneshot;

const LARGEST_GROUP: usize = 256;

/// What the writer has done since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) groups: AtomicU64,
    pub(super) syncs: AtomicU64,
}

pub(super) enum Request {
    Commit { epoch: u64, batch: Batch, durability: Durability, answer: oneshot::Sender<Result<(), StoreError>> },
    Lease { holder: String, answer: oneshot::Sender<Result<u64, StoreError>> },
}

/// The writer thread: takes what waits, writes it as one group, answers.
pub(super) fn write_all(connection: Connection, requests: &Receiver<Request>, path: &str, counters: &Counters) {
    let mut writer = Writer { connection, full: None };
    let mut unsynced = false;
    loop {
        let first = if unsynced {
            match requests.recv_timeout(LAZY_SYNC) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    counters.syncs.fetch_add(1, Ordering::Relaxed);
                    match writer.sync() {
                        Ok(()) => unsynced = false,
                        Err(error) => tracing::warn!(%error, store = path, "lazy records are not synced yet"),
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        } else {
            match requests.recv() {
                Ok(request) => request,
                Err(_) => break,
            }
        };
        let mut group = vec![first];
        group.extend(requests.try_iter().take(LARGEST_GROUP));
        counters.groups.fetch_add(1, Ordering::Relaxed);
        if group.iter().any(waits) {
            counters.syncs.fetch_add(1, Ordering::Relaxed);
        }
        unsynced = writer.write_group(group, path, unsynced);
    }
    if unsynced && writer.sync().is_err() {
        tracing::warn!(store = path, "the last lazy records may not be synced");
    }
}

/// Whether the request is answered only when it is on the disk.
fn waits(request: &Request) -> bool {
    !matches!(request, Request::Commit { durability: Durability::Lazy, .. })
}

type Waiting = Box<dyn FnOnce(Result<(), StoreError>)>;

/// The connection that writes.
struct Writer {
    connection: Connection,
    /// Whether a commit waits for the disk, as the engine was told last.
    full: Option<bool>,
}

impl Writer {
    /// Only outside a transaction; without waiting a commit in WAL mode writes and does not sync.
    fn wait_for_the_disk(&mut self, full: bool) -> rusqlite::Result<()> {
        if self.full != Some(full) {
            self.full = None;
            self.connection.pragma_update(None, "synchronous", if full { "FULL" } else { "NORMAL" })?;
            self.full = Some(full);
        }
        Ok(())
    }

    /// A committed write that waits syncs the log with everything before it.
    fn sync(&mut self) -> rusqlite::Result<()> {
        self.wait_for_the_disk(true)?;
        self.connection.execute("UPDATE lease SET synced = synced + 1 WHERE id = 1", []).map(drop)
    }

    /// Writes one group; answers everybody. True when something committed still waits for the disk.
    fn write_group(&mut self, group: Vec<Request>, path: &str, unsynced: bool) -> bool {
        let now = group.iter().any(waits);
        let mut waiting: Vec<Waiting> = Vec::with_capacity(group.len());
        let mut refused: Vec<Box<dyn FnOnce()>> = Vec::new();
        // One alone is refused with its transaction.
        let alone = group.len() == 1;
        let mut group = group.into_iter();
        let result = (|| {
            self.wait_for_the_disk(now)?;
            let mut transaction = Open::begin(&self.connection)?;
            for request in group.by_ref() {
                match request {
                    Request::Commit { epoch, batch, answer, .. } => {
                        match apart(&self.connection, alone, |inside| write_batch(inside, epoch, &batch, path)) {
                            Ok(Ok(())) => waiting.push(Box::new(move |result| drop(answer.send(result)))),
                            Ok(Err(error)) => refused.push(Box::new(move || drop(answer.send(Err(error))))),
                            Err(error) => {
                                waiting.push(Box::new(move |result| drop(answer.send(result))));
                                return Err(error);
                            }
                        }
                    }
                    Request::Lease { holder, answer } => {
                        let epoch = next_lease(&self.connection, &holder)?;
                        waiting.push(Box::new(move |result| drop(answer.send(result.map(|()| epoch)))));
                    }
                }
            }
            if waiting.is_empty() { Ok(()) } else { transaction.commit() }
        })();
        for answer in refused {
            answer();
        }
        match result {
            Ok(()) if waiting.is_empty() => unsynced,
            Ok(()) => {
                for answer in waiting {
                    answer(Ok(()));
                }
                !now
            }
            Err(source) => {
                // Those whose turn did not come hear why.
                waiting.extend(group.map(|request| match request {
                    Request::Commit { answer, .. } => Box::new(move |result| drop(answer.send(result))) as Waiting,
                    Request::Lease { answer, .. } => {
                        Box::new(move |result: Result<(), StoreError>| drop(answer.send(result.map(|()| 0)))) as Waiting
                    }
                }));
                let text = source.to_string();
                let mut first = Some(source);
                for answer in waiting {
                    let source = first.take().unwrap_or_else(|| rusqlite::Error::InvalidParameterName(text.clone()));
                    answer(Err(explain("commit", path, source)));
                }
                unsynced
            }
        }
    }
}

/// A transaction of the engine, taken back when it is dropped. Its statements are kept ready, for every commit needs them.
struct Open<'a> {
    connection: &'a Connection,
}

impl<'a> Open<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        said(connection, "BEGIN IMMEDIATE")?;
        Ok(Self { connection })
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        said(self.connection, "COMMIT")
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // After a commit nothing is open; a failure of the disk may have ended it already.
        if !self.connection.is_autocommit()
            && let Err(error) = said(self.connection, "ROLLBACK")
        {
            tracing::error!(%error, "a write of the store could not be taken back");
        }
    }
}

fn said(connection: &Connection, words: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(words)?.execute([]).map(drop)
}

/// Work that leaves nothing of itself in the transaction when it fails; unless it is `alone` there, for then the transaction
/// goes as a whole.
fn apart(
    connection: &Connection,
    alone: bool,
    work: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> rusqlite::Result<Result<(), StoreError>> {
    if alone {
        return Ok(work(connection));
    }
    said(connection, "SAVEPOINT one")?;
    let done = work(connection);
    if done.is_err() {
        said(connection, "ROLLBACK TO one")?;
    }
    said(connection, "RELEASE one")?;
    Ok(done)
}

fn write_batch(connection: &Connection, epoch: u64, batch: &Batch, path: &str) -> Result<(), StoreError> {
    let run = |doing: &'static str, result: rusqlite::Result<usize>| {
        result.map(drop).map_err(|source| explain(doing, path, source))
    };
    let current: i64 = connection
        .prepare_cached("SELECT epoch FROM lease WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|source| explain("read the lease", path, source))?;
    let current = u64::try_from(current).unwrap_or_default();
    if current != epoch {
        return Err(StoreError::LeaseLost { ours: epoch, newer: current });
    }
    for change in &batch.changes {
        match change {
            Change::Put(table, key, bytes) => run(
                "write a record",
                connection
                    .prepare_cached("INSERT OR REPLACE INTO record (kind, key, value) VALUES (?1, ?2, ?3)")
                    .and_then(|mut statement| statement.execute(params![table.name(), key, bytes])),
            )?,
            Change::Delete(table, key) => run(
                "remove a record",
                connection
                    .prepare_cached("DELETE FROM record WHERE kind = ?1 AND key = ?2")
                    .and_then(|mut statement| statement.execute(params![table.name(), key])),
            )?,
        }
    }
    for (transaction, record) in &batch.journal {
        let bytes = encode(transaction, record)?;
        run(
            "open a journal",
            connection
                .prepare_cached("INSERT OR IGNORE INTO journal_head (transaction_id) VALUES (?1)")
                .and_then(|mut statement| statement.execute(params![transaction])),
        )?;
        run(
            "append to a journal",
            connection
                .prepare_cached("INSERT INTO journal (transaction_id, value) VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![transaction, bytes])),
        )?;
        if matches!(record, JournalRecord::Closed { .. }) {
            run(
                "close a journal",
                connection
                    .prepare_cached("UPDATE journal_head SET closed = 1 WHERE transaction_id = ?1")
                    .and_then(|mut statement| statement.execute(params![transaction])),
            )?;
        }
    }
    for record in &batch.audit {
        let bytes = encode("audit", record)?;
        run(
            "append to the audit log",
            connection
                .prepare_cached("INSERT INTO audit (value) VALUES (?1)")
                .and_then(|mut statement| statement.execute(params![bytes])),
        )?;
    }
    for event in &batch.events {
        let bytes = encode("outbox", event)?;
        run(
            "append to the outbox",
            connection
                .prepare_cached("INSERT INTO outbox (value) VALUES (?1)")
                .and_then(|mut statement| statement.execute(params![bytes])),
        )?;
    }
    Ok(())
}

fn next_lease(connection: &Connection, holder: &str) -> rusqlite::Result<u64> {
    let sql = "UPDATE lease SET epoch = epoch + 1, holder = ?1, taken = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = 1
               RETURNING epoch";
    let epoch: i64 = connection.query_row(sql, params![holder], |row| row.get(0))?;
    Ok(u64::try_from(epoch).unwrap_or_default())
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|source| StoreError::Encode {
        table: Table::Transactions,
        key: key.into(),
        source,
    })
}
