//! What an operator says about a transaction that recovery could not bring to its end.
//!
//! Flow: an unresolved transaction is looked at ([`Recovery::open`]), somebody decides, the [`Word`] is written, and
//! recovery works on the transaction at once, with that word: an accepted element is left as it is, a forced one gets
//! what was shown, everything else is tried as always.
//!
//! Guarantees: the word is durable, with its audit, before anything is sent. An acceptance lasts over any restart; a force
//! is for one try and for the exact bytes that were shown. Nothing else in the house sends over somebody else's value.

use super::journal;
use super::recovery::Recovery;
use super::runner::Runner;
use super::side::{self, Side};
use crate::adagio::{Payload, Southbound};
use crate::domain::{Offer, Resolution, TransactionRecord, Turn};
use crate::plan::{ElementPlan, Plan};
use crate::store::{Batch, Durability, StoreError};
use crate::tree::{ConfigTree, Path};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An open transaction, as its journal has it.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its record.
    pub record: TransactionRecord,
    /// What it wanted to send.
    pub plan: Plan,
    /// Whether the decision stands: then it goes forward, else back.
    pub decided: bool,
}

impl Open {
    /// The side of an element's plan to which the transaction goes.
    pub fn side<'a>(&self, of: &'a ElementPlan) -> &'a ConfigTree {
        if self.decided { &of.after } else { &of.before }
    }

    /// The elements that are not known to be there, with their plans.
    pub fn astray(&self) -> impl Iterator<Item = &ElementPlan> {
        let open = |of: &&ElementPlan| {
            let turn = self.record.elements.get(&of.element).map(|progress| progress.turn);
            matches!(turn, Some(Turn::Unknown | Turn::Conflict))
        };
        self.plan.elements.iter().filter(open)
    }
}

/// The word of an operator.
#[derive(Clone, Debug, Default)]
pub struct Word {
    /// One for each element that it is about.
    pub resolutions: Vec<Resolution>,
    /// What is sent to elements that are forced, as it was shown.
    pub forced: BTreeMap<String, Payload>,
    /// What becomes durable together with it: audit, events, deviations.
    pub batch: Batch,
}

impl Word {
    /// Writes it, and answers what is forced.
    pub(super) async fn noted(
        self,
        runner: &Runner,
        record: &mut TransactionRecord,
    ) -> Result<BTreeMap<String, Payload>, StoreError> {
        for said in &self.resolutions {
            // One that recovery has brought to its end since the operator looked is not left as it was.
            let ended = |turn| matches!(turn, Turn::Untouched | Turn::Restored | Turn::Confirmed);
            let astray = record.elements.get_mut(&said.element).filter(|progress| !ended(progress.turn));
            if said.offer == Offer::AcceptActual
                && let Some(progress) = astray
            {
                progress.turn = Turn::Accepted;
                let ticket = said.principal.ticket.as_ref().map(|ticket| format!(" ({ticket})")).unwrap_or_default();
                progress.detail = Some(format!("left as it is by {}{ticket}", said.principal.user));
            }
        }
        record.resolutions.extend(self.resolutions);
        let mut batch = journal::noted(record, &[], None)?;
        batch.extend(self.batch);
        runner.probe.at("before-word").await;
        let written = runner.store.commit(runner.epoch, batch, Durability::Now).await;
        runner.probe.at("after-word").await;
        written?;
        Ok(self.forced)
    }
}

/// What became of a word.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It was tried; the record as it stands now.
    Tried(Box<TransactionRecord>),
    /// Recovery has it in its hands, and does not come to an end.
    Busy,
    /// It is not open (any more).
    Closed,
}

impl Recovery {
    /// An open transaction; `None` when it is closed or unknown.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(&self, id: &str) -> Result<Option<Open>, StoreError> {
        let store = &*self.runner.store;
        let story = journal::story(store, id).await?;
        let (mut record, plan) = journal::opened(store, id).await?;
        if let Some(record) = &mut record {
            story.bring_up(record);
        }
        let open = record.zip(plan).filter(|_| !story.closed);
        Ok(open.map(|(record, plan)| Open { record, plan, decided: story.decided }))
    }

    /// Takes the word of an operator and works on the transaction at once.
    ///
    /// # Errors
    /// The word could not be written (then nothing was sent), or the store cannot be read.
    pub async fn resolve(
        &self,
        id: &str,
        word: Word,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<Settled, StoreError> {
        for _ in 0..TURNS {
            let Some(_mark) = self.runner.queues().mark(id) else {
                self.runner.ambient.sleep(PAUSE).await;
                continue;
            };
            let record = self.work_on(id, elements, Some(word), None).await?;
            return Ok(record.map_or(Settled::Closed, |record| Settled::Tried(Box::new(record))));
        }
        Ok(Settled::Busy)
    }
}

/// How long a try of recovery that is under way is waited for.
const TURNS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(200);

/// The touched paths that hold what neither side of the plan explains.
pub fn foreign(plan: &ElementPlan, actual: &ConfigTree) -> Vec<Path> {
    match side::side(plan, actual) {
        Side::Foreign(paths) => paths,
        Side::Before | Side::After | Side::OnTheWay => Vec::new(),
    }
}
