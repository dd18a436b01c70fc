//! What callers of the controller hand in and get back.

use super::requests::RequestName;
use crate::domain::{Class, Deviation, ElementState, QueuePolicy, ServiceKey};
use crate::plan::{Allowed, Plan};
use crate::tree::ConfigTree;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One whole service document put or removed.
#[derive(Clone, Debug)]
pub enum DocumentEdit {
    /// Create it, or replace it.
    Put {
        /// Which service.
        key: ServiceKey,
        /// The whole tree from the top, with exactly this service.
        document: ConfigTree,
        /// What must be the case.
        expect: Option<Expect>,
    },
    /// Remove it.
    Delete {
        /// Which service.
        key: ServiceKey,
        /// What must be the case.
        expect: Option<Expect>,
    },
}

impl DocumentEdit {
    /// Which service it is about.
    pub fn key(&self) -> &ServiceKey {
        match self {
            DocumentEdit::Put { key, .. } | DocumentEdit::Delete { key, .. } => key,
        }
    }

    /// What must be the case.
    pub fn expect(&self) -> Option<&Expect> {
        match self {
            DocumentEdit::Put { expect, .. } | DocumentEdit::Delete { expect, .. } => expect.as_ref(),
        }
    }
}

/// A precondition on the stored document (RFC 9110 §13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match`: one of these entity tags, without quotes.
    Etag(Vec<String>),
    /// `If-Match: *`.
    Present,
}

/// Terms of a write.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Refuse elements that can take back less than this.
    pub require_class: Option<Class>,
    /// How long to wait; then the running transaction is answered as it stands. `None` = to the end.
    pub wait: Option<Duration>,
    /// Answer as soon as the request was planned once: what can be refused by looking is refused, the rest is told by the
    /// transaction.
    pub at_once: bool,
    /// Elements that are away are left for later, and this happens if that fails; `None` = they are a reason to refuse.
    pub queue: Option<QueuePolicy>,
    /// The caller's name of the request.
    pub request: Option<RequestName>,
}

impl Terms {
    /// How long a request of the same name that runs is waited for; zero: until it was planned once.
    pub fn patience(&self) -> Option<Duration> {
        if self.at_once { Some(Duration::ZERO) } else { self.wait }
    }
}

/// A plan that was kept for a later commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptPlan {
    /// The plan.
    pub plan: Plan,
    /// What its author allowed.
    pub allowed: Allowed,
    /// When it was made.
    pub created: Timestamp,
    /// When it is thrown away.
    pub expires: Timestamp,
    /// Who made it.
    pub author: String,
    /// What it is for, if it was not asked for by documents: a rollback, an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The ticket that was given with it; a commit without one takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// What one look at an element found.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckReport {
    /// Its state now.
    pub state: ElementState,
    /// All its deviations.
    pub deviations: Vec<Deviation>,
}

/// What onboarding learns of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The host key as the element shows it, `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// Its SHA-256 fingerprint.
    pub fingerprint: String,
    /// Whether it is pinned now.
    pub pinned: bool,
    /// What the element can take back; `None` when log-in was not tried or failed.
    pub class: Option<Class>,
    /// In words.
    pub detail: String,
}

/// Who wants a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Configuration path.
    pub path: String,
    /// `adopted`, `base`, `service`, `pin`.
    pub layer: String,
    /// The owner.
    pub owner: String,
    /// `exists`, `value`, `member`, `whole`, `absent`, `order`.
    pub kind: String,
    /// What it wants: the value of a leaf, before or behind which sibling.
    pub value: Option<String>,
    /// What stands there when the claims of the strongest layer go; said with the first claim of a path. `None` = nothing.
    pub comes_back: Option<String>,
    /// How the element writes it, as confirmed.
    pub written_as: Vec<String>,
}

/// An adapter in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Folder name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Digest over all its files.
    pub digest: String,
    /// `netconf` or `cli`.
    pub transport: String,
    /// What it offers.
    pub functions: Vec<String>,
    /// Never seen a live element.
    pub simulated_only: bool,
}

/// What happens to elements that an inventory file no longer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// They stay as they are.
    Keep,
    /// They become unmanaged.
    Unmanage,
}
