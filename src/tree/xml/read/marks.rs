//! What an `edit-config` says beside its tree: operations and places, and the attributes that say them.

use super::{Content, Reader};
use crate::tree::codec::{CodecError, CodecErrorKind, Unknown};
use crate::tree::lexical::{is_space, shown};
use crate::tree::schema::{SchemaIndex, SchemaKind, SchemaNode};
use crate::tree::xml::source::Attributes;
use crate::tree::{ConfigTree, Key, Name, Node, Path, SchemaId, Step, Value};

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

impl Reader<'_> {
    pub(super) fn operation(&self, attributes: &Attributes) -> Result<Option<Operation>, CodecError> {
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

    pub(super) fn insert(&self, attributes: &Attributes, schema: &SchemaNode) -> Result<Option<Insert>, CodecError> {
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

    /// Notes the operation on an `anydata` that was just kept.
    pub(super) fn mark_anything(&mut self, operation: Option<Operation>, content: &mut Content) {
        let Some(step) = content.nodes.last().map(Node::step).filter(|_| operation.is_some()) else { return };
        if matches!(operation, Some(Operation::Delete | Operation::Remove)) {
            content.nodes.pop();
        }
        self.marks.push((vec![step], operation, None));
    }
}

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
