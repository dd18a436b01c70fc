//! Two lists of children side by side: what differs, and whether anything does. Equal parts are skipped by their hashes.

use super::Children;
use super::cursor::{Cursor, level};
use crate::tree::chunks::first;
use crate::tree::node::Node;
use crate::tree::pairs;
use std::cmp::Ordering;

/// A difference between the children of two nodes.
#[derive(Clone, Copy, Debug)]
pub enum Differing<'a> {
    /// A child that is only in the old ones, only in the new ones, or in both with another content.
    Child(Option<&'a Node>, Option<&'a Node>),
    /// All siblings of one name, old and new, of which at least one keeps the user's order. They may be the same nodes in
    /// another order.
    Ordered(Children<'a>, Children<'a>),
}

impl<'a> Children<'a> {
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
        pairs::count(self.nodes);
        pairs::count_runs(self.runs);
    }
}

/// Whether two lists have equal nodes in equal order.
pub(super) fn alike(old: Children<'_>, new: Children<'_>) -> bool {
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
