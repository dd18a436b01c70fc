//! What an element ought to show, worked out from its diary: the start, people's edits in their order, and the changes of
//! the transactions that ended as applied, each at the moment at which it first reached the element. Nothing else.

use crate::element::{By, Did, Element, Entry};
use crate::play::Stage;
use crate::plans::{Operation, found};
use andante::domain::{Outcome, TransactionRecord};
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
    let mut rightful: Vec<Rightful> = Vec::new();
    let mut taken_along = Vec::new();
    let mut foreign = Vec::new();
    for Entry { seq, by, did } in element.diary() {
        match (by, did) {
            (By::Ours(owner), Did::Changed { .. }) => {
                let known = rightful.iter().any(|one| one.transaction.as_deref() == Some(&owner));
                let Some(of) = plan_for(stage, &owner, &element.name) else { continue };
                if !known && stage.outcome(&owner) == Some(Outcome::Applied) {
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
                let (lost, kept) =
                    rightful.into_iter().partition(|one| one.transaction.is_none() && one.seq > back_to);
                rightful = kept;
                let lost: Vec<Rightful> = lost;
                if let By::Ours(owner) = by {
                    let paths = lost.iter().filter(|one| one.human).flat_map(|one| &one.operations).map(path_of);
                    taken_along.extend(paths.map(|path| (owner.clone(), path)));
                }
                foreign.retain(|(at, _)| *at <= back_to);
                // A restart before it was saved, of which the operator was told.
                rightful.retain(|one| !(one.seq > back_to && unsaved(stage, element, one)));
            }
            _ => {}
        }
    }
    let operations = rightful.iter().flat_map(|one| &one.operations);
    let expected = operations.fold(found(), |tree, operation| operation.apply(&tree));
    Replayed { expected, taken_along, foreign }
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
