//! What a plan holds.

use crate::adapter::{Impact, Payload};
use crate::domain::{Class, Echo, Effect, ServiceKey, read_as};
use crate::service::element_service::ElementService;
use crate::service::ledger::Take;
use crate::tree::secret::is_token;
use crate::tree::{After, Body, Claims, ConfigTree, Diff, Edit, Node, Path, QName, Step, Value, relined};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{BufWriter, Write};

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

impl From<ServiceEffect> for Effect {
    fn from(effect: ServiceEffect) -> Self {
        match effect {
            ServiceEffect::Create => Effect::Create,
            ServiceEffect::Modify => Effect::Modify,
            ServiceEffect::Delete => Effect::Delete,
            ServiceEffect::Heal => Effect::Heal,
        }
    }
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
    /// Secrets that this plan sets and the element shows in a form of its own: what is read there afterwards is noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted: Vec<Path>,
    /// No live server or recorded transcript has seen this platform.
    pub simulated_only: bool,
    /// Touched leafs that have a default, with it: no leaf there and a leaf with this value are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<(Path, Value)>,
    /// For people: what deserves a look before the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Protected nodes (management access, own user) that it touches; the caller allowed exactly these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Path>,
    /// Names of the adapter's checks that are made before the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// The element gives one session only: it is read back on the one that wrote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_session: bool,
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

    /// Whether what stands at `path`, at or below it, is touched by this plan or taken for granted by it.
    pub fn depends_on(&self, path: &Path) -> bool {
        let relies = |entry: &ReadEntry| match entry.digest.as_deref() {
            // Whatever stands in it.
            Some(EXISTS) => entry.path.starts_with(path),
            _ => entry.path.touches(path),
        };
        self.touched().any(|touched| touched.touches(path)) || self.read_set.iter().any(relies)
    }

    /// Whether all touched paths of `actual` are as the plan found them.
    pub fn is_before(&self, actual: &ConfigTree) -> bool {
        self.touched().all(|path| self.matches(actual, &self.before, path))
    }

    /// Whether all touched paths of `actual` are as the plan leaves them.
    pub fn is_after(&self, actual: &ConfigTree) -> bool {
        self.touched().all(|path| self.matches(actual, &self.after, path))
    }

    /// Whether `actual` agrees with one side of the plan, `before` or `after`, at a touched path; see [`matches_at`]. No
    /// leaf and a leaf with its default agree.
    pub fn matches(&self, actual: &ConfigTree, side: &ConfigTree, path: &Path) -> bool {
        let default = |path: &Path| self.defaults.iter().find(|(at, _)| at == path).map(|(_, value)| value);
        let is_default = |node: &Node| matches!(node.body(), Body::Leaf(value) if default(path) == Some(value));
        match (actual.at(path), side.at(path)) {
            (None, None) => true,
            (None, Some(only)) | (Some(only), None) => is_default(only),
            (Some(have), Some(want)) if self.defaults.is_empty() => {
                covers(have, want) && stands_in_line(actual, side, path)
            }
            (Some(have), Some(want)) => covers_at(path, have, want, &default) && stands_in_line(actual, side, path),
        }
    }

    /// A reading as it is meant: what the element writes in its own way, and secrets that it was just given.
    pub fn meant(&self, reading: &ConfigTree) -> ConfigTree {
        let secrets = self.noted(reading);
        read_as(&read_as(reading, &self.echoes), &secrets)
    }

    /// What the element shows for the secrets that this plan sets, where it is neither the secret's own handle nor what
    /// stood there before.
    pub fn noted(&self, reading: &ConfigTree) -> Vec<Echo> {
        let known = read_as(reading, &self.echoes);
        let value =
            |tree: &ConfigTree, path: &Path| tree.at(path).and_then(|node| node.value().map(ToString::to_string));
        let noted = self.encrypted.iter().filter_map(|path| {
            let (sent, says) = (value(&self.after, path)?, value(&known, path)?);
            let new = is_token(&says) && says != sent && value(&self.before, path).as_ref() != Some(&says);
            new.then(|| Echo { path: path.clone(), sent, says })
        });
        noted.collect()
    }

    /// The first path of the read-set that moved.
    pub fn moved<'a>(&'a self, actual: &ConfigTree) -> Option<&'a Path> {
        self.read_set.iter().find(|entry| !entry.holds(actual)).map(|entry| &entry.path)
    }
}

/// Whether `actual` agrees with `expected` at `path`: absent in both, or everything expected is there with its value, and
/// a user-ordered node stands between the siblings between which it is expected. What the element adds below or between
/// on its own does not disturb.
pub fn matches_at(actual: &ConfigTree, expected: &ConfigTree, path: &Path) -> bool {
    match (actual.at(path), expected.at(path)) {
        (None, None) => true,
        (Some(have), Some(want)) => covers(have, want) && stands_in_line(actual, expected, path),
        _ => false,
    }
}

/// Whether a user-ordered node stands behind the sibling before it in `expected` and before the one behind it, where these
/// are there.
fn stands_in_line(actual: &ConfigTree, expected: &ConfigTree, path: &Path) -> bool {
    let (Some(node), Some(parent)) = (expected.at(path), path.parent()) else { return true };
    let (Some(have), Some(want)) = (actual.at(&parent), expected.at(&parent)) else { return true };
    if !node.is_user_ordered() {
        return true;
    }
    let run = siblings(want, node);
    let Some(at) = run.iter().position(|sibling| sibling.is_beside(node)) else { return true };
    let standing = siblings(have, node);
    let place = |node: &Node| standing.iter().position(|sibling| sibling.is_beside(node));
    let Some(here) = place(node) else { return true };
    let before = at.checked_sub(1).and_then(|at| run.get(at)).and_then(place);
    let behind = run.get(at + 1).and_then(place);
    before.is_none_or(|before| before < here) && behind.is_none_or(|behind| here < behind)
}

/// The children of one name with `node`.
fn siblings(parent: &Node, node: &Node) -> Vec<Node> {
    parent.children().iter().filter(|child| child.name() == node.name()).cloned().collect()
}

/// As [`covers`], a leaf with its default left out where it is not there.
fn covers_at<'a>(path: &Path, have: &Node, want: &Node, default: &dyn Fn(&Path) -> Option<&'a Value>) -> bool {
    if have.hash() == want.hash() {
        return true;
    }
    if have.value() != want.value() {
        return false;
    }
    want.children().iter().all(|child| {
        let path = path.child(child.step());
        match have.child_beside(child) {
            Some(found) => covers_at(&path, found, child, default),
            None if child.value().is_none() && matches!(child.body(), Body::Container { presence: false }) => {
                covers_at(&path, &child.with_children([]), child, default)
            }
            None => matches!(child.body(), Body::Leaf(value) if default(&path) == Some(value)),
        }
    })
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

/// As [`touched_state`], for one side of a plan: beside a user-ordered node stand its neighbours, without content, so that
/// its place can be seen.
pub(super) fn side_state<'a>(tree: &ConfigTree, paths: impl Iterator<Item = &'a Path> + Clone) -> ConfigTree {
    let part = touched_state(tree, paths.clone());
    let lists: BTreeSet<(Path, QName)> = paths
        .filter(|path| tree.at(path).is_some_and(Node::is_user_ordered))
        .filter_map(|path| Some((path.parent()?, path.last()?.name.clone())))
        .collect();
    lists.into_iter().fold(part, |part, (parent, name)| {
        let (Some(whole), Some(cut)) = (tree.at(&parent), part.at(&parent)) else { return part };
        let run: Vec<&Node> = whole.children().iter().filter(|child| child.name() == &name).collect();
        let ours: HashSet<Step> = cut.children().iter().filter(|child| child.name() == &name).map(Node::step).collect();
        let touched: Vec<bool> = run.iter().map(|node| ours.contains(&node.step())).collect();
        let beside = |at: usize| (at > 0 && touched[at - 1]) || touched.get(at + 1) == Some(&true);
        let kept = run.iter().enumerate().filter_map(|(at, node)| match touched[at] {
            true => cut.child_beside(node).cloned(),
            false => beside(at).then(|| node.with_children([])),
        });
        let others = cut.children().iter().filter(|child| child.name() != &name).cloned();
        let node = cut.with_children(others.chain(kept).collect::<Vec<_>>());
        put_at(&part, &parent, node)
    })
}

/// The tree with another node at `path`, which may be the root.
pub(super) fn put_at(tree: &ConfigTree, path: &Path, node: Node) -> ConfigTree {
    match path.parent() {
        Some(above) => tree.with(&above, node, After::Keep),
        None => ConfigTree::new(node.children().to_vec()),
    }
}

/// `actual` with one side of a plan put over it at its touched paths: what leads back to the side, or on to it. What has
/// arisen below on its own stays.
pub fn toward<'a>(actual: &ConfigTree, side: &ConfigTree, touched: impl Iterator<Item = &'a Path>) -> ConfigTree {
    let mut target = actual.clone();
    let mut lists: BTreeMap<(Path, QName), HashSet<Step>> = BTreeMap::new();
    for path in touched {
        target = match side.at(path) {
            Some(node) => {
                if node.is_user_ordered()
                    && let (Some(parent), Some(step)) = (path.parent(), path.last())
                {
                    lists.entry((parent, step.name.clone())).or_default().insert(step.clone());
                }
                target.overlay(&touched_state(side, std::iter::once(path)))
            }
            None => target.without(path),
        };
    }
    for ((parent, name), placed) in lists {
        let (Some(now), Some(wanted)) = (target.at(&parent), side.at(&parent)) else { continue };
        let of =
            |node: &Node| node.children().iter().filter(|child| child.name() == &name).cloned().collect::<Vec<_>>();
        let run = of(now);
        let there: HashSet<Step> = run.iter().map(Node::step).collect();
        let chain: Vec<Step> = of(wanted).iter().map(Node::step).filter(|step| there.contains(step)).collect();
        let others: Vec<Step> = run.iter().map(Node::step).filter(|step| !placed.contains(step)).collect();
        let order = relined(&others, &chain);
        let nodes: HashMap<Step, &Node> = run.iter().map(|node| (node.step(), node)).collect();
        let run = order.iter().filter_map(|step| nodes.get(step)).map(|node| (*node).clone());
        let others = now.children().iter().filter(|child| child.name() != &name).cloned();
        let node = now.with_children(others.chain(run).collect::<Vec<_>>());
        target = put_at(&target, &parent, node);
    }
    target
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
    // In large pieces: the words of a text one by one cost the hasher more than the text.
    let mut pieces = BufWriter::new(&mut hasher);
    // Writing to a hasher cannot fail, and every type that is passed here has string keys only.
    let written = serde_json::to_writer(&mut pieces, value).is_ok() && pieces.flush().is_ok();
    drop(pieces);
    if !written {
        hasher.update(b"unencodable");
    }
    hasher.finalize().to_hex().to_string()
}
