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

    /// The child at this step.
    pub fn child(&self, step: &Step) -> Option<&Arc<Node>> {
        // User-ordered siblings are not sorted by key, so the run of equal names is searched linearly.
        let start = self.children.partition_point(|c| c.step.name < step.name);
        self.children[start..].iter().take_while(|c| c.step.name == step.name).find(|c| c.step.key == step.key)
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
        // Stable, so user-ordered siblings keep their places.
        children.sort_by(|a, b| {
            a.step.name.cmp(&b.step.name).then_with(|| {
                if a.is_user_ordered() && b.is_user_ordered() {
                    std::cmp::Ordering::Equal
                } else {
                    a.step.key.cmp(&b.step.key)
                }
            })
        });
        let hash = hash_of(&step, &body, &children);
        let count = children.iter().fold(1u32, |sum, child| sum.saturating_add(child.count));
        Self { step, body, children, hash, count }
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
