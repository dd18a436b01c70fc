//! A difference found without a request.

use super::document::ServiceKey;
use crate::tree::{ConfigTree, Path};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How recorded, intended and actual relate at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviationKind {
    /// Claimed and gone.
    Missing,
    /// There, with another value.
    Changed,
    /// There below a subtree that is owned whole.
    Extra,
    /// Recorded and gone from the intent, but still there.
    Orphan,
}

/// One difference between recorded and actual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deviation {
    /// Stable while the difference lasts: a digest of element and path.
    pub id: String,
    /// Where.
    pub element: String,
    /// Configuration path on the element.
    pub path: String,
    /// How it differs.
    pub kind: DeviationKind,
    /// What the last verified transaction left there; `None` = nothing.
    pub recorded: Option<String>,
    /// What is intended; `None` = nothing.
    pub wanted: Option<String>,
    /// What was read; `None` = nothing.
    pub actual: Option<String>,
    /// The services that own the path.
    pub services: Vec<ServiceKey>,
    /// First seen.
    pub since: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
    /// In how many complete reads in a row.
    pub seen: u32,
    /// What happens with it: `report`.
    pub policy: String,
    /// What holds a fix now, in words.
    pub gate: String,
    /// It stands where nobody claims anything: an unresolved transaction left it, and an operator accepted that; or a restart
    /// of the element brought back what a transaction had taken away and the element had not saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
}

/// What stands on an element where nobody claims anything, and not as a transaction wanted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Left {
    /// The transaction.
    pub transaction: String,
    /// Where.
    pub path: Path,
    /// What should stand there: the side to which the transaction went, cut to this path. Empty = nothing.
    pub side: ConfigTree,
    /// What the other side of the transaction has here: what it may have put there. Empty = nothing, or noted by an older
    /// version.
    #[serde(default)]
    pub other: ConfigTree,
}
