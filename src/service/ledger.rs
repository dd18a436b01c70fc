//! The number ledger: who has which number, for ever the same one.
//!
//! Pools are named by what they number: `rd@ROUTER-ID`, `rt@ASN`, `vc-id`, `vni`, `evi`, `ac@SERVICE`. An owner is a
//! service with the place in it that needs the number. Decomposition asks a [`Draft`]: an owner that has a number gets
//! it again, a new one gets the lowest that is free and not excluded. The draft's takes are *tentative* until the
//! controller, with the transaction's decision, puts them into the [`Ledger`]; a dry-run drops them.
//!
//! Life of an entry: held → released (its service no longer asks; the elements where it stood are kept with it) →
//! absent (each of them was read completely without it) → rests for the quarantine → gone. Until it is gone nobody else
//! gets the number, and its old owner gets it back. Time is an argument.
//!
//! A clone costs a few references, and what a request costs follows its own numbers: neither a full pool nor many
//! services make it dearer.

mod draft;
mod pool;
mod take;

pub use draft::{Allocation, Draft, Ranges};
pub use take::Take;

use crate::domain::{Map, ServiceKey, Visits};
use jiff::{SignedDuration, Timestamp};
use pool::Pool;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Numbers that must not be handed out, by pool: explicit values of documents and values seen in unclaimed configuration.
pub type Exclusions = BTreeMap<String, BTreeSet<u64>>;

/// All entries, and the numbers that documents give themselves.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Map<Arc<str>, Arc<Take>>,
    by_service: Map<ServiceKey, Arc<[Arc<str>]>>,
    pools: Map<String, Pool>,
    /// By service: they are never handed out.
    explicit: Map<ServiceKey, Arc<Exclusions>>,
    /// Entries that were not yet read away, by element and key.
    remains: Map<(String, Arc<str>), ()>,
    /// Entries that rest, by the begin of their rest and key.
    resting: Map<(Timestamp, Arc<str>), ()>,
}

impl Ledger {
    /// The ledger of these entries.
    pub fn new(entries: impl IntoIterator<Item = Take>) -> Self {
        let mut ledger = Self::default();
        ledger.record(entries);
        ledger
    }

    /// An empty ledger that counts its visits with others.
    pub fn counted(visits: &Visits) -> Self {
        Self {
            entries: Map::new(visits),
            by_service: Map::new(visits),
            pools: Map::new(visits),
            explicit: Map::new(visits),
            remains: Map::new(visits),
            resting: Map::new(visits),
        }
    }

    /// Puts entries in, over those of the same owner.
    pub fn record(&mut self, takes: impl IntoIterator<Item = Take>) {
        for take in takes {
            let key: Arc<str> = take.key().into();
            self.remove(&key);
            self.occupy(&take.pool, take.number);
            let keys = self.by_service.get(&take.service);
            let keys = keys.into_iter().flat_map(|keys| keys.iter().cloned()).chain([key.clone()]);
            let keys: BTreeSet<Arc<str>> = keys.collect();
            self.by_service.insert(take.service.clone(), keys.into_iter().collect());
            if take.released.is_some() {
                for element in take.remains.keys() {
                    self.remains.insert((element.clone(), key.clone()), ());
                }
                if let Some(since) = take.resting() {
                    self.resting.insert((since, key.clone()), ());
                }
            }
            self.entries.insert(key, Arc::new(take));
        }
    }

    /// Takes an entry out. `None` when there is none of this key.
    pub fn remove(&mut self, key: &str) -> Option<Arc<Take>> {
        let take = self.entries.get(key)?.clone();
        self.entries.remove(key);
        self.free(&take.pool, take.number);
        let keys = self.by_service.get(&take.service);
        let left: Arc<[Arc<str>]> =
            keys.into_iter().flat_map(|keys| keys.iter()).filter(|k| ***k != *key).cloned().collect();
        if left.is_empty() {
            self.by_service.remove(&take.service);
        } else {
            self.by_service.insert(take.service.clone(), left);
        }
        let key: Arc<str> = key.into();
        for element in take.remains.keys() {
            self.remains.remove(&(element.clone(), key.clone()));
        }
        if let Some(since) = take.resting() {
            self.resting.remove(&(since, key));
        }
        Some(take)
    }

    /// The numbers that the document of a service gives itself, in the place of those that it gave before. They are never
    /// handed out.
    pub fn explicit(&mut self, service: &ServiceKey, numbers: Exclusions) {
        let each = |numbers: &Exclusions| {
            let each =
                numbers.iter().flat_map(|(pool, numbers)| numbers.iter().map(move |number| (pool.clone(), *number)));
            each.collect::<Vec<_>>()
        };
        if let Some(before) = self.explicit.get(service).cloned() {
            each(&before).iter().for_each(|(pool, number)| self.free(pool, *number));
            self.explicit.remove(service);
        }
        if !numbers.is_empty() {
            each(&numbers).iter().for_each(|(pool, number)| self.occupy(pool, *number));
            self.explicit.insert(service.clone(), Arc::new(numbers));
        }
    }

    /// The entry of this key (`pool/owner`).
    pub fn entry(&self, key: &str) -> Option<&Take> {
        self.entries.get(key).map(|take| &**take)
    }

    /// All entries, by key.
    pub fn entries(&self) -> impl Iterator<Item = &Take> {
        self.entries.values().map(|take| &**take)
    }

    /// The entries of a service.
    pub fn of_service<'a>(&'a self, service: &ServiceKey) -> impl Iterator<Item = &'a Take> + use<'a> {
        let keys = self.by_service.get(service);
        keys.into_iter().flat_map(|keys| keys.iter()).filter_map(|key| self.entry(key))
    }

    /// The entries of `service` that it holds and no longer asks for: to be released with the decision of the
    /// transaction ([`Take::released`]). `asked` are the keys that it still asks for.
    pub fn unasked<'a>(&'a self, service: &ServiceKey, asked: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Take> {
        self.of_service(service).filter(|take| take.released.is_none() && !asked.contains(&take.key()))
    }

    /// The released entries that an element may still carry.
    pub fn remaining_on<'a>(&'a self, element: &'a str) -> impl Iterator<Item = &'a Take> {
        let from = (element.to_string(), Arc::from(""));
        let here = self.remains.range(from..).take_while(move |((on, _), ())| on == element);
        here.filter_map(|((_, key), ())| self.entry(key))
    }

    /// The entries whose rest is over, the longest first.
    pub fn rested(&self, now: Timestamp, quarantine: SignedDuration) -> impl Iterator<Item = &Take> {
        let over = move |since: Timestamp| now.duration_since(since) >= quarantine;
        let over = self.resting.iter().take_while(move |((since, _), ())| over(*since));
        over.filter_map(|((_, key), ())| self.entry(key))
    }

    fn occupy(&mut self, pool: &str, number: u64) {
        let empty = || Pool { spans: self.entries.beside(), again: self.entries.beside() };
        let (pool, empty) = (pool.to_string(), empty());
        self.pools.change(&pool, || empty, |pool| pool.occupy(number));
    }

    fn free(&mut self, pool: &str, number: u64) {
        let Some(found) = self.pools.get_mut(pool) else { return };
        found.free(number);
        if found.spans.is_empty() {
            self.pools.remove(pool);
        }
    }
}

#[cfg(test)]
mod tests;
