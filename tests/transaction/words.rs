//! The word of an operator that comes when recovery has gone on meanwhile.

use crate::locks::{journaled_as, record};
use crate::stage::Stage;
use andante::adagio::sim::Fault;
use andante::domain::{Class, ElementProgress, Offer, Outcome, Phase, Principal, Resolution, Turn};
use andante::transaction::{Settled, Word};
use jiff::Timestamp;

/// Whoever accepted an element as it was looked at it before recovery had brought it back: it is not left as it was, and the
/// record does not say so. A second word finds nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_brought_back_meanwhile_is_not_said_to_be_left_as_it_was() {
    let stage = Stage::of(&[Class::B, Class::B]).await;
    let mut record = record(Phase::Applied);
    let of = |turn| ElementProgress { turn, ..ElementProgress::untouched(Class::B) };
    record.elements.insert("pe1".into(), of(Turn::Restored));
    record.elements.insert("pe2".into(), of(Turn::Unknown));
    journaled_as(&stage, &record).await;
    stage.fault("pe2", Fault::Unreachable);
    let recovery = stage.recovery();
    let open = recovery.run(&stage.south).await.unwrap();
    assert!(
        matches!(&open[0].outcome, Some(Outcome::Unresolved { elements, .. }) if elements == &["pe2"]),
        "{open:#?}"
    );
    let accepted = |element: &str| Resolution {
        element: element.into(),
        offer: Offer::AcceptActual,
        principal: Principal::daemon(),
        at: Timestamp::UNIX_EPOCH,
        reason: None,
    };
    let word = || Word { resolutions: vec![accepted("pe1"), accepted("pe2")], ..Word::default() };
    let Settled::Tried(done) = recovery.resolve("t1", word(), &stage.south).await.unwrap() else { panic!() };
    assert!(matches!(done.outcome, Some(Outcome::NotApplied { .. })) && done.finished.is_some(), "{done:#?}");
    assert_eq!(done.elements["pe2"].turn, Turn::Accepted);
    assert_eq!(done.elements["pe1"].turn, Turn::Restored, "{:#?}", done.elements["pe1"]);
    assert!(matches!(recovery.resolve("t1", word(), &stage.south).await.unwrap(), Settled::Closed));
    stage.all_before();
}
