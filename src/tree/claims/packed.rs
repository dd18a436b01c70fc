//! The packed stored form of claims: every name once, numbers short, values as they are.
//!
//! ```text
//!  Claims ─ pack ─► bytes (store) ─ Unpacker ─► Claims     one unpacker reads many: equal values and subtrees share
//! ```
//!
//! A record begins with the version, which no JSON text begins with, so the records of older versions are read beside.
//!
//! Guarantees: what is unpacked equals what was packed, order of users, defaults and unknown nodes included; any bytes are
//! read in time and memory that follow their number, without a panic. Values stand in clear text, so a search for the
//! token of a secret finds it. It does not protect against changed bytes.

use super::{Claims, Layer, Order, Owner};
use crate::tree::name::{Name, QName};
use crate::tree::node::{Body, Node};
use crate::tree::path::{Key, Keys, Path};
use crate::tree::tree::ConfigTree;
use crate::tree::value::{Pool, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The first byte.
const VERSION: u8 = 1;

/// Nodes are not nested deeper than this.
const MAX_DEPTH: usize = 1000;

const CONTAINER: u8 = 0x80;
const PRESENCE: u8 = 0x81;
const ENTRY: u8 = 0x82;
const USER_ENTRY: u8 = 0x83;
const LEAF: u8 = 0x84;
const DEFAULT_LEAF: u8 = 0x85;
const MEMBER: u8 = 0x86;
const USER_MEMBER: u8 = 0x87;
const OPAQUE: u8 = 0x88;
const USER_OPAQUE: u8 = 0x89;

/// What stands beside the tree, seldom.
#[derive(Default, Serialize, Deserialize)]
struct Beside {
    whole: BTreeSet<Path>,
    absent: BTreeSet<Path>,
    order: BTreeSet<Order>,
}

impl Claims {
    /// The packed form.
    pub fn pack(&self) -> Vec<u8> {
        let mut nodes = Writer::default();
        let mut names = Names::default();
        nodes.children(self.tree.root(), &mut names);
        let mut out = Writer(vec![VERSION, self.layer as u8]);
        out.text(&self.owner.0);
        let plain = self.whole.is_empty() && self.absent.is_empty() && self.order.is_empty();
        let beside = match plain {
            true => Vec::new(),
            // Paths, steps and texts only: this cannot fail.
            false => serde_json::to_vec(&(&self.whole, &self.absent, &self.order)).unwrap_or_default(),
        };
        out.bytes(&beside);
        let table = names.table();
        out.bytes(&table);
        out.0.append(&mut nodes.0);
        out.0
    }

    /// Whether the bytes of a record are packed claims; those of older versions are JSON.
    pub fn is_packed(bytes: &[u8]) -> bool {
        bytes.first() == Some(&VERSION)
    }
}

/// Reads packed claims; what many records have in common is kept once.
pub struct Unpacker {
    /// By their bytes: the records of one kind of service have the same names.
    tables: HashMap<Box<[u8]>, Arc<Table>>,
    values: Pool,
    /// Subtrees that were read lately, by hash.
    nodes: Box<[Option<Node>]>,
}

/// The names of a record.
struct Table {
    names: Vec<QName>,
    words: Vec<Name>,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { tables: HashMap::new(), values: Pool::for_bytes(0), nodes: vec![None; 16].into() }
    }
}

impl Unpacker {
    /// For a large number of records.
    pub fn for_many() -> Self {
        Self { tables: HashMap::new(), values: Pool::for_bytes(usize::MAX / 128), nodes: vec![None; SLOTS].into() }
    }

    /// The claims that were packed.
    ///
    /// # Errors
    /// The bytes are not what [`Claims::pack`] gives; says what was being read.
    pub fn unpack(&mut self, bytes: &[u8]) -> Result<Claims, &'static str> {
        let mut input = Reader(bytes);
        if input.byte()? != VERSION {
            return Err("the version");
        }
        let layer = match input.byte()? {
            0 => Layer::Adopted,
            1 => Layer::Base,
            2 => Layer::Service,
            3 => Layer::Pin,
            _ => return Err("the layer"),
        };
        let owner = Owner(input.text()?.to_owned());
        let beside = match input.bytes()? {
            [] => Beside::default(),
            json => {
                let (whole, absent, order) = serde_json::from_slice(json).map_err(|_| "what stands beside the tree")?;
                Beside { whole, absent, order }
            }
        };
        let table = self.table(input.bytes()?)?;
        let top = self.children(&mut input, &table, 0)?;
        if !input.0.is_empty() {
            return Err("the end");
        }
        let Beside { whole, absent, order } = beside;
        Ok(Claims { owner, layer, tree: ConfigTree::new(top), whole, absent, order })
    }

    fn table(&mut self, bytes: &[u8]) -> Result<Arc<Table>, &'static str> {
        if let Some(table) = self.tables.get(bytes) {
            return Ok(table.clone());
        }
        let mut input = Reader(bytes);
        let words = (0..input.count()?).map(|_| Ok(Name::new(input.text()?))).collect::<Result<Vec<_>, &str>>()?;
        let word = |at: usize| words.get(at).cloned().ok_or("a name");
        let mut names = Vec::new();
        for _ in 0..input.count()? {
            names.push(QName { module: word(input.count()?)?, name: word(input.count()?)? });
        }
        let table = Arc::new(Table { names, words });
        if self.tables.len() >= TABLES {
            self.tables.clear();
        }
        self.tables.insert(bytes.into(), table.clone());
        Ok(table)
    }

    fn children(&mut self, input: &mut Reader<'_>, table: &Table, depth: usize) -> Result<Vec<Node>, &'static str> {
        if depth > MAX_DEPTH {
            return Err("a tree that is not too deep");
        }
        let count = input.count()?;
        // A node has two bytes at least, whatever the count says.
        let mut nodes = Vec::with_capacity(count.min(input.0.len() / 2));
        for _ in 0..count {
            nodes.push(self.node(input, table, depth)?);
        }
        Ok(nodes)
    }

    fn node(&mut self, input: &mut Reader<'_>, table: &Table, depth: usize) -> Result<Node, &'static str> {
        let kind = input.byte()?;
        let name = table.names.get(input.count()?).cloned().ok_or("a name")?;
        let node = match kind {
            LEAF => return Ok(Node::leaf(name, self.value(input)?)),
            DEFAULT_LEAF => return Ok(Node::default_leaf(name, self.value(input)?)),
            MEMBER | USER_MEMBER => return Ok(Node::member(name, self.value(input)?, kind == USER_MEMBER)),
            CONTAINER | PRESENCE => Node::container(name, kind == PRESENCE, self.children(input, table, depth + 1)?),
            ENTRY | USER_ENTRY => {
                let mut keys = Vec::new();
                for _ in 0..input.count()? {
                    let name = table.words.get(input.count()?).cloned().ok_or("the name of a key")?;
                    keys.push((name, self.value(input)?));
                }
                let keys = Keys::from(keys.as_slice());
                Node::entry(name, keys, kind == USER_ENTRY, self.children(input, table, depth + 1)?)
            }
            OPAQUE | USER_OPAQUE => {
                let text = input.text()?;
                let nth = u32::try_from(input.count()?).map_err(|_| "a number")?;
                let children = self.children(input, table, depth + 1)?;
                match kind {
                    OPAQUE => Node::opaque(name, text, nth, children),
                    _ => Node::opaque_ordered(name, text, nth, children),
                }
            }
            _ => return Err("a node"),
        };
        Ok(self.shared(node))
    }

    fn value(&mut self, input: &mut Reader<'_>) -> Result<Value, &'static str> {
        let raw = input.text()?;
        let value = Value::of_raw(raw).ok_or("a value")?;
        Ok(self.values.shared(value))
    }

    /// The node, or its twin that was read before. Two nodes of one hash say the same; that what one of them says is marked
    /// as a default, or ordered by the user, is compared besides.
    fn shared(&mut self, node: Node) -> Node {
        let slot = &mut self.nodes[node.hash() as usize % SLOTS.min(self.nodes.len())];
        match slot {
            Some(twin) if twin.is_twin(&node) => twin.clone(),
            _ => slot.insert(node).clone(),
        }
    }
}

/// How many subtrees an unpacker remembers.
const SLOTS: usize = 1 << 15;
/// How many tables of names.
const TABLES: usize = 4096;

/// The names of a record as they are met.
#[derive(Default)]
struct Names<'a> {
    words: Vec<&'a str>,
    by_word: HashMap<&'a str, usize>,
    names: Vec<(usize, usize)>,
    by_name: HashMap<(usize, usize), usize>,
}

impl<'a> Names<'a> {
    fn word(&mut self, text: &'a str) -> usize {
        *self.by_word.entry(text).or_insert_with(|| {
            self.words.push(text);
            self.words.len() - 1
        })
    }

    fn name(&mut self, name: &'a QName) -> usize {
        let pair = (self.word(name.module.as_str()), self.word(name.name.as_str()));
        *self.by_name.entry(pair).or_insert_with(|| {
            self.names.push(pair);
            self.names.len() - 1
        })
    }

    fn table(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.words.len());
        self.words.iter().for_each(|word| out.text(word));
        out.number(self.names.len());
        for (module, name) in &self.names {
            out.number(*module);
            out.number(*name);
        }
        out.0
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn children<'a>(&mut self, node: &'a Node, names: &mut Names<'a>) {
        let children = node.children();
        self.number(children.len());
        for child in children {
            self.node(child, names);
        }
    }

    fn node<'a>(&mut self, node: &'a Node, names: &mut Names<'a>) {
        let kind = match node.body() {
            Body::Container { presence: false } => CONTAINER,
            Body::Container { presence: true } => PRESENCE,
            Body::Entry { user_ordered: false } => ENTRY,
            Body::Entry { user_ordered: true } => USER_ENTRY,
            Body::Leaf(_) if node.is_default() => DEFAULT_LEAF,
            Body::Leaf(_) => LEAF,
            Body::Member { user_ordered: false } => MEMBER,
            Body::Member { user_ordered: true } => USER_MEMBER,
            Body::Opaque { user_ordered: false } => OPAQUE,
            Body::Opaque { user_ordered: true } => USER_OPAQUE,
        };
        self.0.push(kind);
        let name = names.name(node.name());
        self.number(name);
        match kind {
            LEAF | DEFAULT_LEAF | MEMBER | USER_MEMBER => {
                return self.text(node.value().map(Value::raw).unwrap_or_default());
            }
            ENTRY | USER_ENTRY => {
                let keys = node.keys();
                self.number(keys.map_or(0, |keys| keys.len()));
                for (name, value) in keys.into_iter().flat_map(|keys| keys.iter()) {
                    let name = names.word(name.as_str());
                    self.number(name);
                    self.text(value.raw());
                }
            }
            OPAQUE | USER_OPAQUE => {
                self.text(node.opaque_text().unwrap_or_default());
                self.number(match node.key() {
                    Key::Opaque(_, nth) => nth as usize,
                    _ => 0,
                });
            }
            _ => {}
        }
        self.children(node, names);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.0.split_first().ok_or("more bytes")?;
        self.0 = rest;
        Ok(*first)
    }

    fn count(&mut self) -> Result<usize, &'static str> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(number).map_err(|_| "a number");
            }
        }
        Err("a number")
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("more bytes")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::path::Step;
    use crate::tree::value::ValueKind;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    fn claims() -> Claims {
        let number = Value::new(ValueKind::Number64, "7");
        let entry = Node::entry(q("l"), [("k".into(), Value::text("ä"))], true, [Node::leaf(q("v"), number)]);
        let apart = Node::leaf(q("u"), Value::apart(ValueKind::Text, "10"));
        let opaque = Node::opaque(QName::unknown("x", "nobody-knows-it"), "<x/>", 3, []);
        let ordered = Node::opaque_ordered(q("line"), "no such line", 0, [Node::default_leaf(q("d"), Value::text(""))]);
        let members = ["b", "a"].map(|value| Node::member(q("o"), Value::text(value), true));
        let top = Node::container(q("c"), false, [entry, apart, opaque, ordered].into_iter().chain(members));
        let tree = ConfigTree::new([top, Node::container(q("p"), true, [])]);
        let mut claims = Claims::new(Owner("service f/acme".into()), Layer::Service, tree);
        claims.absent.insert(Path::new(vec![Step::single(q("gone"))]));
        claims
    }

    fn same(a: &Claims, b: &Claims) {
        assert_eq!(a, b);
        // Equality leaves out what is marked as default or ordered by the user.
        assert_eq!(serde_json::to_string(a).unwrap(), serde_json::to_string(b).unwrap());
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let claims = claims();
        let packed = claims.pack();
        assert!(Claims::is_packed(&packed) && !Claims::is_packed(b"{}"));
        let mut unpacker = Unpacker::default();
        for _ in 0..2 {
            same(&unpacker.unpack(&packed).unwrap(), &claims);
        }
        let bare = Claims::new(Owner(String::new()), Layer::Pin, ConfigTree::default());
        same(&unpacker.unpack(&bare.pack()).unwrap(), &bare);
        assert!(String::from_utf8_lossy(&packed).contains("no such line"));
    }

    #[test]
    fn twins_share_and_what_only_looks_equal_does_not() {
        let leaf = |default| match default {
            true => Node::default_leaf(q("v"), Value::text("1")),
            false => Node::leaf(q("v"), Value::text("1")),
        };
        let of = |name: &str, default| {
            let tree = ConfigTree::new([Node::container(q("c"), false, [leaf(default)])]);
            Claims::new(Owner(name.into()), Layer::Service, tree)
        };
        let mut unpacker = Unpacker::default();
        let [one, other, default] = [of("a", false), of("b", false), of("c", true)].map(|claims| {
            let read = unpacker.unpack(&claims.pack()).unwrap();
            same(&read, &claims);
            read
        });
        let top = |claims: &Claims| claims.tree.top().iter().next().cloned().unwrap();
        assert!(Node::same(&top(&one), &top(&other)));
        assert!(!Node::same(&top(&one), &top(&default)));
    }

    /// The store of an installation is read for ever.
    #[test]
    fn the_packed_form_stays_what_it_was() {
        let tree = ConfigTree::new([Node::entry(q("l"), [("k".into(), Value::text("a"))], false, [])]);
        let packed = Claims::new(Owner("o".into()), Layer::Service, tree).pack();
        let form: &[u8] = b"\x01\x02\x01o\x00\x0a\x03\x01m\x01l\x01k\x01\x00\x01\x01\x82\x00\x01\x02\x02ta\x00";
        assert_eq!(packed, form);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let packed = claims().pack();
        let mut unpacker = Unpacker::default();
        for end in 0..packed.len() {
            assert!(unpacker.unpack(&packed[..end]).is_err());
        }
        for at in 0..packed.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff, packed[at].wrapping_add(1)] {
                let mut other = packed.clone();
                other[at] = byte;
                let _ = unpacker.unpack(&other);
            }
        }
    }
}
