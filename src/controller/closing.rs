//! What becomes durable with the decision of a transaction: documents, claims, what is recorded, numbers, audit, events.
//! Only what the plan changes is written: an element or a store with much in it does not make a commit dearer.

use super::history::HistoryLimits;
use super::left::{came_back, noted};
use super::model::{ClaimChange, Model, claim_change, document_key, owner_of};
use super::queue::Queueing;
use super::rewrite::fact_key;
use crate::domain::{AuditRecord, Effect, Event, Origin, Rewrite, Stamp, StoredDocument, TransactionRecord};
use crate::plan::{ElementPlan, Plan, ServiceChange, ServiceEffect, content_digest, words};
use crate::service::ledger::Take;
use crate::store::{Batch, StoreError, Table};
use crate::transaction::{Ambient, Closing};
use crate::tree::{ConfigTree, Path};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The closing of one plan. It is made from the plan alone, so recovery can make it again.
pub(super) struct PlanClosing {
    pub model: Arc<RwLock<Arc<Model>>>,
    pub ambient: Arc<dyn Ambient>,
    pub plan: Plan,
    /// What becomes durable with the first record.
    pub beginning: Batch,
    /// How it was asked for.
    pub origin: Origin,
    pub keep: HistoryLimits,
    /// What becomes of the queues of elements.
    pub queueing: Queueing,
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
    fn model(&self) -> Arc<Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Model {
    /// The records that change with the decision on a plan. `read` is what each element echoed, whole.
    pub fn decided(
        &self,
        plan: &Plan,
        stamp: &Stamp<'_>,
        keep: HistoryLimits,
        read: &BTreeMap<String, ConfigTree>,
    ) -> Result<Batch, StoreError> {
        let now = stamp.at;
        let mut batch = Batch::default();
        for change in &plan.services {
            self.document(change, stamp, keep, &mut batch)?;
            for take in self.ledger.unasked(&change.key, &change.asked) {
                let take = self.released(take, change, now, read);
                batch.put(Table::Numbers, &take.key(), &take)?;
            }
        }
        for take in &plan.numbers {
            batch.put(Table::Numbers, &take.key(), take)?;
        }
        self.claims(plan, &mut batch)?;
        Ok(batch)
    }

    /// How elements show the secrets that they were just given: noted in the place of what was noted there before.
    fn shown(
        &self,
        plan: &Plan,
        record: &TransactionRecord,
        now: Timestamp,
        read: &BTreeMap<String, ConfigTree>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        for element in plan.elements.iter().filter(|element| !element.encrypted.is_empty()) {
            let Some(reading) = read.get(&element.element) else { continue };
            for echo in element.noted(reading) {
                let id = content_digest(&(&element.element, &echo))[..16].to_string();
                let facts = self.rewrites.get(&element.element).into_iter().flat_map(|facts| facts.iter());
                for (key, _) in facts.filter(|(_, fact)| fact.path == echo.path && fact.by == NOTED_BY) {
                    batch.delete(Table::Rewrites, key);
                }
                let fact = Rewrite {
                    id,
                    element: element.element.clone(),
                    path: echo.path,
                    all_entries: false,
                    sent: echo.sent,
                    says: echo.says,
                    by: NOTED_BY.into(),
                    ticket: record.principal.ticket.clone(),
                    since: now,
                };
                batch.put(Table::Rewrites, &fact_key(&fact), &fact)?;
            }
        }
        Ok(())
    }

    fn document(
        &self,
        change: &ServiceChange,
        stamp: &Stamp<'_>,
        keep: HistoryLimits,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let key = document_key(&change.key);
        match &change.document {
            None => {
                batch.delete(Table::Documents, &key);
                self.deleted(&change.key, stamp, keep, batch)?;
            }
            // The same words again: the document stays as it is, its revision and entity tag too.
            Some(_) if unchanged(self, change) => {}
            Some(body) => {
                let (revision, oldest) = self.next_revision(&change.key, keep, batch)?;
                let effect = if self.documents.contains_key(&change.key) { Effect::Modify } else { Effect::Create };
                let document = StoredDocument {
                    key: change.key.clone(),
                    revision,
                    etag: content_digest(&(revision, body))[..16].to_string(),
                    author: stamp.principal.user.clone(),
                    modified: stamp.at,
                    body: body.clone(),
                    elements: elements_of(change),
                    effect,
                    ticket: stamp.principal.ticket.clone(),
                    transaction: Some(stamp.transaction.into()),
                    oldest,
                };
                batch.put(Table::Documents, &key, &document)?;
            }
        }
        Ok(())
    }

    /// A number that the service no longer asks for. What was read back may show already that elements are without it.
    pub(super) fn released(
        &self,
        take: &Take,
        change: &ServiceChange,
        now: Timestamp,
        read: &BTreeMap<String, ConfigTree>,
    ) -> Take {
        let before: Vec<_> = change
            .claims
            .iter()
            .filter_map(|(element, after)| {
                let before = self.claimed_on(element).of(&change.key)?.tree.clone();
                Some((element.as_str(), before, after.as_ref().map(|after| &after.tree)))
            })
            .collect();
        let carried = before.iter().map(|(element, before, after)| (*element, before, *after));
        let own = owner_of(&change.key);
        let stays = |element: &str, path: &Path| {
            let claimed = self.claimed_on(element);
            let owners = claimed.intended().map(|intended| intended.owners_of(path)).unwrap_or_default();
            owners.iter().any(|(_, owner)| *owner != own)
        };
        let released = take.released(now, carried, &stays);
        read.iter().fold(released, |take, (element, actual)| take.read(element, actual, now).unwrap_or(take))
    }

    /// Claims of the services, adopted claims, and what is recorded with them.
    fn claims(&self, plan: &Plan, batch: &mut Batch) -> Result<(), StoreError> {
        let mut changes: BTreeMap<&str, Vec<ClaimChange>> = BTreeMap::new();
        for change in &plan.services {
            for (element, claims) in &change.claims {
                let changes = changes.entry(element).or_default();
                if self.claimed_on(element).of(&change.key) != claims.as_ref() {
                    changes.push(claim_change(element, &change.key, claims.as_ref()));
                }
            }
        }
        let found: BTreeMap<&str, _> =
            plan.elements.iter().map(|plan| (plan.element.as_str(), plan.adopted.as_ref())).collect();
        let touched: BTreeSet<&str> = changes.keys().chain(found.keys()).copied().collect();
        for element in touched {
            let claimed = self.claimed_on(element);
            let mut changes = changes.remove(element).unwrap_or_default();
            changes.extend(claimed.adopting(&changes, found.get(element).copied().flatten()));
            for (key, claims) in &changes {
                match claims {
                    Some(claims) => batch.put_bytes(Table::Claims, key, claims.pack()),
                    None => batch.delete(Table::Claims, key),
                }
            }
            match claimed.after(&changes) {
                // Recorded is what is intended: nothing has to say so.
                Ok(_) if claimed.has_record() => batch.delete(Table::Recorded, element),
                Ok(_) => {}
                // The plan was made from a merge without conflict; should that no longer hold, the old record stays.
                Err(_) => batch.put(Table::Recorded, element, &claimed.recorded())?,
            }
        }
        Ok(())
    }
}

impl Closing for PlanClosing {
    fn begun(&self, record: &mut TransactionRecord) -> Result<Batch, StoreError> {
        record.origin = self.origin.clone();
        Ok(self.beginning.clone())
    }

    fn decided(&self, record: &TransactionRecord, read: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        let model = self.model();
        let now = self.ambient.now();
        let stamp = Stamp { principal: &record.principal, transaction: &record.id, at: now };
        let mut batch = model.decided(&self.plan, &stamp, self.keep, read)?;
        model.shown(&self.plan, record, now, read, &mut batch)?;
        for change in self.plan.services.iter().filter(|change| !unchanged(&model, change)) {
            batch.events.push(service_event(now, change, record));
        }
        self.queueing.still_carried(&model, &self.plan, now, read, &mut batch)?;
        self.queueing.decided(&model, &self.plan, record, now, &mut batch)?;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.batch = Some(batch.clone());
        done.read = read.clone();
        Ok(batch)
    }

    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        Ok(end(record, self.ambient.now()))
    }
}

/// Who notes how an element shows a secret: no person, but a verified transaction.
const NOTED_BY: &str = "andanted";

/// The end of a transaction that recovery brings to its end: its decision, if there was one, is durable already.
pub(super) struct EndClosing {
    pub model: Arc<RwLock<Arc<Model>>>,
    pub ambient: Arc<dyn Ambient>,
    /// What was handed out to be written, for the mirror to follow.
    pub noted: Mutex<Batch>,
}

impl Closing for EndClosing {
    fn decided(&self, _: &TransactionRecord, _: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        Ok(Batch::default())
    }

    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        Ok(end(record, self.ambient.now()))
    }

    fn unsaved(&self, transaction: &str, plan: &ElementPlan, read: &ConfigTree) -> Result<Batch, StoreError> {
        let model = self.model.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut batch = Batch::default();
        for left in came_back(&model, transaction, plan, read) {
            let actual = words(read.at(&left.path));
            let deviation = noted(&plan.element, left, actual, 1, self.ambient.now());
            if model.deviation(&deviation.id).is_none_or(|known| known.left.is_none()) {
                let (element, path) = (&plan.element, &deviation.path);
                tracing::warn!(element, transaction, path, "its removal was not saved, and a restart brought it back");
                batch.put(Table::Deviations, &deviation.id, &deviation)?;
            }
        }
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.clone());
        Ok(batch)
    }
}

/// Audit and event of an end.
pub(super) fn end(record: &TransactionRecord, now: Timestamp) -> Batch {
    let mut batch = Batch::default();
    if let Some(outcome) = &record.outcome {
        batch.audit.push(AuditRecord {
            at: now,
            principal: record.principal.clone(),
            action: "transaction".into(),
            target: record.summary.clone(),
            plan: Some(record.plan.clone()),
            transaction: Some(record.id.clone()),
            result: outcome.to_string(),
        });
        batch.events.push(Event {
            at: now,
            kind: "transaction-end".into(),
            content: serde_json::json!({
                "id": record.id, "outcome": outcome.to_string(),
                "principal": record.principal.user, "ticket": record.principal.ticket,
            }),
        });
    }
    batch
}

fn elements_of(change: &ServiceChange) -> Vec<String> {
    change.claims.iter().filter(|(_, claims)| claims.is_some()).map(|(element, _)| element.clone()).collect()
}

/// Whether the change leaves the stored document as it is.
fn unchanged(model: &Model, change: &ServiceChange) -> bool {
    let old = model.documents.get(&change.key);
    old.is_some_and(|old| change.document.as_ref() == Some(&old.body) && elements_of(change) == old.elements)
}

fn service_event(now: Timestamp, change: &ServiceChange, record: &TransactionRecord) -> Event {
    let effect = match change.effect {
        ServiceEffect::Create => "create",
        ServiceEffect::Modify => "modify",
        ServiceEffect::Delete => "delete",
        ServiceEffect::Heal => "heal",
    };
    let content = serde_json::json!({
        "face": change.key.face, "id": change.key.id, "effect": effect, "transaction": record.id,
        "principal": record.principal.user, "ticket": record.principal.ticket,
    });
    Event { at: now, kind: "service-change".into(), content }
}
