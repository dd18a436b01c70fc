//! Names that callers give to their requests, so that one that is sent again is never carried out twice.
//!
//! A name is bound when its transaction begins: it becomes durable in the same batch as the first record, before anything is
//! sent, or when the transaction is promised to a caller (202). What was refused before that was not carried out and binds
//! nothing: sent again, it is judged anew. The same name with other content is refused. Names belong to their user; they
//! are forgotten after a time, and the oldest when there are too many.
//!
//! Every verb that takes [`Terms`] looks at the name by itself ([`Controller::once`]), so no front end can forget it. One
//! that looks at something else first (a document's precondition, the deviations it names) asks [`Controller::given`]
//! before that: the first request may have moved it.

use super::underway::Errand;
use super::{Controller, Failure, Terms, closing};
use crate::domain::outcome::{Cause, CauseKind};
use crate::domain::{Outcome, Phase, Principal, TransactionRecord, Verb, authorize};
use crate::store::{self, Batch, Store, StoreError, Table};
use crate::transaction::in_time;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The name of a request, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestName {
    /// As the caller gave it.
    pub id: String,
    /// Of everything that makes two requests the same.
    pub digest: String,
    /// The resource that it creates, if it does: answered again to the same request.
    pub creates: Option<String>,
}

impl RequestName {
    /// Its key in the register and, behind [`GIVEN`], in the store.
    pub(super) fn key(&self, principal: &Principal) -> String {
        format!("{}/{}", principal.user, self.id)
    }
}

/// What became of a request that was sent before.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeated {
    /// Its transaction.
    pub record: TransactionRecord,
    /// What it created.
    pub creates: Option<String>,
}

/// A name as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Given {
    digest: String,
    transaction: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creates: Option<String>,
}

/// The stored names by age.
#[derive(Default)]
pub(super) struct Requests {
    known: Mutex<BTreeSet<(Timestamp, String)>>,
}

/// How long names are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// A name is kept so long.
    pub keep: Duration,
    /// So many are kept.
    pub max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { keep: Duration::from_secs(86_400), max: 100_000 }
    }
}

impl Requests {
    /// What the store holds.
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let rows: Vec<(String, Given)> = store::list(store, Table::Requests, GIVEN).await?;
        let known = rows.into_iter().map(|(key, given)| (given.at, key)).collect();
        Ok(Self { known: Mutex::new(known) })
    }

    /// Takes a new key in; answers those that go for it.
    fn make_room(&self, key: &str, now: Timestamp, limits: RequestLimits) -> Vec<String> {
        let mut known = self.known();
        known.insert((now, key.to_owned()));
        let keep = SignedDuration::try_from(limits.keep).unwrap_or(SignedDuration::MAX);
        let oldest = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
        let mut gone = Vec::new();
        while let Some((at, _)) = known.first()
            && (*at < oldest || known.len() > limits.max.max(1))
            && gone.len() < ROOM
        {
            gone.extend(known.pop_first().map(|(_, key)| key));
        }
        // The same name again, later: its newer entry stands for it.
        gone.retain(|gone| gone != key);
        gone
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Controller {
    /// What became of a request of this name, if one was begun. One that runs is waited for as long as asked.
    ///
    /// # Errors
    /// [`Failure::RequestReused`]: the name stands for something else.
    pub async fn given(
        &self,
        principal: &Principal,
        request: &RequestName,
        wait: Option<Duration>,
    ) -> Result<Option<Repeated>, Failure> {
        authorize(principal, Verb::Read, "transactions")?;
        if let Some(errand) = self.underway.of_request(&request.key(principal)) {
            return self.joined(&errand, request, wait).await;
        }
        self.stored_request(principal, request).await
    }

    /// Carries out a verb, unless a request of its name was begun before: then what became of that one is answered, also
    /// when it moved what this one is about (its plan is stale, its deviation is gone).
    ///
    /// # Errors
    /// What the verb answers; [`Failure::RequestReused`]: the name stands for something else.
    pub(super) async fn once(
        &self,
        principal: &Principal,
        terms: &Terms,
        doing: impl Future<Output = Result<TransactionRecord, Failure>>,
    ) -> Result<TransactionRecord, Failure> {
        let Some(request) = &terms.request else { return doing.await };
        if let Some(repeated) = self.given(principal, request, terms.patience()).await? {
            return Ok(repeated.record);
        }
        match doing.await {
            // The first may have been carried out since we looked.
            Err(failure) => match self.given(principal, request, terms.patience()).await {
                Ok(Some(repeated)) => Ok(repeated.record),
                _ => Err(failure),
            },
            done => done,
        }
    }

    /// What the store says of a name.
    pub(super) async fn stored_request(
        &self,
        principal: &Principal,
        request: &RequestName,
    ) -> Result<Option<Repeated>, Failure> {
        let key = format!("{GIVEN}{}", request.key(principal));
        let given: Option<Given> = store::get(self.parts.store.as_ref(), Table::Requests, &key).await?;
        let Some(given) = given else { return Ok(None) };
        if given.digest != request.digest {
            return Err(Failure::RequestReused { id: request.id.clone(), transaction: given.transaction });
        }
        let record = self.followed(&given.transaction).await?;
        // A record that was cleared away says nothing any more; to run it again would be worse than to say so.
        let gone = || Failure::NotFound { what: format!("the transaction {} of this request", given.transaction) };
        Ok(Some(Repeated { record: record.ok_or_else(gone)?, creates: given.creates }))
    }

    /// Waits for an errand of the same name. `None`: it ended without having begun.
    pub(super) async fn joined(
        &self,
        errand: &Errand,
        request: &RequestName,
        wait: Option<Duration>,
    ) -> Result<Option<Repeated>, Failure> {
        let first = errand.request.as_ref();
        if first.is_none_or(|first| first.digest != request.digest) {
            return Err(Failure::RequestReused { id: request.id.clone(), transaction: errand.id() });
        }
        let creates = first.and_then(|first| first.creates.clone());
        let ended = match wait {
            None => {
                errand.ended.cancelled().await;
                true
            }
            // At once is when the first one was planned: what can be refused by looking is refused to both.
            Some(Duration::ZERO) => tokio::select! {
                biased;
                () = errand.ended.cancelled() => true,
                () = errand.understood.cancelled() => false,
            },
            Some(wait) => in_time(self.parts.ambient.as_ref(), wait, errand.ended.cancelled()).await.is_some(),
        };
        if !ended {
            self.promise(errand).await?;
            // Of an attempt that has ended nobody knows yet whether another one follows.
            if let Some(record) = errand.record().filter(|record| record.finished.is_none()) {
                return Ok(Some(Repeated { record, creates }));
            }
            errand.ended.cancelled().await;
        }
        self.stored_request(&errand.principal, request).await
    }

    /// The record of a transaction, or of the attempt that went on with it.
    async fn followed(&self, id: &str) -> Result<Option<TransactionRecord>, Failure> {
        let mut id = id.to_owned();
        for _ in 0..ATTEMPTS_MAX {
            let record: Option<TransactionRecord> =
                store::get(self.parts.store.as_ref(), Table::Transactions, &id).await?;
            match record {
                Some(TransactionRecord { continued_by: Some(next), .. }) => id = next,
                other => return Ok(other),
            }
        }
        Ok(None)
    }

    /// What goes into the first batch of an attempt.
    pub(super) async fn beginning(&self, errand: &Errand) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        let id = errand.id();
        batch.delete(Table::Requests, &format!("{ACCEPTED}{id}"));
        self.named(errand, &id, &mut batch)?;
        if let Some(previous) = errand.previous() {
            self.continued(&previous, &id, &mut batch).await?;
        }
        Ok(batch)
    }

    /// The name of the request, bound to this transaction.
    fn named(&self, errand: &Errand, id: &str, batch: &mut Batch) -> Result<(), Failure> {
        let Some(request) = &errand.request else { return Ok(()) };
        let (now, key) = (self.parts.ambient.now(), format!("{GIVEN}{}", request.key(&errand.principal)));
        for gone in self.requests.make_room(&key, now, self.parts.requests) {
            batch.delete(Table::Requests, &gone);
        }
        let (digest, creates) = (request.digest.clone(), request.creates.clone());
        batch.put(Table::Requests, &key, &Given { digest, transaction: id.into(), at: now, creates })?;
        Ok(())
    }

    /// Says in the record of an attempt which one went on.
    async fn continued(&self, previous: &str, id: &str, batch: &mut Batch) -> Result<(), Failure> {
        let store = self.parts.store.as_ref();
        if let Some(mut record) = store::get::<TransactionRecord>(store, Table::Transactions, previous).await? {
            record.continued_by = Some(id.into());
            batch.put(Table::Transactions, previous, &record)?;
        }
        Ok(())
    }

    /// A caller is going to be told of the transaction: from now on it can be read, whatever happens to this process.
    pub(super) async fn promise(&self, errand: &Errand) -> Result<(), Failure> {
        let mut stage = errand.stage.lock().await;
        if !stage.begun
            && !stage.promised
            && !errand.ended.is_cancelled()
            && let Some(record) = errand.record()
        {
            let mut batch = Batch::default();
            batch.put(Table::Transactions, &record.id, &record)?;
            batch.put(Table::Requests, &format!("{ACCEPTED}{}", record.id), &record.id)?;
            self.named(errand, &record.id, &mut batch)?;
            self.commit_batch(batch).await?;
        }
        stage.promised = true;
        Ok(())
    }

    /// The end of an errand whose present attempt never began: where somebody knows of it, its record says why.
    pub(super) async fn concluded(
        &self,
        errand: &Errand,
        result: Result<TransactionRecord, Failure>,
    ) -> Result<TransactionRecord, Failure> {
        let failure = match result {
            Err(failure) => failure,
            done => return done,
        };
        let stage = errand.stage.lock().await;
        let cancelled = matches!(failure, Failure::Cancelled(_));
        // What an earlier attempt came to is in the store, and would be taken for the end of this request.
        let told = stage.promised || cancelled || errand.previous().is_some();
        let Some(mut record) = errand.record().filter(|_| !stage.begun && told) else {
            return Err(failure);
        };
        record.outcome = Some(Outcome::NotApplied { cause: failure.cause() });
        record.phase = Phase::Closed;
        record.finished = Some(self.parts.ambient.now());
        record.summary = "ended before it began".into();
        let mut batch = closing::end(&record, self.parts.ambient.now());
        batch.put(Table::Transactions, &record.id, &record)?;
        batch.delete(Table::Requests, &format!("{ACCEPTED}{}", record.id));
        self.named(errand, &record.id, &mut batch)?;
        if let Some(previous) = errand.previous() {
            self.continued(&previous, &record.id, &mut batch).await?;
        }
        self.commit_batch(batch).await?;
        errand.note(&record);
        if cancelled { Ok(record) } else { Err(failure) }
    }

    /// Ends what a daemon before us promised and never began: nothing was sent of it.
    pub(super) async fn end_promised(&self) -> Result<Vec<TransactionRecord>, Failure> {
        let store = self.parts.store.as_ref();
        let mut ended = Vec::new();
        for (key, id) in store::list::<String>(store, Table::Requests, ACCEPTED).await? {
            let record: Option<TransactionRecord> = store::get(store, Table::Transactions, &id).await?;
            let mut batch = Batch::default();
            batch.delete(Table::Requests, &key);
            if let Some(mut record) = record.filter(|record| record.finished.is_none()) {
                let message = "the daemon ended before this transaction had begun; nothing was sent".into();
                let cause = Cause { message, ..Cause::of(CauseKind::Interrupted) };
                record.outcome = Some(Outcome::NotApplied { cause });
                record.phase = Phase::Closed;
                record.finished = Some(self.parts.ambient.now());
                batch.extend(closing::end(&record, self.parts.ambient.now()));
                batch.put(Table::Transactions, &id, &record)?;
                ended.push(record);
            }
            self.commit_batch(batch).await?;
        }
        Ok(ended)
    }
}

/// Before the key of a name.
const GIVEN: &str = "given/";
/// Before the id of a transaction that was promised and has not begun.
const ACCEPTED: &str = "accepted/";
/// How many names go with one batch at most.
const ROOM: usize = 64;
/// More attempts than a request ever has.
const ATTEMPTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_with_age_and_number_the_oldest_first() {
        let requests = Requests::default();
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap_or_default();
        let limits = RequestLimits { keep: Duration::from_secs(100), max: 3 };
        let none: [&str; 0] = [];
        assert_eq!(requests.make_room("a", at(0), limits), none);
        assert_eq!(requests.make_room("b", at(1), limits), none);
        assert_eq!(requests.make_room("c", at(2), limits), none);
        assert_eq!(requests.make_room("d", at(3), limits), ["a"], "three are kept");
        assert_eq!(requests.make_room("e", at(102), limits), ["b"], "and no longer than 100 s");
        assert_eq!(requests.make_room("f", at(500), limits), ["c", "d", "e"]);
    }
}
