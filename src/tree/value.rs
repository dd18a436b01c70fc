//! Leaf values in canonical text.
//!
//! A value is compared by its canonical text alone; the kind says how a codec prints it (a JSON number, a JSON string, a
//! prefixed identity). Canonical means: numbers without leading zeros or sign `+`, identities as `module:identity`,
//! booleans `true` / `false`, an empty leaf as the empty text, everything else as the schema's type demands.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How a value is written on a wire (RFC 7951 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// Strings, enumerations, bits, binary, instance identifiers: a JSON string.
    Text,
    /// Integers of at most 32 bits: a JSON number.
    Number,
    /// 64-bit integers and decimal64: a JSON string.
    Number64,
    /// `true` or `false`: a JSON boolean.
    Bool,
    /// A leaf of type `empty`: `[null]` in JSON.
    Empty,
    /// `module:identity`; XML writes it with the module's own prefix and a namespace declaration.
    Identity,
}

/// One leaf value: canonical text and the kind of its type.
#[derive(Clone, Serialize, Deserialize)]
pub struct Value {
    kind: ValueKind,
    text: Arc<str>,
}

impl Value {
    /// A value whose text is already canonical for its type.
    pub fn new(kind: ValueKind, canonical: &str) -> Self {
        Self { kind, text: Arc::from(canonical) }
    }

    /// A text value.
    pub fn text(canonical: &str) -> Self {
        Self::new(ValueKind::Text, canonical)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is printed.
    pub fn kind(&self) -> ValueKind {
        self.kind
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}
