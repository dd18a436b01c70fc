//! How a transaction ended: `applied`, `not-applied(cause)`, `unresolved(elements)`; never a fourth.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Verified by reading back on every element, decided, and recorded.
    Applied,
    /// The network is as before.
    NotApplied {
        /// Why.
        cause: Cause,
    },
    /// Some elements could not be brought to either side yet; work goes on.
    Unresolved {
        /// Their names.
        elements: Vec<String>,
        /// Why.
        cause: Cause,
    },
}

/// In one line, as audit, events and log say it.
impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Applied => out.write_str("applied"),
            Outcome::NotApplied { cause } => write!(out, "not applied: {cause}"),
            Outcome::Unresolved { elements, cause } => write!(out, "unresolved on {}: {cause}", elements.join(", ")),
        }
    }
}

/// Why a transaction was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[error("{}{message}", element.as_ref().map(|e| format!("{e}: ")).unwrap_or_default())]
pub struct Cause {
    /// What kind of cause it is.
    pub kind: CauseKind,
    /// The element that caused it.
    pub element: Option<String>,
    /// The configuration path, where one is known.
    pub path: Option<String>,
    /// What was sent there, where a leaf was read back with another value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// What the element says there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// In words, the element's own words included.
    pub message: String,
}

impl Cause {
    /// A cause of this kind that says nothing more yet.
    pub fn of(kind: CauseKind) -> Self {
        Self { kind, element: None, path: None, sent: None, says: None, message: String::new() }
    }
}

/// Kinds of causes; Presto maps them to status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// An element could not be reached before anything was sent.
    Unreachable,
    /// An element is locked by somebody else.
    Locked,
    /// An unresolved transaction holds a path of it.
    Held,
    /// An element's candidate holds changes that are not ours; they were left there.
    Dirty,
    /// The read-set moved since the plan was made.
    Stale,
    /// An element refused the configuration.
    Refused,
    /// What was read back is not what was sent.
    Verify,
    /// A check of the element's state failed after the change (a session down, an interface down, routes gone).
    Check,
    /// The daemon stopped, or lost its lease, before the decision.
    Interrupted,
    /// Someone cancelled it.
    Cancelled,
    /// A fault of this program or of its store.
    Internal,
}
