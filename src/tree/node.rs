//! One node of a configuration tree: immutable, shared, and carrying a hash of all that is below it.
//!
//! Children stand in canonical order: by name, then by key; children of a *user-ordered* list or leaf-list keep the order
//! in which they were given (RFC 7950 §7.7.7). An empty non-presence container says nothing (RFC 7950 §7.5.1), so it is
//! dropped when a parent is built.

use super::children::Children;
use super::name::QName;
use super::path::{Key, Keys, Step};
use super::value::Value;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::cmp::Ordering;
use std::fmt;
use std::hash::Hasher;
use std::sync::{Arc, OnceLock};

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
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
    Leaf(&'a Value),
    /// A leaf-list member; its value is its key.
    Member {
        /// The leaf-list is `ordered-by user`.
        user_ordered: bool,
    },
    /// What no schema knows: an XML element or a CLI line, kept so that it is compared and never lost.
    /// The text stands in the node's key.
    Opaque {
        /// Its place among its opaque siblings is part of the configuration (lines of a CLI).
        user_ordered: bool,
    },
}

/// A node: a handle that costs next to nothing to clone. Build it with the constructors; it cannot be changed afterwards.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Bare", into = "Bare")]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    step: Step,
    body: StoredBody,
    children: Vec<Node>,
    /// Whether some children keep the user's order; otherwise they are sorted by step.
    ordered: bool,
    hash: u128,
    count: u32,
}

impl Node {
    /// A container.
    pub fn container(name: QName, presence: bool, children: impl IntoIterator<Item = Node>) -> Self {
        Self::build(Step::single(name), StoredBody::Container { presence }, collected(children))
    }

    /// A list entry; `keys` in schema order.
    pub fn entry(
        name: QName,
        keys: impl Into<Keys>,
        user_ordered: bool,
        children: impl IntoIterator<Item = Node>,
    ) -> Self {
        let step = Step { name, key: Key::Entry(keys.into()) };
        Self::build(step, StoredBody::Entry { user_ordered }, collected(children))
    }

    /// A leaf.
    pub fn leaf(name: QName, value: Value) -> Self {
        Self::build(Step::single(name), StoredBody::Leaf(value), Vec::new())
    }

    /// A leaf-list member.
    pub fn member(name: QName, value: Value, user_ordered: bool) -> Self {
        Self::build(Step { name, key: Key::Member(value) }, StoredBody::Member { user_ordered }, Vec::new())
    }

    /// An opaque node: `text` is kept as it is, `nth` counts equal siblings before it.
    pub fn opaque(name: QName, text: &str, nth: u32, children: impl IntoIterator<Item = Node>) -> Self {
        Self::build(Step { name, key: Key::Opaque(Arc::from(text), nth) }, StoredBody::Opaque, collected(children))
    }

    /// An opaque node whose place among its opaque siblings counts.
    pub fn opaque_ordered(name: QName, text: &str, nth: u32, children: impl IntoIterator<Item = Node>) -> Self {
        let step = Step { name, key: Key::Opaque(Arc::from(text), nth) };
        Self::build(step, StoredBody::OpaqueOrdered, collected(children))
    }

    /// The node that a path's step alone describes: a container, an entry or a member without children.
    pub fn from_step(step: Step) -> Self {
        let body = match &step.key {
            Key::Single => StoredBody::Container { presence: false },
            Key::Entry(_) => StoredBody::Entry { user_ordered: false },
            Key::Member(_) => StoredBody::Member { user_ordered: false },
            Key::Opaque(..) => StoredBody::Opaque,
        };
        Self::build(step, body, Vec::new())
    }

    /// The same node with other children.
    pub fn with_children(&self, children: impl IntoIterator<Item = Node>) -> Self {
        Self::build(self.0.step.clone(), self.0.body.clone(), collected(children))
    }

    /// The name.
    pub fn name(&self) -> &QName {
        &self.0.step.name
    }

    /// What tells it from its siblings. To compare, use [`Node::is_at`] or [`Node::cmp_key`]: they copy nothing.
    pub fn key(&self) -> Key {
        self.0.step.key.clone()
    }

    /// The keys of a list entry.
    pub fn keys(&self) -> Option<&Keys> {
        match &self.0.step.key {
            Key::Entry(keys) => Some(keys),
            _ => None,
        }
    }

    /// The text of an opaque node.
    pub fn opaque_text(&self) -> Option<&str> {
        match &self.0.step.key {
            Key::Opaque(text, _) => Some(text),
            _ => None,
        }
    }

    /// Name and key: the step from its parent. To compare, use [`Node::is_at`], [`Node::is_beside`] or
    /// [`Node::cmp_step`]: they copy nothing.
    pub fn step(&self) -> Step {
        self.0.step.clone()
    }

    /// Whether `step` is the step to this node.
    pub fn is_at(&self, step: &Step) -> bool {
        self.0.step == *step
    }

    /// Whether both have the same step: the same place below one parent.
    pub fn is_beside(&self, other: &Node) -> bool {
        self.0.step == other.0.step
    }

    /// The canonical order of this node's step and `step`.
    pub fn cmp_step(&self, step: &Step) -> Ordering {
        self.0.step.cmp(step)
    }

    /// The canonical order of two siblings.
    pub fn cmp_place(&self, other: &Node) -> Ordering {
        self.0.step.cmp(&other.0.step)
    }

    /// The canonical order of the keys of two siblings of one name.
    pub fn cmp_key(&self, other: &Node) -> Ordering {
        self.0.step.key.cmp(&other.0.step.key)
    }

    /// What it is.
    pub fn body(&self) -> Body<'_> {
        match &self.0.body {
            StoredBody::Container { presence } => Body::Container { presence: *presence },
            StoredBody::Entry { user_ordered } => Body::Entry { user_ordered: *user_ordered },
            StoredBody::Leaf(value) => Body::Leaf(value),
            StoredBody::Member { user_ordered } => Body::Member { user_ordered: *user_ordered },
            StoredBody::Opaque => Body::Opaque { user_ordered: false },
            StoredBody::OpaqueOrdered => Body::Opaque { user_ordered: true },
        }
    }

    /// The value of a leaf or a leaf-list member.
    pub fn value(&self) -> Option<&Value> {
        match (&self.0.body, &self.0.step.key) {
            (StoredBody::Leaf(value), _) | (StoredBody::Member { .. }, Key::Member(value)) => Some(value),
            _ => None,
        }
    }

    /// The children in canonical order.
    pub fn children(&self) -> Children<'_> {
        Children::from(&self.0.children)
    }

    /// The child at this step. Logarithmic, except among siblings in the user's order.
    pub fn child(&self, step: &Step) -> Option<&Node> {
        self.place(step).ok().map(|at| &self.0.children[at])
    }

    /// The child at the place of `other`, which is a child of another parent.
    pub fn child_beside(&self, other: &Node) -> Option<&Node> {
        self.child(&other.0.step)
    }

    /// Where the child at this step stands, or where it would be put.
    fn place(&self, step: &Step) -> Result<usize, usize> {
        let children = &self.0.children;
        if !self.0.ordered {
            return children.binary_search_by(|child| child.cmp_step(step));
        }
        let start = children.partition_point(|c| *c.name() < step.name);
        let run = children[start..].iter().take_while(|c| *c.name() == step.name);
        let mut end = start;
        for child in run {
            if child.is_at(step) {
                return Ok(end);
            }
            end += 1;
        }
        Err(end)
    }

    /// The same node with one child put where it belongs; a child of the same step gives way, keeping its place. Unlike
    /// [`Node::with_children`] it sorts nothing.
    pub(super) fn with_child(&self, child: Node) -> Self {
        let own = &self.0.children;
        if self.0.ordered || child.is_user_ordered() {
            let mut children = own.clone();
            match self.place(&child.0.step) {
                Ok(at) => children[at] = child,
                Err(_) => children.push(child),
            }
            return self.with_children(children);
        }
        let mut children = Vec::with_capacity(own.len() + 1);
        let (before, after) = match self.place(&child.0.step) {
            Ok(at) => (&own[..at], &own[at + 1..]),
            Err(at) => own.split_at(at),
        };
        children.extend_from_slice(before);
        if !child.is_void() {
            children.push(child);
        }
        children.extend_from_slice(after);
        Self::sealed(self.0.step.clone(), self.0.body.clone(), children, false)
    }

    /// The same node with some children put or taken: `None` takes the child at this step away, a node takes the place of
    /// the child with its step or is put where it belongs. The changes may stand in any order, one per step. The cost
    /// follows their number.
    pub fn edited(&self, changes: impl IntoIterator<Item = (Step, Option<Node>)>) -> Self {
        changes.into_iter().fold(self.clone(), |node, (step, change)| match change {
            Some(child) => node.with_child(child),
            None => node.without_child(&step),
        })
    }

    /// Whether some children keep the order in which they were given.
    pub fn keeps_order(&self) -> bool {
        self.0.ordered
    }

    /// The same node without the child at this step.
    pub(super) fn without_child(&self, step: &Step) -> Self {
        let mut children = self.0.children.clone();
        if let Ok(at) = self.place(step) {
            children.remove(at);
        }
        let ordered = self.0.ordered && children.iter().any(|child| child.is_user_ordered());
        Self::sealed(self.0.step.clone(), self.0.body.clone(), children, ordered)
    }

    /// A 128-bit hash of the whole subtree, equal for equal content within one installation's key.
    pub fn hash(&self) -> u128 {
        self.0.hash
    }

    /// How many nodes the subtree has, itself included.
    pub fn count(&self) -> u32 {
        self.0.count
    }

    /// Whether it says nothing: a non-presence container without children.
    pub fn is_void(&self) -> bool {
        matches!(self.body(), Body::Container { presence: false }) && self.0.children.is_empty()
    }

    /// Whether its place among its siblings is part of the configuration.
    pub fn is_user_ordered(&self) -> bool {
        match self.body() {
            Body::Entry { user_ordered } | Body::Member { user_ordered } | Body::Opaque { user_ordered } => {
                user_ordered
            }
            Body::Container { .. } | Body::Leaf(_) => false,
        }
    }

    /// Whether both handles are of one node, not only of equal ones. Cheap; false says nothing.
    pub fn same(a: &Node, b: &Node) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    fn build(step: Step, body: StoredBody, mut children: Vec<Node>) -> Self {
        children.retain(|child| !child.is_void());
        // Stable, so user-ordered siblings keep their places. First by name: one comparison over mixed siblings would not
        // be an order.
        children.sort_by(|a, b| a.name().cmp(b.name()));
        let mut ordered = false;
        for run in children.chunk_by_mut(|a, b| a.name() == b.name()) {
            if run.iter().any(|child| child.is_user_ordered()) {
                ordered = true;
            } else {
                run.sort_by(Node::cmp_key);
            }
        }
        Self::sealed(step, body, children, ordered)
    }

    /// From children that stand in their order already.
    fn sealed(step: Step, body: StoredBody, children: Vec<Node>, ordered: bool) -> Self {
        let hash = hash_of(&step, &body, &children);
        let count = children.iter().fold(1u32, |sum, child| sum.saturating_add(child.count()));
        Self(Arc::new(Inner { step, body, children, ordered, hash, count }))
    }
}

fn collected(children: impl IntoIterator<Item = Node>) -> Vec<Node> {
    children.into_iter().collect()
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for Node {}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("step", &self.0.step)
            .field("body", &self.0.body)
            .field("children", &self.0.children)
            .finish()
    }
}

/// Sets the key of all node hashes, once, before the first tree is built. A later call changes nothing and returns
/// false. Without it a fixed key serves (tests, the command).
pub fn set_hash_key(key: [u8; 16]) -> bool {
    HASH_KEY.set(key).is_ok()
}

static HASH_KEY: OnceLock<[u8; 16]> = OnceLock::new();

fn hash_of(step: &Step, body: &StoredBody, children: &[Node]) -> u128 {
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
        StoredBody::Leaf(value) => {
            text("l");
            text(value.as_str());
        }
        StoredBody::Container { .. }
        | StoredBody::Entry { .. }
        | StoredBody::Member { .. }
        | StoredBody::Opaque
        | StoredBody::OpaqueOrdered => text("-"),
    }
    hasher.write_u32(children.len() as u32);
    for child in children {
        hasher.write_u128(child.hash());
    }
    hasher.finish128().as_u128()
}

/// The stored form: hash and count are computed again when it is read.
#[derive(Serialize, Deserialize)]
struct Bare {
    step: Step,
    body: StoredBody,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node>,
}

impl From<Bare> for Node {
    fn from(bare: Bare) -> Self {
        Node::build(bare.step, bare.body, bare.children)
    }
}

impl From<Node> for Bare {
    fn from(node: Node) -> Self {
        Bare { step: node.0.step.clone(), body: node.0.body.clone(), children: node.0.children.clone() }
    }
}

/// The stored form of what a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredBody {
    Container { presence: bool },
    Entry { user_ordered: bool },
    Leaf(Value),
    Member { user_ordered: bool },
    Opaque,
    OpaqueOrdered,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    fn member(name: &str, value: &str, user_ordered: bool) -> Node {
        Node::member(q(name), Value::text(value), user_ordered)
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
                if node.child(&member("l", value, user_ordered).step()).is_none() {
                    anew.push(member("l", value, user_ordered));
                }
                let anew = node.with_children(anew);
                assert_eq!((put.hash(), put.count()), (anew.hash(), anew.count()), "{value} {user_ordered}");
                let step = member("l", value, false).step();
                assert!(put.child(&step).is_some());
                let taken = put.without_child(&step);
                assert!(taken.child(&step).is_none());
                assert_eq!(taken.hash(), taken.with_children(taken.children().to_vec()).hash());
            }
            for child in &children {
                assert_eq!(node.child(&child.step()), Some(child));
            }
        }
    }

    /// A step alone does not say that its list is ordered by the user, so one run may hold both kinds.
    #[test]
    fn siblings_of_which_only_some_know_their_order_keep_it() {
        let mixed = vec![member("l", "c", true), member("l", "a", false), member("l", "b", true)];
        let node = Node::container(q("top"), false, mixed.clone());
        assert_eq!(node.children().to_vec(), mixed);
        assert!(mixed.iter().all(|child| node.child(&child.step()) == Some(child)));
    }

    /// What an installation stored before must be read for ever, byte by byte.
    #[test]
    fn the_stored_form_of_a_tree_stays_what_it_was() {
        let stored = concat!(
            r#"{"step":{"name":{"module":"","name":""},"key":"single"},"body":{"container":{"presence":true}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"c"},"key":"single"},"body":{"container":{"presence":false}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"l"},"key":{"entry":[["k",{"kind":"text","text":"a"}]]}},"#,
            r#""body":{"entry":{"user_ordered":true}},"children":["#,
            r#"{"step":{"name":{"module":"m","name":"v"},"key":"single"},"body":{"leaf":{"kind":"number64","text":"7"}}}]},"#,
            r#"{"step":{"name":{"module":"m","name":"m"},"key":{"member":{"kind":"identity","text":"m:x"}}},"#,
            r#""body":{"member":{"user_ordered":false}}},"#,
            r#"{"step":{"name":{"module":"u","name":"x"},"key":{"opaque":["<x/>",1]}},"body":"opaque"}]}]}"#,
        );
        let node: Node = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), stored);
        let value = Value::new(crate::tree::ValueKind::Number64, "7");
        let entry = Node::entry(q("l"), [("k".into(), Value::text("a"))], true, [Node::leaf(q("v"), value)]);
        let member = member("m", "m:x", false);
        let opaque = Node::opaque(QName::new("u", "x"), "<x/>", 1, []);
        let anew = Node::container(q("c"), false, [entry, member, opaque]);
        assert_eq!(node, Node::container(QName::new("", ""), true, [anew]));
    }
}
