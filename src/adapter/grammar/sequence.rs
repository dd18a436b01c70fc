//! Lists whose members the element numbers by itself: prefix-lists, access lists.
//!
//! The numbers are an order and a handle, no more. A list whose numbers all lie on the grid that the element deals (5, 10,
//! 15, …, gaps included) is *automatic*: its members stand in the tree in their order and without numbers, so it equals what
//! was written without numbers. In a list with any other number all members keep theirs: somebody chose them.
//!
//! It does not guess numbers on the element: what has to come between two members of an automatic list is typed again
//! together with all that follows it.

use super::effect::{Place, named, plant};
use super::pattern::Bindings;
use super::rules::{ContextId, Line, LineId, Rules, Sequence};
use crate::tree::{ConfigTree, Node, Path, Step};
use std::collections::HashSet;

impl Sequence {
    /// The number that a line gives.
    pub(super) fn number(&self, bindings: &Bindings) -> Option<u64> {
        bindings.get(&self.argument)?.first()?.parse().ok()
    }

    /// The number that the element gives behind the last one.
    pub(super) fn next(&self, last: Option<u64>) -> u64 {
        match last {
            None => self.start,
            Some(last) if last < self.start => self.start,
            Some(last) => {
                let steps = ((last - self.start) / self.step).saturating_add(1);
                self.start.saturating_add(steps.saturating_mul(self.step))
            }
        }
    }

    /// Whether a line that takes a member back means this one.
    pub(super) fn is(&self, wanted: &Bindings, number: u64, have: &Bindings) -> bool {
        match self.number(wanted) {
            Some(wanted) => wanted == number,
            None => self.bare.build(wanted) == self.bare.build(have),
        }
    }

    /// Whether a number may have been dealt by the element.
    fn deals(&self, number: u64) -> bool {
        number >= self.start && (number - self.start).is_multiple_of(self.step)
    }

    /// The values of the members in their order: without numbers where all may have been dealt. Of members without a
    /// number of their own that say the same the element keeps the first.
    pub(super) fn canonical(&self, line: &Line, members: Vec<(u64, Bindings, bool)>) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut unique = true;
        let mut kept = Vec::new();
        for (number, bindings, given) in members {
            let new = seen.insert(self.bare.build(&bindings));
            unique &= new || !given;
            if new || given {
                kept.push((number, bindings));
            }
        }
        let automatic = unique && kept.iter().all(|(number, _)| self.deals(*number));
        self.spelt(line, kept.into_iter().map(|(number, bindings)| (number, bindings, false)).collect(), !automatic)
    }

    /// The values of the members, with or without their numbers.
    fn spelt(&self, line: &Line, members: Vec<(u64, Bindings, bool)>, numbers: bool) -> Vec<String> {
        let texts = members.into_iter().filter_map(|(number, mut bindings, _)| {
            match numbers {
                false => bindings.remove(&self.argument),
                true => bindings.insert(self.argument.clone(), vec![number.to_string()]),
            };
            line.value.value_text(&bindings)
        });
        texts.collect()
    }

    /// The members of a list with their numbers; those without get the ones that the element would deal.
    fn numbered(&self, line: &Line, members: &[String]) -> Vec<(u64, Bindings, bool)> {
        let mut last = None;
        let mut out: Vec<(u64, Bindings, bool)> = Vec::new();
        for text in members {
            let Some(bindings) = line.value.bind_text(text) else { continue };
            let given = self.number(&bindings);
            let number = given.unwrap_or_else(|| self.next(last));
            last = last.max(Some(number));
            out.push((number, bindings, given.is_some()));
        }
        out.sort_by_key(|(number, ..)| *number);
        out
    }
}

impl Rules {
    /// The tree with a member in a numbered list. A list with numbers keeps them until it is brought to its canonical form:
    /// the element has them, too.
    pub(super) fn insert(&self, tree: &ConfigTree, parent: &Path, id: LineId, bindings: &Bindings) -> ConfigTree {
        let line = self.line(id);
        let Some(sequence) = &line.sequence else { return tree.clone() };
        let mut members = sequence.numbered(line, &self.members_at(tree, parent, line));
        let given = sequence.number(bindings);
        let numbers = given.is_some() || members.iter().any(|(.., given)| *given);
        let same = |have: &Bindings| sequence.bare.build(have) == sequence.bare.build(bindings);
        match given {
            None if members.iter().any(|(_, have, _)| same(have)) => return tree.clone(),
            None => {
                let number = sequence.next(members.last().map(|(number, ..)| *number));
                members.push((number, bindings.clone(), false));
            }
            Some(number) => {
                members.retain(|(have, ..)| *have != number);
                let at = members.partition_point(|(have, ..)| *have < number);
                members.insert(at, (number, bindings.clone(), true));
            }
        }
        self.with_members(tree, parent, line, &sequence.spelt(line, members, numbers))
    }

    /// The tree without a member of a numbered list.
    pub(super) fn withdraw(&self, tree: &ConfigTree, parent: &Path, id: LineId, bindings: &Bindings) -> ConfigTree {
        let line = self.line(id);
        let Some(sequence) = &line.sequence else { return tree.clone() };
        let before = self.members_at(tree, parent, line);
        let mut members = sequence.numbered(line, &before);
        let count = members.len();
        let numbers = members.iter().any(|(.., given)| *given);
        members.retain(|(number, have, _)| !sequence.is(bindings, *number, have));
        if members.len() == count {
            return tree.clone();
        }
        let tree = self.with_members(tree, parent, line, &sequence.spelt(line, members, numbers));
        self.pruned(tree, Some(parent.clone()))
    }

    /// The tree with the lists below these places in their canonical form.
    pub(super) fn with_canonical_lists<'p>(
        &self,
        tree: &ConfigTree,
        places: impl IntoIterator<Item = &'p Path>,
    ) -> ConfigTree {
        places.into_iter().fold(tree.clone(), |tree, path| {
            let Some(node) = tree.at(path) else { return tree };
            let (context, depth, _) = self.context_of(path);
            let new = self.sequenced(context, &path.steps()[depth..], node.clone());
            if Node::same(&new, node) { tree } else { plant(&tree, path, new) }
        })
    }

    fn members_at(&self, tree: &ConfigTree, parent: &Path, line: &Line) -> Vec<String> {
        let Some(last) = line.nodes.first().and_then(|node| node.last()) else { return Vec::new() };
        let members = tree.at(parent).into_iter().flat_map(|node| named(node, &last.name));
        members.filter_map(|member| member.value()).map(|value| value.as_str().to_owned()).collect()
    }

    fn with_members(&self, tree: &ConfigTree, parent: &Path, line: &Line, texts: &[String]) -> ConfigTree {
        let Some(last) = line.nodes.first().and_then(|node| node.last()) else { return tree.clone() };
        let node = match (tree.at(parent), parent.last()) {
            (Some(node), _) => node.clone(),
            (None, Some(step)) => Node::from_step(step.clone()),
            (None, None) => return tree.clone(),
        };
        let others = node.children().iter().filter(|child| *child.name() != last.name).cloned();
        let members = texts.iter().map(|text| Place::Ordered.node(&line.member(&last.name, text)));
        let node = node.with_children(others.chain(members).collect::<Vec<_>>());
        plant(tree, parent, node)
    }

    /// A node whose numbered lists are in canonical form; the same one where they are.
    pub(super) fn sequenced(&self, context: ContextId, rest: &[Step], node: Node) -> Node {
        if !self.has_sequences {
            return node;
        }
        let mut node = node;
        for id in &self.context(context).lines {
            let line = self.line(*id);
            let (Some(sequence), Some(place)) = (&line.sequence, line.nodes.first()) else { continue };
            if place.steps.len() != rest.len() + 1 || !place.touches(rest) {
                continue;
            }
            let Some(last) = place.last() else { continue };
            let have: Vec<String> =
                named(&node, &last.name).filter_map(|m| m.value()).map(|v| v.as_str().to_owned()).collect();
            let canonical = sequence.canonical(line, sequence.numbered(line, &have));
            let ordered = named(&node, &last.name).all(Node::is_user_ordered);
            if canonical != have || !ordered {
                let others = node.children().iter().filter(|child| *child.name() != last.name).cloned();
                let members = canonical.iter().map(|text| Place::Ordered.node(&line.member(&last.name, text)));
                node = node.with_children(others.chain(members).collect::<Vec<_>>());
            }
        }
        node
    }

    /// What of an automatic or numbered list may stay when it has to become another one, in its order: the members of
    /// `now` that `wanted` has too, where the element's own numbers lead to the wanted form.
    pub(super) fn staying(&self, line: &Line, now: &[String], wanted: &[String]) -> Vec<String> {
        let Some(sequence) = &line.sequence else { return Vec::new() };
        let now_numbered = sequence.numbered(line, now);
        let wanted_bindings: Vec<Bindings> = wanted.iter().filter_map(|text| line.value.bind_text(text)).collect();
        if wanted_bindings.iter().any(|bindings| sequence.number(bindings).is_some()) {
            // Numbers are wanted: who has the right one stays, whatever stands beside it.
            return now.iter().filter(|text| wanted.contains(text)).cloned().collect();
        }
        // No numbers are wanted: those stay whose number may have been dealt, as long as their order is the wanted one.
        let mut kept = Vec::new();
        let mut at = 0;
        for ((number, bindings, _), text) in now_numbered.iter().zip(sorted_texts(line, &now_numbered)) {
            let bare = sequence.bare.build(bindings);
            let found = wanted_bindings.get(at).is_some_and(|wanted| sequence.bare.build(wanted) == bare);
            if found && sequence.deals(*number) {
                at += 1;
                kept.push(text);
            }
        }
        kept
    }
}

/// The values of members as they stand in the tree.
fn sorted_texts(line: &Line, members: &[(u64, Bindings, bool)]) -> Vec<String> {
    members.iter().map(|(_, bindings, _)| line.value.value_text(bindings).unwrap_or_default()).collect()
}
