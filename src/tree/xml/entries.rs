//! Entries of lists that a document had, so that the next one that is much the same is read only where it differs.
//!
//! Flow: [`super::parse_after`] looks here before it reads an entry, and leaves here what it read. An entry is found again by
//! a keyed hash of its bytes and of all that decides what they mean: the list, the depth, the namespaces in scope. The
//! schema, the policy and the limits are those of the caller, who keeps one of these for one of them.
//!
//! Guarantee: with it a document means what it means without it. It keeps nodes, never bytes.

use crate::tree::hash::{self, Hash};
use crate::tree::{Node, SchemaId};
use std::collections::HashMap;

/// The entries of one document; see the module.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    of: HashMap<Hash, Node>,
    again: usize,
}

impl Entries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// How many of them were not read, because the document before had them.
    pub fn again(&self) -> usize {
        self.again
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// What is known of the last document while the next one is read.
pub(super) struct Memory<'k> {
    last: &'k Entries,
    /// With each, whether it was found again.
    now: Vec<(Hash, Node, bool)>,
}

impl<'k> Memory<'k> {
    pub(super) fn of(last: &'k Entries) -> Self {
        Self { last, now: Vec::with_capacity(last.len()) }
    }

    /// How many entries of this document are known so far: for [`Self::learn`].
    pub(super) fn mark(&self) -> usize {
        self.now.len()
    }

    /// Whether nothing can be found again.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_empty()
    }

    /// The node of an entry with these bytes, if the last document had it.
    pub(super) fn again(&mut self, context: Hash, list: SchemaId, piece: &str) -> Option<Node> {
        let key = hash::of_piece(context, list.0, piece);
        let node = self.last.of.get(&key)?.clone();
        self.now.push((key, node.clone(), true));
        Some(node)
    }

    /// An entry that was read; what was learned since `mark` stands inside of it and is forgotten.
    pub(super) fn learn(&mut self, mark: usize, context: Hash, list: SchemaId, piece: &str, node: &Node) {
        self.now.truncate(mark);
        self.now.push((hash::of_piece(context, list.0, piece), node.clone(), false));
    }

    /// What this document had.
    pub(super) fn done(self) -> Entries {
        let again = self.now.iter().filter(|(.., again)| *again).count();
        Entries { of: self.now.into_iter().map(|(key, node, _)| (key, node)).collect(), again }
    }
}

/// The name of an element without prefix and without attributes that begins here.
pub(super) fn name(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('<')?;
    let name = rest.get(..rest.bytes().take(NAME_MAX).position(|byte| matches!(byte, b'>' | b' ' | b'/' | b':'))?)?;
    (rest.as_bytes().get(name.len()) == Some(&b'>') && !name.is_empty()).then_some(name)
}

/// From the start tag of `name` up to the first end tag of that name: all of the element, unless another one of its name
/// stands in it. `None` when that is too much, or too little to be worth it.
pub(super) fn piece<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..bytes.len().min(LARGEST))?;
    let mut at = name.len() + 2;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'<')?;
        let end = bytes.get(at..)?.strip_prefix(b"</").and_then(|rest| rest.strip_prefix(name.as_bytes()));
        if end.is_some_and(|rest| rest.first() == Some(&b'>')) {
            let length = at + name.len() + 3;
            return text.get(..length).filter(|piece| piece.len() >= SMALLEST);
        }
        at += 1;
    }
}

/// Longer names are read by events, in bytes.
const NAME_MAX: usize = 128;
/// Bytes of an entry that is kept as one; the entries inside of a larger one are kept.
const LARGEST: usize = 16 << 10;
/// Smaller ones are read as fast as they are found.
const SMALLEST: usize = 96;
