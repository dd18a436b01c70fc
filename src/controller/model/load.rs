//! The mirror at start: everything that the store holds, read page by page and understood on all processors.

use super::{Claimed, GONE, Meaning, Model, decode, element_of, unpacked};
use crate::domain::StoredDocument;
use crate::service::Service;
use crate::store::{Store, StoreError, Table};
use crate::tree::{Claims, ConfigTree, Unpacker};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

impl Model {
    /// Loads everything. `meaning` turns a stored document into its service.
    pub async fn load(store: &dyn Store, meaning: &Meaning) -> Result<Self, StoreError> {
        let mut model = Self::default();
        for table in TABLES {
            let mut pages = Pages::of(store, table);
            while let Some(rows) = pages.next().await? {
                for (key, bytes) in rows {
                    model.put(table, &key, &bytes, meaning)?;
                }
            }
        }
        let mut pages = Pages::of(store, Table::Documents);
        while let Some(rows) = pages.next().await? {
            type Understood = (StoredDocument, Result<Service, String>);
            let understood = |(key, bytes): (String, Vec<u8>)| -> Result<Understood, StoreError> {
                let document: StoredDocument = decode(Table::Documents, &key, &bytes)?;
                let service = meaning(&document);
                Ok((document, service))
            };
            for understood in side_by_side(rows, &understood) {
                let (document, service) = understood?;
                model.take(document, service);
            }
        }
        for (key, bytes) in store.list_bytes(Table::History, GONE).await? {
            model.put(Table::History, &key, &bytes, meaning)?;
        }
        model.load_claims(store).await?;
        Ok(model)
    }

    async fn load_claims(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let mut records: BTreeMap<String, Vec<(String, Claims)>> = BTreeMap::new();
        let threads = threads();
        let unpackers: Vec<Mutex<Unpacker>> = (0..threads).map(|_| Mutex::new(Unpacker::for_many())).collect();
        let mut pages = Pages::of(store, Table::Claims);
        while let Some(rows) = pages.next().await? {
            for record in shares(rows, threads, &|rows, at| {
                // What the records of many services have in common is kept once for each thread.
                let mut unpacker = unpackers[at].lock().unwrap_or_else(PoisonError::into_inner);
                let read = |(key, bytes): (String, Vec<u8>)| -> Result<(String, Claims), StoreError> {
                    let claims = unpacked(&mut unpacker, &key, &bytes)?;
                    Ok((key, claims))
                };
                rows.into_iter().map(read).collect()
            }) {
                let (key, claims) = record?;
                match records.get_mut(element_of(&key)) {
                    Some(records) => records.push((key, claims)),
                    None => drop(records.insert(element_of(&key).into(), vec![(key, claims)])),
                }
            }
        }
        let visits = &self.visits;
        let merged = |(element, records): (String, Vec<(String, Claims)>)| {
            let mut claimed = Claimed::new(&element, visits);
            claimed.load(records);
            (element, claimed)
        };
        let mut claimed: BTreeMap<String, Claimed> =
            side_by_side(records.into_iter().collect(), &merged).into_iter().collect();
        let mut pages = Pages::of(store, Table::Recorded);
        while let Some(rows) = pages.next().await? {
            for (element, bytes) in rows {
                let tree: ConfigTree = decode(Table::Recorded, &element, &bytes)?;
                let claimed = claimed.entry(element.clone()).or_insert_with(|| Claimed::new(&element, &self.visits));
                claimed.set_recorded(Some(tree));
            }
        }
        for (element, claimed) in claimed {
            self.claimed.insert(element, Arc::new(claimed));
        }
        Ok(())
    }
}

/// A table, a page at a time: what is read is not held twice.
struct Pages<'a> {
    store: &'a dyn Store,
    table: Table,
    after: String,
}

impl<'a> Pages<'a> {
    fn of(store: &'a dyn Store, table: Table) -> Self {
        Self { store, table, after: String::new() }
    }

    async fn next(&mut self) -> Result<Option<Vec<(String, Vec<u8>)>>, StoreError> {
        let rows = self.store.page_bytes(self.table, &self.after, PAGE).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        self.after.clone_from(last);
        Ok(Some(rows))
    }
}

/// Does the work on all processors; the results in the order of the items.
fn side_by_side<T: Send, U: Send>(items: Vec<T>, work: &(dyn Fn(T) -> U + Sync)) -> Vec<U> {
    shares(items, threads(), &|share, _| share.into_iter().map(work).collect())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Cuts the items into a share for each thread, at most so many; the results in the order of the items.
fn shares<T: Send, U: Send>(
    mut items: Vec<T>,
    threads: usize,
    work: &(dyn Fn(Vec<T>, usize) -> Vec<U> + Sync),
) -> Vec<U> {
    let share = items.len().div_ceil(threads).max(1);
    let mut shares = Vec::new();
    while items.len() > share {
        shares.push(items.split_off(items.len() - share));
    }
    shares.push(items);
    shares.reverse();
    std::thread::scope(|scope| {
        let spawned = shares.into_iter().enumerate();
        let done: Vec<_> = spawned.map(|(at, share)| scope.spawn(move || work(share, at))).collect();
        let joined = done.into_iter().map(|done| done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    })
}

const PAGE: usize = 4096;

/// The tables that are mirrored record by record; documents, claims and what is recorded come behind them.
const TABLES: [Table; 7] = [
    Table::Elements,
    Table::ElementStates,
    Table::Numbers,
    Table::Deviations,
    Table::Plans,
    Table::Rewrites,
    Table::Queue,
];
