//! Locks that others hold, sessions and edits of ours that outlived us, and a candidate that somebody else edited.

use crate::stage::{Stage, not_applied};
use andante::adagio::netconf::{Datastore, DefaultOperation, EditConfig, NetconfSession};
use andante::adagio::sim::Fault;
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, ElementProgress, JournalRecord, Outcome, Phase, Turn};
use andante::store::{Batch, Durability, Store, Table};
use std::collections::BTreeMap;

const DRAFT: &str = "<vrfs xmlns=\"http://cisco.com/ns/yang/Cisco-IOS-XR-infra-rsi-cfg\"><vrf><vrf-name>draft</vrf-name>\
                     <create/></vrf></vrfs>";

async fn edits(session: &NetconfSession) {
    let edit = EditConfig {
        target: Datastore::Candidate,
        default_operation: Some(DefaultOperation::Merge),
        test_option: None,
        error_option: None,
        config: DRAFT,
    };
    session.edit_config(edit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_lock_is_reported_with_its_holder() {
    let stage = Stage::of(&[Class::A]).await;
    let other = stage.session("pe1", "noc").await;
    other.lock(Datastore::Candidate).await.unwrap();
    let cause = not_applied(&stage.run().await);
    let holder = format!("held by session {} of noc from 127.0.0.1", other.session_id());
    assert!(cause.kind == CauseKind::Locked && cause.message.contains(&holder), "{cause}");
    stage.all_before();
    // It still holds it: a foreign session is never ended.
    other.unlock(Datastore::Candidate).await.unwrap();
    assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied));
}

/// The same account is not enough either: only a session that the journal knows is ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_the_same_user_that_no_journal_knows_is_left_alone() {
    let stage = Stage::of(&[Class::B]).await;
    let other = stage.session("pe1", "andante").await;
    other.lock(Datastore::Running).await.unwrap();
    let cause = not_applied(&stage.run().await);
    assert!(cause.kind == CauseKind::Locked && cause.message.contains("of andante"), "{cause}");
    other.unlock(Datastore::Running).await.unwrap();
}

/// A daemon died in PREPARED and its session lives on at the element (half-open): it is found by its journaled id, ended,
/// and what it left is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_session_of_ours_is_ended_after_a_restart() {
    let stage = Stage::of(&[Class::A]).await;
    let stale = stage.session("pe1", "andante").await;
    stale.lock(Datastore::Running).await.unwrap();
    stale.lock(Datastore::Candidate).await.unwrap();
    edits(&stale).await;
    journaled(&stage, stale.session_id()).await;
    let records = stage.recovery().run(&stage.south).await.unwrap();
    not_applied(&records[0]);
    assert_eq!(records[0].elements["pe1"].turn, Turn::Restored);
    assert!(stale.lock(Datastore::Running).await.is_err(), "the session lives on");
    assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied));
}

/// The id alone is not enough: after a restart of the element it may be somebody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_somebody_else_with_a_journaled_id_is_left_alone() {
    let stage = Stage::of(&[Class::A]).await;
    let other = stage.session("pe1", "noc").await;
    other.lock(Datastore::Running).await.unwrap();
    journaled(&stage, other.session_id()).await;
    stage.recovery().run(&stage.south).await.unwrap();
    other.unlock(Datastore::Running).await.unwrap();
}

/// The record of an open transaction of a dead daemon over `pe1`.
pub fn record(phase: Phase) -> andante::domain::TransactionRecord {
    andante::domain::TransactionRecord {
        id: "t1".into(),
        plan: String::new(),
        phase,
        outcome: None,
        principal: andante::domain::Principal::daemon(),
        started: jiff::Timestamp::UNIX_EPOCH,
        finished: None,
        elements: BTreeMap::from([("pe1".to_owned(), andante::domain::ElementProgress::untouched(Class::A))]),
        summary: String::new(),
        decided: None,
        continued_by: None,
        origin: Default::default(),
        services: Vec::new(),
        resolutions: Vec::new(),
    }
}

/// An open transaction of a dead daemon, in PREPARED.
async fn journaled(stage: &Stage, session: u32) {
    let mut record = record(Phase::Prepared);
    record.elements.get_mut("pe1").unwrap().session = Some(session);
    journaled_as(stage, &record).await;
}

/// The open transaction of this record.
pub async fn journaled_as(stage: &Stage, record: &andante::domain::TransactionRecord) {
    let mut batch = Batch::default();
    batch.put(Table::Transactions, &record.id, record).unwrap();
    batch.put(Table::Plans, &format!("transaction/{}", record.id), &stage.plan.clone().sealed()).unwrap();
    let all = [Phase::Planned, Phase::Locked, Phase::Prepared, Phase::Applied, Phase::Verified, Phase::Decided];
    for phase in all.into_iter().filter(|phase| *phase <= record.phase) {
        batch.append(&record.id, JournalRecord::intent(phase, None));
    }
    // Whoever holds the lease of the stage's runner.
    let epoch = 1;
    stage.store.commit(epoch, batch, Durability::Now).await.unwrap();
}

/// Without a lock the candidate may be somebody else's by the time we come back to empty it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_leaves_a_foreign_draft_where_nothing_can_be_locked() {
    let stage = Stage::with(&[Class::B], |element| element.abilities.lock = false).await;
    let other = stage.session("pe1", "noc").await;
    edits(&other).await;
    journaled(&stage, 99).await;
    not_applied(&stage.recovery().run(&stage.south).await.unwrap()[0]);
    other.commit().await.unwrap();
    assert!(stage.sim.text("pe1").unwrap().contains("draft"), "hours of edits are gone");
}

/// What one transaction left in a candidate stays known while another one cannot even reach the element.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_stayed_is_not_forgotten_by_an_unresolved_transaction() {
    let stage = Stage::of(&[Class::B]).await;
    journaled_as(&stage, &record(Phase::Applied)).await;
    let mut batch = Batch::default();
    let left = serde_json::json!({ "transaction": "t2", "plan": stage.plan.elements[0] });
    batch.put(Table::Plans, "candidate/pe1", &left).unwrap();
    stage.store.commit(1, batch, Durability::Now).await.unwrap();
    stage.fault("pe1", Fault::Unreachable);
    let records = stage.recovery().run(&stage.south).await.unwrap();
    assert!(matches!(records[0].outcome, Some(Outcome::Unresolved { .. })), "{records:#?}");
    assert!(stage.recovery().has_left_edits(), "nobody empties the candidate any more");
    assert!(stage.store.get_bytes(Table::Plans, "candidate/pe1").await.unwrap().is_some());
}

/// An element that saved in the end is not asked again, though its transaction is still open for another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_saved_is_not_asked_again_by_an_open_transaction() {
    let stage = Stage::of(&[Class::B, Class::B]).await;
    let mut record = record(Phase::Decided);
    let of = |turn, unsaved| ElementProgress { turn, unsaved, ..ElementProgress::untouched(Class::B) };
    record.elements.insert("pe1".into(), of(Turn::Confirmed, true));
    record.elements.insert("pe2".into(), of(Turn::Unknown, false));
    journaled_as(&stage, &record).await;
    stage.fault("pe2", Fault::Unreachable);
    let recovery = stage.recovery();
    recovery.run(&stage.south).await.unwrap();
    assert!(recovery.has_unsaved());
    for turn in 0..2 {
        recovery.hurry();
        let tried = recovery.retry(&stage.south).await.unwrap();
        assert!(tried.iter().all(|record| record.finished.is_none()), "{tried:#?}");
        assert!(!recovery.has_unsaved(), "asked again after {turn} more tries");
    }
}

/// What an earlier process knew is taken over, in whichever form it was kept; an element that cannot be read is not asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_earlier_daemons_left_to_be_saved_is_saved() {
    for whole in [false, true] {
        let stage = Stage::with(&[Class::B], |element| element.abilities.startup = true).await;
        let running = || Some(stage.sim.running("pe1").unwrap());
        stage.sim.set_running("pe1", stage.elements["pe1"].1.clone()).unwrap();
        assert_ne!(stage.sim.startup("pe1").unwrap(), running(), "nobody saved it yet");
        let (key, kept) = match whole {
            true => ("unsaved/pe1/t2", serde_json::json!({ "transaction": "t2", "plan": stage.plan.elements[0] })),
            false => ("unsaved/pe1", serde_json::json!("t2")),
        };
        let mut batch = Batch::default();
        batch.put(Table::Plans, key, &kept).unwrap();
        stage.store.commit(1, batch, Durability::Now).await.unwrap();
        let recovery = stage.recovery();
        recovery.run(&stage.south).await.unwrap();
        assert!(recovery.has_unsaved(), "{key}");

        stage.fault("pe1", Fault::Unreachable);
        recovery.retry(&stage.south).await.unwrap();
        assert!(recovery.has_unsaved(), "{key}: it was not reached");
        stage.sim.mend("pe1").unwrap();
        recovery.hurry();
        recovery.retry(&stage.south).await.unwrap();
        assert!(!recovery.has_unsaved(), "{key}");
        assert_eq!(stage.sim.startup("pe1").unwrap(), running(), "{key}");
        assert!(stage.store.get_bytes(Table::Plans, key).await.unwrap().is_none(), "{key} stands for ever");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_draft_is_shown_and_left_there() {
    for lock in [true, false] {
        let stage = Stage::with(&[Class::A], |element| element.abilities.lock = lock).await;
        let other = stage.session("pe1", "noc").await;
        edits(&other).await;
        let cause = not_applied(&stage.run().await);
        assert_eq!(cause.kind, CauseKind::Dirty, "lock {lock}: {cause}");
        assert!(cause.message.contains("+ ") && cause.message.contains("vrf-name='draft'"), "lock {lock}: {cause}");
        stage.all_before();
        // Hours of edits survive: whoever made them commits them.
        other.commit().await.unwrap();
        assert!(stage.sim.text("pe1").unwrap().contains("draft"), "lock {lock}");
    }
}

/// Our own edit that stayed in a candidate, because the element went away before it could be emptied, is emptied when the
/// element is back; so it is by the next transaction, whoever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_of_ours_that_stayed_is_emptied_when_the_element_is_back() {
    for by_recovery in [true, false] {
        // Without locks the candidate outlives its session (F1).
        let stage = Stage::with(&[Class::B, Class::B], |element| element.abilities.lock = element.name != "pe1").await;
        let killer = stage.session("pe1", "noc").await;
        let sim = stage.sim.clone();
        stage.at.the("after-intent-prepared", move || async move {
            sim.fault("pe2", Fault::Delay { on: "edit-config".into(), time: std::time::Duration::from_millis(500) })
                .unwrap();
            sim.fault("pe2", Fault::Refuse { on: "edit-config".into(), answer: "too-big".into(), times: 1 }).unwrap();
        });
        let sim = stage.sim.clone();
        stage.at.the("after-prepare:pe1", move || async move {
            sim.fault("pe1", Fault::Unreachable).unwrap();
            // Every session of ours ends; ids are small and count up.
            for id in 1..20 {
                if id != killer.session_id() {
                    let _ = killer.kill_session(id).await;
                }
            }
        });
        let record = stage.run().await;
        not_applied(&record);
        stage.all_before();
        assert!(record.elements["pe1"].detail.as_ref().unwrap().contains("not emptied"), "{record:#?}");
        stage.sim.mend("pe1").unwrap();
        assert!(dirty(&stage).await, "nothing was left behind, so nothing is shown here");
        if by_recovery {
            assert!(stage.recovery().has_left_edits());
            stage.recovery().retry(&stage.south).await.unwrap();
            assert!(!dirty(&stage).await && !stage.recovery().has_left_edits());
        }
        assert_eq!(stage.run_as("t2").await.outcome, Some(Outcome::Applied));
        assert!(!stage.recovery().has_left_edits());
        let left = stage.store.list_bytes(Table::Plans, "candidate/").await.unwrap();
        assert!(left.is_empty(), "{} marks", left.len());
    }
}

async fn dirty(stage: &Stage) -> bool {
    let session = stage.session("pe1", "noc").await;
    let read = |store| session.get_config(store, None, None);
    read(Datastore::Candidate).await.unwrap().inner != read(Datastore::Running).await.unwrap().inner
}
