//! What every driver can do: read an element, write a payload, take it back.
//!
//! A [`Southbound`] stands for one element and opens sessions. A [`Reader`] has no verb that changes anything, so a
//! dry-run that holds only readers cannot write. A [`Writer`] is a session that may: its verbs are the sends of the
//! transaction's phases.
//!
//! Assumptions: one writer per element at a time (the transaction queues). Guarantees: an error says by its [`Effect`]
//! whether the element may have changed; a time-out is always `Unknown`, never "failed", and the session is then dead.

use crate::adapter::manifest::ElementLimits;
use crate::adapter::{Demand, Payload};
use crate::domain::{Class, ErrorClass};
use crate::tree::{ConfigTree, DefaultsMode};
use async_trait::async_trait;
use std::time::Duration;

/// One element, as far as sessions to it go.
#[async_trait]
pub trait Southbound: Send + Sync {
    /// Its name in the inventory.
    fn element(&self) -> &str;
    /// Opens a session that can only read.
    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError>;
    /// Opens a session that can write.
    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError>;
    /// Time limits that differ on this platform.
    fn limits(&self) -> ElementLimits {
        ElementLimits::default()
    }
}

/// A session that reads.
#[async_trait]
pub trait Reader: Send {
    /// What the element can take back, probed from its greeting.
    fn class(&self) -> Class;
    /// A word that changes when the YANG modules of the element change; `None` where there are none.
    fn module_set(&self) -> Option<String> {
        None
    }
    /// The id of this session at the element, by which another one may end it; `None` where there is none.
    fn session(&self) -> Option<u32> {
        None
    }
    /// How long the answers to what follows may take; a driver that has a limit of its own takes this one.
    fn patience(&mut self, limit: Duration) {
        let _ = limit;
    }
    /// Reads the state of the element by these of its adapter's checks.
    async fn read_state(&mut self, checks: &[String]) -> Result<Vec<StateValue>, DriverError> {
        let _ = checks;
        Ok(Vec::new())
    }
    /// Reads the running configuration (at least all that the adapter's templates can touch), normalised.
    async fn read_running(&mut self) -> Result<Reading, DriverError>;
    /// Ends the session in good order; errors do not matter any more.
    async fn close(self: Box<Self>);
}

/// A running configuration as read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Normalised: derived nodes are gone, values canonical, unknown ones opaque.
    pub tree: ConfigTree,
    /// Whether the read proved that it is complete; if not, why. An incomplete read proves nothing.
    pub partial: Option<String>,
    /// Size of what was read, in bytes.
    pub bytes: usize,
    /// What the element makes of leafs that equal their default.
    pub defaults: DefaultsMode,
}

/// A confirmed commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The secret of the transaction by which it is confirmed or cancelled (RFC 6241 §8.4).
    pub persist: String,
    /// The element reverts by itself after this time.
    pub timeout: Duration,
}

/// A session that writes. The verbs stand in the order of the transaction's phases. The table says it for NETCONF and for
/// lines; what a command line with a commit of its own does at each verb is declared by its adapter and told in
/// `adagio/cli/commit.rs`.
///
/// | verb      | A                                   | B              | C                    | D                        |
/// |-----------|-------------------------------------|----------------|----------------------|--------------------------|
/// | `lock`    | running, then candidate             | same           | running              | nothing (the plan says so) |
/// | `prepare` | edit-config candidate, test-then-set | same          | nothing              | nothing                  |
/// | `apply`   | commit confirmed, persist           | commit         | edit-config running  | lines, stop at first error |
/// | `confirm` | commit persist-id                   | nothing        | nothing              | nothing                  |
/// | `save`    | copy to startup where needed        | same           | same                 | `write memory` or alike  |
/// | `unlock`  | candidate, running                  | same           | running              | nothing                  |
#[async_trait]
pub trait Writer: Reader {
    /// Tells the persist-id of the confirmed commit that this session will make, or that an earlier one made: for elements
    /// where a candidate has a name, which has to be known to whoever comes after us. Called before `prepare` and before
    /// `discard`, any number of times.
    fn announce(&mut self, persist: &str) {
        let _ = persist;
    }
    /// Takes the locks; kept until `unlock` or the end of the session.
    async fn lock(&mut self) -> Result<(), DriverError>;
    /// Puts the payload where it can still be refused or thrown away.
    async fn prepare(&mut self, payload: &Payload) -> Result<(), DriverError>;
    /// Makes it the running configuration. Class A with `confirm`; everybody else without.
    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Result<Residue, DriverError>;
    /// Starts the timer of a confirmed commit anew (class A).
    async fn extend(&mut self, confirm: &Confirm) -> Result<(), DriverError>;
    /// Keeps it for good.
    async fn confirm(&mut self, persist: &str) -> Result<(), DriverError>;
    /// Takes a confirmed commit back (class A).
    async fn cancel(&mut self, persist: &str) -> Result<(), DriverError>;
    /// Empties the candidate (class A, B). Only after our own edits, under our own lock.
    async fn discard(&mut self) -> Result<(), DriverError>;
    /// Makes it survive a restart of the element.
    async fn save(&mut self) -> Result<(), DriverError>;
    /// Gives the locks back.
    async fn unlock(&mut self) -> Result<(), DriverError>;
    /// What could not be locked although the class asks for it, in words; asked after [`Writer::lock`].
    fn unlocked(&self) -> Option<String> {
        None
    }
    /// Who holds what the last [`Writer::lock`] was refused, as far as the element tells.
    async fn holder(&mut self) -> Option<Holder> {
        None
    }
    /// Ends another session of ours.
    async fn end_session(&mut self, session: u32) -> Result<(), DriverError> {
        let _ = session;
        Ok(())
    }
    /// Whether [`Writer::confirm`] looks by itself that nothing of others goes along with it (RFC 6241 §8.4.5.1: a
    /// confirming commit takes what stands in the candidate). Where it does not, whoever confirms without the locks of the
    /// commit has to look.
    fn guards_confirm(&self) -> bool {
        false
    }
    /// Reads the candidate as [`Reader::read_running`] reads running; `None` where there is none.
    async fn read_candidate(&mut self) -> Result<Option<Reading>, DriverError> {
        Ok(None)
    }
}

/// A session that holds a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its id; 0 = something that is no NETCONF session (RFC 6241 §7.5).
    pub session: u32,
    /// Its user, where the element tells.
    pub user: Option<String>,
    /// The host it came from.
    pub source: Option<String>,
    /// When it began, in the element's words.
    pub since: Option<String>,
    /// Whether its user is that of the session that asks; `None` where the element does not tell.
    pub same_user: Option<bool>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {}", self.session)?;
        for (word, part) in [(" of", &self.user), (" from", &self.source), (" since", &self.since)] {
            if let Some(part) = part {
                write!(f, "{word} {part}")?;
            }
        }
        Ok(())
    }
}

/// One value of an element's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// Name of the adapter's check.
    pub check: String,
    /// What it is the state of: an interface, a session, a table.
    pub subject: String,
    /// The element's word or number.
    pub value: String,
    /// What the check asks of it.
    pub demand: Demand,
}

/// Busy lines that the element would not take for the bounded time; see [`crate::adapter::CliLine::busy`].
pub type Residue = Vec<String>;

/// Whether a failed verb may have changed the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was changed, surely.
    None,
    /// Some of it may have been taken (a refused line after accepted ones).
    Partial,
    /// Not known: the answer did not come.
    Unknown,
}

/// What went wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element}: {doing}: {message}")]
pub struct DriverError {
    /// Which element.
    pub element: String,
    /// The operation, for instance `lock candidate`.
    pub doing: String,
    /// The element's own words, or the transport's.
    pub message: String,
    /// For whoever might try again.
    pub class: ErrorClass,
    /// Whether the element may have changed.
    pub effect: Effect,
    /// `rpc-error` tag and path, where the element gave them.
    pub tag: Option<String>,
    /// The path of an `rpc-error`, or the CLI line refused.
    pub path: Option<String>,
}

impl DriverError {
    /// What went wrong before anything could change the element, in our words or the transport's.
    pub fn unsent(element: &str, doing: &str, class: ErrorClass, message: impl Into<String>) -> Self {
        let (element, doing, message) = (element.into(), doing.into(), message.into());
        Self { element, doing, message, class, effect: Effect::None, tag: None, path: None }
    }
}
