//! Every step of a transaction × every fault, and stories that have a point of their own.

use crate::dice::{CLASSES, FAULTS, makes_sense};
use crate::play::{Planted, Stage, limits};
use crate::simulate;
use crate::story::{Call, Fault, Habit, Story, What, When, Wish};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, Turn};
use std::collections::BTreeMap;
use std::sync::Arc;

const CALLS: [Call; 12] = [
    Call::OpenReader,
    Call::OpenWriter,
    Call::Read,
    Call::Lock,
    Call::Prepare,
    Call::Apply,
    Call::Extend,
    Call::Confirm,
    Call::Cancel,
    Call::Discard,
    Call::Save,
    Call::Unlock,
];

fn told(story: &Story) -> Arc<Stage> {
    simulate(story, Planted::default())
        .unwrap_or_else(|broken| panic!("{}\n{broken}", serde_json::to_string(story).unwrap()))
}

#[test]
fn without_a_fault_it_is_applied_with_at_most_five_syncs() {
    let stage = told(&Story::of(1, &[Class::A, Class::D, Class::A, Class::B, Class::C]));
    let record = stage.record("t1").unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied));
    assert!(record.elements.values().all(|progress| progress.turn == Turn::Confirmed), "{record:?}");
    assert!(stage.disk.store.syncs() <= 5, "{} syncs", stage.disk.store.syncs());
    assert!(stage.elements.iter().all(|element| element.startup() == element.running()));
}

#[test]
fn every_step_with_every_fault_on_every_class() {
    let mut tried = 0;
    for class in CLASSES {
        for call in CALLS {
            for fault in FAULTS.into_iter().filter(|fault| makes_sense(call, *fault)) {
                for nth in 0..2 {
                    told(&Story::of(tried, &[Class::A, class, Class::D]).at_call(1, call, nth, fault));
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} stories");
}

/// What happens to the element as a whole, at every call of an undisturbed run, on every class.
#[test]
fn every_step_with_every_mishap_on_every_class() {
    let mishaps = [
        What::Reboot(1, 20),
        What::Away(1, 40),
        What::HalfOpen(1),
        What::Reset(1),
        What::Partition(vec![1, 2], 20),
        What::Human(1, Wish::Vlan(1, 666)),
        What::Human(1, Wish::Mtu(3, 9_000)),
        What::SomebodyConfirms(1),
        What::EarlyRevert(1),
    ];
    let mut tried = 0;
    for class in CLASSES {
        for call in CALLS {
            for mishap in &mishaps {
                told(&Story::of(tried, &[Class::A, class, Class::D]).with(When::Call(1, call, 0), mishap.clone()));
                tried += 1;
            }
        }
    }
    println!("{tried} stories");
}

#[test]
fn dying_in_recovery_too_is_harmless() {
    for first in (0..60).step_by(2) {
        for second in [1, 4, 7, 10, 13] {
            let story = Story::of(first as u64, &[Class::A, Class::B, Class::D]);
            let story = story.with(When::Step(first), What::Kill(500));
            told(&story.with(When::Step(first + second), What::Kill(500)));
        }
    }
}

#[test]
fn an_element_that_says_ok_and_changes_nothing_ends_as_not_applied_verify() {
    for class in CLASSES {
        let stage = told(&Story::of(20, &[class, Class::A]).at_call(0, Call::Apply, 0, Fault::Silent));
        let Some(Outcome::NotApplied { cause }) = stage.outcome("t1") else { panic!("{:?}", stage.record("t1")) };
        assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Verify, Some("pe1")));
        assert!(cause.message.contains("nothing changed"), "{cause}");
    }
}

#[test]
fn a_read_set_that_moved_is_stale_and_names_the_path() {
    let human = What::Human(1, Wish::Vlan(1, 666));
    let stage = told(&Story::of(21, &[Class::A, Class::D]).with(When::Call(1, Call::OpenWriter, 0), human));
    let Some(Outcome::NotApplied { cause }) = stage.outcome("t1") else { panic!("{:?}", stage.record("t1")) };
    assert_eq!(cause.kind, CauseKind::Stale);
    assert_eq!(cause.path.as_deref(), Some("/m:interface[name='ge1']/vlan"));
    assert!(stage.elements.iter().all(|element| !element.calls().contains(&Call::Apply)));
}

#[test]
fn somebody_elses_value_is_left_alone_and_holds_the_path() {
    // pe2 refuses after pe1 was changed, and a person changes pe1 before it is undone; then somebody wants the same path.
    let story = Story::of(22, &[Class::D, Class::D])
        .at_call(1, Call::Apply, 0, Fault::Refuse)
        .with(When::Call(1, Call::Apply, 0), What::Human(0, Wish::Vlan(1, 666)))
        .then(20_000, &[Wish::Vlan(1, 300)]);
    let stage = told(&story);
    let record = stage.record("t1").unwrap();
    let Some(Outcome::Unresolved { elements, .. }) = &record.outcome else { panic!("{record:?}") };
    assert_eq!(elements, &["pe1".to_owned()]);
    assert_eq!(record.elements["pe1"].turn, Turn::Conflict);
    let vlan = stage.element(0).running().at(&crate::plans::vlan_path("ge1")).unwrap().value().unwrap().to_string();
    assert_eq!(vlan, "666", "the person's value stays");
    // Everything else of ours is gone.
    assert!(!format!("{:?}", stage.element(0).running()).contains("v7"));
    let Some(Outcome::NotApplied { cause }) = stage.outcome("t2") else { panic!("{:?}", stage.record("t2")) };
    assert_eq!(cause.kind, CauseKind::Held, "{cause}");
    assert!(cause.message.contains("t1"), "{cause}");
}

#[test]
fn a_stop_before_applied_turns_back_and_after_it_finishes() {
    for after in (0..500).step_by(7) {
        let mut story = Story::of(after, &[Class::A, Class::D]);
        story.orders[0].stop = Some((after, false));
        let stage = told(&story);
        let points = stage.director.points();
        let applied = points.iter().any(|point| point == "after-intent-applied");
        match stage.outcome("t1") {
            Some(Outcome::Applied) => assert!(applied, "stopped after {after} ms"),
            Some(Outcome::NotApplied { cause }) => {
                assert_eq!(cause.kind, CauseKind::Interrupted);
                assert!(!points.iter().any(|point| point.starts_with("before-apply")), "stopped after {after} ms");
            }
            other => panic!("stopped after {after} ms: {other:?}"),
        }
    }
}

/// A cancel at any moment: everything goes back exactly as long as the decision is not durable, whatever the phase.
#[test]
fn a_cancel_before_the_decision_turns_back_and_after_it_comes_too_late() {
    let mut hit: BTreeMap<String, u32> = BTreeMap::new();
    for classes in [&[Class::A, Class::D][..], &[Class::A, Class::B, Class::C, Class::D]] {
        for after in (0..900).step_by(7) {
            let mut story = Story::of(after, classes);
            story.orders[0].stop = Some((after, true));
            let stage = told(&story);
            let points = stage.director.points();
            let decided = points.iter().any(|point| point == "after-intent-decided");
            let last = points.iter().filter_map(|point| point.strip_prefix("after-intent-")).next_back();
            match stage.outcome("t1") {
                Some(Outcome::Applied) => assert!(decided, "cancelled after {after} ms: {points:?}"),
                Some(Outcome::NotApplied { cause }) => {
                    assert_eq!(cause.kind, CauseKind::Cancelled, "cancelled after {after} ms: {cause}");
                    assert!(!decided, "cancelled after {after} ms, and it was decided: {points:?}");
                    *hit.entry(last.unwrap_or("planned").to_owned()).or_default() += 1;
                }
                // Nothing was ever written of it.
                None => assert!(last.is_none(), "cancelled after {after} ms: {points:?}"),
                other => panic!("cancelled after {after} ms: {other:?}"),
            }
            if decided {
                *hit.entry("decided".into()).or_default() += 1;
            }
        }
    }
    println!("cancelled in: {hit:?}");
    for phase in ["locked", "prepared", "applied", "verified", "decided"] {
        assert!(hit.contains_key(phase), "no cancel fell into {phase}: {hit:?}");
    }
}

#[test]
fn timers_of_confirmed_commits_are_started_anew_while_slow_elements_work() {
    let mut story = Story::of(23, &[Class::A, Class::D, Class::D, Class::D]);
    for at in 1..4 {
        // Slower together than the window of the confirmed commit.
        story = story.habit(at, Habit::Slow(4_000));
    }
    let mut limits = limits();
    limits.confirm_window = std::time::Duration::from_secs(20);
    let stage = simulate(&story, Planted { limits: Some(limits), ..Planted::default() }).unwrap();
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied), "{:?}", stage.record("t1"));
    assert!(stage.element(0).calls().contains(&Call::Extend));
}

/// Elements that do not take back what they are told to: they are read after the cancel, and brought back by a commit of
/// its own. The last one refuses, when the timers of the first were started anew (which clobbers what it would go back to).
#[test]
fn an_element_that_cancels_badly_is_brought_back_by_a_commit_of_its_own() {
    for habit in [Habit::IgnoresCancel, Habit::CancelForgets, Habit::ClobbersBackup] {
        let mut story = Story::of(27, &[Class::A, Class::D, Class::D, Class::D]).habit(0, habit);
        for at in 1..4 {
            story = story.habit(at, Habit::Slow(4_000));
        }
        let story = story.at_call(3, Call::Apply, 0, Fault::Refuse);
        let mut limits = limits();
        limits.confirm_window = std::time::Duration::from_secs(20);
        let stage = simulate(&story, Planted { limits: Some(limits), ..Planted::default() }).unwrap();
        let Some(Outcome::NotApplied { cause }) = stage.outcome("t1") else {
            panic!("{habit:?}: {:?}", stage.record("t1"))
        };
        assert_eq!(cause.kind, CauseKind::Refused, "{habit:?}: {cause}");
        let calls = stage.element(0).calls();
        let cancelled = calls.iter().position(|call| *call == Call::Cancel).unwrap();
        assert!(calls[..cancelled].contains(&Call::Extend), "{habit:?}: {calls:?}");
        assert!(calls[cancelled..].contains(&Call::Apply), "{habit:?}: nothing stood after the cancel: {calls:?}");
        assert_eq!(stage.record("t1").unwrap().elements["pe1"].turn, Turn::Restored, "{habit:?}");
    }
}

/// A timer that runs for a third of what was asked for goes off before the decision (everything goes back) or behind it
/// (it is made again); without the habit the same story is applied at once.
#[test]
fn a_timer_that_is_shorter_than_asked_for_is_noticed() {
    let mut limits = limits();
    limits.confirm_window = std::time::Duration::from_secs(20);
    for (habits, slow, applied) in [(0, 4_000, true), (1, 4_000, false), (1, 100, true)] {
        let mut story = Story::of(28, &[Class::A, Class::D, Class::D]).habit(1, Habit::Slow(slow));
        if habits > 0 {
            story = story.habit(0, Habit::ShortTimer);
        }
        let stage = simulate(&story, Planted { limits: Some(limits.clone()), ..Planted::default() }).unwrap();
        let outcome = stage.outcome("t1");
        assert_eq!(outcome == Some(Outcome::Applied), applied, "{habits} {slow}: {:?}", stage.record("t1"));
    }
}

/// A candidate that stays when its session ends: the next transaction finds our own edit there, and empties it.
#[test]
fn a_candidate_that_outlives_its_session_is_emptied_if_it_is_ours() {
    for class in [Class::A, Class::B] {
        let story = Story::of(29, &[class, Class::D])
            .habit(0, Habit::KeepsStaleCandidate)
            .at_call(0, Call::Prepare, 0, Fault::CutAfter)
            .then(60_000, &[Wish::Vlan(1, 300)]);
        let stage = told(&story);
        assert!(matches!(stage.outcome("t1"), Some(Outcome::NotApplied { .. })), "{:?}", stage.record("t1"));
        assert_eq!(stage.outcome("t2"), Some(Outcome::Applied), "{class}: {:?}", stage.record("t2"));
        assert!(stage.element(0).calls().contains(&Call::Discard), "{class}");
    }
}

#[test]
fn a_second_daemon_at_any_moment_leaves_one_truth() {
    for step in 0..70 {
        told(&Story::of(24, &[Class::A, Class::B, Class::C, Class::D]).with(When::Step(step), What::Takeover));
    }
}

#[test]
fn transactions_on_one_element_wait_for_each_other() {
    let stage = told(&Story::of(25, &[Class::A]).then(0, &[Wish::Vlan(1, 300)]));
    let outcomes = [stage.outcome("t1"), stage.outcome("t2")];
    assert!(outcomes.contains(&Some(Outcome::Applied)));
    // The other finds what the first left: its plan is stale, and it never heard "locked".
    let stale = outcomes.into_iter().flatten().find_map(|outcome| match outcome {
        Outcome::NotApplied { cause } => Some(cause.kind),
        _ => None,
    });
    assert_eq!(stale, Some(CauseKind::Stale));
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    for jump in [-3_600, 3_600] {
        for call in [Call::Lock, Call::Apply, Call::Read, Call::Confirm] {
            let stage = told(&Story::of(26, &[Class::A, Class::D]).with(When::Call(0, call, 0), What::Jump(jump)));
            assert_eq!(stage.outcome("t1"), Some(Outcome::Applied));
        }
    }
}
