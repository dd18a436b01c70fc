//! What a plan holds.

use crate::adapter::{Impact, Payload};
use crate::domain::{Class, Echo, ServiceKey};
use crate::service::element_service::ElementService;
use crate::service::ledger::Take;
use crate::tree::{Claims, ConfigTree, Diff, Edit, Node, Path};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The plan of one request, over all its elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// BLAKE3-256 over the canonical encoding of everything below, in hex.
    pub id: String,
    /// What happens to which service.
    pub services: Vec<ServiceChange>,
    /// The elements that change, sorted by name. An element without a difference is not listed.
    pub elements: Vec<ElementPlan>,
    /// Numbers that the ledger takes when the transaction is decided; tentative until then.
    pub numbers: Vec<Take>,
    /// For people: what deserves a look before the commit.
    pub warnings: Vec<String>,
}

impl Plan {
    /// The weakest class of its elements; `A` when nothing changes.
    pub fn class(&self) -> Class {
        self.elements.iter().map(|element| element.class).max().unwrap_or(Class::A)
    }

    /// The plan with its id computed from its content.
    pub fn sealed(mut self) -> Self {
        self.id = String::new();
        self.id = content_digest(&self);
        self
    }
}

/// What happens to a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceChange {
    /// Which.
    pub key: ServiceKey,
    /// What.
    pub effect: ServiceEffect,
    /// The document to be stored at DECIDED; `None` for a removal.
    pub document: Option<String>,
    /// The revision that the plan was made against; 0 = none.
    pub base_revision: u64,
    /// Its claims after the plan, by element; an element that it leaves is listed with `None`.
    pub claims: BTreeMap<String, Option<Claims>>,
    /// Ledger keys of all numbers that it uses after the plan; what it holds beyond these is released.
    pub asked: BTreeSet<String>,
    /// What it asks of each element, for `dry-run=model`.
    pub wanted: BTreeMap<String, ElementService>,
}

/// Kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceEffect {
    /// New in this domain.
    Create,
    /// Another document.
    Modify,
    /// Gone.
    Delete,
    /// The same document: deviations are healed.
    Heal,
}

/// The plan for one element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ElementPlan {
    /// Name in the inventory.
    pub element: String,
    /// Adapter, version and digest: `frr 1.0.0 3f2a…`.
    pub adapter: String,
    /// What it can take back.
    pub class: Class,
    /// Against actual, restricted to what this request changes.
    pub diff: Diff,
    /// What turns it back.
    pub inverse: Diff,
    /// The exact bytes that are sent.
    pub payload: Payload,
    /// The exact bytes that would undo it.
    pub undo: Payload,
    /// What the plan was computed from.
    pub read_set: Vec<ReadEntry>,
    /// The part of the actual tree that is touched, before.
    pub before: ConfigTree,
    /// The same part, after.
    pub after: ConfigTree,
    /// Adopted claims that arise: shared nodes found with a value when first claimed.
    pub adopted: Option<Claims>,
    /// Unified diff in the element's own syntax.
    pub text: String,
    /// The worst of all its edits, and which edits have it.
    pub impact: Impact,
    /// Unclaimed children that go with a removal; the caller allowed exactly these.
    pub collateral: Vec<Path>,
    /// Hand-made changes in the way that the caller allowed to be overwritten.
    pub overwritten: Vec<HandMade>,
    /// Other deviations of this element, left alone.
    pub deviations: Vec<HandMade>,
    /// Where the element writes a value in its own way, as an operator has confirmed: as far as this plan looks at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub echoes: Vec<Echo>,
    /// No live server or recorded transcript has seen this platform.
    pub simulated_only: bool,
}

/// A value that somebody changed behind our back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HandMade {
    /// Where.
    pub path: Path,
    /// What the last verified transaction left.
    pub recorded: Option<String>,
    /// What was read.
    pub actual: Option<String>,
    /// What this plan wants; `None` = nothing, or no wish.
    pub wanted: Option<String>,
}

/// One node that the plan depends on: it must be as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReadEntry {
    /// Which node.
    pub path: Path,
    /// Digest of its subtree; `None` = it was not there; `exists` = it was there, whatever stands in it.
    pub digest: Option<String>,
}

/// Digest of a node of which only the existence counts.
pub(super) const EXISTS: &str = "exists";

impl ReadEntry {
    fn holds(&self, actual: &ConfigTree) -> bool {
        match self.digest.as_deref() {
            Some(EXISTS) => actual.at(&self.path).is_some(),
            _ => digest_at(actual, &self.path) == self.digest,
        }
    }
}

impl ElementPlan {
    /// The paths whose state decides "before" and "after".
    pub fn touched(&self) -> impl Iterator<Item = &Path> {
        self.diff.edits.iter().map(Edit::path)
    }

    /// Whether all touched paths of `actual` are as the plan found them.
    pub fn is_before(&self, actual: &ConfigTree) -> bool {
        self.touched().all(|path| matches_at(actual, &self.before, path))
    }

    /// Whether all touched paths of `actual` are as the plan leaves them.
    pub fn is_after(&self, actual: &ConfigTree) -> bool {
        self.touched().all(|path| matches_at(actual, &self.after, path))
    }

    /// The first path of the read-set that moved.
    pub fn moved<'a>(&'a self, actual: &ConfigTree) -> Option<&'a Path> {
        self.read_set.iter().find(|entry| !entry.holds(actual)).map(|entry| &entry.path)
    }
}

/// Whether `actual` agrees with `expected` at `path`: absent in both, or everything expected is there with its value.
/// What the element adds below on its own does not disturb.
pub fn matches_at(actual: &ConfigTree, expected: &ConfigTree, path: &Path) -> bool {
    match (actual.at(path), expected.at(path)) {
        (None, None) => true,
        (Some(have), Some(want)) => covers(have, want),
        _ => false,
    }
}

/// Whether everything that `want` says is so in `have`, additions aside.
pub(super) fn covers(have: &Node, want: &Node) -> bool {
    if have.hash() == want.hash() {
        return true;
    }
    if have.value() != want.value() {
        return false;
    }
    want.children().iter().all(|child| have.child_beside(child).is_some_and(|found| covers(found, child)))
}

/// The part of `tree` at and below the given paths, ancestors included.
pub fn touched_state<'a>(tree: &ConfigTree, paths: impl Iterator<Item = &'a Path>) -> ConfigTree {
    paths.fold(ConfigTree::default(), |part, path| match (tree.at(path), path.parent()) {
        (Some(node), Some(parent)) => part.with(&parent, node.clone(), crate::tree::After::Keep),
        _ => part,
    })
}

/// Unkeyed digest of the subtree at `path`; `None` when nothing stands there.
pub fn digest_at(tree: &ConfigTree, path: &Path) -> Option<String> {
    if path.steps().is_empty() {
        return Some(content_digest(tree.root()));
    }
    tree.at(path).map(|node: &Node| content_digest(node))
}

/// BLAKE3-256 in hex over the canonical JSON encoding: struct fields in order, maps sorted.
pub fn content_digest<T: Serialize>(value: &T) -> String {
    let mut hasher = blake3::Hasher::new();
    // Writing to a hasher cannot fail, and every type that is passed here has string keys only.
    if serde_json::to_writer(&mut hasher, value).is_err() {
        hasher.update(b"unencodable");
    }
    hasher.finalize().to_hex().to_string()
}
