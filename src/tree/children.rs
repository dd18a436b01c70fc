//! The children of a node as a view: read like a slice, whatever way they are stored.

use super::node::Node;
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

    /// The only one; `None` when there is none or are several.
    pub fn single(&self) -> Option<&'a Node> {
        self.first().filter(|_| self.len() == 1)
    }

    /// Handles of all.
    pub fn to_vec(&self) -> Vec<Node> {
        self.nodes.to_vec()
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
