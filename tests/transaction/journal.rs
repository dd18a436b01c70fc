//! What the journal says of a transaction, and what becomes of one whose record or plan is lost.

use crate::stage::{Stage, not_applied};
use andante::domain::{Class, JournalRecord, Outcome, Phase, TransactionRecord, Turn};
use andante::plan::{Plan, content_digest};
use andante::store::{self, Batch, Durability, Store, Table};

const PLAN: &str = "transaction/t1";

/// The journal says under which lease it was written, and what the plan touched, in digests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_has_the_epoch_and_the_digests_of_what_is_touched() {
    let stage = Stage::of(&[Class::A, Class::D]).await;
    assert_eq!(stage.run().await.outcome, Some(Outcome::Applied));
    let mut prepared = 0;
    for record in stage.store.journal("t1").await.unwrap() {
        let JournalRecord::Intent { phase, epoch, touched, .. } = record else { continue };
        assert_eq!(epoch, Some(1), "{phase:?}");
        if phase != Phase::Prepared {
            continue;
        }
        prepared += 1;
        for of in &stage.plan.elements {
            let said = &touched[&of.element];
            assert_eq!(said.before, content_digest(&of.before), "{}", of.element);
            assert_eq!(said.after, content_digest(&of.after), "{}", of.element);
            assert_ne!(said.before, said.after);
        }
    }
    assert_eq!(prepared, 1);
    // A journal of an earlier version.
    let old: JournalRecord = serde_json::from_str(r#"{"record":"intent","phase":"applied"}"#).unwrap();
    assert_eq!(old, JournalRecord::intent(Phase::Applied, None));
}

/// A daemon that died with everything applied, and what recovery says when `spoil` has been at its store. The end is kept
/// from the store, as if the daemon had died there.
async fn recovered(phases: &[Phase], spoil: impl Fn(&Stage, &mut Batch)) -> (Stage, TransactionRecord) {
    let stage = Stage::of(&[Class::D]).await;
    let mut batch = Batch::default();
    batch.put(Table::Transactions, "t1", &crate::locks::record(phases.last().copied().unwrap())).unwrap();
    batch.put(Table::Plans, PLAN, &stage.plan.clone().sealed()).unwrap();
    phases.iter().for_each(|phase| batch.append("t1", JournalRecord::intent(*phase, Some(1))));
    spoil(&stage, &mut batch);
    stage.store.commit(1, batch, Durability::Now).await.unwrap();
    let records = stage.recovery().run(&stage.south).await.unwrap();
    assert_eq!(records.len(), 1);
    assert!(stage.store.open_transactions().await.unwrap().is_empty(), "it is tried for ever");
    let kept: TransactionRecord = store::get(&*stage.store, Table::Transactions, "t1").await.unwrap().unwrap();
    assert_eq!(kept, records[0]);
    (stage, kept)
}

const APPLIED: [Phase; 4] = [Phase::Planned, Phase::Locked, Phase::Prepared, Phase::Applied];

/// Lines may have been sent, and nobody can tell any more which: that is not "not applied".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_journal_without_its_plan_ends_as_unresolved() {
    let lost = |_: &Stage, batch: &mut Batch| batch.delete(Table::Plans, PLAN);
    let (_, record) = recovered(&APPLIED, lost).await;
    let Some(Outcome::Unresolved { elements, cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(elements == &["pe1"] && cause.message.contains("is lost"), "{cause}");
    assert_eq!(record.elements["pe1"].turn, Turn::Unknown);

    let (_, record) = recovered(&APPLIED[..2], lost).await;
    not_applied(&record);
}

/// The same for a record that is lost: what the journal knows is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_journal_without_its_record_ends_as_unresolved() {
    let (_, record) = recovered(&APPLIED, |_, batch| batch.delete(Table::Transactions, "t1")).await;
    assert!(matches!(record.outcome, Some(Outcome::Unresolved { .. })), "{record:#?}");
}

/// A plan that is not the one of which the journal speaks undoes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_not_that_of_the_journal_is_not_used() {
    let (stage, record) = recovered(&APPLIED, |stage, batch| {
        let mut other: Plan = stage.plan.clone();
        let of = &mut other.elements[0];
        (of.before, of.after) = (of.after.clone(), of.before.clone());
        let JournalRecord::Intent { phase, persist, epoch, .. } = JournalRecord::intent(Phase::Prepared, Some(1))
        else {
            unreachable!()
        };
        let digests = |of: &andante::plan::ElementPlan| andante::domain::TouchedDigests {
            before: content_digest(&of.before),
            after: content_digest(&of.after),
        };
        let touched = [(other.elements[0].element.clone(), digests(&other.elements[0]))].into();
        batch.append("t1", JournalRecord::Intent { phase, persist, epoch, touched });
    })
    .await;
    assert!(matches!(record.outcome, Some(Outcome::Unresolved { .. })), "{record:#?}");
    stage.all_before();
}
