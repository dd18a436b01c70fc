//! What one request changes on one element: the target tree.
//!
//! Walks the intent before and after the request beside the recorded and the actual tree. Only nodes whose intended state
//! changes are touched; what the element has beside them stays as it is. Here stand the rules of first contact, of
//! hand-made changes in the way and of collateral.

use crate::adapter::Ownership;
use crate::plan::compare::words;
use crate::plan::record::covers;
use crate::plan::{HandMade, Refused};
use crate::tree::{After, Body, ConfigTree, Key, Node, Path, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the caller allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Hand-made changes that may be overwritten: all, or at and below these printed paths.
    pub overwrite: Permit,
    /// Unclaimed children that may go with a removal.
    pub collateral: Permit,
}

/// For which paths something is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permit {
    /// For none.
    #[default]
    Nothing,
    /// For all.
    All,
    /// At and below these, in the printed form of [`Path`].
    Paths(BTreeSet<String>),
}

impl Permit {
    fn covers(&self, path: &Path) -> bool {
        match self {
            Permit::Nothing => false,
            Permit::All => true,
            Permit::Paths(paths) => {
                let mut at = Some(path.clone());
                while let Some(here) = at {
                    if paths.contains(&here.to_string()) {
                        return true;
                    }
                    at = here.parent();
                }
                false
            }
        }
    }
}

/// The four trees of one element.
pub(super) struct Views<'a> {
    pub old: &'a ConfigTree,
    pub new: &'a ConfigTree,
    pub recorded: &'a ConfigTree,
    pub actual: &'a ConfigTree,
}

/// What the walk found.
#[derive(Default)]
pub(super) struct Scope {
    pub target: ConfigTree,
    /// Shared nodes that were there before us, with their present values.
    pub adopted: ConfigTree,
    pub collateral: Vec<Path>,
    pub overwritten: Vec<HandMade>,
    pub refused: Vec<Refused>,
    /// Nodes that are not edited because they are, or are not, there already: the plan depends on them all the same.
    pub relied: Vec<Path>,
}

/// Computes the target of one element.
pub(super) fn scope(views: &Views<'_>, ownership: &dyn Fn(&Path) -> Ownership, allowed: &Allowed) -> Scope {
    let mut walk = Walk { views, ownership, allowed, found: Scope::default() };
    let top = walk.children(&Path::root(), Some(views.old.root()), Some(views.new.root()), views.actual.root());
    walk.found.target = ConfigTree::new(top);
    walk.found
}

struct Walk<'a> {
    views: &'a Views<'a>,
    ownership: &'a dyn Fn(&Path) -> Ownership,
    allowed: &'a Allowed,
    found: Scope,
}

impl Walk<'_> {
    /// The children that `actual` should have.
    fn children(&mut self, path: &Path, old: Option<&Node>, new: Option<&Node>, actual: &Node) -> Vec<Node> {
        let mut result: Vec<Node> = actual.children().to_vec();
        let known = |step: &Step| old.is_some_and(|node| node.child(step).is_some());
        let gone = old.iter().flat_map(|node| node.children()).map(|node| (node.step(), true));
        let come = new.iter().flat_map(|node| node.children()).map(|node| (node.step(), false));
        for (step, was) in gone.chain(come) {
            if !was && known(&step) {
                continue;
            }
            let before = old.and_then(|node| node.child(&step));
            let after = new.and_then(|node| node.child(&step));
            if before.map(|n| n.hash()) == after.map(|n| n.hash()) {
                continue;
            }
            let at = result.iter().position(|child| child.is_at(&step));
            let have = at.map(|at| result[at].clone());
            let path = path.child(step.clone());
            let wanted = self.node(&path, before, after, have.as_ref());
            match (at, wanted) {
                (Some(at), Some(node)) => result[at] = node,
                (Some(at), None) => {
                    result.remove(at);
                }
                (None, Some(node)) => result.push(node),
                (None, None) => {}
            }
        }
        result
    }

    fn node(&mut self, path: &Path, old: Option<&Node>, new: Option<&Node>, actual: Option<&Node>) -> Option<Node> {
        match (old, new) {
            (None, None) => actual.cloned(),
            (None, Some(new)) => Some(self.first_claim(path, new, actual)),
            (Some(old), None) => self.release(path, old, actual),
            (Some(old), Some(new)) => self.changed(path, old, new, actual),
        }
    }

    fn first_claim(&mut self, path: &Path, new: &Node, actual: Option<&Node>) -> Node {
        let Some(have) = actual else {
            return new.clone();
        };
        if !matches!(new.body(), Body::Container { presence: false }) {
            if let Some(was) = self.views.recorded.at(path).cloned() {
                // Ours from before. A leaf that somebody changed since is not overwritten without a word.
                let changed = have.value() != was.value() && have.value() != new.value();
                if changed && !self.overwrites(path, Some(have), Some(new)) {
                    return have.clone();
                }
            } else if self.stands_in_ours(path) {
                // Made by hand inside what we own. What is as the service wants it is taken; the rest is in the way.
                if !covers(have, new) && !self.overwrites(path, Some(have), Some(new)) {
                    return have.clone();
                }
            } else {
                match (self.ownership)(path) {
                    Ownership::Shared => self.adopt(path, have),
                    Ownership::Own => {
                        let actual = words(Some(have));
                        self.found.refused.push(Refused::ExistsUnowned { path: path.clone(), actual });
                        return have.clone();
                    }
                }
            }
            if have.value().is_some() && have.value() == new.value() {
                self.found.relied.push(path.clone());
            }
        }
        if have.value().is_some() != new.value().is_some() {
            // The same name, another kind of node.
            return new.clone();
        }
        if matches!(new.body(), Body::Leaf(_) | Body::Member { .. }) {
            return new.clone();
        }
        let children = self.children(path, None, Some(new), have);
        have.with_children(children)
    }

    /// Whether a node that we own is claimed above `path`: then what stands there stands in ours.
    fn stands_in_ours(&self, path: &Path) -> bool {
        let mut above = path.parent();
        while let Some(at) = above {
            let claimed = self.views.old.at(&at);
            let says = claimed.is_some_and(|node| !matches!(node.body(), Body::Container { presence: false }));
            if says && !at.steps().is_empty() && (self.ownership)(&at) == Ownership::Own {
                return true;
            }
            above = at.parent();
        }
        false
    }

    /// The node alone, without children, becomes an adopted claim.
    fn adopt(&mut self, path: &Path, have: &Node) {
        let Some(parent) = path.parent() else { return };
        let bare = if have.value().is_some() { have.clone() } else { have.with_children(Vec::new()) };
        self.found.adopted = self.found.adopted.with(&parent, bare, After::Keep);
    }

    fn release(&mut self, path: &Path, old: &Node, actual: Option<&Node>) -> Option<Node> {
        let Some(have) = actual else {
            self.found.relied.push(path.clone());
            return None;
        };
        if let (Body::Container { presence: false }, None) = (old.body(), have.value()) {
            let children = self.children(path, Some(old), None, have);
            return Some(have.with_children(children));
        }
        if !self.may_change(path, old, have, None) {
            return Some(have.clone());
        }
        self.collateral(path, old, have);
        None
    }

    fn changed(&mut self, path: &Path, old: &Node, new: &Node, actual: Option<&Node>) -> Option<Node> {
        let Some(have) = actual else {
            return self.changed_but_gone(path, old, new);
        };
        match (new.value(), have.value()) {
            (Some(want), Some(found)) if want == found => {
                self.found.relied.push(path.clone());
                Some(new.clone())
            }
            (None, None) => {
                let children = self.children(path, Some(old), Some(new), have);
                Some(have.with_children(children))
            }
            // Another value, or another kind of node.
            _ if self.may_change(path, old, have, Some(new)) => Some(new.clone()),
            _ => Some(have.clone()),
        }
    }

    /// Somebody removed what we are to change.
    fn changed_but_gone(&mut self, path: &Path, old: &Node, new: &Node) -> Option<Node> {
        if let (Body::Container { presence: false }, None) = (new.body(), old.value()) {
            // A container alone says nothing: each part of it is looked at for itself, the unchanged ones not at all.
            let nothing = Node::from_step(new.step());
            let children = self.children(path, Some(old), Some(new), &nothing);
            let node = nothing.with_children(children);
            return (!node.is_void()).then_some(node);
        }
        if new.value().is_none() && covers(old, new) {
            // Only removals below: they are done. That the rest is gone is another matter, and none of this request's.
            self.found.relied.push(path.clone());
            return None;
        }
        self.overwrites(path, None, Some(new)).then(|| new.clone())
    }

    /// Whether everything that we left at and below `path` is still so; what is not is a hand-made change in the way.
    fn may_change(&mut self, path: &Path, old: &Node, have: &Node, new: Option<&Node>) -> bool {
        let expected = self.views.recorded.at(path).cloned().unwrap_or_else(|| old.clone());
        let mut moved = Vec::new();
        moved_below(path, &expected, Some(have), &mut moved);
        let mut free = true;
        for at in moved {
            let have = self.views.actual.at(&at).cloned();
            let wanted = if &at == path { new } else { None };
            free &= self.overwrites(&at, have.as_ref(), wanted);
        }
        free
    }

    fn overwrites(&mut self, path: &Path, actual: Option<&Node>, wanted: Option<&Node>) -> bool {
        let hand_made = HandMade {
            path: path.clone(),
            recorded: words(self.views.recorded.at(path)),
            actual: words(actual),
            wanted: words(wanted),
        };
        if self.allowed.overwrite.covers(path) {
            self.found.overwritten.push(hand_made);
            return true;
        }
        self.found.refused.push(Refused::HandMade(hand_made));
        false
    }

    /// Children of what is removed that nobody claims.
    fn collateral(&mut self, path: &Path, old: &Node, have: &Node) {
        for child in have.children() {
            let at = path.child(child.step());
            match old.child_beside(child) {
                Some(claimed) => self.collateral(&at, claimed, child),
                None if self.views.recorded.at(&at).is_some() => {}
                None => {
                    if !self.allowed.collateral.covers(&at) {
                        self.found.refused.push(Refused::Collateral { path: at.clone(), actual: words(Some(child)) });
                    }
                    self.found.collateral.push(at);
                }
            }
        }
    }
}

/// Claimed nodes below `expected` whose value changed. A claimed node that is gone is not in the way of its removal.
fn moved_below(path: &Path, expected: &Node, have: Option<&Node>, moved: &mut Vec<Path>) {
    let Some(have) = have else { return };
    if have.value() != expected.value() {
        moved.push(path.clone());
        return;
    }
    for child in expected.children() {
        if matches!(child.key(), Key::Opaque(..)) {
            continue;
        }
        moved_below(&path.child(child.step()), child, have.child_beside(child), moved);
    }
}

#[cfg(test)]
mod tests;
