//! Who wants what: claims in four fixed layers, and their merge into what is intended for one element.
//!
//! A claim says "this owner wants this to be so". There are six kinds ([`Kind`]). Inside a layer equal wishes unify (the
//! set of claims is the reference count) and unequal ones are a conflict naming both owners and the path; a higher layer
//! wins over a lower one. There are no numeric priorities. When the last claim of a node goes the node goes; an adopted
//! value below comes back by the same merge.
//!
//! ```text
//!  Claims (one owner, one element) ──┐
//!  Claims ──┐                        ├─ replace(old, new) ─▶ Intended (persistent: before and after stand side by side)
//!  Claims ──┴── merge ─▶ Intended ───┘        └─▶ ClaimConflict: both owners, the path, both wishes
//! ```
//!
//! | Wish | Against another one of its layer | Against a weaker layer |
//! |---|---|---|
//! | a value | another value is a conflict | its value stands |
//! | a node | its absence is a conflict | lifts the wish for its absence, not what that took away |
//! | absence | | takes away what stands at and below the path |
//! | an order | a circle is a conflict | the weaker wish is dropped where it contradicts |
//!
//! Guarantees (property tests in `tests/laws/claims.rs`): the merge is commutative, associative and idempotent, so the
//! order of services and of restarts cannot matter; `replace` gives what the merge from scratch gives, at a cost that
//! follows the change. Caveat: where two owners share a list that is ordered by the user, its order is found anew when
//! one of them changes its part: that cost follows the length of this list.

mod intended;
mod order;
mod packed;
mod shelf;
mod spot;

pub use intended::{Claimant, Intended, Place, Why};
pub use packed::Unpacker;

use super::path::{Path, Step};
use super::tree::ConfigTree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The four layers, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Values found on the element before us.
    Adopted,
    /// Domain policy.
    Base,
    /// What services ask for.
    Service,
    /// A NOC override with ticket and expiry.
    Pin,
}

/// Who makes a claim, for instance `service ietf-l3vpn-ntw/acme`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a claim asks of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A container or a list entry is to be there.
    Exists,
    /// A leaf is to have a value.
    Value,
    /// A leaf-list is to have a member, a CLI context a line.
    Member,
    /// The subtree is owned whole: what else stands in it is a deviation.
    Whole,
    /// The node must not be there.
    Absent,
    /// The node is to stand before or behind a sibling.
    Order,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Exists => "exists",
            Kind::Value => "value",
            Kind::Member => "member",
            Kind::Whole => "whole",
            Kind::Absent => "absent",
            Kind::Order => "order",
        })
    }
}

/// All that one owner claims on one element. Every node of `tree` is claimed: containers and entries to exist, leafs to
/// have their value, leaf-list members to be there; user-ordered siblings in `tree` are to stand in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub owner: Owner,
    /// In which layer.
    pub layer: Layer,
    /// What is to be there.
    pub tree: ConfigTree,
    /// Subtrees owned whole: what else stands below them is a deviation, and `replace` may be sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub whole: BTreeSet<Path>,
    /// What must not be there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<Path>,
    /// What is to stand before what, also where the siblings are another owner's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub order: BTreeSet<Order>,
}

impl Claims {
    /// Claims that every node of `tree` be so.
    pub fn new(owner: Owner, layer: Layer, tree: ConfigTree) -> Self {
        let (whole, absent, order) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { owner, layer, tree, whole, absent, order }
    }
}

/// A wish for an order: two siblings of one user-ordered list or leaf-list, or two lines of one CLI context. It holds while
/// both are there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Their parent.
    pub parent: Path,
    /// The one that stands first.
    pub first: Step,
    /// The one that stands somewhere behind it.
    pub then: Step,
}

/// Two owners of one layer want different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {first} wants {first_wants}, {second} wants {second_wants}")]
pub struct ClaimConflict {
    /// Where.
    pub path: Path,
    /// One owner.
    pub first: Owner,
    /// What it wants.
    pub first_wants: String,
    /// The other owner.
    pub second: Owner,
    /// What that one wants.
    pub second_wants: String,
}

#[cfg(test)]
mod tests;
