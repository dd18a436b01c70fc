//! Stories that once broke a law, written down whole: they stay the same when the dice change.

use crate::play::{Planted, Stage};
use crate::simulate;
use crate::story::Story;
use andante::domain::Outcome;
use std::sync::Arc;

fn told(text: &str) -> Arc<Stage> {
    let story: Story = serde_json::from_str(text).unwrap();
    simulate(&story, Planted::default()).unwrap_or_else(|broken| panic!("\n{broken}"))
}

/// Recovery's confirm was refused because the lock was still held by our session of before the loss of power; the reading
/// showed the new state, so the transaction was closed as applied, and then the timer took it back.
#[test]
fn a_confirm_while_a_dead_session_holds_the_lock() {
    let stage = told(include_str!("stories/confirm-while-a-dead-session-holds-the-lock.json"));
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied));
}

/// An unresolved transaction was tried again on elements that it had restored and let go, and met there the work of the
/// transaction after it.
#[test]
fn what_was_restored_is_let_go() {
    let stage = told(include_str!("stories/what-was-restored-is-let-go.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::NotApplied { .. })));
    assert_eq!(stage.outcome("t2"), Some(Outcome::Applied));
}

/// The same after the decision: what was confirmed is not looked at again.
#[test]
fn what_was_confirmed_is_let_go() {
    let stage = told(include_str!("stories/what-was-confirmed-is-let-go.json"));
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied));
    assert_eq!(stage.outcome("t2"), Some(Outcome::Applied));
}

/// A value that came between two sends of an undo was overwritten: only the first reading was asked whose it is.
#[test]
fn a_value_that_comes_while_we_undo_is_left_alone() {
    let stage = told(include_str!("stories/a-value-that-comes-while-we-undo.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::Unresolved { elements, .. }) if elements == ["pe2"]));
}

/// Our cancel goes back to the backup, whatever a person did since; the record names it.
#[test]
fn a_cancel_that_takes_somebodys_edit_along_says_so() {
    told(include_str!("stories/a-cancel-that-takes-somebodys-edit-along.json"));
}
