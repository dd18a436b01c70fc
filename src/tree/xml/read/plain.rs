//! What nearly all of a document is, without events: leafs of the usual shape, and entries that the last document had.
//!
//! Guarantee: what is not quite of that shape, or is wrong, is not read here and stays for the events.

use super::{Content, Reader};
use crate::tree::hash::{self, Hash};
use crate::tree::lexical::is_space;
use crate::tree::schema::{SchemaKind, SchemaNode};
use crate::tree::xml::entries;
use crate::tree::{Node, SchemaId};

impl<'a> Reader<'a> {
    /// Reads `<name>value</name>` of a known leaf or leaf-list, the shape of nearly all there is to read, without events.
    /// `None`: it is something else, or something is wrong with it; nothing was read then.
    pub(super) fn plain_leaf(&mut self, content: &mut Content) -> Option<()> {
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
    pub(super) fn entry_again(&mut self, depth: usize, content: &mut Content) -> bool {
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
    pub(super) fn learn(
        &mut self,
        list: SchemaId,
        (offset, mark): (usize, usize),
        depth: usize,
        content: &mut Content,
    ) {
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
}

/// Longer names are read by events, in bytes.
const NAME_MAX: usize = 128;
