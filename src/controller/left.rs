//! What stands on an element where nobody claims anything, and not as a transaction wanted it: an unresolved one left it and
//! an operator accepted that; or the element restarted before it saved what the transaction had taken away.
//!
//! Flow: the word that accepts, or the reading before the element is asked again to save, notes it as deviations
//! ([`places`], [`came_back`]); every look asks what of it still stands ([`still_left`]); a heal brings it back to its side.
//! It is gone when it stands as its side again, or is claimed.
//!
//! Guarantees: what a service claims later takes only its own places out of it: the rest stays in the list, under paths of
//! its own. What neither side of the transaction has is nobody's business here: it may be the work of other hands.

use super::look::deviation_id;
use super::model::Model;
use super::rewrite::as_meant;
use crate::domain::{Deviation, DeviationKind, Left};
use crate::plan::{ElementPlan, matches_at, touched_state, words};
use crate::tree::{ConfigTree, Intended, Path, Step};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is known to stand where nobody claims anything and not as a transaction wanted it, as far as it still stands so.
pub(super) fn still_left(model: &Model, element: &str, intended: &Intended, actual: &ConfigTree) -> Vec<Deviation> {
    let mut found = Vec::new();
    for known in model.deviations_of(element) {
        let Some(left) = &known.left else { continue };
        for place in places(&left.path, intended, [&left.side, &left.other]) {
            if matches_at(actual, &left.side, &place) {
                continue;
            }
            found.push(if place == left.path { known.clone() } else { part(known, left, &place) });
        }
    }
    found
}

/// The highest places at and below `path` that nobody claims, as far as one of the two sides of a transaction has them.
pub(super) fn places(path: &Path, intended: &Intended, sides: [&ConfigTree; 2]) -> Vec<Path> {
    let (mut open, mut found) = (vec![path.clone()], Vec::new());
    while let Some(at) = open.pop() {
        if intended.tree.at(&at).is_none() {
            found.push(at);
            continue;
        }
        let nodes = sides.iter().filter_map(|side| side.at(&at));
        let below: BTreeSet<Step> = nodes.flat_map(|node| node.children().iter().map(|child| child.step())).collect();
        open.extend(below.into_iter().map(|step| at.child(step)));
    }
    found.sort();
    found
}

/// What a transaction took away on an element and nobody claims now, as far as it stands there again.
pub(super) fn came_back(model: &Model, transaction: &str, of: &ElementPlan, read: &ConfigTree) -> Vec<Left> {
    let claimed = model.claimed_on(&of.element);
    let Ok(intended) = claimed.intended() else { return Vec::new() };
    let read = as_meant(model, &of.element, read, &[&intended.tree, &of.before, &of.after]);
    let places = of.touched().flat_map(|at| places(at, intended, [&of.before, &of.after]));
    let removed = places.filter(|place| of.before.at(place).is_some() && of.after.at(place).is_none());
    let back: BTreeSet<Path> = removed.filter(|place| matches_at(&read, &of.before, place)).collect();
    back.into_iter().map(|place| left(transaction, place, &of.after, &of.before)).collect()
}

/// One place, cut out of both sides of a transaction.
pub(super) fn left(transaction: &str, place: Path, side: &ConfigTree, other: &ConfigTree) -> Left {
    let cut = |side: &ConfigTree| touched_state(side, std::iter::once(&place));
    Left { transaction: transaction.into(), side: cut(side), other: cut(other), path: place }
}

/// It as a deviation, seen now and so many times.
pub(super) fn noted(element: &str, left: Left, actual: Option<String>, seen: u32, now: Timestamp) -> Deviation {
    let wanted = words(left.side.at(&left.path));
    Deviation {
        id: deviation_id(element, &left.path),
        element: element.into(),
        path: left.path.to_string(),
        kind: if wanted.is_some() { DeviationKind::Changed } else { DeviationKind::Orphan },
        recorded: None,
        wanted,
        actual,
        services: Vec::new(),
        since: now,
        last_seen: now,
        seen,
        policy: "report".into(),
        gate: "healed on request only".into(),
        left: Some(left),
    }
}

/// A part of what was left, since somebody claims the rest.
fn part(whole: &Deviation, of: &Left, place: &Path) -> Deviation {
    let part = left(&of.transaction, place.clone(), &of.side, &of.other);
    Deviation { since: whole.since, ..noted(&whole.element, part, whole.actual.clone(), whole.seen, whole.last_seen) }
}
