//! Planted bugs: the harness has to find each of them within a bounded number of seeds, or it proves nothing.

use crate::laws::LAWS;
use crate::plants::{Bug, Bugged, Idle};
use crate::play::Planted;
use crate::simulate;
use crate::story::Story;
use crate::through::{Between, Through};
use andante::domain::{JournalRecord, Phase};
use andante::store::{Batch, Durability, Store, StoreError};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A seed of so many breaks the law that this bug offends; the seeds are those of the ordinary test. Another law that is
/// broken first does not count: a harness that cries for the wrong reason may miss the right one.
fn found(name: &str, planted: &Planted, within: u64, law: &str) {
    assert!(LAWS.iter().any(|(known, _)| *known == law), "there is no law '{law}'");
    let mut others: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..within {
        let story = Story::from_seed(seed);
        let Err(broken) = simulate(&story, planted.clone()) else { continue };
        let laws: BTreeSet<&str> = broken.laws.iter().map(|(law, _)| *law).collect();
        if !laws.contains(law) {
            others.extend(laws);
            continue;
        }
        // The same story without the bug is fine: it is the bug that was found.
        assert!(simulate(&story, Planted::default()).is_ok(), "seed {seed} is broken anyway");
        println!("{name}: found by seed {seed}: {laws:?}");
        return;
    }
    panic!("{name}: '{law}' is not broken within {within} seeds, but {others:?}");
}

fn bugged(bug: Bug) -> Planted {
    let south: Arc<crate::play::OnSouth> =
        Arc::new(move |south, element, plan| Arc::new(Bugged::new(bug, south, element, plan)));
    Planted { south: Some(south), ..Planted::default() }
}

fn forgetful(what: Forgets) -> Planted {
    let store: Arc<crate::play::OnStore> =
        Arc::new(move |store| Arc::new(Through(Arc::new(Forgetful { store, what }))));
    Planted { store: Some(store), ..Planted::default() }
}

#[test]
fn a_lock_that_is_skipped_is_found() {
    found("skips the lock", &bugged(Bug::SkipsTheLock), 20, "edits only under the lock");
}

#[test]
fn a_read_back_that_is_skipped_is_found() {
    found("skips the read-back", &bugged(Bug::SkipsTheReadBack), 150, "applied was verified before it was decided");
}

#[test]
fn a_confirm_before_the_decision_is_found() {
    found("confirms before the decision", &bugged(Bug::ConfirmsAtOnce), 20, "nothing is final before the decision");
}

#[test]
fn a_timeout_taken_for_a_failure_is_found() {
    found("takes a time-out for a failure", &bugged(Bug::TimeoutIsFailure), 150, "elements stand as the outcome says");
}

#[test]
fn lines_that_are_sent_again_are_found() {
    found("sends lines again", &bugged(Bug::RetriesLines), 300, "nothing is sent twice blindly");
}

#[test]
fn a_change_outside_the_plan_is_found() {
    found("changes what the plan does not name", &bugged(Bug::Overzealous), 20, "nothing outside the plan is changed");
}

#[test]
fn a_session_that_is_forgotten_is_found() {
    found("forgets a session", &bugged(Bug::LeaksSessions), 20, "nothing of ours is left behind");
}

#[test]
fn a_save_that_is_skipped_is_found() {
    found("skips the save", &bugged(Bug::SkipsTheSave), 300, "elements stand as the outcome says");
}

#[test]
fn somebody_elses_candidate_thrown_away_is_found() {
    found("throws a foreign candidate away", &bugged(Bug::DiscardsFirst), 300, "a foreign candidate is left alone");
}

#[test]
fn a_read_set_that_is_not_checked_is_found() {
    found("skips the read-set", &bugged(Bug::SkipsTheReadSet), 300, "elements stand as the outcome says");
}

#[test]
fn an_undo_that_does_nothing_is_found() {
    found(
        "undoes nothing",
        &Planted { undo: Some(Arc::new(Idle)), ..Planted::default() },
        150,
        "unresolved has a reason",
    );
}

#[test]
fn a_missing_journal_record_is_found() {
    for phase in [Phase::Locked, Phase::Prepared, Phase::Applied, Phase::Decided] {
        let law = match phase {
            Phase::Decided => "nothing is final before the decision",
            _ => "intents are written before the sends",
        };
        found(&format!("skips the intent of {phase:?}"), &forgetful(Forgets::Intent(phase)), 20, law);
    }
}

#[test]
fn commits_that_do_not_wait_for_the_disk_are_found() {
    found("does not wait for the disk", &forgetful(Forgets::Sync), 20, "intents are written before the sends");
}

#[test]
fn a_lost_end_is_found() {
    found("forgets the end", &forgetful(Forgets::End), 20, "an end that was told is durable");
}

/// A store that forgets something.
struct Forgetful {
    store: Arc<dyn Store>,
    what: Forgets,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgets {
    /// The intent of a phase.
    Intent(Phase),
    /// To wait for the disk.
    Sync,
    /// The journal's last record.
    End,
}

#[async_trait]
impl Between for Forgetful {
    fn behind(&self) -> &dyn Store {
        &*self.store
    }

    async fn commit(&self, epoch: u64, mut batch: Batch, mut durability: Durability) -> Result<(), StoreError> {
        match self.what {
            Forgets::Intent(skipped) => batch
                .journal
                .retain(|(_, record)| !matches!(record, JournalRecord::Intent { phase, .. } if *phase == skipped)),
            Forgets::Sync => durability = Durability::Lazy,
            Forgets::End => {
                if batch.journal.iter().any(|(_, record)| matches!(record, JournalRecord::Closed { .. })) {
                    return Ok(());
                }
            }
        }
        self.store.commit(epoch, batch, durability).await
    }
}
