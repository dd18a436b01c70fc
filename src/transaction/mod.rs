//! From a plan to the truth: makes a plan true on all its elements, or on none, or says otherwise.
//!
//! ```text
//!  controller ─ TransactionRequest ─► runner ─► ride ─ events ─► machine (PURE: what next)
//!                                                │  ▲                │ acts
//!                                                │  └── answers ◄─ crew (one per element: the verbs, by sessions)
//!                                                └─► journal (intent durable before the sends of a phase)
//!  start, and later in the background ─► recovery: reads the journal, then the elements, then the same machine
//! ```
//!
//! Guarantees (design §10): `applied` is said only after everything was read back from fresh sessions and the decision is
//! durable; before the decision everything is undone, after it everything is brought forward; what can be neither is said
//! to be unresolved and worked on. A time-out means "unknown", and an unknown element is read.
//!
//! It does not plan, does not render and knows no adapter: what leads back from a half-way state is asked of [`Undo`].

mod crew;
mod journal;
pub mod machine;
mod opened;
mod pace;
mod progress;
mod queues;
mod recovery;
mod resolve;
mod ride;
mod runner;
mod side;

pub use opened::Opened;
pub use progress::{Progress, Timing};
pub use queues::Queues;
pub use recovery::Recovery;
pub use resolve::{Open, Settled, Word, foreign};
pub use runner::{Runner, TransactionRequest};

use crate::adagio::Payload;
use crate::domain::TransactionRecord;
use crate::domain::outcome::{Cause, CauseKind};
use crate::plan::ElementPlan;
use crate::store::{Batch, StoreError};
use crate::tree::ConfigTree;
use futures::future::{BoxFuture, Either, select};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time limits of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// To open a session.
    pub connect: Duration,
    /// To get the locks, waiting for others included.
    pub lock: Duration,
    /// For one edit and its check.
    pub prepare: Duration,
    /// For one commit, or all lines of a CLI payload.
    pub apply: Duration,
    /// For one read-back, its connection not included.
    pub verify: Duration,
    /// How long a read-back that is not right yet is repeated before it counts.
    pub settle: Duration,
    /// For one confirm, cancel, save or unlock.
    pub confirm: Duration,
    /// After this time an element of class A goes back by itself; started anew at its half while others work. This is the
    /// longest, and the one for elements that were never seen to commit; see [`Runner`].
    pub confirm_window: Duration,
    /// The shortest window, however fast the elements were so far.
    pub confirm_window_min: Duration,
    /// How long the state of the elements may take to be as good as before, once they were read back.
    pub check: Duration,
    /// Between two readings that must agree before an element of class B, C or D counts as come to rest after a lost
    /// answer.
    pub margin: Duration,
    /// Whether a removal or change outside the plan, seen between the check of the read-set and the read-back, is a
    /// reason to turn back.
    pub check_outside: bool,
}

impl Default for TransactionLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            lock: Duration::from_secs(30),
            prepare: Duration::from_secs(60),
            apply: Duration::from_secs(120),
            verify: Duration::from_secs(60),
            settle: Duration::from_secs(2),
            confirm: Duration::from_secs(30),
            confirm_window: Duration::from_secs(300),
            confirm_window_min: Duration::from_secs(60),
            check: Duration::from_secs(30),
            margin: Duration::from_secs(1),
            check_outside: true,
        }
    }
}

/// Time, chance and tasks, as transactions and what plans them meet them. The simulator has its own.
pub trait Ambient: Send + Sync {
    /// The time of day, for records only.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; it never jumps.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    /// 64 bits that nobody can guess, for persist-ids.
    fn secret(&self) -> u64;
    /// The id of a new transaction; it sorts behind those of this process before it.
    fn transaction_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }
    /// Runs work in a task of its own: whoever asked for it may go away. Only the end of the process ends it.
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        drop(tokio::spawn(work));
    }
}

/// Waits so long for something; `None` = it has not come. What comes in the last moment counts.
pub async fn in_time<T>(ambient: &dyn Ambient, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), ambient.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// The real one: tokio's timers, the system's clock and entropy.
#[derive(Clone, Debug)]
pub struct SystemAmbient {
    start: tokio::time::Instant,
}

impl SystemAmbient {
    /// From now on.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Default for SystemAmbient {
    fn default() -> Self {
        Self::new()
    }
}

impl Ambient for SystemAmbient {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn secret(&self) -> u64 {
        // Without entropy a random UUID's bits still come from the same source; both fail only before the kernel has any.
        getrandom::u64().unwrap_or_else(|_| uuid::Uuid::now_v7().as_u64_pair().1)
    }
}

/// What leads from a state that was read to one of the two sides of a plan. The controller implements it with the
/// adapter: the difference on the plan's touched paths only, rendered.
pub trait Undo: Send + Sync {
    /// The bytes that bring the touched paths back; `None` when they are there.
    fn toward_before(&self, element: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String>;
    /// The bytes that bring the touched paths forward; `None` when they are there.
    fn toward_after(&self, element: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String>;
    /// A reading as it is meant: values that the element writes in its own way, by the facts that the plan knows and those
    /// that were confirmed since.
    fn meant(&self, element: &str, plan: &ElementPlan, reading: ConfigTree) -> ConfigTree {
        let _ = element;
        plan.meant(&reading)
    }
}

/// What becomes durable together with the decision and with the end.
pub trait Closing: Send + Sync {
    /// In one batch with the first record of the transaction, before anything is sent; what is known of its request may be
    /// put into the record.
    fn begun(&self, record: &mut TransactionRecord) -> Result<Batch, StoreError> {
        let _ = record;
        Ok(Batch::default())
    }
    /// In one batch with DECIDED: documents, claims, recorded trees, ledger, audit, outbox. `read` is what each element
    /// echoed at the read-back, whole.
    fn decided(&self, record: &TransactionRecord, read: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError>;
    /// In one batch with CLOSED, whatever the outcome (also when recovery ends it): audit and events of what was not
    /// applied, for instance. The record has its outcome. It is also called when the transaction cannot end yet
    /// (`finished` is `None` then), and again when it can.
    fn closed(&self, record: &TransactionRecord) -> Result<Batch, StoreError> {
        let _ = record;
        Ok(Batch::default())
    }
    /// Before an element is asked again to save what this transaction made of it: `read` is what it shows, whole. A restart
    /// may have brought back what the transaction took away.
    fn unsaved(&self, transaction: &str, plan: &ElementPlan, read: &ConfigTree) -> Result<Batch, StoreError> {
        let _ = (transaction, plan, read);
        Ok(Batch::default())
    }
}

impl Closing for Batch {
    fn decided(&self, _: &TransactionRecord, _: &BTreeMap<String, ConfigTree>) -> Result<Batch, StoreError> {
        Ok(self.clone())
    }
}

/// Called at named points of a transaction: `before-intent-applied`, `after-intent-applied`, `before-apply:pe1`,
/// `after-apply:pe1`, … A probe that never returns ends the story there, which is what crash tests do.
///
/// Every write of the transaction has one before it and one after it (`intent-planned` … `intent-decided`, `note`, `word`,
/// `mark`, `end`, `end-unsent`), and so has every verb of an element (`lock:pe1`). Inside a verb every send that may leave something at
/// the element has its own, named after both: `before-restore.cancel:pe1`. Readings, and sessions opened and closed, have
/// none: they leave nothing, so a death there is the death after the send before it.
pub trait Probe: Send + Sync {
    /// At this point. The transaction goes on when the future is done.
    fn at(&self, point: &str) -> BoxFuture<'static, ()>;
}

/// The probe of everyday life.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn at(&self, _: &str) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// How a running transaction is told to end early.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    stop: CancellationToken,
    cancel: CancellationToken,
}

impl StopSignal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that follows another's [`StopSignal::stop`] (of the daemon), with a `cancel` of its own.
    pub fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), cancel: self.cancel.child_token() }
    }

    /// The daemon ends: before APPLIED turn back, after it finish.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Someone cancels: before DECIDED turn back, after it nothing.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether someone has cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    pub(crate) async fn stopped(&self) -> Cause {
        self.stop.cancelled().await;
        cause(CauseKind::Interrupted, None, "the daemon was told to stop before anything was applied")
    }

    pub(crate) async fn cancelled(&self) -> Cause {
        self.cancel.cancelled().await;
        cause(CauseKind::Cancelled, None, "cancelled before the decision")
    }
}

pub(crate) fn cause(kind: CauseKind, element: Option<&str>, message: impl Into<String>) -> Cause {
    Cause { kind, element: element.map(str::to_owned), path: None, sent: None, says: None, message: message.into() }
}
