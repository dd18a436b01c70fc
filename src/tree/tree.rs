//! The tree: a root without a name and what hangs below it.

use super::children::Children;
use super::name::QName;
use super::node::{Body, Node};
use super::path::{Path, Step};
use serde::{Deserialize, Serialize};

/// An immutable configuration tree. Cloning costs one reference; an edit copies only the way from the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigTree {
    root: Node,
}

impl Default for ConfigTree {
    fn default() -> Self {
        Self::new([])
    }
}

impl ConfigTree {
    /// A tree of these top-level nodes.
    pub fn new(top: impl IntoIterator<Item = Node>) -> Self {
        Self { root: Node::container(QName::new("", ""), true, top) }
    }

    /// The tree below a root that was built from another one's.
    pub(super) fn from_root(root: Node) -> Self {
        Self { root }
    }

    /// The nameless root.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The top-level nodes in canonical order.
    pub fn top(&self) -> Children<'_> {
        self.root.children()
    }

    /// Whether nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.top().is_empty()
    }

    /// A hash of the whole tree.
    pub fn hash(&self) -> u128 {
        self.root.hash()
    }

    /// How many nodes it has, the root not counted.
    pub fn count(&self) -> u32 {
        self.root.count() - 1
    }

    /// How many of them neither a schema nor a grammar knows.
    pub fn unknown(&self) -> u32 {
        fn below(node: &Node) -> u32 {
            let own = u32::from(matches!(node.body(), Body::Opaque { .. }));
            node.children().iter().fold(own, |sum, child| sum + below(child))
        }
        below(&self.root)
    }

    /// The node at a path.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.steps().iter().try_fold(&self.root, |node, step| node.child(step))
    }

    /// The tree with `node` put at `parent`, taking the place of the sibling with the same step; missing ancestors are
    /// made. A user-ordered node that is new stands last, or behind `after`.
    pub fn with(&self, parent: &Path, node: Node, after: After<'_>) -> Self {
        Self { root: put(&self.root, parent.steps(), node, after) }
    }

    /// The tree without the node at `path`; ancestors that say nothing any more go with it. Unchanged if it is absent.
    pub fn without(&self, path: &Path) -> Self {
        if path.steps().is_empty() {
            return Self::default();
        }
        if self.at(path).is_none() {
            return self.clone();
        }
        Self { root: cut(&self.root, path.steps()) }
    }

    /// Calls `visit` for every node, parents first, in canonical order, until it returns false (which skips the
    /// subtree).
    pub fn walk(&self, visit: &mut dyn FnMut(&Path, &Node) -> bool) {
        fn down(path: &mut Path, node: &Node, visit: &mut dyn FnMut(&Path, &Node) -> bool) {
            for child in node.children() {
                path.push(child.step());
                if visit(path, child) {
                    down(path, child, visit);
                }
                path.pop();
            }
        }
        down(&mut Path::root(), &self.root, visit);
    }

    /// What of this tree also stands in `mask`: the nodes whose path exists there. This cuts what an element says to what
    /// is claimed or was recorded; the cost follows the mask.
    pub fn masked(&self, mask: &ConfigTree) -> Self {
        fn keep(node: &Node, mask: &Node) -> Node {
            if node == mask {
                return node.clone();
            }
            if node.keeps_order() {
                let kept = node.children().into_iter().filter_map(|child| Some(keep(child, mask.child_beside(child)?)));
                return node.with_children(kept);
            }
            let kept = mask.children().into_iter().filter_map(|below| Some(keep(node.child_beside(below)?, below)));
            node.with_children(kept)
        }
        Self { root: keep(&self.root, &mask.root) }
    }

    /// Both trees over each other; where both have a leaf the value of `other` stands. The cost follows `other`.
    pub fn overlay(&self, other: &ConfigTree) -> Self {
        fn both(a: &Node, b: &Node) -> Node {
            if a == b {
                return a.clone();
            }
            if b.value().is_some() || a.value().is_some() || (a.children().is_empty() && b.children().is_empty()) {
                return b.clone();
            }
            a.edited(b.children().into_iter().map(|over| {
                let node = a.child_beside(over).map_or_else(|| over.clone(), |child| both(child, over));
                (over.step(), Some(node))
            }))
        }
        Self { root: both(&self.root, &other.root) }
    }
}

/// Where a user-ordered node is put among its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After<'a> {
    /// Where it stands already, or last.
    Keep,
    /// Before all its siblings.
    First,
    /// Directly behind this sibling.
    Sibling(&'a Step),
}

fn put(node: &Node, parent: &[Step], new: Node, after: After<'_>) -> Node {
    if let Some((step, rest)) = parent.split_first() {
        let below = match node.child(step) {
            Some(child) => put(child, rest, new, after),
            None => put(&Node::from_step(step.clone()), rest, new, after),
        };
        return node.with_child(below);
    }
    match after {
        After::Keep => node.with_child(new),
        After::First => node.with_child_at(new, None),
        After::Sibling(step) => node.with_child_at(new, Some(step)),
    }
}

fn cut(node: &Node, path: &[Step]) -> Node {
    let (step, rest) = (&path[0], &path[1..]);
    match node.child(step) {
        Some(child) if !rest.is_empty() => node.with_child(cut(child, rest)),
        _ => node.without_child(step),
    }
}
