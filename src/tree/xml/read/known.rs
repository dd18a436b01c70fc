//! An element that the schema knows, from its start tag to its end.

use super::marks::Operation;
use super::{Content, Reader};
use crate::tree::codec::{CodecError, CodecErrorKind, State, Unknown};
use crate::tree::lexical::{is_space, shown};
use crate::tree::schema::{SchemaKind, SchemaNode};
use crate::tree::xml::source::{Attributes, Item};
use crate::tree::{Name, Node, SchemaId, Value};
use std::borrow::Cow;

impl<'a> Reader<'a> {
    /// Reads it, with all that stands in it, and checks what the schema says of its shape.
    pub(super) fn known(
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

    /// Where a leaf belongs among the keys of the entry that is being read; `None` if it is no key.
    pub(super) fn key_place<'c>(
        &self,
        id: SchemaId,
        schema: &SchemaNode,
        content: &'c mut Content,
    ) -> Option<&'c mut Option<Value>> {
        let list = content.parent.filter(|list| content.keys.contains(&None) && self.index.is_key(*list, id))?;
        let place = self.index.node(list).keys.iter().position(|key| *key == schema.name.name)?;
        content.keys.get_mut(place)
    }

    pub(super) fn once(&self, id: SchemaId, content: &mut Content) -> Result<(), CodecError> {
        if content.single.insert(self.index.rank(id)) {
            return Ok(());
        }
        Err(self.error(CodecErrorKind::DuplicateEntry, "is given twice".into()))
    }

    /// Whether state is read over; an error where it is refused.
    pub(super) fn leaves_out_state(&self) -> Result<bool, CodecError> {
        match self.policy.state {
            State::Keep => Ok(false),
            State::Drop => Ok(true),
            State::Refuse => Err(self.error(CodecErrorKind::NotConfiguration, "is state, not configuration".into())),
        }
    }

    /// Reads up to the end of the element that was just entered.
    pub(super) fn skip(&mut self) -> Result<(), CodecError> {
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
}
