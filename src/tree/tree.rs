//! The tree: a root without a name and what hangs below it.

use super::children::Children;
use super::name::QName;
use super::node::Node;
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
        fn down(path: &Path, node: &Node, visit: &mut dyn FnMut(&Path, &Node) -> bool) {
            for child in node.children() {
                let path = path.child(child.step());
                if visit(&path, child) {
                    down(&path, child, visit);
                }
            }
        }
        down(&Path::root(), &self.root, visit);
    }

    /// What of this tree also stands in `mask`: nodes whose path exists there, and everything below a masked node that
    /// has no children in the mask. This cuts what an element says to what is claimed or was recorded.
    pub fn masked(&self, mask: &ConfigTree) -> Self {
        fn keep(node: &Node, mask: &Node) -> Vec<Node> {
            node.children()
                .iter()
                .filter_map(|child| {
                    let below = mask.child_beside(child)?;
                    if below.children().is_empty() && child.children().is_empty() {
                        return Some(child.clone());
                    }
                    Some(child.with_children(keep(child, below)))
                })
                .collect()
        }
        Self::new(keep(&self.root, mask.root()))
    }

    /// Both trees over each other; where both have a leaf the value of `other` stands.
    pub fn overlay(&self, other: &ConfigTree) -> Self {
        fn both(a: &Node, b: &Node) -> Node {
            let mut children: Vec<Node> = Vec::with_capacity(a.children().len() + b.children().len());
            for child in a.children() {
                match b.child_beside(child) {
                    None => children.push(child.clone()),
                    Some(over) if over.hash() == child.hash() => children.push(child.clone()),
                    Some(over) if over.children().is_empty() && child.children().is_empty() => {
                        children.push(over.clone())
                    }
                    Some(over) => children.push(both(child, over)),
                }
            }
            children.extend(b.children().iter().filter(|c| a.child_beside(c).is_none()).cloned());
            a.with_children(children)
        }
        Self { root: both(&self.root, other.root()) }
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
    if after == After::Keep {
        return node.with_child(new);
    }
    let mut children = node.children().to_vec();
    if let Some(at) = children.iter().position(|child| child.is_beside(&new)) {
        children.remove(at);
    }
    let at = match after {
        After::Sibling(step) => children.iter().position(|child| child.is_at(step)).map(|at| at + 1),
        _ => children.iter().position(|child| child.name() == new.name()),
    };
    children.insert(at.unwrap_or(children.len()), new);
    node.with_children(children)
}

fn cut(node: &Node, path: &[Step]) -> Node {
    let (step, rest) = (&path[0], &path[1..]);
    match node.child(step) {
        Some(child) if !rest.is_empty() => node.with_child(cut(child, rest)),
        _ => node.without_child(step),
    }
}
