//! Simulated elements of the classes A to D, with the habits and faults that real ones showed.
//!
//! Everything that an element does happens at a call or when its own timers are due at a call. A session that is dropped
//! loses its locks, and the candidate that it had locked (RFC 6241 §7.5), unless the element keeps stale candidates.

use crate::plans::{leaf, operations, vlan_path};
use crate::world::World;
use andante::adagio::driver::Residue;
use andante::adagio::{Confirm, DriverError, Effect, Payload, Reader, Reading, Southbound, Writer};
use andante::domain::{Class, ErrorClass};
use andante::tree::{After, ConfigTree};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a session asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    OpenReader,
    OpenWriter,
    Read,
    Lock,
    Prepare,
    Apply,
    Extend,
    Confirm,
    Cancel,
    Discard,
    Save,
    Unlock,
}

/// What goes wrong at a call, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered with an error; nothing done.
    Refuse,
    /// Done, but the answer never comes.
    LoseReply,
    /// Not done, and no answer comes.
    Hang,
    /// The connection breaks before it is done.
    CutBefore,
    /// The connection breaks after it is done.
    CutAfter,
    /// The connection breaks; it is done a little later (not for class A, whose session takes it along).
    Late,
    /// Answered ok, nothing done (F20).
    Silent,
    /// Done, but with other values than asked.
    Rewrite,
    /// Class D: the line at this place is refused after the ones before it.
    RefuseLine(usize),
    /// The element restarts from its startup configuration and is away for this many seconds.
    Reboot(u64),
    /// Not reachable for this many seconds.
    Away(u64),
    /// A person changes the VLAN of ge1 just before.
    HumanOnPath,
    /// A person changes something else just before.
    HumanElsewhere,
    /// Somebody who knows the persist-id confirms just before.
    SomebodyConfirms,
    /// The timer of the confirmed commit runs out just before.
    EarlyRevert,
    /// A reading that is not complete.
    PartialRead,
}

pub struct Element {
    name: String,
    class: Class,
    world: World,
    inner: Mutex<Inner>,
}

struct Inner {
    running: ConfigTree,
    startup: ConfigTree,
    candidate: Option<ConfigTree>,
    locked_by: Option<u64>,
    pending: Option<Pending>,
    late: Vec<(Duration, Payload)>,
    away_until: Duration,
    sessions: BTreeSet<u64>,
    next_session: u64,
    faults: Vec<(Call, usize, Fault)>,
    calls: Vec<Call>,
    keeps_stale_candidate: bool,
    one_session: bool,
    latency: Duration,
    windows: Vec<Duration>,
}

struct Pending {
    persist: String,
    backup: ConfigTree,
    until: Duration,
}

impl Element {
    pub fn new(world: &World, name: &str, class: Class, running: ConfigTree) -> Arc<Self> {
        let inner = Inner {
            startup: running.clone(),
            running,
            candidate: None,
            locked_by: None,
            pending: None,
            late: vec![],
            away_until: Duration::ZERO,
            sessions: BTreeSet::new(),
            next_session: 0,
            faults: vec![],
            calls: vec![],
            keeps_stale_candidate: false,
            one_session: false,
            latency: Duration::from_millis(5),
            windows: vec![],
        };
        Arc::new(Self { name: name.into(), class, world: world.clone(), inner: Mutex::new(inner) })
    }

    /// At the nth call of this kind (0 = first) from now on.
    pub fn fault(&self, call: Call, nth: usize, fault: Fault) {
        let mut inner = self.inner.lock().unwrap();
        let so_far = inner.calls.iter().filter(|seen| **seen == call).count();
        inner.faults.push((call, so_far + nth, fault));
    }

    pub fn keep_stale_candidates(&self) {
        self.inner.lock().unwrap().keeps_stale_candidate = true;
    }

    pub fn allow_one_session(&self) {
        self.inner.lock().unwrap().one_session = true;
    }

    pub fn be_slow(&self, latency: Duration) {
        self.inner.lock().unwrap().latency = latency;
    }

    pub fn go_away(&self, time: Duration) {
        self.inner.lock().unwrap().away_until = self.world.now() + time;
    }

    /// A person's edit of running.
    pub fn edit(&self, change: impl FnOnce(&ConfigTree) -> ConfigTree) {
        let mut inner = self.inner.lock().unwrap();
        inner.running = change(&inner.running);
    }

    /// Running, after its own timers.
    pub fn running(&self) -> ConfigTree {
        let mut inner = self.inner.lock().unwrap();
        inner.tick(self.world.now());
        inner.running.clone()
    }

    pub fn startup(&self) -> ConfigTree {
        self.inner.lock().unwrap().startup.clone()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inner.lock().unwrap().calls.clone()
    }

    /// The windows of its confirmed commits.
    pub fn windows(&self) -> Vec<Duration> {
        self.inner.lock().unwrap().windows.clone()
    }

    /// What is left over that should not be: locks, a dirty candidate, a running timer.
    pub fn leftovers(&self) -> Vec<&'static str> {
        let mut inner = self.inner.lock().unwrap();
        inner.tick(self.world.now());
        let mut left = vec![];
        if inner.locked_by.is_some() {
            left.push("a lock");
        }
        if inner.candidate.is_some() {
            left.push("a dirty candidate");
        }
        if inner.pending.is_some() {
            left.push("a confirmed commit that runs");
        }
        if !inner.sessions.is_empty() {
            left.push("a session");
        }
        left
    }

    fn error(&self, doing: &str, message: &str, effect: Effect, class: ErrorClass) -> DriverError {
        DriverError {
            element: self.name.clone(),
            doing: doing.into(),
            message: message.into(),
            class,
            effect,
            tag: None,
            path: None,
        }
    }

    fn session(self: &Arc<Self>) -> Session {
        let mut inner = self.inner.lock().unwrap();
        inner.next_session += 1;
        let id = inner.next_session;
        inner.sessions.insert(id);
        Session { element: self.clone(), id }
    }
}

impl Inner {
    fn tick(&mut self, now: Duration) {
        if self.pending.as_ref().is_some_and(|pending| pending.until <= now)
            && let Some(pending) = self.pending.take()
        {
            self.running = pending.backup;
        }
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Duration, Payload)> = due;
        for (_, payload) in due {
            self.running = operations(&payload).iter().fold(self.running.clone(), |tree, o| o.apply(&tree));
        }
    }

    fn end(&mut self, session: u64) {
        self.sessions.remove(&session);
        if self.locked_by == Some(session) {
            self.locked_by = None;
            if !self.keeps_stale_candidate {
                self.candidate = None;
            }
        }
    }

    fn reboot(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.running = pending.backup;
        }
        self.running = self.startup.clone();
        self.candidate = None;
        self.locked_by = None;
        self.late.clear();
        self.sessions.clear();
    }
}

pub struct Session {
    element: Arc<Element>,
    id: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.element.inner.lock().unwrap().end(self.id);
    }
}

type Done<T> = Result<T, DriverError>;

impl Element {
    /// A call: it takes its time, its fault strikes, then `work` is done. `session` 0 = none yet.
    async fn call<T>(
        &self,
        call: Call,
        session: u64,
        work: impl FnOnce(&mut Inner, Option<Fault>) -> Done<T>,
    ) -> Done<T> {
        let doing = format!("{call:?}").to_lowercase();
        let latency = self.inner.lock().unwrap().latency;
        self.world.wait(latency).await;
        let fault = {
            let mut inner = self.inner.lock().unwrap();
            inner.tick(self.world.now());
            let nth = inner.calls.iter().filter(|seen| **seen == call).count();
            inner.calls.push(call);
            let at = inner.faults.iter().position(|(on, at, _)| (*on, *at) == (call, nth));
            at.map(|at| inner.faults.remove(at).2)
        };
        match fault {
            Some(Fault::Refuse) => return Err(self.error(&doing, "refused", Effect::None, ErrorClass::Rejected)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::CutBefore | Fault::Late) => {
                self.inner.lock().unwrap().end(session);
                if fault == Some(Fault::Late) {
                    // The element goes on with it although the session is gone.
                    let _ = work(&mut self.inner.lock().unwrap(), fault);
                }
                return Err(self.error(&doing, "connection reset", Effect::Unknown, ErrorClass::Transient));
            }
            Some(Fault::Reboot(seconds)) => {
                let mut inner = self.inner.lock().unwrap();
                inner.reboot();
                inner.away_until = self.world.now() + Duration::from_secs(seconds);
            }
            Some(Fault::Away(seconds)) => {
                let mut inner = self.inner.lock().unwrap();
                inner.away_until = self.world.now() + Duration::from_secs(seconds);
                inner.end(session);
                inner.sessions.clear();
            }
            Some(Fault::HumanOnPath) => self.edit(human_on_path),
            Some(Fault::HumanElsewhere) => self.edit(human_elsewhere),
            Some(Fault::SomebodyConfirms) => self.inner.lock().unwrap().pending = None,
            Some(Fault::EarlyRevert) => {
                let mut inner = self.inner.lock().unwrap();
                if let Some(pending) = inner.pending.take() {
                    inner.running = pending.backup;
                }
            }
            _ => {}
        }
        let done = {
            let mut inner = self.inner.lock().unwrap();
            if inner.away_until > self.world.now() {
                drop(inner);
                let effect = if session == 0 { Effect::None } else { Effect::Unknown };
                return Err(self.error(&doing, "no route to host", effect, ErrorClass::Transient));
            }
            if session != 0 && !inner.sessions.contains(&session) {
                drop(inner);
                return Err(self.error(&doing, "connection reset", Effect::Unknown, ErrorClass::Transient));
            }
            work(&mut inner, fault)
        };
        match fault {
            Some(Fault::LoseReply) => std::future::pending().await,
            Some(Fault::CutAfter) => {
                self.inner.lock().unwrap().end(session);
                Err(self.error(&doing, "connection reset", Effect::Unknown, ErrorClass::Transient))
            }
            _ => done,
        }
    }
}

pub fn human_on_path(tree: &ConfigTree) -> ConfigTree {
    tree.with(&vlan_path("ge1").parent().unwrap(), leaf("vlan", "666"), After::Keep)
}

pub fn human_elsewhere(tree: &ConfigTree) -> ConfigTree {
    tree.with(&vlan_path("ge2").parent().unwrap(), leaf("note", "by hand"), After::Keep)
}

/// `Arc<Element>` is foreign to the trait, so a name of its own stands for it.
pub struct South(pub Arc<Element>);

#[async_trait]
impl Southbound for South {
    fn element(&self) -> &str {
        &self.0.name
    }

    async fn open_reader(&self) -> Done<Box<dyn Reader>> {
        let element = &self.0;
        let one = |inner: &mut Inner, _| {
            if inner.one_session && !inner.sessions.is_empty() {
                let mut error = element.error("open", "too many sessions", Effect::None, ErrorClass::Transient);
                error.tag = Some("resource-denied".into());
                return Err(error);
            }
            Ok(())
        };
        element.call(Call::OpenReader, 0, one).await?;
        Ok(Box::new(element.session()))
    }

    async fn open_writer(&self) -> Done<Box<dyn Writer>> {
        self.0.call(Call::OpenWriter, 0, |_, _| Ok(())).await?;
        Ok(Box::new(self.0.session()))
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        self.element.class
    }

    async fn read_running(&mut self) -> Done<Reading> {
        let read = |inner: &mut Inner, fault: Option<Fault>| {
            let partial = (fault == Some(Fault::PartialRead)).then(|| "staticd is not running".to_owned());
            let tree = if partial.is_some() { ConfigTree::default() } else { inner.running.clone() };
            Ok(Reading { tree, partial, bytes: 1, defaults: Default::default() })
        };
        self.element.call(Call::Read, self.id, read).await
    }

    async fn close(self: Box<Self>) {}
}

impl Session {
    fn refused(&self, doing: &str, message: &str, class: ErrorClass) -> DriverError {
        self.element.error(doing, message, Effect::None, class)
    }

    /// The reply that does not tell "already done" from "already reverted" (F4); the driver cannot know either.
    fn not_active(&self, doing: &str) -> DriverError {
        let words = "persistent confirmed commit not active";
        let error = self.element.error(doing, words, Effect::Unknown, ErrorClass::Rejected);
        DriverError { tag: Some("operation-failed".into()), ..error }
    }

    fn has_candidate(&self) -> bool {
        matches!(self.element.class, Class::A | Class::B)
    }
}

#[async_trait]
impl Writer for Session {
    async fn lock(&mut self) -> Done<()> {
        let lock = |inner: &mut Inner, _| {
            if self.element.class == Class::D {
                return Ok(());
            }
            if inner.locked_by.is_some_and(|holder| holder != self.id) {
                return Err(self.refused("lock", "lock-denied", ErrorClass::Transient));
            }
            if inner.pending.is_some() {
                // F3: nobody can lock inside the window of a dead session.
                return Err(self.refused("lock", "in-use: confirmed-commit pending", ErrorClass::Transient));
            }
            if inner.candidate.is_some() {
                // F6.
                let mut error = self.refused("lock", "discard-changes needed", ErrorClass::Conflict);
                error.tag = Some("resource-denied".into());
                return Err(error);
            }
            inner.locked_by = Some(self.id);
            Ok(())
        };
        self.element.call(Call::Lock, self.id, lock).await
    }

    async fn prepare(&mut self, payload: &Payload) -> Done<()> {
        let prepare = |inner: &mut Inner, _| {
            if self.has_candidate() {
                let base = inner.candidate.as_ref().unwrap_or(&inner.running).clone();
                inner.candidate = Some(operations(payload).iter().fold(base, |tree, o| o.apply(&tree)));
            }
            Ok(())
        };
        self.element.call(Call::Prepare, self.id, prepare).await
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Done<Residue> {
        let now = self.element.world.now();
        let apply = |inner: &mut Inner, fault: Option<Fault>| {
            if fault == Some(Fault::Silent) {
                inner.candidate = None;
                return Ok(vec![]);
            }
            if self.has_candidate() {
                if inner.pending.is_some() && confirm.is_none() {
                    return Err(self.refused("commit", "in-use: confirmed-commit pending", ErrorClass::Transient));
                }
                let Some(candidate) = inner.candidate.take() else { return Ok(vec![]) };
                let backup = std::mem::replace(&mut inner.running, candidate);
                if let (Class::A, Some(confirm)) = (self.element.class, confirm) {
                    let (persist, until) = (confirm.persist.clone(), now + confirm.timeout);
                    inner.windows.push(confirm.timeout);
                    inner.pending = Some(Pending { persist, backup, until });
                }
            } else {
                if fault == Some(Fault::Late) {
                    inner.late.push((now + Duration::from_millis(300), payload.clone()));
                    return Ok(vec![]);
                }
                for (at, operation) in operations(payload).iter().enumerate() {
                    if fault == Some(Fault::RefuseLine(at)) {
                        let effect = if at == 0 { Effect::None } else { Effect::Partial };
                        return Err(self.element.error("line", "% Unknown command", effect, ErrorClass::Rejected));
                    }
                    inner.running = operation.apply(&inner.running);
                }
            }
            if fault == Some(Fault::Rewrite) {
                inner.running = human_on_path(&inner.running);
            }
            Ok(vec![])
        };
        self.element.call(Call::Apply, self.id, apply).await
    }

    async fn extend(&mut self, confirm: &Confirm) -> Done<()> {
        let until = self.element.world.now() + confirm.timeout;
        let extend = |inner: &mut Inner, _| match inner.pending.as_mut() {
            Some(pending) if pending.persist == confirm.persist => {
                pending.until = until;
                Ok(())
            }
            _ => Err(self.not_active("extend")),
        };
        self.element.call(Call::Extend, self.id, extend).await
    }

    async fn confirm(&mut self, persist: &str) -> Done<()> {
        let confirm = |inner: &mut Inner, fault: Option<Fault>| {
            if fault == Some(Fault::Silent) {
                return Ok(());
            }
            if inner.pending.as_ref().is_none_or(|pending| pending.persist != persist) {
                // F4.
                return Err(self.not_active("confirm"));
            }
            if inner.locked_by.is_some_and(|holder| holder != self.id) {
                return Err(self.refused("confirm", "in-use: config locked", ErrorClass::Transient));
            }
            inner.pending = None;
            // F2: the confirming commit takes along what stands in the candidate.
            if let Some(candidate) = inner.candidate.take() {
                inner.running = candidate;
            }
            Ok(())
        };
        self.element.call(Call::Confirm, self.id, confirm).await
    }

    async fn cancel(&mut self, persist: &str) -> Done<()> {
        let cancel = |inner: &mut Inner, fault: Option<Fault>| {
            if fault == Some(Fault::Silent) {
                return Ok(());
            }
            match inner.pending.take() {
                Some(pending) if pending.persist == persist => {
                    inner.running = pending.backup;
                    Ok(())
                }
                other => {
                    inner.pending = other;
                    Err(self.not_active("cancel"))
                }
            }
        };
        self.element.call(Call::Cancel, self.id, cancel).await
    }

    async fn discard(&mut self) -> Done<()> {
        let discard = |inner: &mut Inner, _| {
            if inner.locked_by.is_some_and(|holder| holder != self.id) {
                return Err(self.refused("discard-changes", "in-use: config locked", ErrorClass::Transient));
            }
            inner.candidate = None;
            Ok(())
        };
        self.element.call(Call::Discard, self.id, discard).await
    }

    async fn save(&mut self) -> Done<()> {
        let save = |inner: &mut Inner, _| {
            inner.startup = inner.running.clone();
            Ok(())
        };
        self.element.call(Call::Save, self.id, save).await
    }

    async fn unlock(&mut self) -> Done<()> {
        let unlock = |inner: &mut Inner, _| {
            if inner.locked_by == Some(self.id) {
                inner.locked_by = None;
            }
            Ok(())
        };
        self.element.call(Call::Unlock, self.id, unlock).await
    }
}
