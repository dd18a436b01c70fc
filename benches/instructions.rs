//! Instructions of the three hottest paths, counted by callgrind: reading what an element sent, comparing it with what was
//! read before, and changing what one service claims. A count does not depend on what else the machine is doing, so the
//! figures in `benches/instructions.txt` are kept and a regression is seen (`scripts/instructions.sh`).
#![allow(clippy::unwrap_used, missing_docs)]

use andante::tree::schema::{SchemaModule, SchemaNode, Tables};
use andante::tree::{
    Claims, ConfigTree, Diff, Intended, Layer, Limits, Name, Node, Owner, Policy, QName, SchemaId, SchemaIndex,
    SchemaKind, TypeSpec, Value, diff, xml,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use std::sync::Arc;

const ENTRIES: usize = 2_000;

/// `m:interfaces/interface[name]` with eight leafs.
fn schema() -> SchemaIndex {
    let module = SchemaModule { name: Name::new("m"), namespace: "urn:m".into(), prefix: "m".into(), revision: None };
    let node = |name: &str, parent: Option<u32>, kind: SchemaKind| SchemaNode {
        parent: parent.map(SchemaId),
        config: true,
        ..SchemaNode::new(QName::new("m", name), kind)
    };
    let text = || Some(Arc::new(TypeSpec::Text(andante::tree::schema::Canonical::Exact)));
    let mut nodes = vec![
        SchemaNode {
            children: vec![SchemaId(1)],
            ..node("interfaces", None, SchemaKind::Container { presence: false })
        },
        SchemaNode {
            keys: vec![Name::new("name")],
            children: (2..11).map(SchemaId).collect(),
            ..node("interface", Some(0), SchemaKind::List { user_ordered: false })
        },
        SchemaNode { ty: text(), ..node("name", Some(1), SchemaKind::Leaf) },
    ];
    for at in 0..8 {
        nodes.push(SchemaNode { ty: text(), ..node(&format!("leaf{at}"), Some(1), SchemaKind::Leaf) });
    }
    SchemaIndex::from(Tables { modules: vec![module], nodes, top: vec![SchemaId(0)], ..Tables::default() })
}

fn interface(at: usize, mtu: &str) -> Node {
    let leafs = (0..8).map(|leaf| {
        let value = if leaf == 3 { mtu.to_owned() } else { format!("value {leaf} of {}", at % 100) };
        Node::leaf(QName::new("m", &format!("leaf{leaf}")), Value::text(&value))
    });
    let keys = [(Name::new("name"), Value::text(&format!("xe-0/0/{at:05}")))];
    Node::entry(QName::new("m", "interface"), keys, false, leafs)
}

fn tree(changed: Option<usize>) -> ConfigTree {
    let entries = (0..ENTRIES).map(|at| interface(at, if Some(at) == changed { "9000" } else { "1500" }));
    ConfigTree::new([Node::container(QName::new("m", "interfaces"), false, entries)])
}

fn document() -> (SchemaIndex, String) {
    let index = schema();
    let text = xml::print(&tree(None), &index, false);
    (index, text)
}

// Bytes of an element to a tree with its hashes.
#[library_benchmark]
#[bench::interfaces(document())]
fn read_xml((index, text): (SchemaIndex, String)) -> ConfigTree {
    black_box(xml::parse(text.as_bytes(), &index, None, Policy::ELEMENT, &Limits::SOUTH).unwrap())
}

// Two readings of one element, of which nothing is shared, with one leaf changed.
#[library_benchmark]
#[bench::one_leaf((tree(None), tree(Some(ENTRIES / 2))))]
fn diff_readings((a, b): (ConfigTree, ConfigTree)) -> Diff {
    black_box(diff(&a, &b))
}

fn owner(at: usize, mtu: &str) -> Claims {
    let top = Node::container(QName::new("m", "interfaces"), false, [interface(at, mtu)]);
    Claims::new(Owner(format!("service {at}")), Layer::Service, ConfigTree::new([top]))
}

fn merged() -> (Intended, Claims, Claims) {
    let all: Vec<Claims> = (0..ENTRIES).map(|at| owner(at, "1500")).collect();
    (Intended::merge(&all).unwrap(), owner(ENTRIES / 2, "1500"), owner(ENTRIES / 2, "9000"))
}

// One service among many claims another value.
#[library_benchmark]
#[bench::one_service(merged())]
fn change_claims((all, old, new): (Intended, Claims, Claims)) -> Intended {
    black_box(all.replace(Some(&old), Some(&new)).unwrap())
}

library_benchmark_group!(name = hot; benchmarks = read_xml, diff_readings, change_claims);
main!(library_benchmark_groups = hot);
