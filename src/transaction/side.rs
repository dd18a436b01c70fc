//! On which side an element stands, judged from what was read: before, after, on the way, or somebody else's. PURE.
//!
//! Guarantee: only the paths that the plan touches count, except for [`outside`], which looks at all others.

use crate::domain::Class;
use crate::plan::ElementPlan;
use crate::tree::{ConfigTree, Diff, Edit, Key, Node, Path, Step, diff};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What a reading says about the touched paths of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// All as the plan found them.
    Before,
    /// All as the plan leaves them.
    After,
    /// Some are before, some after, or one stands in the middle of our own edits.
    OnTheWay,
    /// These hold what neither we nor the state before would explain.
    Foreign(Vec<Path>),
}

/// Judges a reading.
pub(super) fn side(plan: &ElementPlan, actual: &ConfigTree) -> Side {
    // A plan that only says a default may look like both; then it counts as "after".
    if plan.is_after(actual) {
        return Side::After;
    }
    if plan.is_before(actual) {
        return Side::Before;
    }
    let foreign: Vec<Path> = plan.touched().filter(|path| !explained(plan, actual, path)).cloned().collect();
    if foreign.is_empty() { Side::OnTheWay } else { Side::Foreign(foreign) }
}

/// Whether what stands at a touched path is made of what was there and what we sent.
fn explained(plan: &ElementPlan, actual: &ConfigTree, path: &Path) -> bool {
    if plan.matches(actual, &plan.before, path) || plan.matches(actual, &plan.after, path) {
        return true;
    }
    match actual.at(path) {
        // A line that was taken away before its successor was sent. Where no lines are sent, and the whole entry is gone in
        // which the plan changes a word, that was somebody else: what we put back would be a stump of it.
        None => plan.class == Class::D || !entry_gone(plan, actual, path),
        Some(have) => between(have, plan.before.at(path), plan.after.at(path)),
    }
}

/// Whether an entry above a touched path is gone that stands on both sides of the plan.
fn entry_gone(plan: &ElementPlan, actual: &ConfigTree, path: &Path) -> bool {
    let stands = |tree: &ConfigTree, path: &Path| tree.at(path).is_some();
    let mut above = path.parent();
    while let Some(place) = above.filter(|place| place.last().is_some()) {
        let entry = place.last().is_some_and(|step| matches!(step.key, Key::Entry(_)));
        if entry && stands(&plan.before, &place) && stands(&plan.after, &place) && !stands(actual, &place) {
            return true;
        }
        above = place.parent();
    }
    false
}

/// Touched paths at which nothing stands although the plan has something there before and after: unless lines are sent one
/// by one, somebody else took it away.
pub(super) fn emptied<'a>(plan: &'a ElementPlan, actual: &ConfigTree) -> impl Iterator<Item = &'a Path> {
    plan.touched().filter(|path| {
        plan.class != Class::D
            && actual.at(path).is_none()
            && plan.before.at(path).is_some()
            && plan.after.at(path).is_some()
            && !plan.matches(actual, &plan.before, path)
            && !plan.matches(actual, &plan.after, path)
    })
}

/// Touched paths that hold what neither side of the plan explains.
pub(super) fn unexplained<'a>(plan: &'a ElementPlan, actual: &ConfigTree) -> impl Iterator<Item = &'a Path> {
    plan.touched().filter(|path| !explained(plan, actual, path))
}

fn between(have: &Node, before: Option<&Node>, after: Option<&Node>) -> bool {
    let known = [before, after].into_iter().flatten();
    let mut same_value = known.clone().map(|node| node.value() == have.value());
    if !same_value.any(|same| same) {
        return false;
    }
    have.children().iter().all(|child| {
        let below = |node: Option<&Node>| node.and_then(|node| node.child_beside(child).cloned());
        let (before, after) = (below(before), below(after));
        // What the element adds below our nodes on its own does not disturb.
        (before.is_none() && after.is_none()) || between(child, before.as_ref(), after.as_ref())
    })
}

/// A place that is not as the plan leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The lowest node that differs.
    pub path: Path,
    /// What was sent there, if it is a value.
    pub sent: Option<String>,
    /// What the element says there, if it is a value.
    pub says: Option<String>,
    /// What was read there, in words.
    pub found: String,
}

/// The first place that is not as the plan leaves it, with what was read there.
pub(super) fn first_wrong(plan: &ElementPlan, actual: &ConfigTree) -> Option<Wrong> {
    let mut path = plan.touched().find(|path| !plan.matches(actual, &plan.after, path))?.clone();
    loop {
        let (want, have) = (plan.after.at(&path), actual.at(&path));
        // Down to the leaf: an entry that was sent whole may differ in one word.
        let below = want.zip(have).filter(|(want, have)| want.value() == have.value()).and_then(|(want, _)| {
            let places = want.children().iter().map(|child| path.child(child.step()));
            places.into_iter().find(|place| !plan.matches(actual, &plan.after, place))
        });
        match below {
            Some(place) => path = place,
            None => {
                let value = |node: Option<&Node>| node.and_then(Node::value).map(ToString::to_string);
                let found = match have {
                    None => "nothing".to_owned(),
                    Some(node) => node.value().map_or_else(|| "other content".to_owned(), |value| format!("'{value}'")),
                };
                return Some(Wrong { sent: value(want), says: value(have), found, path });
            }
        }
    }
}

/// The first path outside the plan that was taken away or changed between two readings. What was added does not count:
/// elements add lines on their own, and an addition takes nothing from anyone.
pub(super) fn outside(plan: &ElementPlan, earlier: &ConfigTree, later: &ConfigTree) -> Option<Path> {
    let ours = Places::of(plan);
    diff(earlier, later).edits.iter().find_map(|edit| match edit {
        Edit::Create { .. } | Edit::Move { .. } => None,
        Edit::Set { path, .. } => (!ours.hold(path)).then(|| path.clone()),
        Edit::Remove { path, node, .. } | Edit::Replace { path, old: node, .. } => lost(path, node, &ours),
    })
}

/// The places of a plan. A question about another place costs a few steps, however many there are.
struct Places<'a>(BTreeSet<&'a [Step]>);

impl<'a> Places<'a> {
    fn of(plan: &'a ElementPlan) -> Self {
        Self(plan.touched().chain(&plan.collateral).map(Path::steps).collect())
    }

    /// Whether a place is one of them, or below one.
    fn hold(&self, path: &Path) -> bool {
        let steps = path.steps();
        (0..=steps.len()).any(|depth| self.0.contains(&steps[..depth]))
    }

    /// Whether one of them is at or below a place: what is below it comes right behind it.
    fn are_below(&self, path: &Path) -> bool {
        let behind = (Bound::Included(path.steps()), Bound::Unbounded);
        self.0.range::<[Step], _>(behind).next().is_some_and(|first| first.starts_with(path.steps()))
    }
}

/// Every path outside the plan at which two readings differ, additions too: the highest node of each difference.
pub(super) fn others(plan: &ElementPlan, from: &ConfigTree, to: &ConfigTree) -> Vec<Path> {
    let ours = Places::of(plan);
    fn below(path: Path, node: &Node, ours: &Places<'_>, found: &mut Vec<Path>) {
        if ours.hold(&path) {
            return;
        }
        // A container that came or went only to hold what is ours says nothing.
        if !ours.are_below(&path) {
            found.push(path);
            return;
        }
        node.children().iter().for_each(|child| below(path.child(child.step()), child, ours, found));
    }
    let mut found = Vec::new();
    for edit in &diff(from, to).edits {
        match edit {
            Edit::Set { path, .. } | Edit::Move { path, .. } => {
                if !ours.hold(path) {
                    found.push(path.clone());
                }
            }
            Edit::Create { path, node, .. } | Edit::Remove { path, node, .. } => {
                below(path.clone(), node, &ours, &mut found);
            }
            Edit::Replace { path, old, new, .. } => {
                below(path.clone(), old, &ours, &mut found);
                below(path.clone(), new, &ours, &mut found);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first node of a removed subtree that is neither ours nor merely on the way to ours.
fn lost(path: &Path, node: &Node, ours: &Places<'_>) -> Option<Path> {
    if ours.hold(path) {
        return None;
    }
    if !ours.are_below(path) {
        return Some(path.clone());
    }
    node.children().iter().find_map(|child| lost(&path.child(child.step()), child, ours))
}

/// The same plan, cut to some of its edits: what an undo or a redo may still touch.
pub(super) fn cut(plan: &ElementPlan, keep: impl Fn(&Path) -> bool) -> ElementPlan {
    let edits = plan.diff.edits.iter().filter(|edit| keep(edit.path())).cloned().collect();
    let inverse = plan.inverse.edits.iter().filter(|edit| keep(edit.path())).cloned().collect();
    ElementPlan { diff: Diff { edits }, inverse: Diff { edits: inverse }, ..plan.clone() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::adapter::{Impact, Payload};
    use crate::domain::Class;
    use crate::plan::touched_state;
    use crate::tree::{Node, QName, Value, inverse};

    fn leaf(name: &str, value: &str) -> Node {
        Node::leaf(QName::new("m", name), Value::text(value))
    }

    fn part(name: &str, children: Vec<Node>) -> Node {
        Node::container(QName::new("m", name), true, children)
    }

    fn tree(top: Vec<Node>) -> ConfigTree {
        ConfigTree::new(top)
    }

    fn plan(before: &ConfigTree, after: &ConfigTree) -> ElementPlan {
        let diff = diff(before, after);
        let paths: Vec<Path> = diff.edits.iter().map(|edit| edit.path().clone()).collect();
        ElementPlan {
            element: "pe1".into(),
            adapter: String::new(),
            class: Class::D,
            payload: Payload::Cli { lines: vec![] },
            undo: Payload::Cli { lines: vec![] },
            read_set: vec![],
            before: touched_state(before, paths.iter()),
            after: touched_state(after, paths.iter()),
            inverse: inverse(&diff),
            diff,
            adopted: None,
            text: String::new(),
            impact: Impact::Hitless,
            collateral: vec![],
            overwritten: vec![],
            deviations: vec![],
            echoes: vec![],
            encrypted: vec![],
            simulated_only: false,
            defaults: vec![],
            warnings: vec![],
            protected: vec![],
            checks: vec![],
            one_session: false,
        }
    }

    /// A plan that changes one leaf on each of these elements.
    pub(in crate::transaction) fn plan_of(elements: &[(&str, Class)]) -> crate::plan::Plan {
        let (before, after) = (tree(vec![leaf("vlan", "100")]), tree(vec![leaf("vlan", "200")]));
        let of = |(name, class): &(&str, Class)| ElementPlan {
            element: (*name).to_owned(),
            class: *class,
            ..plan(&before, &after)
        };
        let elements = elements.iter().map(of).collect();
        crate::plan::Plan { id: String::new(), services: vec![], elements, numbers: vec![], warnings: vec![] }
    }

    #[test]
    fn what_others_changed_is_named_and_ours_is_not() {
        let before = tree(vec![leaf("vlan", "100")]);
        let after = tree(vec![leaf("vlan", "200"), part("vrf", vec![leaf("rd", "1")])]);
        let plan = plan(&before, &after);
        assert_eq!(others(&plan, &before, &after), []);
        let now =
            tree(vec![leaf("vlan", "300"), part("vrf", vec![leaf("rd", "1")]), part("bgp", vec![leaf("as", "9")])]);
        let named = |from: &ConfigTree, to: &ConfigTree| -> Vec<String> {
            others(&plan, from, to).iter().map(ToString::to_string).collect()
        };
        assert_eq!(named(&after, &now), ["/m:bgp"]);
        // The way back takes it along: the same place, from the other side.
        assert_eq!(named(&now, &before), ["/m:bgp"]);
    }

    #[test]
    fn our_own_half_way_state_is_not_taken_for_somebody_elses() {
        let before = tree(vec![leaf("vlan", "100"), leaf("other", "x")]);
        let after =
            tree(vec![leaf("vlan", "200"), leaf("other", "x"), part("vrf", vec![leaf("rd", "1"), leaf("rt", "2")])]);
        let plan = plan(&before, &after);
        assert_eq!(side(&plan, &before), Side::Before);
        assert_eq!(side(&plan, &after), Side::After);
        let half = tree(vec![leaf("vlan", "200"), part("vrf", vec![leaf("rd", "1")])]);
        assert_eq!(side(&plan, &half), Side::OnTheWay);
        let foreign = tree(vec![leaf("vlan", "666"), part("vrf", vec![leaf("rd", "1")])]);
        let Side::Foreign(paths) = side(&plan, &foreign) else { panic!() };
        assert_eq!(paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/m:vlan"]);
        let foreign = tree(vec![leaf("vlan", "100"), part("vrf", vec![leaf("rd", "9")])]);
        assert!(matches!(side(&plan, &foreign), Side::Foreign(_)));
        // What the element adds below on its own does not disturb.
        let more =
            tree(vec![leaf("vlan", "200"), part("vrf", vec![leaf("rd", "1"), leaf("rt", "2"), leaf("auto", "3")])]);
        assert_eq!(side(&plan, &more), Side::After);
    }

    /// A neighbour whose name begins like ours, or sorts right behind it, is not ours.
    #[test]
    fn the_places_of_a_plan_are_told_from_their_neighbours() {
        let before = tree(vec![leaf("vlan", "100"), part("a", vec![leaf("x", "1")])]);
        let after = tree(vec![leaf("vlan", "200"), part("a", vec![leaf("x", "2")])]);
        let plan = plan(&before, &after);
        let places = Places::of(&plan);
        let path = |names: &[&str]| {
            Path::new(names.iter().map(|name| crate::tree::Step::single(QName::new("m", name))).collect())
        };
        let judged = |names: &[&str]| (places.hold(&path(names)), places.are_below(&path(names)));
        assert_eq!(judged(&[]), (false, true));
        assert_eq!(judged(&["a"]), (false, true));
        assert_eq!(judged(&["a", "x"]), (true, true));
        assert_eq!(judged(&["a", "x", "y"]), (true, false));
        assert_eq!(judged(&["a", "w"]), (false, false));
        assert_eq!(judged(&["aa"]), (false, false));
        assert_eq!(judged(&["vlan"]), (true, true));
        assert_eq!(judged(&["vlana"]), (false, false));
    }

    #[test]
    fn a_loss_outside_the_plan_is_seen_and_an_addition_is_not() {
        let before = tree(vec![leaf("vlan", "100"), part("bgp", vec![leaf("timers", "9"), leaf("peer", "a")])]);
        let after = tree(vec![leaf("vlan", "100"), part("bgp", vec![leaf("timers", "9")])]);
        let plan = plan(&before, &after);
        assert_eq!(outside(&plan, &before, &after), None);
        let added = tree(vec![leaf("vlan", "100"), leaf("new", "1"), part("bgp", vec![leaf("timers", "9")])]);
        assert_eq!(outside(&plan, &before, &added), None);
        // F8: the element takes the timers along with the peer.
        let cascade = tree(vec![leaf("vlan", "100")]);
        assert!(outside(&plan, &before, &cascade).is_some());
        let changed = tree(vec![leaf("vlan", "101"), part("bgp", vec![leaf("timers", "9")])]);
        assert_eq!(outside(&plan, &before, &changed).unwrap().to_string(), "/m:vlan");
    }
}
