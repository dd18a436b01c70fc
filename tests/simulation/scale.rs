//! Many elements in one transaction, one of them slow: nobody's window runs out meanwhile.

use crate::play::{Planted, limits};
use crate::simulate;
use crate::story::{Call, Habit, Story};
use andante::domain::{Class, Outcome, Turn};
use andante::transaction::TransactionLimits;
use std::time::Duration;

const COUNT: usize = 50;
const SLOW: usize = 17;

/// 50 elements of class A, one of which takes 20 s for every answer, with a window of 60 s: the others are extended, all
/// are applied, none went back meanwhile.
#[test]
fn the_windows_of_fifty_are_extended_while_one_is_slow() {
    let minute = Duration::from_secs(60);
    let limits = TransactionLimits {
        connect: minute,
        lock: minute,
        prepare: minute,
        apply: minute,
        verify: minute,
        confirm: minute,
        confirm_window: minute,
        confirm_window_min: minute,
        ..limits()
    };
    let story = Story::of(50, &[Class::A; COUNT]).habit(SLOW, Habit::Slow(20_000));
    let stage = simulate(&story, Planted { limits: Some(limits), ..Planted::default() })
        .unwrap_or_else(|broken| panic!("{broken}"));
    let record = stage.record("t1").unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied), "{:?}", record.elements["pe18"]);
    assert!(record.elements.values().all(|progress| progress.turn == Turn::Confirmed));
    let extended: Vec<usize> = stage
        .elements
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != SLOW)
        .map(|(_, element)| element.calls().iter().filter(|call| **call == Call::Extend).count())
        .collect();
    println!(
        "{} others, extended {:?} times at least and at most",
        extended.len(),
        (extended.iter().min(), extended.iter().max())
    );
    assert!(
        extended.iter().all(|times| *times >= 1),
        "the slow one takes longer than half of the window: {extended:?}"
    );
    // Nobody had to be brought forward again: each was confirmed once.
    let confirms = |at: usize| stage.elements[at].calls().iter().filter(|call| **call == Call::Confirm).count();
    assert!((0..COUNT).all(|at| confirms(at) == 1));
}
