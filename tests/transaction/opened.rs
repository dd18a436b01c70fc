//! A transaction goes on with the sessions that read for its plan: two sessions of each element and not three; and when such
//! a session has died meanwhile, nobody is told that something failed.

use crate::stage::{Stage, not_applied};
use andante::adagio::sim::Fault;
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome};
use andante::transaction::Opened;

const ALL: [Class; 4] = [Class::A, Class::B, Class::C, Class::D];

/// Sessions to all elements, each after a reading, as a planner leaves them.
async fn opened(stage: &Stage) -> Opened {
    let mut opened = Opened::default();
    for (name, south) in &stage.south {
        let mut writer = south.open_writer().await.unwrap();
        writer.read_running().await.unwrap();
        opened.extend([(name.clone(), writer)]);
    }
    opened
}

fn sessions(stage: &Stage) -> Vec<usize> {
    stage.sim.names().into_iter().map(|name| stage.sim.wire(name).unwrap().len()).collect()
}

/// The first thing that is sent on a session of this class, after the reading for the plan.
fn first(class: Class) -> &'static str {
    if class == Class::D { "show running-config" } else { "lock" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_that_read_writes() {
    let stage = Stage::of(&ALL).await;
    let before = sessions(&stage);
    let opened = opened(&stage).await;
    assert_eq!(stage.run_with("t1", opened).await.outcome, Some(Outcome::Applied));
    stage.all_after();
    // One more than the session that read: the read-back never comes from the session that wrote.
    let after: Vec<usize> = before.iter().map(|count| count + 2).collect();
    assert_eq!(sessions(&stage), after);
}

/// The connection ends between the reading and the first order, in every class.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_died_since_it_read_is_no_failure() {
    for class in ALL {
        let stage = Stage::of(&[class]).await;
        let opened = opened(&stage).await;
        let before = sessions(&stage);
        stage.fault("pe1", Fault::Close { on: first(class).into(), done: false });
        let record = stage.run_with("t1", opened).await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "class {class}: {record:#?}");
        stage.all_after();
        assert_eq!(sessions(&stage)[0], before[0] + 2, "class {class}: one to write in its place, one to read back");
        // The same on a session of its own is what it always was: the element is not reached.
        let stage = Stage::of(&[class]).await;
        stage.fault("pe1", Fault::Close { on: first(class).into(), done: false });
        assert_eq!(not_applied(&stage.run().await).kind, CauseKind::Unreachable, "class {class}");
        stage.all_before();
    }
}

/// The session is cut while the lock is carried out: the lock goes with the session, and is taken on the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_dies_of_its_lock_is_no_failure() {
    for class in [Class::A, Class::B, Class::C] {
        let stage = Stage::of(&[class]).await;
        let opened = opened(&stage).await;
        stage.fault("pe1", Fault::Close { on: "lock".into(), done: true });
        let record = stage.run_with("t1", opened).await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "class {class}: {record:#?}");
        stage.all_after();
    }
}

/// The answer to the lock never comes, and the element goes on to believe in the session: the one that comes after it finds
/// the lock in the hands of a session of ours, ends that, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_session_that_holds_the_lock_is_ended() {
    let stage = Stage::of(&[Class::A]).await;
    let opened = opened(&stage).await;
    stage.fault("pe1", Fault::LoseReply { on: "lock".into() });
    let record = stage.run_with("t1", opened).await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    stage.all_after();
}

/// It is the answer of the element that counts, not that of a dead session: a refusal is not asked for twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_no_dead_session() {
    let stage = Stage::of(&[Class::A]).await;
    let opened = opened(&stage).await;
    let before = sessions(&stage);
    stage.fault("pe1", Fault::Refuse { on: "lock".into(), answer: "access-denied".into(), times: 1 });
    not_applied(&stage.run_with("t1", opened).await);
    assert_eq!(sessions(&stage), before);
    stage.all_before();
}
