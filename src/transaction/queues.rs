//! Who may work on which element: one queue per element, first come first served, shared by all transactions of the
//! process; and the paths that an unresolved transaction still holds.
//!
//! Guarantees: queues are taken in the order of names, so two transactions cannot wait for each other. A transaction that
//! waits is never told "busy".

use super::crew::StaleCandidate;
use super::recovery::Unsaved;
use crate::domain::JournalRecord;
use crate::plan::{ElementPlan, Plan};
use crate::tree::{ConfigTree, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// The queues of all elements. Cheap to clone; clones share.
#[derive(Clone, Debug, Default)]
pub struct Queues {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    turns: BTreeMap<String, Arc<tokio::sync::Mutex<()>>>,
    running: BTreeSet<String>,
    held: BTreeMap<String, Vec<(String, Path)>>,
    sessions: BTreeMap<String, BTreeSet<u32>>,
    stale: BTreeMap<String, StaleCandidate>,
    inside: BTreeMap<String, BTreeMap<String, ConfigTree>>,
    left: BTreeMap<String, Left>,
    unsaved: BTreeMap<String, BTreeMap<String, Option<ElementPlan>>>,
}

/// What a process knows of a transaction that it could not end, while the disk refuses to hear of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    /// What elements answered and the journal does not say.
    pub unsaid: Vec<JournalRecord>,
    /// Elements in whose candidate nothing of it stands: what stands there now is somebody else's.
    pub clean: BTreeSet<String>,
    /// Elements to which a cancel of our commit was sent: what goes with it may be gone by now.
    pub cancelled: BTreeSet<String>,
}

/// The turn on some elements; it ends when this is dropped.
#[derive(Debug)]
pub struct Turns {
    _guards: Vec<OwnedMutexGuard<()>>,
}

impl Queues {
    /// Waits for the turn on all these elements.
    pub async fn turns(&self, elements: impl IntoIterator<Item = &str>) -> Turns {
        let sorted: BTreeSet<&str> = elements.into_iter().collect();
        let mut guards = Vec::with_capacity(sorted.len());
        for element in sorted {
            let turn = self.inner().turns.entry(element.to_owned()).or_default().clone();
            guards.push(turn.lock_owned().await);
        }
        Turns { _guards: guards }
    }

    /// The unresolved transaction that holds a path which this plan touches or relies on, with element and path.
    pub fn holder(&self, plan: &Plan) -> Option<(String, String, Path)> {
        self.holder_where(plan, |_| true)
    }

    /// The same, but for elements that somebody works on now: recovery may be about to end it, and then nothing is in the way.
    pub fn holder_at_rest(&self, plan: &Plan) -> Option<(String, String, Path)> {
        let turns = self.inner().turns.clone();
        let at_rest = |element: &str| turns.get(element).is_none_or(|turn| turn.try_lock().is_ok());
        self.holder_where(plan, at_rest)
    }

    fn holder_where(&self, plan: &Plan, fits: impl Fn(&str) -> bool) -> Option<(String, String, Path)> {
        let inner = self.inner();
        inner.held.iter().find_map(|(transaction, held)| {
            held.iter().find_map(|(element, path)| {
                let of = plan.elements.iter().find(|of| &of.element == element)?;
                (of.depends_on(path) && fits(element)).then(|| (transaction.clone(), element.clone(), path.clone()))
            })
        })
    }

    /// The unresolved transaction that holds what stands at this path, at or below it.
    pub fn holder_of(&self, element: &str, path: &Path) -> Option<String> {
        let inner = self.inner();
        let holds = |held: &[(String, Path)]| held.iter().any(|(of, at)| of == element && at.touches(path));
        inner.held.iter().find(|(_, held)| holds(held)).map(|(transaction, _)| transaction.clone())
    }

    /// What unresolved transactions hold now: transaction, element and path.
    pub fn held(&self) -> Vec<(String, String, Path)> {
        let inner = self.inner();
        let of = |(transaction, held): (&String, &Vec<(String, Path)>)| {
            let paths = held.iter().map(|(element, path)| (transaction.clone(), element.clone(), path.clone()));
            paths.collect::<Vec<_>>()
        };
        inner.held.iter().flat_map(of).collect()
    }

    /// Lets an unresolved transaction hold what its plan touches on these elements.
    pub(super) fn hold(&self, transaction: &str, plan: &Plan, elements: &[String]) {
        let of = plan.elements.iter().filter(|of| elements.contains(&of.element));
        let held = of.flat_map(|of| of.touched().map(|path| (of.element.clone(), path.clone()))).collect();
        self.inner().held.insert(transaction.to_owned(), held);
    }

    /// Sessions of ours that were not ended in good order and may still live at an element.
    pub(super) fn sessions(&self, element: &str) -> BTreeSet<u32> {
        self.inner().sessions.get(element).cloned().unwrap_or_default()
    }

    /// Keeps them for the next transaction on the element.
    pub(super) fn keep_sessions(&self, element: &str, sessions: BTreeSet<u32>) {
        let mut inner = self.inner();
        if sessions.is_empty() {
            inner.sessions.remove(element);
        } else {
            inner.sessions.insert(element.to_owned(), sessions);
        }
    }

    /// What an earlier transaction may have left in the candidate of an element.
    pub(super) fn stale(&self, element: &str) -> Option<StaleCandidate> {
        self.inner().stale.get(element).cloned()
    }

    /// Elements in whose candidate such a thing may stand.
    pub(super) fn with_stale(&self) -> Vec<String> {
        self.inner().stale.keys().cloned().collect()
    }

    /// Keeps it until the candidate was emptied.
    pub(super) fn keep_stale(&self, element: &str, stale: StaleCandidate) {
        self.inner().stale.insert(element.to_owned(), stale);
    }

    /// The candidate was emptied.
    pub(super) fn drop_stale(&self, element: &str) {
        self.inner().stale.remove(element);
    }

    /// The transactions after which an element would not save its running: a restart loses what they made of it.
    pub(super) fn unsaved(&self, element: &str) -> BTreeMap<String, Option<ElementPlan>> {
        self.inner().unsaved.get(element).cloned().unwrap_or_default()
    }

    /// All such elements.
    pub(super) fn with_unsaved(&self) -> Vec<String> {
        self.inner().unsaved.keys().cloned().collect()
    }

    /// Keeps it until it is saved.
    pub(super) fn keep_unsaved(&self, element: &str, unsaved: Unsaved) {
        self.inner().unsaved.entry(element.to_owned()).or_default().insert(unsaved.transaction, unsaved.plan);
    }

    /// It is saved.
    pub(super) fn drop_unsaved(&self, element: &str) {
        self.inner().unsaved.remove(element);
    }

    /// Whether an unresolved transaction holds anything of this element.
    pub fn is_held(&self, element: &str) -> bool {
        self.inner().held.values().flatten().any(|(of, _)| of == element)
    }

    /// What was read at an element while a confirmed commit of an unresolved transaction stood: what others had put there
    /// can still be named when the element is read again.
    pub(super) fn keep_inside(&self, transaction: &str, element: &str, tree: ConfigTree) {
        self.inner().inside.entry(transaction.to_owned()).or_default().insert(element.to_owned(), tree);
    }

    /// Takes what was kept of all elements of a transaction.
    pub(super) fn take_inside(&self, transaction: &str) -> BTreeMap<String, ConfigTree> {
        self.inner().inside.remove(transaction).unwrap_or_default()
    }

    /// It is resolved.
    pub(super) fn release(&self, transaction: &str) {
        let mut inner = self.inner();
        inner.held.remove(transaction);
        inner.inside.remove(transaction);
        inner.left.remove(transaction);
    }

    /// Keeps what this process knows of an unresolved transaction and the journal may not.
    pub(super) fn keep_left(&self, transaction: &str, left: Left) {
        self.inner().left.insert(transaction.to_owned(), left);
    }

    /// What was kept; nothing when another process worked on it.
    pub(super) fn left(&self, transaction: &str) -> Left {
        self.inner().left.get(transaction).cloned().unwrap_or_default()
    }

    /// Says that this process works on a transaction; false when it does already. Ends with the mark.
    pub(super) fn mark(&self, transaction: &str) -> Option<Mark> {
        let fresh = self.inner().running.insert(transaction.to_owned());
        fresh.then(|| Mark { queues: self.clone(), transaction: transaction.to_owned() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No change of `Inner` can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody in this process works on a transaction.
pub(super) struct Mark {
    queues: Queues,
    transaction: String,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.queues.inner().running.remove(&self.transaction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Class;
    use crate::plan::ReadEntry;
    use crate::transaction::side::tests::plan_of;

    /// Where a plan edits nothing, but takes for granted what an unresolved transaction has put there, it would lose that
    /// with the way back.
    #[test]
    fn what_a_plan_takes_for_granted_is_held_as_well_as_what_it_touches() {
        let queues = Queues::default();
        let unresolved = plan_of(&[("pe1", Class::D)]);
        queues.hold("t1", &unresolved, &["pe1".to_owned()]);
        let path = unresolved.elements[0].touched().next().cloned().unwrap();
        assert_eq!(queues.held(), [("t1".to_owned(), "pe1".to_owned(), path.clone())]);
        let mut later = plan_of(&[("pe1", Class::D)]);
        assert_eq!(queues.holder(&later).map(|(transaction, ..)| transaction).as_deref(), Some("t1"));
        later.elements[0].diff.edits.clear();
        assert_eq!(queues.holder(&later), None);
        for digest in [None, Some("exists".to_owned()), Some("1".to_owned())] {
            later.elements[0].read_set = vec![ReadEntry { path: path.clone(), digest }];
            assert_eq!(queues.holder(&later).map(|(transaction, ..)| transaction).as_deref(), Some("t1"));
        }
        // What stands above it, by its existence alone, is there with it and without.
        let above = path.parent().unwrap();
        later.elements[0].read_set = vec![ReadEntry { path: above, digest: Some("exists".into()) }];
        assert_eq!(queues.holder(&later), None);
        queues.release("t1");
        assert_eq!(queues.held(), []);
    }
}
