//! What is done about transactions that did not end: at start, and again in the background while some are unresolved.
//!
//! | last durable intent | what is done, per element, by reading it |
//! |---|---|
//! | ≤ LOCKED | nothing was sent |
//! | PREPARED | candidates emptied (they died with the sessions that held their locks) |
//! | APPLIED, VERIFIED | A: cancel by persist-id; all: back to before on our paths, somebody else's value left alone |
//! | DECIDED and later | after → confirm, before → made so again, something else → conflict |
//!
//! A journal whose record or plan is lost ends as unresolved, unless it is sure that nothing was sent.
//!
//! Guarantees: everything here may be repeated and may die half way; a transaction is closed only when every element is on
//! the same side. What cannot be reached stays unresolved, holds its paths and is tried again with growing pauses. With the
//! lease lost nothing is read and nothing is sent: open transactions are somebody else's then.

mod unsaved;

pub(super) use unsaved::Unsaved;

use super::crew::{Crew, StaleCandidate};
use super::journal::{self, Story};
use super::machine::Machine;
use super::resolve::Word;
use super::ride::Ride;
use super::runner::Runner;
use super::{Closing, StopSignal, cause};
use crate::adagio::{Confirm, Southbound};
use crate::domain::outcome::CauseKind;
use crate::domain::{Class, ElementProgress, JournalRecord, Outcome, Phase, Principal, TransactionRecord, Turn};
use crate::plan::{ElementPlan, Plan};
use crate::store::{self, Batch, Durability, StoreError, Table};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long a session may take to open while the daemon starts.
const AT_START: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Ends what did not end.
pub struct Recovery {
    pub(super) runner: Runner,
    closing: Arc<dyn Closing>,
    // When each open transaction is tried next, and the pause after that.
    due: Mutex<BTreeMap<String, (Duration, Duration)>>,
}

impl Recovery {
    /// Recovery with the runner's store, lease, queues and limits. Of `closing` only [`Closing::closed`] and
    /// [`Closing::unsaved`] are called.
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
        let stale: Vec<(String, StaleCandidate)> =
            store::list(&*self.runner.store, Table::Plans, journal::STALE).await?;
        for (key, stale) in stale {
            self.runner.queues.keep_stale(key.trim_start_matches(journal::STALE), stale);
        }
        self.know_unsaved().await?;
        let open = self.runner.store.open_transactions().await?;
        self.all(open, elements, true).await
    }

    /// These open transactions, oldest first. What has no element in common goes at the same time: one that waits for an
    /// element that does not answer keeps no other waiting. On one element the oldest goes first.
    async fn all(
        &self,
        ids: Vec<String>,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
        at_start: bool,
    ) -> Result<Vec<TransactionRecord>, StoreError> {
        let mut open = VecDeque::new();
        for id in ids {
            let (_, plan) = journal::opened(&*self.runner.store, &id).await?;
            let names = plan.iter().flat_map(|plan| plan.elements.iter().map(|of| of.element.clone()));
            open.push_back((id, names.collect::<BTreeSet<String>>()));
        }
        let mut away = BTreeSet::new();
        let mut records = Vec::new();
        while !open.is_empty() {
            let mut taken: BTreeSet<String> = BTreeSet::new();
            let (mut wave, mut later) = (Vec::new(), VecDeque::new());
            for (id, names) in open {
                let free = taken.is_disjoint(&names);
                taken.extend(names.iter().cloned());
                if free { wave.push(id) } else { later.push_back((id, names)) }
            }
            open = later;
            let hurry = at_start.then_some(Hurry { connect: AT_START, away: &away });
            let done = join_all(wave.iter().map(|id| self.one(id, elements, hurry.as_ref()))).await;
            for record in done {
                let Some(record) = record? else { continue };
                if record.finished.is_none() {
                    let unknown = record.elements.iter().filter(|(_, progress)| progress.turn == Turn::Unknown);
                    away.extend(unknown.map(|(name, _)| name.clone()));
                }
                records.push(record);
            }
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
        let open = self.runner.store.open_transactions().await?;
        let (stale, unsaved) = (self.runner.queues.with_stale(), self.runner.queues.with_unsaved());
        let mut live: BTreeSet<String> = open.iter().cloned().collect();
        live.extend(stale.iter().map(|element| journal::stale_key(element)));
        live.extend(unsaved.iter().map(|element| unsaved::mark(element)));
        // What somebody else brought to its end is not waited for.
        self.due().retain(|key, _| live.contains(key));
        let due = open.into_iter().filter(|id| self.is_due(id)).collect();
        let records = self.all(due, elements, false).await?;
        for element in stale.iter().filter(|element| self.is_due(&journal::stale_key(element))) {
            self.empty(element, elements).await?;
        }
        for element in unsaved.iter().filter(|element| self.is_due(&unsaved::mark(element))) {
            self.save(element, elements).await?;
        }
        Ok(records)
    }

    fn is_due(&self, key: &str) -> bool {
        let now = self.runner.ambient.elapsed();
        self.due().get(key).is_none_or(|(at, _)| *at <= now)
    }

    /// Empties a candidate in which an earlier transaction may have left its edit, when the element is back.
    async fn empty(&self, element: &str, elements: &BTreeMap<String, Arc<dyn Southbound>>) -> Result<(), StoreError> {
        let Some(south) = elements.get(element) else { return Ok(()) };
        let _turns = self.runner.queues.turns([element]).await;
        // Another transaction may have emptied it while we waited, or have left an edit of its own.
        let Some(stale) = self.runner.queues.stale(element) else { return Ok(()) };
        let key = journal::stale_key(element);
        let transaction = stale.transaction.clone();
        let mut crew = Crew::new(stale.plan.clone(), south.clone());
        (crew.stale, crew.ours) = (Some(stale), self.runner.queues.sessions(element));
        let emptied = crew.empty(&self.runner.tools()).await;
        self.runner.queues.keep_sessions(element, crew.ours);
        if !emptied {
            self.put_off(&key);
            return Ok(());
        }
        tracing::info!(element, transaction, "nothing of this transaction is left in the candidate");
        self.is_done(&key, Batch::default()).await?;
        self.runner.queues.drop_stale(element);
        Ok(())
    }

    /// In how long [`Recovery::retry`] has something to do; `None` while nothing is unresolved.
    pub fn next_retry(&self) -> Option<Duration> {
        let now = self.runner.ambient.elapsed();
        self.due().values().map(|(at, _)| at.saturating_sub(now)).min()
    }

    /// Whether an element's candidate may still hold an edit of ours.
    pub fn has_left_edits(&self) -> bool {
        !self.runner.queues.with_stale().is_empty()
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
        hurry: Option<&Hurry<'_>>,
    ) -> Result<Option<TransactionRecord>, StoreError> {
        // A transaction that runs in this process is nobody else's business.
        let Some(_mark) = self.runner.queues.mark(id) else { return Ok(None) };
        self.work_on(id, elements, None, hurry).await
    }

    /// The work on one open transaction; the caller has its mark. With the word of an operator, that comes first.
    pub(super) async fn work_on(
        &self,
        id: &str,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
        word: Option<Word>,
        hurry: Option<&Hurry<'_>>,
    ) -> Result<Option<TransactionRecord>, StoreError> {
        let mut story = journal::story(&*self.runner.store, id).await?;
        if story.closed {
            return Ok(None);
        }
        // What the disk refused to hear of: an element that came to its end was let go, and is not worked on again.
        let left = self.runner.queues.left(id);
        left.unsaid.iter().for_each(|record| story.hear(record.clone()));
        // A daemon that has lost the lease sees the transactions of its successor here, and must not undo them.
        self.runner.store.commit(self.runner.epoch, Batch::default(), Durability::Lazy).await?;
        let (record, plan) = journal::opened(&*self.runner.store, id).await?;
        let known = plan.filter(|plan| story.is_of(plan));
        let (mut record, plan) = match (record, known) {
            (Some(record), Some(plan)) => (record, plan),
            (record, _) => return self.end_without_plan(id, &story, record).await.map(Some),
        };
        story.bring_up(&mut record);
        let forced = match word {
            Some(word) => word.noted(&self.runner, &mut record).await?,
            None => BTreeMap::new(),
        };
        tracing::warn!(transaction = id, phase = ?story.phase, decided = story.decided, "recovering");
        let why = story.cause.clone().unwrap_or_else(|| {
            let message = format!("the daemon ended in phase {}, before the decision", story.phase.word());
            cause(CauseKind::Interrupted, None, message)
        });
        // Whoever looks while an unresolved transaction is tried again still sees that it is unresolved.
        record.outcome = record.outcome.take().filter(|outcome| matches!(outcome, Outcome::Unresolved { .. }));
        record.phase = story.phase;
        let _turns = self.runner.queues.turns(plan.elements.iter().map(|of| of.element.as_str())).await;
        let members = plan.elements.iter().map(|of| (of.element.clone(), progress(of, &story, &record)));
        let machine = if story.decided { Machine::forward(members) } else { Machine::backward(members, why) };
        let known = reachable(&plan, elements, hurry);
        let sessions: BTreeMap<String, u32> =
            record.elements.iter().filter_map(|(name, kept)| Some((name.clone(), kept.session?))).collect();
        let mut ride = Ride::new(&self.runner, record, self.closing.clone(), None);
        ride.unsaid = left.unsaid;
        if let Some(hurry) = hurry {
            ride.hurry(hurry.connect);
        }
        let mut crews = match self.runner.crews(&plan, &known) {
            Ok(crews) => crews,
            Err(cause) => {
                // Cannot happen: `known` has an entry for every element.
                tracing::error!(transaction = id, %cause, "recovery skipped");
                return Ok(None);
            }
        };
        let mut inside = self.runner.queues.take_inside(id);
        for (name, crew) in &mut crews {
            crew.inside = inside.remove(name);
            crew.cancel_lost = left.cancelled.contains(name);
            // What was let go with nothing of ours in its candidate has nothing of ours there now.
            let restored = ride.record.elements.get(name).is_some_and(|progress| progress.turn == Turn::Restored);
            let clean = restored && !story.decided && left.clean.contains(name);
            crew.edited = story.phase >= Phase::Prepared && matches!(crew.class(), Class::A | Class::B) && !clean;
            crew.unsure = story.phase >= Phase::Applied;
            crew.force = forced.get(name).cloned();
            crew.ours.extend(sessions.get(name));
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

    /// An open journal whose record or plan is lost. Nothing can be read without it, so this is the end: not applied only
    /// where nothing was sent, else unresolved on every element that is not known to have come to its end.
    async fn end_without_plan(
        &self,
        id: &str,
        story: &Story,
        record: Option<TransactionRecord>,
    ) -> Result<TransactionRecord, StoreError> {
        let now = self.runner.ambient.now();
        let mut record = record.unwrap_or_else(|| TransactionRecord {
            summary: "its record is lost".into(),
            ..TransactionRecord::new(id, Principal::daemon(), now)
        });
        story.bring_up(&mut record);
        for name in story.touched.keys().chain(story.persist.keys()) {
            record.elements.entry(name.clone()).or_insert_with(|| ElementProgress::untouched(Class::D));
        }
        let message = "its record or its plan is lost, so nobody can tell on which side the elements stand: compare them \
                       with what is intended, and heal what differs";
        let cause = cause(CauseKind::Internal, None, message);
        let mut unknown = Vec::new();
        if story.phase >= Phase::Prepared {
            let end = if story.decided { Turn::Confirmed } else { Turn::Restored };
            for (name, progress) in &mut record.elements {
                if progress.turn != end && progress.turn != Turn::Accepted {
                    progress.turn = Turn::Unknown;
                    unknown.push(name.clone());
                }
            }
        }
        let all_ended = unknown.is_empty() && !record.elements.is_empty();
        let outcome = match story.phase >= Phase::Prepared && !all_ended {
            true => Outcome::Unresolved { elements: unknown, cause },
            false if story.decided => Outcome::Applied,
            false => Outcome::NotApplied { cause },
        };
        tracing::error!(transaction = id, %outcome, "an open journal without record or plan; it ends here");
        (record.outcome, record.finished) = (Some(outcome.clone()), Some(now));
        record.phase = story.phase;
        let mut batch = journal::noted(&record, &[], Some(JournalRecord::Closed { outcome }))?;
        batch.extend(self.closing.closed(&record)?);
        self.runner.probe.at("before-end").await;
        let written = self.runner.store.commit(self.runner.epoch, batch, Durability::Now).await;
        self.runner.probe.at("after-end").await;
        written?;
        self.due().remove(id);
        Ok(record)
    }

    fn schedule(&self, record: &TransactionRecord) {
        if record.finished.is_some() {
            self.due().remove(&record.id);
        } else {
            self.put_off(&record.id);
        }
    }

    /// What this mark stands for need not be tried again; `batch` says so elsewhere.
    async fn is_done(&self, mark: &str, mut batch: Batch) -> Result<(), StoreError> {
        batch.delete(Table::Plans, mark);
        self.write(batch).await?;
        self.due().remove(mark);
        Ok(())
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.runner.probe.at("before-mark").await;
        let written = self.runner.store.commit(self.runner.epoch, batch, Durability::Lazy).await;
        self.runner.probe.at("after-mark").await;
        written
    }

    /// It is tried again after a pause that grows.
    fn put_off(&self, id: &str) {
        let now = self.runner.ambient.elapsed();
        let mut due = self.due();
        let pause = due.get(id).map_or(FIRST_PAUSE, |(_, pause)| *pause);
        due.insert(id.to_owned(), (now + pause, (pause * 2).min(LONGEST_PAUSE)));
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Duration, Duration)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an element has to be assumed to stand, from what is durable.
fn progress(of: &ElementPlan, story: &Story, record: &TransactionRecord) -> ElementProgress {
    // What an operator accepted stands. Where an element came to its end it was let go: what stands there now may be
    // somebody else's work.
    let end = if story.decided { Turn::Confirmed } else { Turn::Restored };
    let ended = |kept: &&ElementProgress| kept.turn == end || kept.turn == Turn::Accepted;
    if let Some(kept) = record.elements.get(&of.element).filter(ended) {
        return kept.clone();
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

/// At start the north waits for recovery: an element that does not answer is not waited for long, and not asked again.
pub(super) struct Hurry<'a> {
    connect: Duration,
    away: &'a BTreeSet<String>,
}

/// All elements of the plan; one that left the inventory, or is known to be away, answers to nothing.
fn reachable(
    plan: &Plan,
    elements: &BTreeMap<String, Arc<dyn Southbound>>,
    hurry: Option<&Hurry<'_>>,
) -> BTreeMap<String, Arc<dyn Southbound>> {
    let all = plan.elements.iter().map(|of| {
        let name = of.element.clone();
        let gone = |why| Arc::new(gone::Gone { element: of.element.clone(), why }) as Arc<dyn Southbound>;
        let south = match elements.get(&name) {
            None => gone("the element is no longer in the inventory"),
            Some(_) if hurry.is_some_and(|hurry| hurry.away.contains(&name)) => gone("it did not answer a moment ago"),
            Some(south) => south.clone(),
        };
        (name, south)
    });
    all.collect()
}

mod gone {
    //! An element that is no longer in the inventory, or did not answer a moment ago.

    use crate::adagio::{DriverError, Reader, Southbound, Writer};
    use crate::domain::ErrorClass;
    use async_trait::async_trait;

    pub(super) struct Gone {
        pub element: String,
        pub why: &'static str,
    }

    impl Gone {
        fn error(&self) -> DriverError {
            DriverError::unsent(&self.element, "open a session", ErrorClass::Rejected, self.why)
        }
    }

    #[async_trait]
    impl Southbound for Gone {
        fn element(&self) -> &str {
            &self.element
        }

        async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
            Err(self.error())
        }

        async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
            Err(self.error())
        }
    }
}
