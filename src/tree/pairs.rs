//! Two nodes side by side: the children in which they differ.
//!
//! All walks over two trees (difference, merge of claims, scope of a plan, comparison) go through here, so what they cost
//! can be counted in one place: [`visited`] says how many nodes this thread's walks have looked at, [`runs_passed`] at how
//! many handles of whole runs of a wide list.

use super::children::{Children, Differing};
use super::node::Node;
use super::path::Step;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};

/// A child of the one, of the other, or one of each at the same step.
pub(crate) type Pair = (Option<Node>, Option<Node>);

/// The children at the steps at which two nodes differ, in canonical order; `None` is a node without children. Equal
/// subtrees are left out by their hashes. Of user-ordered siblings it says which came, went or changed, not which moved.
pub(crate) fn differing(a: Option<&Node>, b: Option<&Node>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    match (a, b) {
        (Some(a), Some(b)) if a.hash() == b.hash() => {}
        (Some(a), Some(b)) => a.children().differing(b.children(), &mut |found| match found {
            Differing::Child(a, b) => pairs.push((a.cloned(), b.cloned())),
            Differing::Ordered(a, b) => unsorted(a, b, &mut pairs),
        }),
        (Some(a), None) => pairs.extend(a.children().iter().map(|node| (Some(node.clone()), None))),
        (None, Some(b)) => pairs.extend(b.children().iter().map(|node| (None, Some(node.clone())))),
        (None, None) => {}
    }
    count(pairs.len());
    pairs
}

fn unsorted(left: Children<'_>, right: Children<'_>, pairs: &mut Vec<Pair>) {
    count(left.len() + right.len());
    let places: HashMap<Step, &Node> = right.iter().map(|node| (node.step(), node)).collect();
    let mut met = HashSet::new();
    for l in left.iter() {
        let step = l.step();
        match places.get(&step) {
            Some(r) if r.hash() == l.hash() => {}
            r => pairs.push((Some(l.clone()), r.map(|r| (*r).clone()))),
        }
        met.insert(step);
    }
    pairs.extend(right.iter().filter(|r| !met.contains(&r.step())).map(|r| (None, Some(r.clone()))));
}

thread_local!(static VISITED: Cell<u64> = const { Cell::new(0) });
thread_local!(static RUNS_PASSED: Cell<u64> = const { Cell::new(0) });

/// How many nodes the walks of this thread have looked at so far. Tests hold the cost of a change against its size with it.
pub fn visited() -> u64 {
    VISITED.get()
}

/// How many whole runs of wide lists the walks of this thread have passed by, each by one comparison of hashes.
pub fn runs_passed() -> u64 {
    RUNS_PASSED.get()
}

/// Counts runs that a walk passes by.
pub(crate) fn count_runs(runs: usize) {
    RUNS_PASSED.set(RUNS_PASSED.get() + runs as u64);
}

/// Counts nodes that a walk looks at.
pub(crate) fn count(nodes: usize) {
    VISITED.set(VISITED.get() + nodes as u64);
}
