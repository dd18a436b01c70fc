//! A probe by which a test stops a transaction at a named point, does something to an element, and lets it go on.

use andante::transaction::Probe;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// The points that somebody waits for. Each is met once.
#[derive(Default)]
pub struct Holds {
    wanted: Mutex<BTreeMap<String, Arc<Meeting>>>,
}

#[derive(Default)]
struct Meeting {
    reached: Notify,
    goes_on: Notify,
}

/// One point. Dropping it lets the transaction go on.
pub struct Hold {
    point: String,
    meeting: Arc<Meeting>,
}

impl Holds {
    /// The next transaction that comes to this point stops there.
    pub fn at(&self, point: &str) -> Hold {
        let meeting = Arc::new(Meeting::default());
        self.wanted.lock().unwrap().insert(point.to_owned(), meeting.clone());
        Hold { point: point.to_owned(), meeting }
    }

    /// The points that nobody has come to are forgotten.
    pub fn clear(&self) {
        self.wanted.lock().unwrap().clear();
    }
}

impl Hold {
    /// Waits until a transaction stands there.
    pub async fn reached(&self) {
        let waited = tokio::time::timeout(Duration::from_secs(60), self.meeting.reached.notified()).await;
        assert!(waited.is_ok(), "nobody came to {}", self.point);
    }

    /// Lets it go on.
    pub fn go_on(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.meeting.goes_on.notify_one();
    }
}

impl Probe for Holds {
    fn at(&self, point: &str) -> BoxFuture<'static, ()> {
        let Some(meeting) = self.wanted.lock().unwrap().remove(point) else { return Box::pin(std::future::ready(())) };
        Box::pin(async move {
            meeting.reached.notify_one();
            meeting.goes_on.notified().await;
        })
    }
}
