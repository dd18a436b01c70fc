//! The schema index of a grammar: what paths and values its texts can have.

use super::pattern::Pattern;
use super::rules::{ROOT, Rules, Shape};
use super::types::ArgType;
use crate::tree::schema::{Canonical, SchemaModule, Tables};
use crate::tree::{Name, QName, SchemaId, SchemaIndex, SchemaKind, SchemaNode, TypeSpec};
use std::sync::Arc;

impl Rules {
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
        self.schema_of(ROOT, None, &mut tables);
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
                    Shape::Member | Shape::Members if last => SchemaKind::LeafList { user_ordered: line.ordered },
                    _ if step.keys.is_empty() => SchemaKind::Container { presence: false },
                    _ => SchemaKind::List { user_ordered: line.ordered && last },
                };
                let ty = matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. }).then(|| spec(&line.value));
                let node = add(tables, at, schema_node(step.name.clone(), at, kind, ty));
                if let Some(default) = line.hidden.as_ref().or(line.default.as_ref()).filter(|_| last) {
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
                false => SchemaKind::List { user_ordered: context.ordered },
            };
            let node = add(tables, parent, schema_node(step.name.clone(), parent, kind, None));
            add_keys(tables, node, step, &context.enter);
            self.schema_of(*child, Some(node), tables);
        }
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
