//! From compiled modules to the tables of a schema index.
//!
//! Only the modules that were asked for get their top-level nodes and operations exported; nodes that others augment into
//! them come along. Nodes below an operation count as configuration: a client sends them. Numbers are given parents first,
//! siblings in schema order.

use super::types::Types;
use crate::tree::schema::{SchemaKind, SchemaModule, SchemaNode, Tables};
use crate::tree::{Name, QName, SchemaId};
use yang5::context::Context;
use yang5::schema::{SchemaNode as Compiled, SchemaNodeKind as Kind};

/// Deepest schema that is exported; our codecs refuse deeper documents anyway.
const MAX_DEPTH: usize = 256;

pub(super) fn tables(context: &Context, content_id: &str, modules: &[&str]) -> Result<Tables, String> {
    let mut export = Export { nodes: Vec::new(), types: Types::default() };
    let mut top = Vec::new();
    for name in modules {
        let Some(module) = context.get_module_implemented(name) else { continue };
        for node in module.data() {
            export.add(&node, None, &[], false, 0, &mut top)?;
        }
        for node in module.rpcs() {
            export.add(&node, None, &[], true, 0, &mut top)?;
        }
    }
    Ok(Tables { content_id: content_id.into(), modules: described(context, modules), nodes: export.nodes, top })
}

/// All modules but libyang's own, each name once; the implemented revision if there are several.
fn described(context: &Context, asked: &[&str]) -> Vec<SchemaModule> {
    let internal = context.internal_module_count() as usize;
    let mut modules: Vec<(bool, SchemaModule)> = Vec::new();
    for (n, module) in context.modules(false).enumerate() {
        if n < internal && !asked.contains(&module.name()) {
            continue;
        }
        let described = SchemaModule {
            name: Name::new(module.name()),
            namespace: module.namespace().to_owned(),
            prefix: module.prefix().to_owned(),
            revision: module.revision().map(str::to_owned),
        };
        let implemented = module.is_implemented();
        match modules.iter_mut().find(|(_, known)| known.name == described.name) {
            Some(known) if implemented && !known.0 => *known = (implemented, described),
            Some(_) => {}
            None => modules.push((implemented, described)),
        }
    }
    modules.into_iter().map(|(_, module)| module).collect()
}

struct Export {
    nodes: Vec<SchemaNode>,
    types: Types,
}

impl Export {
    /// Adds a node and what is below it; choices and cases are flattened into `cases` of the nodes below them.
    fn add(
        &mut self,
        node: &Compiled<'_>,
        parent: Option<SchemaId>,
        cases: &[(Name, Name)],
        in_operation: bool,
        depth: usize,
        siblings: &mut Vec<SchemaId>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("the schema is nested deeper than {MAX_DEPTH} at '{}'", node.name()));
        }
        let kind = match node.kind() {
            Kind::Choice => {
                for case in node.children() {
                    let mut cases = cases.to_vec();
                    cases.push((Name::new(node.name()), Name::new(case.name())));
                    for child in case.children() {
                        self.add(&child, parent, &cases, in_operation, depth + 1, siblings)?;
                    }
                }
                return Ok(());
            }
            Kind::Container => SchemaKind::Container { presence: !node.is_np_container() },
            Kind::List => SchemaKind::List { user_ordered: node.is_user_ordered() },
            Kind::Leaf => SchemaKind::Leaf,
            Kind::LeafList => SchemaKind::LeafList { user_ordered: node.is_user_ordered() },
            Kind::AnyData | Kind::AnyXml => SchemaKind::Any,
            Kind::Rpc | Kind::Action => SchemaKind::Operation,
            Kind::Case | Kind::Input | Kind::Output | Kind::Notification => return Ok(()),
        };
        let module = node.module();
        let name = QName::new(module.name(), node.name());
        let ty = self.types.of(node);
        let default = match (&ty, node.has_default()) {
            (Some(ty), true) => node.default_value_canonical().ok().flatten().map(|text| {
                let own = ty.value(module.name(), &text).map(|value| value.as_str().to_owned());
                own.unwrap_or(text)
            }),
            _ => None,
        };
        let keys = match kind {
            SchemaKind::List { .. } => node.list_keys().map(|key| Name::new(key.name())).collect(),
            _ => Vec::new(),
        };
        let mandatory = match node.kind() {
            Kind::Leaf | Kind::AnyData | Kind::AnyXml => node.is_mandatory(),
            Kind::List | Kind::LeafList => node.min_elements().is_some(),
            _ => false,
        };
        let config = in_operation || matches!(kind, SchemaKind::Operation) || node.is_config();
        let id = self.push(SchemaNode {
            name,
            parent,
            kind,
            config,
            mandatory,
            keys,
            ty,
            default,
            cases: cases.to_vec(),
            children: Vec::new(),
        });
        siblings.push(id);
        let mut children = Vec::new();
        if kind == SchemaKind::Operation {
            for (side, nodes) in [("input", node.input()), ("output", node.output())] {
                let inner = self.push(SchemaNode {
                    name: QName::new(module.name(), side),
                    parent: Some(id),
                    kind: SchemaKind::Container { presence: false },
                    config: true,
                    mandatory: false,
                    keys: Vec::new(),
                    ty: None,
                    default: None,
                    cases: Vec::new(),
                    children: Vec::new(),
                });
                children.push(inner);
                let mut below = Vec::new();
                for child in nodes.into_iter().flat_map(|(nodes, _)| nodes) {
                    self.add(&child, Some(inner), &[], true, depth + 1, &mut below)?;
                }
                self.nodes[inner.0 as usize].children = below;
            }
        } else {
            for child in node.children() {
                self.add(&child, Some(id), &[], in_operation, depth + 1, &mut children)?;
            }
            for action in node.actions() {
                self.add(&action, Some(id), &[], true, depth + 1, &mut children)?;
            }
        }
        self.nodes[id.0 as usize].children = children;
        Ok(())
    }

    fn push(&mut self, node: SchemaNode) -> SchemaId {
        let id = SchemaId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }
}
