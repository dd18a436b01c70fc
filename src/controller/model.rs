//! What the daemon knows, in memory: a mirror of the store, loaded at start and changed only by batches that are durable.

use crate::domain::{Deviation, Element, ElementState, Rewrite, ServiceKey, StoredDocument};
use crate::face;
use crate::service::Service;
use crate::service::ledger::{Ledger, Take};
use crate::store::{Batch, Change, Store, StoreError, Table};
use crate::tree::{Claims, ConfigTree, Owner};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The mirror.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// Inventory by name.
    pub elements: BTreeMap<String, Element>,
    /// State by element name.
    pub states: BTreeMap<String, ElementState>,
    /// Documents by service.
    pub documents: BTreeMap<ServiceKey, Arc<StoredDocument>>,
    /// What the documents mean.
    pub services: BTreeMap<ServiceKey, Arc<Service>>,
    /// Claims by element, then by key in the store.
    pub claims: BTreeMap<String, BTreeMap<String, Arc<Claims>>>,
    /// What the last verified transaction left, by element.
    pub recorded: BTreeMap<String, ConfigTree>,
    /// All numbers.
    pub ledger: Ledger,
    /// Deviations by id.
    pub deviations: BTreeMap<String, Deviation>,
    /// What elements write in their own way, by element, then by key in the store.
    pub rewrites: BTreeMap<String, BTreeMap<String, Rewrite>>,
    /// Counts the changes of documents, claims and inventory.
    pub generation: u64,
}

impl Model {
    /// Loads everything. `meaning` turns a stored document into its service.
    pub async fn load(store: &dyn Store, meaning: &Meaning) -> Result<Self, StoreError> {
        let mut model = Self::default();
        for table in TABLES {
            for (key, bytes) in store.list_bytes(table, "").await? {
                model.put(table, &key, &bytes, meaning)?;
            }
        }
        Ok(model)
    }

    /// Follows a batch that has become durable.
    pub fn apply(&mut self, batch: &Batch, meaning: &Meaning) -> Result<(), StoreError> {
        for change in &batch.changes {
            match change {
                Change::Put(table, key, bytes) => self.put(*table, key, bytes, meaning)?,
                Change::Delete(table, key) => self.delete(*table, key),
            }
        }
        Ok(())
    }

    /// All claims on an element.
    pub fn claims_on(&self, element: &str) -> Vec<Claims> {
        self.claims.get(element).into_iter().flat_map(BTreeMap::values).map(|claims| (**claims).clone()).collect()
    }

    /// What was recorded for an element.
    pub fn recorded_on(&self, element: &str) -> ConfigTree {
        self.recorded.get(element).cloned().unwrap_or_default()
    }

    /// The inventory as a list, by name.
    pub fn inventory(&self) -> Vec<Element> {
        self.elements.values().cloned().collect()
    }

    fn put(&mut self, table: Table, key: &str, bytes: &[u8], meaning: &Meaning) -> Result<(), StoreError> {
        match table {
            Table::Elements => {
                self.elements.insert(key.into(), decode(table, key, bytes)?);
                self.generation += 1;
            }
            Table::ElementStates => {
                self.states.insert(key.into(), decode(table, key, bytes)?);
            }
            Table::Documents => {
                let document: StoredDocument = decode(table, key, bytes)?;
                match meaning(&document) {
                    Ok(service) => {
                        self.services.insert(document.key.clone(), Arc::new(service));
                    }
                    // It was accepted once; its claims still stand. Say it and go on.
                    Err(error) => {
                        tracing::error!(service = %document.key, error, "a stored document has lost its meaning")
                    }
                }
                self.documents.insert(document.key.clone(), Arc::new(document));
                self.generation += 1;
            }
            Table::Claims => {
                let element = key.split('/').next().unwrap_or_default().to_string();
                let claims: Claims = decode(table, key, bytes)?;
                self.claims.entry(element).or_default().insert(key.into(), Arc::new(claims));
                self.generation += 1;
            }
            Table::Recorded => {
                self.recorded.insert(key.into(), decode(table, key, bytes)?);
            }
            Table::Numbers => {
                let take: Take = decode(table, key, bytes)?;
                self.ledger.record([take]);
                self.generation += 1;
            }
            Table::Deviations => {
                self.deviations.insert(key.into(), decode(table, key, bytes)?);
            }
            Table::Rewrites => {
                let fact: Rewrite = decode(table, key, bytes)?;
                self.rewrites.entry(fact.element.clone()).or_default().insert(key.into(), fact);
                self.generation += 1;
            }
            Table::Plans | Table::Transactions | Table::Secrets | Table::Installation => {}
        }
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &str) {
        match table {
            Table::Elements => {
                self.elements.remove(key);
                self.generation += 1;
            }
            Table::ElementStates => {
                self.states.remove(key);
            }
            Table::Documents => {
                if let Some(key) = service_key(key) {
                    self.documents.remove(&key);
                    self.services.remove(&key);
                }
                self.generation += 1;
            }
            Table::Claims => {
                if let Some(claims) = self.claims.get_mut(key.split('/').next().unwrap_or_default()) {
                    claims.remove(key);
                }
                self.generation += 1;
            }
            Table::Recorded => {
                self.recorded.remove(key);
            }
            Table::Numbers => {
                self.ledger.remove(key);
                self.generation += 1;
            }
            Table::Deviations => {
                self.deviations.remove(key);
            }
            Table::Rewrites => {
                let element = key.split('/').next().unwrap_or_default();
                if let Some(facts) = self.rewrites.get_mut(element) {
                    facts.remove(key);
                }
                self.rewrites.retain(|_, facts| !facts.is_empty());
                self.generation += 1;
            }
            Table::Plans | Table::Transactions | Table::Secrets | Table::Installation => {}
        }
    }
}

/// Turns a stored document into its service, or says why that is no longer possible.
pub(super) type Meaning = dyn Fn(&StoredDocument) -> Result<Service, String> + Send + Sync;

/// Key of a document in the store.
pub(super) fn document_key(key: &ServiceKey) -> String {
    key.to_string()
}

/// Key of a service's claims on an element in the store.
pub(super) fn claims_key(element: &str, service: &ServiceKey) -> String {
    format!("{element}/{service}")
}

/// Key of the adopted claims of an element in the store.
pub(super) fn adopted_key(element: &str) -> String {
    format!("{element}/adopted")
}

/// The owner name of a service's claims.
pub(super) fn owner_of(service: &ServiceKey) -> Owner {
    Owner(format!("{SERVICE_OWNER}{service}"))
}

/// The service behind an owner name.
pub(super) fn service_of(owner: &Owner) -> Option<ServiceKey> {
    service_key(owner.0.strip_prefix(SERVICE_OWNER)?)
}

fn service_key(text: &str) -> Option<ServiceKey> {
    let (face, id) = text.split_once('/')?;
    face::face(face)?;
    Some(ServiceKey { face: face.into(), id: id.into() })
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Decode { table, key: key.into(), source })
}

const SERVICE_OWNER: &str = "service ";

/// The tables that are mirrored, in an order in which nothing is needed before it is there.
const TABLES: [Table; 8] = [
    Table::Elements,
    Table::ElementStates,
    Table::Documents,
    Table::Claims,
    Table::Recorded,
    Table::Numbers,
    Table::Deviations,
    Table::Rewrites,
];
