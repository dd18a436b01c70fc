//! What a transaction on its way writes: intents, answers, the decision, the end.
//!
//! Guarantees: a decision that the store does not surely hold or surely not hold is left to recovery; an end is told only when
//! it is durable.

use super::Ride;
use crate::adagio::Confirm;
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Class, JournalRecord, Outcome, Phase, Turn, chain};
use crate::plan::Plan;
use crate::store::{Batch, Durability, StoreError, Table};
use crate::transaction::crew::StaleCandidate;
use crate::transaction::machine::{Event, Machine, Record};
use crate::transaction::recovery::Unsaved;
use crate::transaction::{cause, journal};
use std::collections::BTreeMap;
use std::time::Duration;

impl Ride<'_> {
    /// Writes what the machine wants written; says what came of it.
    pub(super) async fn write(&mut self, what: Record, machine: &Machine) -> Event {
        let name = match what {
            Record::Intent(phase) => format!("intent-{phase:?}").to_lowercase(),
            Record::End => "end".to_owned(),
        };
        self.runner.probe.at(&format!("before-{name}")).await;
        let result = match what {
            Record::Intent(Phase::Decided) => self.write_decision().await,
            Record::Intent(phase) => self.write_intent(phase).await,
            Record::End => self.write_end_with_patience(machine).await,
        };
        self.runner.probe.at(&format!("after-{name}")).await;
        let event = match result {
            Ok(()) => Event::Written(what),
            Err(Unwritten::Not(error)) => {
                tracing::error!(transaction = %self.record.id, %error, record = %name, "not written");
                if what == Record::End {
                    self.left_open(&error);
                }
                Event::WriteFailed(what, cause(CauseKind::Internal, None, chain(&error)))
            }
            Err(Unwritten::HandsOff(error)) => {
                if what == Record::End {
                    // Whoever holds the lease reads the elements again, and may not find them as they were left.
                    self.left_open(&error);
                }
                Event::HandsOff(hands_off(&error))
            }
        };
        self.publish();
        event
    }

    /// The end is what the caller is told, so a disk that is full for a moment is waited for, with the queues still ours.
    async fn write_end_with_patience(&mut self, machine: &Machine) -> Result<(), Unwritten> {
        let mut pause = END_PAUSE;
        for _ in 1..END_TRIES {
            let error = match self.write_end(machine).await {
                Err(Unwritten::Not(error)) if !matches!(self.record.outcome, Some(Outcome::Unresolved { .. })) => error,
                done => return done,
            };
            tracing::warn!(transaction = %self.record.id, %error, "the end is not written; tried again");
            self.runner.ambient.sleep(pause).await;
            pause *= 2;
            // An error does not say that nothing was written: then it is only made sure.
            if journal::story(&*self.runner.store, &self.record.id).await.is_ok_and(|story| story.closed) {
                self.record.phase = Phase::Closed;
                let again = journal::noted(&self.record, &[], None).map_err(Unwritten::Not)?;
                return self.commit(again, Durability::Now).await;
            }
        }
        self.write_end(machine).await
    }

    /// The end could not be written. Others may work on the elements before recovery has read them again, so nobody is told
    /// an end that might not be found; until recovery has written it, the transaction holds its paths.
    fn left_open(&mut self, error: &StoreError) {
        if matches!(self.record.outcome, Some(Outcome::Unresolved { .. })) {
            return;
        }
        let touched = self.record.elements.iter().filter(|(_, progress)| progress.turn != Turn::Untouched);
        let elements: Vec<String> = touched.map(|(name, _)| name.clone()).collect();
        if elements.is_empty() {
            return;
        }
        let message =
            format!("the end could not be written ({}); recovery reads the elements and writes it", chain(error));
        self.record.outcome = Some(Outcome::Unresolved { elements, cause: cause(CauseKind::Internal, None, message) });
        self.record.finished = None;
    }

    async fn write_intent(&mut self, phase: Phase) -> Result<(), Unwritten> {
        let (mut persist, mut touched) = (BTreeMap::new(), BTreeMap::new());
        // Before anything is sent for which it could be needed: some elements name the candidate after it.
        if phase == Phase::Prepared {
            touched.extend(self.idle.values().map(|crew| (crew.name.clone(), journal::digests(crew.plan()))));
            for crew in self.idle.values_mut().filter(|crew| crew.class() == Class::A) {
                let secret = self.runner.ambient.secret();
                let id = format!("andante.{}.{}.{secret:016x}", self.record.id, self.runner.epoch);
                crew.confirm = Some(Confirm { persist: id.clone(), timeout: self.window });
                persist.insert(crew.name.clone(), id);
            }
        }
        let was = std::mem::replace(&mut self.record.phase, phase);
        // Reading back changes nothing, so this intent need not be on the disk before it.
        let durability = if phase == Phase::Verified { Durability::Lazy } else { Durability::Now };
        let intent = JournalRecord::Intent { phase, persist, epoch: Some(self.runner.epoch), touched };
        let batch = journal::noted(&self.record, &self.unsaid, Some(intent));
        let written = match batch {
            Ok(batch) => self.commit(batch, durability).await,
            Err(error) => Err(Unwritten::Not(error)),
        };
        if written.is_ok() {
            self.all_said();
        }
        if written.is_err() {
            self.record.phase = was;
        }
        written
    }

    /// The decision, with everything that follows from it, in one durable batch.
    async fn write_decision(&mut self) -> Result<(), Unwritten> {
        let read = self.idle.iter_mut().filter_map(|(name, crew)| Some((name.clone(), crew.echoed.take()?))).collect();
        let mut batch = self.closing.decided(&self.record, &read).map_err(Unwritten::Not)?;
        let was = std::mem::replace(&mut self.record.phase, Phase::Decided);
        self.record.decided = Some(self.runner.ambient.now());
        let intent = JournalRecord::intent(Phase::Decided, Some(self.runner.epoch));
        let noted = match journal::noted(&self.record, &self.unsaid, Some(intent)) {
            Ok(noted) => noted,
            Err(error) => {
                (self.record.phase, self.record.decided) = (was, None);
                return Err(Unwritten::Not(error));
            }
        };
        batch.extend(noted);
        let error = match self.commit(batch, Durability::Now).await {
            Ok(()) => {
                self.all_said();
                return Ok(());
            }
            Err(Unwritten::HandsOff(error)) => {
                // Whoever holds the lease knows whether it stands; without the lease it surely does not.
                self.record.decided = None;
                if matches!(error, StoreError::LeaseLost { .. }) {
                    self.record.phase = was;
                }
                return Err(Unwritten::HandsOff(error));
            }
            Err(Unwritten::Not(error)) => error,
        };
        // An error at this point does not say that nothing was written: ask the journal, and make sure.
        let kept = journal::story(&*self.runner.store, &self.record.id).await;
        match kept {
            Ok(story) if !story.decided => {
                (self.record.phase, self.record.decided) = (was, None);
                Err(Unwritten::Not(error))
            }
            Ok(_) => {
                let again = journal::noted(&self.record, &[], None).map_err(Unwritten::HandsOff)?;
                let store = &self.runner.store;
                store.commit(self.runner.epoch, again, Durability::Now).await.map_err(Unwritten::HandsOff)
            }
            Err(_) => {
                self.record.decided = None;
                Err(Unwritten::HandsOff(error))
            }
        }
    }

    /// The end, or the word that it cannot end yet. Durable: whoever was told an outcome must find it after a loss of
    /// power, also when somebody has changed the element since.
    pub(super) async fn write_end(&mut self, machine: &Machine) -> Result<(), Unwritten> {
        let was = std::mem::replace(&mut self.record.outcome, machine.outcome());
        let left = self.left_behind()?;
        if matches!(self.record.outcome, Some(Outcome::Unresolved { .. })) {
            let batch = journal::noted(&self.record, &self.unsaid, None).and_then(|mut batch| {
                batch.extend(left);
                // Audit and events say it once, not with each try that changes nothing.
                if self.record.outcome != was {
                    batch.extend(self.closing.closed(&self.record)?);
                }
                Ok(batch)
            });
            let written = self.commit(batch.map_err(Unwritten::Not)?, Durability::Now).await;
            if written.is_ok() {
                self.all_said();
            }
            return written;
        }
        let was = std::mem::replace(&mut self.record.phase, Phase::Closed);
        self.record.finished = Some(self.runner.ambient.now());
        let batch = journal::closed(&self.record, &self.unsaid).and_then(|mut batch| {
            batch.extend(left);
            batch.extend(self.closing.closed(&self.record)?);
            Ok(batch)
        });
        let written = match batch {
            Ok(batch) => self.commit(batch, Durability::Now).await,
            Err(error) => Err(Unwritten::Not(error)),
        };
        if written.is_err() {
            self.record.phase = was;
        }
        written
    }

    /// What may be left in candidates or is not saved, for whoever comes next; and what was left by others and is gone.
    fn left_behind(&self) -> Result<Batch, Unwritten> {
        let mut batch = Batch::default();
        for (name, crew) in &self.idle {
            let turn = self.record.elements.get(name).map(|progress| progress.turn);
            let own = crew.edited && matches!(crew.class(), Class::A | Class::B) && turn == Some(Turn::Restored);
            // Of two that may have left something the later one stands there: it found the candidate clean.
            if own && crew.stale.as_ref().is_none_or(|other| other.transaction < self.record.id) {
                let stale = StaleCandidate { transaction: self.record.id.clone(), plan: crew.plan().clone() };
                batch.put(Table::Plans, &journal::stale_key(name), &stale).map_err(Unwritten::Not)?;
                self.runner.queues.keep_stale(name, stale);
            } else if crew.stale.is_none() && self.runner.queues.stale(name).is_some() {
                self.runner.queues.drop_stale(name);
                batch.delete(Table::Plans, &journal::stale_key(name));
            }
            // Also what an earlier process was told.
            if self.record.elements.get(name).is_some_and(|progress| progress.unsaved) {
                // What goes back to before has taken nothing away.
                let plan = self.record.decided.is_some().then(|| crew.plan().clone());
                let unsaved = Unsaved { transaction: self.record.id.clone(), plan };
                batch
                    .put(Table::Plans, &journal::unsaved_key(name, &self.record.id), &unsaved)
                    .map_err(Unwritten::Not)?;
                self.runner.queues.keep_unsaved(name, unsaved);
            }
        }
        Ok(batch)
    }

    /// A lazy note of what elements answered; a lost one costs recovery a reading, no more. The lease is what matters. The
    /// record of a transaction over many elements is written when a good part of them has answered, not each time.
    pub(super) async fn note(&mut self) -> Option<Event> {
        let whole = self.unknown * RECORD_SHARE >= self.record.elements.len();
        if whole {
            self.publish();
        }
        let batch = match whole {
            true => journal::noted(&self.record, &self.unsaid, None),
            false => Ok(journal::said(&self.record.id, &self.unsaid)),
        };
        self.runner.probe.at("before-note").await;
        let written = match batch {
            Ok(batch) => self.commit(batch, Durability::Lazy).await,
            Err(error) => Err(Unwritten::Not(error)),
        };
        self.runner.probe.at("after-note").await;
        match written {
            Ok(()) => {
                self.unsaid.clear();
                if whole {
                    self.unknown = 0;
                }
                None
            }
            Err(Unwritten::HandsOff(error)) => Some(Event::HandsOff(hands_off(&error))),
            Err(Unwritten::Not(error)) => {
                tracing::warn!(transaction = %self.record.id, %error, "a note is not written; it goes with the next one");
                None
            }
        }
    }

    /// The journal and the stored record know all that elements answered.
    fn all_said(&mut self) {
        self.unsaid.clear();
        self.unknown = 0;
    }

    async fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), Unwritten> {
        self.runner.store.commit(self.runner.epoch, batch, durability).await.map_err(|error| match error {
            StoreError::LeaseLost { .. } => Unwritten::HandsOff(error),
            other => Unwritten::Not(other),
        })
    }

    /// The first record, with the plan.
    pub(in crate::transaction) async fn write_planned(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let begun = self.closing.begun(&mut self.record)?;
        let mut batch = journal::planned(&self.record, plan, self.runner.epoch)?;
        batch.extend(begun);
        self.runner.probe.at("before-intent-planned").await;
        let written = self.runner.store.commit(self.runner.epoch, batch, Durability::Lazy).await;
        self.runner.probe.at("after-intent-planned").await;
        written?;
        self.publish();
        Ok(())
    }
}

/// The record is written anew when one of so many elements has answered since.
const RECORD_SHARE: usize = 16;

/// How often the end is tried to be written, and the first pause between; each is twice the one before.
const END_TRIES: u32 = 5;
const END_PAUSE: Duration = Duration::from_millis(200);

/// Why something is not written.
pub(super) enum Unwritten {
    /// It surely is not.
    Not(StoreError),
    /// The lease is lost, or nobody knows.
    HandsOff(StoreError),
}

fn hands_off(error: &StoreError) -> Cause {
    let message = format!("{}; whoever holds the lease reads the elements and finishes", chain(error));
    cause(CauseKind::Interrupted, None, message)
}
