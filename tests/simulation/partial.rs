//! Two of three elements commit, the third refuses its commit or dies in it: for every mix of classes.

use crate::Domain;
use crate::element::{Call, Fault};
use crate::judge::Story;
use andante::domain::{Class, Outcome, Turn};
use andante::transaction::StopSignal;

const CLASSES: [Class; 4] = [Class::A, Class::B, Class::C, Class::D];

/// Every mix of three classes, the weakest last, as they commit.
fn mixes() -> Vec<[Class; 3]> {
    let mut mixes = Vec::new();
    for first in CLASSES {
        for second in CLASSES.into_iter().filter(|class| *class >= first) {
            mixes.extend(CLASSES.into_iter().filter(|class| *class >= second).map(|third| [first, second, third]));
        }
    }
    mixes
}

#[test]
fn the_third_of_every_mix_refuses_or_dies_and_the_report_names_each() {
    let faults = [Fault::Refuse, Fault::CutBefore, Fault::CutAfter, Fault::LoseReply, Fault::Away(40), Fault::Reboot(40)];
    let mut seen = 0;
    for mix in mixes() {
        for fault in faults {
            let domain = Domain::new(seen, &mix);
            domain.element(2).fault(Call::Apply, 0, fault);
            let mut story = Story::default();
            story.add("pe3", Call::Apply, fault);
            let runner = domain.runner();
            let record = domain.run(&runner, StopSignal::new()).unwrap();
            story.told = record.outcome.clone();
            let (Some(Outcome::NotApplied { cause }) | Some(Outcome::Unresolved { cause, .. })) = &record.outcome else {
                panic!("{mix:?} {fault:?}: {record:?}")
            };
            assert_eq!(cause.element.as_deref(), Some("pe3"), "{mix:?} {fault:?}: {cause}");
            for name in ["pe1", "pe2"] {
                assert_eq!(record.elements[name].turn, Turn::Restored, "{mix:?} {fault:?} {name}: {record:?}");
            }
            let third = record.elements["pe3"].turn;
            assert!(matches!(third, Turn::Restored | Turn::Unknown), "{mix:?} {fault:?}: {third:?}");
            domain.recover(None).unwrap();
            domain.rest();
            let record = domain.record().unwrap();
            assert!(matches!(record.outcome, Some(Outcome::NotApplied { .. })), "{mix:?} {fault:?}: {record:?}");
            assert_eq!(story.judge(&domain), Ok(()), "{mix:?} {fault:?}");
            seen += 1;
        }
    }
    println!("{seen} stories");
    assert_eq!(seen, 20 * 6);
}
