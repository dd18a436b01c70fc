//! Every type that is stored or published: elements, deviations, outcomes, journal records, principals, events.
//!
//! Pure data with small judgements. Time and identifiers are values given by the caller; nothing here reads a clock.

mod chain;
pub mod deviation;
pub mod document;
pub mod element;
pub mod error_class;
pub mod event;
pub mod fault;
pub mod inventory;
pub mod map;
pub mod outcome;
pub mod principal;
mod queue;
pub mod rewrite;
pub mod transaction;

pub use chain::chain;
pub use deviation::{Deviation, DeviationKind, Left};
pub use document::{Effect, Gone, Revision, ServiceKey, Stamp, StoredDocument};
pub use element::{Class, Element, ElementState, Port, Reachability, SyncState};
pub use error_class::ErrorClass;
pub use event::{AuditRecord, Event};
pub use fault::{Fault, FaultTag};
pub use inventory::Inventory;
pub use map::{Map, Visits};
pub use outcome::{Cause, Outcome};
pub use principal::{Denied, Principal, Role, Verb, authorize};
pub use queue::{QueuePolicy, QueueState, QueuedChange};
pub use rewrite::{Echo, Rewrite, echoes, read_as};
pub use transaction::{
    CheckValue, CheckVerdict, ElementProgress, ForeignChange, JournalRecord, Offer, Origin, Phase, Resolution,
    ServiceTouched, TouchedDigests, TransactionRecord, Turn,
};
