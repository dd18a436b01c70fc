//! The children of a node as a view: read like a slice, whatever way they are stored.

mod compare;
mod cursor;

pub use compare::Differing;

use super::chunks::last;
use super::name::QName;
use super::node::Node;
use super::path::KeyRef;
use compare::alike;
use cursor::Iter;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::{Index, Range};

/// Some nodes in their order: the children of a node, or a slice of nodes. Costs nothing to copy.
#[derive(Clone, Copy, Default)]
pub struct Children<'a> {
    /// The nodes, or the chunks that hold them.
    items: &'a [Node],
    /// Levels of chunks above the nodes.
    height: u8,
    /// Some of them may be in the user's order.
    ordered: bool,
    start: usize,
    end: usize,
}

impl<'a> Children<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        let items = node.items();
        let Some(head) = node.head() else { return Self::default() };
        let end = if head.height == 0 { items.len() } else { items.iter().map(Node::width).sum() };
        Self { items, height: head.height, ordered: head.ordered, start: 0, end }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The nodes in their order.
    pub fn iter(&self) -> Iter<'a> {
        Iter::over(*self)
    }

    /// The node at this place. In a wide list the cost is some ten steps, not one.
    pub fn get(&self, at: usize) -> Option<&'a Node> {
        let mut at = at.checked_add(self.start).filter(|at| *at < self.end)?;
        let mut items = self.items;
        for _ in 0..self.height {
            let run = items.iter().find(|run| {
                let here = at < run.width();
                at -= if here { 0 } else { run.width() };
                here
            })?;
            items = run.items();
        }
        items.get(at)
    }

    /// The first one.
    pub fn first(&self) -> Option<&'a Node> {
        self.get(0)
    }

    /// The last one.
    pub fn last(&self) -> Option<&'a Node> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Those at the places of a range; none if it reaches beyond the end.
    pub fn slice(&self, range: Range<usize>) -> Self {
        if range.start > range.end || range.end > self.len() {
            return Self::default();
        }
        Self { start: self.start + range.start, end: self.start + range.end, ..*self }
    }

    /// The only one; `None` when there is none or are several.
    pub fn single(&self) -> Option<&'a Node> {
        self.first().filter(|_| self.len() == 1)
    }

    /// Handles of all.
    pub fn to_vec(&self) -> Vec<Node> {
        self.iter().cloned().collect()
    }

    /// The child of this name and key with its place, or the place where it would be put: its own among sorted siblings,
    /// the last among those that the user orders.
    pub(super) fn seek(&self, name: &QName, key: KeyRef<'_>) -> Result<(usize, &'a Node), usize> {
        if self.ordered {
            let run = self.range_of(name);
            let siblings = self.slice(run.clone());
            if siblings.first().is_some_and(Node::is_user_ordered) {
                let at = siblings.iter().position(|child| child.key_ref() == key);
                return match at.and_then(|at| Some((run.start + at, siblings.get(at)?))) {
                    Some(found) => Ok(found),
                    None => Err(run.end),
                };
            }
        }
        let at = self.partition(|child| child.name().cmp(name).then_with(|| child.key_ref().cmp(&key)).is_lt());
        match at.1.filter(|child| child.name() == name && child.key_ref() == key) {
            Some(child) => Ok((at.0, child)),
            None => Err(at.0),
        }
    }

    /// The places of the children of this name.
    pub(super) fn range_of(&self, name: &QName) -> Range<usize> {
        let start = self.partition(|child| child.name() < name);
        if start.1.is_none_or(|child| child.name() != name) {
            return start.0..start.0;
        }
        start.0..self.partition(|child| child.name() <= name).0
    }

    /// Whether the children of this name are in the user's order; `None` if there are none.
    pub(super) fn user_order_of(&self, name: &QName) -> Option<bool> {
        let (_, child) = self.partition(|child| child.name() < name);
        child.filter(|child| child.name() == name).map(Node::is_user_ordered)
    }

    /// The first child that is not `before`, and its place. Holds for the first ones only.
    fn partition(&self, before: impl Fn(&Node) -> bool) -> (usize, Option<&'a Node>) {
        if self.height == 0 {
            let items = self.items.get(self.start..self.end).unwrap_or_default();
            let at = items.partition_point(&before);
            return (at, items.get(at));
        }
        let (mut at, mut items) = (0, self.items);
        for _ in 0..self.height {
            let place = items.partition_point(|run| before(last(run)));
            at += items[..place].iter().map(Node::width).sum::<usize>();
            let Some(run) = items.get(place) else { return (self.len().min(at.saturating_sub(self.start)), None) };
            items = run.items();
        }
        let place = items.partition_point(&before);
        let at = at + place;
        // A view of some of the children begins and ends where it does.
        if at < self.start {
            return (0, self.get(0));
        }
        if at >= self.end {
            return (self.len(), None);
        }
        (at - self.start, items.get(place))
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
        Self { items: nodes, height: 0, ordered: true, start: 0, end: nodes.len() }
    }
}

impl<'a> From<&'a Vec<Node>> for Children<'a> {
    fn from(nodes: &'a Vec<Node>) -> Self {
        Self::from(nodes.as_slice())
    }
}

impl<'a, const N: usize> From<&'a [Node; N]> for Children<'a> {
    fn from(nodes: &'a [Node; N]) -> Self {
        Self::from(nodes.as_slice())
    }
}

impl<'a> From<&'a Node> for Children<'a> {
    /// A list of this one node.
    fn from(node: &'a Node) -> Self {
        Self::from(std::slice::from_ref(node))
    }
}

impl Index<usize> for Children<'_> {
    type Output = Node;

    fn index(&self, at: usize) -> &Node {
        match self.get(at) {
            Some(node) => node,
            // The same words and the same place as for a slice.
            None => &self.items[..0][at],
        }
    }
}

impl PartialEq for Children<'_> {
    fn eq(&self, other: &Self) -> bool {
        alike(*self, *other)
    }
}

impl fmt::Debug for Children<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
