//! Planted bugs: the harness has to find each of them, or it proves nothing.

use crate::element::Element;
use crate::plans::{found, wanted};
use crate::{Domain, simulate};
use andante::adagio::{DriverError, Payload, Reader, Reading, Southbound, Writer};
use andante::domain::{AuditRecord, Class, Event, JournalRecord, Phase};
use andante::plan::ElementPlan;
use andante::store::{Batch, Durability, Store, StoreError, Table};
use andante::transaction::Undo;
use andante::tree::ConfigTree;
use async_trait::async_trait;
use std::sync::Arc;

/// In how many of 150 seeds the harness cries.
fn found_in(plant: impl Fn(&mut Domain)) -> usize {
    let found: Vec<String> = (0..150).filter_map(|seed| simulate(seed, &plant).err()).collect();
    println!("{} of 150 seeds cry, the first: {}", found.len(), found.first().map_or("-", String::as_str));
    found.len()
}

/// Skips the read-back: a fresh reader tells what the plan wants to hear.
struct Credulous {
    south: Arc<dyn Southbound>,
    wish: ConfigTree,
}

struct Yes(ConfigTree, Class);

#[async_trait]
impl Reader for Yes {
    fn class(&self) -> Class {
        self.1
    }

    async fn read_running(&mut self) -> Result<Reading, DriverError> {
        Ok(Reading { tree: self.0.clone(), partial: None, bytes: 1, defaults: Default::default() })
    }

    async fn close(self: Box<Self>) {}
}

#[async_trait]
impl Southbound for Credulous {
    fn element(&self) -> &str {
        self.south.element()
    }

    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
        Ok(Box::new(Yes(self.wish.clone(), Class::A)))
    }

    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
        self.south.open_writer().await
    }
}

#[test]
fn a_skipped_read_back_is_found() {
    let found = found_in(|domain| {
        for of in &domain.plan.elements {
            let south = domain.south[&of.element].clone();
            let liar = Credulous { south, wish: wanted(&found(), "200") };
            domain.south.insert(of.element.clone(), Arc::new(liar));
        }
        // F20 on one element, which only reading can tell.
        domain.element(0).fault(crate::element::Call::Apply, 0, crate::element::Fault::Silent);
    });
    assert!(found > 30);
}

/// A store that forgets something of the journal.
struct Forgetful {
    store: Arc<dyn Store>,
    what: Forgets,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgets {
    /// The intent before anything is applied.
    Applied,
    /// To wait for the disk.
    Sync,
}

#[async_trait]
impl Store for Forgetful {
    async fn get_bytes(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get_bytes(table, key).await
    }

    async fn list_bytes(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.store.list_bytes(table, prefix).await
    }

    async fn page_bytes(&self, table: Table, after: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.store.page_bytes(table, after, limit).await
    }

    async fn commit(&self, epoch: u64, mut batch: Batch, mut durability: Durability) -> Result<(), StoreError> {
        let phase = |record: &JournalRecord| match record {
            JournalRecord::Intent { phase, .. } => Some(*phase),
            _ => None,
        };
        match self.what {
            Forgets::Applied => {
                batch.journal.retain(|(_, record)| !matches!(phase(record), Some(Phase::Applied | Phase::Verified)))
            }
            Forgets::Sync => durability = Durability::Lazy,
        }
        self.store.commit(epoch, batch, durability).await
    }

    async fn journal(&self, transaction: &str) -> Result<Vec<JournalRecord>, StoreError> {
        self.store.journal(transaction).await
    }

    async fn open_transactions(&self) -> Result<Vec<String>, StoreError> {
        self.store.open_transactions().await
    }

    async fn events_after(&self, sequence: u64, limit: usize) -> Result<Vec<(u64, Event)>, StoreError> {
        self.store.events_after(sequence, limit).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.store.audit(limit).await
    }

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        self.store.take_lease(holder).await
    }
}

#[test]
fn a_missing_journal_record_is_found() {
    let found = found_in(|domain| {
        domain.seen_by_daemon = Arc::new(Forgetful { store: domain.store.clone(), what: Forgets::Applied });
    });
    assert!(found > 0);
}

#[test]
fn commits_that_do_not_wait_for_the_disk_are_found() {
    let found = found_in(|domain| {
        domain.seen_by_daemon = Arc::new(Forgetful { store: domain.store.clone(), what: Forgets::Sync });
    });
    assert!(found > 0);
}

/// An undo that finds nothing to do.
struct Lazy;

impl Undo for Lazy {
    fn toward_before(&self, _: &str, _: &ElementPlan, _: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(None)
    }

    fn toward_after(&self, _: &str, _: &ElementPlan, _: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(None)
    }
}

#[test]
fn an_undo_that_does_nothing_is_found() {
    assert!(found_in(|domain| domain.undo = Arc::new(Lazy)) > 0);
}

/// Sends more than the plan says.
struct Overzealous {
    south: Arc<dyn Southbound>,
    element: Arc<Element>,
}

#[async_trait]
impl Southbound for Overzealous {
    fn element(&self) -> &str {
        self.south.element()
    }

    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
        self.south.open_reader().await
    }

    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
        let other = crate::plans::vlan_path("ge2");
        self.element.edit(|tree| tree.without(&other));
        self.south.open_writer().await
    }
}

#[test]
fn a_change_outside_the_plan_is_found() {
    let found = found_in(|domain| {
        for (name, element) in &domain.elements {
            let south = domain.south[name].clone();
            domain.south.insert(name.clone(), Arc::new(Overzealous { south, element: element.clone() }));
        }
    });
    assert!(found > 0);
}
