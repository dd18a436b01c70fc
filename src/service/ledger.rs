//! The number ledger: who has which number, for ever the same one.
//!
//! Pools are named by what they number: `rd@ROUTER-ID`, `rt@ASN`, `vc-id`, `vni`, `evi`, `ac@SERVICE`. An owner is a
//! service with the place in it that needs the number. Decomposition asks a [`Draft`]: an owner that has a number gets
//! it again, a new one gets the lowest that is free and not excluded. The draft's takes are *tentative* until the
//! controller, with the transaction's decision, puts them into the [`Ledger`]; a dry-run drops them.
//!
//! Life of an entry: held → released (its service no longer asks) → absent (every element that carried it was read
//! without it) → rests for the quarantine → gone. Until it is gone nobody else gets the number, and its old owner gets
//! it back. Time is an argument.

use super::error::{ErrorTag, ServiceError};
use crate::domain::ServiceKey;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// A number and who has it. The stored form of an entry, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Take {
    /// What it numbers.
    pub pool: String,
    /// The service that needs it.
    pub service: ServiceKey,
    /// The place in the service that needs it; may be empty.
    pub place: String,
    /// The number.
    pub number: u64,
    /// Since when the service no longer asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
    /// Since when no element is known to carry it; only with `released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Timestamp>,
}

impl Take {
    /// `pool/owner`: the key in the store.
    pub fn key(&self) -> String {
        key(&self.pool, &self.service, &self.place)
    }
}

fn key(pool: &str, service: &ServiceKey, place: &str) -> String {
    if place.is_empty() { format!("{pool}/{service}") } else { format!("{pool}/{service}#{place}") }
}

/// Numbers that must not be handed out, by pool: explicit values of documents and values seen in unclaimed configuration.
pub type Exclusions = BTreeMap<String, BTreeSet<u64>>;

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Take>,
    by_service: BTreeMap<ServiceKey, BTreeSet<String>>,
    pools: BTreeMap<String, Taken>,
}

/// The taken numbers of a pool. All numbers from 1 to below `free_from` are taken, so that finding the lowest free one
/// does not cost more in a full pool.
#[derive(Clone, Debug)]
struct Taken {
    numbers: BTreeMap<u64, u32>,
    free_from: u64,
}

impl Ledger {
    /// The ledger of these entries.
    pub fn new(entries: impl IntoIterator<Item = Take>) -> Self {
        let mut ledger = Self::default();
        ledger.record(entries);
        ledger
    }

    /// Puts entries in, over those of the same owner.
    pub fn record(&mut self, takes: impl IntoIterator<Item = Take>) {
        for take in takes {
            let key = take.key();
            self.remove(&key);
            self.pools.entry(take.pool.clone()).or_default().insert(take.number);
            self.by_service.entry(take.service.clone()).or_default().insert(key.clone());
            self.entries.insert(key, take);
        }
    }

    /// Takes an entry out. `None` when there is none of this key.
    pub fn remove(&mut self, key: &str) -> Option<Take> {
        let take = self.entries.remove(key)?;
        if let Some(pool) = self.pools.get_mut(&take.pool) {
            pool.remove(take.number);
        }
        if let Some(keys) = self.by_service.get_mut(&take.service) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_service.remove(&take.service);
            }
        }
        Some(take)
    }

    /// The entry of this key (`pool/owner`).
    pub fn entry(&self, key: &str) -> Option<&Take> {
        self.entries.get(key)
    }

    /// All entries, by key.
    pub fn entries(&self) -> impl Iterator<Item = &Take> {
        self.entries.values()
    }

    /// The entries of a service.
    pub fn of_service<'a>(&'a self, service: &ServiceKey) -> impl Iterator<Item = &'a Take> + use<'a> {
        self.by_service.get(service).into_iter().flatten().filter_map(|key| self.entries.get(key))
    }

    /// The entries of `service` that it no longer asks for, marked released at `now`. `asked` are the keys that it still
    /// asks for. The caller records them with the decision of the transaction.
    pub fn releases(&self, service: &ServiceKey, asked: &BTreeSet<String>, now: Timestamp) -> Vec<Take> {
        self.of_service(service)
            .filter(|take| take.released.is_none() && !asked.contains(&take.key()))
            .map(|take| Take { released: Some(now), ..take.clone() })
            .collect()
    }

    /// The released entry of this key, marked as seen on no element at `now`; `None` when it is not released.
    pub fn absent(&self, key: &str, now: Timestamp) -> Option<Take> {
        let take = self.entries.get(key).filter(|take| take.released.is_some())?;
        Some(Take { absent: take.absent.or(Some(now)), ..take.clone() })
    }

    /// Keys of the entries whose rest is over.
    pub fn rested(&self, now: Timestamp, quarantine: SignedDuration) -> Vec<String> {
        let over = |take: &Take| take.absent.is_some_and(|since| now.duration_since(since) >= quarantine);
        self.entries.iter().filter(|(_, take)| over(take)).map(|(key, _)| key.clone()).collect()
    }
}

impl Default for Taken {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), free_from: 1 }
    }
}

impl Taken {
    fn insert(&mut self, number: u64) {
        *self.numbers.entry(number).or_default() += 1;
        while self.numbers.contains_key(&self.free_from) {
            self.free_from += 1;
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(count) = self.numbers.get_mut(&number) {
            *count -= 1;
            if *count == 0 {
                self.numbers.remove(&number);
                self.free_from = self.free_from.min(number);
            }
        }
    }
}

/// Allocation for one plan: reads the ledger, remembers what the plan would take. One draft serves all services of a
/// plan, so that two of them never get the same number.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    ledger: &'a Ledger,
    excluded: &'a Exclusions,
    takes: BTreeMap<String, Take>,
    taken: BTreeMap<String, BTreeSet<u64>>,
}

impl<'a> Draft<'a> {
    /// An empty draft.
    pub fn new(ledger: &'a Ledger, excluded: &'a Exclusions) -> Self {
        Self { ledger, excluded, takes: BTreeMap::new(), taken: BTreeMap::new() }
    }

    /// Keeps a number of this pool from being handed out by this draft.
    pub fn exclude(&mut self, pool: &str, number: u64) {
        self.taken.entry(pool.into()).or_default().insert(number);
    }

    /// The new takes so far, by key.
    pub fn takes(&self) -> impl Iterator<Item = &Take> {
        self.takes.values()
    }

    /// The number of this owner in this pool. `range` starts at 1 or above.
    pub fn allocate(
        &mut self,
        pool: &str,
        service: &ServiceKey,
        place: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Allocation, ServiceError> {
        let key = key(pool, service, place);
        if let Some(take) = self.takes.get(&key) {
            return Ok(Allocation { take: take.clone(), new: true });
        }
        if let Some(held) = self.ledger.entries.get(&key) {
            if held.released.is_none() {
                return Ok(Allocation { take: held.clone(), new: false });
            }
            let back = Take { released: None, absent: None, ..held.clone() };
            self.takes.insert(key, back.clone());
            return Ok(Allocation { take: back, new: true });
        }
        let number = self.lowest_free(pool, &range).ok_or_else(|| {
            let message =
                format!("pool {pool} is empty: every number from {} to {} is taken", range.start(), range.end());
            ServiceError::new("", ErrorTag::ResourceDenied, message)
        })?;
        let take = Take {
            pool: pool.into(),
            service: service.clone(),
            place: place.into(),
            number,
            released: None,
            absent: None,
        };
        self.taken.entry(pool.into()).or_default().insert(number);
        self.takes.insert(key, take.clone());
        Ok(Allocation { take, new: true })
    }

    fn lowest_free(&self, pool: &str, range: &RangeInclusive<u64>) -> Option<u64> {
        let held = self.ledger.pools.get(pool);
        let from = held.map_or(1, |taken| taken.free_from).max(*range.start());
        (from..=*range.end()).find(|number| {
            !held.is_some_and(|taken| taken.numbers.contains_key(number))
                && !self.taken.get(pool).is_some_and(|numbers| numbers.contains(number))
                && !self.excluded.get(pool).is_some_and(|numbers| numbers.contains(number))
        })
    }
}

/// An answer of the draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The entry.
    pub take: Take,
    /// Not in the ledger as held: tentative until decided.
    pub new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str) -> ServiceKey {
        ServiceKey { face: "f".into(), id: id.into() }
    }

    fn number(draft: &mut Draft<'_>, id: &str) -> u64 {
        draft.allocate("vni", &service(id), "", 1..=5).unwrap().take.number
    }

    #[test]
    fn an_owner_keeps_its_number_whatever_happens_around_it() {
        let excluded = Exclusions::from([("vni".to_string(), BTreeSet::from([1, 3]))]);
        let empty = Ledger::default();
        let mut draft = Draft::new(&empty, &excluded);
        assert_eq!([number(&mut draft, "a"), number(&mut draft, "b"), number(&mut draft, "a")], [2, 4, 2]);
        assert_eq!(draft.takes().count(), 2);
        let ledger = Ledger::new(draft.takes().cloned());
        // Nothing excluded any more, and still the same; the same without any new take.
        let none = Exclusions::new();
        let mut again = Draft::new(&ledger, &none);
        assert_eq!([number(&mut again, "b"), number(&mut again, "a")], [4, 2]);
        assert_eq!(again.takes().count(), 0);
        assert_eq!([number(&mut again, "c"), number(&mut again, "d"), number(&mut again, "e")], [1, 3, 5]);
        let error = again.allocate("vni", &service("f"), "", 1..=5).unwrap_err();
        assert_eq!((error.tag, error.to_string().contains("vni")), (ErrorTag::ResourceDenied, true));
    }

    #[test]
    fn a_released_number_rests_and_its_owner_gets_it_back() {
        let none = Exclusions::new();
        let empty = Ledger::default();
        let mut draft = Draft::new(&empty, &none);
        assert_eq!(number(&mut draft, "a"), 1);
        let mut ledger = Ledger::new(draft.takes().cloned());
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let day = SignedDuration::from_hours(24);
        let key = "vni/f/a";
        assert_eq!(ledger.absent(key, at(0)), None, "held numbers do not rest");
        let released = ledger.releases(&service("a"), &BTreeSet::new(), at(0));
        assert_eq!(released.len(), 1);
        assert!(ledger.releases(&service("a"), &BTreeSet::from([key.to_string()]), at(0)).is_empty());
        ledger.record(released);
        assert!(ledger.rested(at(1_000_000), day).is_empty(), "an element may still carry it");
        ledger.record(ledger.absent(key, at(10)));
        assert!(ledger.rested(at(86_409), day).is_empty());
        // Somebody else does not get it, the old owner does, as a new take without marks.
        let mut draft = Draft::new(&ledger, &none);
        assert_eq!([number(&mut draft, "b"), number(&mut draft, "a")], [2, 1]);
        assert!(draft.takes().all(|take| take.released.is_none() && take.absent.is_none()));
        for key in ledger.rested(at(86_410), day) {
            ledger.remove(&key);
        }
        assert_eq!(number(&mut Draft::new(&ledger, &none), "b"), 1);
        assert_eq!(ledger.of_service(&service("a")).count(), 0);
    }
}
