//! What is done about transactions that did not end: at start, and again in the background while some are unresolved.
//!
//! | last durable intent | what is done, per element, by reading it |
//! |---|---|
//! | ≤ LOCKED | nothing was sent |
//! | PREPARED | candidates emptied (they died with the sessions that held their locks) |
//! | APPLIED, VERIFIED | A: cancel by persist-id; all: back to before on our paths, somebody else's value left alone |
//! | DECIDED and later | after → confirm, before → made so again, something else → conflict |
//!
//! Guarantees: everything here may be repeated and may die half way; a transaction is closed only when every element is on
//! the same side. What cannot be reached stays unresolved, holds its paths and is tried again with growing pauses. With the
//! lease lost nothing is read and nothing is sent: open transactions are somebody else's then.

use super::journal::{self, Story};
use super::resolve::Word;
use super::machine::Machine;
use super::runner::{Ride, Runner, crews};
use super::{Closing, StopSignal, cause};
use crate::adagio::{Confirm, Southbound};
use crate::domain::outcome::CauseKind;
use crate::domain::{Class, ElementProgress, JournalRecord, Outcome, Phase, TransactionRecord, Turn};
use crate::plan::{ElementPlan, Plan};
use crate::store::{Batch, Durability, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Ends what did not end.
pub struct Recovery {
    pub(super) runner: Runner,
    closing: Arc<dyn Closing>,
    // When each open transaction is tried next, and the pause after that.
    due: Mutex<BTreeMap<String, (Duration, Duration)>>,
}

impl Recovery {
    /// Recovery with the runner's store, lease, queues and limits. Of `closing` only [`Closing::closed`] is called.
    pub fn new(runner: Runner, closing: Arc<dyn Closing>) -> Self {
        Self { runner, closing, due: Mutex::default() }
    }

    /// At start, before anything else is sent: all open transactions, oldest first. Returns their records; those that are
    /// still unresolved hold their paths.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn run(
        &self,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<Vec<TransactionRecord>, StoreError> {
        let mut records = Vec::new();
        for id in self.runner.store.open_transactions().await? {
            records.extend(self.one(&id, elements).await?);
        }
        Ok(records)
    }

    /// In the background: those open transactions whose pause is over. Returns the records of those that were tried.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn retry(
        &self,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<Vec<TransactionRecord>, StoreError> {
        let now = self.runner.ambient.elapsed();
        let mut records = Vec::new();
        for id in self.runner.store.open_transactions().await? {
            if self.due().get(&id).is_none_or(|(at, _)| *at <= now) {
                records.extend(self.one(&id, elements).await?);
            }
        }
        Ok(records)
    }

    /// In how long [`Recovery::retry`] has something to do; `None` while nothing is unresolved.
    pub fn next_retry(&self) -> Option<Duration> {
        let now = self.runner.ambient.elapsed();
        self.due().values().map(|(at, _)| at.saturating_sub(now)).min()
    }

    /// Makes all pauses end now, for instance because an element came back.
    pub fn hurry(&self) {
        for (at, pause) in self.due().values_mut() {
            (*at, *pause) = (Duration::ZERO, FIRST_PAUSE);
        }
    }

    async fn one(
        &self,
        id: &str,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<Option<TransactionRecord>, StoreError> {
        // A transaction that runs in this process is nobody else's business.
        let Some(_mark) = self.runner.queues.mark(id) else { return Ok(None) };
        self.work_on(id, elements, None).await
    }

    /// The work on one open transaction; the caller has its mark. With the word of an operator, that comes first.
    pub(super) async fn work_on(
        &self,
        id: &str,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
        word: Option<Word>,
    ) -> Result<Option<TransactionRecord>, StoreError> {
        let story = journal::story(&*self.runner.store, id).await?;
        if story.closed {
            return Ok(None);
        }
        // A daemon that has lost the lease sees the transactions of its successor here, and must not undo them.
        self.runner.store.commit(self.runner.epoch, Batch::default(), Durability::Lazy).await?;
        let (record, plan) = journal::opened(&*self.runner.store, id).await?;
        let Some((mut record, plan)) = record.zip(plan) else {
            tracing::error!(transaction = id, "an open journal without record or plan; it is closed as not applied");
            let message = "the record or the plan of this transaction is lost";
            let outcome = Outcome::NotApplied { cause: cause(CauseKind::Internal, None, message) };
            let mut batch = Batch::default();
            batch.append(id, JournalRecord::Closed { outcome });
            self.runner.store.commit(self.runner.epoch, batch, Durability::Now).await?;
            return Ok(None);
        };
        let forced = match word {
            Some(word) => word.noted(&self.runner, &mut record).await?,
            None => BTreeMap::new(),
        };
        tracing::warn!(transaction = id, phase = ?story.phase, decided = story.decided, "recovering");
        let why = story.cause.clone().unwrap_or_else(|| {
            let message = format!("the daemon ended in phase {:?}, before the decision", story.phase);
            cause(CauseKind::Interrupted, None, message)
        });
        // Whoever looks while an unresolved transaction is tried again still sees that it is unresolved.
        record.outcome = record.outcome.take().filter(|outcome| matches!(outcome, Outcome::Unresolved { .. }));
        record.phase = story.phase;
        let _turns = self.runner.queues.turns(plan.elements.iter().map(|of| of.element.as_str())).await;
        let members = plan.elements.iter().map(|of| (of.element.clone(), progress(of, &story, &record)));
        let machine = if story.decided { Machine::forward(members) } else { Machine::backward(members, why) };
        let known = reachable(&plan, elements);
        let mut ride = Ride::new(&self.runner, record, self.closing.clone(), None);
        let mut crews = match crews(&plan, &known) {
            Ok(crews) => crews,
            Err(cause) => {
                // Cannot happen: `known` has an entry for every element.
                tracing::error!(transaction = id, %cause, "recovery skipped");
                return Ok(None);
            }
        };
        for (name, crew) in &mut crews {
            crew.edited = story.phase >= Phase::Prepared && matches!(crew.class(), Class::A | Class::B);
            crew.unsure = story.phase >= Phase::Applied;
            crew.force = forced.get(name).cloned();
            crew.confirm = story
                .persist
                .get(name)
                .map(|persist| Confirm { persist: persist.clone(), timeout: self.runner.limits.confirm_window });
        }
        ride.drive(machine, crews, &plan, StopSignal::new()).await;
        let record = ride.record;
        self.schedule(&record);
        Ok(Some(record))
    }

    fn schedule(&self, record: &TransactionRecord) {
        let now = self.runner.ambient.elapsed();
        let mut due = self.due();
        if record.finished.is_some() {
            due.remove(&record.id);
            return;
        }
        let pause = due.get(&record.id).map_or(FIRST_PAUSE, |(_, pause)| *pause);
        due.insert(record.id.clone(), (now + pause, (pause * 2).min(LONGEST_PAUSE)));
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Duration, Duration)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an element has to be assumed to stand, from what is durable.
fn progress(of: &ElementPlan, story: &Story, record: &TransactionRecord) -> ElementProgress {
    let accepted = record.elements.get(&of.element).filter(|known| known.turn == Turn::Accepted);
    if let Some(accepted) = accepted {
        return accepted.clone();
    }
    let turn = match story.phase {
        Phase::Planned | Phase::Locked => Turn::Untouched,
        Phase::Prepared if matches!(of.class, Class::A | Class::B) => Turn::Prepared,
        Phase::Prepared => Turn::Untouched,
        Phase::Applied | Phase::Verified | Phase::Decided | Phase::Confirmed | Phase::Closed => Turn::Unknown,
    };
    let kept = record.elements.get(&of.element).cloned();
    let kept = kept.unwrap_or_else(|| ElementProgress::untouched(of.class));
    ElementProgress { class: of.class, turn, detail: None, ..kept }
}

/// All elements of the plan; one that left the inventory answers to nothing.
fn reachable(plan: &Plan, elements: &BTreeMap<String, Arc<dyn Southbound>>) -> BTreeMap<String, Arc<dyn Southbound>> {
    let all = plan.elements.iter().map(|of| {
        let south = elements.get(&of.element).cloned();
        (of.element.clone(), south.unwrap_or_else(|| Arc::new(gone::Gone(of.element.clone()))))
    });
    all.collect()
}

mod gone {
    //! An element that is no longer in the inventory.

    use crate::adagio::{DriverError, Reader, Southbound, Writer};
    use crate::domain::ErrorClass;
    use async_trait::async_trait;

    pub(super) struct Gone(pub String);

    impl Gone {
        fn error(&self) -> DriverError {
            DriverError::unsent(
                &self.0,
                "open a session",
                ErrorClass::Rejected,
                "the element is no longer in the inventory",
            )
        }
    }

    #[async_trait]
    impl Southbound for Gone {
        fn element(&self) -> &str {
            &self.0
        }

        async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
            Err(self.error())
        }

        async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
            Err(self.error())
        }
    }
}
