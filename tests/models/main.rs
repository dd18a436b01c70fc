//! Commit models of command lines: the transaction over simulated platforms that the files of this folder describe.
//!
//! Each platform is in the manner of a real one, and no real one has seen it; FRR 10.3 is the real one (`tests/extra`).
//! What is asked everywhere: the outcome, the element's configuration, and that nothing is left: no candidate, no session,
//! no pending commit. Loopback only; every wait asks for a condition and has an end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a stage that fails is a failed test

mod lab;
#[path = "../support/ride.rs"]
mod ride;
mod ways;

use andante::adagio::sim::Fault;
use andante::adagio::{Confirm, Effect};
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, Turn};
use lab::{Lab, PLATFORMS};
use std::time::{Duration, Instant};

fn refuse(on: &str, answer: &str) -> Fault {
    Fault::Refuse { on: on.into(), answer: answer.into(), times: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_applied_and_nothing_is_left() {
    for platform in PLATFORMS {
        let lab = Lab::start(platform.name).await;
        assert_eq!(lab.class().await, platform.class, "{}", platform.name);
        let record = lab.run().await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", platform.name);
        assert_eq!(record.elements["pe1"].turn, Turn::Confirmed, "{}", platform.name);
        lab.is_after(platform.name);
        for line in platform.typed {
            assert!(lab.typed().contains(line), "{}: {line:?} was not typed: {}", platform.name, lab.typed());
        }
        // And back again, on the same element.
        let record = lab.run_back().await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", platform.name);
        lab.is_before(platform.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_at_any_step_changes_nothing() {
    for platform in PLATFORMS {
        for (on, answer) in platform.refusals {
            let lab = Lab::start(platform.name).await;
            let what = format!("{} refuses {on}", platform.name);
            lab.sim.fault("pe1", refuse(on, answer)).unwrap();
            let record = lab.run().await;
            let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{what}: {record:#?}") };
            let words = answer.lines().last().unwrap();
            assert!(cause.message.contains(words), "{what}: {cause:?}");
            lab.is_before(&what);
            // It is no burden for the next one.
            let record = lab.run().await;
            assert_eq!(record.outcome, Some(Outcome::Applied), "{what}, and then: {record:#?}");
        }
    }
}

/// XR, word for word: the refusal is asked for its reason, and the reason is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pseudo_atomic_refusal_is_explained() {
    let lab = Lab::start("xr-like").await;
    let words = "% Failed to commit one or more configuration items during a pseudo-atomic operation.";
    lab.sim.fault("pe1", refuse("commit confirmed", words)).unwrap();
    let record = lab.run().await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert!(cause.message.contains(words) && cause.message.contains("would not be consistent"), "{cause:?}");
    assert!(lab.typed().contains("show configuration failed"));
    lab.is_before("explained");
}

/// Neither proof nor refusal: unknown. Reading decides, and it was not our wish yet, so it goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_its_proof_is_unknown() {
    for platform in PLATFORMS.iter().filter(|platform| platform.proof_in_words) {
        for done in [true, false] {
            let lab = Lab::start(platform.name).await;
            let (on, answer) = (platform.commit.to_owned(), "% Something else happened".to_owned());
            lab.sim.fault("pe1", if done { Fault::Say { on, answer } } else { refuse(&on, &answer) }).unwrap();
            let what = format!("{}, carried out: {done}", platform.name);
            let record = lab.run().await;
            assert!(matches!(&record.outcome, Some(Outcome::NotApplied { .. })), "{what}: {record:#?}");
            lab.is_before(&what);
        }
    }
}

/// The words of success without the deed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_in_words_only_is_found_by_reading_back() {
    let lab = Lab::start("junos-like").await;
    let words = "commit confirmed will be automatically rolled back in 5 minutes unless confirmed";
    lab.sim.fault("pe1", refuse("commit confirmed", words)).unwrap();
    let record = lab.run().await;
    let Some(Outcome::NotApplied { cause }) = &record.outcome else { panic!("{record:#?}") };
    assert_eq!(cause.kind, CauseKind::Verify, "{cause:?}");
    lab.is_before("in words only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_at_the_commit_is_taken_back_from_a_new_session() {
    for platform in PLATFORMS {
        for done in [true, false] {
            let lab = Lab::start(platform.name).await;
            lab.sim.fault("pe1", Fault::Close { on: platform.commit.into(), done }).unwrap();
            let what = format!("{}, carried out: {done}", platform.name);
            let record = lab.run().await;
            assert!(matches!(&record.outcome, Some(Outcome::NotApplied { .. })), "{what}: {record:#?}");
            lab.is_before(&what);
        }
    }
}

/// Nobody can reach it any more: its own timer takes it back, and until then it is said to be unresolved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_cannot_be_reached_goes_back_by_itself() {
    for platform in PLATFORMS.iter().filter(|platform| platform.class == Class::A) {
        let lab = Lab::start(platform.name).await;
        lab.die_at("after-apply:pe1").await;
        assert!(lab.sim.left_over("pe1").unwrap().iter().any(|what| what.starts_with("pending")), "{}", platform.name);
        lab.sim.fault("pe1", Fault::Unreachable).unwrap();
        let recovery = lab.recovery().await;
        let record = lab.recover(&recovery).await;
        assert!(matches!(&record.outcome, Some(Outcome::Unresolved { .. })), "{}: {record:#?}", platform.name);
        assert!(lab.sim.run_out("pe1").unwrap());
        lab.sim.mend("pe1").unwrap();
        recovery.hurry();
        let record = lab.recover(&recovery).await;
        assert!(matches!(&record.outcome, Some(Outcome::NotApplied { .. })), "{}: {record:#?}", platform.name);
        lab.is_before(platform.name);
    }
}

/// Every platform at the points that differ, and all of them together at every point; `ANDANTE_CASES` tries each platform
/// at each point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_at_every_point_leaves_all_or_nothing() {
    let all = std::env::var_os("ANDANTE_CASES").is_some();
    let mut points = Lab::start("vyos-like").await.points().await;
    // Notes are written when there is time; what is inside a verb is for the long run.
    points.retain(|point| !point.ends_with("-note") && (all || !point.contains('.')));
    assert!(points.len() > 14, "{points:?}");
    let decided = points.iter().position(|point| point == "after-intent-decided").unwrap();
    let telling = ["after-prepare:pe1", "after-apply:pe1", "before-confirm:pe1", "after-confirm:pe1"];
    let lanes = PLATFORMS.iter().enumerate().map(|(nth, platform)| {
        let points = &points;
        async move {
            let mut died = 0;
            for (at, point) in points.iter().enumerate() {
                if !all && at % PLATFORMS.len() != nth && !telling.contains(&point.as_str()) {
                    continue;
                }
                died += 1;
                let lab = Lab::start(platform.name).await;
                let what = format!("{} died at {point}", platform.name);
                lab.die_at(point).await;
                let recovery = lab.recovery().await;
                let records = recovery.run(&lab.south()).await.unwrap();
                if let Some(record) = records.first() {
                    assert!(record.finished.is_some(), "{what}: {record:#?}");
                    assert_eq!(record.outcome == Some(Outcome::Applied), at >= decided, "{what}: {record:#?}");
                } else {
                    let nothing = ["before-intent-planned", "after-end"];
                    assert!(nothing.contains(&point.as_str()), "{what}: nothing to recover");
                }
                if at >= decided { lab.is_after(&what) } else { lab.is_before(&what) }
            }
            died
        }
    });
    let died: usize = futures::future::join_all(lanes).await.into_iter().sum();
    println!("died {died} times at {} points", points.len());
}

/// After the decision the commit is confirmed from a session that never made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_session_confirms() {
    for platform in PLATFORMS.iter().filter(|platform| platform.class == Class::A) {
        let lab = Lab::start(platform.name).await;
        lab.die_at("after-intent-decided").await;
        let (before, name) = (lab.sessions().len(), lab.pending_name());
        let recovery = lab.recovery().await;
        let record = lab.recover(&recovery).await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", platform.name);
        let later = lab.sessions()[before..].concat();
        assert!(later.contains(&platform.confirm.replace("NAME", &name)), "{}: {later}", platform.name);
        assert!(!later.contains(platform.commit), "{} committed again: {later}", platform.name);
        lab.is_after(platform.name);
    }
}

/// The decision stands, but the element went back meanwhile: it is brought forward, whatever a late confirm says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_that_ran_out_after_the_decision_is_made_up_for() {
    for platform in PLATFORMS.iter().filter(|platform| platform.class == Class::A) {
        let lab = Lab::start(platform.name).await;
        lab.die_at("after-intent-decided").await;
        assert!(lab.sim.run_out("pe1").unwrap());
        let recovery = lab.recovery().await;
        let record = lab.recover(&recovery).await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", platform.name);
        lab.is_after(platform.name);
    }
}

/// By a step of the platform; without one there is time until there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_is_started_anew_or_the_truth_is_told() {
    let confirm = Confirm { persist: "andante.x.1.00".into(), timeout: Duration::from_secs(2) };
    for extends in [true, false] {
        let lab = Lab::start_with("eos-like", |manifest| match extends {
            true => manifest,
            false => {
                let (head, rest) = manifest.split_once("[commit.extend]").unwrap();
                format!("{head}[commit.confirm]{}", rest.split_once("[commit.confirm]").unwrap().1)
            }
        })
        .await;
        let mut writer = lab.south()["pe1"].open_writer().await.unwrap();
        writer.lock().await.unwrap();
        writer.announce(&confirm.persist);
        writer.prepare(&lab.payload()).await.unwrap();
        writer.apply(&lab.payload(), Some(&confirm)).await.unwrap();
        writer.extend(&confirm).await.unwrap();
        assert_eq!(lab.typed().matches(" commit timer 00:00:02").count(), usize::from(extends), "{}", lab.typed());
        if !extends {
            let start = Instant::now();
            let refused = loop {
                match writer.extend(&confirm).await {
                    Ok(()) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(refused) => break refused,
                }
                assert!(start.elapsed() < confirm.timeout, "the element has gone back, and nothing was said");
            };
            assert_eq!(refused.effect, Effect::Partial, "{refused}");
            assert!(start.elapsed() < confirm.timeout, "it said so after the element went back");
        }
        // Its own timer, this time.
        lab.until("it went back", <[String]>::is_empty).await;
        lab.before_is_running("its own timer");
        // Too late, and told so by an answer: reading decides.
        for late in [writer.confirm(&confirm.persist).await, writer.cancel(&confirm.persist).await] {
            assert_eq!(late.unwrap_err().tag.as_deref(), Some("operation-failed"));
        }
    }
}
