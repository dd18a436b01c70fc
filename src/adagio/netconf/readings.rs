//! What elements said last, so that the same bytes are not read twice: a reply is turned into a tree once, a reply with the
//! same bytes gives the same tree, and of a reply that is much the same only the entries are read that differ.
//!
//! Flow: [`super::driver`] asks before it parses a reply and leaves the tree here afterwards. A transaction reads an element
//! three times, to plan, before it writes and to see that it holds; only the last of them says something new, and little.
//!
//! Guarantees
//! * A tree is given only for the bytes that it was made of (BLAKE3 of them and of the prefixes in scope), read by the same
//!   schema and the same adapter: all that decides what [`Adapter::parse`] and [`Adapter::normalise`] answer.
//! * An element is always asked: what is kept here never stands for a reading that did not happen.
//! * One tree for each element, and a bound on the bytes that they were made of; what was not asked for the longest time goes.
//!
//! It does not: keep the bytes (they may hold secrets in clear), nor a reply that could not be read.

use super::xml::Fragment;
use crate::adapter::Adapter;
use crate::tree::xml::Entries;
use crate::tree::{ConfigTree, SchemaIndex};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last readings of all elements. One for a process; see the module.
#[derive(Debug)]
pub struct Readings {
    limit: usize,
    kept: Mutex<Kept>,
}

/// How often replies were read, and how often there was nothing new in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingCount {
    /// Replies that were parsed.
    pub parsed: u64,
    /// Replies with the bytes of the last one.
    pub same: u64,
}

/// What a tree was made of. The schema is compared as the object that it is: two that say the same are two.
#[derive(Clone, Debug)]
pub(super) struct Made {
    digest: blake3::Hash,
    schema: Arc<SchemaIndex>,
    adapter: String,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Kept {
    count: ReadingCount,
    of: HashMap<String, Entry>,
    /// Elements by the time when they were asked last.
    order: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    made: Made,
    tree: ConfigTree,
    entries: Arc<Entries>,
    used: u64,
}

impl Default for Readings {
    fn default() -> Self {
        Self::within(LIMIT)
    }
}

impl Readings {
    /// Keeps the trees of at most so many bytes of replies.
    pub fn within(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// What happened so far.
    pub fn count(&self) -> ReadingCount {
        self.kept().count
    }

    /// The tree of this reply, if it is the last one of its element again.
    pub(super) fn known(&self, element: &str, made: &Made) -> Option<ConfigTree> {
        let mut kept = self.kept();
        let known = kept.of.get(element).filter(|entry| entry.made.is(made))?.tree.clone();
        kept.count.same += 1;
        kept.touch(element);
        Some(known)
    }

    /// The entries of the last reply of an element, to read this one with; none where they would mean something else.
    pub(super) fn entries(&self, element: &str, made: &Made) -> Arc<Entries> {
        let kept = self.kept();
        let last = kept.of.get(element).filter(|entry| entry.made.is_read_as(made));
        last.map(|entry| entry.entries.clone()).unwrap_or_default()
    }

    /// The tree of a reply that had to be read, and its entries.
    pub(super) fn keep(&self, element: &str, made: Made, tree: &ConfigTree, entries: Entries) {
        let mut kept = self.kept();
        kept.count.parsed += 1;
        kept.forget(element);
        if made.bytes > self.limit {
            return;
        }
        kept.bytes += made.bytes;
        kept.of.insert(element.to_owned(), Entry { made, tree: tree.clone(), entries: Arc::new(entries), used: 0 });
        kept.touch(element);
        while kept.bytes > self.limit {
            let Some((_, oldest)) = kept.order.pop_first() else { break };
            kept.forget(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each change is complete before the next one begins: a panic elsewhere leaves nothing half done that matters.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn touch(&mut self, element: &str) {
        self.clock += 1;
        let Some(entry) = self.of.get_mut(element) else { return };
        // A time that no entry has yet is 0, and no clock says 0.
        let name = self.order.remove(&entry.used).unwrap_or_else(|| element.to_owned());
        entry.used = self.clock;
        self.order.insert(self.clock, name);
    }

    fn forget(&mut self, element: &str) {
        let Some(entry) = self.of.remove(element) else { return };
        self.order.remove(&entry.used);
        self.bytes -= entry.made.bytes;
    }
}

impl Made {
    /// Of a reply that this adapter would read; `None` without a schema, for then nothing can be read.
    pub(super) fn of(data: &Fragment, adapter: &Adapter) -> Option<Self> {
        let schema = adapter.schema()?.clone();
        let mut digest = blake3::Hasher::new();
        for (prefix, namespace) in &data.namespaces {
            for part in [prefix, namespace] {
                digest.update(&(part.len() as u64).to_le_bytes());
                digest.update(part.as_bytes());
            }
        }
        // No length is as long as this, so what follows is the content and nothing else.
        digest.update(&u64::MAX.to_le_bytes());
        digest.update(data.inner.as_bytes());
        let (digest, bytes) = (digest.finalize(), data.inner.len());
        Some(Self { digest, schema, adapter: adapter.digest().to_owned(), bytes })
    }

    fn is(&self, other: &Self) -> bool {
        self.digest == other.digest && self.is_read_as(other)
    }

    /// Whether the same bytes would mean the same.
    fn is_read_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.schema, &other.schema) && self.adapter == other.adapter
    }
}

/// Bytes of replies whose trees are kept; a tree is about as large as its bytes, its entries share its nodes.
const LIMIT: usize = 64 << 20;
