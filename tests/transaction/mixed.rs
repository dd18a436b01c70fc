//! Two of three elements commit, the third answers rpc-error to the commit, or dies in it: the first two are as before, and
//! the report says of each where it stands.

use crate::stage::{Stage, not_applied};
use andante::adagio::sim::Fault;
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, Turn};

/// The mixes, the one that fails last. Classes go most revertible first, so the last one is the weakest.
const MIXES: [[Class; 3]; 7] = [
    [Class::A, Class::A, Class::A],
    [Class::A, Class::A, Class::B],
    [Class::A, Class::B, Class::C],
    [Class::B, Class::B, Class::B],
    [Class::C, Class::C, Class::C],
    [Class::A, Class::C, Class::D],
    [Class::D, Class::D, Class::D],
];

fn commit(class: Class) -> &'static str {
    match class {
        Class::A | Class::B => "commit",
        Class::C => "edit-config",
        Class::D => "vrf ",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_third_refuses_its_commit_and_the_first_two_are_as_before() {
    for mix in MIXES {
        let stage = Stage::of(&mix).await;
        // Class A commits together: the third is told to refuse, whoever answers first.
        let answer = if mix[2] == Class::D { "% Configuration failed." } else { "operation-failed" };
        stage.fault("pe3", Fault::Refuse { on: commit(mix[2]).into(), answer: answer.into(), times: 1 });
        let record = stage.run().await;
        let cause = not_applied(&record);
        assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Refused, Some("pe3")), "{mix:?}: {cause}");
        assert!(cause.message.contains(answer), "{mix:?}: {cause}");
        for (name, progress) in &record.elements {
            assert_eq!(progress.turn, Turn::Restored, "{mix:?} {name}: {record:#?}");
        }
        stage.all_before();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_third_dies_in_its_commit_and_the_first_two_are_as_before() {
    for mix in MIXES {
        for done in [false, true] {
            let stage = Stage::of(&mix).await;
            let (sim, on) = (stage.sim.clone(), commit(mix[2]).to_owned());
            // It is away from the moment of the commit until it is mended.
            stage.at.the("before-apply:pe3", move || async move {
                sim.fault("pe3", Fault::Close { on, done }).unwrap();
                sim.fault("pe3", Fault::Unreachable).unwrap();
            });
            let record = stage.run().await;
            let Some(Outcome::Unresolved { elements, cause }) = &record.outcome else { panic!("{mix:?}: {record:#?}") };
            assert_eq!((elements.as_slice(), cause.element.as_deref()), (&["pe3".to_owned()][..], Some("pe3")));
            assert_eq!(record.elements["pe3"].turn, Turn::Unknown, "{mix:?}");
            for name in ["pe1", "pe2"] {
                assert_eq!(record.elements[name].turn, Turn::Restored, "{mix:?} {name}: {record:#?}");
                assert!(stage.sim.running(name).unwrap() == stage.elements[name].0, "{mix:?} {name}");
            }
            // It is back: then it is as before, too, and the transaction says so.
            stage.sim.mend("pe3").unwrap();
            let records = stage.recovery().retry(&stage.south).await.unwrap();
            not_applied(&records[0]);
            stage.all_before();
        }
    }
}
