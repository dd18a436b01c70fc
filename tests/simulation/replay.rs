//! What an element ought to show, worked out from its diary: the start, people's edits in their order, and the changes of
//! the transactions that ended as applied, each at the moment at which it first reached the element. Nothing else.

use crate::element::{By, Did, Element, Entry};
use crate::plans::{Operation, found};
use crate::play::Stage;
use crate::story::Call;
use andante::domain::{Class, Outcome, Phase, TransactionRecord};
use andante::plan::{ElementPlan, matches_at};
use andante::tree::{ConfigTree, Node, Path, diff};

/// Something that rightfully changed an element.
#[derive(Clone, Debug)]
struct Rightful {
    seq: u64,
    /// `None` = a person, or the element itself.
    transaction: Option<String>,
    human: bool,
    operations: Vec<Operation>,
}

/// What became of one element.
pub struct Replayed {
    pub expected: ConfigTree,
    /// People's edits that our own cancel took along, with the transactions that were under way.
    pub taken_along: Vec<(String, Path)>,
    /// Paths at which somebody else put a value, and when.
    pub foreign: Vec<(u64, Path)>,
    /// Paths at which nobody can tell whose work it was that an undo took back: see [`unclear`].
    pub unclear: Vec<Path>,
}

pub fn replay(stage: &Stage, element: &Element) -> Replayed {
    let mut rightful: Vec<Rightful> = Vec::new();
    let mut taken_along = Vec::new();
    let mut foreign = Vec::new();
    let mut looked = 0;
    for Entry { seq, by, did } in element.diary() {
        match (by, did) {
            (By::Ours(owner), Did::Changed { .. }) => {
                let known = rightful.iter().any(|one| one.transaction.as_deref() == Some(&owner));
                let Some(of) = plan_for(stage, &owner, &element.name) else { continue };
                if !known && stands(stage, &owner, &element.name) {
                    let operations = forward(&of);
                    rightful.push(Rightful { seq, transaction: Some(owner), human: false, operations });
                }
            }
            (by, Did::Changed { before, after, operations }) => {
                foreign.extend(diff(&before, &after).edits.iter().map(|edit| (seq, edit.path().clone())));
                rightful.push(Rightful { seq, transaction: None, human: by == By::Human, operations });
            }
            (by, Did::Reverted { back_to }) => {
                // What people did since then is gone; what a transaction did has to come again.
                let (lost, kept) = rightful.into_iter().partition(|one| one.transaction.is_none() && one.seq > back_to);
                rightful = kept;
                let lost: Vec<Rightful> = lost;
                if let By::Ours(owner) = by {
                    // What came between our last reading and the cancel nobody can know of.
                    let paths = lost
                        .iter()
                        .filter(|one| one.human && one.seq < looked)
                        .flat_map(|one| &one.operations)
                        .map(path_of);
                    taken_along.extend(paths.map(|path| (owner.clone(), path)));
                }
                foreign.retain(|(at, _)| *at <= back_to);
                // A restart before it was saved, of which the operator was told.
                rightful.retain(|one| !(one.seq > back_to && unsaved(stage, element, one)));
            }
            // An answer that was cut short shows nothing.
            (By::Ours(_), Did::Read { tree }) if tree != ConfigTree::default() => looked = seq,
            _ => {}
        }
    }
    let operations = rightful.iter().flat_map(|one| &one.operations);
    let expected = operations.fold(found(), |tree, operation| operation.apply(&tree));
    Replayed { expected, taken_along, foreign, unclear: unclear(stage, element) }
}

/// What no reading can tell, so that no daemon could do better: touched paths of transactions that were taken back, where,
/// after their first send and before their last change,
///
/// - a person left what our own edits explain (the same value, a part of ours, more below our entry): it goes with ours. A
///   removal of what stands before and after counts only where lines are sent one by one, or where it was told;
/// - an edit of ours that was sent before the person's took effect after it (its answer was lost, and with the session the
///   lock), so it stood over his before anybody read;
/// - the element lost by a restart what a person had not saved, and the undo put the state before ours there.
fn unclear(stage: &Stage, element: &Element) -> Vec<Path> {
    let (diary, running) = (element.diary(), element.running());
    let mut unclear = Vec::new();
    for id in stage.transactions() {
        if !matches!(stage.outcome(&id), Some(Outcome::NotApplied { .. })) {
            continue;
        }
        let Some(of) = plan_for(stage, &id, &element.name) else { continue };
        let ours = |entry: &Entry| matches!(&entry.by, By::Ours(owner) if *owner == id || owner == "recovery");
        let sent = |entry: &Entry| matches!(entry.did, Did::Sent { call: Call::Apply, .. }) && ours(entry);
        let changed = |entry: &Entry| matches!(entry.did, Did::Changed { .. }) && ours(entry);
        let Some(first) = diary.iter().position(|entry| sent(entry) && entry.by == By::Ours(id.clone())) else {
            continue;
        };
        let Some(last) = diary.iter().rposition(changed).filter(|last| *last > first) else { continue };
        let told = |path: &Path| {
            let progress = stage.record(&id).and_then(|record| record.elements.get(&element.name).cloned());
            progress.is_some_and(|progress| progress.foreign.iter().any(|known| known.path == path.to_string()))
        };
        let mut late = false;
        for (at, entry) in diary.iter().enumerate().take(last).skip(first) {
            let operations: Vec<Path> = match &entry.did {
                Did::Changed { operations, .. } if entry.by == By::Human => operations.iter().map(path_of).collect(),
                Did::Reverted { .. } if entry.by == By::Element => {
                    unclear.extend(of.touched().filter(|path| matches_at(&running, &of.before, path)).cloned());
                    continue;
                }
                _ => continue,
            };
            let Did::Changed { after, .. } = &entry.did else { continue };
            // The next change of ours is of something that was sent before.
            let next = diary[at..].iter().find(|entry| sent(entry) || changed(entry));
            late |= next.is_some_and(changed);
            for path in of.touched().filter(|path| operations.iter().any(|other| other.touches(path))) {
                let removed = after.at(path).is_none();
                let both = of.before.at(path).is_some() && of.after.at(path).is_some();
                let explained = matches_at(after, &of.before, path)
                    || matches_at(after, &of.after, path)
                    || match after.at(path) {
                        Some(have) => between(have, of.before.at(path), of.after.at(path)),
                        None => !both || of.class == Class::D || told(path),
                    };
                let parent =
                    path.parent().is_none_or(|parent| parent.steps().is_empty() || after.at(&parent).is_some());
                if late || explained && (!removed || parent) {
                    unclear.push(path.clone());
                }
            }
        }
    }
    unclear
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

/// Whether what a transaction did to an element is there to stay: it was applied, or it is unresolved elsewhere after its
/// decision, with this element done and let go.
fn stands(stage: &Stage, id: &str, element: &str) -> bool {
    match stage.outcome(id) {
        Some(Outcome::Applied) => true,
        Some(Outcome::Unresolved { elements, .. }) => {
            stage.disk.durable(id, Phase::Decided).is_some() && !elements.iter().any(|open| open == element)
        }
        Some(Outcome::NotApplied { .. }) | None => false,
    }
}

/// The operations of a plan, as the element would carry them out without trouble.
fn forward(of: &ElementPlan) -> Vec<Operation> {
    let paths: Vec<&Path> = of.touched().collect();
    let operation = |path: &&Path| match of.after.at(path) {
        Some(node) => Operation::Merge((*path).clone(), node.clone()),
        None => Operation::Remove((*path).clone()),
    };
    paths.iter().map(operation).collect()
}

fn path_of(operation: &Operation) -> Path {
    match operation {
        Operation::Merge(path, _) | Operation::Remove(path) => path.clone(),
        Operation::Append(..) => Path::root(),
    }
}

fn unsaved(stage: &Stage, element: &Element, one: &Rightful) -> bool {
    let detail = |id: &String| -> Option<String> {
        let record: TransactionRecord = stage.record(id)?;
        record.elements.get(&element.name)?.detail.clone()
    };
    let said = one.transaction.as_ref().and_then(detail);
    said.is_some_and(|said| said.contains("not saved"))
}

pub fn plan_for(stage: &Stage, transaction: &str, element: &str) -> Option<ElementPlan> {
    stage.plan_of(transaction)?.elements.into_iter().find(|of| of.element == element)
}
