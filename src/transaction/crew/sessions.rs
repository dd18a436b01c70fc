//! The sessions of one element: opened, locked, emptied, saved, ended.
//!
//! Guarantees: a session whose answer did not come is dropped; half a lock is never kept while waiting for the other half.
//! It decides nothing.

use super::order::{Failed, Order, is_lost, pause, unknown, within};
use super::{Crew, FIRST_PAUSE, LONGEST_PAUSE, Tools};
use crate::adagio::driver::Residue;
use crate::adagio::{DriverError, Reading};
use crate::domain::ErrorClass;
use crate::domain::outcome::CauseKind;

impl Crew {
    pub(super) async fn open(&mut self, tools: &Tools) -> Result<(), Failed> {
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
    pub(super) async fn open_and_lock(&mut self, tools: &Tools, may_give_up: bool) -> Result<(), Failed> {
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
    pub(super) async fn clear_candidate(&mut self, tools: &Tools) -> Result<(), DriverError> {
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
    pub(super) async fn save(&mut self, tools: &Tools) -> Result<Option<String>, DriverError> {
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
    pub(super) async fn release(&mut self, tools: &Tools) {
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

    pub(super) fn drop_session(&mut self) {
        self.writer = None;
        self.locked = false;
    }

    /// One order on the writer. A session whose answer did not come is dropped.
    pub(super) async fn order(&mut self, tools: &Tools, order: Order<'_>) -> Result<Residue, DriverError> {
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

    pub(super) async fn read_here(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let reading = self.read_raw(tools, doing).await?;
        Ok(self.meant(tools, reading))
    }

    pub(super) async fn read_raw(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(unknown(&self.name, doing, "the session is gone".into()));
        };
        let result = within(tools, &self.name, doing, tools.limits.verify, writer.read_running()).await;
        self.drop_if_lost(&result);
        result
    }

    pub(super) fn meant(&self, tools: &Tools, reading: Reading) -> Reading {
        Reading { tree: tools.undo.meant(&self.name, &self.plan, reading.tree), ..reading }
    }

    pub(super) fn drop_if_lost<T>(&mut self, result: &Result<T, DriverError>) {
        if result.as_ref().is_err_and(is_lost) {
            self.drop_session();
        }
    }
}
