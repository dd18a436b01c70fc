//! A sorted map that is cheap to copy: what the daemon knows is held in such maps.
//!
//! A clone costs one reference, an edit copies the way from the root only, so a plan works on the state of knowledge of
//! one moment while the next one is being made. Every entry that is looked at is counted in [`Visits`]; maps of one
//! owner share their count, so a test can say what one request cost whatever else runs.

use rpds::RedBlackTreeMapSync;
use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many entries have been looked at; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Visits(Arc<AtomicU64>);

impl Visits {
    /// All visits so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A persistent sorted map.
#[derive(Clone)]
pub struct Map<K: Ord, V> {
    entries: RedBlackTreeMapSync<K, V>,
    visits: Visits,
}

impl<K: Ord, V> Map<K, V> {
    /// An empty map that counts with others.
    pub fn new(visits: &Visits) -> Self {
        Self { entries: RedBlackTreeMapSync::new_sync(), visits: visits.clone() }
    }

    /// An empty map, of other types perhaps, that counts with this one.
    pub fn beside<L: Ord, W>(&self) -> Map<L, W> {
        Map::new(&self.visits)
    }

    /// The visits of this map and of all that count with it.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.size()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.visits.one();
        self.entries.get(key)
    }

    /// Whether a key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// All entries, by key. This is what a plan must not do.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().inspect(|_| self.visits.one())
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries whose keys lie in a range, by key.
    pub fn range<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.entries.range(range).inspect(|_| self.visits.one())
    }

    /// The last entry whose key lies in a range.
    pub fn last_in<Q: Ord + ?Sized, R: RangeBounds<Q>>(&self, range: R) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.visits.one();
        self.entries.range(range).next_back()
    }
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// Puts a value in, over the one that was there.
    pub fn insert(&mut self, key: K, value: V) {
        self.visits.one();
        self.entries.insert_mut(key, value);
    }

    /// Takes a key out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.visits.one();
        self.entries.remove_mut(key)
    }

    /// The value of a key, to be changed; it is copied first if somebody else still holds it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.visits.one();
        self.entries.get_mut(key)
    }

    /// The value of a key, to be changed; a default is put there first where nothing stands.
    pub fn change(&mut self, key: &K, absent: impl FnOnce() -> V, change: impl FnOnce(&mut V)) {
        if !self.contains_key(key) {
            self.insert(key.clone(), absent());
        }
        if let Some(value) = self.get_mut(key) {
            change(value);
        }
    }
}

impl<K: Ord, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new(&Visits::default())
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was_and_every_entry_looked_at_is_counted() {
        let mut map: Map<String, u32> = Map::default();
        for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
            map.insert(name.into(), number);
        }
        let before = map.clone();
        if let Some(value) = map.get_mut("b") {
            *value = 9;
        }
        assert!(map.remove("a") && !map.remove("a"));
        map.change(&"d".to_string(), || 40, |value| *value += 1);
        assert_eq!(before.values().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            map.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>(),
            [("b", 9), ("c", 3), ("d", 41)]
        );
        let count = map.visits().count();
        assert_eq!(map.range("c".to_string()..).count(), 2);
        assert_eq!(map.last_in(..="c".to_string()), Some((&"c".to_string(), &3)));
        assert_eq!(before.get("a"), Some(&1));
        assert_eq!(map.visits().count() - count, 4, "two of the range, one last, one in the copy");
        assert_eq!((map.len(), before.len()), (3, 3));
    }
}
