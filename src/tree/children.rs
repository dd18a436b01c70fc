//! The children of a node as a view: read like a slice, whatever way they are stored.

use super::node::Node;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Index;

/// Some nodes in their order: the children of a node, or a slice of nodes. Costs nothing to copy.
#[derive(Clone, Copy, Default)]
pub struct Children<'a> {
    nodes: &'a [Node],
}

impl<'a> Children<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes in their order.
    pub fn iter(&self) -> Iter<'a> {
        Iter { nodes: self.nodes.iter() }
    }

    /// The node at this place.
    pub fn get(&self, at: usize) -> Option<&'a Node> {
        self.nodes.get(at)
    }

    /// The first one.
    pub fn first(&self) -> Option<&'a Node> {
        self.nodes.first()
    }

    /// The last one.
    pub fn last(&self) -> Option<&'a Node> {
        self.nodes.last()
    }

    /// Those at the places of a range.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self { nodes: self.nodes.get(range).unwrap_or_default() }
    }

    /// Tells what differs between these (old) and the children of another node (new): each child that is only here, only
    /// there, or of another content, in canonical order; siblings in the user's order of which any differs are shown as
    /// two whole runs. Equal parts are skipped by their hashes, so the cost follows the difference.
    pub fn differing(self, new: Children<'a>, visit: &mut dyn FnMut(Differing<'a>)) {
        let (mut i, mut j) = (0, 0);
        while i < self.len() || j < new.len() {
            let name = match (self.get(i), new.get(j)) {
                (Some(a), Some(b)) => a.name().min(b.name()),
                (a, b) => match a.or(b) {
                    Some(only) => only.name(),
                    None => return,
                },
            };
            let run = |list: &Self, from: usize| {
                from + list.slice(from..list.len()).iter().take_while(|c| c.name() == name).count()
            };
            let (i_end, j_end) = (run(&self, i), run(&new, j));
            siblings(self.slice(i..i_end), new.slice(j..j_end), visit);
            (i, j) = (i_end, j_end);
        }
    }

    /// The only one; `None` when there is none or are several.
    pub fn single(&self) -> Option<&'a Node> {
        self.first().filter(|_| self.len() == 1)
    }

    /// Handles of all.
    pub fn to_vec(&self) -> Vec<Node> {
        self.nodes.to_vec()
    }
}

/// A difference between the children of two nodes.
#[derive(Clone, Copy, Debug)]
pub enum Differing<'a> {
    /// A child that is only in the old ones, only in the new ones, or in both with another content.
    Child(Option<&'a Node>, Option<&'a Node>),
    /// All siblings of one name, old and new, of which at least one keeps the user's order. They may be the same nodes in
    /// another order.
    Ordered(Children<'a>, Children<'a>),
}

/// Siblings of one name.
fn siblings<'a>(old: Children<'a>, new: Children<'a>, visit: &mut dyn FnMut(Differing<'a>)) {
    if old.iter().chain(new).any(Node::is_user_ordered) {
        if old != new {
            visit(Differing::Ordered(old, new));
        }
        return;
    }
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.cmp_key(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let a = if order.is_le() { left.next() } else { None };
        let b = if order.is_ge() { right.next() } else { None };
        if a != b {
            visit(Differing::Child(a, b));
        }
    }
}

/// The nodes of a [`Children`] in their order.
#[derive(Clone)]
pub struct Iter<'a> {
    nodes: std::slice::Iter<'a, Node>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<&'a Node> {
        self.nodes.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.nodes.next_back()
    }
}

impl<'a> IntoIterator for Children<'a> {
    type Item = &'a Node;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Children<'a> {
    type Item = &'a Node;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> From<&'a [Node]> for Children<'a> {
    fn from(nodes: &'a [Node]) -> Self {
        Self { nodes }
    }
}

impl<'a> From<&'a Vec<Node>> for Children<'a> {
    fn from(nodes: &'a Vec<Node>) -> Self {
        Self { nodes }
    }
}

impl<'a, const N: usize> From<&'a [Node; N]> for Children<'a> {
    fn from(nodes: &'a [Node; N]) -> Self {
        Self { nodes }
    }
}

impl<'a> From<&'a Node> for Children<'a> {
    /// A list of this one node.
    fn from(node: &'a Node) -> Self {
        Self { nodes: std::slice::from_ref(node) }
    }
}

impl Index<usize> for Children<'_> {
    type Output = Node;

    fn index(&self, at: usize) -> &Node {
        &self.nodes[at]
    }
}

impl PartialEq for Children<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a == b)
    }
}

impl fmt::Debug for Children<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
