//! The windows of confirmed commits: they are counted from the moment at which an element was asked, and they are started
//! anew whatever keeps the others, or the element itself, busy. And open transactions wait for nobody but their elements.

use crate::element::Did;
use crate::play::{Planted, Stage, limits};
use crate::simulate;
use crate::story::{Call, Fault, Order, Story, What, When, Wish};
use andante::domain::{Class, Outcome};
use andante::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// With a window of 20 s and patience for everything else.
fn told(story: &Story) -> Arc<Stage> {
    let mut limits = limits();
    (limits.confirm_window, limits.apply) = (Duration::from_secs(20), Duration::from_secs(40));
    (limits.verify, limits.settle) = (Duration::from_secs(40), Duration::from_secs(30));
    let stage = simulate(story, Planted { limits: Some(limits), ..Planted::default() });
    stage.unwrap_or_else(|broken| panic!("{}\n{broken}", serde_json::to_string(story).unwrap()))
}

fn has_reverted(stage: &Stage, element: usize) -> bool {
    stage.element(element).diary().iter().any(|entry| matches!(entry.did, Did::Reverted { .. }))
}

/// Its answer comes when more than half of its window is over: counted from there it would be started anew too late.
#[test]
fn a_window_is_counted_from_the_commit_and_not_from_its_answer() {
    let story = Story::of(31, &[Class::A, Class::D]).at_call(0, Call::Apply, 0, Fault::LateReply(11)).at_call(
        1,
        Call::Apply,
        0,
        Fault::LateReply(12),
    );
    let stage = told(&story);
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied), "{:?}", stage.record("t1"));
    assert!(!has_reverted(&stage, 0), "it went back while the other one worked");
}

/// Each reading is short, but there are many: the window does not begin anew with each.
#[test]
fn a_window_does_not_run_out_while_an_element_is_read_again_and_again() {
    let mut story = Story::of(32, &[Class::A, Class::D]).at_call(1, Call::Apply, 0, Fault::LateReply(9));
    for nth in 1..60 {
        story = story.at_call(0, Call::Read, nth, Fault::PartialRead);
    }
    let stage = told(&story);
    assert_eq!(stage.outcome("t1"), Some(Outcome::Applied), "{:?}", stage.record("t1"));
    assert!(!has_reverted(&stage, 0), "it went back while it was read");
}

/// Four elements stay away for minutes; the transaction of the fifth ends when that one is back.
#[test]
fn an_element_that_stays_away_keeps_no_other_transaction_waiting() {
    let mut story = Story::of(33, &[Class::D; 5]);
    let order = |element: usize| Order { at: 0, wants: vec![(element, vec![Wish::Vlan(1, 200)])], stop: None };
    story.orders = (0..5).map(order).collect();
    let died = || When::Point("before-intent-decided".into(), 0);
    let story = story
        .with(died(), What::Partition(vec![0, 1, 2, 3], 400))
        .with(died(), What::Partition(vec![4], 20))
        .with(died(), What::Kill(500));
    let stage = simulate(&story, Planted::default()).unwrap_or_else(|broken| panic!("{broken}"));
    let took = |id: &str| {
        let record = stage.record(id).unwrap();
        let Some(Outcome::NotApplied { .. }) = &record.outcome else { panic!("{record:?}") };
        record.finished.unwrap().duration_since(record.started).as_secs()
    };
    assert!((1..5).all(|n| took(&format!("t{n}")) >= 300), "they were not away");
    assert!(took("t5") <= 30, "it was back after 20 s, and waited {} s", took("t5"));
    // That it is unresolved is said once, not with each try: by the daemon that found it so, and at its end.
    let audit = stage.world.run(stage.disk.store.audit(1_000)).unwrap().unwrap();
    let said = audit.iter().filter(|line| line.transaction.as_deref() == Some("t1")).count();
    assert_eq!(said, 2, "{audit:#?}");
}
