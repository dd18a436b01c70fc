//! One element in a transaction: the verbs of the machine, carried out by sessions.
//!
//! Assumptions: the element's queue is ours. Guarantees: every wait has a limit; a verb whose answer did not come drops
//! its session and says `Lost`; [`Crew::restore`] and [`Crew::advance`] decide by reading, may be repeated and leave
//! somebody else's values alone; an undo never stops half way.

mod checks;
mod decide;
mod locks;
mod order;
mod readings;
mod sessions;

pub(super) use sessions::save_again;

use decide::Way;
use order::{Failed, Order, pause};

use super::machine::{Answer, Verb};
use super::{Ambient, Probe, TransactionLimits, Undo, cause};
use crate::adagio::driver::StateValue;
use crate::adagio::{Confirm, DriverError, Effect, ElementLimits, Payload, Southbound, Writer};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{CheckValue, Class, ElementProgress, ErrorClass, ForeignChange};
use crate::plan::ElementPlan;
use crate::store::{Batch, Durability, Store, StoreError};
use crate::tree::{ConfigTree, Path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What all crews of a transaction share.
#[derive(Clone)]
pub(super) struct Tools {
    pub ambient: Arc<dyn Ambient>,
    pub probe: Arc<dyn Probe>,
    pub limits: TransactionLimits,
    pub undo: Arc<dyn Undo>,
    /// Set when the transaction has turned back: nobody waits for a lock or for a value to settle any more.
    pub turned_back: CancellationToken,
    /// How often an element is tried on the way back or forward before it counts as away.
    pub attempts: u32,
    /// Under which it is worked.
    pub lease: Lease,
}

/// The lease of this process.
#[derive(Clone)]
pub(super) struct Lease {
    pub store: Arc<dyn Store>,
    pub epoch: u64,
}

impl Lease {
    /// Whether another process has taken it. A store that cannot say so is no reason to stop an undo half way.
    async fn is_lost(&self) -> bool {
        let asked = self.store.commit(self.epoch, Batch::default(), Durability::Lazy).await;
        matches!(asked, Err(StoreError::LeaseLost { .. }))
    }
}

impl Tools {
    /// The same, with the limits of one platform.
    fn for_platform(&self, own: ElementLimits) -> Self {
        let mut tools = self.clone();
        let limits = &mut tools.limits;
        let given = [
            (own.prepare, &mut limits.prepare),
            (own.commit, &mut limits.apply),
            (own.verify, &mut limits.verify),
            (own.confirm, &mut limits.confirm),
        ];
        for (seconds, limit) in given {
            if let Some(seconds) = seconds {
                *limit = Duration::from_secs(seconds);
            }
        }
        tools
    }
}

/// What the record says of an element beside the machine's progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Our session there.
    pub session: Option<u32>,
    /// What others changed inside our window.
    pub foreign: Vec<ForeignChange>,
    /// Its state before and after.
    pub checks: Vec<CheckValue>,
    /// Whether running was to be saved and the element would not (true), or did (false).
    pub unsaved: Option<bool>,
}

impl Report {
    /// Puts it into the record's progress of the element; what is not known now stays as an earlier process left it.
    pub(super) fn fill(&self, progress: &mut ElementProgress) {
        progress.session = self.session.or(progress.session);
        if !self.foreign.is_empty() {
            progress.foreign.clone_from(&self.foreign);
        }
        if !self.checks.is_empty() {
            progress.checks.clone_from(&self.checks);
        }
        progress.unsaved = self.unsaved.unwrap_or(progress.unsaved);
    }

    /// One more change of somebody else.
    fn note(&mut self, path: &Path, reverted: bool) {
        let path = path.to_string();
        if let Some(known) = self.foreign.iter_mut().find(|known| known.path == path) {
            known.reverted |= reverted;
        } else if self.foreign.len() < MAX_FOREIGN {
            self.foreign.push(ForeignChange { path, reverted });
        }
    }
}

/// An edit of ours that may still stand in an element's candidate, left by an earlier transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StaleCandidate {
    /// Which transaction.
    pub transaction: String,
    /// What it edited.
    pub plan: ElementPlan,
}

/// One element.
pub(super) struct Crew {
    pub name: String,
    // What it does, for the points inside.
    doing: &'static str,
    plan: ElementPlan,
    south: Arc<dyn Southbound>,
    writer: Option<Box<dyn Writer>>,
    // The session read for the plan, and may have died since: nothing was checked on it yet.
    carried: bool,
    locked: bool,
    /// The confirmed commit, once it is journaled (class A).
    pub confirm: Option<Confirm>,
    /// An edit may stand in the candidate.
    pub edited: bool,
    /// A send was lost, or another process made it: the element may still be working on it.
    pub unsure: bool,
    // It said yes, and has not shown the new state yet.
    unseen: bool,
    /// What an operator has seen and wants sent once, also over values of somebody else.
    pub force: Option<Payload>,
    /// For the record.
    pub report: Report,
    /// Sessions of ours that may still live at the element and hold its locks.
    pub ours: BTreeSet<u32>,
    /// What an earlier transaction may have left in the candidate.
    pub stale: Option<StaleCandidate>,
    // When the timer of our confirmed commit was last started, at the earliest.
    timer: Duration,
    /// How long the last commit took.
    pub took: Option<Duration>,
    // Read when the read-set was checked.
    earlier: Option<ConfigTree>,
    // A cancel of ours was answered ok.
    cancelled: bool,
    /// One was sent, and not answered or not by this crew.
    pub cancel_lost: bool,
    // The last whole reading while our commit was not confirmed.
    pub inside: Option<ConfigTree>,
    // Nothing was sent, because the element had moved since the plan was made.
    refrained: bool,
    // The state before the change.
    state: Vec<StateValue>,
    /// Read from the fresh session, whole.
    pub echoed: Option<ConfigTree>,
    residue: Vec<String>,
}

/// How often an element is tried on the way back or forward.
pub(super) const ATTEMPTS: u32 = 3;
/// Changes of others that are kept per element.
const MAX_FOREIGN: usize = 100;
const ROUNDS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Crew {
    pub(super) fn new(plan: ElementPlan, south: Arc<dyn Southbound>) -> Self {
        Self {
            name: plan.element.clone(),
            doing: "empty",
            plan,
            south,
            writer: None,
            carried: false,
            locked: false,
            confirm: None,
            edited: false,
            unsure: false,
            unseen: false,
            force: None,
            report: Report::default(),
            ours: BTreeSet::new(),
            stale: None,
            timer: Duration::ZERO,
            took: None,
            earlier: None,
            cancelled: false,
            cancel_lost: false,
            inside: None,
            refrained: false,
            state: Vec::new(),
            echoed: None,
            residue: Vec::new(),
        }
    }

    /// Whether a cancel of our commit was sent.
    pub(super) fn has_cancelled(&self) -> bool {
        self.cancelled || self.cancel_lost
    }

    pub(super) fn class(&self) -> Class {
        self.plan.class
    }

    /// The limits that hold for this element, with those of its platform.
    pub(super) fn limits(&self, tools: &Tools) -> TransactionLimits {
        tools.for_platform(self.south.limits()).limits
    }

    pub(super) fn plan(&self) -> &ElementPlan {
        &self.plan
    }

    /// Carries out a verb.
    pub(super) async fn perform(&mut self, verb: Verb, tools: &Tools) -> Answer {
        let tools = &tools.for_platform(self.south.limits());
        self.doing = verb.word();
        match verb {
            Verb::Lock => self.lock(tools).await,
            Verb::Prepare => self.prepare(tools).await,
            Verb::Apply => self.apply(tools).await,
            Verb::Verify => self.verify(tools).await,
            Verb::Check => self.check(tools).await,
            Verb::Extend => self.extend(tools).await,
            Verb::Confirm => self.keep(tools).await,
            Verb::Advance => self.settle(tools, Way::Forward).await,
            Verb::Withdraw => self.withdraw(tools).await,
            Verb::Restore => self.settle(tools, Way::Back).await,
            Verb::Release => {
                self.release(tools).await;
                Answer::done()
            }
        }
    }

    // ── the way forward ──────────────────────────────────────────────────────────────────────────────────────────────

    async fn lock(&mut self, tools: &Tools) -> Answer {
        let detail = match self.open_and_lock(tools, true).await {
            Ok(detail) => detail,
            Err(Failed::Driver(error, kind)) => return Answer::Refused(self.because(kind, &error)),
            Err(Failed::Other(cause)) => return Answer::Refused(cause),
        };
        let probed = self.writer.as_ref().map_or(self.plan.class, |writer| writer.class());
        if probed > self.plan.class {
            let message = format!("the element is of class {probed} now, the plan was made for {}", self.plan.class);
            self.release(tools).await;
            return Answer::Refused(cause(CauseKind::Stale, Some(&self.name), message));
        }
        Answer::Done { detail, residue: Vec::new() }
    }

    async fn prepare(&mut self, tools: &Tools) -> Answer {
        let mut unmoved = self.unmoved(tools).await;
        // Where a lock is nothing that is sent, the reading is the first that is said on the session.
        let unread = unmoved.as_ref().is_err_and(|cause| cause.kind == CauseKind::Unreachable);
        if unread && self.died_unchecked(tools).await {
            if let refused @ Answer::Refused(_) = self.lock(tools).await {
                return refused;
            }
            unmoved = self.unmoved(tools).await;
        }
        match unmoved {
            Ok(tree) => (self.earlier, self.carried) = (Some(tree), false),
            Err(cause) => return Answer::Refused(cause),
        }
        if let Err(cause) = self.state_before(tools).await {
            return Answer::Refused(cause);
        }
        self.edited = matches!(self.plan.class, Class::A | Class::B);
        let payload = self.plan.payload.clone();
        match self.order(tools, Order::Prepare(&payload)).await {
            Ok(_) => Answer::done(),
            Err(error) => self.failed(&error),
        }
    }

    async fn apply(&mut self, tools: &Tools) -> Answer {
        // Nothing locks a class D element: what was read at PREPARED may be long ago by now.
        if self.plan.class == Class::D {
            match self.unmoved(tools).await {
                Ok(tree) => self.earlier = Some(tree),
                Err(cause) => {
                    self.refrained = true;
                    return Answer::Refused(cause);
                }
            }
        }
        let (payload, confirm) = (self.plan.payload.clone(), self.confirm.clone());
        let since = tools.ambient.elapsed();
        self.timer = since;
        match self.order(tools, Order::Apply(&payload, confirm.as_ref())).await {
            Ok(residue) => {
                (self.edited, self.unseen) = (false, true);
                self.took = Some(tools.ambient.elapsed().saturating_sub(since));
                self.residue.clone_from(&residue);
                let detail = (!residue.is_empty()).then(|| format!("{} busy lines left", residue.len()));
                Answer::Done { detail, residue }
            }
            Err(error) => {
                self.unsure |= order::is_lost(&error);
                self.failed(&error)
            }
        }
    }

    async fn verify(&mut self, tools: &Tools) -> Answer {
        let since = tools.ambient.elapsed();
        loop {
            let (reading, detail) = match self.read_fresh(tools).await {
                Ok(read) => read,
                Err(error) => {
                    return Answer::Lost(self.because_of(CauseKind::Verify, &error));
                }
            };
            let meant = self.meant(tools, reading.clone());
            let wrong = self.wrong(&meant, tools);
            // Also when it is not as it should be: what goes with the cancel of our commit can be named then.
            if meant.partial.is_none() {
                self.strayed(&meant.tree);
                self.seen_inside(meant.tree);
            }
            let Some(wrong) = wrong else {
                (self.echoed, self.unseen) = (Some(reading.tree), false);
                return Answer::Done { detail, residue: Vec::new() };
            };
            // Some elements take a moment to show what they took.
            let waited = tools.ambient.elapsed().saturating_sub(since);
            if waited >= tools.limits.settle || !pause(tools, FIRST_PAUSE, true).await {
                return Answer::Lost(wrong);
            }
        }
    }

    async fn extend(&mut self, tools: &Tools) -> Answer {
        let Some(confirm) = self.confirm.clone() else { return Answer::done() };
        self.timer = tools.ambient.elapsed();
        match self.order(tools, Order::Extend(&confirm)).await {
            Ok(_) => Answer::done(),
            Err(error) => self.failed(&error),
        }
    }

    async fn keep(&mut self, tools: &Tools) -> Answer {
        if let Some(confirm) = self.confirm.clone() {
            match self.nothing_sneaks_in(tools).await {
                Ok(()) => {}
                Err(Failed::Driver(error, kind)) => return Answer::Lost(self.because(kind, &error)),
                Err(Failed::Other(cause)) => return Answer::Lost(cause),
            }
            if let Err(error) = self.order(tools, Order::Confirm(&confirm.persist)).await {
                return Answer::Lost(self.because_of(CauseKind::Unreachable, &error));
            }
        }
        match self.save(tools).await {
            Ok(detail) => Answer::Done { detail, residue: Vec::new() },
            // It may have restarted before it saved: the reading decides.
            Err(error) => Answer::Lost(self.because_of(CauseKind::Unreachable, &error)),
        }
    }

    // ── by reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    async fn withdraw(&mut self, tools: &Tools) -> Answer {
        let mut detail = None;
        for attempt in 0..tools.attempts {
            if !self.edited {
                break;
            }
            if attempt > 0 {
                pause(tools, FIRST_PAUSE * 2u32.pow(attempt), false).await;
            }
            // RFC 6241 §7.5: the candidate's changes go with the session that holds its lock. Running was never touched.
            detail = match self.clear_candidate(tools).await {
                Ok(()) => None,
                Err(error) => {
                    self.drop_session();
                    Some(format!("candidate not emptied: {error}"))
                }
            };
        }
        self.release(tools).await;
        let left = || "our edit may still stand in the candidate; it is emptied as soon as that is free".to_owned();
        Answer::Done { detail: detail.or_else(|| self.edited.then(left)), residue: Vec::new() }
    }

    /// Brings the element to one side by reading it, whatever was sent before. A lost session is opened again.
    async fn settle(&mut self, tools: &Tools, way: Way) -> Answer {
        let mut last = cause(CauseKind::Unreachable, Some(&self.name), "not reached");
        for attempt in 0..tools.attempts {
            if attempt > 0 {
                pause(tools, FIRST_PAUSE * 2u32.pow(attempt), false).await;
            }
            let done = match way {
                Way::Back => self.restore(tools).await,
                Way::Forward => self.advance(tools).await,
            };
            match done {
                Ok(answer) => {
                    self.release(tools).await;
                    return answer;
                }
                Err(Failed::Driver(error, kind)) => last = self.because(kind, &error),
                Err(Failed::Other(cause)) => last = cause,
            }
            self.drop_session();
            if last.kind == CauseKind::Interrupted {
                break;
            }
        }
        Answer::Lost(last)
    }

    // ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    fn failed(&self, error: &DriverError) -> Answer {
        let cause = self.because_of(CauseKind::Unreachable, error);
        if error.effect == Effect::None { Answer::Refused(cause) } else { Answer::Lost(cause) }
    }

    /// A cause whose kind follows the error's class; `transient` for what may pass.
    fn because_of(&self, transient: CauseKind, error: &DriverError) -> Cause {
        let kind = match error.class {
            ErrorClass::Transient => transient,
            ErrorClass::Rejected => CauseKind::Refused,
            ErrorClass::Conflict => CauseKind::Stale,
            ErrorClass::Bug => CauseKind::Internal,
        };
        self.because(kind, error)
    }

    fn because(&self, kind: CauseKind, error: &DriverError) -> Cause {
        let message = format!("{}: {}", error.doing, error.message);
        Cause { path: error.path.clone(), ..cause(kind, Some(&self.name), message) }
    }

    fn foreign(&self, paths: &[Path]) -> Cause {
        let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let message = format!("somebody else's value was left alone: {}", shown.join(", "));
        Cause { path: shown.first().cloned(), ..cause(CauseKind::Stale, Some(&self.name), message) }
    }
}
