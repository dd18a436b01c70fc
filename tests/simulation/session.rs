//! Sessions to simulated elements, as the transaction sees them: each call takes its way over the network, is struck by
//! what the story has for it, is carried out, and comes back.

mod writer;

use crate::director::Process;
use crate::element::{By, Did, Element, Inner, KEEPALIVE, Lock, Pending};
use crate::native::{self, size};
use crate::story::{Call, Fault, Habit, Meddling, Wish};
use andante::adagio::driver::{Holder, Residue};
use andante::adagio::{Confirm, DriverError, Effect, Payload, Reader, Reading, Southbound, Writer};
use andante::domain::{Class, ErrorClass};
use andante::tree::ConfigTree;
use async_trait::async_trait;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// One element, as one transaction (or recovery) of one daemon reaches it.
pub struct South {
    pub element: Arc<Element>,
    pub process: Arc<Process>,
    pub owner: String,
}

pub struct Session {
    element: Arc<Element>,
    process: Arc<Process>,
    owner: String,
    id: u64,
}

type Done<T> = Result<T, DriverError>;

/// How long the driver of a platform waits for an answer.
const DRIVER: Duration = Duration::from_secs(30);

impl Drop for Session {
    fn drop(&mut self) {
        let now = self.element.world.now();
        let lingers = self.process.is_dead() && self.process.lingers();
        self.element.on(|inner, element| {
            if lingers || !inner.hears(self.id, now) {
                // Nobody told the element.
                if let Some(ends) = inner.sessions.get_mut(&self.id) {
                    *ends = Some(now + KEEPALIVE);
                }
            } else {
                inner.end(self.id, element);
            }
        });
    }
}

impl Element {
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

    fn reset_by_peer(&self, doing: &str) -> DriverError {
        self.error(doing, "connection reset", Effect::Unknown, ErrorClass::Transient)
    }

    /// A commit of which its sender will hear nothing, and that is not carried out.
    fn missed(&self, owner: &str, call: Call) {
        if call == Call::Apply {
            let by = By::Ours(owner.to_owned());
            self.on(|inner, _| inner.note(&self.world, by, Did::Missed { call }));
        }
    }

    /// One call. `session` 0 = none yet.
    async fn call<T>(
        &self,
        ours: (&Process, &str),
        call: Call,
        session: u64,
        work: impl FnOnce(&mut Inner, Option<Fault>) -> Done<T>,
    ) -> Done<T> {
        let asked = self.asked(ours, call, session, work);
        if self.platform.is_none() {
            return asked.await;
        }
        // A driver has a limit of its own: the controller waits for readings without one.
        match select(pin!(asked), self.world.wait(DRIVER)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                let doing = format!("{call:?}").to_lowercase();
                Err(self.error(&doing, "no answer", Effect::Unknown, ErrorClass::Transient))
            }
        }
    }

    async fn asked<T>(
        &self,
        (process, owner): (&Process, &str),
        call: Call,
        session: u64,
        work: impl FnOnce(&mut Inner, Option<Fault>) -> Done<T>,
    ) -> Done<T> {
        let doing = format!("{call:?}").to_lowercase();
        let slow = self.nature.habits.iter().find_map(|h| if let Habit::Slow(ms) = h { Some(*ms) } else { None });
        let way = 4 + (self.index as u64 * 3 + call as u64 * 5) % 7 + slow.unwrap_or_default();
        self.world.wait(Duration::from_millis(way)).await;
        if process.is_dead() {
            std::future::pending::<()>().await;
        }
        let fault = self.director.call(self.index, call);
        if process.is_dead() {
            std::future::pending::<()>().await;
        }
        let now = self.world.now();
        let (hears, away, open) = self.on(|inner, _| {
            let open = session == 0 || inner.sessions.contains_key(&session);
            (inner.hears(session, now), inner.away_until > now, open)
        });
        if !hears || away || !open {
            self.missed(owner, call);
        }
        if !hears {
            std::future::pending::<()>().await;
        }
        if away {
            let effect = if session == 0 { Effect::None } else { Effect::Unknown };
            return Err(self.error(&doing, "no route to host", effect, ErrorClass::Transient));
        }
        if !open {
            return Err(self.reset_by_peer(&doing));
        }
        self.on(|inner, _| inner.calls.push(call));
        if !matches!(call, Call::OpenReader | Call::OpenWriter | Call::Read) {
            let sent = |send: &str| format!(".{send}:{}", self.name);
            let is_its = |point: &str| match call {
                Call::Discard => point.ends_with(&sent("discard")) || point.ends_with(&sent("end-session")),
                _ => point.ends_with(&sent(&doing)),
            };
            self.director.guards(process, &format!("{doing} to {}", self.name), is_its);
        }
        match fault {
            Some(Fault::Refuse) => {
                let message = "refused: 2 errors: invalid-value, missing-element";
                let error = self.error(&doing, message, Effect::None, ErrorClass::Rejected);
                return Err(DriverError { tag: Some("operation-failed".into()), ..error });
            }
            Some(Fault::Hang) => {
                self.missed(owner, call);
                std::future::pending().await
            }
            Some(Fault::CutBefore) => {
                self.missed(owner, call);
                self.on(|inner, element| inner.end(session, element));
                return Err(self.reset_by_peer(&doing));
            }
            _ => {}
        }
        let done = self.on(|inner, _| work(inner, fault));
        match fault {
            Some(Fault::LoseReply | Fault::PartThenHang(_)) => std::future::pending().await,
            Some(Fault::LateReply(seconds)) => {
                self.world.wait(Duration::from_secs(seconds)).await;
                done
            }
            Some(Fault::CutAfter | Fault::Late | Fault::PartThenCut(_)) => {
                self.on(|inner, element| inner.end(session, element));
                Err(self.reset_by_peer(&doing))
            }
            _ if !self.on(|inner, _| inner.hears(session, self.world.now())) => std::future::pending().await,
            _ => done,
        }
    }
}

impl South {
    async fn open(&self, call: Call) -> Done<Session> {
        let element = &self.element;
        let open = |inner: &mut Inner, _| {
            let limit =
                element.nature.habits.iter().find_map(|h| if let Habit::Sessions(n) = h { Some(*n) } else { None });
            if limit.is_some_and(|limit| inner.sessions.len() >= limit) {
                let error = element.error("open", "too many sessions", Effect::None, ErrorClass::Transient);
                return Err(DriverError { tag: Some("resource-denied".into()), ..error });
            }
            inner.next_session += 1;
            let id = inner.next_session;
            // An answer that is lost leaves a session of which nobody knows.
            inner.sessions.insert(id, Some(element.world.now() + KEEPALIVE));
            Ok(id)
        };
        let id = element.call((&self.process, &self.owner), call, 0, open).await?;
        element.on(|inner, _| {
            if let Some(ends) = inner.sessions.get_mut(&id) {
                *ends = None;
            }
        });
        let (element, process, owner) = (element.clone(), self.process.clone(), self.owner.clone());
        Ok(Session { element, process, owner, id })
    }
}

#[async_trait]
impl Southbound for South {
    fn element(&self) -> &str {
        &self.element.name
    }

    async fn open_reader(&self) -> Done<Box<dyn Reader>> {
        Ok(Box::new(self.open(Call::OpenReader).await?))
    }

    async fn open_writer(&self) -> Done<Box<dyn Writer>> {
        Ok(Box::new(self.open(Call::OpenWriter).await?))
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        match self.element.class() {
            Class::A if self.element.has(Habit::Weaker) => Class::B,
            class => class,
        }
    }

    async fn read_running(&mut self) -> Done<Reading> {
        let by = By::Ours(self.owner.clone());
        let read = |inner: &mut Inner, fault: Option<Fault>| {
            let partial = (fault == Some(Fault::PartialRead)).then(|| "staticd is not running".to_owned());
            let tree = if partial.is_some() { ConfigTree::default() } else { self.element.shown(&inner.running) };
            inner.note(&self.element.world, by, Did::Read { tree: tree.clone() });
            Ok(Reading { tree, partial, bytes: 1, defaults: Default::default() })
        };
        self.call(Call::Read, read).await
    }

    fn session(&self) -> Option<u32> {
        // Lines have no session that another one could name.
        (self.element.class() != Class::D).then_some(self.id as u32)
    }

    async fn close(self: Box<Self>) {}
}

impl Session {
    fn refused(&self, doing: &str, message: &str, class: ErrorClass) -> DriverError {
        let error = self.element.error(doing, message, Effect::None, class);
        DriverError { tag: Some("in-use".into()), ..error }
    }

    /// The reply that does not tell "already done" from "already reverted" (F4); the driver cannot know either.
    fn not_active(&self, doing: &str, persist: &str) -> DriverError {
        let mut words = "persistent confirmed commit not active".to_owned();
        if self.element.has(Habit::EchoesPersist) {
            words = format!("persist-id '{persist}' is not active");
        }
        let error = self.element.error(doing, &words, Effect::Unknown, ErrorClass::Rejected);
        DriverError { tag: Some("operation-failed".into()), ..error }
    }

    fn sent(&self, inner: &mut Inner, call: Call, bytes: &str) {
        let locked = inner.lock == Some(Lock::Session(self.id)) || self.element.class() == Class::D;
        let did = Did::Sent { call, locked, bytes: bytes.to_owned() };
        inner.note(&self.element.world, By::Ours(self.owner.clone()), did);
    }

    async fn call<T>(&self, call: Call, work: impl FnOnce(&mut Inner, Option<Fault>) -> Done<T>) -> Done<T> {
        self.element.call((&self.process, &self.owner), call, self.id, work).await
    }

    fn held_by_others(&self, inner: &Inner) -> bool {
        inner.lock.is_some_and(|holder| holder != Lock::Session(self.id))
    }

    /// The payload becomes running, or a part of it.
    fn commit(&self, inner: &mut Inner, payload: &Payload, fault: Option<Fault>) -> Done<()> {
        let world = &self.element.world;
        let mut wanted = self.element.operations(payload);
        if self.element.has_candidate() {
            wanted = std::mem::take(&mut inner.candidate).into_iter().map(|(_, operation)| operation).collect();
        }
        let by = By::Ours(self.owner.clone());
        let all = size(&wanted);
        native::able(&mut wanted, &inner.running);
        match fault {
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Late) if !self.element.has_candidate() => {
                inner.late.push((world.now() + Duration::from_millis(300), by, wanted));
                return Ok(());
            }
            Some(Fault::Lags(ms)) if self.element.class() != Class::A => {
                inner.late.push((world.now() + Duration::from_millis(ms), by, wanted));
                return Ok(());
            }
            Some(Fault::Part(n) | Fault::PartThenCut(n) | Fault::PartThenHang(n)) => native::cut(&mut wanted, n),
            _ => {}
        }
        let part = size(&wanted) < all;
        if !wanted.is_empty() {
            inner.change(world, by, wanted.clone());
        }
        let rewritten =
            if self.element.platform.is_some() { Wish::Native(Meddling::Renumber, 6) } else { Wish::Vlan(1, 666) };
        if fault == Some(Fault::Rewrite)
            && let Some(operation) = rewritten.operation(&inner.running)
        {
            inner.change(world, By::Element, vec![operation]);
        }
        if part {
            let effect = if wanted.is_empty() { Effect::None } else { Effect::Partial };
            let error = self.element.error("line", "% Unknown command", effect, ErrorClass::Rejected);
            return Err(DriverError { tag: Some("operation-failed".into()), ..error });
        }
        Ok(())
    }
}
