//! The bugs that are planted from outside: wrappers that stand between the daemon and its elements, its store or its undo.

use crate::element::Element;
use crate::plans::operations;
use andante::adagio::driver::{Holder, Residue};
use andante::adagio::{Confirm, DriverError, Effect, Payload, Reader, Reading, Southbound, Writer};
use andante::domain::{Class, ErrorClass};
use andante::plan::ElementPlan;
use andante::transaction::Undo;
use andante::tree::ConfigTree;
use async_trait::async_trait;
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is wrong with the sessions of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Says that it has the lock, and never asked for it.
    SkipsTheLock,
    /// The read-back is what the plan wants to see.
    SkipsTheReadBack,
    /// A confirmed commit is confirmed at once.
    ConfirmsAtOnce,
    /// No answer to the commit means that it failed, so nothing has to be read or undone.
    TimeoutIsFailure,
    /// No answer to the lines: they are sent again on a new session.
    RetriesLines,
    /// Changes something that the plan does not name.
    Overzealous,
    /// A session is opened and forgotten.
    LeaksSessions,
    /// Says that it saved.
    SkipsTheSave,
    /// Throws away what stands in the candidate before it locks.
    DiscardsFirst,
    /// The read-set is taken for unmoved, whatever was read.
    SkipsTheReadSet,
    /// What is sent says the same in other bytes.
    OtherBytes,
}

type Done<T> = Result<T, DriverError>;

/// One element, as a daemon with a bug reaches it.
pub struct Bugged {
    pub bug: Bug,
    pub south: Arc<dyn Southbound>,
    pub element: Arc<Element>,
    pub plan: Option<ElementPlan>,
    /// The commit went unanswered.
    presumed_failed: Arc<AtomicBool>,
}

impl Bugged {
    pub fn new(bug: Bug, south: Arc<dyn Southbound>, element: &Arc<Element>, plan: Option<&ElementPlan>) -> Self {
        let (element, plan) = (element.clone(), plan.cloned());
        Self { bug, south, element, plan, presumed_failed: Arc::default() }
    }
}

struct Session {
    bug: Bug,
    inner: Box<dyn Writer>,
    element: Arc<Element>,
    south: Arc<dyn Southbound>,
    plan: Option<ElementPlan>,
    presumed_failed: Arc<AtomicBool>,
    calls: usize,
}

impl Session {
    fn dressed(&self, payload: &Payload) -> Payload {
        match payload {
            Payload::Netconf { config } if self.bug == Bug::OtherBytes => {
                Payload::Netconf { config: format!("{config}\n") }
            }
            other => other.clone(),
        }
    }
}

struct Credulous {
    inner: Box<dyn Reader>,
    plan: Option<ElementPlan>,
}

fn wished(tree: &ConfigTree, plan: Option<&ElementPlan>, after: bool) -> ConfigTree {
    let Some(plan) = plan else { return tree.clone() };
    let side = if after { &plan.after } else { &plan.before };
    plan.touched().fold(tree.clone(), |tree, path| tree.without(path)).overlay(side)
}

#[async_trait]
impl Southbound for Bugged {
    fn element(&self) -> &str {
        self.south.element()
    }

    async fn open_reader(&self) -> Done<Box<dyn Reader>> {
        let inner = self.south.open_reader().await?;
        if self.bug == Bug::LeaksSessions {
            std::mem::forget(inner);
            return self.south.open_reader().await;
        }
        if self.bug == Bug::SkipsTheReadBack {
            return Ok(Box::new(Credulous { inner, plan: self.plan.clone() }));
        }
        Ok(inner)
    }

    async fn open_writer(&self) -> Done<Box<dyn Writer>> {
        let mut inner = self.south.open_writer().await?;
        match self.bug {
            Bug::Overzealous => inner.apply(&stray(self.element.class()), None).await.map(|_| ())?,
            Bug::DiscardsFirst => inner.discard().await?,
            _ => {}
        }
        Ok(Box::new(Session {
            bug: self.bug,
            inner,
            element: self.element.clone(),
            south: self.south.clone(),
            plan: self.plan.clone(),
            presumed_failed: self.presumed_failed.clone(),
            calls: 0,
        }))
    }
}

/// A change that nobody asked for.
fn stray(class: Class) -> Payload {
    crate::plans::payload(class, vec![crate::plans::Operation::Remove(crate::plans::vlan_path("ge2"))])
}

#[async_trait]
impl Reader for Credulous {
    fn class(&self) -> Class {
        self.inner.class()
    }

    async fn read_running(&mut self) -> Done<Reading> {
        let reading = self.inner.read_running().await?;
        Ok(Reading { tree: wished(&reading.tree, self.plan.as_ref(), true), partial: None, ..reading })
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Reader for Session {
    fn class(&self) -> Class {
        self.inner.class()
    }

    async fn read_running(&mut self) -> Done<Reading> {
        self.calls += 1;
        if self.bug == Bug::TimeoutIsFailure && self.presumed_failed.load(Ordering::SeqCst) {
            // "It failed, so it is as before": nothing is asked.
            let tree = wished(&self.element.running(), self.plan.as_ref(), false);
            return Ok(Reading { tree, partial: None, bytes: 1, defaults: Default::default() });
        }
        let reading = self.inner.read_running().await?;
        if self.bug == Bug::SkipsTheReadSet && self.calls == 1 {
            return Ok(Reading { tree: wished(&reading.tree, self.plan.as_ref(), false), ..reading });
        }
        Ok(reading)
    }

    fn session(&self) -> Option<u32> {
        self.inner.session()
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Writer for Session {
    async fn lock(&mut self) -> Done<()> {
        if self.bug == Bug::SkipsTheLock { Ok(()) } else { self.inner.lock().await }
    }

    async fn prepare(&mut self, payload: &Payload) -> Done<()> {
        self.inner.prepare(&self.dressed(payload)).await
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Done<Residue> {
        let limit = Duration::from_secs(4);
        let (world, name) = (self.element.world.clone(), self.element.name.clone());
        let payload = &self.dressed(payload);
        match self.bug {
            Bug::ConfirmsAtOnce => {
                let residue = self.inner.apply(payload, confirm).await?;
                if let Some(confirm) = confirm {
                    self.inner.confirm(&confirm.persist).await?;
                }
                Ok(residue)
            }
            Bug::TimeoutIsFailure => match select(pin!(self.inner.apply(payload, confirm)), world.wait(limit)).await {
                Either::Left((Err(error), _)) if error.effect != Effect::Unknown => Err(error),
                Either::Left((Ok(residue), _)) => Ok(residue),
                Either::Left((Err(_), _)) | Either::Right(_) => {
                    self.presumed_failed.store(true, Ordering::SeqCst);
                    Err(refused(&name))
                }
            },
            Bug::RetriesLines if self.element.class() == Class::D && !operations(payload).is_empty() => {
                match select(pin!(self.inner.apply(payload, confirm)), world.wait(limit)).await {
                    Either::Left((Ok(residue), _)) => return Ok(residue),
                    Either::Left((Err(error), _)) if error.effect != Effect::Unknown => return Err(error),
                    _ => {}
                }
                self.inner = self.south.open_writer().await?;
                self.inner.apply(payload, confirm).await
            }
            _ => self.inner.apply(payload, confirm).await,
        }
    }

    async fn extend(&mut self, confirm: &Confirm) -> Done<()> {
        self.inner.extend(confirm).await
    }

    async fn confirm(&mut self, persist: &str) -> Done<()> {
        if self.bug == Bug::ConfirmsAtOnce { Ok(()) } else { self.inner.confirm(persist).await }
    }

    async fn cancel(&mut self, persist: &str) -> Done<()> {
        let presumed = self.bug == Bug::TimeoutIsFailure && self.presumed_failed.load(Ordering::SeqCst);
        if presumed { Ok(()) } else { self.inner.cancel(persist).await }
    }

    async fn discard(&mut self) -> Done<()> {
        self.inner.discard().await
    }

    async fn save(&mut self) -> Done<()> {
        if self.bug == Bug::SkipsTheSave { Ok(()) } else { self.inner.save().await }
    }

    async fn unlock(&mut self) -> Done<()> {
        self.inner.unlock().await
    }

    async fn holder(&mut self) -> Option<Holder> {
        self.inner.holder().await
    }

    async fn end_session(&mut self, session: u32) -> Done<()> {
        self.inner.end_session(session).await
    }

    async fn read_candidate(&mut self) -> Done<Option<Reading>> {
        self.inner.read_candidate().await
    }
}

fn refused(element: &str) -> DriverError {
    DriverError {
        element: element.into(),
        doing: "commit".into(),
        message: "timed out, so it failed".into(),
        class: ErrorClass::Rejected,
        effect: Effect::None,
        tag: Some("operation-failed".into()),
        path: None,
    }
}

/// An undo that finds nothing to do.
pub struct Idle;

impl Undo for Idle {
    fn toward_before(&self, _: &str, _: &ElementPlan, _: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(None)
    }

    fn toward_after(&self, _: &str, _: &ElementPlan, _: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(None)
    }
}
