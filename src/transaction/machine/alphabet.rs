//! What the machine is told and what it says: its states, the events that go in, the acts that come out.

use crate::domain::Phase;
use crate::domain::outcome::Cause;

/// Where the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing happened yet.
    Planned,
    /// Locks are being taken.
    Locking,
    /// Payloads go where they can still be refused.
    Preparing,
    /// Payloads become the running configuration.
    Applying,
    /// Everything is read back from fresh sessions.
    Verifying,
    /// The state of the elements is compared with what it was, where the plan asks for it.
    Checking,
    /// The decision is being written.
    Deciding,
    /// The decision stands; elements are told to keep it.
    Confirming,
    /// Elements are brought back.
    Restoring,
    /// Locks are given back, the end is being written.
    Closing,
    /// The end.
    Closed,
    /// The lease is lost, or the store does not say what it holds: hands off.
    Abandoned,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Start.
    Begin,
    /// A write is durable (or, for lazy ones, accepted).
    Written(Record),
    /// A write failed and surely did not happen.
    WriteFailed(Record, Cause),
    /// The lease is lost, or nobody knows whether a write happened: nothing may be sent any more.
    HandsOff(Cause),
    /// An element answered.
    Answered {
        /// Which.
        element: String,
        /// To what.
        verb: Verb,
        /// What.
        answer: Answer,
    },
    /// The daemon is to stop, or someone cancels.
    Stop(Cause),
    /// Time passed.
    Tick,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// The intent of a phase; [`Phase::Decided`] is the decision.
    Intent(Phase),
    /// The end, or, when elements are unresolved, that it cannot end yet.
    End,
}

/// What is to be done with one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Open a session that writes and lock.
    Lock,
    /// Check the read-set, hand over the payload.
    Prepare,
    /// Commit (class A: confirmed).
    Apply,
    /// Read back from a fresh session.
    Verify,
    /// Compare the element's state with what it was before.
    Check,
    /// Start the timer of the confirmed commit anew.
    Extend,
    /// Keep it (class A), save it.
    Confirm,
    /// By reading: keep it, or make it so again. Only after the decision.
    Advance,
    /// Empty the candidate, unlock, end the session.
    Withdraw,
    /// By reading: cancel or undo until it is as before, unlock, end the session.
    Restore,
    /// Unlock and end the session.
    Release,
}

impl Verb {
    /// Its name in the points of a transaction.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Lock => "lock",
            Verb::Prepare => "prepare",
            Verb::Apply => "apply",
            Verb::Verify => "verify",
            Verb::Check => "check",
            Verb::Extend => "extend",
            Verb::Confirm => "confirm",
            Verb::Advance => "advance",
            Verb::Withdraw => "withdraw",
            Verb::Restore => "restore",
            Verb::Release => "release",
        }
    }
}

/// How a verb ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Well.
    Done {
        /// Something worth telling.
        detail: Option<String>,
        /// Busy lines that were left.
        residue: Vec<String>,
    },
    /// It did not happen.
    Refused(Cause),
    /// Not known, or only in part; the session may be gone.
    Lost(Cause),
    /// Somebody else's value stands there, or an undo was refused: left alone.
    Conflict(Cause),
}

impl Answer {
    /// Done, without anything to tell.
    pub fn done() -> Self {
        Answer::Done { detail: None, residue: Vec::new() }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Write a record.
    Write(Record),
    /// Send a verb to an element.
    Send(String, Verb),
    /// Stop waiting for locks and retries: the transaction has turned back.
    GiveUp,
    /// Drop all sessions without another word.
    Abandon,
}

/// An event that cannot happen in this state: a fault of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction: event {event} is illegal in state {state:?}")]
pub struct Illegal {
    /// The state.
    pub state: State,
    /// The event.
    pub event: String,
}

pub(super) fn label(event: &Event) -> String {
    match event {
        Event::Begin => "begin".into(),
        Event::Written(record) => format!("written {record:?}"),
        Event::WriteFailed(record, _) => format!("write failed {record:?}"),
        Event::HandsOff(_) => "hands off".into(),
        Event::Answered { element, verb, .. } => format!("answer of {element} to {verb:?}"),
        Event::Stop(_) => "stop".into(),
        Event::Tick => "tick".into(),
    }
}
