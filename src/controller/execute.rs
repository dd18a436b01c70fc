//! From a request to a transaction: planned, held at the gate, run in a task of its own; then the mirror follows.
//!
//! Guarantees: a caller who goes away ends nothing; what the store says of a decision is what the mirror shows; a write
//! whose plan is not pinned is planned again, a few times, when what it read has moved.

use super::closing::{self, PlanClosing};
use super::kept::same_bytes;
use super::propose::Proposal;
use super::{Controller, DocumentEdit, Failure, Terms, meaning};
use crate::domain::{Outcome, Principal, TransactionRecord, Verb, authorize};
use crate::plan::{Allowed, Plan, ServiceChange};
use crate::store::{self, Batch, Change, Durability, Store, Table};
use crate::transaction::TransactionRequest;
use crate::tree::Path;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often, and how long apart, the store is asked what became of a decision.
const ASK_ATTEMPTS: u32 = 60;
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// How often a write is planned again because what it read moved.
const ATTEMPTS: u32 = 3;

/// What a write is made of.
enum Work {
    Edits { edits: Vec<DocumentEdit>, allowed: Allowed, purpose: Option<String> },
    Heal { element: String, paths: Vec<Path> },
}

impl Controller {
    /// Plans and commits. When what was read moved meanwhile it plans again.
    pub async fn write(
        self: &Arc<Self>,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        for edit in &edits {
            authorize(principal, Verb::Write, &edit.key().to_string())?;
        }
        let edits = self.cut(edits)?;
        self.carried_out(principal, Work::Edits { edits, allowed: allowed.clone(), purpose: None }, None, terms).await
    }

    /// Commits a kept plan: exactly its bytes, or [`Failure::Stale`].
    pub async fn commit_kept(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let kept = self.kept(principal, id).await?;
        for change in &kept.plan.services {
            authorize(principal, Verb::Write, &change.key.to_string())?;
        }
        let edits = self.edits_of(&kept.plan)?;
        let ticket = principal.ticket.clone().or(kept.ticket);
        let principal = &Principal { ticket, ..principal.clone() };
        self.carried_out(
            principal,
            Work::Edits { edits, allowed: kept.allowed, purpose: kept.purpose },
            Some(kept.plan),
            terms,
        )
        .await
    }

    /// Brings deviations of an element back to what is intended. `ids` empty = all of the element.
    pub async fn heal(
        self: &Arc<Self>,
        principal: &Principal,
        element: &str,
        ids: &[String],
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        authorize(principal, Verb::Heal, element)?;
        let paths = self.deviating(element, ids).await?;
        self.carried_out(principal, Work::Heal { element: element.into(), paths }, None, terms).await
    }

    /// Runs the work in a task of its own, so that a caller who goes away does not end it, and waits as long as asked.
    async fn carried_out(
        self: &Arc<Self>,
        principal: &Principal,
        work: Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let id = Arc::new(Mutex::new(new_id()));
        let (this, who, what, how) = (self.clone(), principal.clone(), id.clone(), terms.clone());
        let mut task = tokio::spawn(async move { this.execute(&who, &what, work, pinned, &how).await });
        if let Some(wait) = terms.wait {
            // The task is polled to its end here or below, never both.
            if let Ok(done) = tokio::time::timeout(wait, &mut task).await {
                return done.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())));
            }
            // Without a record nothing was sent yet; then it is still planning, and worth waiting for. One that has ended
            // is about to be answered, or made anew because what it read had moved.
            let id = current(&id);
            let record: Option<TransactionRecord> =
                store::get(self.parts.store.as_ref(), Table::Transactions, &id).await?;
            if let Some(record) = record.filter(|record| record.finished.is_none()) {
                return Ok(record);
            }
        }
        task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
    }

    async fn execute(
        &self,
        principal: &Principal,
        id: &Mutex<String>,
        work: Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let proposal = self.planned(&work).await?;
            let names = proposal.names();
            let pass = self.gate.enter(names).await;
            // Somebody else may have been decided while we waited.
            let proposal =
                if self.model().generation == proposal.generation { proposal } else { self.planned(&work).await? };
            if !pass.covers(&proposal.names()) {
                continue;
            }
            let plan = match &pinned {
                Some(pinned) => {
                    same_bytes(pinned, &proposal.plan)?;
                    // The one that was looked at, under its own id.
                    pinned.clone()
                }
                None => proposal.plan,
            };
            if let Some(want) = terms.require_class
                && let Some(weak) = plan.elements.iter().find(|element| element.class > want)
            {
                return Err(Failure::ClassTooWeak { element: weak.element.clone(), have: weak.class, want });
            }
            self.seal_now(&plan).await?;
            let summary = self.summary(&work, &plan);
            let record = self.run(principal, &current(id), plan, summary).await?;
            if is_stale(&record) && pinned.is_none() && attempt < ATTEMPTS {
                tracing::info!(transaction = record.id, "what was read has moved; planning again");
                // The journal of this one is closed. Under its id recovery would not see what another attempt sends.
                *id.lock().unwrap_or_else(PoisonError::into_inner) = new_id();
                continue;
            }
            return Ok(record);
        }
    }

    async fn planned(&self, work: &Work) -> Result<Proposal, Failure> {
        match work {
            Work::Edits { edits, allowed, .. } => self.proposal(edits, allowed).await,
            Work::Heal { element, paths } => self.healing(element, paths).await,
        }
    }

    fn summary(&self, work: &Work, plan: &Plan) -> String {
        match work {
            Work::Heal { element, paths } => format!("heal {element} ({} deviation(s))", paths.len()),
            Work::Edits { purpose, .. } => {
                let verb = |change: &ServiceChange| format!("{:?} {}", change.effect, change.key).to_lowercase();
                let services = plan.services.iter().map(verb).collect::<Vec<_>>().join(", ");
                match purpose {
                    Some(purpose) => format!("{purpose} ({services})"),
                    None => services,
                }
            }
        }
    }

    /// The transaction; the pass of the gate is held by the caller.
    async fn run(
        &self,
        principal: &Principal,
        id: &str,
        plan: Plan,
        summary: String,
    ) -> Result<TransactionRecord, Failure> {
        let elements = {
            let model = self.model();
            self.southbounds(&model, plan.elements.iter().map(|element| element.element.as_str()))?
        };
        let closing = Arc::new({
            let (model, ambient) = (self.model.clone(), self.parts.ambient.clone());
            PlanClosing::new(model, ambient, plan.clone(), self.parts.history)
        });
        let request = TransactionRequest {
            id: id.into(),
            plan,
            principal: principal.clone(),
            summary,
            closing: closing.clone(),
            progress: None,
        };
        let ride = self.runner.run(request, &elements, self.parts.stop.child());
        let ride = AssertUnwindSafe(ride).catch_unwind().await;
        if let Ok(record) = &ride {
            say(record);
        }
        if self.follow(&closing, ride.as_ref().ok().and_then(|record| record.outcome.as_ref())).await {
            let read = std::mem::take(&mut closing.done.lock().unwrap_or_else(PoisonError::into_inner).read);
            // It is decided and recorded; the next look notices what this one could not keep.
            if let Err(error) = self.looked(&read).await {
                tracing::warn!(transaction = id, %error, "deviations are as old as the last look");
            }
        }
        ride.map_err(|_| {
            let message =
                "the transaction ended by a fault of this program; recovery reads the elements and finishes it";
            Failure::Internal(format!("{id}: {message}"))
        })
    }

    /// The mirror follows what has been decided; whether all was applied. Where the end does not say whether the decision
    /// is durable, the store is asked: what it holds is true. The caller holds the services and elements, so nobody else
    /// moves them meanwhile.
    async fn follow(&self, closing: &PlanClosing, outcome: Option<&Outcome>) -> bool {
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
            let error = crate::adagio::driver::chain(&error);
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
                    let error = crate::adagio::driver::chain(&error);
                    tracing::error!(attempt, error, "the store does not say whether a decision is durable");
                }
            }
            self.parts.ambient.sleep(ASK_PAUSE).await;
        }
        tracing::error!("the store did not say whether a decision is durable: restart the daemon");
        None
    }

    pub(super) fn mirror(&self, batch: &Batch) -> Result<(), Failure> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut model).apply(batch, &meaning(self.schema()))?;
        Ok(())
    }

    /// A batch of our own, outside any transaction: durable, then mirrored.
    pub(super) async fn commit_batch(&self, batch: Batch) -> Result<(), Failure> {
        if let Err(error) = self.parts.store.commit(self.parts.epoch, batch.clone(), Durability::Now).await {
            // An error does not say that nothing was written.
            if let Ok(stored) = as_stored(self.parts.store.as_ref(), &batch).await {
                self.mirror(&stored)?;
            }
            return Err(error.into());
        }
        self.mirror(&batch)
    }
}

/// The id of a new transaction.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The id of the attempt that is under way.
fn current(id: &Mutex<String>) -> String {
    id.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// One line in the log for what was asked for and how it ended, and one for every piece that an element kept.
fn say(record: &TransactionRecord) {
    let outcome = record.outcome.as_ref().map_or_else(|| "still open".to_string(), closing::in_words);
    let user = &record.principal.user;
    match &record.outcome {
        Some(Outcome::Unresolved { .. }) => {
            tracing::error!(transaction = record.id, user, "{}: {outcome}; it is worked on", record.summary);
        }
        _ => tracing::info!(transaction = record.id, user, "{}: {outcome}", record.summary),
    }
    for (element, progress) in &record.elements {
        for residue in &progress.residue {
            tracing::warn!(transaction = record.id, element, residue, "the element kept it for now");
        }
    }
}

fn is_stale(record: &TransactionRecord) -> bool {
    use crate::domain::outcome::CauseKind;
    matches!(&record.outcome, Some(Outcome::NotApplied { cause }) if cause.kind == CauseKind::Stale)
}

/// The records of a batch as the store has them.
pub(super) async fn as_stored(store: &dyn Store, batch: &Batch) -> Result<Batch, store::StoreError> {
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
