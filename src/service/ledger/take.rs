//! One entry of the ledger and its life, from held to gone.

use crate::domain::ServiceKey;
use crate::tree::{ConfigTree, Node, Path};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    pub(super) fn resting(&self) -> Option<Timestamp> {
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

pub(super) fn key(pool: &str, service: &ServiceKey, place: &str) -> String {
    if place.is_empty() { format!("{pool}/{service}") } else { format!("{pool}/{service}#{place}") }
}
