//! What no reading can tell: work of others that went with an undo of ours, although no daemon could have known better.
//!
//! Nothing is left out of the judgement by it. Each case names one place, and the change of ours that put the state before
//! the transaction there; the judge then takes two states of that place as true, with that change and without it, and
//! nothing else. The rules are told in `docs/simulation.md`.

use crate::element::{By, Did, Element, Entry};
use crate::plans::{Operation, rule_path};
use crate::play::Stage;
use crate::replay::{path_of, plan_for};
use crate::story::{Call, Habit};
use andante::domain::{Class, Outcome, Phase};
use andante::plan::{ElementPlan, matches_at};
use andante::tree::{ConfigTree, Node, Path, diff};

/// An undo of ours that may rightly have taken work of others along.
#[derive(Clone, Debug)]
pub struct Undone {
    /// When: our last change of that place.
    pub seq: u64,
    /// What it made of its place: the state before the transaction.
    pub operation: Operation,
}

/// All of one element.
pub fn unclear(stage: &Stage, element: &Element) -> Vec<Undone> {
    let diary = element.diary();
    let mut unclear = Vec::new();
    for id in stage.transactions() {
        if !matches!(stage.outcome(&id), Some(Outcome::NotApplied { .. })) {
            continue;
        }
        let Some(of) = plan_for(stage, &id, &element.name) else { continue };
        let case = Case { stage, element, diary: &diary, id: &id, of: &of };
        unclear.extend(of.touched().filter_map(|path| case.at(path)));
    }
    unclear
}

/// One transaction that was taken back, on one element.
struct Case<'a> {
    stage: &'a Stage,
    element: &'a Element,
    diary: &'a [Entry],
    id: &'a str,
    of: &'a ElementPlan,
}

impl Case<'_> {
    fn at(&self, path: &Path) -> Option<Undone> {
        let last = self.diary.iter().rposition(|entry| self.is_change(entry, path))?;
        let first = self.possible_since();
        let touches = |operations: &[Operation]| operations.iter().any(|operation| path_of(operation).touches(path));
        // What others did last before it is what it took along; what they did earlier was theirs to write over.
        let others = (0..last).rev().find(|at| match &self.diary[*at] {
            Entry { by: By::Ours(_), .. } => false,
            Entry { did: Did::Changed { operations, .. }, .. } => touches(operations),
            Entry { did: Did::Reverted { .. }, .. } => true,
            _ => false,
        })?;
        let Entry { seq, by, did } = &self.diary[others];
        let within = first.is_some_and(|first| *seq > first);
        let excused = match did {
            // What an element rewrote by itself is as unread as what a person did.
            Did::Changed { after, .. } => {
                *by == By::Human && within && self.explained(after, path) || self.blind(others, path)
            }
            Did::Reverted { tree, .. } => {
                within && !matches_at(tree, &self.of.before, path) && self.explained(tree, path)
            }
            _ => false,
        };
        let operation = match self.of.before.at(path) {
            Some(node) => Operation::Merge(path.clone(), node.clone()),
            None => Operation::Remove(path.clone()),
        };
        excused.then(|| Undone { seq: self.diary[last].seq, operation })
    }

    /// Sessions of this transaction, or of recovery until the transaction was closed.
    fn is_ours(&self, entry: &Entry) -> bool {
        match &entry.by {
            By::Ours(owner) if owner == self.id => true,
            By::Ours(owner) if owner == "recovery" => {
                self.stage.disk.durable(self.id, Phase::Closed).is_none_or(|closed| entry.seq < closed)
            }
            _ => false,
        }
    }

    fn is_change(&self, entry: &Entry, path: &Path) -> bool {
        let Did::Changed { before, after, .. } = &entry.did else { return false };
        self.is_ours(entry) && diff(before, after).edits.iter().any(|edit| edit.path().touches(path))
    }

    /// From when on the daemon cannot know whether its edit took effect: the first commit that was not refused, whether the
    /// element heard it or not; or the intent, when whoever wrote it died before such a commit.
    fn possible_since(&self) -> Option<u64> {
        let own = By::Ours(self.id.to_owned());
        let refused = |at: usize| matches!(self.diary.get(at + 1), Some(Entry { did: Did::Refused, .. }));
        let attempt = self.diary.iter().enumerate().find(|(at, entry)| {
            let sent = matches!(entry.did, Did::Sent { call: Call::Apply, .. }) && !refused(*at);
            entry.by == own && (sent || matches!(entry.did, Did::Missed { call: Call::Apply }))
        });
        let attempt = attempt.map(|(_, entry)| entry.seq);
        let intent = self.stage.disk.durable(self.id, Phase::Applied).filter(|intent| {
            let between = |death: &u64| death > intent && attempt.is_none_or(|attempt| *death < attempt);
            self.stage.director.deaths().iter().any(between)
        });
        intent.or(attempt)
    }

    /// Whether our own edits explain what was left there.
    fn explained(&self, left: &ConfigTree, path: &Path) -> bool {
        let (before, after) = (self.of.before.at(path), self.of.after.at(path));
        let explained = matches_at(left, &self.of.before, path)
            || matches_at(left, &self.of.after, path)
            || match left.at(path) {
                Some(have) => between(have, before, after),
                // Line by line it is our own half way; elsewhere it is put back, but has to be told.
                None => before.is_none() || after.is_none() || self.of.class == Class::D || self.told(path),
            };
        // What was taken away together with what is around it is not ours.
        let around = path.parent().is_none_or(|parent| parent.steps().is_empty() || left.at(&parent).is_some());
        explained && (left.at(path).is_some() || around)
    }

    fn told(&self, path: &Path) -> bool {
        let record = self.stage.record(self.id);
        let progress = record.and_then(|record| record.elements.get(&self.element.name).cloned());
        progress.is_some_and(|progress| progress.foreign.iter().any(|known| known.path == path.to_string()))
    }

    /// Whether a change of ours came over somebody's edit before we could read it: it had been sent before, or no lock
    /// keeps people out and it was sent right after a reading. What came late over something that was read has to be told.
    fn blind(&self, at: usize, path: &Path) -> bool {
        let whole = |entry: &Entry| matches!(&entry.did, Did::Read { tree } if *tree != ConfigTree::default());
        let later = self.diary.iter().enumerate().skip(at + 1);
        let Some((change, Entry { by, .. })) = later.clone().find(|(_, entry)| self.is_change(entry, path)) else {
            return false;
        };
        let read = later.take(change - at - 1).any(|(_, entry)| self.is_ours(entry) && whole(entry));
        let before = |to: usize, what: &dyn Fn(&Entry) -> bool| {
            self.diary[..to].iter().rposition(|entry| entry.by == *by && what(entry))
        };
        let sent = |entry: &Entry| matches!(entry.did, Did::Sent { call: Call::Apply, .. });
        let Some(send) = before(change, &sent) else { return false };
        if send < at {
            return !read || self.told(path);
        }
        let open = self.of.class == Class::D || self.element.has(Habit::LocksBindNobody);
        let acts = |entry: &Entry| {
            let call = |call: &Call| matches!(call, Call::Apply | Call::Lock);
            let act = match &entry.did {
                Did::Sent { call: verb, .. } | Did::Missed { call: verb } => call(verb),
                Did::Changed { .. } => true,
                _ => false,
            };
            act && entry.by == *by
        };
        open && !read && before(send, &whole).is_some_and(|read| !self.diary[read..send].iter().any(acts))
    }
}

/// Places beside the plan at which a line of ours stands, because somebody took its number between our reading and our send:
/// the element gave it another one. Only where the transaction is unresolved on that element, and names the place, if it
/// read the element at all since.
pub fn strays(stage: &Stage, element: &Element) -> Vec<(u64, Path)> {
    let diary = element.diary();
    let mut strays = Vec::new();
    for (at, Entry { seq, by, did }) in diary.iter().enumerate() {
        let (By::Ours(id), Did::Changed { before, after, operations }) = (by, did) else { continue };
        let open =
            matches!(stage.outcome(id), Some(Outcome::Unresolved { elements, .. }) if elements.contains(&element.name));
        let Some(of) = plan_for(stage, id, &element.name).filter(|_| open) else { continue };
        let own = |to: usize, what: &dyn Fn(&Did) -> bool| {
            diary[..to].iter().rposition(|entry| entry.by == *by && what(&entry.did))
        };
        let whole = |did: &Did| matches!(did, Did::Read { tree } if *tree != ConfigTree::default());
        let read =
            own(at, &|did| matches!(did, Did::Sent { call: Call::Apply, .. })).and_then(|sent| own(sent, &whole));
        let Some(read) = read else { continue };
        let taken = operations.iter().any(|operation| {
            let Operation::Append(number, _) = operation else { return false };
            let place = rule_path(number);
            before.at(&place).is_some()
                && diary[read..at].iter().any(|entry| match &entry.did {
                    Did::Changed { before, after, .. } => {
                        entry.by == By::Human && before.at(&place).is_none() && after.at(&place).is_some()
                    }
                    _ => false,
                })
        });
        let seen = diary[at..].iter().any(|entry| entry.by == *by && whole(&entry.did));
        let record = stage.record(id);
        let foreign = record.and_then(|record| record.elements.get(&element.name).cloned()).unwrap().foreign;
        let beside = diff(before, after).edits.into_iter().map(|edit| edit.path().clone());
        let beside = beside.filter(|path| !of.touched().any(|touched| path.starts_with(touched)));
        let told = |path: &Path| !seen || foreign.iter().any(|known| known.path == path.to_string());
        strays.extend(beside.filter(|path| taken && told(path)).map(|path| (*seq, path)));
    }
    strays
}

/// Whether a node is made of what stood before and what we sent, and perhaps more below.
fn between(have: &Node, before: Option<&Node>, after: Option<&Node>) -> bool {
    let known: Vec<&Node> = [before, after].into_iter().flatten().collect();
    known.iter().any(|node| node.value() == have.value())
        && have.children().iter().all(|child| {
            let below: Vec<&Node> =
                known.iter().filter_map(|node| node.children().iter().find(|one| one.step() == child.step())).collect();
            below.is_empty() || between(child, below.first().copied(), below.last().copied())
        })
}
