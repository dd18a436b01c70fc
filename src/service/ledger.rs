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

use super::error::{ErrorTag, ServiceError};
use crate::domain::{Map, ServiceKey, Visits};
use crate::tree::{ConfigTree, Node, Path};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

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
    /// The elements that were not yet read without it, with the paths where it stood; only with `released`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remains: BTreeMap<String, Vec<Path>>,
}

impl Take {
    /// A number that is held.
    pub fn held(pool: &str, service: &ServiceKey, place: &str, number: u64) -> Self {
        Self {
            pool: pool.into(),
            service: service.clone(),
            place: place.into(),
            number,
            released: None,
            absent: None,
            remains: BTreeMap::new(),
        }
    }

    /// `pool/owner`: the key in the store.
    pub fn key(&self) -> String {
        key(&self.pool, &self.service, &self.place)
    }

    /// The number released at `now`. `carried` are the claims that the service had, and those that it has now, by
    /// element: where the number stood and no longer should, it has to be read away. `stays` says that a node is there for
    /// somebody else too: its words are not this number's.
    pub fn released<'a>(
        &self,
        now: Timestamp,
        carried: impl IntoIterator<Item = (&'a str, &'a ConfigTree, Option<&'a ConfigTree>)>,
        stays: &dyn Fn(&str, &Path) -> bool,
    ) -> Self {
        let carried: Vec<_> = carried.into_iter().collect();
        let mut remains = BTreeMap::new();
        for words in self.words() {
            for (element, before, after) in &carried {
                let paths = stood(before, *after, &words, &|path| stays(element, path));
                if !paths.is_empty() {
                    remains.insert((*element).to_string(), paths);
                }
            }
            if !remains.is_empty() {
                break;
            }
        }
        if remains.is_empty() {
            // It stood nowhere in so many words: any complete reading of those elements will do.
            remains.extend(carried.iter().map(|(element, ..)| ((*element).to_string(), Vec::new())));
        }
        let absent = remains.is_empty().then_some(now);
        Self { released: Some(now), absent, remains, ..self.clone() }
    }

    /// The entry after a complete reading of an element at `now`; `None` when the reading changes nothing.
    pub fn read(&self, element: &str, actual: &ConfigTree, now: Timestamp) -> Option<Self> {
        let paths = self.remains.get(element).filter(|_| self.released.is_some())?;
        let words = self.words();
        let there = |path: &Path| actual.at(path).is_some_and(|node| words.iter().any(|words| says(node, words)));
        if paths.iter().any(there) {
            return None;
        }
        let mut after = self.clone();
        after.remains.remove(element);
        after.absent = after.remains.is_empty().then_some(now);
        Some(after)
    }

    /// Since when it rests.
    fn resting(&self) -> Option<Timestamp> {
        // An entry of an older version knows neither: what its transaction read back was without it.
        self.absent.or(self.released.filter(|_| self.remains.is_empty()))
    }

    /// How elements write it, the surer way first.
    fn words(&self) -> Vec<String> {
        let whole = self.pool.strip_prefix("rd@").or_else(|| self.pool.strip_prefix("rt@"));
        let whole = whole.map(|administrator| format!("{administrator}:{}", self.number));
        whole.into_iter().chain([self.number.to_string()]).collect()
    }
}

/// The nodes of `before` that say `words` and are no longer in `after`.
fn stood(before: &ConfigTree, after: Option<&ConfigTree>, words: &str, stays: &dyn Fn(&Path) -> bool) -> Vec<Path> {
    let mut paths = Vec::new();
    before.walk(&mut |path, node| {
        let still = || after.and_then(|after| after.at(path)).is_some_and(|after| after.value() == node.value());
        if says(node, words) && !still() && !stays(path) {
            paths.push(path.clone());
            // What stands below it goes with it.
            return false;
        }
        true
    });
    paths
}

/// Whether a node itself says `words`, as a whole word, in its value or its keys.
fn says(node: &Node, words: &str) -> bool {
    let within = |text: &str| {
        let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.');
        text.match_indices(words).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.is_some_and(of_word) && !after.is_some_and(of_word)
        })
    };
    node.value().is_some_and(|value| within(value.as_str()))
        || node.keys().is_some_and(|keys| keys.iter().any(|(_, value)| within(value.as_str())))
        || node.opaque_text().is_some_and(within)
}

fn key(pool: &str, service: &ServiceKey, place: &str) -> String {
    if place.is_empty() { format!("{pool}/{service}") } else { format!("{pool}/{service}#{place}") }
}

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

/// The occupied numbers of a pool as spans from first to last, so that finding the lowest free one does not cost more in
/// a full pool.
#[derive(Clone, Debug)]
struct Pool {
    spans: Map<u64, u64>,
    /// Numbers that are occupied more than once: how often beside the first time.
    again: Map<u64, u32>,
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

impl Pool {
    /// The span that holds a number.
    fn span(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.spans.last_in(..=number)?;
        (*last >= number).then_some((*first, *last))
    }

    /// The lowest number from `from` on that is free.
    fn next_free(&self, from: u64) -> u64 {
        self.span(from).map_or(from, |(_, last)| last.saturating_add(1))
    }

    fn occupy(&mut self, number: u64) {
        if self.span(number).is_some() {
            self.again.change(&number, || 0, |count| *count += 1);
            return;
        }
        let before = number.checked_sub(1).and_then(|below| self.span(below));
        let after = number.checked_add(1).and_then(|above| self.span(above));
        if let Some((first, _)) = after {
            self.spans.remove(&first);
        }
        let first = before.map_or(number, |(first, _)| first);
        self.spans.insert(first, after.map_or(number, |(_, last)| last));
    }

    fn free(&mut self, number: u64) {
        match self.again.get(&number).copied() {
            Some(1) => {
                self.again.remove(&number);
            }
            Some(count) => self.again.insert(number, count - 1),
            None => {
                let Some((first, last)) = self.span(number) else { return };
                self.spans.remove(&first);
                if first < number {
                    self.spans.insert(first, number - 1);
                }
                if number < last {
                    self.spans.insert(number + 1, last);
                }
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{QName, Value};

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

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// What FRR would be told: `vni 1` in a VRF, and an interface of the same number.
    fn carried(vni: &str) -> ConfigTree {
        let leaf = |name: &str, text: &str| Node::leaf(QName::new("frr", name), Value::text(text));
        let keys = |text: &str| [("name".into(), Value::text(text))];
        let vrf = Node::entry(QName::new("frr", "vrf"), keys("a"), false, [leaf("vni", vni)]);
        let port = Node::entry(QName::new("frr", "interface"), keys("eth1"), false, [leaf("mtu", "1500")]);
        ConfigTree::new([vrf, port])
    }

    #[test]
    fn a_released_number_rests_after_every_element_was_read_without_it_and_its_owner_gets_it_back() {
        let none = Exclusions::new();
        let empty = Ledger::default();
        let mut draft = Draft::new(&empty, &none);
        assert_eq!(number(&mut draft, "a"), 1);
        let mut ledger = Ledger::new(draft.takes().cloned());
        let day = SignedDuration::from_hours(24);
        let key = "vni/f/a";
        let (there, gone) = (carried("1"), carried("7"));
        assert!(ledger.unasked(&service("a"), &BTreeSet::from([key.to_string()])).next().is_none());
        let held = ledger.unasked(&service("a"), &BTreeSet::new()).next().unwrap().clone();
        assert_eq!(held.read("pe1", &gone, at(0)), None, "held numbers do not rest");
        let released = held.released(
            at(0),
            [("pe1", &there, Some(&gone)), ("pe2", &there, None), ("pe3", &gone, None)],
            &|_, _| false,
        );
        let shared =
            held.released(at(0), [("pe1", &there, None), ("pe2", &there, None)], &|element, _| element == "pe1");
        assert_eq!(shared.remains.keys().collect::<Vec<_>>(), ["pe2"], "what stands there for others stays");
        assert_eq!(released.remains.keys().collect::<Vec<_>>(), ["pe1", "pe2"], "pe3 never had it");
        assert_eq!(
            released.remains["pe1"].iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["/frr:vrf[name='a']/vni"]
        );
        ledger.record([released.clone()]);
        assert_eq!(ledger.rested(at(1_000_000), day).count(), 0, "elements may still carry it");
        assert_eq!(released.read("pe1", &there, at(5)), None);
        assert_eq!(released.read("pe9", &gone, at(5)), None);
        let first = released.read("pe1", &gone, at(5)).unwrap();
        assert_eq!((first.absent, first.remains.len()), (None, 1));
        ledger.record([first.clone()]);
        assert_eq!(ledger.remaining_on("pe1").count(), 0);
        assert_eq!(ledger.rested(at(1_000_000), day).count(), 0, "pe2 was not read");
        let absent = ledger.remaining_on("pe2").next().unwrap().read("pe2", &ConfigTree::default(), at(10)).unwrap();
        ledger.record([absent]);
        assert_eq!(ledger.remaining_on("pe2").count(), 0);
        assert_eq!(ledger.rested(at(86_409), day).count(), 0);
        // Somebody else does not get it, the old owner does, as a new take without marks.
        let mut draft = Draft::new(&ledger, &none);
        assert_eq!([number(&mut draft, "b"), number(&mut draft, "a")], [2, 1]);
        assert!(draft.takes().all(|take| take.released.is_none() && take.absent.is_none() && take.remains.is_empty()));
        let keys: Vec<String> = ledger.rested(at(86_410), day).map(Take::key).collect();
        assert_eq!(keys, [key]);
        assert!(ledger.remove(key).is_some());
        assert_eq!(ledger.rested(at(86_410), day).count(), 0);
        assert_eq!(number(&mut Draft::new(&ledger, &none), "b"), 1);
        assert_eq!(ledger.of_service(&service("a")).count(), 0);
    }

    #[test]
    fn a_number_that_no_element_shows_rests_after_each_was_read_once() {
        let take = Take::held("ac@f/a", &service("a"), "", 77);
        let tree = carried("5");
        let released = take.released(at(0), [("pe1", &tree, None)], &|_, _| false);
        assert_eq!((released.absent, released.remains["pe1"].len()), (None, 0));
        assert_eq!(released.read("pe1", &tree, at(3)).unwrap().absent, Some(at(3)));
        assert_eq!(take.released(at(0), [], &|_, _| false).absent, Some(at(0)), "it was on no element");
        // An entry of a version that did not keep where it stood.
        let old: Take = serde_json::from_str(
            r#"{"pool":"vni","service":{"face":"f","id":"a"},"place":"","number":1,"released":"1970-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        let ledger = Ledger::new([old]);
        assert_eq!(ledger.rested(at(3600), SignedDuration::from_hours(1)).count(), 1);
    }

    #[test]
    fn a_number_counts_as_often_as_it_is_used_and_spans_grow_and_shrink() {
        let mut ledger = Ledger::default();
        let mut held = BTreeMap::new();
        // A fixed walk over a small pool, against the obvious way.
        let mut state = 7u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, owner) = ((state >> 33) % 12 + 1, (state >> 40) % 5);
            let key = service(&format!("s{owner}-{number}"));
            let said = Exclusions::from([("vni".to_string(), BTreeSet::from([number]))]);
            if held.remove(&key).is_some() {
                ledger.explicit(&key, Exclusions::new());
            } else {
                held.insert(key.clone(), number);
                ledger.explicit(&key, said);
            }
            let lowest = (1..).find(|n| !held.values().any(|held| held == n)).unwrap();
            let none = Exclusions::new();
            let got = Draft::new(&ledger, &none).allocate("vni", &service("new"), "", 1..=99).unwrap().take.number;
            assert_eq!(got, lowest, "{held:?}");
        }
    }
}
