//! Each time limit of a transaction acts alone: all others are long, one operation is slow, and the transaction ends by
//! that limit, long before the operation would have answered. With the long limit the same slowness is only slow.

use crate::stage::{Stage, limits, not_applied};
use andante::adagio::sim::Fault;
use andante::domain::outcome::CauseKind;
use andante::domain::{Class, Outcome, TransactionRecord};
use andante::transaction::TransactionLimits;
use std::time::{Duration, Instant};

/// The limit under test; far longer than what an element needs that is not slow.
const SHORT: Duration = Duration::from_secs(2);
/// How slow the operation is.
const SLOW: Duration = Duration::from_secs(9);
const LONG: Duration = Duration::from_secs(60);

/// A limit, the operation that is slow and from which point on, and what is said of it: the session and the crew above it
/// have the same limit, and on a busy machine either is the first to see it.
struct Case {
    name: &'static str,
    set: fn(&mut TransactionLimits) -> &mut Duration,
    on: &'static str,
    from: &'static str,
    said: [&'static str; 2],
}

const CASES: [Case; 5] = [
    Case { name: "lock", set: |all| &mut all.lock, on: "lock", from: "before-lock:pe1", said: ["lock", "lock"] },
    Case {
        name: "prepare",
        set: |all| &mut all.prepare,
        on: "edit-config",
        from: "before-prepare:pe1",
        said: ["edit candidate", "prepare: "],
    },
    Case {
        name: "commit",
        set: |all| &mut all.apply,
        on: "commit",
        from: "before-apply:pe1",
        said: ["commit", "apply: "],
    },
    Case {
        name: "verify",
        set: |all| &mut all.verify,
        on: "get-config",
        from: "before-verify:pe1",
        said: ["read running", "read back: "],
    },
    Case { name: "confirm", set: |all| &mut all.confirm, on: "commit", from: "before-confirm:pe1", said: ["", ""] },
];

fn long() -> TransactionLimits {
    TransactionLimits { connect: LONG, lock: LONG, prepare: LONG, apply: LONG, verify: LONG, confirm: LONG, ..limits() }
}

impl Stage {
    /// From this point on this operation is slow, once.
    fn slow(&self, on: &str, from: &str) {
        let (sim, on) = (self.sim.clone(), on.to_owned());
        self.at.the(from, move || async move { sim.fault("pe1", Fault::Delay { on, time: SLOW }).unwrap() });
    }

    async fn timed(&self) -> (TransactionRecord, Duration) {
        let since = Instant::now();
        let record = self.run().await;
        (record, since.elapsed())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_acts_alone() {
    let alone = CASES.iter().map(async |case| {
        let mut stage = Stage::of(&[Class::A, Class::A]).await;
        let mut all = long();
        *(case.set)(&mut all) = SHORT;
        stage.limit(all).await;
        stage.slow(case.on, case.from);
        let (record, took) = stage.timed().await;
        let what = format!("{}: {took:?}", case.name);
        assert!(took >= SHORT && took < SLOW, "{what}: not ended by its limit: {record:#?}");
        if case.name == "confirm" {
            // It is decided: the lost answer is asked for again on another session.
            assert_eq!(record.outcome, Some(Outcome::Applied), "{what}: {record:#?}");
            stage.all_after();
            return;
        }
        let cause = not_applied(&record);
        assert_eq!(cause.element.as_deref(), Some("pe1"), "{what}: {cause}");
        assert!(matches!(cause.kind, CauseKind::Unreachable | CauseKind::Verify), "{what}: {cause}");
        assert!(case.said.iter().any(|said| cause.message.contains(said)), "{what}: {cause}");
        println!("{what}: {cause}");
        stage.all_before();
    });
    futures::future::join_all(alone).await;
}

/// The limit for a connection: somebody takes the call and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_connection_acts_alone() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stage = Stage::of(&[Class::A, Class::A]).await;
    stage.limit(TransactionLimits { connect: SHORT, ..long() }).await;
    stage.moves("pe1", &silent.local_addr().unwrap().to_string());
    let (record, took) = stage.timed().await;
    assert!(took >= SHORT && took < SLOW, "{took:?}: {record:#?}");
    let cause = not_applied(&record);
    assert_eq!((cause.kind, cause.element.as_deref()), (CauseKind::Unreachable, Some("pe1")), "{cause}");
    assert!(cause.message.contains("open a session: no answer within 2 s"), "{cause}");
    stage.all_before();
}

/// The other half: under long limits each of these is only slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_slow_under_long_limits_is_only_slow() {
    let patient = CASES.iter().map(async |case| {
        let mut stage = Stage::of(&[Class::A, Class::A]).await;
        stage.limit(long()).await;
        stage.slow(case.on, case.from);
        let (record, took) = stage.timed().await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{}: {record:#?}", case.name);
        assert!(took >= SLOW, "{}: nothing was slow", case.name);
        stage.all_after();
    });
    futures::future::join_all(patient).await;
}

/// A platform's own limits, in its adapter: longer than the daemon's for who is known to be slow, and shorter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_an_adapter_stand_in_place_of_the_daemons() {
    let own = |seconds: u64| format!("[limits]\ncommit = {seconds}\n\n[netconf]\n");
    let slower = async {
        let says = own(60);
        let mut stage = Stage::where_adapters(&[Class::A], |_| {}, &[("[netconf]\n", &says)]).await;
        stage.limit(TransactionLimits { apply: SHORT, ..long() }).await;
        stage.slow("commit", "before-apply:pe1");
        let (record, took) = stage.timed().await;
        assert_eq!(record.outcome, Some(Outcome::Applied), "{took:?}: {record:#?}");
        assert!(took >= SLOW, "{took:?}: nothing was slow");
    };
    let faster = async {
        let says = own(SHORT.as_secs());
        let mut stage = Stage::where_adapters(&[Class::A], |_| {}, &[("[netconf]\n", &says)]).await;
        stage.limit(long()).await;
        stage.slow("commit", "before-apply:pe1");
        let (record, took) = stage.timed().await;
        let cause = not_applied(&record);
        let said = ["commit", "apply: "].iter().any(|said| cause.message.contains(said));
        assert!(took < SLOW && said, "{took:?}: {cause}");
        stage.all_before();
    };
    tokio::join!(slower, faster);
}

/// Others work on the same cores, two threads for each: slow is not failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_busy_with_others_makes_nothing_fail() {
    struct Spinning(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Spinning {
        fn drop(&mut self) {
            self.0.store(false, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let mut stage = Stage::of(&[Class::A, Class::B, Class::D]).await;
    // The daemon's own limits.
    stage.limit(TransactionLimits::default()).await;
    let on = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let spinning = Spinning(on.clone());
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
        let on = on.clone();
        std::thread::spawn(move || {
            while on.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    let (record, took) = stage.timed().await;
    drop(spinning);
    assert_eq!(record.outcome, Some(Outcome::Applied), "{took:?}: {record:#?}");
    stage.all_after();
}
