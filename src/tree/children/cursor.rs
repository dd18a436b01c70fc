//! Walks through children that stand in chunks.

use super::Children;
use crate::tree::node::{Kind, Node};

/// How many levels of runs an item is above the nodes: 0 for a node.
pub(super) fn level(item: &Node) -> u8 {
    match (item.kind(), item.head()) {
        (Kind::Run, Some(head)) => head.height + 1,
        _ => 0,
    }
}

/// A place in a list of children that steps over whole chunks.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    /// What is left, innermost last.
    stack: Vec<&'a [Node]>,
    /// Nodes up to the end of the view.
    left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(children: Children<'a>) -> Self {
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
    pub(super) fn item(&mut self) -> Option<&'a Node> {
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

    pub(super) fn skip(&mut self) {
        if let Some((item, rest)) = self.stack.last_mut().and_then(|top| top.split_first().map(|(i, r)| (i, (top, r))))
        {
            *rest.0 = rest.1;
            self.left = self.left.saturating_sub(item.width());
        }
    }

    /// Goes into the item: its parts are next.
    pub(super) fn open(&mut self) {
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

impl<'a> Iter<'a> {
    pub(super) fn over(children: Children<'a>) -> Self {
        if children.height == 0 {
            return Self(Walk::Flat(children.items.get(children.start..children.end).unwrap_or_default().iter()));
        }
        Self(Walk::Deep(Box::new(Deep { rest: children, cursor: Cursor::new(children), near: [].iter() })))
    }
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
