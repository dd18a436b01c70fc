//! Leaf values in canonical text.
//!
//! A value is compared by its canonical text; the kind says how a codec prints it (a JSON number, a JSON string, a
//! prefixed identity). Canonical means: numbers without leading zeros or sign `+`, identities as `module:identity`,
//! booleans `true` / `false`, an empty leaf as the empty text, everything else as the schema's type demands.
//!
//! One case needs more than the text: in a union of `uint8` and `string` the JSON values `10` and `"10"` are two values
//! (RFC 7951 §6.10), and XML can only write the first one, for there the first member that fits is taken (RFC 7950
//! §9.12). The second one is marked *apart* by whoever read it: it is equal to no value that is not apart. Plain text (a
//! URI, a CLI, XML) never makes such a value, so keys that are built from plain text find what XML and JSON mean by them.

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

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

/// One leaf value: canonical text and the kind of its type. A pointer in size; clones share the text.
///
/// The first byte is the kind (a capital for values apart), the text follows.
#[derive(Clone)]
pub struct Value(ArcStr);

impl Value {
    /// A value whose text is already canonical for its type.
    pub fn new(kind: ValueKind, canonical: &str) -> Self {
        Self::made(letter(kind), canonical)
    }

    /// A text value.
    pub fn text(canonical: &str) -> Self {
        Self::new(ValueKind::Text, canonical)
    }

    /// A value of a union that the same text does not mean when it is read without a type (see the module's header).
    pub fn apart(kind: ValueKind, canonical: &str) -> Self {
        Self::made(letter(kind).to_ascii_uppercase(), canonical)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        self.0.get(1..).unwrap_or_default()
    }

    /// How it is printed.
    pub fn kind(&self) -> ValueKind {
        match self.letter().to_ascii_lowercase() {
            b'n' => ValueKind::Number,
            b'l' => ValueKind::Number64,
            b'b' => ValueKind::Bool,
            b'e' => ValueKind::Empty,
            b'i' => ValueKind::Identity,
            _ => ValueKind::Text,
        }
    }

    /// Whether it differs from the value that its text alone would mean.
    pub fn is_apart(&self) -> bool {
        self.letter().is_ascii_uppercase()
    }

    /// Kind and text in one, as [`Value::of_raw`] takes it.
    pub(super) fn raw(&self) -> &str {
        &self.0
    }

    /// The value of a raw text; `None` when it does not begin with a kind.
    pub(super) fn of_raw(raw: &str) -> Option<Self> {
        let known = matches!(raw.as_bytes().first()?.to_ascii_lowercase(), b't' | b'n' | b'l' | b'b' | b'e' | b'i');
        known.then(|| Self(ArcStr::from(raw)))
    }

    /// Whether both share one text in memory.
    pub(super) fn same(a: &Self, b: &Self) -> bool {
        ArcStr::ptr_eq(&a.0, &b.0)
    }

    /// Whether it is the value of this kind and text, exactly.
    pub(super) fn is(&self, kind: ValueKind, text: &str) -> bool {
        self.letter() == letter(kind) && self.as_str() == text
    }

    fn letter(&self) -> u8 {
        self.0.as_bytes().first().copied().unwrap_or(b't')
    }

    fn made(letter: u8, text: &str) -> Self {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            line.push(char::from(letter));
            line.push_str(text);
            let value = Self(ArcStr::from(line.as_str()));
            line.shrink_to(LINE_KEPT);
            value
        })
    }
}

fn letter(kind: ValueKind) -> u8 {
    match kind {
        ValueKind::Text => b't',
        ValueKind::Number => b'n',
        ValueKind::Number64 => b'l',
        ValueKind::Bool => b'b',
        ValueKind::Empty => b'e',
        ValueKind::Identity => b'i',
    }
}

/// How much of the line in which values are put together a thread keeps, in bytes.
const LINE_KEPT: usize = 4096;

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() && self.is_apart() == other.is_apart()
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
        self.as_str().cmp(other.as_str()).then_with(|| self.is_apart().cmp(&other.is_apart()))
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())?;
        if self.is_apart() { write!(f, " as {:?}", self.kind()) } else { Ok(()) }
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Bare<'a> {
    kind: ValueKind,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    apart: bool,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bare { kind: self.kind(), text: Cow::Borrowed(self.as_str()), apart: self.is_apart() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bare = Bare::deserialize(deserializer)?;
        Ok(if bare.apart { Self::apart(bare.kind, &bare.text) } else { Self::new(bare.kind, &bare.text) })
    }
}

/// Values that were made lately, so that a document with the same value in many places keeps one text for it. Bounded: a
/// value that comes again after many others is made again.
pub(super) struct Pool {
    slots: Box<[Option<Value>]>,
}

impl Pool {
    /// A pool for a document of so many bytes.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        Self { slots: vec![None; (bytes / 64).next_power_of_two().clamp(16, SLOTS_MAX)].into() }
    }

    /// The value of this kind and canonical text.
    pub(super) fn value(&mut self, kind: ValueKind, canonical: &str) -> Value {
        if canonical.len() > POOLED_MAX {
            return Value::new(kind, canonical);
        }
        // Which slot is no secret: collisions cost nothing but sharing.
        let mut place = canonical.len() as u64 ^ u64::from(letter(kind)) << 32;
        for part in canonical.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            place = (place.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517C_C1B7_2722_0A95);
        }
        let place = (place >> 32) as usize & (self.slots.len() - 1);
        let slot = &mut self.slots[place];
        match slot {
            Some(value) if value.is(kind, canonical) => value.clone(),
            _ => slot.insert(Value::new(kind, canonical)).clone(),
        }
    }

    /// The pooled twin of a value.
    pub(super) fn shared(&mut self, value: Value) -> Value {
        if value.is_apart() { value } else { self.value(value.kind(), value.as_str()) }
    }
}

/// Slots of the largest pool: 8 bytes each.
const SLOTS_MAX: usize = 8192;
/// Longer values are not pooled, in bytes.
const POOLED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_apart_is_equal_to_no_plain_one_and_both_survive_the_store() {
        let (number, apart) = (Value::new(ValueKind::Number, "10"), Value::apart(ValueKind::Text, "10"));
        assert_ne!(number, apart);
        assert_ne!(number.cmp(&apart), Ordering::Equal);
        assert_eq!(number, Value::text("10"), "plain text finds the number");
        for value in [number, apart, Value::text(""), Value::new(ValueKind::Empty, "")] {
            let stored = serde_json::to_string(&value).unwrap();
            let read: Value = serde_json::from_str(&stored).unwrap();
            assert_eq!((&read, read.kind(), read.is_apart()), (&value, value.kind(), value.is_apart()), "{stored}");
        }
    }

    #[test]
    fn the_pool_shares_what_is_equal_and_never_mixes_kinds() {
        let mut pool = Pool::for_bytes(0);
        let one = pool.value(ValueKind::Number, "10");
        assert!(Value::same(&one, &pool.value(ValueKind::Number, "10")));
        assert_eq!(pool.value(ValueKind::Text, "10").kind(), ValueKind::Text);
    }
}
