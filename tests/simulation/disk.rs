//! The disk under the daemon's store: a memory store with the faults of disks, and a note of what became durable when.

use crate::director::{Director, Process};
use crate::story::DiskFault;
use crate::through::Between;
use crate::world::World;
use andante::domain::{JournalRecord, Phase};
use andante::store::{Batch, Durability, MemoryStore, Store, StoreError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Disk {
    world: World,
    pub store: MemoryStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: Option<DiskFault>,
    full_until: Duration,
    read_only_until: Duration,
    lazy: Vec<Vec<(String, JournalRecord)>>,
    intents: BTreeMap<(String, Phase), u64>,
    durable: BTreeMap<(String, Phase), u64>,
}

impl Disk {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), store: MemoryStore::new(), state: Mutex::default() }
    }

    pub fn fault(&self, fault: DiskFault) {
        let mut state = self.state.lock().unwrap();
        let until = |seconds| self.world.now() + Duration::from_secs(seconds);
        match fault {
            DiskFault::FullFor(seconds) => state.full_until = until(seconds),
            DiskFault::ReadOnly(seconds) => state.read_only_until = until(seconds),
            other => state.next = Some(other),
        }
    }

    /// Of what nobody waited for, so many batches reached the disk.
    pub fn power_loss(&self, keeps: usize) {
        self.store.crash_keeping(keeps);
        let mut state = self.state.lock().unwrap();
        let kept: Vec<_> = std::mem::take(&mut state.lazy).into_iter().take(keeps).collect();
        let now = self.world.tick();
        note(&mut state.durable, kept.iter().flatten(), now);
    }

    /// When an intent was first accepted, durable or not.
    pub fn intent(&self, transaction: &str, phase: Phase) -> Option<u64> {
        self.state.lock().unwrap().intents.get(&(transaction.to_owned(), phase)).copied()
    }

    /// When an intent was first surely on the disk.
    pub fn durable(&self, transaction: &str, phase: Phase) -> Option<u64> {
        self.state.lock().unwrap().durable.get(&(transaction.to_owned(), phase)).copied()
    }

    fn broken(&self) -> Option<StoreError> {
        let state = self.state.lock().unwrap();
        let path = || "andante.db".to_owned();
        if self.world.now() < state.read_only_until {
            return Some(StoreError::ReadOnly { path: path() });
        }
        (self.world.now() < state.full_until).then(|| StoreError::Full { path: path() })
    }
}

fn note<'a>(
    into: &mut BTreeMap<(String, Phase), u64>,
    records: impl Iterator<Item = &'a (String, JournalRecord)>,
    now: u64,
) {
    for (transaction, record) in records {
        let phase = match record {
            JournalRecord::Intent { phase, .. } => *phase,
            JournalRecord::Closed { .. } => Phase::Closed,
            _ => continue,
        };
        into.entry((transaction.clone(), phase)).or_insert(now);
    }
}

fn sync_failed() -> StoreError {
    StoreError::Engine { doing: "sync".into(), source: "input/output error".into() }
}

#[async_trait]
impl Between for Disk {
    fn behind(&self) -> &dyn Store {
        &self.store
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let fault = if durability == Durability::Now { self.state.lock().unwrap().next.take() } else { None };
        if durability == Durability::Now {
            // Whoever loses power in here has a torn last write: it counts as not there.
            let time = if let Some(DiskFault::Slow(time)) = fault { time } else { 2 };
            self.world.wait(Duration::from_millis(time)).await;
        }
        if let Some(error) = self.broken() {
            return Err(error);
        }
        if fault == Some(DiskFault::Full) {
            return Err(StoreError::Full { path: "andante.db".into() });
        }
        let (journal, now) = (batch.journal.clone(), self.world.tick());
        let volatile = fault == Some(DiskFault::SyncFailsVolatile);
        let durability = if volatile { Durability::Lazy } else { durability };
        self.store.commit(epoch, batch, durability).await?;
        {
            let mut state = self.state.lock().unwrap();
            note(&mut state.intents, journal.iter(), now);
            if durability == Durability::Now {
                let earlier = std::mem::take(&mut state.lazy);
                note(&mut state.durable, earlier.iter().flatten().chain(&journal), now);
            } else {
                state.lazy.push(journal);
            }
        }
        if durability == Durability::Now {
            // Whoever dies in here does not know that it stands.
            self.world.wait(Duration::from_millis(1)).await;
        }
        if volatile || fault == Some(DiskFault::SyncFailsStands) { Err(sync_failed()) } else { Ok(()) }
    }

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        match self.broken() {
            Some(error) => Err(error),
            None => self.store.take_lease(holder).await,
        }
    }
}

/// The disk, as one daemon writes to it.
pub struct OnDisk {
    pub disk: Arc<Disk>,
    pub process: Arc<Process>,
    pub director: Arc<Director>,
}

#[async_trait]
impl Between for OnDisk {
    fn behind(&self) -> &dyn Store {
        self.disk.behind()
    }

    async fn commit(&self, epoch: u64, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        // An empty one only asks whether the lease still holds.
        if !(batch == Batch::default()) {
            let writes = |point: &str| {
                point.starts_with("intent-") || ["note", "word", "mark", "end", "end-unsent"].contains(&point)
            };
            self.director.guards(&self.process, &format!("a write of {:?}", batch.journal), writes);
        }
        self.disk.commit(epoch, batch, durability).await
    }

    async fn take_lease(&self, holder: &str) -> Result<u64, StoreError> {
        self.disk.take_lease(holder).await
    }
}
