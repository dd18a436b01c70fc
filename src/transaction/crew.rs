//! One element in a transaction: the verbs of the machine, carried out by sessions.
//!
//! Assumptions: the element's queue is ours. Guarantees: every wait has a limit; a verb whose answer did not come drops
//! its session and says `Lost`; [`Crew::restore`] and [`Crew::advance`] decide by reading, may be repeated and leave
//! somebody else's values alone; an undo never stops half way.

mod decide;

use decide::Way;

use super::machine::{Answer, Verb};
use super::side::{self, Side};
use super::{Ambient, TransactionLimits, Undo, cause};
use crate::adagio::driver::Residue;
use crate::adagio::{Confirm, DriverError, Effect, Payload, Reading, Southbound, Writer};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Class, ErrorClass};
use crate::plan::ElementPlan;
use crate::tree::{ConfigTree, Path};
use futures::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What all crews of a transaction share.
#[derive(Clone)]
pub(super) struct Tools {
    pub ambient: Arc<dyn Ambient>,
    pub limits: TransactionLimits,
    pub undo: Arc<dyn Undo>,
    /// Set when the transaction has turned back: nobody waits for a lock or for a value to settle any more.
    pub turned_back: CancellationToken,
}

/// One element.
pub(super) struct Crew {
    pub name: String,
    plan: ElementPlan,
    south: Arc<dyn Southbound>,
    writer: Option<Box<dyn Writer>>,
    locked: bool,
    /// The confirmed commit, once it is journaled (class A).
    pub confirm: Option<Confirm>,
    /// An edit may stand in the candidate.
    pub edited: bool,
    /// A send was lost, or another process made it: the element may still be working on it.
    pub unsure: bool,
    /// What an operator has seen and wants sent once, also over values of somebody else.
    pub force: Option<Payload>,
    // Read when the read-set was checked.
    earlier: Option<ConfigTree>,
    /// Read from the fresh session, whole.
    pub echoed: Option<ConfigTree>,
    residue: Vec<String>,
}

const ATTEMPTS: u32 = 3;
const ROUNDS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Crew {
    pub(super) fn new(plan: ElementPlan, south: Arc<dyn Southbound>) -> Self {
        Self {
            name: plan.element.clone(),
            plan,
            south,
            writer: None,
            locked: false,
            confirm: None,
            edited: false,
            unsure: false,
            force: None,
            earlier: None,
            echoed: None,
            residue: Vec::new(),
        }
    }

    pub(super) fn class(&self) -> Class {
        self.plan.class
    }

    /// Carries out a verb.
    pub(super) async fn perform(&mut self, verb: Verb, tools: &Tools) -> Answer {
        match verb {
            Verb::Lock => self.lock(tools).await,
            Verb::Prepare => self.prepare(tools).await,
            Verb::Apply => self.apply(tools).await,
            Verb::Verify => self.verify(tools).await,
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
        match self.open_and_lock(tools, true).await {
            Ok(()) => {}
            Err(Failed::Driver(error, kind)) => return Answer::Refused(self.because(kind, &error)),
            Err(Failed::Other(cause)) => return Answer::Refused(cause),
        }
        let probed = self.writer.as_ref().map_or(self.plan.class, |writer| writer.class());
        if probed > self.plan.class {
            let message = format!("the element is of class {probed} now, the plan was made for {}", self.plan.class);
            self.release(tools).await;
            return Answer::Refused(cause(CauseKind::Stale, Some(&self.name), message));
        }
        Answer::done()
    }

    async fn prepare(&mut self, tools: &Tools) -> Answer {
        match self.unmoved(tools).await {
            Ok(tree) => self.earlier = Some(tree),
            Err(cause) => return Answer::Refused(cause),
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
                Err(cause) => return Answer::Refused(cause),
            }
        }
        let (payload, confirm) = (self.plan.payload.clone(), self.confirm.clone());
        match self.order(tools, Order::Apply(&payload, confirm.as_ref())).await {
            Ok(residue) => {
                self.edited = false;
                self.residue.clone_from(&residue);
                let detail = (!residue.is_empty()).then(|| format!("{} busy lines left", residue.len()));
                Answer::Done { detail, residue }
            }
            Err(error) => {
                self.unsure |= is_lost(&error);
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
            let wrong = self.wrong(&self.meant(tools, reading.clone()), tools);
            let Some(wrong) = wrong else {
                self.echoed = Some(reading.tree);
                return Answer::Done { detail, residue: Vec::new() };
            };
            // Some elements take a moment to show what they took.
            let waited = tools.ambient.elapsed().saturating_sub(since);
            if waited >= tools.limits.settle || !pause(tools, FIRST_PAUSE, true).await {
                return Answer::Lost(wrong);
            }
        }
    }

    /// Why a read-back is not what the plan says; `None` when it is.
    fn wrong(&self, reading: &Reading, tools: &Tools) -> Option<Cause> {
        let verify = |path: Option<&Path>, message: String| Cause {
            kind: CauseKind::Verify,
            element: Some(self.name.clone()),
            path: path.map(ToString::to_string),
            sent: None,
            says: None,
            message,
        };
        if let Some(why) = &reading.partial {
            return Some(verify(None, format!("what was read back is not complete: {why}")));
        }
        let tree = self.forgiving(&reading.tree, &self.plan.after);
        match side::side(&self.plan, &tree) {
            Side::After => {}
            Side::Before => {
                let cause = verify(None, "the element said yes, but nothing changed".into());
                return Some(match side::first_wrong(&self.plan, &tree) {
                    Some(wrong) if wrong.sent.is_some() && wrong.says.is_some() => {
                        Cause { path: Some(wrong.path.to_string()), sent: wrong.sent, says: wrong.says, ..cause }
                    }
                    _ => cause,
                });
            }
            Side::OnTheWay | Side::Foreign(_) => {
                let wrong = side::first_wrong(&self.plan, &tree)?;
                let cause = verify(Some(&wrong.path), String::new());
                return Some(Cause { message: self.rewritten(&wrong), sent: wrong.sent, says: wrong.says, ..cause });
            }
        }
        let earlier = self.earlier.as_ref().filter(|_| tools.limits.check_outside)?;
        let path = side::outside(&self.plan, earlier, &tree)?;
        Some(verify(Some(&path), format!("{path} is not part of the plan, and changed meanwhile")))
    }

    /// What was sent and what the element says, and what to do if both mean the same.
    fn rewritten(&self, wrong: &side::Wrong) -> String {
        let side::Wrong { path, sent, says, found } = wrong;
        match (sent, says) {
            (Some(sent), Some(_)) => format!(
                "{path} reads {found} where '{sent}' was sent; if the element only writes it so: \
                 andante element rewrite confirm {} \"{path}\"",
                self.name
            ),
            _ => format!("{path} reads {found}"),
        }
    }

    async fn extend(&mut self, tools: &Tools) -> Answer {
        let Some(confirm) = self.confirm.clone() else { return Answer::done() };
        match self.order(tools, Order::Extend(&confirm)).await {
            Ok(_) => Answer::done(),
            Err(error) => self.failed(&error),
        }
    }

    async fn keep(&mut self, tools: &Tools) -> Answer {
        if let Some(confirm) = self.confirm.clone()
            && let Err(error) = self.order(tools, Order::Confirm(&confirm.persist)).await
        {
            return Answer::Lost(self.because_of(CauseKind::Unreachable, &error));
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
        for attempt in 0..ATTEMPTS {
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
        Answer::Done { detail, residue: Vec::new() }
    }

    /// Brings the element to one side by reading it, whatever was sent before. A lost session is opened again.
    async fn settle(&mut self, tools: &Tools, way: Way) -> Answer {
        let mut last = cause(CauseKind::Unreachable, Some(&self.name), "not reached");
        for attempt in 0..ATTEMPTS {
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
        }
        Answer::Lost(last)
    }

    async fn open(&mut self, tools: &Tools) -> Result<(), Failed> {
        if self.writer.is_some() {
            return Ok(());
        }
        let opening = self.south.open_writer();
        let writer = within(tools, &self.name, "open a session", tools.limits.connect, opening).await;
        self.writer = Some(writer.map_err(|error| Failed::Driver(Box::new(error), CauseKind::Unreachable))?);
        self.locked = false;
        Ok(())
    }

    /// A session with locks. Waits while somebody else holds them, also a dead session of our own; every try is a new
    /// session, so that half a lock is never kept while waiting.
    async fn open_and_lock(&mut self, tools: &Tools, may_give_up: bool) -> Result<(), Failed> {
        let since = tools.ambient.elapsed();
        let mut rest = FIRST_PAUSE;
        loop {
            self.open(tools).await?;
            let error = match self.order(tools, Order::Lock).await {
                Ok(_) => {
                    self.locked = true;
                    return Ok(());
                }
                Err(error) => error,
            };
            if is_lost(&error) {
                return Err(Failed::Driver(Box::new(error), CauseKind::Unreachable));
            }
            self.release(tools).await;
            let waited = tools.ambient.elapsed().saturating_sub(since);
            // A dirty candidate (F6) does not pass; whoever left it has to be asked.
            let passes = error.class == ErrorClass::Transient && error.tag.as_deref() != Some("resource-denied");
            let again = passes && waited + rest <= tools.limits.lock;
            if !again || !pause(tools, rest, may_give_up).await {
                return Err(Failed::Driver(Box::new(error), CauseKind::Locked));
            }
            rest = (rest * 2).min(LONGEST_PAUSE);
        }
    }

    /// Empties the candidate of our own edits. Without our lock it is first locked; a lock refused because the candidate
    /// is dirty means that it is ours: we held its lock when it was edited.
    async fn clear_candidate(&mut self, tools: &Tools) -> Result<(), DriverError> {
        if self.writer.is_none() {
            let opening = self.south.open_writer();
            self.writer = Some(within(tools, &self.name, "open a session", tools.limits.connect, opening).await?);
            self.locked = false;
        }
        if !self.locked {
            match self.order(tools, Order::Lock).await {
                Ok(_) => self.locked = true,
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) if error.tag.as_deref() == Some("resource-denied") => {}
                // Held by others, or a confirmed commit is pending: then the candidate is not ours to empty.
                Err(_) => return Ok(()),
            }
        }
        self.order(tools, Order::Discard).await?;
        self.edited = false;
        Ok(())
    }

    /// Makes running survive a restart. A refusal is an alarm, not a reason to turn back; a lost answer is an error.
    async fn save(&mut self, tools: &Tools) -> Result<Option<String>, DriverError> {
        match self.order(tools, Order::Save).await {
            Ok(_) => Ok(None),
            Err(error) if is_lost(&error) => Err(error),
            Err(error) => {
                tracing::error!(element = %self.name, %error, "running is right, but it is not saved for a restart");
                Ok(Some(format!("not saved for a restart of the element: {error}")))
            }
        }
    }

    /// Unlocks and ends the session; errors do not matter any more.
    async fn release(&mut self, tools: &Tools) {
        if self.locked {
            let _ = self.order(tools, Order::Unlock).await;
        }
        if let Some(writer) = self.writer.take() {
            let closing = async {
                writer.close().await;
                Ok(())
            };
            let _ = within(tools, &self.name, "close", tools.limits.confirm, closing).await;
        }
        self.locked = false;
    }

    fn drop_session(&mut self) {
        self.writer = None;
        self.locked = false;
    }

    /// One order on the writer. A session whose answer did not come is dropped.
    async fn order(&mut self, tools: &Tools, order: Order<'_>) -> Result<Residue, DriverError> {
        let (doing, limit) = (order.word(), order.limit(&tools.limits));
        let Some(writer) = self.writer.as_mut() else {
            return Err(unknown(&self.name, doing, "the session is gone".into()));
        };
        let work = async {
            match order {
                Order::Lock => writer.lock().await,
                Order::Prepare(payload) => writer.prepare(payload).await,
                Order::Apply(payload, confirm) => return writer.apply(payload, confirm).await,
                Order::Extend(confirm) => writer.extend(confirm).await,
                Order::Confirm(persist) => writer.confirm(persist).await,
                Order::Cancel(persist) => writer.cancel(persist).await,
                Order::Discard => writer.discard().await,
                Order::Save => writer.save().await,
                Order::Unlock => writer.unlock().await,
            }
            .map(|()| Residue::new())
        };
        let result = within(tools, &self.name, doing, limit, work).await;
        self.drop_if_lost(&result);
        result
    }

    async fn read_here(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let reading = self.read_raw(tools, doing).await?;
        Ok(self.meant(tools, reading))
    }

    async fn read_raw(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(unknown(&self.name, doing, "the session is gone".into()));
        };
        let result = within(tools, &self.name, doing, tools.limits.verify, writer.read_running()).await;
        self.drop_if_lost(&result);
        result
    }

    fn meant(&self, tools: &Tools, reading: Reading) -> Reading {
        Reading { tree: tools.undo.meant(&self.name, &self.plan, reading.tree), ..reading }
    }

    fn drop_if_lost<T>(&mut self, result: &Result<T, DriverError>) {
        if result.as_ref().is_err_and(is_lost) {
            self.drop_session();
        }
    }

    // ── readings ─────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Reads on the writer's session and checks the read-set.
    async fn unmoved(&mut self, tools: &Tools) -> Result<ConfigTree, Cause> {
        let reading = self.read_here(tools, "read").await;
        let reading = reading.map_err(|error| self.because_of(CauseKind::Unreachable, &error))?;
        if let Some(why) = reading.partial {
            let message = format!("what was read is not complete: {why}");
            return Err(cause(CauseKind::Unreachable, Some(&self.name), message));
        }
        if let Some(path) = self.plan.moved(&reading.tree) {
            let path = path.to_string();
            let message = format!("{path} changed since the plan was made; plan again");
            return Err(Cause { path: Some(path), ..cause(CauseKind::Stale, Some(&self.name), message) });
        }
        Ok(reading.tree)
    }

    /// Reads from a fresh session, as the element says it; where the element does not give a second one, on the writer's, saying so.
    async fn read_fresh(&mut self, tools: &Tools) -> Result<(Reading, Option<String>), DriverError> {
        let limits = &tools.limits;
        let opening = self.south.open_reader();
        let refused = match within(tools, &self.name, "open a session", limits.connect, opening).await {
            Ok(mut reader) => {
                let reading = within(tools, &self.name, "read back", limits.verify, reader.read_running()).await?;
                let closing = async {
                    reader.close().await;
                    Ok(())
                };
                let _ = within(tools, &self.name, "close", limits.confirm, closing).await;
                return Ok((reading, None));
            }
            Err(error) => error,
        };
        // An element that reverts by itself and gives no new session may be cut off by our own change: it has to go back,
        // unless it says that it is only out of sessions.
        if self.plan.class == Class::A && refused.tag.as_deref() != Some("resource-denied") {
            return Err(refused);
        }
        let reading = self.read_raw(tools, "read back").await?;
        Ok((reading, Some(format!("read back on the same session: {refused}"))))
    }

    async fn read(&mut self, tools: &Tools) -> Result<ConfigTree, Failed> {
        let reading = self.read_here(tools, "read").await?;
        match reading.partial {
            None => Ok(reading.tree),
            Some(why) => {
                let message = format!("what was read is not complete: {why}");
                Err(Failed::Other(cause(CauseKind::Unreachable, Some(&self.name), message)))
            }
        }
    }

    /// Reads; when an answer was lost and the class does not undo by itself, until two readings agree.
    async fn read_quiet(&mut self, tools: &Tools) -> Result<ConfigTree, Failed> {
        let mut tree = self.read(tools).await?;
        if !self.unsure || self.plan.class == Class::A {
            return Ok(tree);
        }
        for _ in 0..ROUNDS {
            tools.ambient.sleep(tools.limits.margin).await;
            let again = self.read(tools).await?;
            if again == tree {
                return Ok(tree);
            }
            tree = again;
        }
        Err(Failed::Other(cause(CauseKind::Unreachable, Some(&self.name), "the element does not come to rest")))
    }

    /// What was read, without the bare nodes that busy lines left where the wanted side has nothing.
    fn forgiving(&self, actual: &ConfigTree, wanted: &ConfigTree) -> ConfigTree {
        if self.residue.is_empty() {
            return actual.clone();
        }
        self.plan.touched().fold(actual.clone(), |tree, path| match tree.at(path) {
            Some(node) if node.count() == 1 && node.value().is_none() && wanted.at(path).is_none() => {
                tree.without(path)
            }
            _ => tree,
        })
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

/// What is said to a session that writes.
#[derive(Clone, Copy)]
enum Order<'a> {
    Lock,
    Prepare(&'a Payload),
    Apply(&'a Payload, Option<&'a Confirm>),
    Extend(&'a Confirm),
    Confirm(&'a str),
    Cancel(&'a str),
    Discard,
    Save,
    Unlock,
}

impl Order<'_> {
    fn word(&self) -> &'static str {
        match self {
            Order::Lock => "lock",
            Order::Prepare(_) => "prepare",
            Order::Apply(..) => "apply",
            Order::Extend(_) => "extend the confirmed commit",
            Order::Confirm(_) => "confirm",
            Order::Cancel(_) => "cancel the confirmed commit",
            Order::Discard => "discard-changes",
            Order::Save => "save",
            Order::Unlock => "unlock",
        }
    }

    fn limit(&self, limits: &TransactionLimits) -> Duration {
        match self {
            Order::Prepare(_) => limits.prepare,
            Order::Apply(..) => limits.apply,
            _ => limits.confirm,
        }
    }
}

/// Why a verb that decides by reading has to be tried again, or later.
enum Failed {
    Driver(Box<DriverError>, CauseKind),
    Other(Cause),
}

impl From<DriverError> for Failed {
    fn from(error: DriverError) -> Self {
        Failed::Driver(Box::new(error), CauseKind::Unreachable)
    }
}

/// Waits with a limit; no answer in time means that nobody knows.
async fn within<T>(
    tools: &Tools,
    element: &str,
    doing: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, DriverError> {
    let timer = tools.ambient.sleep(limit);
    match select(pin!(work), timer).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(unknown(element, doing, format!("no answer within {} s", limit.as_secs_f32()))),
    }
}

/// Whether no answer came: then the session is of no use any more. An `rpc-error` is an answer, even where the driver
/// cannot say what it means for the configuration.
fn is_lost(error: &DriverError) -> bool {
    error.effect == Effect::Unknown && error.tag.is_none()
}

fn unknown(element: &str, doing: &str, message: String) -> DriverError {
    DriverError {
        element: element.into(),
        doing: doing.into(),
        message,
        class: ErrorClass::Transient,
        effect: Effect::Unknown,
        tag: None,
        path: None,
    }
}

/// Waits; false when the transaction has turned back meanwhile and nobody needs to wait.
async fn pause(tools: &Tools, time: Duration, may_give_up: bool) -> bool {
    if !may_give_up {
        tools.ambient.sleep(time).await;
        return true;
    }
    let turned_back = tools.turned_back.clone();
    match select(pin!(turned_back.cancelled()), tools.ambient.sleep(time)).await {
        Either::Left(_) => false,
        Either::Right(_) => true,
    }
}
