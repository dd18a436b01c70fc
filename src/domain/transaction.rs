//! What is kept of a transaction: its record, its progress per element and the records of its journal.

use super::element::Class;
use super::document::{Effect, ServiceKey};
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
    /// The services that it changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceTouched>,
    /// What operators have said about it while it was unresolved, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolutions: Vec<Resolution>,
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

/// One record of the journal, durable in the order in which it was appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum JournalRecord {
    /// Intent of a phase for all its elements; durable before the first send of that phase.
    Intent {
        /// The phase that begins.
        phase: Phase,
        /// The persist-ids of confirmed commits, by element (phase `applied`).
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        persist: BTreeMap<String, String>,
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
