//! Changes for elements that are away: put off with the decision on the rest, carried out in order when they are back.
//!
//! ```text
//!  write (queue allowed) ─ pe2 away ─► transaction on the others ─ DECIDED: document, claims, QueuedChange(pe2) in one batch
//!                                                                                     │
//!  run_queues: the first of each element ─► planned again from the present document ──┴─► transaction on pe2 alone
//!        │ away: waits, ever longer                │ applied: it goes, with the decision
//!        └───────────────────────────────────────  │ failed: block | skip | revert-service
//! ```
//!
//! What is true meanwhile: the document, its revision and its numbers are the new ones; the element is meant to carry what
//! was verified on it last (its claims are those of before), so no deviation is found there and nothing is healed behind
//! the queue's back. A service has one change per element: another write of it takes the place of the one that waits. A
//! write that allows queueing goes behind what waits for an element, also if the element answers; one that does not is
//! judged by what is claimed now. A change that runs is an ordinary plan in an ordinary transaction.

use super::desk::Drafted;
use super::execute::Work;
use super::model::Model;
use super::{Controller, DocumentEdit, Failure, Terms, parsed};
use crate::domain::outcome::CauseKind;
use crate::domain::{
    Event, Outcome, Principal, QueuePolicy, QueueState, QueuedChange, ServiceKey, StoredDocument, TransactionRecord,
    Verb, authorize,
};
use crate::plan::{Allowed, Plan};
use crate::store::{Batch, Change, Durability, StoreError, Table};
use crate::tree::ConfigTree;
use futures::future::join_all;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Which elements a plan leaves as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Leave {
    /// None.
    #[default]
    Nothing,
    /// Those that are away, or for which something waits already.
    Away,
    /// All but this one.
    AllBut(String),
}

/// What the decision does to the queues.
#[derive(Clone, Debug, Default)]
pub(super) struct Queueing {
    /// What happens if it fails; `None` = nothing is queued.
    pub policy: Option<QueuePolicy>,
    /// What is left for later.
    pub put_off: BTreeSet<(String, ServiceKey)>,
    /// The queued change that runs, if it is one.
    pub run: Option<QueuedChange>,
}

/// When the queue of each element is tried next, and the pause after that.
#[derive(Default)]
pub(super) struct Pace {
    next: Mutex<BTreeMap<String, (Duration, Duration)>>,
    /// Held while the queues are worked on: a change runs once.
    work: tokio::sync::Mutex<()>,
}

/// How a try ended.
enum Tried {
    Done,
    /// Not now.
    Later(String, Option<String>),
    /// Trying again would not help.
    Failed(String, Option<String>),
}

impl Leave {
    /// The elements that are left alone before anything is read.
    pub fn at_first(&self, model: &Model, drafted: &Drafted) -> BTreeSet<String> {
        let all = drafted.elements().map(str::to_owned);
        match self {
            Leave::Nothing => BTreeSet::new(),
            Leave::Away => all.filter(|element| model.queued_on(element).any(in_line)).collect(),
            Leave::AllBut(one) => all.filter(|element| element != one).collect(),
        }
    }

    /// Whether an element that is away may be left for later.
    pub fn away(&self, model: &Model, element: &str) -> bool {
        *self == Leave::Away && model.inventory.get(element).is_some_and(|known| known.managed)
    }
}

fn in_line(change: &QueuedChange) -> bool {
    change.state != QueueState::Skipped
}

impl Queueing {
    /// What becomes of the queues with the decision on a plan; `batch` is what else becomes of it.
    pub fn decided(
        &self,
        model: &Model,
        plan: &Plan,
        record: &TransactionRecord,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if let Some(run) = &self.run {
            self.same_document(model, run, batch)?;
            batch.events.push(event("queued-change-done", run, now));
        }
        // Several services of one plan stand one behind the other.
        let mut last: BTreeMap<&String, u64> = BTreeMap::new();
        for change in &plan.services {
            for known in model.queued_for(&change.key) {
                let left = match &self.run {
                    Some(run) => run.element != known.element,
                    None => self.put_off.contains(&(known.element.clone(), change.key.clone())),
                };
                if !left {
                    batch.delete(Table::Queue, &known.store_key());
                }
            }
            let Some(policy) = self.policy else { continue };
            let revision = change.document.as_ref().map(|_| revision_in(batch, model, &change.key));
            for (element, _) in self.put_off.iter().filter(|(_, key)| *key == change.key) {
                let known = model.queued(element, &change.key).filter(|known| in_line(known));
                let index = known.map(|known| known.index).unwrap_or_else(|| {
                    let end = || model.queued_on(element).last().map_or(0, |last| last.index);
                    let last = last.entry(element).or_insert_with(end);
                    *last += 1;
                    *last
                });
                let queued = QueuedChange {
                    element: element.clone(),
                    key: change.key.clone(),
                    index,
                    revision,
                    base: known.map_or(change.base_revision, |known| known.base),
                    policy,
                    state: QueueState::Waiting,
                    since: known.map_or(now, |known| known.since),
                    tried: None,
                    reason: None,
                    principal: record.principal.clone(),
                    transaction: record.id.clone(),
                    attempt: None,
                };
                batch.put(Table::Queue, &queued.store_key(), &queued)?;
                batch.events.push(event("change-queued", &queued, now));
            }
        }
        Ok(())
    }

    /// The document was stored with the decision on the rest: only the elements that carry it are others now.
    fn same_document(&self, model: &Model, run: &QueuedChange, batch: &mut Batch) -> Result<(), StoreError> {
        let key = run.key.to_string();
        let elements = batch.changes.iter().find_map(|change| match change {
            Change::Put(Table::Documents, at, bytes) if *at == key => {
                serde_json::from_slice::<StoredDocument>(bytes).ok().map(|document| document.elements)
            }
            _ => None,
        });
        batch.changes.retain(|change| {
            let (Change::Put(table, ..) | Change::Delete(table, _)) = change;
            !matches!(table, Table::Documents | Table::History)
        });
        batch.events.clear();
        if let (Some(elements), Some(stored)) = (elements, model.documents.get(&run.key)) {
            let document = StoredDocument { elements, ..(**stored).clone() };
            batch.put(Table::Documents, &key, &document)?;
        }
        Ok(())
    }

    /// Numbers that a service gives back while an element that is left alone still carries them: they rest until that
    /// element was read without them.
    pub fn still_carried(
        &self,
        model: &Model,
        plan: &Plan,
        now: Timestamp,
        read: &BTreeMap<String, ConfigTree>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        if self.put_off.is_empty() {
            return Ok(());
        }
        for change in &plan.services {
            let mut gone = change.clone();
            for (element, _) in self.put_off.iter().filter(|(_, key)| *key == change.key) {
                gone.claims.insert(element.clone(), None);
            }
            for take in model.ledger.unasked(&change.key, &change.asked) {
                let take = model.released(take, &gone, now, read);
                batch.put(Table::Numbers, &take.key(), &take)?;
            }
        }
        Ok(())
    }
}

impl Controller {
    /// All queued changes, in the order of their elements' queues.
    pub async fn queued(&self, principal: &Principal) -> Result<Vec<QueuedChange>, Failure> {
        authorize(principal, Verb::Read, "queue")?;
        Ok(self.model().queue().cloned().collect())
    }

    /// Tries a queued change again now (`again`), or gives it up: then those behind it go on.
    pub async fn decide_queued(
        self: &Arc<Self>,
        principal: &Principal,
        element: &str,
        key: &ServiceKey,
        again: bool,
    ) -> Result<(), Failure> {
        authorize(principal, Verb::Write, &key.to_string())?;
        // What replaces the change, or carries it out, holds its service.
        let pass = self.gate.enter(BTreeSet::from([format!("service {key}")])).await;
        let model = self.model();
        let gone = || Failure::NotFound { what: format!("a queued change of {key} on {element}") };
        let mut change = model.queued(element, key).cloned().ok_or_else(gone)?;
        change.state = if again { QueueState::Waiting } else { QueueState::Skipped };
        if !again {
            change.reason = Some(format!("dropped by {}", principal.user));
        }
        let mut batch = Batch::default();
        batch.put(Table::Queue, &change.store_key(), &change)?;
        let action = if again { "retry-queued-change" } else { "drop-queued-change" };
        self.audited(&mut batch, principal, action, &change.store_key(), "done");
        self.commit_batch(batch).await?;
        drop(pass);
        self.pace.forget(element);
        let this = self.clone();
        self.parts.ambient.spawn(Box::pin(async move {
            this.run_queues().await;
        }));
        Ok(())
    }

    /// Tries what is due: the first change of each element. Answers when to come again.
    pub async fn run_queues(self: &Arc<Self>) -> Duration {
        let _alone = self.pace.work.lock().await;
        let heads = self.due();
        let runs = heads.into_iter().take(AT_ONCE).map(|change| async move { self.run_queue(change).await });
        join_all(runs).await;
        self.pace.soonest(self.parts.ambient.elapsed())
    }

    /// The first change of each element whose time has come.
    fn due(&self) -> Vec<QueuedChange> {
        let (model, now) = (self.model(), self.parts.ambient.elapsed());
        let mut heads: BTreeMap<&str, &QueuedChange> = BTreeMap::new();
        for change in model.queue().filter(|change| in_line(change)) {
            heads.entry(&change.element).or_insert(change);
        }
        let back = |change: &QueuedChange| {
            let read = model.states.get(&change.element).and_then(|state| state.last_read);
            // A look has seen it since the last try.
            read.zip(change.tried).is_some_and(|(read, tried)| read > tried)
        };
        let due = heads.into_values().filter(|change| change.state == QueueState::Waiting);
        due.filter(|change| back(change) || self.pace.is_due(&change.element, now)).cloned().collect()
    }

    /// Carries out the changes of one element, in order, until one does not work.
    async fn run_queue(self: &Arc<Self>, first: QueuedChange) {
        let element = first.element.clone();
        let mut next = Some(first);
        while let Some(change) = next.take() {
            let go_on = match self.tried(&change).await {
                Tried::Done => {
                    tracing::info!(element, service = %change.key, "a queued change is carried out");
                    true
                }
                Tried::Later(reason, attempt) => {
                    self.note_queued(&change, change.state, reason, attempt).await;
                    false
                }
                Tried::Failed(reason, attempt) => {
                    self.failed_queued(&change, reason, attempt).await;
                    change.policy != QueuePolicy::Block
                }
            };
            if !go_on {
                self.pace.later(&element, self.parts.ambient.elapsed());
                return;
            }
            self.pace.forget(&element);
            let model = self.model();
            let head = model.queued_on(&element).find(|change| in_line(change));
            next = head.filter(|head| head.state == QueueState::Waiting && head.key != change.key).cloned();
        }
    }

    async fn tried(self: &Arc<Self>, change: &QueuedChange) -> Tried {
        let work = Work::Queued { change: change.clone() };
        match self.carried_out(&change.principal, work, None, &Terms::default()).await {
            Ok(record) => match &record.outcome {
                Some(Outcome::Applied) => Tried::Done,
                Some(Outcome::NotApplied { cause }) => {
                    let (reason, attempt) = (cause.to_string(), Some(record.id.clone()));
                    match cause.kind {
                        CauseKind::Refused | CauseKind::Verify | CauseKind::Check => Tried::Failed(reason, attempt),
                        _ => Tried::Later(reason, attempt),
                    }
                }
                _ => Tried::Later("its transaction is unresolved".into(), Some(record.id.clone())),
            },
            Err(
                failure @ (Failure::Unreachable { .. }
                | Failure::Incomplete { .. }
                | Failure::Stale { .. }
                | Failure::Cancelled(_)
                | Failure::Store(_)
                | Failure::Internal(_)),
            ) => Tried::Later(failure.to_string(), None),
            // Until the transaction that holds it is resolved, the element shows what nobody is to keep.
            Err(failure) if failure.is_held() => Tried::Later(failure.to_string(), None),
            Err(failure) => Tried::Failed(failure.to_string(), None),
        }
    }

    async fn failed_queued(self: &Arc<Self>, change: &QueuedChange, reason: String, attempt: Option<String>) {
        tracing::error!(element = change.element, service = %change.key, reason, "a queued change failed");
        let (state, reason) = match change.policy {
            QueuePolicy::Block => (QueueState::Blocked, reason),
            QueuePolicy::Skip => (QueueState::Skipped, reason),
            QueuePolicy::RevertService => match self.reverted(change).await {
                // The change went with the decision on the way back.
                Ok(()) => return,
                Err(why) => (QueueState::Blocked, format!("{reason}; and the service cannot go back: {why}")),
            },
        };
        self.note_queued(change, state, reason, attempt).await;
    }

    /// The service as it was before the change was queued, on all its elements.
    async fn reverted(self: &Arc<Self>, change: &QueuedChange) -> Result<(), String> {
        let key = change.key.clone();
        let edit = match change.base {
            0 => DocumentEdit::Delete { key, expect: None },
            base => {
                let history = self.history(&change.principal, &key).await.map_err(|failure| failure.to_string())?;
                let before = self.revision_in(&history, base).map_err(|failure| failure.to_string())?;
                match &before.body {
                    Some(body) => DocumentEdit::Put { key, document: parsed(self.schema(), body)?, expect: None },
                    None => DocumentEdit::Delete { key, expect: None },
                }
            }
        };
        let record = self.write(&change.principal, vec![edit], &Allowed::default(), &Terms::default()).await;
        match record.map_err(|failure| failure.to_string())?.outcome {
            Some(Outcome::Applied) => {
                let mut batch = Batch::default();
                batch.events.push(event("service-reverted", change, self.parts.ambient.now()));
                self.audited(&mut batch, &change.principal, "revert-service", &change.store_key(), "applied");
                self.commit_batch(batch).await.map_err(|failure| failure.to_string())
            }
            Some(Outcome::NotApplied { cause }) => Err(cause.to_string()),
            _ => Err("its transaction is unresolved".into()),
        }
    }

    /// Notes how a try ended. A change that was replaced meanwhile is left alone.
    async fn note_queued(&self, change: &QueuedChange, state: QueueState, reason: String, attempt: Option<String>) {
        let now = self.parts.ambient.now();
        // What replaces it holds its service until the mirror has followed.
        let _pass = self.gate.enter(BTreeSet::from([format!("service {}", change.key)])).await;
        let same = self.model().queued(&change.element, &change.key).is_some_and(|known| {
            (known.transaction.as_str(), known.revision) == (change.transaction.as_str(), change.revision)
        });
        if !same {
            return;
        }
        let noted = QueuedChange {
            state,
            tried: Some(now),
            reason: Some(reason),
            attempt: attempt.or_else(|| change.attempt.clone()),
            ..change.clone()
        };
        let mut batch = Batch::default();
        let written = batch.put(Table::Queue, &noted.store_key(), &noted);
        if state != change.state {
            batch.events.push(event("queued-change-failed", &noted, now));
        }
        let durability = if state == change.state { Durability::Lazy } else { Durability::Now };
        let written = match written {
            Ok(()) => self.commit_with(batch, durability).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            tracing::error!(element = change.element, service = %change.key, %error, "the queue is not noted");
        }
    }

    /// The edit that a queued change stands for: the service as its document is now.
    pub(super) fn queued_edit(&self, change: &QueuedChange) -> Result<DocumentEdit, Failure> {
        let key = change.key.clone();
        match self.model().documents.get(&key) {
            None => Ok(DocumentEdit::Delete { key, expect: None }),
            Some(stored) => {
                let document = parsed(self.schema(), &stored.body).map_err(Failure::Internal)?;
                Ok(DocumentEdit::Put { key, document, expect: None })
            }
        }
    }
}

impl Pace {
    fn is_due(&self, element: &str, now: Duration) -> bool {
        self.next().get(element).is_none_or(|(at, _)| *at <= now)
    }

    fn later(&self, element: &str, now: Duration) {
        let mut next = self.next();
        let pause = next.get(element).map_or(FIRST_PAUSE, |(_, pause)| *pause);
        next.insert(element.to_owned(), (now + pause, (pause * 2).min(LONGEST_PAUSE)));
    }

    fn forget(&self, element: &str) {
        self.next().remove(element);
    }

    fn soonest(&self, now: Duration) -> Duration {
        let soonest = self.next().values().map(|(at, _)| at.saturating_sub(now)).min();
        soonest.unwrap_or(FIRST_PAUSE).clamp(BREATH, FIRST_PAUSE)
    }

    fn next(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Duration, Duration)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The revision of the document as it is with this batch.
fn revision_in(batch: &Batch, model: &Model, key: &ServiceKey) -> u64 {
    let at = key.to_string();
    let written = batch.changes.iter().find_map(|change| match change {
        Change::Put(Table::Documents, put, bytes) if *put == at => {
            serde_json::from_slice::<StoredDocument>(bytes).ok().map(|document| document.revision)
        }
        _ => None,
    });
    written.or_else(|| model.documents.get(key).map(|stored| stored.revision)).unwrap_or_default()
}

fn event(kind: &str, change: &QueuedChange, at: Timestamp) -> Event {
    let content = serde_json::json!({
        "element": change.element, "face": change.key.face, "id": change.key.id, "policy": change.policy.as_str(),
        "state": change.state.as_str(), "reason": change.reason, "transaction": change.transaction,
    });
    Event { at, kind: kind.into(), content }
}

/// How many elements are worked on at once.
const AT_ONCE: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const BREATH: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_that_stays_away_is_tried_ever_later_and_one_that_is_told_of_at_once() {
        let (pace, at) = (Pace::default(), Duration::from_secs);
        assert!(pace.is_due("pe1", at(0)));
        let mut now = at(0);
        for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
            pace.later("pe1", now);
            assert!(!pace.is_due("pe1", now + at(pause - 1)), "{pause}");
            now += at(pause);
            assert!(pace.is_due("pe1", now), "{pause}");
        }
        pace.later("pe1", now);
        pace.forget("pe1");
        assert!(pace.is_due("pe1", now) && pace.soonest(now) == FIRST_PAUSE);
    }
}
