//! Every step of a transaction × every fault, and every point at which the daemon can die.

use crate::element::{Call, Fault};
use crate::judge::Story;
use crate::{Domain, simulate};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, Turn};
use andante::transaction::StopSignal;
use std::time::Duration;

pub const CALLS: [Call; 12] = [
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

pub const FAULTS: [Fault; 17] = [
    Fault::Refuse,
    Fault::LoseReply,
    Fault::Hang,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::Late,
    Fault::Silent,
    Fault::Rewrite,
    Fault::RefuseLine(0),
    Fault::RefuseLine(2),
    Fault::Reboot(20),
    Fault::Away(40),
    Fault::HumanOnPath,
    Fault::HumanElsewhere,
    Fault::SomebodyConfirms,
    Fault::EarlyRevert,
    Fault::PartialRead,
];

/// Whether a fault can strike at a call.
pub fn makes_sense(call: Call, fault: Fault) -> bool {
    match fault {
        Fault::Silent => matches!(call, Call::Apply | Call::Cancel),
        Fault::Rewrite | Fault::RefuseLine(_) | Fault::Late => call == Call::Apply,
        Fault::PartialRead => call == Call::Read,
        Fault::SomebodyConfirms | Fault::EarlyRevert => matches!(call, Call::Read | Call::OpenReader | Call::Cancel),
        _ => true,
    }
}

const CLASSES: [Class; 4] = [Class::A, Class::B, Class::C, Class::D];

#[test]
fn without_a_fault_it_is_applied_with_at_most_five_syncs() {
    let domain = Domain::new(1, &[Class::A, Class::D, Class::A, Class::B, Class::C]);
    let runner = domain.runner();
    let record = domain.run(&runner, StopSignal::new()).unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied));
    assert!(record.elements.values().all(|progress| progress.turn == Turn::Confirmed), "{record:?}");
    assert!(domain.store.syncs() <= 5, "{} syncs", domain.store.syncs());
    domain.rest();
    Story::default().judge(&domain).unwrap();
    assert!(domain.elements.values().all(|element| element.startup() == element.running()));
}

#[test]
fn every_step_with_every_fault_on_every_class() {
    let mut tried = 0;
    for class in CLASSES {
        for call in CALLS {
            for fault in FAULTS {
                if !makes_sense(call, fault) {
                    continue;
                }
                for nth in 0..2 {
                    let domain = Domain::new(tried, &[Class::A, class, Class::D]);
                    domain.element(1).fault(call, nth, fault);
                    let mut story = Story::default();
                    story.add("pe2", call, fault);
                    let runner = domain.runner();
                    let record = domain.run(&runner, StopSignal::new()).unwrap();
                    story.told = record.outcome.clone();
                    domain.recover(None).unwrap();
                    domain.rest();
                    let judged = story.judge(&domain);
                    assert_eq!(judged, Ok(()), "{class:?} {call:?} {fault:?} {nth}: {record:?}");
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} stories");
}

#[test]
fn dying_at_every_point_leaves_all_before_or_all_after() {
    let classes = [Class::A, Class::B, Class::C, Class::D];
    let points = {
        let domain = Domain::new(0, &classes);
        let runner = domain.runner();
        domain.world.crash_at(None);
        domain.run(&runner, StopSignal::new()).unwrap();
        domain.world.points()
    };
    assert!(points.len() > 40, "{points:?}");
    for power_lost in [false, true] {
        for at in 0..points.len() {
            let domain = Domain::new(at as u64, &classes);
            let runner = domain.runner();
            domain.world.crash_at(Some(at));
            assert!(domain.run(&runner, StopSignal::new()).is_none());
            drop(runner);
            if power_lost {
                domain.store.crash();
            }
            domain.recover(None).unwrap();
            domain.rest();
            let judged = Story { power_lost, ..Story::default() }.judge(&domain);
            assert_eq!(judged, Ok(()), "died at {} ({power_lost})", points[at]);
            let outcome = domain.record().and_then(|record| record.outcome);
            let decided = points[..at].iter().any(|point| point == "after-intent-decided")
                || points[at] == "after-intent-decided";
            assert_eq!(outcome == Some(Outcome::Applied), decided, "died at {}: {outcome:?}", points[at]);
        }
    }
}

#[test]
fn dying_in_recovery_too_is_harmless() {
    let classes = [Class::A, Class::B, Class::D];
    for first in (0..60).step_by(2) {
        for second in [0, 3, 6, 9, 12] {
            let domain = Domain::new(first as u64, &classes);
            let runner = domain.runner();
            domain.world.crash_at(Some(first));
            if domain.run(&runner, StopSignal::new()).is_some() {
                continue;
            }
            drop(runner);
            let _ = domain.recover(Some(second));
            domain.recover(None).unwrap();
            domain.recover(None).unwrap();
            domain.rest();
            assert_eq!(Story::default().judge(&domain), Ok(()), "died at point {first}, then at {second}");
        }
    }
}

#[test]
fn an_element_that_says_ok_and_changes_nothing_ends_as_not_applied_verify() {
    for class in CLASSES {
        let domain = Domain::new(20, &[class, Class::A]);
        domain.element(0).fault(Call::Apply, 0, Fault::Silent);
        let runner = domain.runner();
        let record = domain.run(&runner, StopSignal::new()).unwrap();
        let Some(Outcome::NotApplied { cause }) = record.outcome else { panic!("{record:?}") };
        assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Verify, Some("pe1")));
        assert!(cause.message.contains("nothing changed"), "{cause}");
    }
}

#[test]
fn a_read_set_that_moved_is_stale_and_names_the_path() {
    let domain = Domain::new(21, &[Class::A, Class::D]);
    domain.element(1).edit(crate::element::human_on_path);
    let runner = domain.runner();
    let record = domain.run(&runner, StopSignal::new()).unwrap();
    let Some(Outcome::NotApplied { cause }) = record.outcome else { panic!("{record:?}") };
    assert_eq!(cause.kind, CauseKind::Stale);
    assert_eq!(cause.path.as_deref(), Some("/m:interface[name='ge1']/vlan"));
    assert!(domain.elements.values().all(|element| !element.calls().contains(&Call::Apply)));
}

#[test]
fn somebody_elses_value_is_left_alone_and_holds_the_path() {
    let domain = Domain::new(22, &[Class::B, Class::C]);
    // pe2 fails after pe1 was changed, and a person changes pe1 before it is undone.
    domain.element(1).fault(Call::Apply, 0, Fault::Refuse);
    domain.element(0).fault(Call::Read, 1, Fault::HumanOnPath);
    let runner = domain.runner();
    let record = domain.run(&runner, StopSignal::new()).unwrap();
    let Some(Outcome::Unresolved { elements, .. }) = &record.outcome else { panic!("{record:?}") };
    assert_eq!(elements, &["pe1".to_owned()]);
    assert_eq!(record.elements["pe1"].turn, Turn::Conflict);
    let vlan = domain.element(0).running().at(&crate::plans::vlan_path("ge1")).unwrap().value().unwrap().to_string();
    assert_eq!(vlan, "666", "the person's value stays");
    assert_eq!(runner.queues().holder(&domain.plan).unwrap().0, "t1");
    // Everything else of ours is gone.
    assert!(!format!("{:?}", domain.element(0).running()).contains("blue"));
}

#[test]
fn a_stop_before_applied_turns_back_and_after_it_finishes() {
    let points = {
        let domain = Domain::new(0, &[Class::A, Class::D]);
        let runner = domain.runner();
        domain.world.crash_at(None);
        domain.run(&runner, StopSignal::new()).unwrap();
        domain.world.points()
    };
    let applied = points.iter().position(|point| point == "after-intent-applied").unwrap();
    for (at, point) in points.iter().enumerate() {
        let domain = Domain::new(at as u64, &[Class::A, Class::D]);
        let runner = domain.runner();
        let stop = StopSignal::new();
        let (world, signal, count) = (domain.world.clone(), stop.clone(), at);
        let record = domain
            .world
            .run(async {
                let run = runner.run(domain.request("t1"), &domain.south, stop);
                let watch = async {
                    while world.points().len() <= count {
                        world.wait(Duration::from_millis(1)).await;
                    }
                    signal.stop();
                };
                futures::join!(run, watch).0
            })
            .unwrap();
        match record.outcome {
            Some(Outcome::Applied) => assert!(at + 3 >= applied, "stopped at {point}"),
            Some(Outcome::NotApplied { cause }) => {
                assert_eq!(cause.kind, CauseKind::Interrupted);
                assert!(at <= applied, "stopped at {point}");
            }
            other => panic!("stopped at {point}: {other:?}"),
        }
        domain.rest();
        assert_eq!(Story::default().judge(&domain), Ok(()), "stopped at {point}");
    }
}

#[test]
fn timers_of_confirmed_commits_are_started_anew_while_slow_elements_work() {
    let domain = Domain::new(23, &[Class::A, Class::D, Class::D, Class::D]);
    for at in 1..4 {
        // Slower together than the window of the confirmed commit.
        domain.element(at).be_slow(Duration::from_secs(4));
    }
    let mut limits = crate::limits();
    limits.confirm_window = Duration::from_secs(20);
    let runner = domain.runner_with(limits);
    let record = domain.run(&runner, StopSignal::new()).unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:?}");
    assert!(domain.element(0).calls().contains(&Call::Extend));
    domain.rest();
    Story::default().judge(&domain).unwrap();
}

#[test]
fn a_second_daemon_fences_the_first() {
    let domain = Domain::new(24, &[Class::A, Class::D]);
    let first = domain.runner();
    let second = domain.runner();
    let record = domain.run(&first, StopSignal::new()).unwrap();
    assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{record:?}");
    assert!(domain.elements.values().all(|element| element.calls().is_empty()), "nothing was sent");
    let record = domain.run(&second, StopSignal::new()).unwrap();
    assert_eq!(record.outcome, Some(Outcome::Applied));
}

#[test]
fn transactions_on_one_element_wait_for_each_other() {
    let domain = Domain::new(25, &[Class::A]);
    let runner = domain.runner();
    let (one, two) = domain
        .world
        .run(async {
            let one = runner.run(domain.request("t1"), &domain.south, StopSignal::new());
            let two = runner.run(domain.request("t2"), &domain.south, StopSignal::new());
            futures::join!(one, two)
        })
        .unwrap();
    assert_eq!(one.outcome, Some(Outcome::Applied));
    // The second finds what the first left: its plan is stale, and it never heard "locked".
    let Some(Outcome::NotApplied { cause }) = two.outcome else { panic!("{two:?}") };
    assert_eq!(cause.kind, CauseKind::Stale);
}

/// Seeds that once broke a law.
#[test]
fn seeds_that_once_failed() {
    for seed in [] {
        assert!(simulate(seed, |_| {}).is_ok(), "{:?}", simulate(seed, |_| {}));
    }
}
