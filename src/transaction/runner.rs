//! Drives the machine: writes what it wants written, sends what it wants sent, tells it what came of it.
//!
//! Flow: the record is kept, the elements' queues are taken in sorted order, then `machine → acts → events → machine`
//! until it is closed. Verbs of different elements run at the same time in one task; store commits are awaited in place
//! (a few milliseconds, at the barriers).
//!
//! Guarantees: an intent is durable before the sends of its phase; a decision that the store does not surely hold or
//! surely not hold is left to recovery; with the lease lost nothing is sent any more. Whatever happens, [`Runner::run`]
//! returns a record with an outcome.

use super::crew::{ATTEMPTS, Crew, Lease, Report, StaleCandidate, Tools};
use super::journal;
use super::machine::{Act, Answer, Event, Machine, Record, State, Verb};
use super::pace::Paces;
use super::progress::{Progress, Timing, patience};
use super::queues::{Left, Queues, Turns};
use super::{Ambient, Closing, Probe, StopSignal, TransactionLimits, Undo, cause};
use crate::adagio::{Confirm, Southbound};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{
    Class, ElementProgress, JournalRecord, Outcome, Phase, Principal, ServiceTouched, TransactionRecord, Turn, chain,
};
use crate::plan::{Plan, ServiceChange};
use crate::store::{Batch, Durability, Store, StoreError, Table};
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
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
    paces: Paces,
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
        let taken = self.take_turns(&request.plan, elements, &stop).await;
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
        stop: &StopSignal,
    ) -> Result<(BTreeMap<String, Crew>, Turns), Cause> {
        let names = plan.elements.iter().map(|of| of.element.as_str());
        let stopped = async {
            match select(pin!(stop.stopped()), pin!(stop.cancelled())).await {
                Either::Left((cause, _)) | Either::Right((cause, _)) => cause,
            }
        };
        let turns = match select(pin!(self.queues.turns(names)), pin!(stopped)).await {
            Either::Left((turns, _)) => turns,
            Either::Right((cause, _)) => return Err(cause),
        };
        if let Some((holder, element, path)) = self.queues.holder(plan) {
            let message = format!("{path} is held by the unresolved transaction {holder}; resolve it first");
            let path = Some(path.to_string());
            return Err(Cause { path, ..cause(CauseKind::Locked, Some(&element), message) });
        }
        Ok((self.crews(plan, elements)?, turns))
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
            crew.owes_save = self.queues.unsaved(&of.element).is_some();
            Ok((of.element.clone(), crew))
        });
        crews.collect()
    }

    pub(super) fn tools(&self) -> Tools {
        Tools {
            ambient: self.ambient.clone(),
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

type Flight = BoxFuture<'static, (Crew, Verb, Answer)>;

/// One transaction on its way.
pub(super) struct Ride<'a> {
    runner: &'a Runner,
    pub(super) record: TransactionRecord,
    closing: Arc<dyn Closing>,
    progress: Option<watch::Sender<Progress>>,
    timing: Timing,
    tools: Tools,
    /// The time of the confirmed commits of this one.
    window: Duration,
    reports: BTreeMap<String, Report>,
    idle: BTreeMap<String, Crew>,
    flights: FuturesUnordered<Flight>,
    /// What elements answered and the journal does not say yet.
    pub(super) unsaid: Vec<JournalRecord>,
    // How many answers the stored record does not know of.
    unknown: usize,
}

impl<'a> Ride<'a> {
    pub(super) fn new(
        runner: &'a Runner,
        record: TransactionRecord,
        closing: Arc<dyn Closing>,
        progress: Option<watch::Sender<Progress>>,
    ) -> Self {
        Self {
            runner,
            record,
            closing,
            progress,
            timing: Timing::default(),
            tools: runner.tools(),
            window: runner.limits.confirm_window,
            reports: BTreeMap::new(),
            idle: BTreeMap::new(),
            flights: FuturesUnordered::new(),
            unsaid: Vec::new(),
            unknown: 0,
        }
    }

    /// Tries each element once only and waits less for it, because somebody waits for the end.
    pub(super) fn hurry(&mut self, connect: Duration) {
        self.tools.attempts = 1;
        self.tools.limits.connect = self.tools.limits.connect.min(connect);
    }

    /// Runs a machine to its end.
    pub(super) async fn drive(
        &mut self,
        mut machine: Machine,
        crews: BTreeMap<String, Crew>,
        plan: &Plan,
        stop: StopSignal,
    ) {
        self.idle = crews;
        let mut stopped = Some(stop.clone());
        let mut cancelled = Some(stop);
        let mut events = VecDeque::from([Event::Begin]);
        loop {
            let event = match events.pop_front() {
                Some(event) => event,
                None if matches!(machine.state(), State::Closed | State::Abandoned) => break,
                None => self.next_event(&machine, &mut stopped, &mut cancelled).await,
            };
            let noted = match &event {
                Event::Answered { element, .. } => Some(element.clone()),
                _ => None,
            };
            let was = machine.state();
            let acts = match machine.step(self.runner.ambient.elapsed(), event) {
                Ok(acts) => acts,
                Err(illegal) => {
                    tracing::error!(transaction = %self.record.id, %illegal, "a fault of this program");
                    let hands_off = Event::HandsOff(cause(CauseKind::Internal, None, illegal.to_string()));
                    machine.step(self.runner.ambient.elapsed(), hands_off).unwrap_or_default()
                }
            };
            match noted.as_deref().filter(|_| machine.state() == was) {
                // Of an answer that moves nothing else only the one who answered has news.
                Some(element) => {
                    let news = machine.progress_of(element).map(|progress| (element.to_owned(), progress));
                    self.record.elements.extend(news);
                    self.filled(element);
                }
                None => {
                    self.record.elements = machine.progress();
                    for name in self.reports.keys().cloned().collect::<Vec<_>>() {
                        self.filled(&name);
                    }
                }
            }
            if machine.state() != was {
                tracing::debug!(transaction = %self.record.id, state = ?machine.state(), "transaction moves");
                if let (State::Restoring, Some(why)) = (machine.state(), machine.cause()) {
                    self.unsaid.push(JournalRecord::Abort { cause: why.clone() });
                }
            }
            if let Some(element) = noted
                && let Some(progress) = self.record.elements.get(&element).cloned()
            {
                self.unsaid.push(JournalRecord::Result { element, progress });
                self.unknown += 1;
            }
            // What comes next is sent under a lease that still holds. A write looks at it by itself.
            let writes = acts.iter().any(|act| matches!(act, Act::Write(_)));
            if !self.unsaid.is_empty() && !writes && acts.iter().any(|act| matches!(act, Act::Send(..))) {
                events.extend(self.note().await);
            }
            let sends = acts.iter().any(|act| matches!(act, Act::Send(..)));
            for act in acts {
                match act {
                    Act::Send(element, verb) => self.send(&element, verb),
                    Act::GiveUp => self.tools.turned_back.cancel(),
                    Act::Abandon => {
                        self.flights.clear();
                        self.idle.clear();
                    }
                    Act::Write(record) => events.push_back(self.write(record, &machine).await),
                }
            }
            if let (true, Some(progress)) = (sends, &self.progress) {
                progress.send_modify(|shown| shown.awaits(&self.timing));
            }
        }
        for (name, crew) in &mut self.idle {
            self.runner.queues.keep_sessions(name, std::mem::take(&mut crew.ours));
        }
        if self.record.outcome.is_none() {
            self.record.outcome = machine.outcome();
        }
        if let Some(Outcome::Unresolved { elements, .. }) = &self.record.outcome {
            self.runner.queues.hold(&self.record.id, plan, elements);
            for (name, crew) in self.idle.iter_mut().filter(|(name, _)| elements.contains(name)) {
                if let Some(tree) = crew.inside.take() {
                    self.runner.queues.keep_inside(&self.record.id, name, tree);
                }
            }
            let clean = self.idle.iter().filter(|(_, crew)| !crew.edited).map(|(name, _)| name.clone()).collect();
            let cancelled = self.idle.iter().filter(|(_, crew)| crew.has_cancelled()).map(|(name, _)| name.clone());
            let cancelled = cancelled.collect();
            let left = Left { unsaid: std::mem::take(&mut self.unsaid), clean, cancelled };
            self.runner.queues.keep_left(&self.record.id, left);
        } else {
            self.runner.queues.release(&self.record.id);
        }
        self.publish();
    }

    /// Waits for an answer, a stop or the next tick. Hands off when nothing can come any more.
    async fn next_event(
        &mut self,
        machine: &Machine,
        stopped: &mut Option<StopSignal>,
        cancelled: &mut Option<StopSignal>,
    ) -> Event {
        let until = machine.next_tick().map(|at| at.saturating_sub(self.runner.ambient.elapsed()));
        if self.flights.is_empty() && until.is_none() {
            let message = format!("in {:?} nothing is under way: a fault of this program", machine.state());
            tracing::error!(transaction = %self.record.id, message);
            return Event::HandsOff(cause(CauseKind::Internal, None, message));
        }
        // While answers come at once there is nobody to tell; before a wait all is told.
        if !self.unsaid.is_empty() {
            match self.flights.next().now_or_never() {
                Some(Some(came)) => return self.answered(came),
                Some(None) | None => {
                    if let Some(event) = self.note().await {
                        return event;
                    }
                }
            }
        }
        enum Came {
            Answer(Box<(Crew, Verb, Answer)>),
            Stop(Cause),
            Cancel(Cause),
            Tick,
        }
        let came = {
            let answer = async {
                match self.flights.next().await {
                    Some(came) => Came::Answer(Box::new(came)),
                    None => futures::future::pending().await,
                }
            };
            let stop = async {
                match stopped.as_ref() {
                    Some(signal) => Came::Stop(signal.stopped().await),
                    None => futures::future::pending().await,
                }
            };
            let cancel = async {
                match cancelled.as_ref() {
                    Some(signal) => Came::Cancel(signal.cancelled().await),
                    None => futures::future::pending().await,
                }
            };
            let tick = async {
                match until {
                    Some(time) => {
                        self.runner.ambient.sleep(time).await;
                        Came::Tick
                    }
                    None => futures::future::pending().await,
                }
            };
            let told = async { select(pin!(stop), pin!(cancel)).await.factor_first().0 };
            let waited = async { select(pin!(told), pin!(tick)).await.factor_first().0 };
            select(pin!(answer), pin!(waited)).await.factor_first().0
        };
        match came {
            Came::Answer(came) => self.answered(*came),
            Came::Stop(cause) => {
                *stopped = None;
                Event::Stop(cause)
            }
            Came::Cancel(cause) => {
                *cancelled = None;
                Event::Stop(cause)
            }
            Came::Tick => Event::Tick,
        }
    }

    fn answered(&mut self, (crew, verb, answer): (Crew, Verb, Answer)) -> Event {
        let element = crew.name.clone();
        let window = crew.confirm.as_ref().map(|confirm| confirm.timeout);
        self.timing.answered(&element, verb, &answer, window, self.runner.ambient.now());
        self.reports.insert(element.clone(), crew.report.clone());
        if let (Verb::Apply, Some(took)) = (verb, crew.took) {
            self.runner.paces.note(&element, took);
        }
        self.idle.insert(element.clone(), crew);
        Event::Answered { element, verb, answer }
    }

    /// Puts what the crew has to report into the record.
    fn filled(&mut self, element: &str) {
        if let Some((report, progress)) = self.reports.get(element).zip(self.record.elements.get_mut(element)) {
            report.fill(progress);
        }
    }

    fn send(&mut self, element: &str, verb: Verb) {
        let Some(mut crew) = self.idle.remove(element) else {
            tracing::error!(transaction = %self.record.id, element, ?verb, "a verb for an element that is busy");
            return;
        };
        self.timing.asked(element, self.runner.ambient.now(), patience(verb, &crew.limits(&self.tools)));
        let (tools, probe) = (self.tools.clone(), self.runner.probe.clone());
        let point = format!("{verb:?}:{element}").to_lowercase();
        self.flights.push(Box::pin(async move {
            probe.at(&format!("before-{point}")).await;
            let answer = crew.perform(verb, &tools).await;
            probe.at(&format!("after-{point}")).await;
            (crew, verb, answer)
        }));
    }

    /// Writes what the machine wants written; says what came of it.
    async fn write(&mut self, what: Record, machine: &Machine) -> Event {
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
            Err(Unwritten::HandsOff(error)) => return Err(Unwritten::HandsOff(error)),
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
            Err(_) => Err(Unwritten::HandsOff(error)),
        }
    }

    /// The end, or the word that it cannot end yet. Durable: whoever was told an outcome must find it after a loss of
    /// power, also when somebody has changed the element since.
    async fn write_end(&mut self, machine: &Machine) -> Result<(), Unwritten> {
        self.record.outcome = machine.outcome();
        let left = self.left_behind()?;
        if matches!(self.record.outcome, Some(Outcome::Unresolved { .. })) {
            let batch = journal::noted(&self.record, &self.unsaid, None).and_then(|mut batch| {
                batch.extend(left);
                batch.extend(self.closing.closed(&self.record)?);
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
                batch.put(Table::Plans, &journal::unsaved_key(name), &self.record.id).map_err(Unwritten::Not)?;
                self.runner.queues.keep_unsaved(name, &self.record.id);
            } else if crew.owes_save && crew.report.unsaved == Some(false) {
                batch.delete(Table::Plans, &journal::unsaved_key(name));
                self.runner.queues.drop_unsaved(name);
            }
        }
        Ok(batch)
    }

    pub(super) async fn write_planned(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let begun = self.closing.begun(&mut self.record)?;
        let mut batch = journal::planned(&self.record, plan, self.runner.epoch)?;
        batch.extend(begun);
        self.runner.store.commit(self.runner.epoch, batch, Durability::Lazy).await?;
        self.publish();
        Ok(())
    }

    /// Ends a transaction of which nothing was sent.
    pub(super) async fn end_unsent(mut self, cause: Cause) -> TransactionRecord {
        let mut machine = Machine::backward([], cause);
        machine.step(self.runner.ambient.elapsed(), Event::Begin).unwrap_or_default();
        if let Err(Unwritten::Not(error) | Unwritten::HandsOff(error)) = self.write_end(&machine).await {
            tracing::error!(transaction = %self.record.id, %error, "the end is not written; recovery will write it");
        }
        self.publish();
        self.record
    }

    fn refused(mut self, cause: Cause) -> TransactionRecord {
        self.record.outcome = Some(Outcome::NotApplied { cause });
        self.record.finished = Some(self.runner.ambient.now());
        self.publish();
        self.record
    }

    /// A lazy note of what elements answered; a lost one costs recovery a reading, no more. The lease is what matters. The
    /// record of a transaction over many elements is written when a good part of them has answered, not each time.
    async fn note(&mut self) -> Option<Event> {
        let whole = self.unknown * RECORD_SHARE >= self.record.elements.len();
        if whole {
            self.publish();
        }
        let batch = match whole {
            true => journal::noted(&self.record, &self.unsaid, None),
            false => Ok(journal::said(&self.record.id, &self.unsaid)),
        };
        let written = match batch {
            Ok(batch) => self.commit(batch, Durability::Lazy).await,
            Err(error) => Err(Unwritten::Not(error)),
        };
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

    fn publish(&self) {
        if let Some(progress) = &self.progress {
            progress.send_modify(|shown| shown.follow(&self.record, &self.timing));
        }
    }
}

/// The record is written anew when one of so many elements has answered since.
const RECORD_SHARE: usize = 16;

/// How often the end is tried to be written, and the first pause between; each is twice the one before.
const END_TRIES: u32 = 5;
const END_PAUSE: Duration = Duration::from_millis(200);

/// Why something is not written.
enum Unwritten {
    /// It surely is not.
    Not(StoreError),
    /// The lease is lost, or nobody knows.
    HandsOff(StoreError),
}

fn hands_off(error: &StoreError) -> Cause {
    let message = format!("{}; whoever holds the lease reads the elements and finishes", chain(error));
    cause(CauseKind::Interrupted, None, message)
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
