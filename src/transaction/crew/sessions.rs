//! The sessions of one element: opened, saved, ended.
//!
//! Guarantees: a session whose answer did not come is dropped; half a lock is never kept while waiting for the other half.
//! It decides nothing.

use super::order::{Order, is_lost, unknown, within};
use super::{Crew, Tools};
use crate::adagio::driver::Residue;
use crate::adagio::{DriverError, Reading, Southbound, Writer};
use crate::tree::ConfigTree;
use futures::future::{Either, select};
use std::pin::pin;

impl Crew {
    /// Opens a session if there is none. It is ours until it was ended in good order, also when nobody hears of it any more.
    pub(super) async fn open(&mut self, tools: &Tools) -> Result<(), DriverError> {
        if self.writer.is_some() {
            return Ok(());
        }
        let opening = self.south.open_writer();
        let writer = within(tools, &self.name, "open a session", tools.limits.connect, opening).await?;
        self.take_over(writer);
        Ok(())
    }

    /// Goes on with a session that read for the plan. It may have died since: until the read-set was checked on it, a lost
    /// answer says nothing of the element, and another session is opened.
    pub(in crate::transaction) fn go_on(&mut self, writer: Box<dyn Writer>) {
        self.take_over(writer);
        self.carried = true;
    }

    /// After an answer that did not come: whether that was on the session that read for the plan, before anything was
    /// checked on it. Then it is gone, and the next one is a new one.
    pub(super) async fn died_unchecked(&mut self, tools: &Tools) -> bool {
        let carried = std::mem::take(&mut self.carried);
        if carried {
            self.release(tools).await;
        }
        carried
    }

    fn take_over(&mut self, writer: Box<dyn Writer>) {
        if let Some(session) = writer.session() {
            self.ours.insert(session);
            self.report.session = Some(session);
        }
        self.writer = Some(writer);
        self.locked = false;
    }

    /// Makes running survive a restart. A refusal is an alarm, not a reason to turn back, and it is tried again in the
    /// background; a lost answer is an error.
    pub(super) async fn save(&mut self, tools: &Tools) -> Result<Option<String>, DriverError> {
        match self.order(tools, Order::Save).await {
            Ok(_) => {
                self.report.unsaved = Some(false);
                Ok(None)
            }
            Err(error) if is_lost(&error) => Err(error),
            Err(error) => {
                tracing::error!(element = %self.name, %error, "running is right, but it is not saved for a restart");
                self.report.unsaved = Some(true);
                Ok(Some(format!("not saved for a restart of the element; it is tried again: {error}")))
            }
        }
    }

    /// Unlocks and ends the session; errors do not matter any more.
    pub(super) async fn release(&mut self, tools: &Tools) {
        if self.locked {
            let _ = self.order(tools, Order::Unlock).await;
        }
        if let Some(writer) = self.writer.take() {
            let session = writer.session();
            let closing = async {
                writer.close().await;
                Ok(())
            };
            let closed = within(tools, &self.name, "close", tools.limits.confirm, closing).await;
            if let (Ok(()), Some(session)) = (closed, session) {
                self.ours.remove(&session);
            }
        }
        self.locked = false;
    }

    pub(super) fn drop_session(&mut self) {
        self.writer = None;
        self.locked = false;
    }

    /// One order on the writer, between its two points. A session whose answer did not come is dropped.
    pub(super) async fn order(&mut self, tools: &Tools, order: Order<'_>) -> Result<Residue, DriverError> {
        let point = self.point(order.point());
        tools.probe.at(&format!("before-{point}")).await;
        let result = self.ordered(tools, order).await;
        tools.probe.at(&format!("after-{point}")).await;
        result
    }

    /// A send inside a verb, by its name in the points of a transaction.
    pub(super) fn point(&self, send: &str) -> String {
        format!("{}.{send}:{}", self.doing, self.name)
    }

    async fn ordered(&mut self, tools: &Tools, order: Order<'_>) -> Result<Residue, DriverError> {
        let (doing, limit) = (order.word(), order.limit(&tools.limits));
        let Some(writer) = self.writer.as_mut() else {
            return Err(unknown(&self.name, doing, "the session is gone".into()));
        };
        writer.patience(limit);
        if let (Order::Prepare(_) | Order::Discard, Some(confirm)) = (&order, &self.confirm) {
            writer.announce(&confirm.persist);
        }
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
        result.map_err(|error| self.discreet(error))
    }

    /// Some elements repeat in their errors the persist-id that they were given; whoever knows it may cancel.
    fn discreet(&self, error: DriverError) -> DriverError {
        let Some(confirm) = &self.confirm else { return error };
        let mask = |text: String| {
            let secret = confirm.persist.rsplit('.').next().filter(|secret| secret.len() >= SECRET);
            let text = text.replace(&confirm.persist, "(persist-id)");
            secret.map_or(text.clone(), |secret| text.replace(secret, "(persist-id)"))
        };
        DriverError { message: mask(error.message), path: error.path.map(mask), ..error }
    }

    pub(super) async fn read_here(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let reading = self.read_raw(tools, doing).await?;
        Ok(self.meant(tools, reading))
    }

    pub(super) async fn read_raw(&mut self, tools: &Tools, doing: &str) -> Result<Reading, DriverError> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(unknown(&self.name, doing, "the session is gone".into()));
        };
        writer.patience(tools.limits.verify);
        let result = within(tools, &self.name, doing, tools.limits.verify, writer.read_running()).await;
        self.drop_if_lost(&result);
        result
    }

    pub(super) fn meant(&self, tools: &Tools, reading: Reading) -> Reading {
        Reading { tree: tools.undo.meant(&self.name, &self.plan, reading.tree), ..reading }
    }

    /// Does something on another session, and starts the timer of our confirmed commit anew meanwhile, at its half: an
    /// element may be so slow that its own window would run out while it answers.
    pub(super) async fn keeping<T>(&mut self, tools: &Tools, work: impl Future<Output = T>) -> T {
        let Some(confirm) = self.confirm.clone().filter(|_| self.writer.is_some()) else { return work.await };
        let half = confirm.timeout / 2;
        let point = self.point(Order::Extend(&confirm).point());
        let mut work = pin!(work);
        loop {
            let rest = (self.timer + half).saturating_sub(tools.ambient.elapsed());
            if let Either::Left((done, _)) = select(&mut work, tools.ambient.sleep(rest)).await {
                return done;
            }
            self.timer = tools.ambient.elapsed();
            let Some(writer) = self.writer.as_mut() else { return work.await };
            writer.patience(tools.limits.confirm);
            let (done, extended) = {
                let extending = async {
                    tools.probe.at(&format!("before-{point}")).await;
                    let order = writer.extend(&confirm);
                    let extended = within(tools, &self.name, "extend", tools.limits.confirm, order).await;
                    tools.probe.at(&format!("after-{point}")).await;
                    extended
                };
                let extending = pin!(extending);
                // The answer is waited for in any case: half an exchange would spoil the session.
                match select(&mut work, extending).await {
                    Either::Left((done, extending)) => (Some(done), extending.await),
                    Either::Right((extended, _)) => (None, extended),
                }
            };
            // A refusal is found out by the reading.
            self.drop_if_lost(&extended);
            if let Some(done) = done {
                return done;
            }
        }
    }

    pub(super) fn drop_if_lost<T>(&mut self, result: &Result<T, DriverError>) {
        if result.as_ref().is_err_and(is_lost) {
            self.drop_session();
        }
    }
}

/// Saves running on a session of its own, long after the transaction that could not: what was read there before, and what
/// became of the save.
///
/// # Errors
/// In words: it could not be read, so it was not asked to save.
pub(in crate::transaction) async fn save_again(
    south: &dyn Southbound,
    tools: &Tools,
) -> Result<(ConfigTree, Result<(), String>), String> {
    let tools = &tools.for_platform(south.limits());
    let (element, limits) = (south.element(), &tools.limits);
    let said = |error: DriverError| error.to_string();
    let opened = within(tools, element, "open a session", limits.connect, south.open_writer()).await;
    let mut writer = opened.map_err(said)?;
    writer.patience(limits.verify);
    let reading = within(tools, element, "read", limits.verify, writer.read_running()).await.map_err(said)?;
    if let Some(why) = reading.partial {
        return Err(why);
    }
    writer.patience(limits.confirm);
    tools.probe.at(&format!("before-again.save:{element}")).await;
    let saved = within(tools, element, "save", limits.confirm, writer.save()).await;
    tools.probe.at(&format!("after-again.save:{element}")).await;
    if saved.is_ok() {
        let closing = async {
            writer.close().await;
            Ok(())
        };
        let _ = within(tools, element, "close", limits.confirm, closing).await;
    }
    Ok((reading.tree, saved.map_err(said)))
}

/// Letters of a persist-id's random part.
const SECRET: usize = 16;
