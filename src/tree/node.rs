//! One node of a configuration tree: immutable, shared, and carrying a hash of all that is below it.
//!
//! Children stand in canonical order: by name, then by key; children of a *user-ordered* list or leaf-list keep the order
//! in which they were given (RFC 7950 §7.7.7). An empty non-presence container says nothing (RFC 7950 §7.5.1), so it is
//! dropped when a parent is built.
//!
//! A node is a handle of 16 bytes. A leaf or a leaf-list member is nothing but the handle: what its name means and its
//! value. A branch is one piece of memory with its hash and the handles of its children; where it has many children they
//! stand in chunks ([`super::chunks`]), so that one edit copies little. Two nodes are equal when their hashes are; that a
//! leaf was reported as default (RFC 6243) and that a list is ordered by the user is not part of it.

use super::children::Children;
use super::chunks::{self, Chunks, Splice};
use super::hash::{self, Hash};
use super::mark::Mark;
use super::name::QName;
use super::path::{Key, KeyRef, Keys, Step};
use super::value::Value;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
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
#[serde(from = "Bare")]
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

/// Children.
impl Node {
    /// The children in canonical order.
    pub fn children(&self) -> Children<'_> {
        Children::of(self)
    }

    /// The child at this step. Logarithmic, except among siblings in the user's order.
    pub fn child(&self, step: &Step) -> Option<&Node> {
        self.children().seek(&step.name, step.key.as_ref()).ok().map(|(_, child)| child)
    }

    /// The child at the place of `other`, which is a child of another parent.
    pub fn child_beside(&self, other: &Node) -> Option<&Node> {
        self.children().seek(other.name(), other.key_ref()).ok().map(|(_, child)| child)
    }

    /// The child of this name that needs no key: a container or a leaf.
    pub fn named(&self, name: &QName) -> Option<&Node> {
        self.children().seek(name, KeyRef::Single).ok().map(|(_, child)| child)
    }

    /// Whether some children keep the order in which they were given.
    pub fn keeps_order(&self) -> bool {
        self.head().is_some_and(|head| head.ordered)
    }

    /// The same node with some children put or taken: `None` takes the child at this step away, a node takes the place of
    /// the child with its step or is put where it belongs. The changes may stand in any order, one per step. What is
    /// copied follows their number, not the number of children.
    pub fn edited(&self, changes: impl IntoIterator<Item = (Step, Option<Node>)>) -> Self {
        let own = self.children();
        let mut splices: Vec<Splice> = Vec::new();
        let mut anew: Vec<Node> = Vec::new();
        for (step, change) in changes {
            let change = change.filter(|child| !child.is_void());
            let found = own.seek(&step.name, step.key.as_ref()).map(|(at, _)| at);
            let Some(child) = change else {
                splices.extend(found.ok().map(|at| Splice { at, take: true, put: None }));
                continue;
            };
            let (Ok(at) | Err(at)) = found;
            splices.push(Splice { at, take: found.is_ok(), put: Some(child.clone()) });
            if own.user_order_of(&step.name) != Some(child.is_user_ordered()) {
                // New siblings, or such that know better than those that are here whether the user orders them.
                anew.push(child);
            }
        }
        let Some(label) = self.label().filter(|_| !splices.is_empty()) else { return self.clone() };
        let unlike = |child: &Node| match own.user_order_of(child.name()) {
            Some(ordered) => !ordered,
            None => anew.iter().any(|other| other.name() == child.name() && unlike_order(other, child)),
        };
        if anew.iter().any(unlike) {
            return self.rebuilt(label, splices);
        }
        for child in splices.iter_mut().filter_map(|splice| splice.put.as_mut()) {
            if own.user_order_of(child.name()) == Some(true) && !child.is_user_ordered() {
                *child = child.in_user_order();
            }
        }
        splices.sort_by(Splice::order);
        self.spliced(label, &splices)
    }

    /// The same node with one child put where it belongs; a child of the same step gives way, keeping its place.
    pub(super) fn with_child(&self, child: Node) -> Self {
        self.edited([(child.step(), Some(child))])
    }

    /// The same node without the child at this step.
    pub(super) fn without_child(&self, step: &Step) -> Self {
        self.edited([(step.clone(), None)])
    }

    /// The same node with a child at a place among its siblings: behind `after`, first without it, last where that
    /// sibling is missing. Without effect on the order of siblings that the user does not order.
    pub(super) fn with_child_at(&self, child: Node, after: Option<&Step>) -> Self {
        let own = self.children();
        let present = own.user_order_of(child.name());
        let ordered = present.unwrap_or(false) || child.is_user_ordered();
        let Some(label) = self.label().filter(|_| ordered && !child.is_void()) else { return self.with_child(child) };
        if present == Some(false) {
            // The siblings do not know yet that the user orders them.
            let run = own.range_of(child.name());
            let siblings = own.slice(run).iter().map(|sibling| (sibling.step(), Some(sibling.in_user_order())));
            return self.edited(siblings).with_child_at(child, after);
        }
        let run = own.range_of(child.name());
        let old = own.seek(child.name(), child.key_ref()).ok().map(|(at, _)| at);
        let at = match after {
            None => run.start,
            Some(step) if child.is_at(step) => run.end,
            Some(step) => own.seek(&step.name, step.key.as_ref()).map_or(run.end, |(at, _)| at + 1),
        };
        let mut splices = vec![Splice { at, take: false, put: Some(child.in_user_order()) }];
        splices.extend(old.map(|at| Splice { at, take: true, put: None }));
        splices.sort_by_key(|splice| (splice.at, splice.take));
        self.spliced(label, &splices)
    }

    fn spliced(&self, label: Label, splices: &[Splice]) -> Self {
        let height = self.head().map_or(0, |head| head.height);
        let Chunks { items, height } = chunks::spliced(self.items(), height, splices);
        label.sealed(items, height)
    }

    /// The slow way: all children anew.
    fn rebuilt(&self, label: Label, splices: Vec<Splice>) -> Self {
        let mut children: Vec<Option<Node>> = self.children().iter().cloned().map(Some).collect();
        let mut new = Vec::new();
        for Splice { at, take, put } in splices {
            match (children.get_mut(at), take) {
                (Some(place), true) => *place = put,
                _ => new.extend(put),
            }
        }
        built(label, children.into_iter().flatten().chain(new).collect())
    }

    /// The same node, knowing that the user orders it.
    fn in_user_order(&self) -> Self {
        let kind = match self.kind() {
            Kind::Entry => Kind::UserEntry,
            Kind::Member => Kind::UserMember,
            Kind::Opaque => Kind::UserOpaque,
            _ => return self.clone(),
        };
        match &self.0 {
            Repr::Small(_, value) => Self::small(kind, self.name().clone(), value.clone()),
            Repr::Branch(branch) => {
                let head = &branch.header.header;
                let label = Label { mark: head.mark, key: head.key.clone(), kind };
                label.sealed(branch.slice.to_vec(), head.height)
            }
        }
    }
}

fn unlike_order(a: &Node, b: &Node) -> bool {
    a.is_user_ordered() != b.is_user_ordered()
}

fn collected(children: impl IntoIterator<Item = Node>) -> Vec<Node> {
    children.into_iter().collect()
}

fn built(label: Label, mut children: Vec<Node>) -> Node {
    children.retain(|child| !child.is_void());
    if !children.is_sorted_by(|a, b| a.name() <= b.name()) {
        // Stable, so user-ordered siblings keep their places. First by name: one comparison over mixed siblings would not
        // be an order.
        children.sort_by(|a, b| a.name().cmp(b.name()));
    }
    for run in children.chunk_by_mut(|a, b| a.name() == b.name()) {
        if run.iter().any(Node::is_user_ordered) {
            // All of them, then: a step alone does not say that its list is ordered by the user.
            run.iter_mut().filter(|child| !child.is_user_ordered()).for_each(|child| *child = child.in_user_order());
        } else if !run.is_sorted_by(|a, b| a.cmp_key(b).is_le()) {
            run.sort_by(Node::cmp_key);
        }
    }
    let Chunks { items, height } = chunks::of(children);
    label.sealed(items, height)
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

impl Serialize for Node {
    /// The stored form: hash and count are computed again when it is read.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (default, children) = (self.is_default(), self.children());
        let fields = 2 + usize::from(default) + usize::from(!children.is_empty());
        let body = match self.body() {
            Body::Container { presence } => StoredBody::Container { presence },
            Body::Entry { user_ordered } => StoredBody::Entry { user_ordered },
            Body::Leaf(value) => StoredBody::Leaf(value.clone()),
            Body::Member { user_ordered } => StoredBody::Member { user_ordered },
            Body::Opaque { user_ordered: false } => StoredBody::Opaque,
            Body::Opaque { user_ordered: true } => StoredBody::OpaqueOrdered,
        };
        let mut out = serializer.serialize_struct("Node", fields)?;
        out.serialize_field("step", &self.step())?;
        out.serialize_field("body", &body)?;
        if default {
            out.serialize_field("default", &true)?;
        }
        if !children.is_empty() {
            out.serialize_field("children", &children)?;
        }
        out.end()
    }
}

/// The stored form as it is read.
#[derive(Deserialize)]
struct Bare {
    step: Step,
    body: StoredBody,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    children: Vec<Node>,
}

impl From<Bare> for Node {
    fn from(bare: Bare) -> Self {
        let Bare { step, body, default, children } = bare;
        let kind = match body {
            StoredBody::Leaf(value) if default => return Node::default_leaf(step.name, value),
            StoredBody::Leaf(value) => return Node::leaf(step.name, value),
            StoredBody::Member { user_ordered } => match step.key {
                Key::Member(value) => return Node::member(step.name, value, user_ordered),
                _ => Kind::Member,
            },
            StoredBody::Container { presence: true } => Kind::Presence,
            StoredBody::Container { presence: false } => Kind::Container,
            StoredBody::Entry { user_ordered: true } => Kind::UserEntry,
            StoredBody::Entry { user_ordered: false } => Kind::Entry,
            StoredBody::Opaque => Kind::Opaque,
            StoredBody::OpaqueOrdered => Kind::UserOpaque,
        };
        built(Label::new(kind, step), children)
    }
}

/// The stored form of what a node is.
#[derive(Serialize, Deserialize)]
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
