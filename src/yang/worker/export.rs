//! From compiled modules to the tables of a schema index.
//!
//! Only the modules that were asked for get their top-level nodes and operations exported; nodes that others augment into
//! them come along. Nodes below an operation count as configuration: a client sends them. Numbers are given parents first,
//! siblings in schema order. Choices and cases are flattened into `cases` of the nodes below them, and the choices stand in
//! a table of their own. A leafref whose target is not exported has none.
#![allow(unsafe_code)]

use super::set::text;
use super::types::{Types, array};
use crate::tree::schema::{Constraints, Leafref, SchemaChoice, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec};
use crate::tree::{Name, QName, SchemaId};
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;
use yang5::context::Context;
use yang5::ffi;
use yang5::schema::{SchemaNode as Compiled, SchemaNodeKind as Kind};

/// Deepest schema that is exported; our codecs refuse deeper documents anyway.
const MAX_DEPTH: usize = 256;

/// Most nodes of a schema. The genuine modules of a large router, all of them with state, have 360,000.
const MAX_NODES: usize = 2_000_000;

pub(super) fn tables(context: &Context, content_id: &str, modules: &[&str]) -> Result<Tables, String> {
    let mut export = Export {
        context,
        nodes: Vec::new(),
        choices: Vec::new(),
        types: Types::default(),
        ids: HashMap::new(),
        leafrefs: Vec::new(),
        uniques: Vec::new(),
    };
    let mut top = Vec::new();
    for name in modules {
        let Some(module) = context.get_module_implemented(name) else { continue };
        let place = Place { parent: None, cases: Vec::new(), when: false, in_operation: false, depth: 0 };
        for node in module.data() {
            export.add(&node, &place, &mut top)?;
        }
        let place = Place { in_operation: true, ..place };
        for node in module.rpcs() {
            export.add(&node, &place, &mut top)?;
        }
    }
    export.link();
    let (nodes, choices) = (export.nodes, export.choices);
    Ok(Tables { content_id: content_id.into(), modules: described(context, modules), nodes, top, choices })
}

/// All modules but libyang's own, each name once; the implemented revision if there are several.
fn described(context: &Context, asked: &[&str]) -> Vec<SchemaModule> {
    let internal = context.internal_module_count() as usize;
    let mut modules: Vec<(bool, SchemaModule)> = Vec::new();
    let mut known: HashMap<Name, usize> = HashMap::new();
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
        match known.get(&described.name).and_then(|at| modules.get_mut(*at)) {
            Some(known) if implemented && !known.0 => *known = (implemented, described),
            Some(_) => {}
            None => {
                known.insert(described.name.clone(), modules.len());
                modules.push((implemented, described));
            }
        }
    }
    modules.into_iter().map(|(_, module)| module).collect()
}

/// Where a node stands.
#[derive(Clone)]
struct Place {
    parent: Option<SchemaId>,
    /// The choices and cases around it, up to the parent.
    cases: Vec<(Name, Name)>,
    /// One of these has a `when`.
    when: bool,
    in_operation: bool,
    depth: usize,
}

struct Export<'c> {
    context: &'c Context,
    nodes: Vec<SchemaNode>,
    choices: Vec<SchemaChoice>,
    types: Types,
    /// Compiled nodes by address.
    ids: HashMap<usize, SchemaId>,
    /// Leafrefs: the node and the address of its target.
    leafrefs: Vec<(SchemaId, usize, bool)>,
    /// Lists with `unique`: the addresses of the leafs.
    uniques: Vec<(SchemaId, Vec<Vec<usize>>)>,
}

impl Export<'_> {
    /// Adds a node and what is below it.
    fn add(&mut self, node: &Compiled<'_>, place: &Place, siblings: &mut Vec<SchemaId>) -> Result<(), String> {
        if place.depth > MAX_DEPTH {
            return Err(format!("the schema is nested deeper than {MAX_DEPTH} at '{}'", node.name()));
        }
        let kind = match node.kind() {
            Kind::Choice => return self.choice(node, place, siblings),
            Kind::Container => SchemaKind::Container { presence: !node.is_np_container() },
            Kind::List => SchemaKind::List { user_ordered: node.is_user_ordered() },
            Kind::Leaf => SchemaKind::Leaf,
            Kind::LeafList => SchemaKind::LeafList { user_ordered: node.is_user_ordered() },
            Kind::AnyData | Kind::AnyXml => SchemaKind::Any,
            Kind::Rpc | Kind::Action => SchemaKind::Operation,
            Kind::Case | Kind::Input | Kind::Output | Kind::Notification => return Ok(()),
        };
        let module = node.module();
        let ty = self.types.of(node);
        let keys = match kind {
            SchemaKind::List { .. } => node.list_keys().map(|key| Name::new(key.name())).collect(),
            _ => Vec::new(),
        };
        let mandatory = match node.kind() {
            Kind::Leaf | Kind::AnyData | Kind::AnyXml => node.is_mandatory(),
            Kind::List | Kind::LeafList => node.min_elements().is_some(),
            _ => false,
        };
        let (default, more) = self.extras(node, kind, ty.as_deref());
        let id = self.push(SchemaNode {
            parent: place.parent,
            config: place.in_operation || matches!(kind, SchemaKind::Operation) || node.is_config(),
            mandatory,
            when: place.when || has_when(node),
            keys,
            ty,
            default,
            cases: place.cases.clone(),
            more: (more != Constraints::default()).then(|| Arc::new(more)),
            ..SchemaNode::new(QName::new(module.name(), node.name()), kind)
        })?;
        siblings.push(id);
        self.remember(node, id, kind);
        let mut children = Vec::new();
        let below = |parent, in_operation| Place {
            parent: Some(parent),
            cases: Vec::new(),
            when: false,
            in_operation,
            depth: place.depth + 1,
        };
        if kind == SchemaKind::Operation {
            for (side, nodes) in [("input", node.input()), ("output", node.output())] {
                let name = QName::new(module.name(), side);
                let inner = SchemaNode::new(name, SchemaKind::Container { presence: false });
                let inner = self.push(SchemaNode { parent: Some(id), ..inner })?;
                children.push(inner);
                let mut inside = Vec::new();
                for child in nodes.into_iter().flat_map(|(nodes, _)| nodes) {
                    self.add(&child, &below(inner, true), &mut inside)?;
                }
                self.nodes[inner.0 as usize].children = inside;
            }
        } else {
            let place = below(id, place.in_operation);
            for child in node.children() {
                self.add(&child, &place, &mut children)?;
            }
            let place = below(id, true);
            for action in node.actions() {
                self.add(&action, &place, &mut children)?;
            }
        }
        self.nodes[id.0 as usize].children = children;
        Ok(())
    }

    fn choice(&mut self, node: &Compiled<'_>, place: &Place, siblings: &mut Vec<SchemaId>) -> Result<(), String> {
        // Names of another module than the surroundings are told apart by it: two modules may augment in the same name.
        let around = match (place.cases.is_empty(), place.parent) {
            (true, Some(parent)) => Some(self.nodes[parent.0 as usize].name.module.as_str().to_owned()),
            _ => None,
        };
        let module = node.module();
        let name = qualified(module.name(), node.name(), around.as_deref().unwrap_or(module.name()));
        let when = place.when || has_when(node);
        let case_name = |case: &Compiled<'_>| qualified(case.module().name(), case.name(), module.name());
        self.choices.push(SchemaChoice {
            name: name.clone(),
            parent: place.parent,
            within: place.cases.clone(),
            mandatory: node.is_mandatory(),
            default_case: node.default_case().map(|case| case_name(&case)),
            when,
        });
        for case in node.children() {
            let mut inside = Place { when: when || has_when(&case), depth: place.depth + 1, ..place.clone() };
            inside.cases.push((name.clone(), case_name(&case)));
            for child in case.children() {
                self.add(&child, &inside, siblings)?;
            }
        }
        Ok(())
    }

    /// The default of a leaf, and what few nodes have.
    fn extras(&self, node: &Compiled<'_>, kind: SchemaKind, ty: Option<&TypeSpec>) -> (Option<String>, Constraints) {
        let mut more = Constraints::default();
        let mut default = None;
        if let Some(ty) = ty {
            let mut found = self.defaults(node, ty);
            match kind {
                SchemaKind::Leaf => default = found.pop(),
                _ => more.defaults = found,
            }
        }
        if matches!(kind, SchemaKind::List { .. } | SchemaKind::LeafList { .. }) {
            more.min_elements = node.min_elements().unwrap_or(0);
            more.max_elements = node.max_elements();
        }
        (default, more)
    }

    /// Default values in canonical text.
    fn defaults(&self, node: &Compiled<'_>, ty: &TypeSpec) -> Vec<String> {
        let module = node.module().name().to_owned();
        let raw = node.as_raw();
        // SAFETY: the node belongs to a living context and its kind tells which larger structure it is the beginning of. The
        // canonical text comes from the dictionary of the context and is given back there.
        unsafe {
            let values: &[ffi::lysc_value] = match node.kind() {
                Kind::Leaf => std::slice::from_ref(&(*raw.cast::<ffi::lysc_node_leaf>()).dflt),
                _ => array((*raw.cast::<ffi::lysc_node_leaflist>()).dflts),
            };
            let canonical = |value: &ffi::lysc_value| {
                let mut canonical = ptr::null();
                let (node, none) = (raw.cast_const(), ptr::null_mut());
                let made =
                    ffi::lyd_value_validate_dflt(node, value.str_, value.prefixes, ptr::null(), none, &mut canonical);
                let found = if made == ffi::LY_ERR::LY_SUCCESS { text(canonical) } else { text(value.str_) };
                if !canonical.is_null() {
                    ffi::lydict_remove(super::set::raw(self.context), canonical);
                }
                let found = found?;
                let own = ty.value(&module, &found).map(|value| value.as_str().to_owned());
                Some(own.unwrap_or(found))
            };
            // A default of the typedef is no default statement of the leaf, but here it stands.
            values.iter().filter(|value| !value.str_.is_null()).filter_map(canonical).collect()
        }
    }

    /// Keeps what can be linked only when all nodes have their numbers.
    fn remember(&mut self, node: &Compiled<'_>, id: SchemaId, kind: SchemaKind) {
        let raw = node.as_raw();
        if !matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. } | SchemaKind::List { .. }) {
            return;
        }
        self.ids.insert(raw as usize, id);
        // SAFETY: the node belongs to a living context and its kind tells which larger structure it is the beginning of; the
        // same holds for its type.
        unsafe {
            if let SchemaKind::List { .. } = kind {
                let uniques = array((*raw.cast::<ffi::lysc_node_list>()).uniques);
                if !uniques.is_empty() {
                    let leafs = |leafs: &*mut *mut ffi::lysc_node_leaf| {
                        array(*leafs).iter().map(|leaf| *leaf as usize).collect::<Vec<_>>()
                    };
                    self.uniques.push((id, uniques.iter().map(leafs).collect()));
                }
                return;
            }
            let ty = (*raw.cast::<ffi::lysc_node_leaf>()).type_;
            if !ty.is_null() && (*ty).basetype == ffi::LY_DATA_TYPE::LY_TYPE_LEAFREF {
                let required = (*ty.cast::<ffi::lysc_type_leafref>()).require_instance != 0;
                let target = ffi::lysc_node_lref_target(raw);
                if !target.is_null() {
                    self.leafrefs.push((id, target as usize, required));
                }
            }
        }
    }

    fn link(&mut self) {
        for (id, target, required) in std::mem::take(&mut self.leafrefs) {
            if let Some(target) = self.ids.get(&target).copied() {
                self.more(id).leafref = Some(Leafref { target, required });
            }
        }
        for (id, uniques) in std::mem::take(&mut self.uniques) {
            let known =
                |leafs: &Vec<usize>| leafs.iter().map(|leaf| self.ids.get(leaf).copied()).collect::<Option<_>>();
            let unique = uniques.iter().filter_map(known).collect();
            self.more(id).unique = unique;
        }
    }

    fn more(&mut self, id: SchemaId) -> &mut Constraints {
        Arc::make_mut(self.nodes[id.0 as usize].more.get_or_insert_default())
    }

    fn push(&mut self, node: SchemaNode) -> Result<SchemaId, String> {
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("the schema has more than {MAX_NODES} nodes"));
        }
        let id = SchemaId(self.nodes.len() as u32);
        self.nodes.push(node);
        Ok(id)
    }
}

fn qualified(module: &str, name: &str, around: &str) -> Name {
    if module == around { Name::new(name) } else { Name::new(&format!("{module}:{name}")) }
}

fn has_when(node: &Compiled<'_>) -> bool {
    // SAFETY: the node belongs to a living context.
    unsafe { !ffi::lysc_node_when(node.as_raw()).is_null() }
}
