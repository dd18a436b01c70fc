//! What an adapter says about a path or an edit.

use serde::{Deserialize, Serialize};

/// Whether a node belongs to the service that claims it first, or to the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// VRF, sub-interface, neighbour: who creates it owns it; found unclaimed it is refused.
    Own,
    /// Physical port, global routing process: its present value becomes an adopted claim, release never removes it.
    Shared,
}

/// What an edit does to traffic, worst last.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Nothing that passes is disturbed.
    #[default]
    Hitless,
    /// A protocol session is reset; the text names it.
    ResetsSession(String),
    /// Traffic of the object stops.
    DropsTraffic,
}
