//! The mirror follows the store: after a transaction's decision, and after a batch outside of any.
//!
//! Guarantee: what the store says is what the mirror shows. Where the end of a write does not say whether it is durable, the
//! store is asked, and what it holds is true.

use crate::controller::closing::PlanClosing;
use crate::controller::{Controller, Failure, meaning};
use crate::domain::{Outcome, chain};
use crate::store::{self, Batch, Change, Durability, Store};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often, and how long apart, the store is asked what became of a decision.
const ASK_ATTEMPTS: u32 = 60;
const ASK_PAUSE: Duration = Duration::from_secs(1);

impl Controller {
    /// The mirror follows what has been decided; whether all was applied. Where the end does not say whether the decision
    /// is durable, the store is asked: what it holds is true. The caller holds the services and elements, so nobody else
    /// moves them meanwhile.
    pub(super) async fn follow(&self, closing: &PlanClosing, outcome: Option<&Outcome>) -> bool {
        let batch = closing.done.lock().unwrap_or_else(PoisonError::into_inner).batch.take();
        // Without a batch it never came to a decision.
        let Some(batch) = batch else { return false };
        let followed = match outcome {
            Some(Outcome::Applied) => self.mirror(&batch),
            _ => match self.asked_again(&batch).await {
                Some(stored) => self.mirror(&stored),
                None => return false,
            },
        };
        if let Err(error) = followed {
            let error = chain(&error);
            tracing::error!(error, "what was decided is stored, but not in memory: restart the daemon");
        }
        matches!(outcome, Some(Outcome::Applied))
    }

    /// The records of a batch as the store has them, as soon as it answers.
    async fn asked_again(&self, batch: &Batch) -> Option<Batch> {
        for attempt in 1..=ASK_ATTEMPTS {
            match as_stored(self.parts.store.as_ref(), batch).await {
                Ok(stored) => return Some(stored),
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(attempt, error, "the store does not say whether a decision is durable");
                }
            }
            self.parts.ambient.sleep(ASK_PAUSE).await;
        }
        tracing::error!("the store did not say whether a decision is durable: restart the daemon");
        None
    }

    pub(in crate::controller) fn mirror(&self, batch: &Batch) -> Result<(), Failure> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut model).apply(batch, &meaning(self.schema()))?;
        Ok(())
    }

    /// A batch of our own, outside any transaction: durable, then mirrored.
    pub(in crate::controller) async fn commit_batch(&self, batch: Batch) -> Result<(), Failure> {
        self.commit_with(batch, Durability::Now).await
    }

    /// The same for what may wait for the disk: mirrored at once, durable soon.
    pub(in crate::controller) async fn commit_with(&self, batch: Batch, durability: Durability) -> Result<(), Failure> {
        if let Err(error) = self.parts.store.commit(self.parts.epoch, batch.clone(), durability).await {
            // An error does not say that nothing was written.
            if let Ok(stored) = as_stored(self.parts.store.as_ref(), &batch).await {
                self.mirror(&stored)?;
            }
            return Err(error.into());
        }
        self.mirror(&batch)
    }
}

/// The records of a batch as the store has them.
pub(in crate::controller) async fn as_stored(store: &dyn Store, batch: &Batch) -> Result<Batch, store::StoreError> {
    let mut stored = Batch::default();
    for change in &batch.changes {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
        stored.changes.push(match store.get_bytes(*table, key).await? {
            Some(bytes) => Change::Put(*table, key.clone(), bytes),
            None => Change::Delete(*table, key.clone()),
        });
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn what_a_lost_decision_would_have_changed_is_taken_from_the_store() {
        let store = MemoryStore::default();
        let epoch = store.take_lease("test").await.unwrap();
        let mut before = Batch::default();
        before.put(Table::Documents, "f/old", &1).unwrap();
        store.commit(epoch, before, Durability::Now).await.unwrap();
        let mut lost = Batch::default();
        lost.put(Table::Documents, "f/old", &2).unwrap();
        lost.put(Table::Documents, "f/new", &3).unwrap();
        let stored = as_stored(&store, &lost).await.unwrap();
        assert!(
            matches!(&stored.changes[0], Change::Put(Table::Documents, key, bytes) if key == "f/old" && bytes == b"1")
        );
        assert!(matches!(&stored.changes[1], Change::Delete(Table::Documents, key) if key == "f/new"));
    }
}
