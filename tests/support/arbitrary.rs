//! Random schemas, trees of them, and changed trees, from a seed. Equal seeds give equal results.
// A part of a test: not every test uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "splitmix.rs"]
mod splitmix;

pub use splitmix::splitmix;

use andante::tree::schema::{Canonical, SchemaIndex, SchemaKind, SchemaModule, SchemaNode, Tables, TypeSpec};
use andante::tree::{Children, ConfigTree, Keys, Name, Node, QName, SchemaId, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A generator of numbers.
#[derive(Clone, Debug, Default)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (splitmix(&mut self.0) % n as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A schema of three modules with containers, lists, leafs and leaf-lists of all types.
pub fn schema(seed: u64) -> SchemaIndex {
    let mut dice = Dice(seed);
    let modules = ["alpha", "beta", "gamma"].map(|name| SchemaModule {
        name: Name::new(name),
        namespace: format!("urn:example:{name}?a&b"),
        prefix: name[..1].into(),
        revision: None,
    });
    let mut tables = Tables { content_id: seed.to_string(), modules: modules.to_vec(), ..Tables::default() };
    let mut top = Vec::new();
    for n in 0..2 + dice.below(3) {
        grow(&mut dice, &mut tables, None, n, 0, &mut top);
    }
    tables.top = top;
    SchemaIndex::from(tables)
}

fn grow(
    dice: &mut Dice,
    tables: &mut Tables,
    parent: Option<SchemaId>,
    n: usize,
    depth: usize,
    siblings: &mut Vec<SchemaId>,
) {
    let module = match parent {
        Some(parent) if dice.chance(80) => tables.nodes[parent.0 as usize].name.module.clone(),
        _ => Name::new(["alpha", "beta", "gamma"][dice.below(3)]),
    };
    let user_ordered = dice.chance(40);
    let kind = match dice.below(if depth > 3 { 4 } else { 8 }) {
        0..=2 => SchemaKind::Leaf,
        3 => SchemaKind::LeafList { user_ordered },
        4 | 5 => SchemaKind::Container { presence: dice.chance(40) },
        _ => SchemaKind::List { user_ordered },
    };
    let ty = matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. }).then(|| type_of(dice, kind));
    // Names do not sort in schema order, and repeat in other modules.
    let name = QName { module: module.clone(), name: Name::new(&format!("n{}", (n * 7 + 3) % 10)) };
    let id = push(tables, name, parent, kind, ty);
    siblings.push(id);
    let mut children = Vec::new();
    if let SchemaKind::List { .. } = kind {
        for key in 0..1 + dice.below(2) {
            let ty = type_of(dice, kind);
            let name = QName { module: module.clone(), name: Name::new(&format!("key{key}")) };
            tables.nodes[id.0 as usize].keys.push(name.name.clone());
            children.push(push(tables, name, Some(id), SchemaKind::Leaf, Some(ty)));
        }
        if dice.chance(50) {
            children.reverse();
        }
    }
    if !matches!(kind, SchemaKind::Leaf | SchemaKind::LeafList { .. }) {
        for n in 0..dice.below(6) {
            grow(dice, tables, Some(id), n, depth + 1, &mut children);
        }
    }
    tables.nodes[id.0 as usize].children = children;
}

fn push(
    tables: &mut Tables,
    name: QName,
    parent: Option<SchemaId>,
    kind: SchemaKind,
    ty: Option<TypeSpec>,
) -> SchemaId {
    let node = SchemaNode { parent, ty: ty.map(Arc::new), ..SchemaNode::new(name, kind) };
    tables.nodes.push(node);
    SchemaId(tables.nodes.len() as u32 - 1)
}

fn type_of(dice: &mut Dice, kind: SchemaKind) -> TypeSpec {
    let identities = TypeSpec::Identity { identities: vec!["alpha:one".into(), "gamma:two".into()] };
    match dice.below(13) {
        0 => TypeSpec::Integer { bits: [8, 16, 32, 64][dice.below(4)], signed: dice.chance(50) },
        1 => TypeSpec::Integer { bits: 64, signed: false },
        2 => TypeSpec::Decimal64 { digits: 2 },
        3 => TypeSpec::Bool,
        4 if kind == SchemaKind::Leaf => TypeSpec::Empty,
        5 => TypeSpec::Enumeration(vec!["up".into(), "down".into(), "x y".into()]),
        6 => TypeSpec::Bits(vec!["b".into(), "a".into()]),
        7 => TypeSpec::Binary,
        8 => identities,
        9 => TypeSpec::InstanceIdentifier,
        10 => TypeSpec::Text(Canonical::IpPrefix),
        11 => TypeSpec::Union(vec![TypeSpec::Integer { bits: 8, signed: true }, identities, TypeSpec::Bool]),
        _ => TypeSpec::Text(Canonical::Exact),
    }
}

/// A value of the type.
pub fn value(dice: &mut Dice, ty: &TypeSpec) -> Value {
    let text = match ty {
        TypeSpec::Integer { bits, signed: true } => {
            format!("{}{}", ["", "-"][dice.below(2)], dice.below(1 << (bits - 2)))
        }
        TypeSpec::Integer { bits: 64, .. } => (u64::MAX - dice.below(9) as u64).to_string(),
        TypeSpec::Integer { bits, .. } => dice.below(1 << (bits - 1)).to_string(),
        TypeSpec::Decimal64 { .. } => format!("-{}.{}", dice.below(900), 1 + dice.below(9)),
        TypeSpec::Bool => ["true", "false"][dice.below(2)].into(),
        TypeSpec::Empty => String::new(),
        TypeSpec::Enumeration(names) => names[dice.below(names.len())].clone(),
        TypeSpec::Bits(_) => ["", "a", "b", "a b"][dice.below(4)].into(),
        TypeSpec::Binary => ["", "AAECAw==", "/+8="][dice.below(3)].into(),
        TypeSpec::Identity { identities } => identities[dice.below(identities.len())].clone(),
        TypeSpec::InstanceIdentifier => {
            ["/alpha:a", "/alpha:a/b[k='i/t']/gamma:c", "/beta:l[x='its'][y='']"][dice.below(3)].into()
        }
        TypeSpec::Text(Canonical::IpPrefix) => format!("10.{}.0.0/16", dice.below(200)),
        TypeSpec::Text(_) => {
            let parts = ["a", " ", "<", "&amp;", "'", "\"", "\n", "\r", "\t", "é", "😀", "]]>", "\\", "alpha:x"];
            (0..dice.below(5)).map(|_| parts[dice.below(parts.len())]).collect()
        }
        TypeSpec::Union(members) => {
            let member = dice.below(members.len());
            return value(dice, &members[member]);
        }
        TypeSpec::Restricted { of, .. } => return value(dice, of),
    };
    ty.value("alpha", &text).unwrap()
}

/// A tree of the schema.
pub fn tree(index: &SchemaIndex, seed: u64) -> ConfigTree {
    ConfigTree::new(children(&mut Dice(seed), index, None))
}

fn children(dice: &mut Dice, index: &SchemaIndex, parent: Option<SchemaId>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in index.children(parent) {
        let schema = index.node(*id);
        if parent.is_some_and(|list| index.is_key(list, *id)) || dice.chance(30) {
            continue;
        }
        let name = || schema.name.clone();
        match (schema.kind, &schema.ty) {
            (SchemaKind::Container { presence }, _) => {
                nodes.push(Node::container(name(), presence, children(dice, index, Some(*id))));
            }
            (SchemaKind::List { user_ordered }, _) => {
                let mut seen = BTreeSet::new();
                for _ in 0..dice.below(5) {
                    let keys: Keys = schema
                        .keys
                        .iter()
                        .map(|key| {
                            let leaf = index.child_named(Some(*id), schema.name.module.as_str(), key.as_str());
                            let ty = index.node(leaf.unwrap()).ty.as_ref().unwrap();
                            // A predicate cannot hold both kinds of quotes (RFC 7950 §7.8.6).
                            let text = value(dice, ty).as_str().replace('"', "");
                            (key.clone(), ty.value("alpha", &text).unwrap())
                        })
                        .collect();
                    if seen.insert(keys.clone()) {
                        let below = children(dice, index, Some(*id));
                        nodes.push(Node::entry(name(), keys, user_ordered, below));
                    }
                }
            }
            (SchemaKind::LeafList { user_ordered }, Some(ty)) => {
                let mut seen = BTreeSet::new();
                for _ in 0..dice.below(5) {
                    let value = value(dice, ty);
                    if seen.insert(value.clone()) {
                        nodes.push(Node::member(name(), value, user_ordered));
                    }
                }
            }
            (_, Some(ty)) => nodes.push(Node::leaf(name(), value(dice, ty))),
            _ => {}
        }
    }
    nodes
}

/// The tree with some nodes taken away, some added, some changed and some put elsewhere.
pub fn changed(index: &SchemaIndex, tree: &ConfigTree, seed: u64) -> ConfigTree {
    let mut dice = Dice(seed);
    let other = ConfigTree::new(children(&mut dice, index, None));
    ConfigTree::new(mix(&mut dice, tree.top(), other.top()))
}

fn mix(dice: &mut Dice, a: Children<'_>, b: Children<'_>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for old in a {
        match b.iter().find(|new| new.is_beside(old)) {
            _ if dice.chance(15) => {}
            Some(new) if dice.chance(40) && new.value().is_some() => nodes.push(new.clone()),
            Some(new) => nodes.push(old.with_children(mix(dice, old.children(), new.children()))),
            None => nodes.push(old.clone()),
        }
    }
    for new in b {
        if dice.chance(30) && !a.iter().any(|old| old.is_beside(new)) {
            let at = dice.below(nodes.len() + 1);
            nodes.insert(at, new.clone());
        }
    }
    if dice.chance(40) && nodes.len() > 1 {
        let (from, to) = (dice.below(nodes.len()), dice.below(nodes.len()));
        let node = nodes.remove(from);
        nodes.insert(to, node);
    }
    nodes
}
