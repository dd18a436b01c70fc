//! A tree that is being filled by the lines of a text, cheap to change.

use super::effect::{Effect, Place};
use super::pattern::Bindings;
use super::rules::{LineId, Rules};
use crate::tree::{Key, Node, Path, QName, Step};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A node that may still change.
#[derive(Debug)]
pub(super) struct Draft {
    place: Place,
    /// Its turn among its siblings.
    turn: u32,
    children: BTreeMap<Step, Draft>,
    /// How many children there have been.
    turns: u32,
    /// How many equal opaque lines there have been.
    equal: HashMap<Arc<str>, u32>,
    /// The numbered lists below, by number; `true` where the number was in the text.
    numbered: Vec<(LineId, BTreeMap<u64, (Bindings, bool)>)>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Node,
            turn: 0,
            children: BTreeMap::new(),
            turns: 0,
            equal: HashMap::new(),
            numbered: Vec::new(),
        }
    }

    /// Applies the effects of a line.
    pub(super) fn change(&mut self, rules: &Rules, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Put(path, place) => self.reach(&path).place = place,
                Effect::Clear(path) => {
                    let (Some(parent), Some(step)) = (path.parent(), path.last()) else { continue };
                    if let Some(at) = self.find(&parent) {
                        at.children.remove(step);
                    }
                }
                Effect::ClearName(parent, name) => {
                    if let Some(at) = self.find(&parent) {
                        at.children.retain(|step, _| step.name != name);
                        at.numbered.retain(|(line, _)| !rules.line(*line).nodes.iter().any(|n| n.ends_in(&name)));
                    }
                }
                Effect::ClearText(parent, text) => {
                    if let Some(at) = self.find(&parent) {
                        at.children
                            .retain(|step, _| !matches!(&step.key, Key::Opaque(line, _) if line.starts_with(&text)));
                        at.equal.retain(|line, _| !line.starts_with(&text));
                    }
                }
                Effect::Insert(parent, line, bindings) => {
                    let Some(sequence) = &rules.line(line).sequence else { continue };
                    let list = self.reach(&parent).list(line);
                    let given = sequence.number(&bindings);
                    let number = given.unwrap_or_else(|| sequence.next(list.keys().next_back().copied()));
                    list.insert(number, (bindings, given.is_some()));
                }
                Effect::Withdraw(parent, line, bindings) => {
                    let Some(sequence) = &rules.line(line).sequence else { continue };
                    if let Some(at) = self.find(&parent) {
                        at.list(line).retain(|number, (have, _)| !sequence.is(&bindings, *number, have));
                    }
                }
            }
        }
    }

    fn list(&mut self, line: LineId) -> &mut BTreeMap<u64, (Bindings, bool)> {
        let at = match self.numbered.iter().position(|(have, _)| *have == line) {
            Some(at) => at,
            None => {
                self.numbered.push((line, BTreeMap::new()));
                self.numbered.len() - 1
            }
        };
        &mut self.numbered[at].1
    }

    /// Puts an opaque line below `parent` and answers its step; equal lines are counted.
    pub(super) fn opaque(&mut self, parent: &Path, name: QName, text: &str) -> Step {
        let at = self.reach(parent);
        let text: Arc<str> = Arc::from(text);
        let nth = at.equal.entry(text.clone()).or_default();
        let step = Step { name, key: Key::Opaque(text, *nth) };
        *nth += 1;
        at.below(&step);
        step
    }

    /// The finished children.
    pub(super) fn freeze(self, rules: &Rules) -> Vec<Node> {
        let mut drafts: Vec<(Step, Draft)> = self.children.into_iter().collect();
        drafts.sort_by_key(|(_, draft)| draft.turn);
        let nodes = drafts.into_iter().map(|(step, draft)| {
            let node = draft.place.node(&step);
            if draft.is_bare() { node } else { node.with_children(draft.freeze(rules)) }
        });
        let mut nodes: Vec<Node> = nodes.collect();
        for (line, list) in self.numbered {
            let line = rules.line(line);
            let Some(last) = line.nodes.first().and_then(|node| node.last()) else { continue };
            let Some(sequence) = &line.sequence else { continue };
            for text in sequence.canonical(line, list.into_iter().map(|(n, (b, given))| (n, b, given)).collect()) {
                nodes.push(Place::Ordered.node(&line.member(&last.name, &text)));
            }
        }
        nodes
    }

    fn is_bare(&self) -> bool {
        self.children.is_empty() && self.numbered.is_empty()
    }

    /// Whether anything stands below this place.
    pub(super) fn has_children(&mut self, path: &Path) -> bool {
        self.find(path).is_some_and(|draft| !draft.is_bare())
    }

    /// Whether anything stands at this place.
    pub(super) fn stands(&mut self, path: &Path) -> bool {
        self.find(path).is_some()
    }

    /// Whether an opaque line stands below this place that is this text or begins with it.
    pub(super) fn begins(&mut self, path: &Path, text: &str) -> bool {
        let begins = |line: &str| line.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        self.find(path).is_some_and(|draft| draft.equal.keys().any(|line| begins(line)))
    }

    fn reach(&mut self, path: &Path) -> &mut Draft {
        path.steps().iter().fold(self, |at, step| at.below(step))
    }

    fn below(&mut self, step: &Step) -> &mut Draft {
        let turns = &mut self.turns;
        self.children.entry(step.clone()).or_insert_with(|| {
            *turns += 1;
            Draft { turn: *turns, ..Draft::new() }
        })
    }

    fn find(&mut self, path: &Path) -> Option<&mut Draft> {
        path.steps().iter().try_fold(self, |at, step| at.children.get_mut(step))
    }
}
