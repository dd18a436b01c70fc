//! From text to a place: list entries by key texts (URIs), paths by instance identifiers (the command line, the faults of
//! libyang).
//!
//! Every value takes the canonical form of its type, so a path that is read here equals the path of the node in a tree.

use super::name::Name;
use super::path::{Key, Path, Step};
use super::schema::{SchemaId, SchemaIndex, SchemaKind};
use super::value::Value;

impl SchemaIndex {
    /// The step to the entry of `list` with these key texts, in the order of the schema. The error says which key does not
    /// fit, without path.
    pub fn entry_step(&self, list: SchemaId, keys: &[&str]) -> Result<Step, String> {
        let schema = self.node(list);
        if schema.keys.len() != keys.len() {
            return Err(format!("the list '{}' has {} keys, not {}", schema.name, schema.keys.len(), keys.len()));
        }
        let keys = schema.keys.iter().zip(keys).map(|(name, text)| {
            let value = self.key_value(list, name, text)?;
            Ok((name.clone(), value))
        });
        let keys: Vec<(Name, Value)> = keys.collect::<Result<_, String>>()?;
        Ok(Step { name: schema.name.clone(), key: Key::Entry(keys.into()) })
    }

    /// The step to the member of `leaf_list` with this text.
    pub fn member_step(&self, leaf_list: SchemaId, text: &str) -> Result<Step, String> {
        let schema = self.node(leaf_list);
        let ty = schema.ty.as_ref().ok_or_else(|| format!("'{}' has no values", schema.name))?;
        Ok(Step::member(schema.name.clone(), ty.value(schema.name.module.as_str(), text)?))
    }

    /// Reads an instance identifier with module names where the module changes (RFC 7951 §6.11), the form in which a [`Path`]
    /// prints itself. Keys may stand in any order; a list without predicates is not a node. `/` is the root.
    pub fn locate(&self, text: &str) -> Result<Path, String> {
        let mut steps = Vec::new();
        let mut parent: Option<SchemaId> = None;
        let mut rest = text.trim();
        if rest == "/" {
            return Ok(Path::root());
        }
        while !rest.is_empty() {
            let tail = rest.strip_prefix('/').ok_or_else(|| format!("'/' is expected before '{rest}'"))?;
            let end = tail.find(['/', '[']).unwrap_or(tail.len());
            let (word, tail) = tail.split_at(end);
            let id = match (word.split_once(':'), parent) {
                (Some((module, name)), _) => self.child_named(parent, module, name),
                (None, Some(parent)) => self.child_named(Some(parent), self.node(parent).name.module.as_str(), word),
                (None, None) => return Err(format!("'{word}' needs the name of its module: 'module:name'")),
            };
            let id = id.ok_or_else(|| format!("unknown node '{word}' in '{text}'"))?;
            let (predicates, tail) = predicates(tail)?;
            rest = tail;
            steps.push(self.located(id, &predicates)?);
            parent = Some(id);
        }
        Ok(Path::new(steps))
    }

    fn located(&self, id: SchemaId, predicates: &[Predicate<'_>]) -> Result<Step, String> {
        let schema = self.node(id);
        match schema.kind {
            SchemaKind::List { .. } => {
                let keys: Result<Vec<&str>, String> = schema
                    .keys
                    .iter()
                    .map(|key| {
                        let found = predicates
                            .iter()
                            .find(|(name, _)| name.split_once(':').map_or(*name, |(_, name)| name) == key.as_str());
                        found.map(|(_, value)| *value).ok_or_else(|| format!("'{}' needs its key '{key}'", schema.name))
                    })
                    .collect();
                let keys = keys?;
                if predicates.len() != keys.len() {
                    return Err(format!("'{}' has {} keys", schema.name, keys.len()));
                }
                self.entry_step(id, &keys)
            }
            SchemaKind::LeafList { .. } => match predicates {
                [(".", value)] => self.member_step(id, value),
                _ => Err(format!("'{}' needs its value: [.='…']", schema.name)),
            },
            _ if predicates.is_empty() => Ok(Step::single(schema.name.clone())),
            _ => Err(format!("'{}' is no list", schema.name)),
        }
    }

    fn key_value(&self, list: SchemaId, name: &Name, text: &str) -> Result<Value, String> {
        let module = self.node(list).name.module.as_str();
        let leaf = self.child_named(Some(list), module, name.as_str());
        let ty = leaf.and_then(|leaf| self.node(leaf).ty.as_deref());
        let ty = ty.ok_or_else(|| format!("the schema gives no type for key '{name}'"))?;
        ty.value(module, text).map_err(|fault| format!("key '{name}': {fault}"))
    }
}

/// Name and value.
type Predicate<'a> = (&'a str, &'a str);

/// The predicates at the beginning of a text, and what follows.
fn predicates(mut rest: &str) -> Result<(Vec<Predicate<'_>>, &str), String> {
    let mut found = Vec::new();
    while let Some(tail) = rest.strip_prefix('[') {
        let bad = || format!("not a predicate: '[{tail}'");
        let (name, tail) = tail.split_once('=').ok_or_else(bad)?;
        let quote = tail.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(bad)?;
        let (value, tail) = tail[1..].split_once(quote).ok_or_else(bad)?;
        rest = tail.strip_prefix(']').ok_or_else(bad)?;
        found.push((name.trim(), value));
    }
    Ok((found, rest))
}
