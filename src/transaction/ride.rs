//! One transaction on its way: drives the machine, writes what it wants written, sends what it wants sent, tells it what came
//! of it.
//!
//! Flow: `machine → acts → events → machine` until it is closed. Verbs of different elements run at the same time in one
//! task; store commits are awaited in place (a few milliseconds, at the barriers).
//!
//! Guarantees: an intent is durable before the sends of its phase (`writing`); with the lease lost nothing is sent any more.

mod writing;

use super::crew::{Crew, Report, Tools};
use super::machine::{Act, Answer, Event, Machine, State, Verb};
use super::progress::{Progress, Timing, patience};
use super::queues::Left;
use super::runner::Runner;
use super::{Closing, StopSignal, cause};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{JournalRecord, Outcome, TransactionRecord};
use crate::plan::Plan;
use futures::future::{BoxFuture, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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
    pub(super) window: Duration,
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
        self.come_to_rest(&machine, plan);
    }

    /// What the next one on these elements has to know, and the outcome.
    fn come_to_rest(&mut self, machine: &Machine, plan: &Plan) {
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
            let those = |which: &dyn Fn(&Crew) -> bool| {
                self.idle.iter().filter(|(_, crew)| which(crew)).map(|(name, _)| name.clone()).collect()
            };
            let (clean, cancelled) = (those(&|crew| !crew.edited), those(&Crew::has_cancelled));
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
        let point = format!("{}:{element}", verb.word());
        self.flights.push(Box::pin(async move {
            probe.at(&format!("before-{point}")).await;
            let answer = crew.perform(verb, &tools).await;
            probe.at(&format!("after-{point}")).await;
            (crew, verb, answer)
        }));
    }

    /// Ends a transaction of which nothing was sent.
    pub(super) async fn end_unsent(mut self, cause: Cause) -> TransactionRecord {
        let mut machine = Machine::backward([], cause);
        machine.step(self.runner.ambient.elapsed(), Event::Begin).unwrap_or_default();
        let probe = self.runner.probe.clone();
        probe.at("before-end-unsent").await;
        let written = self.write_end(&machine).await;
        probe.at("after-end-unsent").await;
        if let Err(writing::Unwritten::Not(error) | writing::Unwritten::HandsOff(error)) = written {
            tracing::error!(transaction = %self.record.id, %error, "the end is not written; recovery will write it");
        }
        self.publish();
        self.record
    }

    pub(super) fn refused(mut self, cause: Cause) -> TransactionRecord {
        self.record.outcome = Some(Outcome::NotApplied { cause });
        self.record.finished = Some(self.runner.ambient.now());
        self.publish();
        self.record
    }

    fn publish(&self) {
        if let Some(progress) = &self.progress {
            progress.send_modify(|shown| shown.follow(&self.record, &self.timing));
        }
    }
}
