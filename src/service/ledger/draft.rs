//! What one plan would take.

use super::take::key;
use super::{Exclusions, Ledger, Take};
use crate::domain::ServiceKey;
use crate::service::error::{ErrorTag, ServiceError};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The numbers that may be handed out, where the domain shares a space with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Pseudowire ids.
    pub vc_id: RangeInclusive<u64>,
    /// VXLAN network identifiers.
    pub vni: RangeInclusive<u64>,
    /// EVPN instances.
    pub evi: RangeInclusive<u64>,
    /// The number behind the router id of an automatic route distinguisher.
    pub rd: RangeInclusive<u64>,
    /// The number behind the AS of an automatic route target; cut to what the AS leaves room for.
    pub rt: RangeInclusive<u64>,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { vc_id: 1..=4_294_967_295, vni: 1..=16_777_214, evi: 1..=65_534, rd: 1..=65_535, rt: 1..=4_294_967_295 }
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
    ranges: Ranges,
}

impl<'a> Draft<'a> {
    /// An empty draft.
    pub fn new(ledger: &'a Ledger, excluded: &'a Exclusions) -> Self {
        Self { ledger, excluded, takes: BTreeMap::new(), taken: BTreeMap::new(), ranges: Ranges::default() }
    }

    /// The same draft, handing out numbers of these ranges.
    #[must_use]
    pub fn within(mut self, ranges: Ranges) -> Self {
        self.ranges = ranges;
        self
    }

    /// The ranges of which it hands out numbers.
    pub fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Keeps a number of this pool from being handed out by this draft.
    pub fn exclude(&mut self, pool: &str, number: u64) {
        self.taken.entry(pool.into()).or_default().insert(number);
    }

    /// The new takes so far, by key.
    pub fn takes(&self) -> impl Iterator<Item = &Take> {
        self.takes.values()
    }

    /// The number of this owner in this pool: the one that it has, else the lowest of `range` that is free.
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
        if let Some(held) = self.ledger.entry(&key) {
            if held.released.is_none() {
                return Ok(Allocation { take: held.clone(), new: false });
            }
            let back = Take::held(pool, service, place, held.number);
            self.takes.insert(key, back.clone());
            return Ok(Allocation { take: back, new: true });
        }
        let number = self.lowest_free(pool, &range).ok_or_else(|| {
            let message =
                format!("pool {pool} is empty: every number from {} to {} is taken", range.start(), range.end());
            ServiceError::new("", ErrorTag::ResourceDenied, message)
        })?;
        let take = Take::held(pool, service, place, number);
        self.taken.entry(pool.into()).or_default().insert(number);
        self.takes.insert(key, take.clone());
        Ok(Allocation { take, new: true })
    }

    fn lowest_free(&self, pool: &str, range: &RangeInclusive<u64>) -> Option<u64> {
        let held = self.ledger.pools.get(pool);
        let (taken, excluded) = (self.taken.get(pool), self.excluded.get(pool));
        let among = |numbers: Option<&BTreeSet<u64>>, number| numbers.is_some_and(|numbers| numbers.contains(&number));
        let mut number = *range.start();
        loop {
            number = held.map_or(number, |held| held.next_free(number));
            if number > *range.end() {
                return None;
            }
            if !among(taken, number) && !among(excluded, number) {
                return Some(number);
            }
            number = number.checked_add(1)?;
        }
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
