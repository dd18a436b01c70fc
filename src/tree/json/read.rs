//! JSON bytes -> tree.
//!
//! Recursive descent along the schema; the depth is checked before each step down, so hostile nesting cannot reach the end
//! of the stack. With [`Unknown::Opaque`] a node that does not fit is read again, as an opaque one.

use super::text::{Cursor, Fault};
use crate::tree::codec::{
    CodecError, CodecErrorKind, Limits, Met, Policy, Ranks, State, Trail, Unknown, below, opened,
};
use crate::tree::lexical::{Token, is_name, shown};
use crate::tree::schema::{SchemaIndex, SchemaKind, SchemaNode};
use crate::tree::value::Pool;
use crate::tree::{Body, ConfigTree, Name, Node, Path, QName, SchemaId, Value};
use std::borrow::Cow;
use std::collections::HashSet;

pub(super) fn parse(
    bytes: &[u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    policy: Policy,
    limits: &Limits,
) -> Result<ConfigTree, CodecError> {
    let trail = Trail::new(at);
    let (text, parent) = opened(bytes, index, at, limits)?;
    let cursor = Cursor { text, at: 0, value_bytes: limits.value_bytes };
    let mut reader =
        Reader { cursor, index, policy, limits, trail, nodes: 0, broken: false, pool: Pool::for_bytes(text.len()) };
    let children = reader.members(parent, 1, &mut Vec::new())?;
    reader.cursor.end().map_err(|fault| reader.fault(fault))?;
    Ok(below(at, index, children))
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    index: &'a SchemaIndex,
    policy: Policy,
    limits: &'a Limits,
    trail: Trail,
    nodes: usize,
    /// The text is no JSON: reading it again as an opaque node has failed.
    broken: bool,
    /// Equal values share one text.
    pool: Pool,
}

/// How the annotation of a leaf at its default begins, without white space.
pub(super) const DEFAULT_OPEN: &str = "{\"ietf-netconf-with-defaults:default\":";

/// A list key that was read: its place among the keys is that in the vector.
type Keys = Vec<Option<Value>>;

impl<'a> Reader<'a> {
    /// The members of one object. Keys of a list entry are put into `keys`, not among the nodes.
    fn members(&mut self, parent: Option<SchemaId>, depth: usize, keys: &mut Keys) -> Result<Vec<Node>, CodecError> {
        if depth > self.limits.depth {
            return Err(self.error(CodecErrorKind::TooDeep, format!("nested deeper than {}", self.limits.depth)));
        }
        self.expect(b'{', "an object is expected")?;
        let mut nodes = Vec::new();
        let mut known = Ranks::default();
        let mut near = 0;
        // Leafs that are said to be at their defaults.
        let mut defaults: Vec<(Cow<'a, str>, usize)> = Vec::new();
        let mut unknown: HashSet<Cow<'a, str>> = HashSet::new();
        if self.cursor.take(b'}') {
            return Ok(nodes);
        }
        loop {
            self.cursor.peek();
            let start = self.cursor.at;
            let name = self.string()?;
            self.expect(b':', "':' is expected behind a member name")?;
            if name.starts_with('@') {
                if self.metadata(&name, depth)? {
                    defaults.push((name, start));
                }
            } else {
                match self.find(parent, &name, &mut near) {
                    Ok(id) => {
                        if !known.insert(self.index.rank(id)) {
                            return Err(self.twice(&name, start));
                        }
                        self.member(id, parent, depth, keys, &mut nodes)?;
                    }
                    Err(kind) => {
                        if !unknown.insert(name.clone()) {
                            return Err(self.twice(&name, start));
                        }
                        if self.policy.unknown == Unknown::Refuse {
                            return Err(self.unknown(kind, parent, &name, start));
                        }
                        let qname = self.opaque_name(parent, &name)?;
                        nodes.push(self.opaque(qname, depth, 0)?);
                    }
                }
            }
            if self.cursor.take(b'}') {
                break;
            }
            self.expect(b',', "',' or '}' is expected")?;
        }
        for (name, start) in defaults {
            self.mark(parent, &name, start, &mut nodes)?;
        }
        Ok(nodes)
    }

    /// Marks the leaf of an annotation `@name` as being at its default.
    fn mark(
        &mut self,
        parent: Option<SchemaId>,
        name: &str,
        start: usize,
        nodes: &mut [Node],
    ) -> Result<(), CodecError> {
        let id = self.find(parent, &name[1..], &mut 0).ok();
        let leaf = id.and_then(|id| nodes.iter_mut().find(|node| *node.name() == self.index.node(id).name));
        match leaf {
            Some(leaf) if matches!(leaf.body(), Body::Leaf(_)) => {
                if let Some(value) = leaf.value().cloned() {
                    *leaf = Node::default_leaf(leaf.name().clone(), value);
                }
                Ok(())
            }
            _ if self.policy.unknown == Unknown::Opaque => Ok(()),
            _ => {
                self.cursor.at = start;
                Err(self.error(CodecErrorKind::BadAttribute, format!("no leaf stands beside {}", shown(name))))
            }
        }
    }

    /// The schema node that a member name means (RFC 7951 §4).
    /// `near` is the place of the last one: the next one is likely behind it.
    fn find(&self, parent: Option<SchemaId>, name: &str, near: &mut usize) -> Result<SchemaId, CodecErrorKind> {
        if let Some(parent) = parent {
            let siblings = self.index.children(Some(parent)).iter().enumerate().skip(*near).take(3);
            let module = &self.index.node(parent).name.module;
            let mut known = siblings.map(|(at, id)| (at, *id, &self.index.node(*id).name));
            if let Some((at, id, _)) =
                known.find(|(_, _, known)| known.name.as_str() == name && known.module == *module)
            {
                *near = at;
                return Ok(id);
            }
        }
        match name.split_once(':') {
            Some((module, local)) => match self.index.child_named(parent, module, local) {
                Some(id) => Ok(id),
                None if self.index.module(module).is_none() => Err(CodecErrorKind::UnknownNamespace),
                None => Err(CodecErrorKind::UnknownElement),
            },
            None => {
                let parent = parent.ok_or(CodecErrorKind::UnknownElement)?;
                let module = &self.index.node(parent).name.module;
                self.index.child_named(Some(parent), module.as_str(), name).ok_or(CodecErrorKind::UnknownElement)
            }
        }
    }

    /// One known member.
    fn member(
        &mut self,
        id: SchemaId,
        parent: Option<SchemaId>,
        depth: usize,
        keys: &mut Keys,
        nodes: &mut Vec<Node>,
    ) -> Result<(), CodecError> {
        let schema = self.index.node(id);
        self.trail.push(schema.name.clone(), None);
        let start = self.cursor.at;
        let (count, depth_before) = (nodes.len(), self.trail.depth());
        let read = self.known(id, schema, parent, depth, keys, nodes);
        if let Err(error) = read {
            let shape = matches!(error.kind, CodecErrorKind::Malformed | CodecErrorKind::MissingKey);
            if self.policy.unknown == Unknown::Refuse || self.broken || !shape {
                return Err(error);
            }
            // Of another shape than the schema says: kept as it is. What is no JSON at all fails here again, once.
            while self.trail.depth() > depth_before {
                self.trail.pop();
            }
            self.cursor.at = start;
            nodes.truncate(count);
            let whole = self.opaque(schema.name.clone(), depth, 0);
            self.broken = whole.is_err();
            nodes.push(whole?);
        }
        self.trail.pop();
        Ok(())
    }

    fn known(
        &mut self,
        id: SchemaId,
        schema: &'a SchemaNode,
        parent: Option<SchemaId>,
        depth: usize,
        keys: &mut Keys,
        nodes: &mut Vec<Node>,
    ) -> Result<(), CodecError> {
        let name = || schema.name.clone();
        if !schema.config {
            match self.policy.state {
                State::Keep => {}
                State::Refuse => {
                    return Err(self.error(CodecErrorKind::NotConfiguration, "is state, not configuration".into()));
                }
                State::Drop => return self.skip(depth),
            }
        }
        match schema.kind {
            SchemaKind::Container { presence } => {
                let children = self.members(Some(id), depth + 1, &mut Vec::new())?;
                self.count()?;
                nodes.push(Node::container(name(), presence, children));
            }
            SchemaKind::Operation => {
                let children = self.members(Some(id), depth + 1, &mut Vec::new())?;
                self.count()?;
                nodes.push(Node::container(name(), false, children));
            }
            SchemaKind::List { user_ordered } => {
                self.expect(b'[', "a list is an array of objects")?;
                let mut met = Met::default();
                let mut nth = 0;
                self.trail.pop();
                if !self.cursor.take(b']') {
                    loop {
                        nth += 1;
                        self.trail.push(name(), Some(nth));
                        let node = self.entry(id, schema, user_ordered, depth)?;
                        if !schema.keys.is_empty() && met.again(&node, nodes) {
                            return Err(self.error(
                                CodecErrorKind::DuplicateEntry,
                                "two entries of the list have the same keys".into(),
                            ));
                        }
                        nodes.push(node);
                        self.trail.pop();
                        if self.cursor.take(b']') {
                            break;
                        }
                        self.expect(b',', "',' or ']' is expected")?;
                    }
                }
                self.trail.push(name(), None);
            }
            SchemaKind::LeafList { user_ordered } => {
                self.expect(b'[', "a leaf-list is an array")?;
                let mut met = Met::default();
                if !self.cursor.take(b']') {
                    loop {
                        let value = self.value(schema)?;
                        let node = Node::member(name(), value.clone(), user_ordered);
                        if !met.again(&node, nodes) {
                            nodes.push(node);
                        } else if schema.config {
                            let message = format!("the value {} is given twice", shown(value.as_str()));
                            return Err(self.error(CodecErrorKind::DuplicateEntry, message));
                        }
                        if self.cursor.take(b']') {
                            break;
                        }
                        self.expect(b',', "',' or ']' is expected")?;
                    }
                }
            }
            SchemaKind::Leaf => {
                let value = self.value(schema)?;
                let place = parent.filter(|list| self.index.is_key(*list, id));
                let place =
                    place.and_then(|list| self.index.node(list).keys.iter().position(|key| *key == schema.name.name));
                match place.and_then(|place| keys.get_mut(place)) {
                    Some(slot) => {
                        *slot = Some(value.clone());
                        self.trail.pop();
                        self.trail.key(&schema.name.name, &value);
                        self.trail.push(name(), None);
                    }
                    None => nodes.push(Node::leaf(name(), value)),
                }
            }
            SchemaKind::Any => nodes.push(self.opaque(name(), depth, 0)?),
        }
        Ok(())
    }

    /// One entry of a list.
    fn entry(
        &mut self,
        id: SchemaId,
        schema: &'a SchemaNode,
        user_ordered: bool,
        depth: usize,
    ) -> Result<Node, CodecError> {
        let mut keys: Keys = vec![None; schema.keys.len()];
        let children = self.members(Some(id), depth + 1, &mut keys)?;
        self.count()?;
        let mut full: Vec<(Name, Value)> = Vec::with_capacity(keys.len());
        for (name, value) in schema.keys.iter().zip(keys) {
            let Some(value) = value else {
                let message = format!("the key '{name}' is missing");
                return Err(self.error(CodecErrorKind::MissingKey, message));
            };
            full.push((name.clone(), value));
        }
        Ok(Node::entry(schema.name.clone(), full, user_ordered, children))
    }

    /// The value of a leaf or a member of a leaf-list.
    fn value(&mut self, schema: &SchemaNode) -> Result<Value, CodecError> {
        self.cursor.peek();
        let start = self.cursor.at;
        let token = self.cursor.scalar().map_err(|fault| self.fault(fault))?;
        self.count()?;
        let read = match &schema.ty {
            Some(ty) => ty.json(&token, schema.name.module.as_str()),
            None => Err("the schema gives no type".into()),
        };
        read.map(|value| self.pool.shared(value)).or_else(|message| match (self.policy.unknown, token) {
            (Unknown::Opaque, Token::Text(text)) => Ok(Value::text(&text)),
            (Unknown::Opaque, Token::Number(text)) => Ok(Value::text(text)),
            (Unknown::Opaque, Token::Bool(flag)) => Ok(Value::text(if flag { "true" } else { "false" })),
            _ => {
                self.cursor.at = start;
                Err(self.error(CodecErrorKind::InvalidValue, message))
            }
        })
    }

    /// Anything, kept as its text.
    fn opaque(&mut self, name: QName, depth: usize, nth: u32) -> Result<Node, CodecError> {
        self.count()?;
        let mut text = String::new();
        let rest = self.limits.depth.saturating_sub(depth);
        self.cursor.any(rest, &mut text).map_err(|fault| self.fault(fault))?;
        Ok(Node::opaque(name, &text, nth, Vec::new()))
    }

    fn skip(&mut self, depth: usize) -> Result<(), CodecError> {
        let rest = self.limits.depth.saturating_sub(depth);
        self.cursor.any(rest, &mut String::new()).map_err(|fault| self.fault(fault))
    }

    /// Annotations (RFC 7952): that a leaf is at its default (RFC 8040 §4.8.9) is kept, and the answer is whether this one
    /// says so. Others are refused from the north, where they could only be lost, and skipped in what an element says.
    fn metadata(&mut self, name: &str, depth: usize) -> Result<bool, CodecError> {
        let start = self.cursor.at;
        let mut text = String::new();
        let rest = self.limits.depth.saturating_sub(depth);
        self.cursor.any(rest, &mut text).map_err(|fault| self.fault(fault))?;
        match text.strip_prefix(DEFAULT_OPEN).and_then(|text| text.strip_suffix('}')) {
            Some("true") => return Ok(true),
            Some("false") => return Ok(false),
            _ if self.policy.unknown == Unknown::Opaque => return Ok(false),
            _ => self.cursor.at = start,
        }
        Err(self.error(CodecErrorKind::BadAttribute, format!("annotations are not accepted: {}", shown(name))))
    }

    fn opaque_name(&self, parent: Option<SchemaId>, name: &str) -> Result<QName, CodecError> {
        let (module, local) = name.split_once(':').map_or((None, name), |(module, local)| (Some(module), local));
        if !is_name(local) || module.is_some_and(|module| !is_name(module)) {
            return Err(self.error(CodecErrorKind::Malformed, format!("{} is not a name", shown(name))));
        }
        Ok(match (module, parent) {
            (Some(module), _) => QName::unknown(module, local),
            (None, Some(parent)) => QName::unknown(self.index.node(parent).name.module.as_str(), local),
            (None, None) => QName::unknown("", local),
        })
    }

    fn count(&mut self) -> Result<(), CodecError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("the document has more than {} nodes", self.limits.nodes);
            return Err(self.error(CodecErrorKind::TooBig, message));
        }
        Ok(())
    }

    fn unknown(&mut self, kind: CodecErrorKind, parent: Option<SchemaId>, name: &str, start: usize) -> CodecError {
        self.cursor.at = start;
        let message = match (kind, parent) {
            (CodecErrorKind::UnknownNamespace, _) => format!("no module of this name is known: {}", shown(name)),
            (_, None) if !name.contains(':') => {
                format!("{} needs the name of its module: 'module:name'", shown(name))
            }
            (_, parent) => {
                let elsewhere = self.index.children(parent).iter().map(|id| &self.index.node(*id).name);
                let mut hint = elsewhere.filter(|known| known.name.as_str() == name).map(ToString::to_string);
                match hint.next() {
                    Some(known) => format!("unknown node {}; did you mean '{known}'?", shown(name)),
                    None => format!("unknown node {}", shown(name)),
                }
            }
        };
        self.error(kind, message)
    }

    fn twice(&mut self, name: &str, start: usize) -> CodecError {
        self.cursor.at = start;
        // RFC 8259 §4 leaves it open, we do not: never "the last one wins".
        self.error(CodecErrorKind::Malformed, format!("the member {} is given twice", shown(name)))
    }

    fn expect(&mut self, byte: u8, message: &'static str) -> Result<(), CodecError> {
        self.cursor.expect(byte, message).map_err(|fault| self.fault(fault))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, CodecError> {
        self.cursor.peek();
        self.cursor.string().map_err(|fault| self.fault(fault))
    }

    fn fault(&self, fault: Fault) -> CodecError {
        let kind = match fault {
            Fault { too_big: true, .. } => CodecErrorKind::TooBig,
            Fault { too_deep: true, .. } => CodecErrorKind::TooDeep,
            _ => CodecErrorKind::Malformed,
        };
        self.error(kind, fault.message.into_owned())
    }

    fn error(&self, kind: CodecErrorKind, message: String) -> CodecError {
        CodecError::at(kind, self.trail.to_string(), message, self.cursor.text, self.cursor.at)
    }
}
