//! What the daemon knows, in memory: a mirror of the store, loaded at start and changed only by batches that are durable.
//!
//! Everything is kept in maps that are cheap to copy, with the indexes that a plan asks: ports, numbers, elements, the
//! merged intent of each element. A batch changes what it is about; a plan works on the copy of one moment. Neither costs
//! more where there are more services, and [`Model::visits`] counts the entries that were looked at.

mod claimed;
mod load;

pub(super) use claimed::{ClaimChange, Claimed};

use crate::domain::{
    Deviation, ElementState, Gone, Inventory, Map, QueuedChange, Rewrite, ServiceKey, StoredDocument, Visits,
};
use crate::face;
use crate::service::ledger::{Ledger, Take};
use crate::service::{NumberUse, PortUse, Service, explicit_numbers};
use crate::store::{Batch, Change, StoreError, Table};
use crate::tree::{Claims, ConfigTree, Owner, Unpacker};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The mirror.
#[derive(Clone)]
pub struct Model {
    /// The elements.
    pub(super) inventory: Inventory,
    /// State by element name.
    pub(super) states: Map<String, ElementState>,
    /// Documents by service.
    pub(super) documents: Map<ServiceKey, Arc<StoredDocument>>,
    /// Which service uses which frames of which port.
    pub(super) ports: PortUse,
    /// Which service uses which explicit number.
    pub(super) numbers: NumberUse,
    /// All numbers.
    pub(super) ledger: Ledger,
    /// What is claimed, by element.
    pub(super) claimed: Map<String, Arc<Claimed>>,
    /// Deviations by id.
    deviations: Map<String, Arc<Deviation>>,
    /// Their ids by element.
    deviating: Map<(String, String), ()>,
    /// The plans that are kept in the store, by key.
    pub(super) kept: Map<String, KeptSize>,
    /// Deleted services whose history is kept.
    pub(super) gone: Map<ServiceKey, Gone>,
    /// The same, the longest gone first.
    pub(super) gone_since: Map<(Timestamp, ServiceKey), ()>,
    /// What elements write in their own way, by element, then by key in the store.
    pub(super) rewrites: Map<String, Arc<BTreeMap<String, Rewrite>>>,
    /// Changes for elements that are away, by element and place. The service is part of the key: older versions gave two
    /// services of one request the same place.
    queue: Map<(String, u64, ServiceKey), Arc<QueuedChange>>,
    /// Their places, by service and element.
    queued: Map<(ServiceKey, String), u64>,
    /// Counts the changes of documents, claims, numbers, rewrites and inventory.
    pub(super) generation: u64,
    /// Counts the changes of the inventory.
    pub(super) inventory_generation: u64,
    visits: Visits,
}

/// What is known of a kept plan without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptSize {
    pub created: Timestamp,
    pub expires: Timestamp,
    pub bytes: usize,
}

impl Default for Model {
    fn default() -> Self {
        let visits = Visits::default();
        Self {
            inventory: Inventory::new(&visits),
            states: Map::new(&visits),
            documents: Map::new(&visits),
            ports: PortUse::new(&visits),
            numbers: NumberUse::new(&visits),
            ledger: Ledger::counted(&visits),
            claimed: Map::new(&visits),
            deviations: Map::new(&visits),
            deviating: Map::new(&visits),
            kept: Map::new(&visits),
            gone: Map::new(&visits),
            gone_since: Map::new(&visits),
            rewrites: Map::new(&visits),
            queue: Map::new(&visits),
            queued: Map::new(&visits),
            generation: 0,
            inventory_generation: 0,
            visits,
        }
    }
}

impl Model {
    /// Follows a batch that has become durable.
    pub fn apply(&mut self, batch: &Batch, meaning: &Meaning) -> Result<(), StoreError> {
        let mut unpacker = Unpacker::default();
        let mut claims: BTreeMap<&str, Vec<ClaimChange>> = BTreeMap::new();
        let mut recorded: Vec<(&str, Option<ConfigTree>)> = Vec::new();
        for change in &batch.changes {
            match change {
                Change::Put(Table::Claims, key, bytes) => {
                    let put = Some(unpacked(&mut unpacker, key, bytes)?);
                    claims.entry(element_of(key)).or_default().push((key.clone(), put));
                }
                Change::Delete(Table::Claims, key) => {
                    claims.entry(element_of(key)).or_default().push((key.clone(), None));
                }
                Change::Put(table @ Table::Recorded, key, bytes) => {
                    recorded.push((key, Some(decode(*table, key, bytes)?)));
                }
                Change::Delete(Table::Recorded, key) => recorded.push((key, None)),
                Change::Put(table, key, bytes) => self.put(*table, key, bytes, meaning)?,
                Change::Delete(table, key) => self.delete(*table, key),
            }
        }
        for (element, changes) in claims {
            self.generation += 1;
            self.change_claimed(element, |claimed| claimed.follow(&changes));
        }
        for (element, tree) in recorded {
            self.change_claimed(element, |claimed| claimed.set_recorded(tree));
        }
        Ok(())
    }

    /// Counts every entry of the mirror that was looked at.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// What is claimed on an element.
    pub(super) fn claimed_on(&self, element: &str) -> Arc<Claimed> {
        let known = self.claimed.get(element).cloned();
        known.unwrap_or_else(|| Arc::new(Claimed::new(element, &self.visits)))
    }

    /// What was recorded for an element.
    pub(super) fn recorded_on(&self, element: &str) -> ConfigTree {
        self.claimed.get(element).map(|claimed| claimed.recorded()).unwrap_or_default()
    }

    /// All deviations, by id.
    pub(super) fn deviations(&self) -> impl Iterator<Item = &Deviation> {
        self.deviations.values().map(|deviation| &**deviation)
    }

    /// The deviation of this id.
    pub(super) fn deviation(&self, id: &str) -> Option<&Deviation> {
        self.deviations.get(id).map(|deviation| &**deviation)
    }

    /// The deviations of an element, by id.
    pub(super) fn deviations_of<'a>(&'a self, element: &'a str) -> impl Iterator<Item = &'a Deviation> {
        let from = (element.to_string(), String::new());
        let here = self.deviating.range(from..).take_while(move |((on, _), ())| on == element);
        here.filter_map(|((_, id), ())| self.deviation(id))
    }

    /// All queued changes, by element in their order.
    pub(super) fn queue(&self) -> impl Iterator<Item = &QueuedChange> {
        self.queue.values().map(|change| &**change)
    }

    /// The queued changes of an element, in their order.
    pub(super) fn queued_on<'a>(&'a self, element: &'a str) -> impl Iterator<Item = &'a QueuedChange> {
        let first = (element.to_string(), 0, ServiceKey { face: String::new(), id: String::new() });
        let here = self.queue.range(first..).take_while(move |((on, ..), _)| on == element);
        here.map(|(_, change)| &**change)
    }

    /// The queued changes of a service, by element.
    pub(super) fn queued_for<'a>(&'a self, key: &'a ServiceKey) -> impl Iterator<Item = &'a QueuedChange> {
        let of = self.queued.range((key.clone(), String::new())..).take_while(move |((of, _), _)| of == key);
        of.filter_map(|((key, element), index)| Some(&**self.queue.get(&(element.clone(), *index, key.clone()))?))
    }

    /// The queued change of a service on an element.
    pub(super) fn queued(&self, element: &str, key: &ServiceKey) -> Option<&QueuedChange> {
        let index = self.queued.get(&(key.clone(), element.to_string()))?;
        self.queue.get(&(element.to_string(), *index, key.clone())).map(|change| &**change)
    }

    fn unqueue(&mut self, element: &str, key: &ServiceKey) {
        let of = (key.clone(), element.to_string());
        if let Some(index) = self.queued.get(&of).copied() {
            self.queue.remove(&(element.to_string(), index, key.clone()));
            self.queued.remove(&of);
        }
    }

    fn change_claimed(&mut self, element: &str, change: impl FnOnce(&mut Claimed)) {
        let (name, visits) = (element.to_string(), self.visits.clone());
        let absent = || Arc::new(Claimed::new(element, &visits));
        self.claimed.change(&name, absent, |claimed| change(Arc::make_mut(claimed)));
        if self.claimed.get(element).is_some_and(|claimed| claimed.is_empty()) {
            self.claimed.remove(element);
        }
    }

    fn put(&mut self, table: Table, key: &str, bytes: &[u8], meaning: &Meaning) -> Result<(), StoreError> {
        match table {
            Table::Elements => {
                self.inventory.insert(decode(table, key, bytes)?);
                self.inventory_generation += 1;
                self.generation += 1;
            }
            Table::ElementStates => self.states.insert(key.into(), decode(table, key, bytes)?),
            Table::Documents => {
                let document: StoredDocument = decode(table, key, bytes)?;
                let service = meaning(&document);
                self.take(document, service);
            }
            Table::Numbers => {
                let take: Take = decode(table, key, bytes)?;
                self.ledger.record([take]);
                self.generation += 1;
            }
            Table::Deviations => {
                let deviation: Deviation = decode(table, key, bytes)?;
                self.deviating.insert((deviation.element.clone(), key.into()), ());
                self.deviations.insert(key.into(), Arc::new(deviation));
            }
            // The plan of a running transaction stands there too; it is the journal's.
            Table::Plans if !key.starts_with(KEPT) => {}
            Table::Plans => {
                let Times { created, expires } = decode(table, key, bytes)?;
                self.kept.insert(key.into(), KeptSize { created, expires, bytes: bytes.len() });
            }
            // Revisions are read when somebody asks for them.
            Table::History if !key.starts_with(GONE) => {}
            Table::History => {
                let gone: Gone = decode(table, key, bytes)?;
                self.gone_since.insert((gone.at, gone.key.clone()), ());
                self.gone.insert(gone.key.clone(), gone);
            }
            Table::Rewrites => {
                let fact: Rewrite = decode(table, key, bytes)?;
                let element = fact.element.clone();
                self.rewrites.change(&element, Arc::default, |facts| {
                    Arc::make_mut(facts).insert(key.into(), fact);
                });
                self.generation += 1;
            }
            Table::Queue => {
                let change: QueuedChange = decode(table, key, bytes)?;
                self.unqueue(&change.element, &change.key);
                self.queued.insert((change.key.clone(), change.element.clone()), change.index);
                let place = (change.element.clone(), change.index, change.key.clone());
                self.queue.insert(place, Arc::new(change));
                self.generation += 1;
            }
            Table::Claims
            | Table::Recorded
            | Table::Transactions
            | Table::Secrets
            | Table::Requests
            | Table::Installation => {}
        }
        Ok(())
    }

    fn take(&mut self, document: StoredDocument, service: Result<Service, String>) {
        match service {
            Ok(service) => self.understand(&service),
            // It was accepted once; its claims still stand. Say it and go on.
            Err(error) => {
                tracing::error!(service = %document.key, error, "a stored document has lost its meaning");
                self.forget(&document.key);
            }
        }
        self.documents.insert(document.key.clone(), Arc::new(document));
        self.generation += 1;
    }

    fn delete(&mut self, table: Table, key: &str) {
        match table {
            Table::Elements => {
                self.inventory.remove(key);
                self.inventory_generation += 1;
                self.generation += 1;
            }
            Table::ElementStates => drop(self.states.remove(key)),
            Table::Documents => {
                if let Some(key) = service_key(key) {
                    self.documents.remove(&key);
                    self.forget(&key);
                }
                self.generation += 1;
            }
            Table::Numbers => {
                self.ledger.remove(key);
                self.generation += 1;
            }
            Table::Deviations => {
                if let Some(deviation) = self.deviations.get(key).cloned() {
                    self.deviating.remove(&(deviation.element.clone(), key.to_string()));
                    self.deviations.remove(key);
                }
            }
            Table::Plans => drop(self.kept.remove(key)),
            Table::History => {
                let gone = key.strip_prefix(GONE).and_then(service_key);
                let gone = gone.and_then(|key| self.gone.get(&key).cloned());
                if let Some(gone) = gone {
                    self.gone_since.remove(&(gone.at, gone.key.clone()));
                    self.gone.remove(&gone.key);
                }
            }
            Table::Rewrites => {
                let element = element_of(key).to_string();
                if let Some(facts) = self.rewrites.get_mut(&element) {
                    Arc::make_mut(facts).remove(key);
                }
                if self.rewrites.get(&element).is_some_and(|facts| facts.is_empty()) {
                    self.rewrites.remove(&element);
                }
                self.generation += 1;
            }
            Table::Queue => {
                if let Some((element, service)) = key.split_once('/')
                    && let Some(service) = service_key(service)
                {
                    self.unqueue(element, &service);
                }
                self.generation += 1;
            }
            Table::Claims
            | Table::Recorded
            | Table::Transactions
            | Table::Secrets
            | Table::Requests
            | Table::Installation => {}
        }
    }

    /// Ports and explicit numbers of a service, in the place of those of its old document.
    pub(super) fn understand(&mut self, service: &Service) {
        self.ports.add(service);
        self.numbers.add(service);
        self.ledger.explicit(&service.key, explicit_numbers([service]));
    }

    /// The service uses no port and no explicit number any more.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.ports.remove(service);
        self.numbers.remove(service);
        self.ledger.explicit(service, BTreeMap::<String, BTreeSet<u64>>::new());
    }
}

/// What is read of a kept plan at start.
#[derive(Deserialize)]
struct Times {
    created: Timestamp,
    expires: Timestamp,
}

/// Turns a stored document into its service, or says why that is no longer possible.
pub type Meaning = dyn Fn(&StoredDocument) -> Result<Service, String> + Send + Sync;

/// Key of a document in the store.
pub(super) fn document_key(key: &ServiceKey) -> String {
    key.to_string()
}

/// Key of a service's claims on an element in the store.
pub(super) fn claims_key(element: &str, service: &ServiceKey) -> String {
    format!("{element}/{service}")
}

/// Before the name of a deleted service in its key in the history.
pub(super) const GONE: &str = "\u{1f}gone\u{1f}";

/// Before the number of a revision in its key in the history. No id holds this character (RFC 7950 §9.4).
pub(super) fn revisions_key(key: &ServiceKey) -> String {
    format!("{key}\u{1f}")
}

/// Key of one revision in the history.
pub(super) fn revision_key(key: &ServiceKey, revision: u64) -> String {
    format!("{key}\u{1f}{revision:010}")
}

/// Key of a deleted service in the history.
pub(super) fn gone_key(key: &ServiceKey) -> String {
    format!("{GONE}{key}")
}

/// Before the id of a kept plan in its key in the store.
pub(super) const KEPT: &str = "kept/";

/// Key of all adopted claims of an element, as older versions kept them.
fn adopted_key(element: &str) -> String {
    format!("{element}/adopted")
}

/// Key of the adopted claim of one node.
fn adopted_row_key(element: &str, node: &str) -> String {
    format!("{element}/adopted/{node}")
}

/// The element of a key of claims.
fn element_of(key: &str) -> &str {
    key.split('/').next().unwrap_or_default()
}

/// The owner name of a service's claims.
pub(super) fn owner_of(service: &ServiceKey) -> Owner {
    owner_named(&service.to_string())
}

fn owner_named(service: &str) -> Owner {
    Owner(format!("{SERVICE_OWNER}{service}"))
}

/// The service behind an owner name.
pub(super) fn service_of(owner: &Owner) -> Option<ServiceKey> {
    service_key(owner.0.strip_prefix(SERVICE_OWNER)?)
}

/// The claims of a service on an element after a change.
pub(super) fn claim_change(element: &str, service: &ServiceKey, claims: Option<&Claims>) -> ClaimChange {
    (claims_key(element, service), claims.cloned())
}

fn service_key(text: &str) -> Option<ServiceKey> {
    let (face, id) = text.split_once('/')?;
    face::face(face)?;
    Some(ServiceKey { face: face.into(), id: id.into() })
}

/// Claims as they are stored: packed, or as JSON by older versions.
fn unpacked(unpacker: &mut Unpacker, key: &str, bytes: &[u8]) -> Result<Claims, StoreError> {
    if !Claims::is_packed(bytes) {
        return decode(Table::Claims, key, bytes);
    }
    unpacker.unpack(bytes).map_err(|what| StoreError::Decode {
        table: Table::Claims,
        key: key.into(),
        source: serde::de::Error::custom(format!("packed claims: {what} was expected")),
    })
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Decode { table, key: key.into(), source })
}

const SERVICE_OWNER: &str = "service ";

#[cfg(test)]
mod tests;
