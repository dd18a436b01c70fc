//! What a transaction writes, and what recovery reads from it.
//!
//! One intent per phase for all elements, durable before the sends; what elements answered, lazily; the decision in one
//! durable batch with all that follows from it; the end, durable as well.

use crate::domain::outcome::Cause;
use crate::domain::{ElementProgress, JournalRecord, Phase, TouchedDigests, TransactionRecord, Turn};
use crate::plan::{ElementPlan, Plan, content_digest};
use crate::store::{self, Batch, Store, StoreError, Table};
use std::collections::BTreeMap;

/// Where the plan of a running transaction stands in [`Table::Plans`]; plans that people keep have other keys.
pub(super) fn plan_key(transaction: &str) -> String {
    format!("transaction/{transaction}")
}

/// Where it stands that a transaction may have left its edit in an element's candidate.
pub(super) const STALE: &str = "candidate/";

/// The key of one element's.
pub(super) fn stale_key(element: &str) -> String {
    format!("{STALE}{element}")
}

/// Where it stands that an element would not save its running configuration, with an [`Unsaved`].
pub(super) const UNSAVED: &str = "unsaved/";

/// The key of one element and transaction.
pub(super) fn unsaved_key(element: &str, transaction: &str) -> String {
    format!("{UNSAVED}{element}/{transaction}")
}

/// The first batch: record and plan, and the journal opened.
pub(super) fn planned(record: &TransactionRecord, plan: &Plan, epoch: u64) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    batch.put(Table::Plans, &plan_key(&record.id), plan)?;
    batch.put(Table::Transactions, &record.id, record)?;
    batch.append(&record.id, JournalRecord::intent(Phase::Planned, Some(epoch)));
    Ok(batch)
}

/// The record as it is now, with more journal records: what was not said yet, then one.
pub(super) fn noted(
    record: &TransactionRecord,
    unsaid: &[JournalRecord],
    entry: Option<JournalRecord>,
) -> Result<Batch, StoreError> {
    let mut batch = said(&record.id, unsaid);
    batch.put(Table::Transactions, &record.id, record)?;
    if let Some(entry) = entry {
        batch.append(&record.id, entry);
    }
    Ok(batch)
}

/// More journal records alone.
pub(super) fn said(transaction: &str, unsaid: &[JournalRecord]) -> Batch {
    let mut batch = Batch::default();
    unsaid.iter().for_each(|record| batch.append(transaction, record.clone()));
    batch
}

/// The end: the journal is closed and the plan goes.
pub(super) fn closed(record: &TransactionRecord, unsaid: &[JournalRecord]) -> Result<Batch, StoreError> {
    let end = record.outcome.clone().map(|outcome| JournalRecord::Closed { outcome });
    let mut batch = noted(record, unsaid, end)?;
    batch.delete(Table::Plans, &plan_key(&record.id));
    Ok(batch)
}

/// What the journal of an open transaction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Story {
    /// The last intent.
    pub phase: Phase,
    /// Whether the decision stands.
    pub decided: bool,
    /// Whether it is closed.
    pub closed: bool,
    /// Persist-ids by element.
    pub persist: BTreeMap<String, String>,
    /// What the plan touches, in digests, by element.
    pub touched: BTreeMap<String, TouchedDigests>,
    /// Why it turned back, if it did.
    pub cause: Option<Cause>,
    /// Where each element stood after its last answer.
    pub results: BTreeMap<String, ElementProgress>,
}

/// What an element's plan touches, in digests.
pub(super) fn digests(of: &ElementPlan) -> TouchedDigests {
    TouchedDigests { before: content_digest(&of.before), after: content_digest(&of.after) }
}

impl Story {
    /// Whether this is the plan of which the journal speaks, as far as it says it.
    pub(super) fn is_of(&self, plan: &Plan) -> bool {
        let said = |of: &ElementPlan| self.touched.get(&of.element).is_none_or(|said| *said == digests(of));
        plan.elements.iter().all(said)
    }

    /// One more record.
    pub(super) fn hear(&mut self, record: JournalRecord) {
        match record {
            JournalRecord::Intent { phase, persist, epoch: _, touched } => {
                self.touched.extend(touched);
                self.phase = self.phase.max(phase);
                self.decided |= phase == Phase::Decided;
                self.persist.extend(persist);
            }
            JournalRecord::Abort { cause } => self.cause = Some(cause),
            JournalRecord::Closed { .. } => self.closed = true,
            JournalRecord::Result { element, progress } => {
                self.results.insert(element, progress);
            }
        }
    }

    /// Brings a stored record up to date: it is written less often than the journal. What an operator accepted stays.
    pub(super) fn bring_up(&self, record: &mut TransactionRecord) {
        for (element, progress) in &self.results {
            let accepted = record.elements.get(element).is_some_and(|kept| kept.turn == Turn::Accepted);
            if !accepted {
                record.elements.insert(element.clone(), progress.clone());
            }
        }
    }
}

/// Reads a journal.
pub(super) async fn story(store: &dyn Store, transaction: &str) -> Result<Story, StoreError> {
    let mut story = Story {
        phase: Phase::Planned,
        decided: false,
        closed: false,
        persist: BTreeMap::new(),
        touched: BTreeMap::new(),
        cause: None,
        results: BTreeMap::new(),
    };
    for record in store.journal(transaction).await? {
        story.hear(record);
    }
    Ok(story)
}

/// The plan and the record of an open transaction.
pub(super) async fn opened(
    store: &dyn Store,
    transaction: &str,
) -> Result<(Option<TransactionRecord>, Option<Plan>), StoreError> {
    let record = store::get(store, Table::Transactions, transaction).await?;
    let plan = store::get(store, Table::Plans, &plan_key(transaction)).await?;
    Ok((record, plan))
}

/// An element saved its running long after the transaction asked for it: where that is still open, its journal says so, or
/// recovery would ask for it again and again.
pub(super) async fn saved(store: &dyn Store, transaction: &str, element: &str) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    let story = story(store, transaction).await?;
    let mut record: Option<TransactionRecord> = store::get(store, Table::Transactions, transaction).await?;
    if let Some(record) = record.as_mut().filter(|_| !story.closed) {
        story.bring_up(record);
        if let Some(progress) = record.elements.remove(element).filter(|progress| progress.unsaved) {
            let progress = ElementProgress { unsaved: false, ..progress };
            batch.append(transaction, JournalRecord::Result { element: element.into(), progress });
        }
    }
    Ok(batch)
}
