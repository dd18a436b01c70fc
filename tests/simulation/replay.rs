//! What an element ought to show, worked out from its diary: the start, people's edits in their order, and the changes of
//! the transactions that ended as applied, each at the moment at which it first reached the element. Nothing else.

use crate::element::{By, Did, Element, Entry};
use crate::plans::{Operation, found};
use crate::play::Stage;
use crate::unclear::{Undone, unclear};
use andante::domain::{Outcome, Phase, TransactionRecord};
use andante::plan::ElementPlan;
use andante::tree::{ConfigTree, Path, diff};

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
}

pub fn replay(stage: &Stage, element: &Element) -> Replayed {
    replay_with(stage, element, &[])
}

/// Every state of the element that is true: the one that is expected, and those with one or more of the undos that may have
/// taken work of others along without anybody's fault.
///
/// # Errors
/// So much is unclear that the judgement would be worth nothing.
pub fn true_states(stage: &Stage, element: &Element) -> Result<Vec<ConfigTree>, String> {
    let undone = unclear(stage, element);
    if undone.len() > MAX_UNCLEAR {
        return Err(format!("{} places of {} are unclear", undone.len(), element.name));
    }
    let with = |chosen: u32| {
        let some: Vec<&Undone> =
            undone.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0).map(|(_, one)| one).collect();
        replay_with(stage, element, &some).expected
    };
    Ok((0..1u32 << undone.len()).map(with).collect())
}

fn replay_with(stage: &Stage, element: &Element, undone: &[&Undone]) -> Replayed {
    let mut rightful: Vec<Rightful> = Vec::new();
    let mut taken_along = Vec::new();
    let mut foreign = Vec::new();
    let mut looked = 0;
    let mut now = found();
    for Entry { seq, by, did } in element.diary() {
        match (by, did) {
            (By::Ours(owner), Did::Changed { after, .. }) => {
                now = after;
                let known = rightful.iter().any(|one| one.transaction.as_deref() == Some(&owner));
                let of = plan_for(stage, &owner, &element.name);
                if let Some(of) = of.filter(|_| !known && stands(stage, &owner, &element.name)) {
                    let operations = forward(&of);
                    rightful.push(Rightful { seq, transaction: Some(owner), human: false, operations });
                }
            }
            (by, Did::Changed { before, after, operations }) => {
                foreign.extend(diff(&before, &after).edits.iter().map(|edit| (seq, edit.path().clone())));
                rightful.push(Rightful { seq, transaction: None, human: by == By::Human, operations });
                now = after;
            }
            (by, Did::Reverted { back_to, tree }) => {
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
                        .map(path_of)
                        // What somebody put there and took away again does not go with anything.
                        .filter(|path| now.at(path) != tree.at(path));
                    taken_along.extend(paths.map(|path| (owner.clone(), path)));
                }
                now = tree;
                foreign.retain(|(at, _)| *at <= back_to);
                // A restart before it was saved, of which the operator was told.
                rightful.retain(|one| !(one.seq > back_to && unsaved(stage, element, one)));
            }
            // An answer that was cut short shows nothing.
            (By::Ours(_), Did::Read { tree }) if tree != ConfigTree::default() => looked = seq,
            _ => {}
        }
        let here = undone.iter().filter(|one| one.seq == seq).map(|one| one.operation.clone());
        let operations: Vec<Operation> = here.collect();
        if !operations.is_empty() {
            rightful.push(Rightful { seq, transaction: None, human: false, operations });
        }
    }
    let operations = rightful.iter().flat_map(|one| &one.operations);
    let expected = operations.fold(found(), |tree, operation| operation.apply(&tree));
    Replayed { expected, taken_along, foreign }
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

pub fn path_of(operation: &Operation) -> Path {
    match operation {
        Operation::Merge(path, _) | Operation::Remove(path) => path.clone(),
        Operation::Append(..) | Operation::Native(_) => Path::root(),
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

/// Unclear places of an element that are judged one against the other.
const MAX_UNCLEAR: usize = 8;
