//! Many elements in one transaction, one of them slow: nobody's window runs out meanwhile.

use crate::Domain;
use crate::element::Call;
use crate::judge::Story;
use andante::domain::{Class, Outcome, Turn};
use andante::transaction::StopSignal;
use std::time::Duration;

const COUNT: usize = 50;
const SLOW: Duration = Duration::from_secs(20);

/// 50 elements of class A, one of which takes 20 s for everything, with a window that is shorter than its way: the others
/// are extended, all are applied, none went back meanwhile.
#[test]
fn the_windows_of_fifty_are_extended_while_one_is_slow() {
    let domain = Domain::new(50, &[Class::A; COUNT]);
    domain.element(17).be_slow(SLOW);
    let mut limits = crate::limits();
    limits.confirm_window = Duration::from_secs(30);
    limits.confirm_window_min = Duration::from_secs(30);
    for limit in [&mut limits.connect, &mut limits.lock, &mut limits.prepare, &mut limits.apply, &mut limits.verify] {
        *limit = Duration::from_secs(60);
    }
    limits.confirm = Duration::from_secs(60);
    let runner = domain.runner_with(limits);
    let record = domain.run(&runner, StopSignal::new()).unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied), "{:?}", record.elements["pe18"]);
    assert!(record.elements.values().all(|progress| progress.turn == Turn::Confirmed && progress.detail.is_none()));
    let extended = |at: usize| domain.element(at).calls().iter().filter(|call| **call == Call::Extend).count();
    let count = (0..COUNT).filter(|at| *at != 17).filter(|at| extended(*at) >= 2).count();
    println!("{count} of {} others were extended twice or more, pe1 {} times", COUNT - 1, extended(0));
    assert_eq!(count, COUNT - 1, "the slow one takes longer than two halves of the window");
    domain.rest();
    Story::default().judge(&domain).unwrap();
}

/// The window follows what the elements took: long while nothing is known, then short, and longer for a slow one.
#[test]
fn the_window_follows_the_last_commits() {
    let mut domain = Domain::new(51, &[Class::A, Class::A]);
    domain.element(1).be_slow(Duration::from_secs(4));
    let mut limits = crate::limits();
    (limits.confirm_window, limits.confirm_window_min) = (Duration::from_secs(300), Duration::from_secs(10));
    let runner = domain.runner_with(limits);
    assert_eq!(domain.run(&runner, StopSignal::new()).unwrap().outcome, Some(Outcome::Applied));
    assert_eq!(domain.element(0).windows(), [Duration::from_secs(300)], "nothing was known");
    domain.plan_again("300");
    let request = domain.request("t2");
    let run = runner.run(request, &domain.south, StopSignal::new());
    assert_eq!(domain.world.run(run).unwrap().outcome, Some(Outcome::Applied));
    // Twice (4 s of the slowest and 1 s to settle), and 20 s for all else.
    assert_eq!(domain.element(0).windows()[1], Duration::from_secs(30));
}
