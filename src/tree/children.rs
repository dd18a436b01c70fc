//! The children of a node as a view: read like a slice, whatever way they are stored.

use super::chunks::{first, last};
use super::name::QName;
use super::node::{Kind, Node};
use super::path::KeyRef;
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
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
        if self.height == 0 {
            return Iter(Walk::Flat(self.items.get(self.start..self.end).unwrap_or_default().iter()));
        }
        Iter(Walk::Deep(Box::new(Deep { rest: *self, cursor: Cursor::new(*self), near: [].iter() })))
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

    /// Tells what differs between these (old) and the children of another node (new): each child that is only here, only
    /// there, or of another content, in canonical order; siblings in the user's order of which any differs are shown as
    /// two whole runs. Equal parts are skipped by their hashes, whole chunks at once, so the cost follows the difference.
    pub fn differing(self, new: Children<'a>, visit: &mut dyn FnMut(Differing<'a>)) {
        if !self.ordered && !new.ordered {
            return merged(self, new, visit);
        }
        let (mut i, mut j) = (0, 0);
        loop {
            let name = match (self.get(i), new.get(j)) {
                (Some(a), Some(b)) => a.name().min(b.name()),
                (Some(only), None) | (None, Some(only)) => only.name(),
                (None, None) => return,
            };
            let (old_run, new_run) = (self.range_of(name), new.range_of(name));
            (i, j) = (old_run.end.max(i), new_run.end.max(j));
            let (a, b) = (self.slice(old_run), new.slice(new_run));
            if ![a.first(), b.first()].into_iter().flatten().any(Node::is_user_ordered) {
                merged(a, b, visit);
            } else if !alike(a, b) {
                visit(Differing::Ordered(a, b));
            }
        }
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

/// A difference between the children of two nodes.
#[derive(Clone, Copy, Debug)]
pub enum Differing<'a> {
    /// A child that is only in the old ones, only in the new ones, or in both with another content.
    Child(Option<&'a Node>, Option<&'a Node>),
    /// All siblings of one name, old and new, of which at least one keeps the user's order. They may be the same nodes in
    /// another order.
    Ordered(Children<'a>, Children<'a>),
}

/// What differs between two sorted lists.
fn merged<'a>(old: Children<'a>, new: Children<'a>, visit: &mut dyn FnMut(Differing<'a>)) {
    let (mut a, mut b) = (Cursor::new(old), Cursor::new(new));
    let mut steps = Steps::default();
    loop {
        let (left, right) = (a.item(), b.item());
        steps.take(left, right);
        let order = match (left, right) {
            (Some(x), Some(y)) if Node::same(x, y) => {
                a.skip();
                b.skip();
                continue;
            }
            (Some(x), Some(y)) => match (level(x), level(y)) {
                (0, 0) => x.cmp_place(y),
                // A child before a whole run is alone here; otherwise the run has to be opened.
                (_, 0) if y.cmp_place(first(x)).is_lt() => Ordering::Greater,
                (0, _) if x.cmp_place(first(y)).is_lt() => Ordering::Less,
                (l, r) if l == r && x == y => Ordering::Equal,
                (l, r) => {
                    if l >= r {
                        a.open();
                    }
                    if r >= l {
                        b.open();
                    }
                    continue;
                }
            },
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let left = left.filter(|_| order.is_le());
        let right = right.filter(|_| order.is_ge());
        if left.or(right).is_some_and(|item| left.is_none() != right.is_none() && level(item) > 0) {
            // A run that only one side has: each of its children.
            if left.is_some() {
                a.open()
            } else {
                b.open()
            };
            continue;
        }
        if left != right {
            visit(Differing::Child(left, right));
        }
        if left.is_some() {
            a.skip();
        }
        if right.is_some() {
            b.skip();
        }
    }
}

/// Counts what a walk looks at, and tells it when the walk ends.
#[derive(Default)]
struct Steps {
    nodes: usize,
    runs: usize,
}

impl Steps {
    /// One place of both lists: whole runs, or at least one node.
    fn take(&mut self, left: Option<&Node>, right: Option<&Node>) {
        match [left, right].into_iter().flatten().all(|item| level(item) > 0) {
            true => self.runs += 1,
            false => self.nodes += 1,
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        super::pairs::count(self.nodes);
        super::pairs::count_runs(self.runs);
    }
}

/// Whether two lists have equal nodes in equal order.
fn alike(old: Children<'_>, new: Children<'_>) -> bool {
    if old.len() != new.len() {
        return false;
    }
    let (mut a, mut b) = (Cursor::new(old), Cursor::new(new));
    let mut steps = Steps::default();
    while let (Some(x), Some(y)) = (a.item(), b.item()) {
        let (l, r) = (level(x), level(y));
        steps.take(Some(x), Some(y));
        if l == r && x == y {
            a.skip();
            b.skip();
        } else if l.max(r) == 0 {
            return false;
        } else {
            if l >= r {
                a.open();
            }
            if r >= l {
                b.open();
            }
        }
    }
    true
}

/// How many levels of runs an item is above the nodes: 0 for a node.
fn level(item: &Node) -> u8 {
    match (item.kind(), item.head()) {
        (Kind::Run, Some(head)) => head.height + 1,
        _ => 0,
    }
}

/// A place in a list of children that steps over whole chunks.
#[derive(Clone)]
struct Cursor<'a> {
    /// What is left, innermost last.
    stack: Vec<&'a [Node]>,
    /// Nodes up to the end of the view.
    left: usize,
}

impl<'a> Cursor<'a> {
    fn new(children: Children<'a>) -> Self {
        let mut cursor = Self { stack: vec![children.items], left: children.end };
        let mut before = children.start;
        while before > 0
            && let Some(item) = cursor.item()
        {
            if item.width() <= before {
                before -= item.width();
                cursor.skip();
            } else {
                cursor.open();
            }
        }
        cursor
    }

    /// The largest item that begins here and ends within the view.
    fn item(&mut self) -> Option<&'a Node> {
        if self.left == 0 {
            return None;
        }
        while self.stack.last()?.is_empty() {
            self.stack.pop();
        }
        while let Some(item) = self.stack.last()?.first() {
            if item.width() <= self.left {
                return Some(item);
            }
            self.open();
        }
        None
    }

    fn skip(&mut self) {
        if let Some((item, rest)) = self.stack.last_mut().and_then(|top| top.split_first().map(|(i, r)| (i, (top, r))))
        {
            *rest.0 = rest.1;
            self.left = self.left.saturating_sub(item.width());
        }
    }

    /// Goes into the item: its parts are next.
    fn open(&mut self) {
        let Some((item, rest)) = self.stack.last().and_then(|top| top.split_first()) else { return };
        if let Some(top) = self.stack.last_mut() {
            *top = rest;
        }
        self.stack.push(item.items());
    }
}

/// The nodes of a [`Children`] in their order.
#[derive(Clone)]
pub struct Iter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Flat(std::slice::Iter<'a, Node>),
    Deep(Box<Deep<'a>>),
}

/// Through chunks.
#[derive(Clone)]
struct Deep<'a> {
    /// What was not given out yet.
    rest: Children<'a>,
    /// Behind `near`.
    cursor: Cursor<'a>,
    /// The rest of the chunk that is being given out.
    near: std::slice::Iter<'a, Node>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<&'a Node> {
        let deep = match &mut self.0 {
            Walk::Flat(nodes) => return nodes.next(),
            Walk::Deep(deep) => deep,
        };
        if deep.rest.is_empty() {
            return None;
        }
        deep.rest.start += 1;
        if let Some(node) = deep.near.next() {
            return Some(node);
        }
        loop {
            let item = deep.cursor.item()?;
            match level(item) {
                0 => {
                    deep.cursor.skip();
                    return Some(item);
                }
                1 => {
                    deep.near = item.items().iter();
                    deep.cursor.skip();
                    return deep.near.next();
                }
                _ => deep.cursor.open(),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Walk::Flat(nodes) => nodes.len(),
            Walk::Deep(deep) => deep.rest.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Flat(nodes) => nodes.next_back(),
            Walk::Deep(deep) => {
                let node = deep.rest.last()?;
                deep.rest.end -= 1;
                Some(node)
            }
        }
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
