//! Other people in the way: in configuration mode, in the candidate, with a commit of their own, or with ours.

use crate::lab::{Lab, PLATFORMS};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_in_configuration_mode_is_waited_for_and_named() {
    for (platform, enter, leave, says) in [
        ("junos-like", "configure exclusive", "exit configuration-mode", "configuration database locked by"),
        ("xr-like", "configure exclusive", "abort", "locked by another user"),
        ("vyos-like", "configure", "exit discard", "configures since"),
    ] {
        let mut lab = Lab::start(platform).await;
        lab.rider.limits.lock = Duration::from_millis(700);
        let mut operator = lab.operator().await;
        operator.run_step(enter, &[]).await.unwrap();
        let record = lab.run().await;
        let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{platform}: {record:#?}") };
        assert_eq!(cause.kind, CauseKind::Locked, "{platform}: {cause:?}");
        assert!(cause.message.contains(says), "{platform}: {cause:?}");
        lab.before_is_running(platform);
        // Now he leaves while we wait.
        lab.rider.limits.lock = Duration::from_secs(20);
        let (record, _) = tokio::join!(lab.run(), async {
            let waits = async {
                while !lab.sessions().last().is_some_and(|last| last.contains("exit") || last.contains("config")) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(lab.rider.limits.lock, waits).await.expect("we come to the lock");
            operator.run_step(leave, &[]).await.unwrap();
        });
        assert_eq!(record.outcome, Some(Outcome::Applied), "{platform}: {record:#?}");
        lab.is_after(platform);
    }
}

/// F1: edits that a dead session left in a shared candidate are shown, and neither committed nor thrown away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebodys_edits_in_the_candidate_are_left_alone() {
    let mut lab = Lab::start("vyos-like").await;
    lab.rider.limits.lock = Duration::from_millis(700);
    let mut operator = lab.operator().await;
    for line in ["configure", "interface eth9", "description his", "exit"] {
        operator.send_line(line).await.unwrap();
    }
    drop(operator);
    lab.until("his session has ended", |left| left == ["candidate"]).await;
    let record = lab.run().await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(cause.message.contains("somebody's edits") && cause.message.contains("eth9"), "{cause:?}");
    assert_eq!(lab.sim.left_over("pe1").unwrap(), ["candidate"], "his edits are still there");
    assert!(!lab.sim.text("pe1").unwrap().contains("eth9"));
    lab.before_is_running("with his edits in the candidate");
}

/// A named session of ours that nobody will come back for is aborted; somebody else's is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_session_of_ours_is_aborted_at_reconnect() {
    let lab = Lab::start("eos-like").await;
    for name in ["andante-00112233aabbccdd", "ops"] {
        let mut session = lab.operator().await;
        for line in [&format!("configure session {name}"), "interface eth9", "description left"] {
            session.send_line(line).await.unwrap();
        }
    }
    lab.until("both sessions have ended", |left| left == ["andante-00112233aabbccdd", "ops"]).await;
    let record = lab.run().await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    assert_eq!(lab.sim.left_over("pe1").unwrap(), ["ops"]);
    assert!(!lab.sim.text("pe1").unwrap().contains("eth9"));
}

/// Somebody else's timed commit waits: ours does not begin, so theirs is not confirmed along with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_timed_commit_is_not_confirmed_by_ours() {
    let mut lab = Lab::start("junos-like").await;
    lab.rider.limits.lock = Duration::from_millis(700);
    let mut operator = lab.operator().await;
    for line in ["configure exclusive", "interface eth9", "description his", "exit", "commit confirmed 5 comment his"] {
        operator.run_step(line, &[]).await.unwrap();
    }
    operator.run_step("exit configuration-mode", &[]).await.unwrap();
    let record = lab.run().await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert_eq!(cause.kind, CauseKind::Locked, "{cause:?}");
    assert!(cause.message.contains("waits for its confirmation"), "{cause:?}");
    assert_eq!(lab.sim.left_over("pe1").unwrap(), ["pending his"]);
}

/// Our commit is confirmed by somebody else before we decided: it is compensated, and never said to have gone back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_confirming_our_commit_is_made_up_for() {
    for platform in PLATFORMS.iter().filter(|platform| platform.class == Class::A) {
        let lab = Lab::start(platform.name).await;
        lab.die_at("after-apply:pe1").await;
        let name = lab.pending_name();
        let mut operator = lab.operator().await;
        for line in platform.enter.iter().copied().chain([platform.confirm]) {
            operator.run_step(&line.replace("NAME", &name), &[]).await.unwrap();
        }
        drop(operator);
        lab.until("it is confirmed", <[String]>::is_empty).await;
        let recovery = lab.recovery().await;
        let record = lab.recover(&recovery).await;
        assert!(matches!(&record.outcome, Some(Outcome::NotApplied { .. })), "{}: {record:#?}", platform.name);
        lab.is_before(platform.name);
    }
}

/// A change by hand inside our window on the paths of nobody: what our cancel takes along is not ours to keep, but what
/// is applied stays with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_hand_beside_ours_survives_the_commit() {
    for platform in PLATFORMS {
        let lab = Lab::start(platform.name).await;
        lab.die_at("after-intent-decided").await;
        lab.sim.hand_edit("pe1", "interface eth7\n mtu 1400\nexit").unwrap();
        let recovery = lab.recovery().await;
        let record = lab.recover(&recovery).await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", platform.name);
        assert!(lab.sim.text("pe1").unwrap().contains("eth7"), "{}", platform.name);
        lab.nothing_is_left(platform.name);
    }
}
