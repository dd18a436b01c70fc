//! Names of nodes: a local name, and the module (YANG) or grammar (CLI) that defines it.
//!
//! Names are *interned*: one text per name in the process, so that equal names are equal pointers and a node can hold its
//! name in eight bytes. Interned names live as long as the process, and their texts come from schemas, grammars and the
//! code. What an element calls its unknown nodes is hostile: [`Name::unknown`] interns nothing, and the table is bounded
//! besides. A name that is not interned behaves like any other; it only costs more.

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{OnceLock, PoisonError, RwLock};

/// A name, cheap to clone. Equal names compare by content.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Known(&'static Known),
    Free(ArcStr),
}

/// An interned name.
pub(super) struct Known {
    text: Box<str>,
    /// A place for what the first module with nodes of this name needs at each of them.
    pub(super) marks: OnceLock<Box<super::mark::First>>,
}

impl Name {
    /// The name with this text, interned.
    pub fn new(text: &str) -> Self {
        if let Some(known) = Table::look(text) {
            return known;
        }
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.known.get(text) {
            return Self(Repr::Known(known));
        }
        if table.known.len() >= NAMES_MAX || table.bytes + text.len() > BYTES_MAX {
            return Self(Repr::Free(ArcStr::from(text)));
        }
        let known: &'static Known = Box::leak(Box::new(Known { text: text.into(), marks: OnceLock::new() }));
        table.bytes += text.len();
        table.known.insert(&known.text, known);
        Self(Repr::Known(known))
    }

    /// The name with this text, not interned if it is new: for what comes from outside and no schema knows.
    pub fn unknown(text: &str) -> Self {
        Table::look(text).unwrap_or_else(|| Self(Repr::Free(ArcStr::from(text))))
    }

    /// The text of the name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(known) => &known.text,
            Repr::Free(text) => text,
        }
    }

    pub(super) fn known(&self) -> Option<&'static Known> {
        match &self.0 {
            Repr::Known(known) => Some(known),
            Repr::Free(_) => None,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Known(a), Repr::Known(b)) => std::ptr::eq(*a, *b),
            _ => self.as_str() == other.as_str(),
        }
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Known(a), Repr::Known(b)) if std::ptr::eq(*a, *b) => Ordering::Equal,
            _ => self.as_str().cmp(other.as_str()),
        }
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name::new(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A name with the module that defines it. Siblings may share a local name; they never share a qualified one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QName {
    /// YANG module name (not the prefix), or the name of the CLI grammar.
    pub module: Name,
    /// Local name.
    pub name: Name,
}

impl QName {
    /// The name `module:name`.
    pub fn new(module: &str, name: &str) -> Self {
        Self { module: Name::new(module), name: Name::new(name) }
    }

    /// The name `module:name` of something that no schema knows; see [`Name::unknown`].
    pub fn unknown(module: &str, name: &str) -> Self {
        Self { module: Name::unknown(module), name: Name::unknown(name) }
    }
}

impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.module, self.name)
    }
}

impl fmt::Debug for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// All interned names.
#[derive(Default)]
struct Table {
    known: HashMap<&'static str, &'static Known>,
    bytes: usize,
}

impl Table {
    fn look(text: &str) -> Option<Name> {
        let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
        table.known.get(text).map(|known| Name(Repr::Known(known)))
    }
}

static TABLE: std::sync::LazyLock<RwLock<Table>> = std::sync::LazyLock::new(RwLock::default);

/// How many names may be interned; the largest vendor module sets have some ten thousand.
const NAMES_MAX: usize = 1 << 18;
/// How many bytes their texts may have.
const BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_not_interned_and_is_equal_all_the_same() {
        let text = "a-name-that-nobody-has-interned-so-far";
        let before = Name::unknown(text);
        assert!(before.known().is_none());
        let known = Name::new(text);
        assert!(known.known().is_some());
        assert_eq!(before, known);
        assert_eq!(before.cmp(&known), Ordering::Equal);
        assert!(Name::unknown(text).known().is_some());
    }
}
