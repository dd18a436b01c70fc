//! Wide lists in chunks, so that one edit among 100,000 siblings copies some hundred handles.
//!
//! Up to [`FLAT_MAX`] children stand in their parent itself. More are cut into runs, behind every child whose step hashes
//! to a boundary (one in 32); if there are many runs they are cut into runs again, behind higher boundaries (one in
//! 32 × 32), and so on until few enough are left. Where the cuts are follows from the children alone, not from the edits
//! that led there, so equal lists have equal chunks: one hash for all, and whoever compares two lists skips every chunk
//! that is equal, also in a tree that was read anew.
//!
//! An edit goes through the chunks that it touches and takes all others as they are.

use super::hash;
use super::node::{Kind, Label, Node};
use std::cmp::Ordering;

/// Children that stand in their order: themselves, or `height` levels of runs above them.
pub(super) struct Chunks {
    pub(super) items: Vec<Node>,
    pub(super) height: u8,
}

/// A change at one place of a list.
pub(super) struct Splice {
    /// The place before the change.
    pub(super) at: usize,
    /// The child that stands there goes.
    pub(super) take: bool,
    /// This one comes, before the child that stands there.
    pub(super) put: Option<Node>,
}

impl Splice {
    /// The order in which splices of one list are made. What is put at one place is in canonical order, or in that in
    /// which it was given; what is put in place of a child comes behind it.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        (self.at, self.take).cmp(&(other.at, other.take)).then_with(|| match (&self.put, &other.put) {
            (Some(a), Some(b)) if a.is_user_ordered() && b.is_user_ordered() => a.name().cmp(b.name()),
            (Some(a), Some(b)) => a.cmp_place(b),
            _ => Ordering::Equal,
        })
    }
}

/// The chunks of a list.
pub(super) fn of(children: Vec<Node>) -> Chunks {
    settled(Chunks { items: children, height: 0 })
}

/// The chunks of a list after some changes, which stand in their order.
pub(super) fn spliced(items: &[Node], height: u8, splices: &[Splice]) -> Chunks {
    let mut cutter = Cutter::new(height, items.len() + splices.len());
    let mut rest = splices;
    let end = feed(&mut cutter, items, height, (0, true), &mut rest);
    debug_assert!(rest.iter().all(|splice| splice.at == end && !splice.take));
    for child in rest.iter().filter_map(|splice| splice.put.as_ref()) {
        cutter.child(child.clone());
    }
    settled(cutter.finished())
}

/// Gives the items of one level to the cutter. `from`: the place of the first child below them, and whether the last one
/// is the last of all. The place behind the last one is returned.
fn feed(cutter: &mut Cutter, items: &[Node], level: u8, from: (usize, bool), splices: &mut &[Splice]) -> usize {
    let (mut at, tail) = from;
    for (number, item) in items.iter().enumerate() {
        let end = at + item.width();
        // The last run of all has no boundary behind it: what is appended belongs to it.
        let last = tail && number + 1 == items.len();
        let touched = splices.first().is_some_and(|splice| splice.at < end || last && level > 0);
        if !touched && cutter.is_level(level) {
            cutter.item(item.clone(), level);
        } else if level > 0 {
            feed(cutter, item.items(), level - 1, (at, last), splices);
        } else {
            let mut stays = true;
            while let Some((splice, rest)) = splices.split_first().filter(|(splice, _)| splice.at == at) {
                if let Some(child) = &splice.put {
                    cutter.child(child.clone());
                }
                stays &= !splice.take;
                *splices = rest;
            }
            if stays {
                cutter.child(item.clone());
            }
        }
        at = end;
    }
    at
}

/// Cuts a stream of children, and of runs that are known to be cut right, into runs.
struct Cutter {
    /// Per level what was not cut off yet; the last level is never cut.
    open: Vec<Vec<Node>>,
}

impl Cutter {
    fn new(height: u8, size: usize) -> Self {
        let mut open = vec![Vec::new(); usize::from(height) + 1];
        if let Some(top) = open.last_mut() {
            top.reserve(size);
        }
        Self { open }
    }

    /// Whether an item of this level can be given as it is: nothing is open below.
    fn is_level(&self, level: u8) -> bool {
        self.open.iter().take(usize::from(level)).all(Vec::is_empty)
    }

    fn child(&mut self, child: Node) {
        self.item(child, 0);
    }

    fn item(&mut self, item: Node, level: u8) {
        let level = usize::from(level);
        let top = self.open.len() - 1;
        let cut = if level < top { usize::from(boundary_behind(&item)).min(top) } else { level };
        self.open[level].push(item);
        for level in level..cut {
            self.cut(level);
        }
    }

    fn cut(&mut self, level: usize) {
        let items = std::mem::take(&mut self.open[level]);
        if !items.is_empty() {
            self.open[level + 1].push(run(items, level as u8));
        }
    }

    fn finished(mut self) -> Chunks {
        let top = self.open.len() - 1;
        for level in 0..top {
            self.cut(level);
        }
        Chunks { items: self.open.pop().unwrap_or_default(), height: top as u8 }
    }
}

/// As few levels as possible, as many as necessary.
fn settled(mut chunks: Chunks) -> Chunks {
    while chunks.height > 0 && chunks.items.iter().map(|run| run.items().len()).sum::<usize>() <= FLAT_MAX {
        chunks.items = chunks.items.iter().flat_map(|run| run.items().iter().cloned()).collect();
        chunks.height -= 1;
    }
    while chunks.items.len() > FLAT_MAX && chunks.height < HEIGHT_MAX {
        let mut runs = Vec::with_capacity(chunks.items.len() / 16);
        let mut open = Vec::new();
        for item in chunks.items {
            let cut = boundary_behind(&item) > chunks.height;
            open.push(item);
            if cut {
                runs.push(run(std::mem::take(&mut open), chunks.height));
            }
        }
        if !open.is_empty() {
            runs.push(run(open, chunks.height));
        }
        chunks = Chunks { items: runs, height: chunks.height + 1 };
    }
    chunks
}

/// A run of items of this level.
fn run(items: Vec<Node>, level: u8) -> Node {
    let width = items.iter().map(Node::width).sum::<usize>();
    Label::run(u32::try_from(width).unwrap_or(u32::MAX)).sealed(items, level)
}

/// The boundary behind the last child of an item.
fn boundary_behind(item: &Node) -> u8 {
    hash::boundary(last(item))
}

/// The first child in an item: itself, if it is no run.
pub(super) fn first(mut item: &Node) -> &Node {
    while let (Kind::Run, Some(inner)) = (item.kind(), item.items().first()) {
        item = inner;
    }
    item
}

/// The last child in an item.
pub(super) fn last(mut item: &Node) -> &Node {
    while let (Kind::Run, Some(inner)) = (item.kind(), item.items().last()) {
        item = inner;
    }
    item
}

/// So many children need no chunks, and so many chunks no chunks of chunks.
pub(super) const FLAT_MAX: usize = 64;
/// Keyless entries all have one step, so it may be a boundary of any height for all of them.
const HEIGHT_MAX: u8 = 8;
