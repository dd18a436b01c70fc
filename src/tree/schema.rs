//! What nodes there may be: compact tables, one per module set or grammar, shared by all elements that have it.
//!
//! Exported by the libyang worker (crate module `yang`) or compiled from a CLI grammar (crate module `adapter`). Choices
//! and cases are flattened: a data node knows which choice and case it belongs to, and the choices stand in a table of
//! their own. The index is enough to parse, print and compare, and to know what is there by default; the conditions of
//! `must` and `when`, ranges and patterns are the worker's business.
//!
//! Equal types are one allocation, and so are equal names; what few nodes have stands apart ([`Constraints`]). The form
//! that is stored and sent is in [`stored`].

pub mod stored;
#[cfg(test)]
mod tests;

use super::name::{Name, QName};
use super::path::{Key, Path};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Number of a node in its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaId(pub u32);

/// A module of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaModule {
    /// Module name.
    pub name: Name,
    /// XML namespace.
    pub namespace: String,
    /// The module's own prefix; identities are printed with it.
    pub prefix: String,
    /// Revision date, if it has one.
    pub revision: Option<String>,
}

/// What a schema node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// A container.
    Container {
        /// It is a presence container.
        presence: bool,
    },
    /// A list.
    List {
        /// `ordered-by user`.
        user_ordered: bool,
    },
    /// A leaf.
    Leaf,
    /// A leaf-list.
    LeafList {
        /// `ordered-by user`.
        user_ordered: bool,
    },
    /// `anydata` or `anyxml`.
    Any,
    /// An RPC or action; its children are `input` and `output` containers.
    Operation,
}

/// The type of a leaf, as far as codecs and comparison need it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeSpec {
    /// Signed or unsigned integer of this many bits.
    Integer {
        /// 8, 16, 32 or 64.
        bits: u8,
        /// `intN` rather than `uintN`.
        signed: bool,
    },
    /// decimal64.
    Decimal64 {
        /// Digits after the point, 1 to 18 (RFC 7950 §9.3.4).
        digits: u8,
    },
    /// boolean.
    Bool,
    /// empty.
    Empty,
    /// string, with the canonical form that its typedef asks for.
    Text(Canonical),
    /// enumeration: the names.
    Enumeration(Vec<String>),
    /// bits: the names in order of their positions, which is the order of the canonical form.
    Bits(Vec<String>),
    /// binary (base64 text).
    Binary,
    /// identityref. `identities` are all that derive from its base, as `module:identity`.
    Identity {
        /// `module:identity` each.
        identities: Vec<String>,
    },
    /// instance-identifier.
    InstanceIdentifier,
    /// union: the member types in order.
    Union(Vec<TypeSpec>),
    /// A member of a union that takes only some values of its type: by range (numbers; of decimal64 without the point), or
    /// by length (characters of a text, bytes of binary). Elsewhere restrictions are the worker's business; in a union they
    /// decide to which member a value belongs (RFC 7950 §9.12).
    Restricted {
        /// The type.
        of: Box<TypeSpec>,
        /// From and to, each included.
        within: Vec<(i128, i128)>,
    },
}

/// Canonical forms of string types (RFC 6991 and its like).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Canonical {
    /// As it is.
    Exact,
    /// Lower case (MAC addresses, hex strings).
    Lower,
    /// An IP address (IPv6 in RFC 5952 form), an optional zone kept.
    IpAddress,
    /// An IP prefix: host bits zero, IPv6 in RFC 5952 form.
    IpPrefix,
}

/// One data node. Make one with [`SchemaNode::new`] and say what is special about it.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaNode {
    /// Qualified name.
    pub name: QName,
    /// `None` at the top.
    pub parent: Option<SchemaId>,
    /// What it is.
    pub kind: SchemaKind,
    /// `config true`.
    pub config: bool,
    /// `mandatory true`, or min-elements above zero.
    pub mandatory: bool,
    /// It, or a choice or case around it, has a `when`: whether it may exist, and whether its default holds, only the
    /// worker can tell.
    pub when: bool,
    /// Names of the key leafs, in order (lists only).
    pub keys: Vec<Name>,
    /// Type (leafs and leaf-lists only). Equal types are shared.
    pub ty: Option<Arc<TypeSpec>>,
    /// Default in canonical text (leafs only; those of a leaf-list are in `more`). See [`SchemaIndex::defaults`].
    pub default: Option<String>,
    /// The choices and cases that it stands in, outermost first, as (choice, case). A name that comes from another module
    /// than its surroundings is written `module:name`.
    pub cases: Vec<(Name, Name)>,
    /// Data children in schema order, which is the order in which an element prints them.
    pub children: Vec<SchemaId>,
    /// What few nodes have.
    pub more: Option<Arc<Constraints>>,
}

impl SchemaNode {
    /// A configuration node without anything special.
    pub fn new(name: QName, kind: SchemaKind) -> Self {
        Self {
            name,
            parent: None,
            kind,
            config: true,
            mandatory: false,
            when: false,
            keys: Vec::new(),
            ty: None,
            default: None,
            cases: Vec::new(),
            children: Vec::new(),
            more: None,
        }
    }
}

/// What few nodes have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Defaults of a leaf-list in canonical text, in order (RFC 7950 §7.7.2).
    pub defaults: Vec<String>,
    /// Where a leafref leads; `None` for another type, and where the target is not part of the index.
    pub leafref: Option<Leafref>,
    /// `unique` of a list: each a set of leafs below it (RFC 7950 §7.8.3).
    pub unique: Vec<Vec<SchemaId>>,
    /// `min-elements`.
    pub min_elements: u32,
    /// `max-elements`; `None` is unbounded.
    pub max_elements: Option<u32>,
}

/// Where a leafref leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leafref {
    /// The leaf or leaf-list of which it takes a value.
    pub target: SchemaId,
    /// Such a value must exist (`require-instance`).
    pub required: bool,
}

/// A choice; its cases are told by [`SchemaNode::cases`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChoice {
    /// Its name as in [`SchemaNode::cases`].
    pub name: Name,
    /// The data node that it stands in, `None` at the top.
    pub parent: Option<SchemaId>,
    /// The choices and cases around it, outermost first.
    pub within: Vec<(Name, Name)>,
    /// One of its cases must be there.
    pub mandatory: bool,
    /// The case whose defaults hold when no case is there.
    pub default_case: Option<Name>,
    /// It, or something around it, has a `when`.
    pub when: bool,
}

/// The tables of one module set.
#[derive(Clone, Debug, Default)]
pub struct SchemaIndex {
    tables: Tables,
    /// Per parent (0 = top level, then every node) its children sorted by name, then module.
    sorted: Vec<Box<[SchemaId]>>,
    /// Per node its place among its siblings in schema order.
    rank: Vec<u32>,
    namespaces: HashMap<String, usize>,
}

/// The tables of which an index is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Content id of the module set: equal sets, equal ids.
    pub content_id: String,
    /// The modules that are implemented or define identities.
    pub modules: Vec<SchemaModule>,
    /// All data nodes; a node's id is its place here.
    pub nodes: Vec<SchemaNode>,
    /// The top-level nodes.
    pub top: Vec<SchemaId>,
    /// All choices.
    pub choices: Vec<SchemaChoice>,
}

impl From<Tables> for SchemaIndex {
    fn from(mut tables: Tables) -> Self {
        tables.share();
        tables.drop_dangling();
        tables.choices.sort_by_key(|choice| choice.parent);
        let mut sorted = Vec::with_capacity(tables.nodes.len() + 1);
        let mut rank = vec![0; tables.nodes.len()];
        let lists = std::iter::once(&tables.top).chain(tables.nodes.iter().map(|node| &node.children));
        for children in lists {
            for (place, id) in children.iter().enumerate() {
                rank[id.0 as usize] = place as u32;
            }
            let mut children: Box<[SchemaId]> = children.as_slice().into();
            children.sort_by(|a, b| {
                let (a, b) = (&tables.nodes[a.0 as usize].name, &tables.nodes[b.0 as usize].name);
                (&a.name, &a.module).cmp(&(&b.name, &b.module))
            });
            sorted.push(children);
        }
        let namespaces = tables.modules.iter().enumerate().map(|(at, m)| (m.namespace.clone(), at)).collect();
        Self { tables, sorted, rank, namespaces }
    }
}

impl From<SchemaIndex> for Tables {
    fn from(index: SchemaIndex) -> Self {
        index.tables
    }
}

impl Tables {
    /// Makes equal names and equal types share one allocation: an index has few of both and many nodes.
    fn share(&mut self) {
        let mut seen: HashSet<Name> = HashSet::new();
        let mut share = |name: &mut Name| match seen.get(name) {
            Some(known) => *name = known.clone(),
            None => {
                seen.insert(name.clone());
            }
        };
        let mut types: HashSet<Arc<TypeSpec>> = HashSet::new();
        for node in &mut self.nodes {
            share(&mut node.name.module);
            share(&mut node.name.name);
            node.keys.iter_mut().for_each(&mut share);
            for (choice, case) in &mut node.cases {
                share(choice);
                share(case);
            }
            if let Some(ty) = &mut node.ty {
                match types.get(ty) {
                    Some(known) => *ty = known.clone(),
                    None => {
                        types.insert(ty.clone());
                    }
                }
            }
            node.keys.shrink_to_fit();
            node.cases.shrink_to_fit();
            node.children.shrink_to_fit();
        }
        self.nodes.shrink_to_fit();
    }

    /// Removes references to nodes that are not there, so that a table from a bad source cannot make us panic later.
    fn drop_dangling(&mut self) {
        let count = self.nodes.len();
        let there = |id: &SchemaId| (id.0 as usize) < count;
        self.top.retain(there);
        self.choices.retain(|choice| choice.parent.as_ref().is_none_or(there));
        for node in &mut self.nodes {
            node.children.retain(there);
            if let Some(more) = &node.more
                && !(more.leafref.iter().all(|leafref| there(&leafref.target))
                    && more.unique.iter().flatten().all(there))
            {
                let mut kept = Constraints::clone(more);
                kept.leafref = kept.leafref.filter(|leafref| there(&leafref.target));
                kept.unique.retain(|leafs| leafs.iter().all(there));
                node.more = Some(Arc::new(kept));
            }
        }
    }
}

impl SchemaIndex {
    /// Content id of the module set.
    pub fn content_id(&self) -> &str {
        &self.tables.content_id
    }

    /// The modules.
    pub fn modules(&self) -> &[SchemaModule] {
        &self.tables.modules
    }

    /// The module of this name.
    pub fn module(&self, name: &str) -> Option<&SchemaModule> {
        self.tables.modules.iter().find(|module| module.name.as_str() == name)
    }

    /// The module of this XML namespace.
    pub fn module_of_namespace(&self, namespace: &str) -> Option<&SchemaModule> {
        self.namespaces.get(namespace).map(|at| &self.tables.modules[*at])
    }

    /// The top-level nodes.
    pub fn top(&self) -> &[SchemaId] {
        &self.tables.top
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.tables.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tables.nodes.is_empty()
    }

    /// The node with this number. Numbers come from this very index.
    pub fn node(&self, id: SchemaId) -> &SchemaNode {
        &self.tables.nodes[id.0 as usize]
    }

    /// The child of this name below `parent` (`None` = top level).
    pub fn child(&self, parent: Option<SchemaId>, name: &QName) -> Option<SchemaId> {
        self.child_named(parent, name.module.as_str(), name.name.as_str())
    }

    /// The child `module:name` below `parent` (`None` = top level).
    pub fn child_named(&self, parent: Option<SchemaId>, module: &str, name: &str) -> Option<SchemaId> {
        let siblings = self.sorted.get(parent.map_or(0, |id| id.0 as usize + 1))?;
        let place = siblings.binary_search_by(|id| {
            let qname = &self.node(*id).name;
            (qname.name.as_str(), qname.module.as_str()).cmp(&(name, module))
        });
        place.ok().map(|at| siblings[at])
    }

    /// The children below `parent` (`None` = top level), in schema order.
    pub fn children(&self, parent: Option<SchemaId>) -> &[SchemaId] {
        match parent {
            Some(id) => &self.node(id).children,
            None => &self.tables.top,
        }
    }

    /// The place of a node among its siblings in schema order.
    pub fn rank(&self, id: SchemaId) -> u32 {
        self.rank[id.0 as usize]
    }

    /// Whether `leaf` is a key of the list `list`.
    pub fn is_key(&self, list: SchemaId, leaf: SchemaId) -> bool {
        let (list, leaf) = (self.node(list), self.node(leaf));
        leaf.name.module == list.name.module && list.keys.contains(&leaf.name.name)
    }

    /// The values that are there when nothing is configured (RFC 7950 §7.6.1, §7.7.2), canonical, in order. They hold while
    /// the node's parent exists, no other case of its choices is there, and its `when` is true.
    pub fn defaults(&self, id: SchemaId) -> impl Iterator<Item = &str> {
        let node = self.node(id);
        let members = node.more.as_deref().map_or(&[][..], |more| &more.defaults);
        node.default.iter().chain(members).map(String::as_str)
    }

    /// The choices that stand in `parent` (`None` = top level), nested ones included.
    pub fn choices(&self, parent: Option<SchemaId>) -> &[SchemaChoice] {
        let all = &self.tables.choices;
        let from = all.partition_point(|choice| choice.parent < parent);
        let to = all.partition_point(|choice| choice.parent <= parent);
        &all[from..to]
    }

    /// The choice of this name in `parent`; `name` as in [`SchemaNode::cases`].
    pub fn choice(&self, parent: Option<SchemaId>, name: &Name) -> Option<&SchemaChoice> {
        self.choices(parent).iter().find(|choice| choice.name == *name)
    }

    /// The leaf that a leafref takes its values of, and whether such a value must exist.
    pub fn leafref(&self, id: SchemaId) -> Option<Leafref> {
        self.node(id).more.as_ref()?.leafref
    }

    /// The tables, for storing them.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The schema node of a data path. `None` when some step is unknown (or opaque).
    pub fn resolve(&self, path: &Path) -> Option<SchemaId> {
        let mut at = None;
        for step in path.steps() {
            if matches!(step.key, Key::Opaque(..)) {
                return None;
            }
            at = Some(self.child(at, &step.name)?);
        }
        at
    }
}
