//! Planted bugs of services: each has to be found by the ordinary seeds, by the law that it offends.

use super::laws::{JUDGED, LAWS};
use super::play::{OnSouth, OnStore, Planted};
use super::simulate;
use super::tale::Tale;
use crate::plants::{Bug, Bugged};
use crate::through::{Between, Through};
use andante::adagio::driver::{Holder, Residue};
use andante::adagio::{Confirm, DriverError, Payload, Reader, Reading, Southbound, Writer};
use andante::domain::outcome::{Cause, CauseKind};
use andante::domain::{Class, Deviation, Outcome, Revision, StoredDocument, TransactionRecord};
use andante::store::{Batch, Change, Durability, Store, StoreError, Table};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

fn found(name: &str, planted: &Planted, within: u64, law: &str) {
    assert!(law == JUDGED || LAWS.iter().any(|(known, _)| *known == law), "there is no law '{law}'");
    let mut others: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..within {
        let tale = Tale::from_seed(seed);
        let Err(broken) = simulate(&tale, planted.clone()) else { continue };
        let laws: BTreeSet<&str> = broken.laws.iter().map(|(law, _)| *law).collect();
        if !laws.contains(law) {
            others.extend(laws);
            continue;
        }
        // The same tale without the bug is fine: it is the bug that was found.
        assert!(simulate(&tale, Planted::default()).is_ok(), "seed {seed} is broken anyway");
        println!("{name}: found by service seed {seed}: {laws:?}");
        return;
    }
    panic!("{name}: '{law}' is not broken within {within} seeds, but {others:?}");
}

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// The claims of a service that goes stay.
    KeepsClaims,
    /// Names of requests are not kept.
    ForgetsRequests,
    /// A new revision of a document is not kept.
    ForgetsDocuments,
    /// Numbers are not kept.
    ForgetsNumbers,
    /// A deviation belongs to nobody.
    NamesNobody,
    /// Records of transactions stay as they were before the end.
    ForgetsTheEnd,
    /// In the place of what a document replaces the history keeps what replaces it.
    KeepsTheNewInTheHistory,
    /// What was called off is written down as decided.
    DecidesWhatWasCalledOff,
    /// A way back keeps the document that it was to replace.
    StaysWhereItIs,
    /// What an operator lets stand is not kept with the transaction.
    ForgetsWords,
}

impl Wrong {
    fn spoils(self, record: &mut TransactionRecord) {
        match self {
            Wrong::ForgetsTheEnd => (record.outcome, record.finished) = (None, None),
            Wrong::DecidesWhatWasCalledOff => {
                let called_off = |cause: &Cause| cause.kind == CauseKind::Cancelled;
                if matches!(&record.outcome, Some(Outcome::NotApplied { cause }) if called_off(cause)) {
                    record.decided = Some(record.started);
                }
            }
            Wrong::ForgetsWords => {
                record.resolutions.clear();
            }
            _ => {}
        }
    }
}

/// A document that is replaced, by its service.
fn replaced(change: &Change) -> Option<(String, String)> {
    let Change::Put(Table::History, _, bytes) = change else { return None };
    let old = serde_json::from_slice::<Revision>(bytes).ok()?;
    Some((old.key.to_string(), old.body?))
}

/// A document that is written, by its service.
fn written(change: &Change) -> Option<(String, String)> {
    let Change::Put(Table::Documents, key, bytes) = change else { return None };
    Some((key.clone(), serde_json::from_slice::<StoredDocument>(bytes).ok()?.body))
}

struct Bad {
    store: Arc<dyn Store>,
    wrong: Wrong,
    /// The transactions that are ways back.
    back: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Between for Bad {
    fn behind(&self) -> &dyn Store {
        &*self.store
    }

    async fn commit(&self, epoch: u64, mut batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let wrong = self.wrong;
        let lost = |change: &Change| {
            matches!(
                (wrong, change),
                (Wrong::KeepsClaims, Change::Delete(Table::Claims, _))
                    | (Wrong::ForgetsRequests, Change::Put(Table::Requests, ..))
                    | (Wrong::ForgetsDocuments, Change::Put(Table::Documents, ..))
                    | (Wrong::ForgetsNumbers, Change::Put(Table::Numbers, ..))
            )
        };
        batch.changes.retain(|change| !lost(change));
        let written: BTreeMap<String, String> = batch.changes.iter().filter_map(written).collect();
        let replaced: BTreeMap<String, String> = batch.changes.iter().filter_map(replaced).collect();
        for change in &mut batch.changes {
            if let (Wrong::NamesNobody, Change::Put(Table::Deviations, _, bytes)) = (wrong, &mut *change) {
                let mut found: Deviation = serde_json::from_slice(bytes).unwrap();
                found.services.clear();
                *bytes = serde_json::to_vec(&found).unwrap();
            }
            if let (Wrong::KeepsTheNewInTheHistory, Change::Put(Table::History, _, bytes)) = (wrong, &mut *change)
                && let Ok(mut old) = serde_json::from_slice::<Revision>(bytes)
                && let Some(body) = written.get(&old.key.to_string())
            {
                old.body = Some(body.clone());
                *bytes = serde_json::to_vec(&old).unwrap();
            }
            if let (Wrong::StaysWhereItIs, Change::Put(Table::Documents, key, bytes)) = (wrong, &mut *change)
                && let Ok(mut new) = serde_json::from_slice::<StoredDocument>(bytes)
                && let Some(old) = replaced.get(key)
                && new.transaction.as_ref().is_some_and(|id| self.back.lock().unwrap().contains(id))
            {
                new.body = old.clone();
                *bytes = serde_json::to_vec(&new).unwrap();
            }
            if let Change::Put(Table::Transactions, _, bytes) = change {
                let mut record: TransactionRecord = serde_json::from_slice(bytes).unwrap();
                if record.summary.starts_with("rollback") || record.summary.starts_with("undo") {
                    self.back.lock().unwrap().insert(record.id.clone());
                }
                wrong.spoils(&mut record);
                *bytes = serde_json::to_vec(&record).unwrap();
            }
        }
        self.store.commit(epoch, batch, durability).await
    }
}

fn bad(wrong: Wrong) -> Planted {
    let store: Arc<OnStore> =
        Arc::new(move |store| Arc::new(Through(Arc::new(Bad { store, wrong, back: Mutex::default() }))));
    Planted { store: Some(store), ..Planted::default() }
}

#[test]
fn claims_that_stay_after_a_delete_are_found() {
    found("keeps claims", &bad(Wrong::KeepsClaims), 60, "deviations are true");
}

#[test]
fn a_request_that_runs_twice_is_found() {
    found("forgets the names of requests", &bad(Wrong::ForgetsRequests), 60, "a request is carried out once");
}

#[test]
fn a_document_that_is_not_kept_is_found() {
    found("forgets documents", &bad(Wrong::ForgetsDocuments), 60, "what callers were told is stored");
}

#[test]
fn numbers_that_are_not_kept_are_found() {
    found("forgets numbers", &bad(Wrong::ForgetsNumbers), 60, JUDGED);
}

#[test]
fn a_deviation_of_nobody_is_found() {
    found("names nobody", &bad(Wrong::NamesNobody), 60, "every deviation has its services");
}

#[test]
fn an_end_that_is_not_kept_is_found() {
    found("forgets the end", &bad(Wrong::ForgetsTheEnd), 60, "every request ends");
}

#[test]
fn a_history_that_lies_is_found() {
    let wrong = bad(Wrong::KeepsTheNewInTheHistory);
    found("keeps the new in the history", &wrong, 60, "the history of a service is true");
}

#[test]
fn a_way_back_that_stays_where_it_is_is_found() {
    let wrong = bad(Wrong::StaysWhereItIs);
    found("stays where it is", &wrong, 200, "a way back leads where it was asked to");
}

#[test]
fn what_was_called_off_and_carried_out_is_found() {
    let wrong = bad(Wrong::DecidesWhatWasCalledOff);
    found("decides what was called off", &wrong, 200, "what was called off is not carried out");
}

#[test]
fn a_word_of_an_operator_that_is_not_kept_is_found() {
    found("forgets words", &bad(Wrong::ForgetsWords), 300, "an operator's word holds");
}

#[test]
fn other_bytes_than_those_of_the_plan_are_found() {
    let south: Arc<OnSouth> = Arc::new(|south, element| Arc::new(Bugged::new(Bug::OtherBytes, south, element, None)));
    let planted = Planted { south: Some(south), ..Planted::default() };
    found("sends other bytes", &planted, 60, "a pinned plan is sent as it was looked at");
}

#[test]
fn a_plan_from_yesterdays_reading_is_found() {
    let south: Arc<OnSouth> = {
        let known: Arc<Mutex<BTreeMap<String, Reading>>> = Arc::default();
        Arc::new(move |south, element| {
            if element.calls().is_empty() {
                // A new tale.
                known.lock().unwrap().remove(&element.name);
            }
            Arc::new(Yesterday { south, known: known.clone() })
        })
    };
    let planted = Planted { south: Some(south), ..Planted::default() };
    found("sees yesterday", &planted, 200, "what people changed is not overwritten knowingly");
}

/// Elements are shown as they were read first, until something is sent: no plan sees what somebody did, nor does the look at
/// the read-set before the send.
struct Yesterday {
    south: Arc<dyn Southbound>,
    known: Arc<Mutex<BTreeMap<String, Reading>>>,
}

struct Session<T: ?Sized> {
    element: String,
    known: Arc<Mutex<BTreeMap<String, Reading>>>,
    inner: Box<T>,
}

type Done<T> = Result<T, DriverError>;

impl<T: Reader + ?Sized> Session<T> {
    async fn seen(&mut self) -> Done<Reading> {
        let now = self.inner.read_running().await?;
        if now.partial.is_some() {
            return Ok(now);
        }
        Ok(self.known.lock().unwrap().entry(self.element.clone()).or_insert(now).clone())
    }

    fn forget(&self) {
        self.known.lock().unwrap().remove(&self.element);
    }
}

#[async_trait]
impl Southbound for Yesterday {
    fn element(&self) -> &str {
        self.south.element()
    }

    async fn open_reader(&self) -> Done<Box<dyn Reader>> {
        let (element, known, inner) = (self.element().to_owned(), self.known.clone(), self.south.open_reader().await?);
        Ok(Box::new(Session { element, known, inner }))
    }

    async fn open_writer(&self) -> Done<Box<dyn Writer>> {
        let (element, known, inner) = (self.element().to_owned(), self.known.clone(), self.south.open_writer().await?);
        Ok(Box::new(Session { element, known, inner }))
    }
}

#[async_trait]
impl Reader for Session<dyn Reader> {
    fn class(&self) -> Class {
        self.inner.class()
    }

    fn session(&self) -> Option<u32> {
        self.inner.session()
    }

    async fn read_running(&mut self) -> Done<Reading> {
        self.seen().await
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Reader for Session<dyn Writer> {
    fn class(&self) -> Class {
        self.inner.class()
    }

    fn session(&self) -> Option<u32> {
        self.inner.session()
    }

    async fn read_running(&mut self) -> Done<Reading> {
        self.seen().await
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Writer for Session<dyn Writer> {
    async fn lock(&mut self) -> Done<()> {
        self.inner.lock().await
    }

    async fn prepare(&mut self, payload: &Payload) -> Done<()> {
        self.inner.prepare(payload).await
    }

    async fn apply(&mut self, payload: &Payload, confirm: Option<&Confirm>) -> Done<Residue> {
        self.forget();
        self.inner.apply(payload, confirm).await
    }

    async fn extend(&mut self, confirm: &Confirm) -> Done<()> {
        self.inner.extend(confirm).await
    }

    async fn confirm(&mut self, persist: &str) -> Done<()> {
        self.inner.confirm(persist).await
    }

    async fn cancel(&mut self, persist: &str) -> Done<()> {
        self.forget();
        self.inner.cancel(persist).await
    }

    async fn discard(&mut self) -> Done<()> {
        self.inner.discard().await
    }

    async fn save(&mut self) -> Done<()> {
        self.inner.save().await
    }

    async fn unlock(&mut self) -> Done<()> {
        self.inner.unlock().await
    }

    async fn holder(&mut self) -> Option<Holder> {
        self.inner.holder().await
    }

    async fn end_session(&mut self, session: u32) -> Done<()> {
        self.inner.end_session(session).await
    }

    async fn read_candidate(&mut self) -> Done<Option<Reading>> {
        self.inner.read_candidate().await
    }
}
