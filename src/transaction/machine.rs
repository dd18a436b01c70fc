//! The transaction as a pure state machine: what to do next, never how.
//!
//! ```text
//!  Planned ─begin─► Locking ═► Preparing ═► Applying ═► Verifying (─► Checking) ═► Deciding ─► Confirming ─► Closing ─► Closed
//!                      │           │           │            │            │           │            ▲
//!                      └───────────┴── fails, refuses, lost, cancelled ──┘           └─ parked ───┤
//!                                                   ▼                                             │
//!                                              Restoring ─────────────────────────────────────────┘
//!  ═► a barrier: all elements answered, then the intent of the next phase is durable, then its sends
//!  any state ─lease lost─► Abandoned (nothing is sent any more; whoever holds the lease recovers)
//! ```
//!
//! Per element: `Untouched → Locked → Prepared → Applied → Verified → Confirmed`; on the way back `Restored`; `Unknown`
//! when an answer did not come; `Conflict` when somebody else's value stands there, until an operator has it `Accepted`.
//!
//! In Applying the class A elements go first, together; then B, C and D, one at a time; the first error stops it. While
//! slow elements work, the timers of confirmed commits are started anew.
//!
//! Guarantees: presumed abort before `Deciding` is written, roll forward only after; nothing is sent in a phase before
//! its intent is written; an element has one verb in flight at most. PURE: time is an argument (time since the start).
//!
//! Recovery starts the same machine in the middle: [`Machine::backward`] and [`Machine::forward`].

mod alphabet;
mod member;

pub use alphabet::{Act, Answer, Event, Illegal, Record, State, Verb};

use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Class, ElementProgress, Outcome, Phase, Turn};
use alphabet::label;
use member::Member;
use std::collections::BTreeMap;
use std::time::Duration;

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    members: BTreeMap<String, Member>,
    cause: Option<Cause>,
    writing: Option<Record>,
    // The decision stands; of an abandoned one, perhaps.
    decided: bool,
    window: Duration,
    // The time of the present step.
    now: Duration,
}

impl Machine {
    /// A new transaction over these elements. `window` is the time of a confirmed commit.
    pub fn new(elements: impl IntoIterator<Item = (String, Class)>, window: Duration) -> Self {
        let members = elements.into_iter().map(|(name, class)| {
            let progress = ElementProgress::untouched(class);
            (name, Member::at(progress))
        });
        Self {
            state: State::Planned,
            members: members.collect(),
            cause: None,
            writing: None,
            decided: false,
            window,
            now: Duration::ZERO,
        }
    }

    /// The same, with the state of these elements compared before the decision.
    pub fn with_checks<'a>(mut self, elements: impl IntoIterator<Item = &'a str>) -> Self {
        for name in elements {
            if let Some(member) = self.members.get_mut(name) {
                member.to_check = true;
            }
        }
        self
    }

    /// A transaction that died before its decision: after `Begin` every element whose turn is not `Untouched` is brought
    /// back by reading it.
    pub fn backward(elements: impl IntoIterator<Item = (String, ElementProgress)>, cause: Cause) -> Self {
        Self { state: State::Restoring, cause: Some(cause), ..Self::resumed(elements) }
    }

    /// A transaction that died after its decision: after `Begin` every element is brought forward by reading it.
    pub fn forward(elements: impl IntoIterator<Item = (String, ElementProgress)>) -> Self {
        Self { state: State::Confirming, decided: true, ..Self::resumed(elements) }
    }

    fn resumed(elements: impl IntoIterator<Item = (String, ElementProgress)>) -> Self {
        let members = elements.into_iter().map(|(name, progress)| (name, Member::at(progress)));
        let mut machine = Self::new([], Duration::ZERO);
        machine.members = members.collect();
        machine
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Where each element stands.
    pub fn progress(&self) -> BTreeMap<String, ElementProgress> {
        self.members.iter().map(|(name, member)| (name.clone(), member.progress.clone())).collect()
    }

    /// Where one element stands.
    pub fn progress_of(&self, element: &str) -> Option<ElementProgress> {
        self.members.get(element).map(|member| member.progress.clone())
    }

    /// Why it turned back, or what keeps it from ending.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// How it ended, once it is closing or closed; also for an abandoned one.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.state == State::Abandoned {
            let elements = self.names(|member| member.progress.turn != Turn::Untouched);
            let cause = self.cause_or_internal();
            return Some(if elements.is_empty() && !self.decided {
                Outcome::NotApplied { cause }
            } else {
                Outcome::Unresolved { elements, cause }
            });
        }
        if self.state < State::Closing {
            return None;
        }
        let open = self.names(|member| matches!(member.progress.turn, Turn::Unknown | Turn::Conflict));
        Some(if !open.is_empty() {
            Outcome::Unresolved { elements: open, cause: self.cause_or_internal() }
        } else if self.decided {
            Outcome::Applied
        } else {
            Outcome::NotApplied { cause: self.cause_or_internal() }
        })
    }

    /// When a `Tick` is due, if nothing else happens.
    pub fn next_tick(&self) -> Option<Duration> {
        if !matches!(self.state, State::Applying | State::Verifying | State::Checking) {
            return None;
        }
        self.members.values().filter(|member| member.busy.is_none()).filter_map(|member| member.extend_at).min()
    }

    /// One step.
    ///
    /// # Errors
    /// [`Illegal`] when the event cannot happen in this state; the machine is unchanged then.
    pub fn step(&mut self, now: Duration, event: Event) -> Result<Vec<Act>, Illegal> {
        use State::{
            Abandoned, Applying, Checking, Closed, Closing, Confirming, Deciding, Locking, Planned, Preparing,
            Restoring, Verifying,
        };
        let illegal = Illegal { state: self.state, event: label(&event) };
        self.now = now;
        match (self.state, event) {
            // The way forward.
            (Planned, Event::Begin) if self.members.is_empty() => Ok(self.enter(Deciding, Phase::Decided)),
            (Planned, Event::Begin) => Ok(self.enter(Locking, Phase::Locked)),
            (Locking | Preparing | Applying | Verifying | Deciding, Event::Written(record)) => {
                if self.writing != Some(record) {
                    return Err(illegal);
                }
                self.writing = None;
                Ok(self.written(now))
            }
            (Locking | Preparing | Applying | Verifying | Checking, Event::Answered { element, verb, answer }) => {
                self.take(&element, verb, &answer).ok_or(illegal)?;
                match (verb, answer) {
                    (_, Answer::Done { .. }) => Ok(self.carry_on(now)),
                    (_, Answer::Refused(cause) | Answer::Lost(cause) | Answer::Conflict(cause)) => {
                        Ok(self.turn_back(cause))
                    }
                }
            }
            // The way on after the decision.
            (Confirming, Event::Begin) => Ok(self.settle()),
            (Confirming | Restoring, Event::Answered { element, verb, answer }) => {
                self.take(&element, verb, &answer).ok_or(illegal)?;
                Ok(self.settle())
            }
            // The way back.
            (Restoring, Event::Begin) => Ok(self.settle()),
            (Restoring, Event::Written(record) | Event::WriteFailed(record, _)) => {
                if self.writing != Some(record) {
                    return Err(illegal);
                }
                self.writing = None;
                Ok(self.settle())
            }
            (Locking | Preparing | Applying | Verifying | Deciding, Event::WriteFailed(record, cause)) => {
                if self.writing != Some(record) {
                    return Err(illegal);
                }
                self.writing = None;
                Ok(self.turn_back(cause))
            }
            (Planned, Event::Stop(cause)) => {
                self.state = Closing;
                self.cause = Some(cause);
                Ok(self.close())
            }
            (Locking | Preparing, Event::Stop(cause)) => Ok(self.turn_back(cause)),
            // Until the decision a person may cancel; a stop of the daemon waits for the end.
            (Applying | Verifying | Checking, Event::Stop(cause)) if cause.kind == CauseKind::Cancelled => {
                Ok(self.turn_back(cause))
            }
            (
                Applying | Verifying | Checking | Deciding | Confirming | Restoring | Closing | Closed | Abandoned,
                Event::Stop(_),
            ) => Ok(Vec::new()),
            // The end.
            (Closing, Event::Answered { element, verb, answer }) => {
                self.take(&element, verb, &answer).ok_or(illegal)?;
                Ok(self.close())
            }
            (Closing, Event::Written(Record::End) | Event::WriteFailed(Record::End, _))
                if self.writing == Some(Record::End) =>
            {
                // A lost end is written again by recovery, which finds everything as it should be.
                self.writing = None;
                self.state = Closed;
                Ok(Vec::new())
            }
            // Hands off.
            (
                Planned | Locking | Preparing | Applying | Verifying | Checking | Deciding | Confirming | Restoring
                | Closing,
                Event::HandsOff(cause),
            ) => {
                self.cause = Some(cause);
                self.decided |= self.writing.take() == Some(Record::Intent(Phase::Decided));
                self.state = Abandoned;
                Ok(vec![Act::GiveUp, Act::Abandon])
            }
            (Abandoned, Event::HandsOff(_)) => Ok(Vec::new()),
            (Abandoned, Event::Answered { element, verb, answer }) => {
                self.take(&element, verb, &answer).ok_or(illegal)?;
                Ok(Vec::new())
            }
            // Time.
            (Applying | Verifying | Checking, Event::Tick) => Ok(self.extend(now)),
            (
                Planned | Locking | Preparing | Deciding | Confirming | Restoring | Closing | Closed | Abandoned,
                Event::Tick,
            ) => Ok(Vec::new()),
            // Illegal: begun twice; an answer or a write where none was asked for; anything after the end.
            (
                Locking | Preparing | Applying | Verifying | Checking | Deciding | Closing | Closed | Abandoned,
                Event::Begin,
            )
            | (Planned | Deciding | Closed, Event::Answered { .. })
            | (
                Planned | Checking | Confirming | Closing | Closed | Abandoned,
                Event::Written(_) | Event::WriteFailed(..),
            )
            | (Closed, Event::HandsOff(_)) => Err(illegal),
        }
    }

    /// Enters a phase: its intent is written before anything is sent.
    fn enter(&mut self, state: State, phase: Phase) -> Vec<Act> {
        self.state = state;
        self.writing = Some(Record::Intent(phase));
        vec![Act::Write(Record::Intent(phase))]
    }

    /// The intent of the present phase is written: its sends.
    fn written(&mut self, now: Duration) -> Vec<Act> {
        match self.state {
            State::Locking => self.send_all(Verb::Lock),
            State::Preparing => self.send_all(Verb::Prepare),
            State::Applying => self.carry_on(now),
            State::Verifying => self.send_all(Verb::Verify),
            State::Deciding => {
                self.decided = true;
                self.state = State::Confirming;
                self.settle()
            }
            _ => Vec::new(),
        }
    }

    /// After a good answer: the next sends, or the next phase when the barrier is reached.
    fn carry_on(&mut self, _now: Duration) -> Vec<Act> {
        let all = |machine: &Self, turn: Turn| {
            machine.members.values().all(|member| member.progress.turn == turn && member.busy.is_none())
        };
        match self.state {
            State::Locking if all(self, Turn::Locked) => self.enter(State::Preparing, Phase::Prepared),
            State::Preparing if all(self, Turn::Prepared) => self.enter(State::Applying, Phase::Applied),
            State::Applying if self.writing.is_none() => {
                if self.members.values().all(|member| member.progress.turn == Turn::Applied) {
                    return if all(self, Turn::Applied) {
                        self.enter(State::Verifying, Phase::Verified)
                    } else {
                        Vec::new()
                    };
                }
                self.next_wave()
            }
            // Comparing the state changes nothing, so no intent is written for it.
            State::Verifying if all(self, Turn::Verified) && self.members.values().any(|member| member.to_check) => {
                self.state = State::Checking;
                let checked = self.names(|member| member.to_check);
                checked.into_iter().filter_map(|name| self.send(name, Verb::Check)).collect()
            }
            State::Verifying if all(self, Turn::Verified) => self.enter(State::Deciding, Phase::Decided),
            State::Checking if all(self, Turn::Verified) && !self.members.values().any(|member| member.to_check) => {
                self.enter(State::Deciding, Phase::Decided)
            }
            _ => Vec::new(),
        }
    }

    /// Class A together; then the others in order of class and name, one at a time.
    fn next_wave(&mut self) -> Vec<Act> {
        let waiting = |member: &Member| member.progress.turn == Turn::Prepared;
        if self.members.values().any(|member| member.busy == Some(Verb::Apply)) {
            return Vec::new();
        }
        let Some(class) = self.members.values().filter(|m| waiting(m)).map(|m| m.progress.class).min() else {
            return Vec::new();
        };
        let mut next = self.names(|member| waiting(member) && member.progress.class == class);
        if class != Class::A {
            next.truncate(1);
        }
        next.into_iter().filter_map(|name| self.send(name, Verb::Apply)).collect()
    }

    /// Starts the timers anew whose half is over.
    fn extend(&mut self, now: Duration) -> Vec<Act> {
        let due = self.names(|member| member.busy.is_none() && member.extend_at.is_some_and(|at| at <= now));
        due.into_iter().filter_map(|name| self.send(name, Verb::Extend)).collect()
    }

    /// Turns back. What is in flight is waited for; its answer tells where the element stands.
    fn turn_back(&mut self, cause: Cause) -> Vec<Act> {
        self.state = State::Restoring;
        self.cause.get_or_insert(cause);
        let mut acts = vec![Act::GiveUp];
        acts.extend(self.settle());
        acts
    }

    /// In Restoring and Confirming: what each idle element still needs; the end when none needs anything.
    fn settle(&mut self) -> Vec<Act> {
        if self.writing.is_some() {
            return Vec::new();
        }
        let mut acts = Vec::new();
        let idle = self.names(|member| member.busy.is_none() && !member.settled);
        // The way back begins when the way forward has come to rest.
        if self.state == State::Restoring
            && self
                .members
                .values()
                .any(|m| m.busy.is_some_and(|v| !matches!(v, Verb::Withdraw | Verb::Restore | Verb::Release)))
        {
            return acts;
        }
        for name in idle {
            let Some(member) = self.members.get_mut(&name) else { continue };
            let verb = match (self.state, member.progress.turn) {
                (_, Turn::Accepted)
                | (State::Restoring, Turn::Untouched | Turn::Restored)
                | (State::Confirming, Turn::Confirmed) => None,
                (State::Restoring, Turn::Locked) => Some(Verb::Release),
                (State::Restoring, Turn::Prepared) => Some(Verb::Withdraw),
                (State::Restoring, _) => Some(Verb::Restore),
                (_, Turn::Verified) => Some(Verb::Confirm),
                (_, _) => Some(Verb::Advance),
            };
            match verb {
                None => member.settled = true,
                Some(verb) => acts.extend(self.send(name, verb)),
            }
        }
        if self.members.values().all(|member| member.settled && member.busy.is_none()) {
            let sessions = if self.state == State::Confirming {
                self.names(|member| member.progress.turn == Turn::Confirmed)
            } else {
                Vec::new()
            };
            self.state = State::Closing;
            acts.extend(sessions.into_iter().filter_map(|name| self.send(name, Verb::Release)));
            acts.extend(self.close());
        }
        acts
    }

    /// In Closing: the end is written when no session is left.
    fn close(&mut self) -> Vec<Act> {
        if self.writing.is_some() || self.members.values().any(|member| member.busy.is_some()) {
            return Vec::new();
        }
        self.writing = Some(Record::End);
        vec![Act::Write(Record::End)]
    }

    fn send(&mut self, name: String, verb: Verb) -> Option<Act> {
        let member = self.members.get_mut(&name)?;
        (member.busy, member.asked) = (Some(verb), self.now);
        Some(Act::Send(name, verb))
    }

    fn send_all(&mut self, verb: Verb) -> Vec<Act> {
        self.names(|_| true).into_iter().filter_map(|name| self.send(name, verb)).collect()
    }

    fn names(&self, which: impl Fn(&Member) -> bool) -> Vec<String> {
        self.members.iter().filter(|(_, member)| which(member)).map(|(name, _)| name.clone()).collect()
    }

    fn cause_or_internal(&self) -> Cause {
        self.cause.clone().unwrap_or_else(|| Cause {
            kind: CauseKind::Internal,
            element: None,
            path: None,
            sent: None,
            says: None,
            message: "the transaction ended without a cause".into(),
        })
    }
}

#[cfg(test)]
mod tests;
