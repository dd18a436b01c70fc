//! What becomes durable with the decision of a transaction: documents, claims, recorded trees, numbers, audit, events.

use super::model::{Model, adopted_key, claims_key, document_key};
use crate::domain::{AuditRecord, Event, Outcome, StoredDocument, TransactionRecord};
use crate::plan::{Plan, ServiceChange, ServiceEffect, adopted_owner, content_digest};
use crate::store::{Batch, StoreError, Table};
use crate::transaction::{Ambient, Closing};
use crate::tree::{Claims, ConfigTree, Intended, Layer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The closing of one plan. It is made from the plan alone, so recovery can make it again.
pub(super) struct PlanClosing {
    pub model: Arc<RwLock<Arc<Model>>>,
    pub ambient: Arc<dyn Ambient>,
    pub plan: Plan,
    pub done: Mutex<Done>,
}

/// What the decision left behind for the one who waits for it.
#[derive(Default)]
pub(super) struct Done {
    /// The batch that was handed out, to be followed by the mirror when it is durable.
    pub batch: Option<Batch>,
    /// What each element echoed.
    pub read: BTreeMap<String, ConfigTree>,
}

impl PlanClosing {
    pub fn new(model: Arc<RwLock<Arc<Model>>>, ambient: Arc<dyn Ambient>, plan: Plan) -> Self {
        Self { model, ambient, plan, done: Mutex::default() }
    }

    fn model(&self) -> Arc<Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn documents(&self, model: &Model, record: &TransactionRecord, batch: &mut Batch) -> Result<(), StoreError> {
        let now = self.ambient.now();
        for change in &self.plan.services {
            let key = document_key(&change.key);
            match &change.document {
                None => batch.delete(Table::Documents, &key),
                // The same words again: the document stays as it is, its revision and entity tag too.
                Some(_) if unchanged(model, change) => {}
                Some(body) => {
                    let old = model.documents.get(&change.key);
                    let revision = old.map_or(1, |old| old.revision + 1);
                    let document = StoredDocument {
                        key: change.key.clone(),
                        revision,
                        etag: content_digest(&(revision, body))[..16].to_string(),
                        author: record.principal.user.clone(),
                        modified: now,
                        body: body.clone(),
                        elements: elements_of(change),
                    };
                    batch.put(Table::Documents, &key, &document)?;
                }
            }
            for take in model.ledger.releases(&change.key, &change.asked, now) {
                batch.put(Table::Numbers, &take.key(), &take)?;
            }
        }
        for take in &self.plan.numbers {
            batch.put(Table::Numbers, &take.key(), take)?;
        }
        Ok(())
    }

    /// Claims of the services, adopted claims, and what is recorded with them.
    fn claims(&self, model: &Model, batch: &mut Batch) -> Result<(), StoreError> {
        let mut after: BTreeMap<String, BTreeMap<String, Claims>> = BTreeMap::new();
        let now = |element: &str| {
            let claims = model.claims.get(element).into_iter().flatten();
            claims.map(|(key, claims)| (key.clone(), (**claims).clone())).collect::<BTreeMap<_, _>>()
        };
        for change in &self.plan.services {
            for (element, claims) in &change.claims {
                let all = after.entry(element.clone()).or_insert_with(|| now(element));
                let key = claims_key(element, &change.key);
                match claims {
                    Some(claims) => {
                        all.insert(key, claims.clone());
                    }
                    None => {
                        all.remove(&key);
                    }
                }
            }
        }
        for plan in &self.plan.elements {
            let all = after.entry(plan.element.clone()).or_insert_with(|| now(&plan.element));
            if let Some(found) = &plan.adopted {
                let key = adopted_key(&plan.element);
                let tree = match all.get(&key) {
                    // What was adopted first stays: later values are ours.
                    Some(old) => found.tree.overlay(&old.tree),
                    None => found.tree.clone(),
                };
                all.insert(key, Claims::new(adopted_owner(&plan.element), Layer::Adopted, tree));
            }
        }
        for (element, mut all) in after {
            prune_adopted(&element, &mut all);
            let before = now(&element);
            for (key, claims) in &all {
                if before.get(key) != Some(claims) {
                    batch.put(Table::Claims, key, claims)?;
                }
            }
            for key in before.keys().filter(|key| !all.contains_key(*key)) {
                batch.delete(Table::Claims, key);
            }
            // The plan was made from a merge without conflict; should that no longer hold, the old record stays.
            if let Ok(intended) = Intended::merge(all.values()) {
                batch.put(Table::Recorded, &element, &intended.tree)?;
            }
        }
        Ok(())
    }
}

impl Closing for PlanClosing {
    fn decided(&self, record: &TransactionRecord, read: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        let model = self.model();
        let mut batch = Batch::default();
        self.documents(&model, record, &mut batch)?;
        self.claims(&model, &mut batch)?;
        let now = self.ambient.now();
        for change in self.plan.services.iter().filter(|change| !unchanged(&model, change)) {
            batch.events.push(service_event(now, change, record));
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.batch = Some(batch.clone());
        done.read = read.clone();
        Ok(batch)
    }

    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        Ok(end(record, self.ambient.now()))
    }
}

/// The end of a transaction that recovery brings to its end: its decision, if there was one, is durable already.
pub(super) struct EndClosing {
    pub ambient: Arc<dyn Ambient>,
}

impl Closing for EndClosing {
    fn decided(&self, _: &TransactionRecord, _: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        Ok(Batch::default())
    }

    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        Ok(end(record, self.ambient.now()))
    }
}

/// Audit and event of an end.
fn end(record: &TransactionRecord, now: jiff::Timestamp) -> Batch {
    let mut batch = Batch::default();
    if let Some(outcome) = &record.outcome {
        batch.audit.push(AuditRecord {
            at: now,
            principal: record.principal.clone(),
            action: "transaction".into(),
            target: record.summary.clone(),
            plan: Some(record.plan.clone()),
            transaction: Some(record.id.clone()),
            result: in_words(outcome),
        });
        batch.events.push(Event {
            at: now,
            kind: "transaction-end".into(),
            content: serde_json::json!({ "id": record.id, "outcome": in_words(outcome) }),
        });
    }
    batch
}

/// An adopted value is kept only as long as somebody claims the node: what no one claims is left alone.
fn prune_adopted(element: &str, all: &mut BTreeMap<String, Claims>) {
    let key = adopted_key(element);
    let Some(adopted) = all.remove(&key) else { return };
    // The candidate was merged without conflict; should that no longer hold, nothing is forgotten.
    let tree = match Intended::merge(all.values()) {
        Ok(others) => adopted.tree.masked(&others.tree),
        Err(_) => adopted.tree.clone(),
    };
    if !tree.is_empty() {
        all.insert(key, Claims { tree, ..adopted });
    }
}

fn elements_of(change: &ServiceChange) -> Vec<String> {
    change.claims.iter().filter(|(_, claims)| claims.is_some()).map(|(element, _)| element.clone()).collect()
}

/// Whether the change leaves the stored document as it is.
fn unchanged(model: &Model, change: &ServiceChange) -> bool {
    let old = model.documents.get(&change.key);
    old.is_some_and(|old| change.document.as_ref() == Some(&old.body) && elements_of(change) == old.elements)
}

/// An outcome in one line.
pub(super) fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied => "applied".into(),
        Outcome::NotApplied { cause } => format!("not applied: {cause}"),
        Outcome::Unresolved { elements, cause } => format!("unresolved on {}: {cause}", elements.join(", ")),
    }
}

fn service_event(now: jiff::Timestamp, change: &ServiceChange, record: &TransactionRecord) -> Event {
    let effect = match change.effect {
        ServiceEffect::Create => "create",
        ServiceEffect::Modify => "modify",
        ServiceEffect::Delete => "delete",
        ServiceEffect::Heal => "heal",
    };
    let content = serde_json::json!({
        "face": change.key.face, "id": change.key.id, "effect": effect, "transaction": record.id,
    });
    Event { at: now, kind: "service-change".into(), content }
}
