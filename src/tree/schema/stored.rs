//! The form in which the tables of an index are sent by the worker and kept on disk: names and types once, numbers short.
//!
//! Flow: worker → [`Tables::encode`] → daemon (and a cache file, byte for byte) → [`Tables::decode`].
//!
//! Guarantees: `decode(encode(t)) == t`; `decode` of any bytes ends in time and memory that follow their number, without a
//! panic, and never gives a node whose parent stands behind it. It does not protect against changed bytes: who stores them
//! adds a checksum.

use super::{
    Canonical, Constraints, Leafref, SchemaChoice, SchemaId, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec,
};
use crate::tree::name::{Name, QName};
use std::collections::HashMap;
use std::sync::Arc;

/// Changes with every change of the form: bytes of another version are refused.
pub const VERSION: u64 = 2;

/// Unions are not nested deeper than this.
const MAX_UNION_DEPTH: usize = 40;

impl Tables {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let (mut names, mut types) = (Numbers::default(), TypeNumbers::default());
        let mut nodes = Writer::default();
        for node in &self.nodes {
            nodes.node(node, &mut names, &mut types);
        }
        let mut choices = Writer::default();
        for choice in &self.choices {
            choices.choice(choice, &mut names);
        }
        out.number(VERSION);
        out.text(&self.content_id);
        out.number(self.modules.len() as u64);
        for module in &self.modules {
            out.text(module.name.as_str());
            out.text(&module.namespace);
            out.text(&module.prefix);
            out.optional(module.revision.as_deref());
        }
        out.number(names.list.len() as u64);
        names.list.iter().for_each(|name| out.text(name.as_str()));
        out.number(types.list.len() as u64);
        types.list.iter().for_each(|ty| out.ty(ty));
        out.number(self.nodes.len() as u64);
        out.0.append(&mut nodes.0);
        out.number(self.choices.len() as u64);
        out.0.append(&mut choices.0);
        out.ids(&self.top);
        out.0
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// The bytes are of another version, or not what [`Tables::encode`] gives; says what was being read.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut from = Reader { left: bytes };
        match from.number()? {
            VERSION => {}
            other => return Err(format!("stored form {other}, not {VERSION}")),
        }
        let content_id = from.text()?.to_owned();
        let modules = from.many(|from| {
            Ok(SchemaModule {
                name: Name::new(from.text()?),
                namespace: from.text()?.to_owned(),
                prefix: from.text()?.to_owned(),
                revision: from.optional()?.map(str::to_owned),
            })
        })?;
        let names = from.many(|from| Ok(Name::new(from.text()?)))?;
        let types = from.many(|from| from.ty(0).map(Arc::new))?;
        let mut at = 0;
        let nodes = from.many(|from| {
            let node = from.node(&names, &types)?;
            if node.parent.is_some_and(|parent| parent.0 >= at) {
                return Err(format!("node {at} stands before its parent"));
            }
            at += 1;
            Ok(node)
        })?;
        let choices = from.many(|from| from.choice(&names))?;
        let top = from.ids()?;
        if !from.left.is_empty() {
            return Err(format!("{} bytes too many", from.left.len()));
        }
        Ok(Self { content_id, modules, nodes, top, choices })
    }
}

/// Names by number.
#[derive(Default)]
struct Numbers {
    list: Vec<Name>,
    of: HashMap<Name, u64>,
}

impl Numbers {
    fn of(&mut self, name: &Name) -> u64 {
        if let Some(number) = self.of.get(name) {
            return *number;
        }
        let number = self.list.len() as u64;
        self.list.push(name.clone());
        self.of.insert(name.clone(), number);
        number
    }
}

/// Types by number.
#[derive(Default)]
struct TypeNumbers {
    list: Vec<Arc<TypeSpec>>,
    of: HashMap<Arc<TypeSpec>, u64>,
    /// Types that are shared already are found without looking into them.
    seen: HashMap<usize, u64>,
}

impl TypeNumbers {
    fn of(&mut self, ty: &Arc<TypeSpec>) -> u64 {
        let address = Arc::as_ptr(ty) as usize;
        if let Some(number) = self.seen.get(&address) {
            return *number;
        }
        let next = self.list.len() as u64;
        let number = *self.of.entry(ty.clone()).or_insert(next);
        if number == next {
            self.list.push(ty.clone());
        }
        self.seen.insert(address, number);
        number
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }

    fn ids(&mut self, ids: &[SchemaId]) {
        self.number(ids.len() as u64);
        ids.iter().for_each(|id| self.number(u64::from(id.0)));
    }

    fn maybe(&mut self, id: Option<u64>) {
        self.number(id.map_or(0, |id| id.saturating_add(1)));
    }

    fn pairs(&mut self, pairs: &[(Name, Name)], names: &mut Numbers) {
        self.number(pairs.len() as u64);
        for (choice, case) in pairs {
            self.number(names.of(choice));
            self.number(names.of(case));
        }
    }

    fn node(&mut self, node: &SchemaNode, names: &mut Numbers, types: &mut TypeNumbers) {
        let kind = KINDS.iter().position(|kind| *kind == node.kind).unwrap_or_default() as u8;
        self.0.push(kind << 3 | u8::from(node.config) << 2 | u8::from(node.mandatory) << 1 | u8::from(node.when));
        self.number(names.of(&node.name.module));
        self.number(names.of(&node.name.name));
        self.maybe(node.parent.map(|id| id.0.into()));
        self.maybe(node.ty.as_ref().map(|ty| types.of(ty)));
        self.number(node.keys.len() as u64);
        node.keys.iter().for_each(|key| self.number(names.of(key)));
        self.optional(node.default.as_deref());
        self.pairs(&node.cases, names);
        self.ids(&node.children);
        self.number(u64::from(node.more.is_some()));
        if let Some(more) = &node.more {
            self.texts(&more.defaults);
            self.maybe(more.leafref.map(|leafref| u64::from(leafref.target.0) << 1 | u64::from(leafref.required)));
            self.number(more.unique.len() as u64);
            more.unique.iter().for_each(|leafs| self.ids(leafs));
            self.number(more.min_elements.into());
            self.maybe(more.max_elements.map(u64::from));
        }
    }

    fn choice(&mut self, choice: &SchemaChoice, names: &mut Numbers) {
        self.0.push(u8::from(choice.mandatory) << 1 | u8::from(choice.when));
        self.number(names.of(&choice.name));
        self.maybe(choice.parent.map(|id| id.0.into()));
        self.pairs(&choice.within, names);
        self.maybe(choice.default_case.as_ref().map(|case| names.of(case)));
    }

    fn ty(&mut self, ty: &TypeSpec) {
        match ty {
            TypeSpec::Integer { bits, signed } => self.0.extend([0, *bits, u8::from(*signed)]),
            TypeSpec::Decimal64 { digits } => self.0.extend([1, *digits]),
            TypeSpec::Bool => self.0.push(2),
            TypeSpec::Empty => self.0.push(3),
            TypeSpec::Text(form) => {
                self.0.extend([4, FORMS.iter().position(|known| known == form).unwrap_or_default() as u8]);
            }
            TypeSpec::Enumeration(names) => {
                self.0.push(5);
                self.texts(names);
            }
            TypeSpec::Bits(names) => {
                self.0.push(6);
                self.texts(names);
            }
            TypeSpec::Binary => self.0.push(7),
            TypeSpec::Identity { identities } => {
                self.0.push(8);
                self.texts(identities);
            }
            TypeSpec::InstanceIdentifier => self.0.push(9),
            TypeSpec::Union(members) => {
                self.0.push(10);
                self.number(members.len() as u64);
                members.iter().for_each(|member| self.ty(member));
            }
            TypeSpec::Restricted { of, within } => {
                self.0.push(11);
                self.number(within.len() as u64);
                within.iter().flat_map(|(from, to)| [from, to]).for_each(|end| self.0.extend(end.to_le_bytes()));
                self.ty(of);
            }
        }
    }
}

struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, String> {
        let (first, left) = self.left.split_first().ok_or("it ends too early")?;
        self.left = left;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long".into())
    }

    /// An end of a range.
    fn end(&mut self) -> Result<i128, String> {
        let (end, left) = self.left.split_first_chunk().ok_or("it ends too early")?;
        self.left = left;
        Ok(i128::from_le_bytes(*end))
    }

    /// A count of things that take at least one byte each.
    fn count(&mut self) -> Result<usize, String> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.left.len() { Err(format!("{count} items cannot follow")) } else { Ok(count) }
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let count = self.count()?;
        // Grown as it is read: an item in memory is larger than its bytes.
        let mut items = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            items.push(one(self)?);
        }
        items.shrink_to_fit();
        Ok(items)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let length = self.count()?;
        let (text, left) = self.left.split_at(length);
        self.left = left;
        std::str::from_utf8(text).map_err(|_| "a text is not UTF-8".into())
    }

    fn optional(&mut self) -> Result<Option<&'a str>, String> {
        match self.number()? {
            0 => Ok(None),
            _ => self.text().map(Some),
        }
    }

    fn texts(&mut self) -> Result<Vec<String>, String> {
        self.many(|from| from.text().map(str::to_owned))
    }

    fn id(&mut self) -> Result<SchemaId, String> {
        u32::try_from(self.number()?).map(SchemaId).map_err(|_| "a node has too large a number".into())
    }

    fn ids(&mut self) -> Result<Vec<SchemaId>, String> {
        self.many(Self::id)
    }

    fn maybe(&mut self) -> Result<Option<u64>, String> {
        Ok(self.number()?.checked_sub(1))
    }

    fn maybe_id(&mut self) -> Result<Option<SchemaId>, String> {
        let id = self.maybe()?.map(u32::try_from).transpose();
        id.map(|id| id.map(SchemaId)).map_err(|_| "a node has too large a number".into())
    }

    fn name(&mut self, names: &[Name]) -> Result<Name, String> {
        let number = self.number()? as usize;
        names.get(number).cloned().ok_or_else(|| format!("there is no name {number}"))
    }

    fn pairs(&mut self, names: &[Name]) -> Result<Vec<(Name, Name)>, String> {
        self.many(|from| Ok((from.name(names)?, from.name(names)?)))
    }

    fn node(&mut self, names: &[Name], types: &[Arc<TypeSpec>]) -> Result<SchemaNode, String> {
        let bits = self.byte()?;
        let kind = *KINDS.get(usize::from(bits >> 3)).ok_or("an unknown kind of node")?;
        let name = QName { module: self.name(names)?, name: self.name(names)? };
        let parent = self.maybe_id()?;
        let ty = match self.maybe()? {
            None => None,
            Some(at) => Some(types.get(at as usize).cloned().ok_or_else(|| format!("there is no type {at}"))?),
        };
        let keys = self.many(|from| from.name(names))?;
        let default = self.optional()?.map(str::to_owned);
        let cases = self.pairs(names)?;
        let children = self.ids()?;
        let more = match self.number()? {
            0 => None,
            _ => Some(Arc::new(self.constraints()?)),
        };
        let (config, mandatory, when) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
        Ok(SchemaNode { name, parent, kind, config, mandatory, when, keys, ty, default, cases, children, more })
    }

    fn constraints(&mut self) -> Result<Constraints, String> {
        let defaults = self.texts()?;
        let leafref = match self.maybe()? {
            None => None,
            Some(packed) => {
                let target = u32::try_from(packed >> 1).map_err(|_| "a node has too large a number")?;
                Some(Leafref { target: SchemaId(target), required: packed & 1 != 0 })
            }
        };
        let unique = self.many(Self::ids)?;
        let too_many = |_| "too large a number of elements".to_owned();
        let min_elements = u32::try_from(self.number()?).map_err(too_many)?;
        let max_elements = self.maybe()?.map(u32::try_from).transpose().map_err(too_many)?;
        Ok(Constraints { defaults, leafref, unique, min_elements, max_elements })
    }

    fn choice(&mut self, names: &[Name]) -> Result<SchemaChoice, String> {
        let bits = self.byte()?;
        let name = self.name(names)?;
        let parent = self.maybe_id()?;
        let within = self.pairs(names)?;
        let default_case = match self.maybe()? {
            None => None,
            Some(at) => Some(names.get(at as usize).cloned().ok_or_else(|| format!("there is no name {at}"))?),
        };
        Ok(SchemaChoice { name, parent, within, mandatory: bits & 2 != 0, default_case, when: bits & 1 != 0 })
    }

    fn ty(&mut self, depth: usize) -> Result<TypeSpec, String> {
        if depth > MAX_UNION_DEPTH {
            return Err("unions are nested too deep".into());
        }
        Ok(match self.byte()? {
            0 => TypeSpec::Integer { bits: self.byte()?, signed: self.byte()? != 0 },
            1 => TypeSpec::Decimal64 { digits: self.byte()? },
            2 => TypeSpec::Bool,
            3 => TypeSpec::Empty,
            4 => TypeSpec::Text(*FORMS.get(usize::from(self.byte()?)).ok_or("an unknown form of text")?),
            5 => TypeSpec::Enumeration(self.texts()?),
            6 => TypeSpec::Bits(self.texts()?),
            7 => TypeSpec::Binary,
            8 => TypeSpec::Identity { identities: self.texts()? },
            9 => TypeSpec::InstanceIdentifier,
            10 => TypeSpec::Union(self.many(|from| from.ty(depth + 1))?),
            11 => {
                let within = self.many(|from| Ok((from.end()?, from.end()?)))?;
                TypeSpec::Restricted { of: Box::new(self.ty(depth + 1)?), within }
            }
            other => return Err(format!("there is no type of kind {other}")),
        })
    }
}

/// The kinds in the order of their numbers; new ones go to the end.
const KINDS: [SchemaKind; 9] = [
    SchemaKind::Container { presence: false },
    SchemaKind::Container { presence: true },
    SchemaKind::List { user_ordered: false },
    SchemaKind::List { user_ordered: true },
    SchemaKind::Leaf,
    SchemaKind::LeafList { user_ordered: false },
    SchemaKind::LeafList { user_ordered: true },
    SchemaKind::Any,
    SchemaKind::Operation,
];

/// The forms of text in the order of their numbers; new ones go to the end.
const FORMS: [Canonical; 4] = [Canonical::Exact, Canonical::Lower, Canonical::IpAddress, Canonical::IpPrefix];
