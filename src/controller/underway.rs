//! Which writes are under way: each from its acceptance to its end, through all its attempts.
//!
//! ```text
//!  asked ─► planning ─► waits at the gate ─► transaction (attempt 1) ─ stale ─► planning … attempt 2 ─► ended
//!             │  cancel: ended, nothing was sent  │             └─ cancel goes to the machine
//!             └──────────── promised (202): its record is stored before there is a journal of it
//! ```
//!
//! Guarantees: a transaction that was promised to a caller can be read from then on, also after a restart; two requests of
//! one name are one errand; who cancels before the first record was written ends it without anything being sent. It lives
//! in memory: what must survive is in the store (`requests`).

use super::failure::Failure;
use super::requests::RequestName;
use super::resolve::ID_MIN;
use crate::domain::{Origin, Phase, Principal, TransactionRecord};
use crate::transaction::{Progress, StopSignal, Timing};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The register.
#[derive(Default)]
pub(super) struct Underway {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By the id of each attempt.
    errands: BTreeMap<String, Arc<Errand>>,
    /// By key of the request's name.
    requests: BTreeMap<String, Arc<Errand>>,
}

/// One write on its way.
pub(super) struct Errand {
    /// Who asked.
    pub principal: Principal,
    /// Ends it early.
    pub stop: StopSignal,
    /// How far it is.
    pub progress: watch::Sender<Progress>,
    /// It was planned once: what can be refused by looking has been.
    pub understood: CancellationToken,
    /// Nobody works on it any more.
    pub ended: CancellationToken,
    /// Its name, if the caller gave one.
    pub request: Option<RequestName>,
    /// What is known of it in the store. Held while that changes.
    pub stage: tokio::sync::Mutex<Stage>,
    ids: Mutex<Vec<String>>,
}

/// What the store knows of an errand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// The runner writes the record of the present attempt.
    pub begun: bool,
    /// A caller was told the id of some attempt before it ended.
    pub promised: bool,
}

impl Errand {
    /// A new one; its first attempt has this id.
    pub fn new(
        principal: &Principal,
        request: Option<RequestName>,
        stop: StopSignal,
        id: String,
        now: Timestamp,
    ) -> Self {
        let origin = Origin { request: request.as_ref().map(|name| name.id.clone()), queued: Vec::new() };
        let summary = "not begun: it is being planned, or waits for its elements".into();
        let record = TransactionRecord { summary, origin, ..TransactionRecord::new(&id, principal.clone(), now) };
        let progress = Progress { change: 1, record: Some(record), timing: Timing::default() };
        Self {
            principal: principal.clone(),
            stop,
            progress: watch::Sender::new(progress),
            understood: CancellationToken::new(),
            ended: CancellationToken::new(),
            request,
            stage: tokio::sync::Mutex::default(),
            ids: Mutex::new(vec![id]),
        }
    }

    /// The id of the present attempt.
    pub fn id(&self) -> String {
        self.ids().last().cloned().unwrap_or_default()
    }

    /// The attempt before the present one.
    pub fn previous(&self) -> Option<String> {
        let ids = self.ids();
        ids.len().checked_sub(2).and_then(|at| ids.get(at).cloned())
    }

    /// The record of the present attempt as it stands.
    pub fn record(&self) -> Option<TransactionRecord> {
        self.progress.borrow().record.clone()
    }

    /// The record has changed outside the runner.
    pub fn note(&self, record: &TransactionRecord) {
        self.progress.send_modify(|shown| shown.follow(record, &Timing::default()));
    }

    /// Does something that is given up when somebody cancels.
    pub async fn unless_cancelled<T>(&self, doing: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            cause = self.stop.cancelled() => Err(Failure::Cancelled(cause.message)),
            done = doing => Ok(done),
        }
    }

    fn ids(&self) -> MutexGuard<'_, Vec<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Underway {
    /// Takes an errand in, unless one of the same name is under way: that one, then.
    pub fn begin(&self, errand: Errand) -> Result<Arc<Errand>, Arc<Errand>> {
        let errand = Arc::new(errand);
        let mut inner = self.inner();
        if let Some(request) = &errand.request {
            match inner.requests.entry(request.key(&errand.principal)) {
                Entry::Occupied(same) => return Err(same.get().clone()),
                Entry::Vacant(free) => drop(free.insert(errand.clone())),
            }
        }
        inner.errands.insert(errand.id(), errand.clone());
        Ok(errand)
    }

    /// The next attempt of an errand, under an id of its own.
    pub fn again(&self, errand: &Arc<Errand>, id: String) {
        errand.ids().push(id.clone());
        self.inner().errands.insert(id.clone(), errand.clone());
        errand.progress.send_modify(|shown| {
            shown.change += 1;
            shown.timing = Timing::default();
            if let Some(record) = &mut shown.record {
                (record.id, record.phase, record.outcome, record.finished) = (id, Phase::Planned, None, None);
                (record.decided, record.plan) = (None, String::new());
                record.elements.clear();
            }
        });
    }

    /// It has ended.
    pub fn leave(&self, errand: &Arc<Errand>) {
        let mut inner = self.inner();
        for id in errand.ids().iter() {
            inner.errands.remove(id);
        }
        if let Some(request) = &errand.request {
            inner.requests.remove(&request.key(&errand.principal));
        }
        drop(inner);
        errand.ended.cancel();
    }

    /// The errand of this name.
    pub fn of_request(&self, key: &str) -> Option<Arc<Errand>> {
        self.inner().requests.get(key).cloned()
    }

    /// The errand one of whose attempts has this id, or alone one that begins with these at least 8 characters.
    pub fn of(&self, id: &str) -> Option<Arc<Errand>> {
        let inner = self.inner();
        if id.len() < ID_MIN {
            return inner.errands.get(id).cloned();
        }
        let mut alike = inner.errands.range(id.to_owned()..).take_while(|(known, _)| known.starts_with(id));
        let (_, first) = alike.next()?;
        alike.all(|(_, other)| Arc::ptr_eq(first, other)).then(|| first.clone())
    }

    /// All that is under way.
    pub fn all(&self) -> Vec<Arc<Errand>> {
        let inner = self.inner();
        let latest = inner.errands.iter().filter(|(id, errand)| errand.id() == **id);
        latest.map(|(_, errand)| errand.clone()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No change of `Inner` can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(id: &str, request: Option<&str>) -> Errand {
        let request = request.map(|id| RequestName { id: id.into(), digest: "d".into(), creates: None });
        Errand::new(&Principal::daemon(), request, StopSignal::new(), id.into(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_name_is_one_errand_until_it_ends_and_every_attempt_leads_to_it() {
        let underway = Underway::default();
        let first = underway.begin(errand("t1", Some("r"))).unwrap_or_else(|_| panic!("taken"));
        assert!(underway.begin(errand("t2", Some("r"))).is_err_and(|same| Arc::ptr_eq(&same, &first)));
        assert!(underway.begin(errand("t3", None)).is_ok());
        underway.again(&first, "t9".into());
        for id in ["t1", "t9"] {
            assert!(underway.of(id).is_some_and(|found| Arc::ptr_eq(&found, &first)), "{id}");
        }
        assert!(underway.of("t").is_none(), "two begin so");
        assert_eq!((first.id(), first.previous()), ("t9".into(), Some("t1".into())));
        assert_eq!(underway.all().len(), 2);
        underway.leave(&first);
        assert!(first.ended.is_cancelled() && underway.of("t1").is_none() && underway.of("t9").is_none());
        assert!(underway.begin(errand("t4", Some("r"))).is_ok());
    }

    #[tokio::test]
    async fn what_is_cancelled_is_given_up() {
        let errand = errand("t1", None);
        assert_eq!(errand.unless_cancelled(async { 7 }).await.ok(), Some(7));
        errand.stop.cancel();
        let never = errand.unless_cancelled(std::future::pending::<()>()).await;
        assert!(matches!(never, Err(Failure::Cancelled(_))));
    }
}
