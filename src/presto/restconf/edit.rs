//! What a write makes of the stored tree (RFC 8040 §4.4 to §4.7). Pure.
//!
//! One rule for every depth: the tree that is stored, the method, the target and the body give the tree that shall be. What
//! that means for single documents is the business of [`super::documents`].
//!
//! Guarantees: PUT replaces at its target and nothing beside it; PATCH merges and creates no target; POST creates one child and
//! replaces nothing; another case of a choice goes when one comes (RFC 7950 §7.9.3). The schema's constraints are not checked here.

use crate::tree::{After, Body, ConfigTree, Key, Node, Path, SchemaId, SchemaIndex, SchemaKind, Step};

/// A writing method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Create or replace the target.
    Put,
    /// Create one child of the target.
    Post,
    /// Merge into the target.
    Patch,
    /// Remove the target.
    Delete,
}

/// The result of an edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The tree that shall be.
    pub tree: ConfigTree,
    /// Whether the resource was not there before.
    pub created: bool,
    /// The resource: the target, or the child that POST made.
    pub resource: Path,
}

/// Why an edit is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct EditError {
    /// What kind of fault.
    pub kind: EditErrorKind,
    /// Where.
    pub path: Path,
    /// What and why.
    pub message: String,
}

/// Kinds of faults; each is one status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditErrorKind {
    /// 404.
    NotFound,
    /// 409 `data-exists`.
    Exists,
    /// 400 `invalid-value`.
    Invalid,
    /// 400 `malformed-message`: the body has not the one child that it must have.
    Malformed,
    /// 405 `operation-not-supported`.
    NotSupported,
}

/// Applies a write. `body` was read as children of the target's parent (PUT, PATCH) or of the target (POST).
pub fn edit(
    stored: &ConfigTree,
    method: Method,
    target: &Path,
    body: Option<&ConfigTree>,
    index: &SchemaIndex,
) -> Result<Edited, EditError> {
    writable(target, index)?;
    match method {
        Method::Put | Method::Patch => {
            let Some(parent) = target.parent() else {
                return Err(error(
                    EditErrorKind::NotSupported,
                    target,
                    "the whole datastore cannot be written at once; write the services",
                ));
            };
            exists_above(stored, target, index)?;
            let body = body.ok_or_else(|| error(EditErrorKind::Malformed, target, "the request has no body"))?;
            if let Some(edited) = key_leaf(stored, target, body)? {
                return Ok(edited);
            }
            let node = the_target(body, target, &parent, index)?;
            if method == Method::Put {
                put(stored, target, &parent, node, index)
            } else {
                patch(stored, target, &parent, &node, index)
            }
        }
        Method::Post => post(stored, target, body, index),
        Method::Delete => delete(stored, target),
    }
}

/// The leaf that a path names, also when it is a key of its parent entry.
pub fn leaf_at(tree: &ConfigTree, path: &Path) -> Option<Node> {
    if let Some(node) = tree.at(path) {
        return Some(node.clone());
    }
    let (parent, last) = (path.parent()?, path.last()?);
    let Key::Entry(keys) = tree.at(&parent)?.key() else { return None };
    let (_, value) = keys.iter().find(|(name, _)| *name == last.name.name)?;
    Some(Node::leaf(last.name.clone(), value.clone()))
}

fn put(
    stored: &ConfigTree,
    target: &Path,
    parent: &Path,
    node: Node,
    index: &SchemaIndex,
) -> Result<Edited, EditError> {
    let created = stored.at(target).is_none();
    let tree = if node.is_void() { stored.without(target) } else { stored.with(parent, node.clone(), After::Keep) };
    let tree = drop_other_cases(&tree, parent, &node, index);
    Ok(Edited { tree, created, resource: target.clone() })
}

fn patch(
    stored: &ConfigTree,
    target: &Path,
    parent: &Path,
    over: &Node,
    index: &SchemaIndex,
) -> Result<Edited, EditError> {
    let void = Node::from_step(over.step());
    let base = match stored.at(target) {
        Some(node) => node,
        None if is_plain_container(target, index) => &void,
        None => return Err(absent(target, "PATCH does not create its target; use PUT or POST")),
    };
    let merged = merge(base, over, index.resolve(target), index);
    let tree = if merged.is_void() { stored.clone() } else { stored.with(parent, merged, After::Keep) };
    Ok(Edited { tree, created: false, resource: target.clone() })
}

fn post(
    stored: &ConfigTree,
    target: &Path,
    body: Option<&ConfigTree>,
    index: &SchemaIndex,
) -> Result<Edited, EditError> {
    exists_above(stored, target, index)?;
    if !target.steps().is_empty() && stored.at(target).is_none() && !is_plain_container(target, index) {
        return Err(absent(target, "the parent of what POST creates must exist"));
    }
    let body = body.ok_or_else(|| error(EditErrorKind::Malformed, target, "the request has no body"))?;
    let mut children = body.at(target).map(|node| node.children().iter()).into_iter().flatten();
    let (Some(child), None) = (children.next(), children.next()) else {
        return Err(error(
            EditErrorKind::Malformed,
            target,
            "the body of POST holds exactly one child of the target, with content",
        ));
    };
    let resource = target.child(child.step());
    if leaf_at(stored, &resource).is_some() {
        return Err(error(EditErrorKind::Exists, &resource, "it exists already; use PUT or PATCH to change it"));
    }
    let tree = stored.with(target, child.clone(), After::Keep);
    let tree = drop_other_cases(&tree, target, child, index);
    Ok(Edited { tree, created: true, resource })
}

fn delete(stored: &ConfigTree, target: &Path) -> Result<Edited, EditError> {
    if stored.at(target).is_none() {
        if leaf_at(stored, target).is_some() {
            return Err(error(EditErrorKind::Invalid, target, "a key cannot be removed; remove its list entry"));
        }
        return Err(absent(target, "there is nothing to remove"));
    }
    if target.steps().is_empty() {
        return Err(error(EditErrorKind::NotSupported, target, "the datastore cannot be removed"));
    }
    Ok(Edited { tree: stored.without(target), created: false, resource: target.clone() })
}

/// The one node of the body, which must be the target.
fn the_target(body: &ConfigTree, target: &Path, parent: &Path, index: &SchemaIndex) -> Result<Node, EditError> {
    let children = body.at(parent).map(|node| node.children()).unwrap_or_default();
    let last = target.last().cloned().unwrap_or_else(|| Step::single(crate::tree::QName::new("", "")));
    match (children.single(), children.is_empty()) {
        (Some(node), _) if node.is_at(&last) => Ok(node.clone()),
        (Some(node), _) if node.name() == &last.name => Err(error(
            EditErrorKind::Invalid,
            target,
            &format!("the body names {}, the target is {}; both must be the same", said(&node.step()), said(&last)),
        )),
        (Some(node), _) => Err(error(
            EditErrorKind::Malformed,
            target,
            &format!("the body holds '{}', the target is '{}'", node.name(), last.name),
        )),
        // An empty non-presence container leaves no trace in a tree.
        (None, true) if is_plain_container(target, index) => Ok(Node::from_step(last)),
        (None, true) => Err(error(EditErrorKind::Malformed, target, "the body does not hold the target")),
        (None, false) => Err(error(EditErrorKind::Malformed, target, "the body holds more than the target")),
    }
}

/// A PUT or PATCH of a key leaf: the same value changes nothing, another one is impossible (RFC 8040 §4.5).
fn key_leaf(stored: &ConfigTree, target: &Path, body: &ConfigTree) -> Result<Option<Edited>, EditError> {
    if stored.at(target).is_some() {
        return Ok(None);
    }
    let Some(key) = leaf_at(stored, target) else { return Ok(None) };
    match body.at(target) {
        Some(given) if given.value() == key.value() => {
            Ok(Some(Edited { tree: stored.clone(), created: false, resource: target.clone() }))
        }
        _ => Err(error(EditErrorKind::Invalid, target, "a key cannot be changed; create the entry anew")),
    }
}

/// `base` with `over` merged into it.
fn merge(base: &Node, over: &Node, id: Option<SchemaId>, index: &SchemaIndex) -> Node {
    if over.value().is_some() || matches!(over.body(), Body::Opaque { .. }) {
        return over.clone();
    }
    let mut children = base.children().to_vec();
    for new in over.children() {
        let schema = id.and_then(|id| index.child(Some(id), new.name()));
        match children.iter().position(|old| old.is_beside(new)) {
            Some(at) => children[at] = merge(&children[at], new, schema, index),
            None => children.push(new.clone()),
        }
        if let Some(schema) = schema {
            children.retain(|old| !other_case(old, schema, id, index));
        }
    }
    base.with_children(children)
}

/// Removes the siblings of `node` that stand in another case of the same choice.
fn drop_other_cases(tree: &ConfigTree, parent: &Path, node: &Node, index: &SchemaIndex) -> ConfigTree {
    let id = index.resolve(parent);
    let Some(schema) = index.child(id, node.name()) else { return tree.clone() };
    if index.node(schema).cases.is_empty() {
        return tree.clone();
    }
    let siblings = tree.at(parent).map(|node| node.children()).unwrap_or_default();
    let gone = siblings.iter().filter(|old| other_case(old, schema, id, index));
    gone.fold(tree.clone(), |tree, old| tree.without(&parent.child(old.step())))
}

fn other_case(old: &Node, new: SchemaId, parent: Option<SchemaId>, index: &SchemaIndex) -> bool {
    let Some(old) = index.child(parent, old.name()) else { return false };
    let (old, new) = (&index.node(old).cases, &index.node(new).cases);
    new.iter().any(|(choice, case)| old.iter().any(|(other, its)| other == choice && its != case))
}

/// Every list entry and presence container above the target must be there.
fn exists_above(stored: &ConfigTree, target: &Path, index: &SchemaIndex) -> Result<(), EditError> {
    let mut at = target.parent();
    let mut missing = None;
    while let Some(path) = at {
        if !path.steps().is_empty() && stored.at(&path).is_none() && !is_plain_container(&path, index) {
            missing = Some(path.clone());
        }
        at = path.parent();
    }
    match missing {
        None => Ok(()),
        Some(path) => Err(absent(&path, "it must exist before something below it can be written")),
    }
}

fn writable(target: &Path, index: &SchemaIndex) -> Result<(), EditError> {
    match index.resolve(target) {
        Some(id) if !index.node(id).config => {
            Err(error(EditErrorKind::NotSupported, target, "it is state and cannot be written"))
        }
        _ => Ok(()),
    }
}

fn is_plain_container(path: &Path, index: &SchemaIndex) -> bool {
    let id = index.resolve(path);
    id.is_some_and(|id| index.node(id).kind == SchemaKind::Container { presence: false })
}

fn said(step: &Step) -> String {
    match &step.key {
        Key::Entry(keys) => {
            let values: Vec<_> = keys.iter().map(|(name, value)| format!("{name} '{value}'")).collect();
            values.join(", ")
        }
        Key::Member(value) => format!("'{value}'"),
        Key::Single | Key::Opaque(..) => format!("'{}'", step.name),
    }
}

fn absent(path: &Path, message: &str) -> EditError {
    error(EditErrorKind::NotFound, path, &format!("does not exist; {message}"))
}

fn error(kind: EditErrorKind, path: &Path, message: &str) -> EditError {
    EditError { kind, path: path.clone(), message: message.into() }
}
