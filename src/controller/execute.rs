//! From a request to a transaction: planned, held at the gate, run in a task of its own; then the mirror follows.
//!
//! Guarantees: a caller who goes away ends nothing; what the store says of a decision is what the mirror shows; a write
//! whose plan is not pinned is planned again, a few times, when what it read has moved.

use super::closing::PlanClosing;
use super::gate::Pass;
use super::kept::same_bytes;
use super::propose::Proposal;
use super::queue::{Leave, Queueing};
use super::underway::Errand;
use super::{Controller, DocumentEdit, Failure, Terms, meaning};
use crate::domain::outcome::CauseKind;
use crate::domain::{Class, Outcome, Phase, Principal, QueuedChange, TransactionRecord, Verb, authorize, chain};
use crate::plan::{Allowed, Plan, Refused, ServiceChange};
use crate::store::{self, Batch, Change, Durability, Store};
use crate::transaction::{Opened, TransactionRequest, in_time};
use crate::tree::Path;
use futures::{FutureExt, poll};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often, and how long apart, the store is asked what became of a decision.
const ASK_ATTEMPTS: u32 = 60;
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// How often a write is planned again because what it read moved.
const ATTEMPTS: u32 = 3;

/// What a write is made of.
pub(super) enum Work {
    Edits { edits: Vec<DocumentEdit>, allowed: Allowed, purpose: Option<String> },
    Heal { element: String, paths: Vec<Path> },
    Queued { change: QueuedChange },
}

impl Work {
    /// What is sure to be held by it, and this element.
    fn names(&self, element: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([format!("element {element}")]);
        match self {
            Work::Edits { edits, .. } => names.extend(edits.iter().map(|edit| format!("service {}", edit.key()))),
            Work::Queued { change } => drop(names.insert(format!("service {}", change.key))),
            Work::Heal { .. } => {}
        }
        names
    }

    fn allowed(&self) -> &Allowed {
        static NOTHING: LazyLock<Allowed> = LazyLock::new(Allowed::default);
        match self {
            Work::Edits { allowed, .. } => allowed,
            Work::Heal { .. } | Work::Queued { .. } => &NOTHING,
        }
    }
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
            if let Some(record) = known.record().filter(|_| !known.ended.is_cancelled()) {
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

    async fn attempted(
        &self,
        errand: &Arc<Errand>,
        work: &Work,
        pinned: Option<Plan>,
        terms: &Terms,
        opened: &mut Opened,
    ) -> Result<TransactionRecord, Failure> {
        let mut attempt = 0;
        let leave = &match (work, terms.queue) {
            (Work::Queued { change }, _) => Leave::AllBut(change.element.clone()),
            (Work::Edits { .. }, Some(_)) => Leave::Away,
            (Work::Edits { .. } | Work::Heal { .. }, _) => Leave::Nothing,
        };
        loop {
            attempt += 1;
            let still = |failure| if pinned.is_some() { moved(failure) } else { failure };
            let (mut proposal, pass) = match errand.unless_cancelled(self.planned(work, None, leave, opened)).await? {
                Ok(proposal) => {
                    let proposal = self.drawn(proposal, work.allowed(), leave)?;
                    strong_enough(&proposal.plan, terms.require_class)?;
                    let nothing = changes_nothing(&proposal.plan) && proposal.put_off.is_empty();
                    let asked = matches!(work, Work::Edits { .. }) && pinned.as_ref().is_none_or(changes_nothing);
                    // Whoever was told of a transaction gets one.
                    if nothing && asked && !errand.stage.lock().await.promised {
                        return Ok(self.no_change(errand, &proposal.plan));
                    }
                    errand.understood.cancel();
                    let pass = errand.unless_cancelled(self.entered(proposal.names(), opened)).await?;
                    (proposal, pass)
                }
                // The element is in the hands of another transaction: what was read there may be half of it. What it is
                // when that one has ended counts.
                Err(failure) => match self.busy_in(&failure) {
                    None => return Err(still(failure)),
                    Some(element) => {
                        errand.understood.cancel();
                        let pass = errand.unless_cancelled(self.entered(work.names(&element), opened)).await?;
                        let again = errand.unless_cancelled(self.planned(work, Some(&pass), leave, opened)).await?;
                        (again.map_err(still)?, pass)
                    }
                },
            };
            // Somebody else may have been decided while we waited.
            if self.model().generation != proposal.generation {
                proposal = match self.proposed_again(&mut proposal, work.allowed(), Some(&pass), leave) {
                    Some(again) => again.map_err(still)?,
                    None => {
                        let again = errand.unless_cancelled(self.planned(work, Some(&pass), leave, opened)).await?;
                        again.map_err(still)?
                    }
                };
            }
            if !proposal.relied.is_empty() && pass.covers(&proposal.names()) {
                let again = errand.unless_cancelled(self.read_as_ours(work, &pass, leave, opened)).await?;
                proposal = again.map_err(still)?;
            }
            if !pass.covers(&proposal.names()) {
                continue;
            }
            let queueing = Queueing {
                policy: terms.queue,
                put_off: std::mem::take(&mut proposal.put_off),
                run: match work {
                    Work::Queued { change } => Some(change.clone()),
                    Work::Edits { .. } | Work::Heal { .. } => None,
                },
            };
            let plan = match &pinned {
                Some(pinned) => {
                    same_bytes(pinned, &proposal.plan)?;
                    // The one that was looked at, under its own id.
                    pinned.clone()
                }
                None => proposal.plan,
            };
            strong_enough(&plan, terms.require_class)?;
            self.seal_now(&plan).await?;
            let summary = self.summary(work, &plan);
            let record = self.run(errand, plan, summary, queueing, std::mem::take(opened)).await?;
            // An element that went away since it was read can be left for later, where that is allowed.
            let again = match not_applied_for(&record) {
                Some(CauseKind::Stale) => true,
                Some(CauseKind::Unreachable) => *leave == Leave::Away,
                _ => false,
            };
            if again && pinned.is_none() && attempt < ATTEMPTS && !errand.stop.is_cancelled() {
                tracing::info!(transaction = record.id, "what was read has moved; planning again");
                // The journal of this one is closed. Under its id recovery would not see what another attempt sends.
                errand.stage.lock().await.begun = false;
                self.underway.again(errand, self.parts.ambient.transaction_id());
                continue;
            }
            return Ok(record);
        }
    }

    /// The plan made again with readings taken while its elements are ours. Where nothing is to be sent nobody looks again: a
    /// first reading may have shown an element half way through a transaction that turned back since. What an unresolved
    /// transaction has left there is nothing to rely on either.
    async fn read_as_ours(
        &self,
        work: &Work,
        pass: &Pass<'_>,
        leave: &Leave,
        opened: &mut Opened,
    ) -> Result<Proposal, Failure> {
        // Before the reading: what is let go while we read may have been read before.
        let held = self.runner.queues().held();
        let proposal = self.planned(work, Some(pass), leave, opened).await?;
        let mut refused: BTreeMap<String, Vec<Refused>> = BTreeMap::new();
        for (element, paths) in &proposal.relied {
            let mut holders = held.iter().filter(|(_, of, _)| of == element);
            let Some((transaction, _, path)) = holders.find(|(.., at)| paths.iter().any(|path| path.touches(at)))
            else {
                continue;
            };
            refused.insert(element.clone(), vec![self.held_at(path, transaction).await]);
        }
        if refused.is_empty() { Ok(proposal) } else { Err(Failure::of_elements(refused)) }
    }

    /// The refusing element that a transaction holds, or waits for.
    fn busy_in(&self, failure: &Failure) -> Option<String> {
        let held = |element: &str| !self.gate.held_of(&BTreeSet::from([format!("element {element}")])).is_empty();
        let refusing = failure.reasons().into_iter().map(|(element, _)| element);
        refusing.into_iter().find(|element| held(element)).map(str::to_owned)
    }

    /// Behind the gate. No session is kept from others while it is waited for.
    async fn entered(&self, names: BTreeSet<String>, opened: &mut Opened) -> Pass<'_> {
        let mut entering = pin!(self.gate.enter(names));
        if let Poll::Ready(pass) = poll!(entering.as_mut()) {
            return pass;
        }
        opened.end().await;
        entering.await
    }

    async fn planned(
        &self,
        work: &Work,
        pass: Option<&Pass<'_>>,
        leave: &Leave,
        opened: &mut Opened,
    ) -> Result<Proposal, Failure> {
        let planned = match work {
            Work::Edits { edits, allowed, .. } => self.proposal(edits, allowed, pass, leave, Some(opened)).await,
            Work::Queued { change } => {
                let edits = [self.queued_edit(change)?];
                self.proposal(&edits, work.allowed(), pass, leave, Some(opened)).await
            }
            Work::Heal { element, paths } => self.healing(element, paths).await,
        };
        match planned {
            Err(failure) => Err(self.held_by_name(failure).await),
            planned => planned,
        }
    }

    /// The end of a request that asks for what is so already: no transaction, and so no id.
    fn no_change(&self, errand: &Errand, plan: &Plan) -> TransactionRecord {
        let now = self.parts.ambient.now();
        let started = errand.record().map_or(now, |record| record.started);
        TransactionRecord {
            plan: plan.id.clone(),
            phase: Phase::Closed,
            outcome: Some(Outcome::Applied),
            finished: Some(now),
            summary: "no change".into(),
            ..TransactionRecord::new("", errand.principal.clone(), started)
        }
    }

    fn summary(&self, work: &Work, plan: &Plan) -> String {
        match work {
            Work::Heal { element, paths } => format!("heal {element} ({} deviation(s))", paths.len()),
            Work::Queued { change } => format!("queued for {}: {}", change.element, change.key),
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

    pub(super) fn mirror(&self, batch: &Batch) -> Result<(), Failure> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut model).apply(batch, &meaning(self.schema()))?;
        Ok(())
    }

    /// A batch of our own, outside any transaction: durable, then mirrored.
    pub(super) async fn commit_batch(&self, batch: Batch) -> Result<(), Failure> {
        self.commit_with(batch, Durability::Now).await
    }

    /// The same for what may wait for the disk: mirrored at once, durable soon.
    pub(super) async fn commit_with(&self, batch: Batch, durability: Durability) -> Result<(), Failure> {
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

/// The end of work in a task of its own.
pub(super) fn ended<T>(told: Result<Result<T, Failure>, oneshot::error::RecvError>) -> Result<T, Failure> {
    let lost = "the work ended by a fault of this program; what it had begun is finished by recovery";
    told.unwrap_or_else(|_| Err(Failure::Internal(lost.into())))
}

/// What cannot be planned any more could be when the pinned plan was made: something has moved since.
fn moved(failure: Failure) -> Failure {
    match failure {
        // That is told as it is: a new plan would meet it as well.
        Failure::Refused { .. } | Failure::RefusedBy(_) if failure.is_held() => failure,
        Failure::Refused { .. } | Failure::RefusedBy(_) => {
            let reasons = failure.reasons();
            let path = reasons.iter().find_map(|(_, all)| all.iter().find_map(Refused::path));
            let path = path.map_or_else(|| "/".into(), ToString::to_string);
            Failure::Stale { element: reasons.first().map(|(element, _)| (*element).to_owned()), path }
        }
        Failure::Document(faults) => {
            let path = faults.into_iter().next().map_or_else(|| "/".into(), |fault| fault.path);
            Failure::Stale { element: None, path }
        }
        other => other,
    }
}

fn changes_nothing(plan: &Plan) -> bool {
    plan.services.is_empty() && plan.elements.is_empty() && plan.numbers.is_empty()
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

/// Why it was not applied.
fn not_applied_for(record: &TransactionRecord) -> Option<CauseKind> {
    match &record.outcome {
        Some(Outcome::NotApplied { cause }) => Some(cause.kind),
        _ => None,
    }
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
