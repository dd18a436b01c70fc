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
    let stage = told(include_str!("stories/a-cancel-that-takes-somebodys-edit-along.json"));
    assert!(!stage.record("t1").unwrap().elements["pe1"].foreign.is_empty(), "{:?}", stage.record("t1"));
}

/// An element that says the persist-id again in its error had it told to the caller.
#[test]
fn an_error_that_repeats_the_persist_id_is_not_told_on() {
    told(include_str!("stories/an-error-that-repeats-the-persist-id.json"));
}

// ── found by the first 50,000 seeds ──────────────────────────────────────────────────────────────────────────────────

/// The paths of an element that the record says others changed.
fn named(stage: &Stage, id: &str, element: &str) -> Vec<String> {
    stage.record(id).unwrap().elements[element].foreign.iter().map(|known| known.path.clone()).collect()
}

/// A cancel took back what a person had put over our own value, and only paths beside the plan were named.
#[test]
fn a_value_put_over_ours_goes_with_the_cancel_and_is_told() {
    let stage = told(include_str!("stories/a-value-put-over-ours-goes-with-the-cancel.json"));
    assert_eq!(named(&stage, "t1", "pe1"), ["/m:interface[name='ge3']/vlan"]);
    let stage = told(include_str!("stories/a-removal-of-ours-goes-with-the-cancel.json"));
    assert_eq!(named(&stage, "t1", "pe2"), ["/m:interface[name='ge3']/description"]);
}

/// A person's edit was seen by the read-back that failed because of it, and forgotten until the cancel.
#[test]
fn an_edit_seen_only_by_a_failed_read_back_is_told() {
    let stage = told(include_str!("stories/an-edit-seen-only-by-a-failed-read-back.json"));
    assert_eq!(named(&stage, "t2", "pe4"), ["/m:interface[name='ge1']/mtu"]);
}

/// After the cancel the reading failed; the next try had forgotten what it had seen before the cancel.
#[test]
fn a_cancel_whose_reading_fails_does_not_forget_what_it_took_along() {
    let stage = told(include_str!("stories/a-cancel-whose-reading-fails.json"));
    assert_eq!(named(&stage, "t1", "pe1"), ["/m:vrf[name='v4']"]);
}

/// The disk refused the end once; the caller was told it, the next transaction worked on the same path, and recovery took
/// its work for somebody else's: unresolved for ever.
#[test]
fn an_end_that_the_disk_refuses_once_is_written_before_it_is_told() {
    let stage = told(include_str!("stories/an-end-that-the-disk-refuses-once.json"));
    assert!(matches!(stage.outcome("t2"), Some(Outcome::NotApplied { .. })), "{:?}", stage.outcome("t2"));
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied));
    told(include_str!("stories/an-end-lost-beside-another-element.json"));
}

/// The disk refused the end for half a minute; what cannot be written is not told.
#[test]
fn an_end_that_the_disk_refuses_for_long_is_not_told() {
    let stage = told(include_str!("stories/an-end-that-the-disk-refuses-for-long.json"));
    let (_, heard) = stage.told.lock().unwrap()["t1"].clone();
    assert!(matches!(heard.outcome, Some(Outcome::Unresolved { .. })), "{:?}", heard.outcome);
}

/// A refused undo had taken effect in part, and each of its edits was sent again without a look.
#[test]
fn a_part_that_was_taken_is_not_sent_again() {
    told(include_str!("stories/a-refused-part-is-not-sent-again-blindly.json"));
}

/// Somebody removed the entry in which we had changed a word; the undo made a stump of it.
#[test]
fn an_entry_that_somebody_removed_around_ours_stays_removed() {
    let stage = told(include_str!("stories/an-entry-that-somebody-removed-around-ours.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::Unresolved { elements, .. }) if elements == ["pe2"]));
}

/// A line element had moved before anything was sent; the way back took a part of somebody's entry for ours.
#[test]
fn a_line_element_to_which_nothing_was_sent_is_left_alone() {
    told(include_str!("stories/a-stale-line-element-is-left-alone.json"));
}

/// A removal in the candidate at a place of our plan was taken for an edit of ours.
#[test]
fn somebodys_removal_in_the_candidate_is_not_ours() {
    told(include_str!("stories/somebodys-removal-in-the-candidate.json"));
}

/// What broke the judge: he did not know what no reading can tell, and judged an element that was let go as if nobody had
/// worked on it since.
#[test]
fn what_nobody_can_tell_is_not_judged() {
    told(include_str!("stories/somebody-says-what-we-had-said.json"));
    told(include_str!("stories/somebody-adds-below-our-entry.json"));
    told(include_str!("stories/an-edit-of-ours-that-comes-late.json"));
    told(include_str!("stories/a-restart-that-loses-what-was-not-saved.json"));
    told(include_str!("stories/unresolved-elsewhere-and-worked-on-since.json"));
}

// ── found by the first 100,000 seeds ─────────────────────────────────────────────────────────────────────────────────

/// On the way back the daemon read, waited for the lock, and then sent what it had worked out from the reading.
#[test]
fn a_value_that_comes_while_we_wait_for_the_lock_is_left_alone() {
    let stage = told(include_str!("stories/a-value-that-comes-while-we-wait-for-the-lock.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::Unresolved { elements, .. }) if elements == ["pe2"]));
}

/// After a refusal the edits were sent one by one, all worked out from the same reading.
#[test]
fn a_value_that_comes_between_two_single_edits_is_left_alone() {
    let stage = told(include_str!("stories/a-value-that-comes-between-two-single-edits.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::Unresolved { elements, .. }) if elements == ["pe3"]));
}

/// The judge held it against the daemon that a person did himself what our commit would have done, which never arrived: the
/// daemon had heard nothing of it.
#[test]
fn somebody_does_what_a_lost_commit_of_ours_would_have_done() {
    let stage = told(include_str!("stories/somebody-does-what-a-lost-commit-would-have-done.json"));
    assert!(matches!(stage.outcome("t1"), Some(Outcome::NotApplied { .. })));
}

/// Where no lock keeps people out, an edit between our reading and our send is overwritten unseen: no daemon can do better.
#[test]
fn an_edit_between_reading_and_sending_is_nobodys_fault_where_nothing_locks() {
    told(include_str!("stories/somebody-between-our-reading-and-our-send.json"));
    told(include_str!("stories/somebody-between-our-undos-reading-and-its-send.json"));
}
