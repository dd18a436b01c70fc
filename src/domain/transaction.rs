//! What is kept of a transaction: its record, its progress per element and the records of its journal.

use super::document::{Effect, ServiceKey};
use super::element::Class;
use super::outcome::{Cause, Outcome};
use super::principal::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The phases, in order. A phase is durable before its sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The plan is kept; nothing was sent.
    Planned,
    /// Elements are being, or are, locked.
    Locked,
    /// Payloads stand in candidates; class C and D elements were only checked.
    Prepared,
    /// Payloads were committed (confirmed commit on class A).
    Applied,
    /// Read back from fresh sessions and found right.
    Verified,
    /// The decision to keep it. Before it: presumed abort. After it: roll forward only.
    Decided,
    /// Confirmed and saved on the elements.
    Confirmed,
    /// Unlocked, recorded, published.
    Closed,
}

impl Phase {
    /// As it is told to people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Planned => "planned",
            Phase::Locked => "locked",
            Phase::Prepared => "prepared",
            Phase::Applied => "applied",
            Phase::Verified => "verified",
            Phase::Decided => "decided",
            Phase::Confirmed => "confirmed",
            Phase::Closed => "closed",
        }
    }
}

/// Where one element stands in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Nothing was sent.
    Untouched,
    /// Locked.
    Locked,
    /// The payload stands in the candidate.
    Prepared,
    /// Sent; whether it took is not known.
    Unknown,
    /// Committed, not yet confirmed or decided.
    Applied,
    /// Read back and right.
    Verified,
    /// Confirmed: the new state stays.
    Confirmed,
    /// Brought back to what it was.
    Restored,
    /// Neither before nor after: somebody else's value, left alone.
    Conflict,
    /// Not brought to the side of the others: what it has stands, by an operator's word.
    Accepted,
}

/// Progress of one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ElementProgress {
    /// Class at plan time.
    pub class: Class,
    /// Where it stands.
    pub turn: Turn,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Lines that the element would not take back because an object outside its configuration still lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residue: Vec<String>,
    /// The id of our session at the element, once it is journaled: whoever recovers may end it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u32>,
    /// What others changed outside the plan while our commit was not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ForeignChange>,
    /// State of the element before and after the change, as far as it was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckValue>,
    /// It would not save what the transaction made of it, so a restart would lose it; it is tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsaved: bool,
}

impl ElementProgress {
    /// An element to which nothing was sent.
    pub fn untouched(class: Class) -> Self {
        Self {
            class,
            turn: Turn::Untouched,
            detail: None,
            residue: Vec::new(),
            session: None,
            foreign: Vec::new(),
            checks: Vec::new(),
            unsaved: false,
        }
    }
}

/// A path outside the plan that somebody else changed while our commit was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ForeignChange {
    /// Where.
    pub path: String,
    /// Whether our way back took it along.
    pub reverted: bool,
}

/// One value of an element's state, before and after the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckValue {
    /// Name of the adapter's reader.
    pub check: String,
    /// What it is the state of: an interface, a session, a table.
    pub subject: String,
    /// Before; `None` = it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// After; `None` = not read, or gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What was made of it.
    pub verdict: CheckVerdict,
}

/// What is made of a value of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Read before the change only, so far.
    Open,
    /// No worse than before.
    Good,
    /// Worse than before: a reason to turn back.
    Failed,
    /// It is no longer there; the change took it away.
    Gone,
}

/// One attempt to make a plan true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TransactionRecord {
    /// UUID version 7.
    pub id: String,
    /// The plan's id.
    pub plan: String,
    /// The last durable phase.
    pub phase: Phase,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// Who asked.
    pub principal: Principal,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Where each element stands.
    pub elements: BTreeMap<String, ElementProgress>,
    /// In words, for people: what is being done, or what it was for.
    pub summary: String,
    /// When the decision was written; `None` = it never was, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Timestamp>,
    /// The attempt that went on with the same request, because what this one had read had moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_by: Option<String>,
    /// How it was asked for.
    #[serde(default, skip_serializing_if = "Origin::is_plain")]
    pub origin: Origin,
    /// The services that it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceTouched>,
    /// What operators have said about it while it was unresolved, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolutions: Vec<Resolution>,
}

impl TransactionRecord {
    /// One that has not begun: of it nothing is known but its name and who asks.
    pub fn new(id: &str, principal: Principal, now: Timestamp) -> Self {
        Self {
            id: id.into(),
            plan: String::new(),
            phase: Phase::Planned,
            outcome: None,
            principal,
            started: now,
            finished: None,
            elements: BTreeMap::new(),
            summary: String::new(),
            decided: None,
            continued_by: None,
            origin: Origin::default(),
            services: Vec::new(),
            resolutions: Vec::new(),
        }
    }
}

/// How a transaction was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// The caller's own name of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Elements of its services that were away: what concerns them waits in their queues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<String>,
}

impl Origin {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What a transaction does to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceTouched {
    /// Which.
    pub key: ServiceKey,
    /// What.
    pub effect: Effect,
}

/// What an operator said about one element of an unresolved transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resolution {
    /// Which element.
    pub element: String,
    /// What.
    pub offer: Offer,
    /// Who, with the ticket.
    pub principal: Principal,
    /// When.
    pub at: Timestamp,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The three offers for an element that recovery could not bring to its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// Recovery tries again now.
    Retry,
    /// What the element has stands; nothing is sent, what differs is noted as a deviation.
    AcceptActual,
    /// Its side is sent also over values of somebody else.
    ForceIntent,
}

impl Offer {
    /// As module `andante` and the command write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Offer::Retry => "retry",
            Offer::AcceptActual => "accept-actual",
            Offer::ForceIntent => "force-intent",
        }
    }
}

/// Digests of the paths that a plan touches on one element, and of nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedDigests {
    /// As the plan found them.
    pub before: String,
    /// As it leaves them.
    pub after: String,
}

impl JournalRecord {
    /// The intent of a phase, with nothing more to say.
    pub fn intent(phase: Phase, epoch: Option<u64>) -> Self {
        Self::Intent { phase, persist: BTreeMap::new(), epoch, touched: BTreeMap::new() }
    }
}

/// One record of the journal, durable in the order in which it was appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum JournalRecord {
    /// Intent of a phase for all its elements; durable before the first send of that phase.
    Intent {
        /// The phase that begins.
        phase: Phase,
        /// The persist-ids of the confirmed commits that are going to be made, by element (phase `prepared`; journals of
        /// earlier versions have them in `applied`).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        persist: BTreeMap<String, String>,
        /// The epoch of the lease under which it is written; journals of earlier versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// What the plan touches on each element, before and after, in digests (phase `prepared`).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        touched: BTreeMap<String, TouchedDigests>,
    },
    /// What one element answered.
    Result {
        /// Which element.
        element: String,
        /// Where it stands now.
        progress: ElementProgress,
    },
    /// Work turned to undoing.
    Abort {
        /// Why.
        cause: Cause,
    },
    /// The end.
    Closed {
        /// How.
        outcome: Outcome,
    },
}
