//! What an unresolved transaction left on an element where nobody claims anything, and an operator accepted.
//!
//! Flow: the word that accepts notes it as deviations ([`places`]); every look asks what of it still stands
//! ([`still_left`]); a heal brings it back to its side. It is gone when it stands as its side again, or is claimed.
//!
//! Guarantees: what a service claims later takes only its own places out of it: the rest stays in the list, under paths of
//! its own. What neither side of the transaction has is nobody's business here: it may be the work of other hands.

use super::look::deviation_id;
use super::model::Model;
use crate::domain::{Deviation, DeviationKind, Left};
use crate::plan::{matches_at, touched_state, words};
use crate::tree::{ConfigTree, Intended, Path, Step};
use std::collections::BTreeSet;

/// What unresolved transactions left where nobody claims anything, as far as it still stands so.
pub(super) fn still_left(model: &Model, element: &str, intended: &Intended, actual: &ConfigTree) -> Vec<Deviation> {
    let mut found = Vec::new();
    for noted in model.deviations_of(element) {
        let Some(left) = &noted.left else { continue };
        for place in places(&left.path, intended, [&left.side, &left.other]) {
            if matches_at(actual, &left.side, &place) {
                continue;
            }
            found.push(if place == left.path { noted.clone() } else { part(noted, left, &place) });
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

/// A part of what was left, since somebody claims the rest.
fn part(noted: &Deviation, left: &Left, place: &Path) -> Deviation {
    let cut = |side: &ConfigTree| touched_state(side, std::iter::once(place));
    let wanted = words(left.side.at(place));
    Deviation {
        id: deviation_id(&noted.element, place),
        path: place.to_string(),
        kind: if wanted.is_some() { DeviationKind::Changed } else { DeviationKind::Orphan },
        wanted,
        left: Some(Left {
            transaction: left.transaction.clone(),
            path: place.clone(),
            side: cut(&left.side),
            other: cut(&left.other),
        }),
        ..noted.clone()
    }
}
