//! What the grammar says about paths and edits: own or shared, protected, derived, impact; and its schema index.

use super::effect::filled;
use super::pattern::{Bindings, Pattern};
use super::rules::{Line, ROOT, Rules, Shape};
use super::source::OwnerSource;
use super::types::ArgType;
use crate::adapter::{Impact, Ownership};
use crate::tree::schema::{SchemaModule, Tables};
use crate::tree::{
    Edit, Key, Name, Node, Path, QName, SchemaId, SchemaIndex, SchemaKind, SchemaNode, TypeSpec, schema::Canonical,
};
use std::sync::Arc;

impl Rules {
    /// Whether the node at a path belongs to who creates it.
    pub(super) fn ownership(&self, path: &Path) -> Ownership {
        let (id, depth, bindings) = self.context_of(path);
        let rest = &path.steps()[depth..];
        let own = if rest.is_empty() {
            self.context(id).ownership == OwnerSource::Own && self.owns_context(id, &bindings)
        } else {
            let touching = self.lines_at(path).filter(|line| line.nodes.iter().any(|n| n.touches(rest)));
            // A common step of several lines is own if any of its lines is.
            touching.map(|line| line.ownership == OwnerSource::Own).reduce(|a, b| a || b).unwrap_or(true)
        };
        if own { Ownership::Own } else { Ownership::Shared }
    }

    /// Whether no plan may touch it.
    pub(super) fn is_protected(&self, path: &Path) -> bool {
        let Some(step) = path.steps().first() else { return false };
        let Key::Entry(keys) = &step.key else { return false };
        let key = keys.first().map(|(_, value)| value.as_str()).unwrap_or_default();
        self.protected.iter().any(|(name, pattern)| *name == step.name && pattern.is_match(key))
    }

    /// Whether it is an unknown line that only mirrors the state of the element.
    pub(super) fn is_derived_path(&self, path: &Path) -> bool {
        path.steps().iter().any(|step| match &step.key {
            Key::Opaque(text, _) => self.is_derived(&text.split_whitespace().collect::<Vec<_>>()),
            _ => false,
        })
    }

    /// What an edit does to traffic.
    pub(super) fn impact(&self, edit: &Edit) -> Impact {
        match edit {
            Edit::Create { path, node, .. } => match self.context_of(path) {
                // What comes with a routing process that was not there disturbs nobody: its sessions are new, too. An
                // interface without presence may have worked before its first line.
                (id, depth, bindings) if id != ROOT && depth == path.steps().len() && self.context(id).presence => {
                    said(&self.context(id).impact.create, &bindings)
                }
                _ => self.worst(path, node, &|impact| &impact.create, true),
            },
            Edit::Remove { path, node, .. } => self.worst(path, node, &|impact| &impact.remove, true),
            Edit::Set { path, .. } | Edit::Move { path, .. } => self.at_lines(path, None, &|impact| &impact.change),
            Edit::Replace { path, old, .. } => self.worst(path, old, &|impact| &impact.change, true),
        }
    }

    fn worst(&self, path: &Path, node: &Node, which: Which<'_>, top: bool) -> Impact {
        let (id, depth, bindings) = self.context_of(path);
        let here = if depth == path.steps().len() {
            if top && id != ROOT { said(which(&self.context(id).impact), &bindings) } else { Impact::Hitless }
        } else {
            self.at_lines(path, Some(node), which)
        };
        let below = node.children().iter().map(|c| self.worst(&path.child(c.step()), c, which, false));
        below.fold(here, Impact::max)
    }

    fn at_lines(&self, path: &Path, node: Option<&Node>, which: Which<'_>) -> Impact {
        let (_, depth, _) = self.context_of(path);
        let rest = &path.steps()[depth..];
        let mut worst = Impact::Hitless;
        for line in self.lines_at(path).filter(|line| !line.alias) {
            let place = &line.nodes[0];
            // A leaf of an entry is part of the entry's line.
            let inside = line.shape == Shape::Entry && node.is_none() && rest.len() > place.steps.len();
            let steps = if inside { &rest[..place.steps.len()] } else { rest };
            let mut bindings = Bindings::new();
            let same = place.steps.len() == steps.len()
                && place.steps.iter().zip(steps).all(|(want, have)| want.bind(have, &mut bindings));
            if same {
                worst = worst.max(said(which(&line.impact), &bindings));
            }
        }
        worst
    }

    fn lines_at(&self, path: &Path) -> impl Iterator<Item = &Line> {
        let (id, ..) = self.context_of(path);
        self.context(id).lines.iter().map(|id| self.line(*id))
    }

    /// The schema index of the grammar.
    pub(super) fn schema(&self, content_id: &str) -> SchemaIndex {
        let mut tables = Tables {
            content_id: content_id.to_owned(),
            modules: vec![SchemaModule {
                name: Name::new(&self.module),
                namespace: format!("urn:andante:grammar:{}", self.module),
                prefix: self.module.clone(),
                revision: None,
            }],
            ..Tables::default()
        };
        let opaque = QName::new(&self.module, super::read::OPAQUE);
        self.schema_of(ROOT, None, &mut tables);
        tables.nodes.retain(|node| node.name != opaque);
        SchemaIndex::from(tables)
    }

    fn schema_of(&self, id: super::rules::ContextId, parent: Option<SchemaId>, tables: &mut Tables) {
        for line in self.context(id).lines.iter().map(|id| self.line(*id)).filter(|line| !line.alias) {
            let place = &line.nodes[0];
            let mut at = parent;
            for (depth, step) in place.steps.iter().enumerate() {
                let last = depth + 1 == place.steps.len();
                let kind = match line.shape {
                    Shape::Leaf if last => SchemaKind::Leaf,
                    Shape::Member | Shape::Members if last => SchemaKind::LeafList { user_ordered: false },
                    _ if step.keys.is_empty() => SchemaKind::Container { presence: false },
                    _ => SchemaKind::List { user_ordered: false },
                };
                let ty = matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. }).then(|| spec(&line.value));
                let node = add(tables, at, schema_node(step.name.clone(), at, kind, ty));
                if let Some(default) = line.default.as_ref().filter(|_| last) {
                    tables.nodes[node.0 as usize].default = Some(default.clone());
                }
                add_keys(tables, node, step, &line.pattern);
                at = Some(node);
            }
            if line.shape == Shape::Entry {
                for (name, ty, _) in line.value.args() {
                    let name = QName::new(&self.module, name);
                    add(tables, at, schema_node(name, at, SchemaKind::Leaf, Some(ty.spec())));
                }
            }
        }
        for child in &self.context(id).children {
            let context = self.context(*child);
            let step = &context.node.steps[0];
            let kind = match step.keys.is_empty() {
                true => SchemaKind::Container { presence: context.presence },
                false => SchemaKind::List { user_ordered: false },
            };
            let node = add(tables, parent, schema_node(step.name.clone(), parent, kind, None));
            add_keys(tables, node, step, &context.enter);
            self.schema_of(*child, Some(node), tables);
        }
    }
}

type Which<'w> = &'w dyn Fn(&super::source::ImpactSource) -> &String;

/// An impact as the grammar writes it.
fn said(text: &str, bindings: &Bindings) -> Impact {
    match text.split_once(' ') {
        None if text == "drops" => Impact::DropsTraffic,
        Some(("resets", what)) => Impact::ResetsSession(filled(what, bindings)),
        _ => Impact::Hitless,
    }
}

fn spec(value: &Pattern) -> TypeSpec {
    match &value.args()[..] {
        [] => TypeSpec::Empty,
        [(_, ty, _)] => ArgType::spec(ty),
        _ => TypeSpec::Text(Canonical::Exact),
    }
}

fn schema_node(name: QName, parent: Option<SchemaId>, kind: SchemaKind, ty: Option<TypeSpec>) -> SchemaNode {
    SchemaNode { parent, ty: ty.map(Arc::new), ..SchemaNode::new(name, kind) }
}

/// The node of this name below `parent`, made if it is new.
fn add(tables: &mut Tables, parent: Option<SchemaId>, node: SchemaNode) -> SchemaId {
    let siblings = match parent {
        Some(id) => &tables.nodes[id.0 as usize].children,
        None => &tables.top,
    };
    if let Some(have) = siblings.iter().find(|id| tables.nodes[id.0 as usize].name == node.name) {
        return *have;
    }
    let id = SchemaId(tables.nodes.len() as u32);
    tables.nodes.push(node);
    match parent {
        Some(parent) => tables.nodes[parent.0 as usize].children.push(id),
        None => tables.top.push(id),
    }
    id
}

fn add_keys(tables: &mut Tables, list: SchemaId, step: &super::nodepath::NodeStep, pattern: &Pattern) {
    for (key, arg) in &step.keys {
        let name = QName::new(step.name.module.as_str(), key);
        let ty = pattern.arg(arg).map(ArgType::spec);
        add(tables, Some(list), schema_node(name, Some(list), SchemaKind::Leaf, ty));
        let keys = &mut tables.nodes[list.0 as usize].keys;
        if !keys.iter().any(|have| have.as_str() == key) {
            keys.push(Name::new(key));
        }
    }
}
