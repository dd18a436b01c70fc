//! One node of a configuration tree: immutable, shared, and carrying a hash of all that is below it.
//!
//! Children stand in canonical order: by name, then by key; children of a *user-ordered* list or leaf-list keep the order
//! in which they were given (RFC 7950 §7.7.7). An empty non-presence container says nothing (RFC 7950 §7.5.1), so it is
//! dropped when a parent is built.

use super::name::QName;
use super::path::{Key, Step};
use super::value::Value;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::sync::{Arc, OnceLock};

/// What a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A container; with `presence`, its existence alone means something.
    Container {
        /// RFC 7950 §7.5.1.
        presence: bool,
    },
    /// A list entry. Key leafs are not repeated among the children.
    Entry {
        /// The list is `ordered-by user`.
        user_ordered: bool,
    },
    /// A leaf.
    Leaf(Value),
    /// A leaf-list member; its value is its key.
    Member {
        /// The leaf-list is `ordered-by user`.
        user_ordered: bool,
    },
    /// What no schema knows: an XML element or a CLI line, kept so that it is compared and never lost.
    /// The text stands in the node's key.
    Opaque,
}

/// A node. Build it with the constructors; it cannot be changed afterwards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Bare", into = "Bare")]
pub struct Node {
    step: Step,
    body: Body,
    children: Vec<Arc<Node>>,
    /// Whether some children keep the user's order; otherwise they are sorted by step.
    ordered: bool,
    hash: u128,
    count: u32,
}

impl Node {
    /// A container.
    pub fn container(name: QName, presence: bool, children: Vec<Arc<Node>>) -> Self {
        Self::build(Step::single(name), Body::Container { presence }, children)
    }

    /// A list entry; `keys` in schema order.
    pub fn entry(name: QName, keys: Arc<[(super::Name, Value)]>, user_ordered: bool, children: Vec<Arc<Node>>) -> Self {
        Self::build(Step { name, key: Key::Entry(keys) }, Body::Entry { user_ordered }, children)
    }

    /// A leaf.
    pub fn leaf(name: QName, value: Value) -> Self {
        Self::build(Step::single(name), Body::Leaf(value), Vec::new())
    }

    /// A leaf-list member.
    pub fn member(name: QName, value: Value, user_ordered: bool) -> Self {
        Self::build(Step { name, key: Key::Member(value) }, Body::Member { user_ordered }, Vec::new())
    }

    /// An opaque node: `text` is kept as it is, `nth` counts equal siblings before it.
    pub fn opaque(name: QName, text: &str, nth: u32, children: Vec<Arc<Node>>) -> Self {
        Self::build(Step { name, key: Key::Opaque(Arc::from(text), nth) }, Body::Opaque, children)
    }

    /// The node that a path's step alone describes: a container, an entry or a member without children.
    pub fn from_step(step: Step) -> Self {
        let body = match &step.key {
            Key::Single => Body::Container { presence: false },
            Key::Entry(_) => Body::Entry { user_ordered: false },
            Key::Member(_) => Body::Member { user_ordered: false },
            Key::Opaque(..) => Body::Opaque,
        };
        Self::build(step, body, Vec::new())
    }

    /// The same node with other children.
    pub fn with_children(&self, children: Vec<Arc<Node>>) -> Self {
        Self::build(self.step.clone(), self.body.clone(), children)
    }

    /// The name.
    pub fn name(&self) -> &QName {
        &self.step.name
    }

    /// What tells it from its siblings.
    pub fn key(&self) -> &Key {
        &self.step.key
    }

    /// Name and key: the step from its parent.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// What it is.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The value of a leaf or a leaf-list member.
    pub fn value(&self) -> Option<&Value> {
        match (&self.body, &self.step.key) {
            (Body::Leaf(value), _) | (Body::Member { .. }, Key::Member(value)) => Some(value),
            _ => None,
        }
    }

    /// The children in canonical order.
    pub fn children(&self) -> &[Arc<Node>] {
        &self.children
    }

    /// The child at this step. Logarithmic, except among siblings in the user's order.
    pub fn child(&self, step: &Step) -> Option<&Arc<Node>> {
        self.place(step).ok().map(|at| &self.children[at])
    }

    /// Where the child at this step stands, or where it would be put.
    pub(super) fn place(&self, step: &Step) -> Result<usize, usize> {
        if !self.ordered {
            return self.children.binary_search_by(|child| child.step.cmp(step));
        }
        let start = self.children.partition_point(|c| c.step.name < step.name);
        let run = self.children[start..].iter().take_while(|c| c.step.name == step.name);
        let mut end = start;
        for child in run {
            if child.step.key == step.key {
                return Ok(end);
            }
            end += 1;
        }
        Err(end)
    }

    /// The same node with one child put where it belongs; a child of the same step gives way, keeping its place. Unlike
    /// [`Node::with_children`] it sorts nothing.
    pub(super) fn with_child(&self, child: Arc<Node>) -> Self {
        if self.ordered || child.is_user_ordered() {
            let mut children = self.children.clone();
            match self.place(child.step()) {
                Ok(at) => children[at] = child,
                Err(_) => children.push(child),
            }
            return self.with_children(children);
        }
        let mut children = Vec::with_capacity(self.children.len() + 1);
        let (before, after) = match self.place(child.step()) {
            Ok(at) => (&self.children[..at], &self.children[at + 1..]),
            Err(at) => self.children.split_at(at),
        };
        children.extend_from_slice(before);
        if !child.is_void() {
            children.push(child);
        }
        children.extend_from_slice(after);
        Self::sealed(self.step.clone(), self.body.clone(), children, false)
    }

    /// The same node without the child at this step.
    pub(super) fn without_child(&self, step: &Step) -> Self {
        let mut children = self.children.clone();
        if let Ok(at) = self.place(step) {
            children.remove(at);
        }
        let ordered = self.ordered && children.iter().any(|child| child.is_user_ordered());
        Self::sealed(self.step.clone(), self.body.clone(), children, ordered)
    }

    /// A 128-bit hash of the whole subtree, equal for equal content within one installation's key.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// How many nodes the subtree has, itself included.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it says nothing: a non-presence container without children.
    pub fn is_void(&self) -> bool {
        matches!(self.body, Body::Container { presence: false }) && self.children.is_empty()
    }

    /// Whether its place among its siblings is part of the configuration.
    pub fn is_user_ordered(&self) -> bool {
        matches!(self.body, Body::Entry { user_ordered: true } | Body::Member { user_ordered: true })
    }

    fn build(step: Step, body: Body, mut children: Vec<Arc<Node>>) -> Self {
        children.retain(|child| !child.is_void());
        // Stable, so user-ordered siblings keep their places. First by name: one comparison over mixed siblings would not
        // be an order.
        children.sort_by(|a, b| a.step.name.cmp(&b.step.name));
        let mut ordered = false;
        for run in children.chunk_by_mut(|a, b| a.step.name == b.step.name) {
            if run.iter().any(|child| child.is_user_ordered()) {
                ordered = true;
            } else {
                run.sort_by(|a, b| a.step.key.cmp(&b.step.key));
            }
        }
        Self::sealed(step, body, children, ordered)
    }

    /// From children that stand in their order already.
    fn sealed(step: Step, body: Body, children: Vec<Arc<Node>>, ordered: bool) -> Self {
        let hash = hash_of(&step, &body, &children);
        let count = children.iter().fold(1u32, |sum, child| sum.saturating_add(child.count));
        Self { step, body, children, ordered, hash, count }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Node {}

/// Sets the key of all node hashes, once, before the first tree is built. A later call changes nothing and returns
/// false. Without it a fixed key serves (tests, the command).
pub fn set_hash_key(key: [u8; 16]) -> bool {
    HASH_KEY.set(key).is_ok()
}

static HASH_KEY: OnceLock<[u8; 16]> = OnceLock::new();

fn hash_of(step: &Step, body: &Body, children: &[Arc<Node>]) -> u128 {
    let mut hasher = SipHasher13::new_with_key(HASH_KEY.get_or_init(|| *b"andante-tree-key"));
    let mut text = |text: &str| {
        hasher.write_u32(text.len() as u32);
        hasher.write(text.as_bytes());
    };
    text(step.name.module.as_str());
    text(step.name.name.as_str());
    match &step.key {
        Key::Single => text("."),
        Key::Entry(keys) => {
            text("e");
            for (name, value) in keys.iter() {
                text(name.as_str());
                text(value.as_str());
            }
        }
        Key::Member(value) => {
            text("m");
            text(value.as_str());
        }
        Key::Opaque(line, nth) => {
            text("o");
            text(line);
            text(&nth.to_string());
        }
    }
    // The presence flag is left out: a path alone cannot tell it, and an empty non-presence container is never kept.
    match body {
        Body::Leaf(value) => {
            text("l");
            text(value.as_str());
        }
        Body::Container { .. } | Body::Entry { .. } | Body::Member { .. } | Body::Opaque => text("-"),
    }
    hasher.write_u32(children.len() as u32);
    for child in children {
        hasher.write_u128(child.hash);
    }
    hasher.finish128().as_u128()
}

/// The stored form: hash and count are computed again when it is read.
#[derive(Serialize, Deserialize)]
struct Bare {
    step: Step,
    body: Body,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    children: Vec<Arc<Node>>,
}

impl From<Bare> for Node {
    fn from(bare: Bare) -> Self {
        Node::build(bare.step, bare.body, bare.children)
    }
}

impl From<Node> for Bare {
    fn from(node: Node) -> Self {
        Bare { step: node.step, body: node.body, children: node.children }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    fn member(name: &str, value: &str, user_ordered: bool) -> Arc<Node> {
        Arc::new(Node::member(q(name), Value::text(value), user_ordered))
    }

    #[test]
    fn one_child_put_or_taken_gives_what_building_anew_gives() {
        for user_ordered in [false, true] {
            let mut children: Vec<_> = ["d", "b", "c"].iter().map(|v| member("l", v, user_ordered)).collect();
            children.push(member("k", "z", false));
            children.push(member("m", "a", false));
            let node = Node::container(q("top"), false, children.clone());
            for value in ["a", "b", "e"] {
                let put = node.with_child(member("l", value, user_ordered));
                let mut anew = node.children().to_vec();
                if node.child(member("l", value, user_ordered).step()).is_none() {
                    anew.push(member("l", value, user_ordered));
                }
                let anew = node.with_children(anew);
                assert_eq!((put.hash(), put.count()), (anew.hash(), anew.count()), "{value} {user_ordered}");
                let step = member("l", value, false).step().clone();
                assert!(put.child(&step).is_some());
                let taken = put.without_child(&step);
                assert!(taken.child(&step).is_none());
                assert_eq!(taken.hash(), taken.with_children(taken.children().to_vec()).hash());
            }
            for child in &children {
                assert_eq!(node.child(child.step()), Some(child));
            }
        }
    }

    /// A step alone does not say that its list is ordered by the user, so one run may hold both kinds.
    #[test]
    fn siblings_of_which_only_some_know_their_order_keep_it() {
        let mixed = vec![member("l", "c", true), member("l", "a", false), member("l", "b", true)];
        let node = Node::container(q("top"), false, mixed.clone());
        assert_eq!(node.children(), mixed);
        assert!(mixed.iter().all(|child| node.child(child.step()) == Some(child)));
    }
}
