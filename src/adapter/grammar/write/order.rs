//! The order of items: by the grammar's numbers, and where lines refer to objects by what they refer to.
//!
//! A line that refers to an object is typed behind all that makes the object, and taken back before anything of the object
//! goes. Whole top-level contexts are moved where that is enough, so that no context is entered twice; where two contexts
//! refer to each other their lines are ordered one by one. Among what is free the grammar's order stays (a stable sort).
//! Lines that refer to each other in a circle stay where the grammar puts them.

use super::items::Item;
use crate::tree::{Path, QName};
use std::collections::{BTreeSet, HashMap};

/// Items in the order in which they are typed, by `refs` or not; `removing` turns what refers to what around.
pub(super) fn ordered(mut items: Vec<Item>, refs: bool, removing: bool) -> Vec<Item> {
    items.sort_by(|a, b| a.key.cmp(&b.key));
    if !refs || items.iter().all(|item| item.refs.is_empty()) {
        return items;
    }
    let needs = needs(&items, removing);
    let groups = groups(&items);
    let mut between: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); items.len()];
    for (at, needed) in needs.iter().enumerate() {
        between[groups[at]].extend(needed.iter().map(|other| groups[*other]).filter(|other| *other != groups[at]));
    }
    let leaders: Vec<usize> = (0..items.len()).filter(|at| groups[*at] == *at).collect();
    let order: Vec<usize> = match visit(&leaders, &between) {
        Some(order) => {
            let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
            groups.iter().enumerate().for_each(|(at, group)| members.entry(*group).or_default().push(at));
            let inner: Vec<BTreeSet<usize>> = needs
                .iter()
                .enumerate()
                .map(|(at, needed)| needed.iter().copied().filter(|other| groups[*other] == groups[at]).collect())
                .collect();
            let within = |group: &usize| {
                let members = members.remove(group).unwrap_or_default();
                visit(&members, &inner).unwrap_or(members)
            };
            order.iter().flat_map(within).collect()
        }
        None => {
            let all: Vec<usize> = (0..items.len()).collect();
            visit(&all, &needs).unwrap_or(all)
        }
    };
    let mut slots: Vec<Option<Item>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| slots[at].take()).collect()
}

/// For each item those that must be typed before it.
fn needs(items: &[Item], removing: bool) -> Vec<BTreeSet<usize>> {
    let mut named: HashMap<(usize, &QName), Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        for (depth, step) in item.place.steps().iter().enumerate() {
            named.entry((depth + 1, &step.name)).or_default().push(at);
        }
    }
    let mut needs = vec![BTreeSet::new(); items.len()];
    for (at, item) in items.iter().enumerate() {
        for target in &item.refs {
            let Some(name) = target.name() else { continue };
            let made = named.get(&(target.depth(), name)).into_iter().flatten();
            for other in made.filter(|other| **other != at && target.covers(&items[**other].place)) {
                match removing {
                    true => needs[*other].insert(at),
                    false => needs[at].insert(*other),
                };
            }
        }
    }
    needs
}

/// For each item the first item of its top-level context; an item of the root is its own.
fn groups(items: &[Item]) -> Vec<usize> {
    let mut first: HashMap<Path, usize> = HashMap::new();
    let group = |(at, item): (usize, &Item)| match item.place.steps().first() {
        Some(step) => *first.entry(Path::new(vec![step.clone()])).or_insert(at),
        None => at,
    };
    items.iter().enumerate().map(group).collect()
}

/// These in their order, each behind all that it needs; `None` if they need each other in a circle.
fn visit(all: &[usize], needs: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut out = Vec::with_capacity(all.len());
    // 1: on the way to it, 2: done.
    let mut state: HashMap<usize, u8> = HashMap::new();
    for start in all {
        let mut stack = vec![(*start, false)];
        while let Some((at, back)) = stack.pop() {
            if back {
                state.insert(at, 2);
                out.push(at);
                continue;
            }
            match state.get(&at) {
                Some(2) => continue,
                Some(_) => return None,
                None => {}
            }
            state.insert(at, 1);
            stack.push((at, true));
            stack.extend(
                needs[at].iter().rev().filter(|other| state.get(other) != Some(&2)).map(|other| (*other, false)),
            );
        }
    }
    Some(out)
}
