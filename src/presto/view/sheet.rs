//! A node of module `andante` that is being filled in.

use crate::tree::{Body, ConfigTree, Keys, Node, Path, QName, SchemaId, SchemaIndex, SchemaKind, Value, ValueKind};
use std::collections::HashSet;

/// Children of one schema node, by name.
pub struct Sheet<'a> {
    index: &'a SchemaIndex,
    id: SchemaId,
    keys: Vec<Option<Value>>,
    children: Vec<Node>,
}

impl<'a> Sheet<'a> {
    /// The node at these names, from the top of the module; `None` if the index lacks it.
    pub fn at(index: &'a SchemaIndex, names: &[&str]) -> Option<Self> {
        let mut id = None;
        for name in names {
            id = Some(index.child_named(id, MODULE, name)?);
        }
        id.map(|id| Self::new(index, id))
    }

    fn new(index: &'a SchemaIndex, id: SchemaId) -> Self {
        Self { index, id, keys: vec![None; index.node(id).keys.len()], children: Vec::new() }
    }

    /// The index.
    pub fn index(&self) -> &'a SchemaIndex {
        self.index
    }

    /// Fills a leaf.
    pub fn leaf(&mut self, name: &str, value: impl ToString) {
        let Some((id, value)) = self.value(name, &value.to_string()) else { return };
        let list = self.index.node(self.id);
        let place = list.keys.iter().position(|key| key.as_str() == name).filter(|_| self.index.is_key(self.id, id));
        match place.and_then(|place| self.keys.get_mut(place)) {
            Some(slot) => *slot = Some(value),
            None => self.children.push(Node::leaf(QName::new(MODULE, name), value)),
        }
    }

    /// Fills a leaf if there is a value.
    pub fn maybe(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// Fills a leaf-list.
    pub fn each<T: ToString>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            let Some((_, value)) = self.value(name, &value.to_string()) else { continue };
            let node = Node::member(QName::new(MODULE, name), value, true);
            if !self.children.iter().any(|known| known.is_beside(&node)) {
                self.children.push(node);
            }
        }
    }

    /// Fills a list, one entry per item. Entries with keys that were there before are left out.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut fill: impl FnMut(&mut Sheet<'a>, T)) {
        let Some(id) = self.child(name) else { return };
        let mut seen = HashSet::new();
        for item in items {
            let mut entry = Sheet::new(self.index, id);
            fill(&mut entry, item);
            let schema = self.index.node(id);
            let keys: Keys = schema
                .keys
                .iter()
                .cloned()
                .zip(entry.keys.into_iter().map(|key| key.unwrap_or_else(|| Value::text(""))))
                .collect();
            let node = Node::entry(schema.name.clone(), keys, true, entry.children);
            if schema.keys.is_empty() || seen.insert(node.key()) {
                self.children.push(node);
            }
        }
    }

    /// Fills a container.
    pub fn container(&mut self, name: &str, fill: impl FnOnce(&mut Sheet<'a>)) {
        let Some(id) = self.child(name) else { return };
        let mut inner = Sheet::new(self.index, id);
        fill(&mut inner);
        let presence = self.index.node(id).kind == SchemaKind::Container { presence: true };
        self.children.push(Node::container(QName::new(MODULE, name), presence, inner.children));
    }

    /// The node itself, if it is a container.
    pub fn into_node(self) -> Node {
        let name = self.index.node(self.id).name.clone();
        Node::container(name, false, self.children)
    }

    /// What was filled in.
    pub fn into_children(self) -> Vec<Node> {
        self.children
    }

    fn child(&self, name: &str) -> Option<SchemaId> {
        let id = self.index.child_named(Some(self.id), MODULE, name);
        if id.is_none() {
            tracing::error!(node = name, parent = %self.index.node(self.id).name, "module andante lacks a node");
        }
        id
    }

    fn value(&self, name: &str, text: &str) -> Option<(SchemaId, Value)> {
        let id = self.child(name)?;
        let clean = clean(text);
        let ty = self.index.node(id).ty.as_deref();
        match ty.map(|ty| ty.value(MODULE, &clean)) {
            Some(Ok(value)) => Some((id, value)),
            Some(Err(why)) => {
                tracing::warn!(leaf = name, why, "a value does not fit its leaf in module andante");
                None
            }
            None => Some((id, Value::new(ValueKind::Text, &clean))),
        }
    }
}

/// All leafs of a tree with their values, for lists of paths.
pub(super) fn leafs(tree: &ConfigTree) -> Vec<(Path, String)> {
    let mut all = Vec::new();
    tree.walk(&mut |path, node| {
        if let (Body::Leaf(_) | Body::Member { .. }, Some(value)) = (node.body(), node.value()) {
            all.push((path.clone(), value.to_string()));
        }
        true
    });
    all
}

/// Elements say anything; control characters (terminal escapes) do not leave the house.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The module of all views.
pub(super) const MODULE: &str = "andante";
