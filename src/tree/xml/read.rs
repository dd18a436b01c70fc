//! XML bytes -> tree.
//!
//! Recursive descent along the schema; the depth is checked before each step down. With [`Unknown::Opaque`] an element that
//! does not fit is read again from its start tag, as an opaque one.

use super::entries::{self, Entries, Memory};
use super::source::{Attributes, Binding, Item, Source};
use super::{NETCONF, RESTCONF};
use crate::tree::codec::{CodecError, CodecErrorKind, Limits, Met, Policy, Ranks, State, Trail, Unknown, below};
use crate::tree::hash::{self, Hash};
use crate::tree::lexical::{is_name, is_space, shown};
use crate::tree::schema::{SchemaIndex, SchemaKind, SchemaNode};
use crate::tree::value::Pool;
use crate::tree::{ConfigTree, Key, Name, Node, Path, QName, SchemaId, Step, Value};
use quick_xml::events::BytesStart;
use std::borrow::Cow;
use std::collections::HashMap;

/// What an `edit-config` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditConfig {
    /// All nodes but those to be removed.
    pub tree: ConfigTree,
    /// The elements that carry attributes, in the order of their ends: inner ones first.
    pub marks: Vec<Mark>,
}

/// The attributes of one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The node.
    pub path: Path,
    /// Its operation, if it carries one.
    pub operation: Option<Operation>,
    /// Where it is put among its siblings, if it says so.
    pub insert: Option<Insert>,
}

/// Operations of RFC 6241 §7.2 and of `default-operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Merge.
    Merge,
    /// Replace.
    Replace,
    /// Create; an error if it is there.
    Create,
    /// Delete; an error if it is not there.
    Delete,
    /// Remove.
    Remove,
}

/// Places of RFC 7950 §7.7.9 and §7.8.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Insert {
    /// Before all siblings.
    First,
    /// Behind all siblings.
    Last,
    /// Directly before this sibling.
    Before(Step),
    /// Directly behind this sibling.
    After(Step),
}

/// What a document is read for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'k> {
    /// Its tree.
    Read,
    /// Its tree; most of its entries may be known.
    Again(&'k Entries),
    /// Its operations, too.
    Edit,
}

pub(super) fn parse(
    bytes: &[u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    policy: Policy,
    limits: &Limits,
    purpose: Purpose<'_>,
) -> Result<(EditConfig, Entries), CodecError> {
    let trail = Trail::new(at);
    let whole = |kind, message: String| CodecError { kind, path: trail.to_string(), message, line: 0, column: 0 };
    if bytes.len() > limits.bytes {
        let message = format!("the document has {} bytes, {} are allowed", bytes.len(), limits.bytes);
        return Err(whole(CodecErrorKind::TooBig, message));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|fault| whole(CodecErrorKind::Malformed, format!("not UTF-8 at byte {}", fault.valid_up_to())))?;
    let parent = match at.filter(|path| !path.steps().is_empty()) {
        None => None,
        Some(path) => Some(index.resolve(path).ok_or_else(|| {
            whole(CodecErrorKind::UnknownElement, "the schema does not know the parent of the document".into())
        })?),
    };
    let source = Source::new(text, limits.attributes);
    let mut reader = Reader {
        source,
        index,
        policy,
        limits,
        trail,
        nodes: 0,
        broken: false,
        pool: Pool::for_bytes(text.len()),
        edit: matches!(purpose, Purpose::Edit),
        marks: Vec::new(),
        memory: match purpose {
            Purpose::Again(last) => Some(Memory::of(last)),
            Purpose::Read | Purpose::Edit => None,
        },
    };
    let mut content = Content { parent, ..Content::default() };
    reader.document(&mut content)?;
    let marks = std::mem::take(&mut reader.marks).into_iter().map(|(mut steps, operation, insert)| {
        steps.reverse();
        Mark { path: Path::new(steps), operation, insert }
    });
    let marks = marks.collect();
    let now = reader.memory.map(Memory::done).unwrap_or_default();
    Ok((EditConfig { tree: below(at, index, content.nodes), marks }, now))
}

/// The name of an element, and its schema node or why there is none.
type Found = (QName, Result<SchemaId, CodecErrorKind>);

pub(super) struct Reader<'a> {
    pub(super) source: Source<'a>,
    pub(super) index: &'a SchemaIndex,
    policy: Policy,
    pub(super) limits: &'a Limits,
    trail: Trail,
    nodes: usize,
    /// The text is no XML: reading it again as an opaque node has failed.
    broken: bool,
    /// Equal values share one text.
    pool: Pool,
    /// Operations are wanted.
    edit: bool,
    /// Steps from the node up to the element being read, and what the node carries.
    marks: Vec<(Vec<Step>, Option<Operation>, Option<Insert>)>,
    /// What the last document had, and what this one has.
    memory: Option<Memory<'a>>,
}

/// The content of one element, while it is read.
#[derive(Default)]
struct Content {
    parent: Option<SchemaId>,
    nodes: Vec<Node>,
    /// The keys of an entry, by their places.
    keys: Vec<Option<Value>>,
    /// Containers and leafs that were there.
    single: Ranks,
    /// Lists and leaf-lists that were there.
    runs: Vec<Run>,
    /// Where the last known child stands among those of the schema: the next one is likely near.
    near: usize,
    /// How often an equal opaque sibling was there.
    opaque: HashMap<(QName, String), u32>,
    /// The depth and the namespaces in scope, once they were asked for: the same for all children.
    context: Option<Hash>,
}

impl Content {
    /// What is known of a list or leaf-list so far.
    fn run(&mut self, list: SchemaId, edit: bool) -> &mut Run {
        let at = match self.runs.iter().rposition(|run| run.list == list) {
            Some(at) => at,
            None => {
                // What is to be removed is not among the nodes, so an edit keeps all keys apart from the beginning.
                let met = if edit { Met::apart() } else { Met::default() };
                self.runs.push(Run { list, number: 0, met });
                self.runs.len() - 1
            }
        };
        &mut self.runs[at]
    }

    /// Whether an entry or member with this key was there already; from now on it was.
    fn again(&mut self, list: SchemaId, node: &Node, edit: bool) -> bool {
        let mut met = std::mem::take(&mut self.run(list, edit).met);
        let again = met.again(node, &self.nodes);
        self.run(list, edit).met = met;
        again
    }
}

/// The entries of a list, or members of a leaf-list, that were read.
struct Run {
    list: SchemaId,
    /// How many there were, for paths of errors.
    number: usize,
    met: Met,
}

impl<'a> Reader<'a> {
    /// The top-level elements, or the content of a `config` or `data` element around them.
    fn document(&mut self, content: &mut Content) -> Result<(), CodecError> {
        let mut wrapped = false;
        let mut mark = 0;
        let mut first = true;
        loop {
            match self.item()? {
                Item::Open { start, offset } => {
                    let alone = std::mem::take(&mut first);
                    if self.is_envelope(&start)? {
                        // Kept as unknown it could be printed first, and nobody could tell it from the envelope then.
                        if !alone {
                            return Err(self.malformed("an envelope stands beside or inside of other elements".into()));
                        }
                        mark = self.source.enter(&start, self.index).map_err(|fault| self.malformed(fault))?.0;
                        wrapped = true;
                        continue;
                    }
                    self.element(start, offset, 1, content)?;
                }
                Item::Close => {
                    // Only the envelope can be closed here.
                    self.source.leave(mark);
                    loop {
                        match self.item()? {
                            Item::End => return Ok(()),
                            Item::Text(text) if text.trim_matches(is_space).is_empty() => {}
                            _ => return Err(self.malformed("more stands behind the end of the document".into())),
                        }
                    }
                }
                Item::Text(text) => self.only_space(&text)?,
                Item::End if wrapped => return Err(self.malformed("the document ends inside an element".into())),
                Item::End => return Ok(()),
            }
        }
    }

    fn is_envelope(&mut self, start: &BytesStart<'a>) -> Result<bool, CodecError> {
        let name = start.name();
        let (prefix, local) = name.0.split_once(':').unwrap_or(("", name.0));
        if !matches!(local, "config" | "data") {
            return Ok(false);
        }
        let (mark, _) = self.source.enter(start, self.index).map_err(|fault| self.malformed(fault))?;
        let found = self.source.binding(prefix).map(|binding| binding.namespace.as_str());
        // Cut out of a message it may have lost the declaration; a data node without namespace there is none. An empty
        // declaration says that there is none (XML namespaces §6.2).
        let is = matches!(found, None | Some("" | NETCONF | RESTCONF));
        self.source.leave(mark);
        Ok(is)
    }

    /// Reads the children of the element that was just entered, up to its end.
    fn children(&mut self, depth: usize, content: &mut Content) -> Result<(), CodecError> {
        loop {
            while depth <= self.limits.depth && (self.plain_leaf(content).is_some() || self.entry_again(depth, content))
            {
            }
            match self.item()? {
                Item::Open { start, offset } => self.element(start, offset, depth, content)?,
                Item::Close => return Ok(()),
                Item::Text(text) => self.only_space(&text)?,
                Item::End => return Err(self.malformed("the document ends inside an element".into())),
            }
        }
    }

    /// Reads `<name>value</name>` of a known leaf or leaf-list, the shape of nearly all there is to read, without events.
    /// `None`: it is something else, or something is wrong with it; nothing was read then.
    fn plain_leaf(&mut self, content: &mut Content) -> Option<()> {
        let all = self.source.ahead()?;
        let text = all.trim_start_matches(is_space);
        let rest = text.strip_prefix('<')?;
        let name = rest.get(..rest.bytes().take(NAME_MAX).position(|byte| byte == b'>')?)?;
        let rest = rest.get(name.len() + 1..)?;
        let (place, id, schema) = self.near(name, content)?;
        let user_ordered = match schema.kind {
            SchemaKind::Leaf => None,
            SchemaKind::LeafList { user_ordered } => Some(user_ordered),
            _ => return None,
        };
        // What is not plain, an end of line from elsewhere or a reference, is read by events.
        let plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t') && !matches!(byte, b'<' | b'&' | b'>');
        let (value, rest) = rest.split_at_checked(rest.bytes().position(|byte| !plain(byte))?)?;
        let rest = rest.strip_prefix("</")?.strip_prefix(name)?.strip_prefix('>')?;
        if !schema.config || value.len() > self.limits.value_bytes {
            return None;
        }
        let source = &self.source;
        let resolve = |prefix: Option<&str>| source.module_of(prefix.unwrap_or(""));
        let (kind, canonical) = schema.ty.as_ref()?.canonical(value, &resolve).ok()?;
        if self.nodes >= self.limits.nodes {
            return None;
        }
        let value = self.pool.value(kind, &canonical);
        match user_ordered {
            Some(user_ordered) => {
                let node = Node::member(schema.name.clone(), value, user_ordered);
                if content.again(id, &node, self.edit) {
                    return None;
                }
                content.nodes.push(node);
            }
            None => {
                if !content.single.insert(self.index.rank(id)) {
                    return None;
                }
                match self.key_place(id, schema, content) {
                    Some(slot) => {
                        self.trail.key(&schema.name.name, &value);
                        *slot = Some(value);
                    }
                    None => content.nodes.push(Node::leaf(schema.name.clone(), value)),
                }
            }
        }
        // A leaf is given once, a leaf-list goes on.
        content.near = place + usize::from(user_ordered.is_none());
        self.nodes += 1;
        self.source.advance(all.len() - rest.len());
        Some(())
    }

    /// The child of this name and of the default namespace, if it is the next one that the schema has here or nearly.
    fn near(&self, name: &str, content: &Content) -> Option<(usize, SchemaId, &'a SchemaNode)> {
        let module = self.source.binding("")?.module.as_ref()?;
        let mut near = self.index.children(content.parent).iter().enumerate().skip(content.near).take(3);
        near.find_map(|(at, id)| {
            let schema = self.index.node(*id);
            (schema.name.name.as_str() == name && schema.name.module == *module).then_some((at, *id, schema))
        })
    }

    /// Takes over the next entry, if the last document had it with the same bytes. False: nothing was read. One that is
    /// given twice is read, so that the error says where.
    fn entry_again(&mut self, depth: usize, content: &mut Content) -> bool {
        let Some((place, list, node, length)) = self.remembered(depth, content) else { return false };
        if !self.index.node(list).keys.is_empty() && content.again(list, &node, false) {
            return false;
        }
        content.run(list, false).number += 1;
        content.near = place;
        self.nodes += node.count() as usize;
        content.nodes.push(node);
        self.source.advance(length);
        true
    }

    /// The next entry as the last document had it: its place in the schema, its list, its node, its bytes with the white
    /// space before it.
    fn remembered(&mut self, depth: usize, content: &mut Content) -> Option<(usize, SchemaId, Node, usize)> {
        if self.memory.as_ref()?.is_new() {
            return None;
        }
        let all = self.source.ahead()?;
        let text = all.trim_start_matches(is_space);
        let name = entries::name(text)?;
        let (place, list, schema) = self.near(name, content)?;
        if !schema.config || !matches!(schema.kind, SchemaKind::List { .. }) {
            return None;
        }
        let piece = entries::piece(text, name)?;
        let context = self.context(depth, content);
        let node = self.memory.as_mut()?.again(context, list, piece)?;
        let fits = self.nodes + node.count() as usize <= self.limits.nodes;
        fits.then_some((place, list, node, all.len() - text.len() + piece.len()))
    }

    /// Keeps an entry that was read, the last one of `content`: it began at `offset`, when `mark` were known.
    fn learn(&mut self, list: SchemaId, (offset, mark): (usize, usize), depth: usize, content: &mut Content) {
        let Some(text) = self.source.text().get(offset..self.source.offset()) else { return };
        let Some(piece) = entries::name(text).and_then(|name| entries::piece(text, name)) else { return };
        // Another one of its name stands in it: it would not be found.
        if piece.len() != text.len() || !self.index.node(list).config {
            return;
        }
        let context = self.context(depth, content);
        if let (Some(memory), Some(node)) = (&mut self.memory, content.nodes.last()) {
            memory.learn(mark, context, list, piece, node);
        }
    }

    fn context(&self, depth: usize, content: &mut Content) -> Hash {
        *content.context.get_or_insert_with(|| hash::of_context(depth, self.source.bindings()))
    }

    /// Where a leaf belongs among the keys of the entry that is being read; `None` if it is no key.
    fn key_place<'c>(
        &self,
        id: SchemaId,
        schema: &SchemaNode,
        content: &'c mut Content,
    ) -> Option<&'c mut Option<Value>> {
        let list = content.parent.filter(|list| content.keys.contains(&None) && self.index.is_key(*list, id))?;
        let place = self.index.node(list).keys.iter().position(|key| *key == schema.name.name)?;
        content.keys.get_mut(place)
    }

    /// One element: known, unknown, or known and of another shape than the schema says.
    fn element(
        &mut self,
        start: BytesStart<'a>,
        offset: usize,
        depth: usize,
        content: &mut Content,
    ) -> Result<(), CodecError> {
        if depth > self.limits.depth {
            return Err(self.error(CodecErrorKind::TooDeep, format!("nested deeper than {}", self.limits.depth)));
        }
        let bookmark = self.source.bookmark(offset);
        let (mark, attributes) = self.source.enter(&start, self.index).map_err(|fault| self.malformed(fault))?;
        let (name, found) = self.find(&start, content)?;
        let crumbs = self.trail.depth();
        let list = found.ok().filter(|id| matches!(self.index.node(*id).kind, SchemaKind::List { .. }));
        let number = list.map(|id| {
            let run = content.run(id, self.edit);
            run.number += 1;
            run.number
        });
        self.trail.push(name.clone(), number);
        let before = content.nodes.len();
        let learned = self.memory.as_ref().map(Memory::mark);
        let mut any = None;
        let result = match found {
            Ok(id) if self.index.node(id).kind != SchemaKind::Any => match self.known(id, attributes, depth, content) {
                Err(error) if self.keeps(&error) => Err(None),
                Err(error) => Err(Some(error)),
                Ok(()) => Ok(()),
            },
            Ok(id) => {
                // `anydata` or `anyxml`: its content is kept as it stands.
                any = self.operation(&attributes)?;
                if !self.index.node(id).config && self.leaves_out_state()? {
                    self.skip().map_err(Some)
                } else {
                    self.once(id, content)?;
                    Err(None)
                }
            }
            Err(kind) => match self.policy.unknown {
                Unknown::Opaque => Err(None),
                Unknown::Refuse => Err(Some(self.unknown(kind, content.parent, &name))),
            },
        };
        match result {
            Ok(()) => {
                self.source.leave(mark);
                if let (Some(list), Some(learned)) = (list, learned)
                    && content.nodes.len() == before + 1
                {
                    self.learn(list, (offset, learned), depth, content);
                }
            }
            Err(Some(error)) => return Err(error),
            Err(None) => {
                while self.trail.depth() > crumbs + 1 {
                    self.trail.pop();
                }
                content.nodes.truncate(before);
                self.source.rewind(&bookmark);
                let again = self.opaque(name, depth, content);
                self.broken = again.is_err();
                again?;
                self.mark_anything(any, content);
            }
        }
        self.trail.pop();
        Ok(())
    }

    /// Whether a fault means "of another shape", so that the element is kept as it is.
    fn keeps(&self, error: &CodecError) -> bool {
        let shape = matches!(error.kind, CodecErrorKind::Malformed | CodecErrorKind::MissingKey);
        self.policy.unknown == Unknown::Opaque && shape && !self.broken
    }

    /// The name of an element, and its schema node if there is one here.
    fn find(&self, start: &BytesStart<'a>, content: &mut Content) -> Result<Found, CodecError> {
        let name = start.name();
        let (prefix, local) = name.0.split_once(':').unwrap_or(("", name.0));
        let binding = self.source.binding(prefix);
        if let Some(module) = binding.and_then(|binding| binding.module.as_ref()) {
            let siblings = self.index.children(content.parent);
            let near = siblings.iter().enumerate().skip(content.near).take(3);
            let mut near = near.map(|(at, id)| (at, *id, &self.index.node(*id).name));
            if let Some((at, id, name)) =
                near.find(|(_, _, name)| name.name.as_str() == local && name.module == *module)
            {
                content.near = at;
                return Ok((name.clone(), Ok(id)));
            }
            if let Some(id) = self.index.child_named(content.parent, module.as_str(), local) {
                content.near = self.index.rank(id) as usize;
                return Ok((self.index.node(id).name.clone(), Ok(id)));
            }
        }
        if !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(self.malformed(format!("{} is not a name", shown(name.0))));
        }
        Ok(match binding {
            Some(Binding { module: Some(module), .. }) => {
                (QName { module: module.clone(), name: Name::unknown(local) }, Err(CodecErrorKind::UnknownElement))
            }
            Some(binding) => (QName::unknown(&binding.namespace, local), Err(CodecErrorKind::UnknownNamespace)),
            None => (QName::unknown(prefix, local), Err(CodecErrorKind::UnknownNamespace)),
        })
    }

    fn known(
        &mut self,
        id: SchemaId,
        attributes: Attributes,
        depth: usize,
        content: &mut Content,
    ) -> Result<(), CodecError> {
        self.count()?;
        let schema = self.index.node(id);
        let name = || schema.name.clone();
        let operation = self.operation(&attributes)?;
        if !schema.config && self.leaves_out_state()? {
            return self.skip();
        }
        let removed = matches!(operation, Some(Operation::Delete | Operation::Remove));
        let marks = self.marks.len();
        let node = match schema.kind {
            SchemaKind::Container { .. } | SchemaKind::Operation => {
                let mut inner = Content { parent: Some(id), ..Content::default() };
                self.children(depth + 1, &mut inner)?;
                self.once(id, content)?;
                let presence = matches!(schema.kind, SchemaKind::Container { presence: true });
                Node::container(name(), presence, inner.nodes)
            }
            SchemaKind::List { user_ordered } => {
                let keys = vec![None; schema.keys.len()];
                let nodes = Vec::with_capacity(schema.children.len().min(16));
                let mut inner = Content { parent: Some(id), keys, nodes, ..Content::default() };
                self.children(depth + 1, &mut inner)?;
                let mut full: Vec<(Name, Value)> = Vec::with_capacity(schema.keys.len());
                for (name, value) in schema.keys.iter().zip(inner.keys) {
                    let Some(value) = value else {
                        let message = format!("the key '{name}' is missing");
                        return Err(self.error(CodecErrorKind::MissingKey, message));
                    };
                    full.push((name.clone(), value));
                }
                let node = Node::entry(name(), full, user_ordered, inner.nodes);
                if !schema.keys.is_empty() && content.again(id, &node, self.edit) {
                    let message = "two entries of the list have the same keys".into();
                    return Err(self.error(CodecErrorKind::DuplicateEntry, message));
                }
                node
            }
            SchemaKind::LeafList { user_ordered } => {
                let value = self.value(schema, removed)?;
                let node = Node::member(name(), value, user_ordered);
                if content.again(id, &node, self.edit) {
                    if !schema.config {
                        return Ok(());
                    }
                    let message = "the leaf-list has this value twice".into();
                    return Err(self.error(CodecErrorKind::DuplicateEntry, message));
                }
                node
            }
            SchemaKind::Leaf | SchemaKind::Any => {
                let value = self.value(schema, removed)?;
                self.once(id, content)?;
                if let Some(slot) = self.key_place(id, schema, content) {
                    *slot = Some(value.clone());
                    self.trail.pop();
                    self.trail.key(&schema.name.name, &value);
                    self.trail.push(name(), None);
                    return Ok(());
                }
                match attributes.default.as_deref().map(|text| text.trim_matches(is_space)) {
                    None | Some("false" | "0") => Node::leaf(name(), value),
                    Some("true" | "1") => Node::default_leaf(name(), value),
                    Some(other) => {
                        let message = format!("the attribute 'default' is true or false, not {}", shown(other));
                        return Err(self.error(CodecErrorKind::BadAttribute, message));
                    }
                }
            }
        };
        for (steps, ..) in &mut self.marks[marks..] {
            steps.push(node.step());
        }
        let insert = self.insert(&attributes, schema)?;
        if operation.is_some() || insert.is_some() {
            self.marks.push((vec![node.step()], operation, insert));
        }
        if !removed {
            content.nodes.push(node);
        }
        Ok(())
    }

    /// Notes the operation on an `anydata` that was just kept.
    fn mark_anything(&mut self, operation: Option<Operation>, content: &mut Content) {
        let Some(step) = content.nodes.last().map(Node::step).filter(|_| operation.is_some()) else { return };
        if matches!(operation, Some(Operation::Delete | Operation::Remove)) {
            content.nodes.pop();
        }
        self.marks.push((vec![step], operation, None));
    }

    /// Whether state is read over; an error where it is refused.
    fn leaves_out_state(&self) -> Result<bool, CodecError> {
        match self.policy.state {
            State::Keep => Ok(false),
            State::Drop => Ok(true),
            State::Refuse => Err(self.error(CodecErrorKind::NotConfiguration, "is state, not configuration".into())),
        }
    }

    /// Reads the value of a leaf up to the end of its element. Of a leaf that is to be removed the value does not matter.
    fn value(&mut self, schema: &SchemaNode, removed: bool) -> Result<Value, CodecError> {
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        loop {
            match self.item()? {
                Item::Text(piece) if text.is_empty() && piece.len() <= self.limits.value_bytes => text = piece,
                Item::Text(piece) => self.append(text.to_mut(), &piece)?,
                Item::Close => break,
                Item::Open { .. } => {
                    return Err(self.malformed("a single value is expected, not elements".into()));
                }
                Item::End => return Err(self.malformed("the document ends inside an element".into())),
            }
        }
        let source = &self.source;
        let resolve = |prefix: Option<&str>| source.module_of(prefix.unwrap_or(""));
        let read = match &schema.ty {
            Some(ty) => ty.canonical(&text, &resolve).or_else(|fault| {
                // A pretty printer puts line ends around a value of a union.
                let trimmed = text.trim_matches(is_space);
                if trimmed.len() < text.len() { ty.canonical(trimmed, &resolve) } else { Err(fault) }
            }),
            None => Err("the schema gives no type".into()),
        };
        match read {
            Err(_) if removed || self.policy.unknown == Unknown::Opaque => Ok(Value::text(text.trim_matches(is_space))),
            Err(message) => Err(self.error(CodecErrorKind::InvalidValue, message)),
            Ok((kind, canonical)) => Ok(self.pool.value(kind, &canonical)),
        }
    }

    /// Reads the element again, which the bookmark has put in front of us, and keeps its text.
    fn opaque(&mut self, name: QName, depth: usize, content: &mut Content) -> Result<(), CodecError> {
        let Item::Open { start, .. } = self.item()? else {
            return Err(self.malformed("an element is expected".into()));
        };
        let mut text = String::new();
        self.opaque_text(&start, "", depth, &mut text)?;
        let nth = content.opaque.entry((name.clone(), text.clone())).or_default();
        content.nodes.push(Node::opaque(name, &text, *nth, Vec::new()));
        *nth += 1;
        Ok(())
    }

    /// Reads up to the end of the element that was just entered.
    fn skip(&mut self) -> Result<(), CodecError> {
        let mut open = 1;
        while open > 0 {
            match self.item()? {
                Item::Open { .. } => open += 1,
                Item::Close => open -= 1,
                Item::Text(_) => {}
                Item::End => return Err(self.malformed("the document ends inside an element".into())),
            }
        }
        Ok(())
    }

    fn operation(&self, attributes: &Attributes) -> Result<Option<Operation>, CodecError> {
        if self.policy.unknown == Unknown::Refuse {
            let stray = attributes.others.first().map(|(_, _, local, _)| local.as_str());
            let edit = attributes.operation.as_ref().map(|_| "operation");
            let edit = edit.or(attributes.insert.as_ref().or(attributes.anchor.as_ref()).map(|_| "insert"));
            if let Some(name) = stray.or(edit.filter(|_| !self.edit)) {
                let message = format!("the attribute {} is not accepted", shown(name));
                return Err(self.error(CodecErrorKind::BadAttribute, message));
            }
        }
        match attributes.operation.as_deref().filter(|_| self.edit) {
            None => Ok(None),
            Some("merge") => Ok(Some(Operation::Merge)),
            Some("replace") => Ok(Some(Operation::Replace)),
            Some("create") => Ok(Some(Operation::Create)),
            Some("delete") => Ok(Some(Operation::Delete)),
            Some("remove") => Ok(Some(Operation::Remove)),
            Some(other) => {
                Err(self.error(CodecErrorKind::BadAttribute, format!("{} is not an operation", shown(other))))
            }
        }
    }

    fn insert(&self, attributes: &Attributes, schema: &SchemaNode) -> Result<Option<Insert>, CodecError> {
        let Some(place) = attributes.insert.as_deref().filter(|_| self.edit) else { return Ok(None) };
        let anchor = || -> Option<Step> {
            let text = attributes.anchor.as_deref()?;
            let resolve = |prefix: Option<&str>| self.source.module_of(prefix.unwrap_or(""));
            match schema.kind {
                SchemaKind::LeafList { .. } => {
                    let value = schema.ty.as_ref()?.lexical(text, &resolve).ok()?;
                    Some(Step::member(schema.name.clone(), value))
                }
                SchemaKind::List { .. } => {
                    let given = predicates(text)?;
                    let list = content_of(self.index, schema)?;
                    let keys: Option<Vec<(Name, Value)>> = schema
                        .keys
                        .iter()
                        .map(|key| {
                            let (_, text) = given.iter().find(|(name, _)| *name == key.as_str())?;
                            let leaf = self.index.child_named(Some(list), schema.name.module.as_str(), key.as_str())?;
                            let value = self.index.node(leaf).ty.as_ref()?.lexical(text, &resolve).ok()?;
                            Some((key.clone(), value))
                        })
                        .collect();
                    Some(Step { name: schema.name.clone(), key: Key::Entry(keys?.into()) })
                }
                _ => None,
            }
        };
        let bad = || self.error(CodecErrorKind::BadAttribute, "the place of an insertion is not understood".into());
        Ok(Some(match place {
            "first" => Insert::First,
            "last" => Insert::Last,
            "before" => Insert::Before(anchor().ok_or_else(bad)?),
            "after" => Insert::After(anchor().ok_or_else(bad)?),
            _ => return Err(bad()),
        }))
    }

    fn once(&self, id: SchemaId, content: &mut Content) -> Result<(), CodecError> {
        if content.single.insert(self.index.rank(id)) {
            return Ok(());
        }
        Err(self.error(CodecErrorKind::DuplicateEntry, "is given twice".into()))
    }

    fn only_space(&self, text: &str) -> Result<(), CodecError> {
        if text.trim_matches(is_space).is_empty() {
            return Ok(());
        }
        Err(self.malformed(format!("text {} stands where elements are expected", shown(text.trim()))))
    }

    pub(super) fn append(&self, text: &mut String, piece: &str) -> Result<(), CodecError> {
        text.push_str(piece);
        if text.len() > self.limits.value_bytes {
            let message = format!("a value is longer than {} bytes", self.limits.value_bytes);
            return Err(self.error(CodecErrorKind::TooBig, message));
        }
        Ok(())
    }

    pub(super) fn count(&mut self) -> Result<(), CodecError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("the document has more than {} nodes", self.limits.nodes);
            return Err(self.error(CodecErrorKind::TooBig, message));
        }
        Ok(())
    }

    pub(super) fn item(&mut self) -> Result<Item<'a>, CodecError> {
        self.source.next().map_err(|fault| self.malformed(fault))
    }

    fn unknown(&self, kind: CodecErrorKind, parent: Option<SchemaId>, name: &QName) -> CodecError {
        let mut known = self.index.children(parent).iter().map(|id| &self.index.node(*id).name);
        let hint = known.find(|known| known.name == name.name);
        let what = match kind {
            CodecErrorKind::UnknownNamespace => {
                format!("no module has the namespace {}", shown(name.module.as_str()))
            }
            _ => "unknown node".into(),
        };
        let message = match hint {
            Some(hint) => format!("{what}; did you mean '{hint}'?"),
            None => what,
        };
        self.error(kind, message)
    }

    pub(super) fn malformed(&self, message: String) -> CodecError {
        self.error(CodecErrorKind::Malformed, message)
    }

    pub(super) fn error(&self, kind: CodecErrorKind, message: String) -> CodecError {
        CodecError::at(kind, self.trail.to_string(), message, self.source.text(), self.source.offset())
    }
}

/// Longer names are read by events, in bytes.
const NAME_MAX: usize = 128;

/// The number of a list, found from its node.
fn content_of(index: &SchemaIndex, schema: &SchemaNode) -> Option<SchemaId> {
    index.child(schema.parent, &schema.name)
}

/// The names (without prefix) and values of `[p:name='value'][…]`.
fn predicates(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    let mut rest = text.trim_matches(is_space);
    while !rest.is_empty() {
        let (name, tail) = rest.strip_prefix('[')?.split_once('=')?;
        let tail = tail.trim_start_matches(is_space);
        let quote = tail.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (value, tail) = tail[1..].split_once(quote)?;
        rest = tail.trim_start_matches(is_space).strip_prefix(']')?.trim_start_matches(is_space);
        let name = name.trim_matches(is_space);
        found.push((name.split_once(':').map_or(name, |(_, name)| name), value));
    }
    Some(found)
}
