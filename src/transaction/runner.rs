//! Runs transactions: from a request to a record with an outcome.
//!
//! Flow: the record is kept, the elements' queues are taken in sorted order, everything that speaks against a start is
//! said; then the [`Ride`]. Guarantee: whatever happens, [`Runner::run`] returns a record with an outcome.

use super::crew::{ATTEMPTS, Crew, Lease, Tools};
use super::machine::Machine;
use super::opened::Opened;
use super::pace::Paces;
use super::progress::Progress;
use super::queues::{Queues, Turns};
use super::ride::Ride;
use super::{Ambient, Closing, Probe, StopSignal, TransactionLimits, Undo, cause};
use crate::adagio::Southbound;
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{ElementProgress, Principal, ServiceTouched, TransactionRecord, chain};
use crate::plan::{Plan, ServiceChange};
use crate::store::Store;
use futures::future::{Either, select};
use futures::poll;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is to be made true.
pub struct TransactionRequest {
    /// UUID version 7.
    pub id: String,
    /// The plan.
    pub plan: Plan,
    /// Who asks.
    pub principal: Principal,
    /// For people: what it is for.
    pub summary: String,
    /// What becomes durable with the decision and with the end.
    pub closing: Arc<dyn Closing>,
    /// Gets every new state of the record, if someone wants to watch.
    pub progress: Option<watch::Sender<Progress>>,
    /// Sessions that read for the plan, to go on with.
    pub opened: Opened,
}

/// Runs transactions. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Runner {
    pub(super) store: Arc<dyn Store>,
    pub(super) epoch: u64,
    pub(super) ambient: Arc<dyn Ambient>,
    pub(super) undo: Arc<dyn Undo>,
    pub(super) probe: Arc<dyn Probe>,
    pub(super) queues: Queues,
    pub(super) limits: TransactionLimits,
    pub(super) paces: Paces,
}

impl Runner {
    /// A runner that writes under this lease.
    pub fn new(
        store: Arc<dyn Store>,
        epoch: u64,
        ambient: Arc<dyn Ambient>,
        undo: Arc<dyn Undo>,
        probe: Arc<dyn Probe>,
        limits: TransactionLimits,
    ) -> Self {
        Self { store, epoch, ambient, undo, probe, queues: Queues::default(), limits, paces: Paces::default() }
    }

    /// The queues of the elements, and what unresolved transactions hold.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Makes the plan true on all its elements, or on none, or says otherwise. The record always has an outcome.
    pub async fn run(
        &self,
        request: TransactionRequest,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
        stop: StopSignal,
    ) -> TransactionRecord {
        let members = request.plan.elements.iter();
        let members = members.map(|of| (of.element.clone(), ElementProgress::untouched(of.class)));
        let record = TransactionRecord {
            plan: request.plan.id.clone(),
            elements: members.collect(),
            summary: request.summary.clone(),
            services: touched(&request.plan),
            ..TransactionRecord::new(&request.id, request.principal.clone(), self.ambient.now())
        };
        let mut ride = Ride::new(self, record, request.closing, request.progress);
        let Some(_mark) = self.queues.mark(&request.id) else {
            return ride.refused(cause(CauseKind::Internal, None, "a transaction of this id is running already"));
        };
        // Recovery would take what this one sends for what that one sent.
        match self.store.journal(&request.id).await {
            Ok(known) if known.is_empty() => {}
            Ok(_) => {
                let message = "a transaction of this id has a journal already; nothing was done";
                return ride.refused(cause(CauseKind::Internal, None, message));
            }
            Err(error) => return ride.refused(cause(CauseKind::Internal, None, chain(&error))),
        }
        // Nothing was sent yet, so a record that is lost with the power is no loss.
        if let Err(error) = ride.write_planned(&request.plan).await {
            return ride.refused(cause(CauseKind::Internal, None, chain(&error)));
        }
        let taken = self.take_turns(&request.plan, elements, request.opened, &stop).await;
        let (crews, turns) = match taken {
            Ok(taken) => taken,
            Err(cause) => return ride.end_unsent(cause).await,
        };
        let classes = request.plan.elements.iter().map(|of| (of.element.clone(), of.class));
        let checked = request.plan.elements.iter().filter(|of| !of.checks.is_empty()).map(|of| of.element.as_str());
        ride.window = self.paces.window(&request.plan, &self.limits);
        let machine = Machine::new(classes, ride.window).with_checks(checked);
        ride.drive(machine, crews, &request.plan, stop).await;
        drop(turns);
        ride.record
    }

    /// Waits for the elements' queues; everything that speaks against a start is said here.
    async fn take_turns(
        &self,
        plan: &Plan,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
        mut opened: Opened,
        stop: &StopSignal,
    ) -> Result<(BTreeMap<String, Crew>, Turns), Cause> {
        let names = plan.elements.iter().map(|of| of.element.as_str());
        let stopped = async {
            match select(pin!(stop.stopped()), pin!(stop.cancelled())).await {
                Either::Left((cause, _)) | Either::Right((cause, _)) => cause,
            }
        };
        let mut turns = pin!(self.queues.turns(names));
        let turns = match poll!(turns.as_mut()) {
            Poll::Ready(turns) => turns,
            Poll::Pending => {
                // No session is kept from those whose turn it is.
                opened.end().await;
                match select(turns, pin!(stopped)).await {
                    Either::Left((turns, _)) => turns,
                    Either::Right((cause, _)) => return Err(cause),
                }
            }
        };
        if let Some((holder, element, path)) = self.queues.holder(plan) {
            let message = format!("{path} is held by the unresolved transaction {holder}; resolve it first");
            let path = Some(path.to_string());
            opened.end().await;
            return Err(Cause { path, ..cause(CauseKind::Held, Some(&element), message) });
        }
        let mut crews = self.crews(plan, elements)?;
        for (name, crew) in &mut crews {
            if let Some(writer) = opened.take(name) {
                crew.go_on(writer);
            }
        }
        Ok((crews, turns))
    }

    /// One crew per element of the plan.
    pub(super) fn crews(
        &self,
        plan: &Plan,
        elements: &BTreeMap<String, Arc<dyn Southbound>>,
    ) -> Result<BTreeMap<String, Crew>, Cause> {
        let crews = plan.elements.iter().map(|of| {
            let Some(south) = elements.get(&of.element) else {
                let message = "no session can be opened: not in the inventory";
                return Err(cause(CauseKind::Unreachable, Some(&of.element), message));
            };
            let mut crew = Crew::new(of.clone(), south.clone());
            crew.ours = self.queues.sessions(&of.element);
            crew.stale = self.queues.stale(&of.element);
            Ok((of.element.clone(), crew))
        });
        crews.collect()
    }

    pub(super) fn tools(&self) -> Tools {
        Tools {
            ambient: self.ambient.clone(),
            probe: self.probe.clone(),
            limits: self.limits.clone(),
            undo: self.undo.clone(),
            turned_back: CancellationToken::new(),
            attempts: ATTEMPTS,
            lease: Lease { store: self.store.clone(), epoch: self.epoch },
        }
    }
}

/// What the plan does to which service.
fn touched(plan: &Plan) -> Vec<ServiceTouched> {
    let touched = |change: &ServiceChange| ServiceTouched { key: change.key.clone(), effect: change.effect.into() };
    plan.services.iter().map(touched).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Callers spawn it; a borrow across an await must not take that from them.
    #[test]
    fn a_run_can_move_between_threads() {
        fn can_move<T: Send>(_: &dyn Fn(&'static Runner, TransactionRequest) -> T) {}
        static NONE: BTreeMap<String, Arc<dyn Southbound>> = BTreeMap::new();
        can_move(&|runner, request| runner.run(request, &NONE, StopSignal::new()));
    }
}
