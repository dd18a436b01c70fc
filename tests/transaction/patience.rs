//! Which limit ends what: of one order, of one platform, and until when the caller is told to wait.

use crate::stage::{Stage, limits, not_applied};
use andante::adagio::sim::Fault;
use andante::adagio::{DriverError, ElementLimits, Reader, Southbound, Writer};
use andante::domain::{Class, Outcome};
use andante::transaction::Progress;
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The limit of locks ends a lock that hangs, not that of confirms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_hangs_ends_with_the_limit_of_locks() {
    let stage = Stage::of(&[Class::A]).await;
    assert!(limits().lock < limits().confirm);
    stage.fault("pe1", Fault::Delay { on: "lock".into(), time: limits().confirm - Duration::from_secs(1) });
    let cause = not_applied(&stage.run().await);
    let lock = limits().lock.as_secs();
    assert!(cause.message.starts_with("lock") && cause.message.contains(&format!("within {lock}")), "{cause}");
    stage.all_before();
}

/// A line has the limit of its verb, not that of any answer: commits take their time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_line_has_the_limit_of_its_verb() {
    let stage = Stage::of(&[Class::D]).await;
    // More than the session's own limit of two seconds, less than the five of the verb.
    stage.fault("pe1", Fault::Delay { on: "vrf".into(), time: Duration::from_secs(3) });
    let record = stage.run().await;
    assert_eq!(record.outcome, Some(Outcome::Applied), "{record:#?}");
    stage.all_after();
}

/// An element whose platform has limits of its own.
struct Platform(Arc<dyn Southbound>, ElementLimits);

#[async_trait]
impl Southbound for Platform {
    fn element(&self) -> &str {
        self.0.element()
    }

    async fn open_reader(&self) -> Result<Box<dyn Reader>, DriverError> {
        self.0.open_reader().await
    }

    async fn open_writer(&self) -> Result<Box<dyn Writer>, DriverError> {
        self.0.open_writer().await
    }

    fn limits(&self) -> ElementLimits {
        self.1
    }
}

/// Whoever watches is told the deadline that really ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_that_is_shown_is_that_of_the_platform() {
    let mut stage = Stage::of(&[Class::A]).await;
    let own = ElementLimits { commit: Some(900), ..ElementLimits::default() };
    let plain = stage.south["pe1"].clone();
    stage.south.insert("pe1".into(), Arc::new(Platform(plain, own)));
    let (progress, watched) = watch::channel(Progress::default());
    let seen = Arc::new(Mutex::new(None));
    let kept = seen.clone();
    stage.at.the("before-apply:pe1", move || async move {
        *kept.lock().unwrap() = watched.borrow().timing.deadlines.get("pe1").copied();
    });
    let record = stage.watched("t1", Some(progress)).await;
    assert_eq!(record.outcome, Some(Outcome::Applied));
    let left = seen.lock().unwrap().unwrap().duration_since(record.started);
    assert!((900..960).contains(&left.as_secs()), "{left:?}");
}
