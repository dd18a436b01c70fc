//! From a request to a transaction: planned, held at the gate, run in a task of its own; then the mirror follows.
//!
//! Guarantees: a caller who goes away ends nothing; what the store says of a decision is what the mirror shows; a write
//! whose plan is not pinned is planned again, a few times, when what it read has moved.

mod attempts;
mod mirror;

pub(super) use attempts::Work;
pub(super) use mirror::as_stored;

use super::closing::PlanClosing;
use super::queue::Queueing;
use super::underway::Errand;
use super::{Controller, DocumentEdit, Failure, Terms};
use crate::domain::{Class, Outcome, Principal, TransactionRecord, Verb, authorize};
use crate::plan::{Allowed, Plan};
use crate::transaction::{Opened, TransactionRequest, in_time};
use futures::FutureExt;
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

impl Controller {
    /// Plans and commits. When what was read moved meanwhile it plans again.
    pub async fn write(
        self: &Arc<Self>,
        principal: &Principal,
        edits: Vec<DocumentEdit>,
        allowed: &Allowed,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let written = async {
            for edit in &edits {
                authorize(principal, Verb::Write, &edit.key().to_string())?;
            }
            let work = Work::Edits { edits: self.cut(edits)?, allowed: allowed.clone(), purpose: None };
            self.carried_out(principal, work, None, terms).await
        };
        self.once(principal, terms, written).await
    }

    /// Commits a kept plan: exactly its bytes, or [`Failure::Stale`].
    pub async fn commit_kept(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        self.once(principal, terms, self.pinned(principal, id, terms)).await
    }

    async fn pinned(
        self: &Arc<Self>,
        principal: &Principal,
        id: &str,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let kept = self.kept(principal, id).await?;
        for change in &kept.plan.services {
            authorize(principal, Verb::Write, &change.key.to_string())?;
        }
        let (plan, created) = (kept.plan.id.clone(), kept.created);
        let done = match self.edits_of(&kept.plan) {
            Err(failure) => Err(failure),
            Ok(edits) => {
                let ticket = principal.ticket.clone().or(kept.ticket);
                let principal = &Principal { ticket, ..principal.clone() };
                let work = Work::Edits { edits, allowed: kept.allowed, purpose: kept.purpose };
                self.carried_out(principal, work, Some(kept.plan), terms).await
            }
        };
        // What is stale because it was done is said so.
        match done {
            Err(Failure::Stale { element, path }) => match self.applied_plan(&plan, created).await? {
                Some(record) => {
                    let at = record.finished.or(record.decided);
                    Err(Failure::AlreadyApplied { plan, transaction: record.id, at })
                }
                None => Err(Failure::Stale { element, path }),
            },
            done => done,
        }
    }

    /// Brings deviations of an element back to what is intended. `ids` empty = all of the element.
    pub async fn heal(
        self: &Arc<Self>,
        principal: &Principal,
        element: &str,
        ids: &[String],
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let healed = async {
            authorize(principal, Verb::Heal, element)?;
            let paths = self.deviating(element, ids).await?;
            self.carried_out(principal, Work::Heal { element: element.into(), paths }, None, terms).await
        };
        self.once(principal, terms, healed).await
    }

    /// Runs the work in a task of its own, so that a caller who goes away does not end it, and waits as long as asked. A
    /// request whose name is known already is not run again: what became of the first is answered.
    pub(super) async fn carried_out(
        self: &Arc<Self>,
        principal: &Principal,
        work: Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let errand = loop {
            let (stop, now) = (self.parts.stop.child(), self.parts.ambient.now());
            let errand = Errand::new(principal, terms.request.clone(), stop, self.parts.ambient.transaction_id(), now);
            match (self.underway.begin(errand), &terms.request) {
                (Ok(errand), None) => break Under { controller: self.clone(), errand },
                (Ok(errand), Some(request)) => {
                    let under = Under { controller: self.clone(), errand };
                    // Looked up while the name is ours: nobody begins it in between.
                    match self.stored_request(principal, request).await? {
                        Some(repeated) => return Ok(repeated.record),
                        None => break under,
                    }
                }
                (Err(first), Some(request)) => {
                    if let Some(repeated) = self.joined(&first, request, terms.patience()).await? {
                        return Ok(repeated.record);
                    }
                }
                (Err(_), None) => {
                    return Err(Failure::Internal("a request without a name was taken for another".into()));
                }
            }
        };
        let (this, how, known) = (self.clone(), terms.clone(), errand.errand.clone());
        let mut task = self.apart(async move {
            let done = this.execute(&errand.errand, &work, pinned, &how).await;
            this.concluded(&errand.errand, done).await
        });
        // The task is polled to its end here or below, never both.
        let answered = match (terms.at_once, terms.wait) {
            (true, wait) => {
                let understood = async {
                    known.understood.cancelled().await;
                    // What is done by then need not be promised.
                    tokio::task::yield_now().await;
                };
                tokio::select! {
                    biased;
                    done = &mut task => return ended(done),
                    () = understood => true,
                    () = self.parts.ambient.sleep(wait.unwrap_or(Duration::MAX)) => true,
                }
            }
            (false, Some(wait)) => match in_time(self.parts.ambient.as_ref(), wait, &mut task).await {
                Some(done) => return ended(done),
                None => true,
            },
            (false, None) => false,
        };
        if answered {
            self.promise(&known).await?;
            // Of an attempt that has ended nobody knows yet whether another one follows.
            let going = |record: &TransactionRecord| record.finished.is_none() && !known.ended.is_cancelled();
            if let Some(record) = known.record().filter(going) {
                return Ok(record);
            }
        }
        ended(task.await)
    }

    /// Work in a task of its own: a caller who goes away does not end it half way. Its end comes by the answer of this.
    pub(super) fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Failure>> {
        let (tell, told) = oneshot::channel();
        // All that the work holds is let go before its end is told.
        self.parts.ambient.spawn(Box::pin(work.map(|done| drop(tell.send(done)))));
        told
    }

    async fn execute(
        &self,
        errand: &Arc<Errand>,
        work: &Work,
        pinned: Option<Plan>,
        terms: &Terms,
    ) -> Result<TransactionRecord, Failure> {
        let mut opened = Opened::default();
        let done = self.attempted(errand, work, pinned, terms, &mut opened).await;
        // Those that no transaction took.
        opened.end().await;
        done
    }

    /// The transaction; the pass of the gate is held by the caller.
    async fn run(
        &self,
        errand: &Errand,
        plan: Plan,
        summary: String,
        queueing: Queueing,
        opened: Opened,
    ) -> Result<TransactionRecord, Failure> {
        let id = errand.id();
        let elements = {
            let model = self.model();
            self.southbounds(&model, plan.elements.iter().map(|element| element.element.as_str()))?
        };
        // From here on the runner writes the record; a promise that is being made is kept first.
        let mut stage = errand.stage.lock().await;
        let beginning = self.beginning(errand).await?;
        stage.begun = true;
        drop(stage);
        let mut origin = errand.record().map(|record| record.origin).unwrap_or_default();
        if queueing.policy.is_some() {
            let put_off: BTreeSet<&String> = queueing.put_off.iter().map(|(element, _)| element).collect();
            origin.queued = put_off.into_iter().cloned().collect();
        }
        let (model, ambient) = (self.model.clone(), self.parts.ambient.clone());
        let (keep, done) = (self.parts.history, Mutex::default());
        let closing =
            Arc::new(PlanClosing { model, ambient, plan: plan.clone(), beginning, origin, keep, queueing, done });
        let request = TransactionRequest {
            id: id.clone(),
            plan,
            principal: errand.principal.clone(),
            summary,
            closing: closing.clone(),
            progress: Some(errand.progress.clone()),
            opened,
        };
        let ride = self.runner.run(request, &elements, errand.stop.clone());
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
}

/// The end of work in a task of its own.
pub(super) fn ended<T>(told: Result<Result<T, Failure>, oneshot::error::RecvError>) -> Result<T, Failure> {
    let lost = "the work ended by a fault of this program; what it had begun is finished by recovery";
    told.unwrap_or_else(|_| Err(Failure::Internal(lost.into())))
}

/// Refuses a plan of an element that can take back less than the caller demands.
pub fn strong_enough(plan: &Plan, want: Option<Class>) -> Result<(), Failure> {
    let Some(want) = want else { return Ok(()) };
    match plan.elements.iter().find(|element| element.class > want) {
        Some(weak) => Err(Failure::ClassTooWeak { element: weak.element.clone(), have: weak.class, want }),
        None => Ok(()),
    }
}

/// An errand that is in the register; it leaves it with the last who works on it.
struct Under {
    controller: Arc<Controller>,
    errand: Arc<Errand>,
}

impl Drop for Under {
    fn drop(&mut self) {
        self.controller.underway.leave(&self.errand);
    }
}

/// One line in the log for what was asked for and how it ended, and one for every piece that an element kept.
fn say(record: &TransactionRecord) {
    let outcome = record.outcome.as_ref().map_or_else(|| "still open".to_string(), ToString::to_string);
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
