//! Durable state behind one trait: records and blobs, never behaviour. No SQL outside this folder.
//!
//! The trait is a small ordered key-value contract with three append-only logs (journal, audit, outbox), so that SQLite,
//! PostgreSQL and the memory engine of tests answer to one conformance suite. Every write carries the epoch of the
//! writer's lease and fails when a newer epoch has been seen.
//!
//! Guarantees: a [`Batch`] is all or nothing; it is durable when `commit` returns, `Durability::Lazy` appends excepted;
//! outbox rows get their sequence numbers in the order of commit.

pub mod memory;
pub mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use crate::domain::{AuditRecord, ErrorClass, Event, JournalRecord};
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `domain::Element` by name.
    Elements,
    /// `domain::ElementState` by element name.
    ElementStates,
    /// `domain::StoredDocument` by `face/id`.
    Documents,
    /// Claims of one service on one element, packed, by `element/face/id`.
    Claims,
    /// Recorded tree by element name.
    Recorded,
    /// Ledger entries by `pool/owner`.
    Numbers,
    /// Kept plans by id.
    Plans,
    /// `domain::TransactionRecord` by id.
    Transactions,
    /// `domain::Deviation` by id.
    Deviations,
    /// `domain::Rewrite` by `element/id`.
    Rewrites,
    /// `domain::Revision` by service and revision; `domain::Gone` of deleted services.
    History,
    /// Sealed secrets by token.
    Secrets,
    /// Names that callers gave to their requests, `given/…`, and transactions that were promised before they began,
    /// `accepted/id`.
    Requests,
    /// `domain::QueuedChange` by `element/face/id`.
    Queue,
    /// Installation facts (hash key, installation id) by name.
    Installation,
}

impl Table {
    /// All tables, in the order of the enumeration.
    pub const ALL: [Table; 15] = [
        Table::Elements,
        Table::ElementStates,
        Table::Documents,
        Table::Claims,
        Table::Recorded,
        Table::Numbers,
        Table::Plans,
        Table::Transactions,
        Table::Deviations,
        Table::Rewrites,
        Table::History,
        Table::Secrets,
        Table::Requests,
        Table::Queue,
        Table::Installation,
    ];

    /// The name under which an engine keeps it; it must never change.
    pub fn name(self) -> &'static str {
        match self {
            Table::Elements => "elements",
            Table::ElementStates => "element-states",
            Table::Documents => "documents",
            Table::Claims => "claims",
            Table::Recorded => "recorded",
            Table::Numbers => "numbers",
            Table::Plans => "plans",
            Table::Transactions => "transactions",
            Table::Deviations => "deviations",
            Table::Rewrites => "rewrites",
            Table::History => "history",
            Table::Secrets => "secrets",
            Table::Requests => "requests",
            Table::Queue => "queue",
            Table::Installation => "installation",
        }
    }
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write a record, replacing one of the same key.
    Put(Table, String, Vec<u8>),
    /// Remove a record; absent is fine.
    Delete(Table, String),
}

/// Changes that become durable together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Records.
    pub changes: Vec<Change>,
    /// Journal records by transaction id, in order.
    pub journal: Vec<(String, JournalRecord)>,
    /// Audit log.
    pub audit: Vec<AuditRecord>,
    /// Outbox rows.
    pub events: Vec<Event>,
}

impl Batch {
    /// Adds a record, serialised as JSON.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &str, value: &T) -> Result<(), StoreError> {
        let bytes =
            serde_json::to_vec(value).map_err(|source| StoreError::Encode { table, key: key.into(), source })?;
        self.changes.push(Change::Put(table, key.into(), bytes));
        Ok(())
    }

    /// Adds a record as it is.
    pub fn put_bytes(&mut self, table: Table, key: &str, bytes: Vec<u8>) {
        self.changes.push(Change::Put(table, key.into(), bytes));
    }

    /// Adds a removal.
    pub fn delete(&mut self, table: Table, key: &str) {
        self.changes.push(Change::Delete(table, key.into()));
    }

    /// Adds a journal record.
    pub fn append(&mut self, transaction: &str, record: JournalRecord) {
        self.journal.push((transaction.into(), record));
    }

    /// Adds everything of `other`, behind what is there.
    pub fn extend(&mut self, other: Batch) {
        self.changes.extend(other.changes);
        self.journal.extend(other.journal);
        self.audit.extend(other.audit);
        self.events.extend(other.events);
    }
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Durable when the call returns.
    Now,
    /// Durable with the next `Now`, or soon.
    Lazy,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads one record.
    async fn get_bytes(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Reads the records whose keys begin with `prefix`, in key order.
    async fn list_bytes(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// The first records whose keys come behind `after`, at most `limit`, in key order: for going through a large table.
    async fn page_bytes(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// The last records whose keys come before `before` (of all, without it), at most `limit`, the last first.
    async fn page_back_bytes(
        &self,
        table: Table,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// Writes a batch under the writer's epoch.
    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError>;
    /// The journal of one transaction, in order.
    async fn journal(&self, transaction: &str) -> Result<Vec<JournalRecord>, StoreError>;
    /// Transactions whose journal has no `Closed` record, oldest first.
    async fn open_transactions(&self) -> Result<Vec<String>, StoreError>;
    /// Outbox rows after a sequence number, at most `limit`.
    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError>;
    /// The last audit records, newest first, at most `limit`.
    async fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
    /// Takes the lease of the domain: a new epoch, greater than all before.
    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError>;
}

/// Typed reads over any store.
pub async fn get<T: DeserializeOwned>(store: &dyn Store, table: Table, key: &str) -> Result<Option<T>, StoreError> {
    match store.get_bytes(table, key).await? {
        None => Ok(None),
        Some(bytes) => decode(table, key, &bytes).map(Some),
    }
}

/// Typed listing over any store.
pub async fn list<T: DeserializeOwned>(
    store: &dyn Store,
    table: Table,
    prefix: &str,
) -> Result<Vec<(String, T)>, StoreError> {
    let rows = store.list_bytes(table, prefix).await?;
    rows.into_iter().map(|(key, bytes)| decode(table, &key, &bytes).map(|value| (key, value))).collect()
}

/// A typed page backwards over any store.
pub async fn page_back<T: DeserializeOwned>(
    store: &dyn Store,
    table: Table,
    before: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, T)>, StoreError> {
    let rows = store.page_back_bytes(table, before, limit).await?;
    rows.into_iter().map(|(key, bytes)| decode(table, &key, &bytes).map(|value| (key, value))).collect()
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Decode { table, key: key.into(), source })
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A record could not be written as JSON.
    #[error("store: record {key} of {table:?} cannot be encoded")]
    Encode {
        /// Its table.
        table: Table,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record cannot be read: it was written by a newer version, or it is damaged.
    #[error("store: record {key} of {table:?} cannot be decoded")]
    Decode {
        /// Its table.
        table: Table,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Another daemon holds a newer lease; this one must stop writing.
    #[error("store: the lease of epoch {ours} is lost to epoch {newer}")]
    LeaseLost {
        /// Our epoch.
        ours: u64,
        /// The epoch seen.
        newer: u64,
    },
    /// The database was written by a newer version of this program.
    #[error("store: {path} has schema {found}, this program knows {known}: run the newer version, or restore a backup")]
    NewerSchema {
        /// The file.
        path: String,
        /// Its schema version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The file or its folder cannot be written.
    #[error("store: {path} is read-only: check owner, mode and mount")]
    ReadOnly {
        /// The file.
        path: String,
    },
    /// No space is left. Nothing of the batch was written.
    #[error("store: no space is left for {path}")]
    Full {
        /// The file.
        path: String,
    },
    /// Another process holds the database for longer than the time limit.
    #[error("store: {path} is held by another process")]
    Busy {
        /// The file.
        path: String,
    },
    /// The engine failed.
    #[error("store: {doing}")]
    Engine {
        /// The operation.
        doing: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// For whoever might try again.
    pub fn class(&self) -> ErrorClass {
        match self {
            StoreError::Encode { .. } | StoreError::Decode { .. } => ErrorClass::Bug,
            StoreError::LeaseLost { .. } => ErrorClass::Conflict,
            StoreError::NewerSchema { .. } | StoreError::ReadOnly { .. } => ErrorClass::Rejected,
            StoreError::Full { .. } | StoreError::Busy { .. } | StoreError::Engine { .. } => ErrorClass::Transient,
        }
    }
}
