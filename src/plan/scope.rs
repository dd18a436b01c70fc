//! What one request changes on one element: the target tree.
//!
//! Walks the intent before and after the request beside the recorded and the actual tree. Only nodes whose intended state
//! changes are touched; what the element has beside them stays as it is. Here stand the rules of first contact, of
//! hand-made changes in the way, of collateral (also of what goes because another case of its choice comes), of absence and
//! of the order among siblings: what nobody claims keeps its place among the others of its kind. The cost follows what
//! changes in the intent; all that is equal before and after is skipped.

use crate::adapter::Ownership;
use crate::plan::compare::{claimed, is_silent, place_words, words};
use crate::plan::record::{covers, put_at};
use crate::plan::{HandMade, Refused};
use crate::tree::{
    After, Body, ClaimConflict, Claims, ConfigTree, Defaults, DefaultsMode, Intended, Key, Node, Path, Place, Step,
    differing, out_of_place, relined,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What the caller allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Hand-made changes that may be overwritten: all, or at and below these printed paths.
    pub overwrite: Permit,
    /// Unclaimed children that may go with a removal.
    pub collateral: Permit,
    /// Protected nodes (management access, own user, SSH service) that may be changed, on class A only.
    #[serde(default)]
    pub protected: Permit,
    /// Checks of the elements' state that are wanted beside those that an adapter makes anyway; `all` = all it has.
    #[serde(default)]
    pub checks: BTreeSet<String>,
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
    pub(super) fn covers(&self, path: &Path) -> bool {
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

/// The four views of one element.
pub(super) struct Views<'a> {
    pub old: &'a Intended,
    pub new: &'a Intended,
    pub recorded: &'a ConfigTree,
    pub actual: &'a ConfigTree,
    pub defaults: Defaults<'a>,
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
    /// Entries that are there already, whatever stands in them: the plan depends on their being there.
    pub stood: Vec<Path>,
    /// What deserves a look before the commit.
    pub warnings: Vec<String>,
}

/// Computes the target of one element.
pub(super) fn scope(views: &Views<'_>, ownership: &dyn Fn(&Path) -> Ownership, allowed: &Allowed) -> Scope {
    let mut walk = Walk { views, ownership, allowed, found: Scope::default() };
    let (old, new) = (views.old.tree.root(), views.new.tree.root());
    let root = walk.children(&Path::root(), Some(old), Some(new), views.actual.root());
    walk.found.target = ConfigTree::new(root.children().to_vec());
    let changed = views.old.changed(views.new);
    walk.absences(&changed);
    walk.orders(&changed);
    walk.found
}

/// An owner's claims before and after.
type Change<'a> = (Option<&'a Claims>, Option<&'a Claims>);

struct Walk<'a> {
    views: &'a Views<'a>,
    ownership: &'a dyn Fn(&Path) -> Ownership,
    allowed: &'a Allowed,
    found: Scope,
}

impl Walk<'_> {
    /// What stands at `path` with the children that it should have.
    fn children(&mut self, path: &Path, old: Option<&Node>, new: Option<&Node>, actual: &Node) -> Node {
        let mut changes: Vec<(Step, Option<Node>)> = Vec::new();
        for (before, after) in differing(old, new) {
            let Some(step) = before.as_ref().or(after.as_ref()).map(Node::step) else { continue };
            let have = actual.child(&step);
            let path = path.child(step.clone());
            let wanted = self.node(&path, before.as_ref(), after.as_ref(), have, actual);
            if have.is_none() && wanted.is_some() {
                self.rivals(&path, new, actual, &mut changes);
            }
            if have.map(Node::hash) != wanted.as_ref().map(Node::hash) {
                changes.push((step, wanted));
            }
        }
        actual.edited(changes)
    }

    fn node(
        &mut self,
        path: &Path,
        old: Option<&Node>,
        new: Option<&Node>,
        actual: Option<&Node>,
        parent: &Node,
    ) -> Option<Node> {
        let (seen, same) = self.in_effect(path, old, new, actual, parent);
        let wanted = match (old, new) {
            (None, None) => seen.clone(),
            (None, Some(new)) => Some(self.first_claim(path, new, seen.as_ref())),
            (Some(old), None) => self.release(path, old, seen.as_ref()),
            (Some(old), Some(new)) => self.changed(path, old, new, seen.as_ref()),
        };
        // A leaf with its default and no leaf are one and the same: nothing is sent for that.
        match (&wanted, actual) {
            (Some(wanted), None) if same && self.views.defaults.is_default(path, wanted) => {
                self.found.relied.push(path.clone());
                None
            }
            (None, Some(actual)) if same && self.views.defaults.is_default(path, actual) => Some(actual.clone()),
            _ => wanted,
        }
    }

    /// What stands at `path` as far as somebody set it, and whether the element makes no difference between a leaf with its
    /// default and none.
    fn in_effect(
        &self,
        path: &Path,
        old: Option<&Node>,
        new: Option<&Node>,
        actual: Option<&Node>,
        parent: &Node,
    ) -> (Option<Node>, bool) {
        let defaults = &self.views.defaults;
        let is_leaf = |node: Option<&Node>| node.is_some_and(|node| matches!(node.body(), Body::Leaf(_)));
        if defaults.mode() == DefaultsMode::Explicit || ![old, new, actual].into_iter().any(is_leaf) {
            return (actual.cloned(), false);
        }
        let was = || self.views.recorded.at(path).or(old);
        match actual {
            // Reported though nobody set it.
            Some(have) if old.is_none() && was().is_none() && defaults.is_reported(path, have) => (None, true),
            // Set, and dropped because it is the default.
            None => {
                let dropped = was().filter(|was| defaults.holds_without(path, was, Some(parent)));
                (dropped.cloned(), defaults.rivals(path, Some(parent)).is_empty())
            }
            Some(have) => (Some(have.clone()), defaults.mode() == DefaultsMode::ReportAll),
        }
    }

    /// What goes by itself when the node at `path` comes, because it stands in another case of one choice.
    fn rivals(&mut self, path: &Path, new: Option<&Node>, actual: &Node, changes: &mut Vec<(Step, Option<Node>)>) {
        for rival in self.views.defaults.rivals(path, Some(actual)) {
            let step = rival.step();
            let Some(at) = path.parent().map(|parent| parent.child(step.clone())) else { continue };
            if new.is_some_and(|new| new.child(&step).is_some()) {
                let owner = |path: &Path| self.views.new.owners_of(path).into_iter().next().map(|(_, owner)| owner);
                let (Some(first), Some(second)) = (owner(&at), owner(path)) else { continue };
                let (first_wants, second_wants) =
                    ("it to be there".into(), format!("{path}, another case of its choice"));
                let conflict = ClaimConflict { path: at, first, first_wants, second, second_wants };
                self.found.refused.push(Refused::Conflict(conflict));
                continue;
            }
            // Ours until now: the walk takes it away as what it is, and what nobody claims below it is collateral there.
            if self.views.old.tree.at(&at).is_some() || self.views.recorded.at(&at).is_some() {
                continue;
            }
            self.lost(&at, rival);
            changes.push((step, None));
        }
    }

    /// What must not be there from now on.
    fn absences(&mut self, changed: &[Change<'_>]) {
        let absent = |claims: &Option<&Claims>| claims.map(|claims| claims.absent.clone()).unwrap_or_default();
        let paths: BTreeSet<Path> =
            changed.iter().flat_map(|(old, new)| [absent(old), absent(new)]).flatten().collect();
        for path in paths {
            let gone = |intended: &Intended| intended.place_at(&path).is_absent() && intended.tree.at(&path).is_none();
            if !gone(self.views.new) || gone(self.views.old) {
                continue;
            }
            match self.found.target.at(&path).cloned() {
                None => self.found.relied.push(path),
                Some(left) if self.views.defaults.is_only_reported(&path, &left) => {}
                Some(left) => {
                    if self.overwrites(&path, Some(&left), None) {
                        self.found.target = self.found.target.without(&path);
                    }
                }
            }
        }
    }

    /// Siblings whose order somebody wishes otherwise than before.
    fn orders(&mut self, changed: &[Change<'_>]) {
        let mut parents = BTreeSet::new();
        for (old, new) in changed {
            let said = |claims: &Option<&Claims>| claims.map(|claims| claims.order.clone()).unwrap_or_default();
            let (before, after) = (said(old), said(new));
            parents.extend(before.symmetric_difference(&after).map(|wish| wish.parent.clone()));
            let root = |claims: &Option<&Claims>| claims.map(|claims| claims.tree.root().clone());
            ordered_parents(&Path::root(), root(old).as_ref(), root(new).as_ref(), &mut parents);
        }
        for parent in parents {
            let (Some(want), Some(target)) = (self.views.new.tree.at(&parent), self.found.target.at(&parent)) else {
                continue;
            };
            let (target, actual) = (target.clone(), self.views.actual.at(&parent).cloned());
            let (wished, was) = (self.views.new.place_at(&parent), self.views.old.place_at(&parent));
            let may = &mut |run: &[Node], standing: &[Step]| self.may_order(&parent, run, standing, was);
            if let Some(node) = in_order(want, &target, actual.as_ref(), wished, may) {
                self.found.target = put_at(&self.found.target, &parent, node);
            }
        }
    }

    /// Whether what was ours stands as it was wished until now; where it does not, somebody put it elsewhere by hand.
    fn may_order(&mut self, path: &Path, run: &[Node], standing: &[Step], old: Place<'_>) -> bool {
        let Some(was) = self.views.old.tree.at(path) else { return true };
        let ours: HashSet<Step> = claimed(run, was).into_iter().collect();
        let ours: Vec<Step> = standing.iter().filter(|step| ours.contains(step)).cloned().collect();
        let mut free = true;
        for (step, behind, wished) in out_of_place(&ours, &old.placed(&ours, &[])) {
            let at = path.child(step);
            let recorded = place_words(wished.as_ref());
            let actual = place_words(behind.as_ref());
            free &= self.permitted(HandMade { path: at, recorded: Some(recorded), actual: Some(actual), wanted: None });
        }
        free
    }

    fn first_claim(&mut self, path: &Path, new: &Node, actual: Option<&Node>) -> Node {
        let Some(have) = actual else {
            return new.clone();
        };
        if !is_silent(new) {
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
                    Ownership::Shared => self.adopt(path, have, new),
                    Ownership::Own => {
                        let actual = words(Some(have));
                        self.found.refused.push(Refused::ExistsUnowned { path: path.clone(), actual });
                        return have.clone();
                    }
                }
            }
            match have.value() {
                Some(_) if have.value() == new.value() => self.found.relied.push(path.clone()),
                None if new.value().is_none() => self.found.stood.push(path.clone()),
                _ => {}
            }
        }
        if have.value().is_some() != new.value().is_some() {
            // The same name, another kind of node.
            return new.clone();
        }
        if matches!(new.body(), Body::Leaf(_) | Body::Member { .. }) {
            return new.clone();
        }
        self.children(path, None, Some(new), have)
    }

    /// Whether a node that we own is claimed above `path`: then what stands there stands in ours.
    fn stands_in_ours(&self, path: &Path) -> bool {
        let mut above = path.parent();
        while let Some(at) = above {
            let claimed = self.views.old.tree.at(&at);
            let says = claimed.is_some_and(|node| !is_silent(node));
            if says && !at.steps().is_empty() && (self.ownership)(&at) == Ownership::Own {
                return true;
            }
            above = at.parent();
        }
        false
    }

    /// The node alone, without children, becomes an adopted claim.
    fn adopt(&mut self, path: &Path, have: &Node, new: &Node) {
        let Some(parent) = path.parent() else { return };
        let bare = if have.value().is_some() { have.clone() } else { have.with_children([]) };
        self.found.adopted = self.found.adopted.with(&parent, bare, After::Keep);
        if let (Some(found), Some(wanted)) = (have.value(), new.value())
            && found != wanted
        {
            let warning = format!("{path}: is '{found}', becomes '{wanted}'; comes back when released");
            self.found.warnings.push(warning);
        }
    }

    fn release(&mut self, path: &Path, old: &Node, actual: Option<&Node>) -> Option<Node> {
        let Some(have) = actual else {
            self.found.relied.push(path.clone());
            return None;
        };
        if is_silent(old) && have.value().is_none() {
            return Some(self.children(path, Some(old), None, have));
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
            (None, None) => Some(self.children(path, Some(old), Some(new), have)),
            // Another value, or another kind of node.
            _ if self.may_change(path, old, have, Some(new)) => Some(new.clone()),
            _ => Some(have.clone()),
        }
    }

    /// Somebody removed what we are to change.
    fn changed_but_gone(&mut self, path: &Path, old: &Node, new: &Node) -> Option<Node> {
        if is_silent(new) && old.value().is_none() {
            // A container alone says nothing: each part of it is looked at for itself, the unchanged ones not at all.
            let nothing = Node::from_step(new.step());
            let node = self.children(path, Some(old), Some(new), &nothing);
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
        let recorded = words(self.views.recorded.at(path));
        self.permitted(HandMade { path: path.clone(), recorded, actual: words(actual), wanted: words(wanted) })
    }

    /// Whether the caller allows that this hand-made change is overwritten.
    fn permitted(&mut self, hand_made: HandMade) -> bool {
        if self.allowed.overwrite.covers(&hand_made.path) {
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
                None => self.lost(&at, child),
            }
        }
    }

    /// Something that nobody claims goes with this plan.
    fn lost(&mut self, path: &Path, node: &Node) {
        if self.views.defaults.is_only_reported(path, node) {
            return;
        }
        if !self.allowed.collateral.covers(path) {
            self.found.refused.push(Refused::Collateral { path: path.clone(), actual: words(Some(node)) });
        }
        self.found.collateral.push(path.clone());
    }
}

/// `target` with its children in the order that is wished at its place; `None`: they stand so. Siblings that stand in
/// `actual` keep their order as far as no wish is against it. `may` is asked, with all siblings of a name and the steps of
/// those of ours that stand, before such siblings are moved.
pub(super) fn in_order(
    want: &Node,
    target: &Node,
    actual: Option<&Node>,
    place: Place<'_>,
    may: &mut dyn FnMut(&[Node], &[Step]) -> bool,
) -> Option<Node> {
    if !target.keeps_order() {
        return None;
    }
    let all = target.children().to_vec();
    let mut out: Vec<Node> = Vec::with_capacity(all.len());
    let mut turned = false;
    for run in all.chunk_by(|a, b| a.name() == b.name()) {
        if !run.iter().any(Node::is_user_ordered) || claimed(run, want).is_empty() {
            out.extend_from_slice(run);
            continue;
        }
        let stood = actual.iter().flat_map(|node| node.children()).filter(|node| node.name() == run[0].name());
        let stood: HashSet<Step> = stood.map(Node::step).collect();
        let standing: Vec<Step> = run.iter().map(Node::step).filter(|step| stood.contains(step)).collect();
        let (ours, coming): (Vec<Step>, Vec<Step>) =
            claimed(run, want).into_iter().partition(|step| stood.contains(step));
        let mut wanted = place.placed(&ours, &coming);
        let stay: Vec<Step> = wanted.iter().filter(|step| stood.contains(step)).cloned().collect();
        if stay != ours && !may(run, &ours) {
            // What comes is put somewhere; what somebody put elsewhere stays there.
            wanted = ours.iter().chain(&coming).cloned().collect();
        }
        let done = relined(&standing, &wanted);
        let nodes: HashMap<Step, &Node> = run.iter().map(|node| (node.step(), node)).collect();
        turned |= !done.iter().zip(run).all(|(step, node)| node.is_at(step));
        out.extend(done.iter().filter_map(|step| nodes.get(step)).map(|node| (*node).clone()));
    }
    turned.then(|| target.with_children(out))
}

/// The nodes of an owner's tree in which user-ordered siblings stand and something changed.
fn ordered_parents(path: &Path, old: Option<&Node>, new: Option<&Node>, parents: &mut BTreeSet<Path>) {
    if old.map(Node::hash) == new.map(Node::hash) {
        return;
    }
    if new.is_some_and(Node::keeps_order) {
        parents.insert(path.clone());
    }
    for (old, new) in differing(old, new) {
        if let Some(new) = new {
            ordered_parents(&path.child(new.step()), old.as_ref(), Some(&new), parents);
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
