//! Two of three elements commit, the third refuses its commit or dies in it: for every mix of classes.

use crate::play::Planted;
use crate::simulate;
use crate::story::{Call, Fault, Story, What, When};
use andante::domain::{Class, Outcome, Turn};

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
    let deaths = [
        What::Strike(Fault::Refuse),
        What::Strike(Fault::CutBefore),
        What::Strike(Fault::CutAfter),
        What::Strike(Fault::LoseReply),
        What::Away(2, 40),
        What::Reboot(2, 40),
    ];
    let mut seen = 0;
    for mix in mixes() {
        for what in &deaths {
            let story = Story::of(seen, &mix).with(When::Call(2, Call::Apply, 0), what.clone());
            let stage =
                simulate(&story, Planted::default()).unwrap_or_else(|broken| panic!("{mix:?} {what:?}\n{broken}"));
            let (_, record) = stage.told.lock().unwrap()["t1"].clone();
            let (Some(Outcome::NotApplied { cause }) | Some(Outcome::Unresolved { cause, .. })) = &record.outcome
            else {
                panic!("{mix:?} {what:?}: {record:?}")
            };
            assert_eq!(cause.element.as_deref(), Some("pe3"), "{mix:?} {what:?}: {cause}");
            for name in ["pe1", "pe2"] {
                assert_eq!(record.elements[name].turn, Turn::Restored, "{mix:?} {what:?} {name}: {record:?}");
            }
            let third = record.elements["pe3"].turn;
            assert!(matches!(third, Turn::Restored | Turn::Unknown), "{mix:?} {what:?}: {third:?}");
            assert!(matches!(stage.outcome("t1"), Some(Outcome::NotApplied { .. })), "{mix:?} {what:?}");
            seen += 1;
        }
    }
    println!("{seen} stories");
    assert_eq!(seen, 20 * 6);
}
