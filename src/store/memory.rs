//! The engine that forgets: the contract of the store in memory, with faults that a test can ask for.
//!
//! It keeps what a disk would keep apart from what only the process knows: a `Lazy` commit is visible at once, but a
//! [`MemoryStore::crash`] loses it unless a `Now` commit followed. It serves the simulator and the tests.
//!
//! Guarantees: the same as the trait. It does no input or output and never waits.

use super::{Batch, Change, Durability, Store, StoreError, Table};
use crate::domain::{AuditRecord, Event, JournalRecord};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written (disk full).
    Nothing,
    /// Everything is written, but the caller is told an error (a failed fsync, a reply that is lost).
    WrittenAnyway,
}

#[derive(Debug, Default)]
struct Inner {
    seen: Records,
    durable: Records,
    lazy: Vec<Batch>,
    epoch: u64,
    commits: u64,
    fault: Option<(u64, Fault)>,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
struct Records {
    tables: BTreeMap<(Table, String), Vec<u8>>,
    journal: BTreeMap<String, Vec<JournalRecord>>,
    // First appearance of each transaction, oldest first.
    order: Vec<String>,
    audit: Vec<AuditRecord>,
    events: Vec<Event>,
}

impl Records {
    fn apply(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Put(table, key, bytes) => {
                    self.tables.insert((*table, key.clone()), bytes.clone());
                }
                Change::Delete(table, key) => {
                    self.tables.remove(&(*table, key.clone()));
                }
            }
        }
        for (transaction, record) in &batch.journal {
            let records = self.journal.entry(transaction.clone()).or_default();
            if records.is_empty() {
                self.order.push(transaction.clone());
            }
            records.push(record.clone());
        }
        self.audit.extend(batch.audit.iter().cloned());
        self.events.extend(batch.events.iter().cloned());
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the commit after the next `skip` ones fail, once.
    pub fn fail_commit(&self, skip: u64, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.commits + skip, fault));
    }

    /// What a loss of power leaves: everything `Now`, nothing that was `Lazy` after it.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// As [`MemoryStore::crash`], when the first `lazy` of the batches that nobody waited for did reach the disk.
    pub fn crash_keeping(&self, lazy: usize) {
        let mut inner = self.inner();
        for batch in std::mem::take(&mut inner.lazy).into_iter().take(lazy) {
            inner.durable.apply(&batch);
        }
        inner.seen = inner.durable.clone();
        inner.fault = None;
    }

    /// How many commits waited for the "disk" so far.
    pub fn syncs(&self) -> u64 {
        self.inner().syncs
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change of `Inner` is complete before anything can panic, so a poisoned lock is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get_bytes(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.inner().seen.tables.get(&(table, key.to_owned())).cloned())
    }

    async fn list_bytes(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let inner = self.inner();
        let rows = inner.seen.tables.range((table, prefix.to_owned())..);
        let rows = rows.take_while(|((of, key), _)| *of == table && key.starts_with(prefix));
        Ok(rows.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect())
    }

    async fn page_bytes(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let inner = self.inner();
        let rows = inner.seen.tables.range((Bound::Excluded((table, after.to_owned())), Bound::Unbounded));
        let rows = rows.take_while(|((of, _), _)| *of == table).take(limit);
        Ok(rows.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect())
    }

    async fn page_back_bytes(
        &self,
        table: Table,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let inner = self.inner();
        let rows = inner.seen.tables.range((table, String::new())..);
        let of_table = rows.take_while(|((of, _), _)| *of == table);
        let mut rows: Vec<_> = of_table
            .take_while(|((_, key), _)| before.is_none_or(|before| key.as_str() < before))
            .map(|((_, key), bytes)| (key.clone(), bytes.clone()))
            .collect();
        rows.reverse();
        rows.truncate(limit);
        Ok(rows)
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if epoch != inner.epoch {
            return Err(StoreError::LeaseLost { ours: epoch, newer: inner.epoch });
        }
        let number = inner.commits;
        inner.commits += 1;
        let fault = match inner.fault {
            Some((at, fault)) if at == number => {
                inner.fault = None;
                Some(fault)
            }
            _ => None,
        };
        let failed = || StoreError::Engine { doing: "commit".into(), source: "a fault was asked for".into() };
        if fault == Some(Fault::Nothing) {
            return Err(failed());
        }
        inner.seen.apply(&batch);
        inner.lazy.push(batch);
        if durability == Durability::Now {
            inner.syncs += 1;
            for batch in std::mem::take(&mut inner.lazy) {
                inner.durable.apply(&batch);
            }
        }
        if fault.is_some() { Err(failed()) } else { Ok(()) }
    }

    async fn journal(&self, transaction: &str) -> Result<Vec<JournalRecord>, StoreError> {
        Ok(self.inner().seen.journal.get(transaction).cloned().unwrap_or_default())
    }

    async fn open_transactions(&self) -> Result<Vec<String>, StoreError> {
        let inner = self.inner();
        let open = |id: &&String| {
            let records = inner.seen.journal.get(*id);
            !records.is_some_and(|all| all.iter().any(|record| matches!(record, JournalRecord::Closed { .. })))
        };
        Ok(inner.seen.order.iter().filter(open).cloned().collect())
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        let inner = self.inner();
        let numbered = (1..).zip(inner.seen.events.iter());
        Ok(numbered.filter(|(at, _)| *at > sequence).take(limit).map(|(at, event)| (at, event.clone())).collect())
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(self.inner().seen.audit.iter().rev().take(limit).cloned().collect())
    }

    async fn take_lease(&self, _holder: &str) -> Result<u64, StoreError> {
        let mut inner = self.inner();
        inner.epoch += 1;
        Ok(inner.epoch)
    }
}
