//! A change for an element that was away when its service was written.

use super::document::ServiceKey;
use super::principal::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the present document of a service asks of one element, put off until the element is back. It holds no bytes: it is
/// planned when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueuedChange {
    /// The element.
    pub element: String,
    /// The service.
    pub key: ServiceKey,
    /// Its place: the changes of an element run in order.
    pub index: u64,
    /// The document's revision; `None` = the service is deleted.
    pub revision: Option<u64>,
    /// The revision that all its elements carried before; 0 = there was none.
    pub base: u64,
    /// What happens if it fails.
    pub policy: QueuePolicy,
    /// Where it stands.
    pub state: QueueState,
    /// When it was put there.
    pub since: Timestamp,
    /// When it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Timestamp>,
    /// Why it is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked.
    pub principal: Principal,
    /// The transaction that carried out the rest.
    pub transaction: String,
    /// The last transaction that tried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
}

/// What happens when a queued change fails once its element is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueuePolicy {
    /// The later ones of the element wait.
    Block,
    /// It is dropped, the next goes.
    Skip,
    /// The service goes back to the document before, on all its elements.
    RevertService,
}

/// Where a queued change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueState {
    /// For its element, or for those before it.
    Waiting,
    /// It failed; those behind it wait.
    Blocked,
    /// It failed or was dropped; those behind it go on.
    Skipped,
}

impl QueuedChange {
    /// Its key in the store: one change for each service and element.
    pub fn store_key(&self) -> String {
        format!("{}/{}", self.element, self.key)
    }
}

impl QueuePolicy {
    /// As module `andante` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            QueuePolicy::Block => "block",
            QueuePolicy::Skip => "skip",
            QueuePolicy::RevertService => "revert-service",
        }
    }

    /// From a word of module `andante`.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Block, Self::Skip, Self::RevertService].into_iter().find(|policy| policy.as_str() == word)
    }
}

impl QueueState {
    /// As module `andante` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            QueueState::Waiting => "waiting",
            QueueState::Blocked => "blocked",
            QueueState::Skipped => "skipped",
        }
    }
}
