//! A store between the program and the store behind it. What a [`Between`] does not say otherwise is passed on.

use andante::domain::{AuditRecord, Event, JournalRecord};
use andante::store::{Batch, Durability, Store, StoreError, Table};
use async_trait::async_trait;
use std::sync::Arc;

/// What happens on the way.
#[async_trait]
pub trait Between: Send + Sync {
    /// The store behind it.
    fn behind(&self) -> &dyn Store;

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        self.behind().take_lease(holder).await
    }
}

/// The store that the program sees.
pub struct Through<B>(pub Arc<B>);

#[async_trait]
impl<B: Between> Store for Through<B> {
    async fn get_bytes(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.behind().get_bytes(table, key).await
    }

    async fn list_bytes(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.behind().list_bytes(table, prefix).await
    }

    async fn page_bytes(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.behind().page_bytes(table, after, limit).await
    }

    async fn page_back_bytes(
        &self,
        table: Table,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.behind().page_back_bytes(table, before, limit).await
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.0.commit(epoch, batch, durability).await
    }

    async fn journal(&self, transaction: &str) -> Result<Vec<JournalRecord>, StoreError> {
        self.0.behind().journal(transaction).await
    }

    async fn open_transactions(&self) -> Result<Vec<String>, StoreError> {
        self.0.behind().open_transactions().await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        self.0.behind().events_after(sequence, limit).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.0.behind().audit(limit).await
    }

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        self.0.take_lease(holder).await
    }
}
