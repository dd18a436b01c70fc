//! One node of a configuration tree: immutable, shared, and carrying a hash of all that is below it.
//!
//! Children stand in canonical order: by name, then by key; children of a *user-ordered* list or leaf-list keep the order
//! in which they were given (RFC 7950 §7.7.7). An empty non-presence container says nothing (RFC 7950 §7.5.1), so it is
//! dropped when a parent is built.
//!
//! A node is a handle of 16 bytes. A leaf or a leaf-list member is nothing but the handle: what its name means and its
//! value. A branch is one piece of memory with its hash and the handles of its children; where it has many children they
//! stand in chunks (`super::chunks`), so that one edit copies little. Two nodes are equal when their hashes are; that a
//! leaf was reported as default (RFC 6243) and that a list is ordered by the user is not part of it.

mod edit;
mod stored;

use edit::{built, collected};

use super::hash::{self, Hash};
use super::mark::Mark;
use super::name::QName;
use super::path::{Key, KeyRef, Keys, Step};
use super::value::Value;
use serde::Deserialize;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use triomphe::ThinArc;

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

/// What a node is, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Presence,
    Entry,
    UserEntry,
    Leaf,
    DefaultLeaf,
    Member,
    UserMember,
    Opaque,
    UserOpaque,
    /// A chunk of a wide list: no node, it never leaves this module and [`super::chunks`].
    Run,
}

/// A node: a handle that costs next to nothing to clone. Build it with the constructors; it cannot be changed afterwards.
#[derive(Clone, Deserialize)]
#[serde(from = "stored::Bare")]
pub struct Node(pub(super) Repr);

#[derive(Clone)]
pub(super) enum Repr {
    /// A leaf or a leaf-list member.
    Small(&'static Mark, Value),
    Branch(ThinArc<Head, Node>),
}

const _: () = assert!(size_of::<Node>() == 16);

/// What stands before the children of a branch.
pub(super) struct Head {
    pub(super) hash: Hash,
    mark: &'static Mark,
    key: HeadKey,
    /// Nodes below, and the node itself unless it is a chunk.
    pub(super) count: u32,
    kind: Kind,
    /// Whether some children keep the user's order.
    pub(super) ordered: bool,
    /// How many levels of chunks stand between this and its children.
    pub(super) height: u8,
}

#[derive(Clone)]
enum HeadKey {
    None,
    Entry(Keys),
    Odd(Arc<Odd>),
    /// Of a chunk: how many children of the node it holds.
    Width(u32),
}

/// A node that cannot be described by its mark and its keys: an opaque one, or one whose name is not interned.
struct Odd {
    name: QName,
    hash: Hash,
    key: Key,
    /// Of a leaf.
    value: Option<Value>,
}

/// A branch without its children.
pub(super) struct Label {
    mark: &'static Mark,
    key: HeadKey,
    kind: Kind,
}

impl Label {
    fn new(kind: Kind, step: Step) -> Self {
        let key = match (step.key, Mark::of(&step.name, Kind::Container)) {
            (Key::Single, Some(mark)) => return Self { mark, key: HeadKey::None, kind },
            (Key::Entry(keys), Some(mark)) => return Self { mark, key: HeadKey::Entry(keys), kind },
            (key, _) => key,
        };
        Self::odd(kind, Step { name: step.name, key }, None)
    }

    fn odd(kind: Kind, step: Step, value: Option<Value>) -> Self {
        let odd = Odd { hash: hash::of_name(&step.name), name: step.name, key: step.key, value };
        Self { mark: Mark::nameless(), key: HeadKey::Odd(Arc::new(odd)), kind }
    }

    pub(super) fn run(width: u32) -> Self {
        Self { mark: Mark::nameless(), key: HeadKey::Width(width), kind: Kind::Run }
    }

    fn name(&self) -> (&QName, Hash) {
        match &self.key {
            HeadKey::Odd(odd) => (&odd.name, odd.hash),
            _ => (&self.mark.name, self.mark.hash),
        }
    }

    fn key_ref(&self) -> KeyRef<'_> {
        key_ref(&self.key)
    }

    /// The node with these children, which stand in their order already.
    pub(super) fn sealed(self, items: Vec<Node>, height: u8) -> Node {
        let hash = match &self.key {
            HeadKey::Odd(odd) if odd.value.is_some() || matches!(odd.key, Key::Member(_)) => {
                let member = odd.value.is_none();
                let value = odd.value.as_ref().or(match &odd.key {
                    Key::Member(value) => Some(value),
                    _ => None,
                });
                value.map_or([0, 0], |value| hash::of_leaf(odd.hash, member, value))
            }
            _ => hash::of_branch(self.name().1, self.key_ref(), &items),
        };
        let own = u32::from(self.kind != Kind::Run);
        let count = items.iter().fold(own, |sum, item| sum.saturating_add(item.count()));
        let ordered = items.iter().any(|item| match &item.0 {
            Repr::Branch(branch) if branch.header.header.kind == Kind::Run => branch.header.header.ordered,
            _ => item.is_user_ordered(),
        });
        let head = Head { hash, mark: self.mark, key: self.key, count, kind: self.kind, ordered, height };
        Node(Repr::Branch(ThinArc::from_header_and_iter(head, items.into_iter())))
    }
}

fn key_ref(key: &HeadKey) -> KeyRef<'_> {
    match key {
        HeadKey::Entry(keys) => KeyRef::Entry(keys),
        HeadKey::Odd(odd) => odd.key.as_ref(),
        HeadKey::None | HeadKey::Width(_) => KeyRef::Single,
    }
}

/// Construction.
impl Node {
    /// A container.
    pub fn container(name: QName, presence: bool, children: impl IntoIterator<Item = Node>) -> Self {
        let kind = if presence { Kind::Presence } else { Kind::Container };
        built(Label::new(kind, Step::single(name)), collected(children))
    }

    /// A list entry; `keys` in schema order.
    pub fn entry(
        name: QName,
        keys: impl Into<Keys>,
        user_ordered: bool,
        children: impl IntoIterator<Item = Node>,
    ) -> Self {
        let kind = if user_ordered { Kind::UserEntry } else { Kind::Entry };
        built(Label::new(kind, Step { name, key: Key::Entry(keys.into()) }), collected(children))
    }

    /// A leaf.
    pub fn leaf(name: QName, value: Value) -> Self {
        Self::small(Kind::Leaf, name, value)
    }

    /// A leaf that was reported as being at its default (RFC 6243 §3.3); equal to one that was not.
    pub fn default_leaf(name: QName, value: Value) -> Self {
        Self::small(Kind::DefaultLeaf, name, value)
    }

    /// A leaf-list member.
    pub fn member(name: QName, value: Value, user_ordered: bool) -> Self {
        Self::small(if user_ordered { Kind::UserMember } else { Kind::Member }, name, value)
    }

    /// An opaque node: `text` is kept as it is, `nth` counts equal siblings before it.
    pub fn opaque(name: QName, text: &str, nth: u32, children: impl IntoIterator<Item = Node>) -> Self {
        let step = Step { name, key: Key::Opaque(Arc::from(text), nth) };
        built(Label::new(Kind::Opaque, step), collected(children))
    }

    /// An opaque node whose place among its opaque siblings counts.
    pub fn opaque_ordered(name: QName, text: &str, nth: u32, children: impl IntoIterator<Item = Node>) -> Self {
        let step = Step { name, key: Key::Opaque(Arc::from(text), nth) };
        built(Label::new(Kind::UserOpaque, step), collected(children))
    }

    /// The node that a path's step alone describes: a container, an entry or a member without children.
    pub fn from_step(step: Step) -> Self {
        let kind = match step.key {
            Key::Single => Kind::Container,
            Key::Entry(_) => Kind::Entry,
            Key::Member(value) => return Self::small(Kind::Member, step.name, value),
            Key::Opaque(..) => Kind::Opaque,
        };
        Label::new(kind, step).sealed(Vec::new(), 0)
    }

    /// The same node with other children.
    pub fn with_children(&self, children: impl IntoIterator<Item = Node>) -> Self {
        match self.label() {
            Some(label) => built(label, collected(children)),
            None => self.clone(),
        }
    }

    fn small(kind: Kind, name: QName, value: Value) -> Self {
        if let Some(mark) = Mark::of(&name, kind) {
            return Self(Repr::Small(mark, value));
        }
        let label = match kind {
            Kind::Member | Kind::UserMember => Label::odd(kind, Step::member(name, value), None),
            _ => Label::odd(kind, Step::single(name), Some(value)),
        };
        label.sealed(Vec::new(), 0)
    }

    /// What it is without its children; `None` for leafs and leaf-list members, which have none.
    fn label(&self) -> Option<Label> {
        let head = self.head()?;
        let branch = self.leaf_parts().is_none();
        branch.then(|| Label { mark: head.mark, key: head.key.clone(), kind: head.kind })
    }
}

/// What it is.
impl Node {
    /// The name.
    pub fn name(&self) -> &QName {
        match &self.0 {
            Repr::Small(mark, _) => &mark.name,
            Repr::Branch(branch) => match &branch.header.header.key {
                HeadKey::Odd(odd) => &odd.name,
                _ => &branch.header.header.mark.name,
            },
        }
    }

    /// What tells it from its siblings. To compare, use [`Node::is_at`] or [`Node::cmp_key`]: they copy nothing.
    pub fn key(&self) -> Key {
        if let Some(HeadKey::Odd(odd)) = self.head().map(|head| &head.key) {
            return odd.key.clone();
        }
        match self.key_ref() {
            KeyRef::Single => Key::Single,
            KeyRef::Entry(keys) => Key::Entry(keys.clone()),
            KeyRef::Member(value) => Key::Member(value.clone()),
            KeyRef::Opaque(text, nth) => Key::Opaque(Arc::from(text), nth),
        }
    }

    /// The keys of a list entry.
    pub fn keys(&self) -> Option<&Keys> {
        match self.key_ref() {
            KeyRef::Entry(keys) => Some(keys),
            _ => None,
        }
    }

    /// The text of an opaque node.
    pub fn opaque_text(&self) -> Option<&str> {
        match self.key_ref() {
            KeyRef::Opaque(text, _) => Some(text),
            _ => None,
        }
    }

    /// Name and key: the step from its parent. To compare, use [`Node::is_at`], [`Node::is_beside`] or
    /// [`Node::cmp_step`]: they copy nothing.
    pub fn step(&self) -> Step {
        Step { name: self.name().clone(), key: self.key() }
    }

    /// Whether `step` is the step to this node.
    pub fn is_at(&self, step: &Step) -> bool {
        *self.name() == step.name && self.key_ref() == step.key.as_ref()
    }

    /// Whether both have the same step: the same place below one parent.
    pub fn is_beside(&self, other: &Node) -> bool {
        self.name() == other.name() && self.key_ref() == other.key_ref()
    }

    /// The canonical order of this node's step and `step`.
    pub fn cmp_step(&self, step: &Step) -> Ordering {
        self.name().cmp(&step.name).then_with(|| self.key_ref().cmp(&step.key.as_ref()))
    }

    /// The canonical order of two siblings.
    pub fn cmp_place(&self, other: &Node) -> Ordering {
        self.name().cmp(other.name()).then_with(|| self.cmp_key(other))
    }

    /// The canonical order of the keys of two siblings of one name.
    pub fn cmp_key(&self, other: &Node) -> Ordering {
        self.key_ref().cmp(&other.key_ref())
    }

    /// What it is.
    pub fn body(&self) -> Body<'_> {
        match (self.kind(), self.value()) {
            (Kind::Leaf | Kind::DefaultLeaf, Some(value)) => Body::Leaf(value),
            (kind @ (Kind::Member | Kind::UserMember), _) => Body::Member { user_ordered: kind == Kind::UserMember },
            (kind @ (Kind::Entry | Kind::UserEntry), _) => Body::Entry { user_ordered: kind == Kind::UserEntry },
            (kind @ (Kind::Opaque | Kind::UserOpaque), _) => Body::Opaque { user_ordered: kind == Kind::UserOpaque },
            (kind, _) => Body::Container { presence: kind == Kind::Presence },
        }
    }

    /// The value of a leaf or a leaf-list member.
    pub fn value(&self) -> Option<&Value> {
        self.leaf_parts().map(|(_, _, value)| value)
    }

    /// Whether it is a leaf that was reported as being at its default.
    pub fn is_default(&self) -> bool {
        self.kind() == Kind::DefaultLeaf
    }

    /// A 128-bit hash of the whole subtree, equal for equal content within one installation's key.
    pub fn hash(&self) -> u128 {
        let [high, low] = self.hash_words();
        u128::from(high) << 64 | u128::from(low)
    }

    /// How many nodes the subtree has, itself included.
    pub fn count(&self) -> u32 {
        self.head().map_or(1, |head| head.count)
    }

    /// Whether it says nothing: a non-presence container without children.
    pub fn is_void(&self) -> bool {
        self.kind() == Kind::Container && self.children().is_empty()
    }

    /// Whether its place among its siblings is part of the configuration.
    pub fn is_user_ordered(&self) -> bool {
        matches!(self.kind(), Kind::UserEntry | Kind::UserMember | Kind::UserOpaque)
    }

    /// Whether both handles are of one node, not only of equal ones. Cheap; false says nothing.
    pub fn same(a: &Node, b: &Node) -> bool {
        match (&a.0, &b.0) {
            (Repr::Small(mark, value), Repr::Small(other, its)) => {
                std::ptr::eq(*mark, *other) && Value::same(value, its)
            }
            (Repr::Branch(a), Repr::Branch(b)) => std::ptr::eq(&a.header.header, &b.header.header),
            _ => false,
        }
    }

    /// Whether both are equal to the last, also in what equality leaves out: kinds of values, marks of defaults, and whether
    /// the user orders them. Children are compared as handles: equal ones that are not shared count as others.
    pub(super) fn is_twin(&self, other: &Node) -> bool {
        let raw = |a: Option<&Value>, b: Option<&Value>| a.map(Value::raw) == b.map(Value::raw);
        let handles = |a: &Node, b: &Node| {
            Self::same(a, b) || (a == b && a.kind() == b.kind() && a.value().is_some() && raw(a.value(), b.value()))
        };
        fn keys(node: &Node) -> impl Iterator<Item = &str> {
            node.keys().into_iter().flat_map(|keys| keys.iter().map(|(_, value)| value.raw()))
        }
        self.kind() == other.kind()
            && self == other
            && keys(self).eq(keys(other))
            && self.items().len() == other.items().len()
            && self.items().iter().zip(other.items()).all(|(a, b)| handles(a, b))
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.0 {
            Repr::Small(mark, _) => mark.kind,
            Repr::Branch(branch) => branch.header.header.kind,
        }
    }

    pub(super) fn head(&self) -> Option<&Head> {
        match &self.0 {
            Repr::Small(..) => None,
            Repr::Branch(branch) => Some(&branch.header.header),
        }
    }

    /// The children, or of a wide node the chunks that hold them.
    pub(super) fn items(&self) -> &[Node] {
        match &self.0 {
            Repr::Small(..) => &[],
            Repr::Branch(branch) => &branch.slice,
        }
    }

    /// How many children of the wide node this item is: itself, or those in the chunk.
    pub(super) fn width(&self) -> usize {
        match self.head().map(|head| &head.key) {
            Some(HeadKey::Width(width)) => *width as usize,
            _ => 1,
        }
    }

    pub(super) fn key_ref(&self) -> KeyRef<'_> {
        match &self.0 {
            Repr::Small(mark, value) => match mark.kind {
                Kind::Member | Kind::UserMember => KeyRef::Member(value),
                _ => KeyRef::Single,
            },
            Repr::Branch(branch) => key_ref(&branch.header.header.key),
        }
    }

    pub(super) fn name_hash(&self) -> Hash {
        match &self.0 {
            Repr::Small(mark, _) => mark.hash,
            Repr::Branch(branch) => match &branch.header.header.key {
                HeadKey::Odd(odd) => odd.hash,
                _ => branch.header.header.mark.hash,
            },
        }
    }

    pub(super) fn hash_words(&self) -> Hash {
        match (&self.0, self.leaf_parts()) {
            (Repr::Branch(branch), _) => branch.header.header.hash,
            (_, Some((name, member, value))) => hash::of_leaf(name, member, value),
            (_, None) => [0, 0],
        }
    }

    /// Hash of the name, whether it is a leaf-list member, and value; of a leaf or a leaf-list member.
    pub(super) fn leaf_parts(&self) -> Option<(Hash, bool, &Value)> {
        match &self.0 {
            Repr::Small(mark, value) => Some((mark.hash, matches!(mark.kind, Kind::Member | Kind::UserMember), value)),
            Repr::Branch(branch) => match &branch.header.header.key {
                HeadKey::Odd(odd) => match (&odd.value, &odd.key) {
                    (Some(value), _) => Some((odd.hash, false, value)),
                    (None, Key::Member(value)) => Some((odd.hash, true, value)),
                    _ => None,
                },
                _ => None,
            },
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        Self::same(self, other)
            || match (&self.0, &other.0) {
                (Repr::Small(..), Repr::Small(..)) => self.leaf_parts() == other.leaf_parts(),
                _ => self.hash_words() == other.hash_words(),
            }
    }
}

impl Eq for Node {}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("step", &self.step())
            .field("body", &self.body())
            .field("children", &self.children())
            .finish()
    }
}
