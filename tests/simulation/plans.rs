//! Plans over small trees, and payloads that simulated elements understand: one JSON operation per line.

use andante::adapter::{CliLine, Impact, Payload};
use andante::domain::Class;
use andante::plan::{ElementPlan, Plan, ReadEntry, digest_at, matches_at, touched_state};
use andante::transaction::Undo;
use andante::tree::{After, ConfigTree, Edit, Name, Node, Path, QName, Step, Value, diff, inverse};
use serde::{Deserialize, Serialize};

/// One operation, harmless when it is repeated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Operation {
    Merge(Path, Node),
    Remove(Path),
}

impl Operation {
    pub fn apply(&self, tree: &ConfigTree) -> ConfigTree {
        match self {
            Operation::Merge(path, node) => {
                let lone = ConfigTree::default().with(&path.parent().unwrap(), node.clone(), After::Keep);
                tree.overlay(&lone)
            }
            Operation::Remove(path) => tree.without(path),
        }
    }
}

pub fn operations(payload: &Payload) -> Vec<Operation> {
    payload.native().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn payload(class: Class, operations: Vec<Operation>) -> Payload {
    if class == Class::D {
        // Line by line: a subtree becomes one line per leaf.
        let fine = operations.into_iter().flat_map(|operation| match operation {
            Operation::Merge(path, node) => leafs(&path, &node),
            remove @ Operation::Remove(_) => vec![remove],
        });
        let line = |operation| CliLine::new(serde_json::to_string(&operation).unwrap());
        return Payload::Cli { lines: fine.map(line).collect() };
    }
    let lines = operations.iter().map(|operation| serde_json::to_string(operation).unwrap() + "\n");
    Payload::Netconf { config: lines.collect() }
}

fn leafs(path: &Path, node: &Node) -> Vec<Operation> {
    if node.children().is_empty() {
        return vec![Operation::Merge(path.clone(), node.clone())];
    }
    node.children().iter().flat_map(|child| leafs(&path.child(child.step()), child)).collect()
}

/// What makes the touched paths of `actual` as `wanted` has them.
fn toward(plan: &ElementPlan, actual: &ConfigTree, wanted: &ConfigTree) -> Option<Payload> {
    let operations: Vec<Operation> = plan
        .touched()
        .filter(|path| !matches_at(actual, wanted, path))
        .map(|path| match wanted.at(path) {
            Some(node) => Operation::Merge(path.clone(), node.clone()),
            None => Operation::Remove(path.clone()),
        })
        .collect();
    (!operations.is_empty()).then(|| payload(plan.class, operations))
}

/// The adapter's part, as the controller would give it.
pub struct Rendering;

impl Undo for Rendering {
    fn toward_before(&self, _: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(toward(plan, actual, &plan.before))
    }

    fn toward_after(&self, _: &str, plan: &ElementPlan, actual: &ConfigTree) -> Result<Option<Payload>, String> {
        Ok(toward(plan, actual, &plan.after))
    }
}

pub fn q(name: &str) -> QName {
    QName::new("m", name)
}

pub fn leaf(name: &str, value: &str) -> Node {
    Node::leaf(q(name), Value::text(value))
}

fn entry(name: &str, key: &str, children: Vec<Node>) -> Node {
    Node::entry(q(name), [(Name::new("name"), Value::text(key))], false, children)
}

pub fn vlan_path(interface: &str) -> Path {
    Path::root().child(Step::entry(q("interface"), &[("name", interface)])).child(Step::single(q("vlan")))
}

/// What stands on an element before us: two ports and a VRF that nobody here claims.
pub fn found() -> ConfigTree {
    ConfigTree::new(vec![
        entry("interface", "ge1", vec![leaf("vlan", "100"), leaf("mtu", "1500")]),
        entry("interface", "ge2", vec![leaf("vlan", "300"), leaf("description", "spare")]),
        entry("vrf", "red", vec![leaf("rd", "65000:1"), leaf("rt", "65000:1")]),
        entry("vrf", "old", vec![leaf("rd", "65000:9"), leaf("rt", "65000:9")]),
    ])
}

/// A service arrives: one value changes, one subtree comes, one goes.
pub fn wanted(from: &ConfigTree, vlan: &str) -> ConfigTree {
    let ge1 = Path::root().child(Step::entry(q("interface"), &[("name", "ge1")]));
    let blue = entry("vrf", "blue", vec![leaf("rd", "65000:2"), leaf("rt", "65000:2"), leaf("description", "acme")]);
    from.with(&ge1, leaf("vlan", vlan), After::Keep)
        .with(&Path::root(), blue, After::Keep)
        .without(&Path::root().child(Step::entry(q("vrf"), &[("name", "old")])))
}

pub fn element_plan(element: &str, class: Class, actual: &ConfigTree, desired: &ConfigTree) -> ElementPlan {
    let diff = diff(actual, desired);
    let paths: Vec<Path> = diff.edits.iter().map(|edit| edit.path().clone()).collect();
    let to_operation = |edit: &Edit| match edit {
        Edit::Create { path, node, .. } => Operation::Merge(path.clone(), node.clone()),
        Edit::Remove { path, .. } => Operation::Remove(path.clone()),
        Edit::Set { path, new, .. } => {
            Operation::Merge(path.clone(), Node::leaf(path.last().unwrap().name.clone(), new.clone()))
        }
        Edit::Move { .. } | Edit::Replace { .. } => panic!("no such edit in these trees"),
    };
    let inverse = inverse(&diff);
    ElementPlan {
        element: element.into(),
        adapter: "simulated 1 0".into(),
        class,
        payload: payload(class, diff.edits.iter().map(to_operation).collect()),
        undo: payload(class, inverse.edits.iter().map(to_operation).collect()),
        read_set: paths.iter().map(|path| ReadEntry { path: path.clone(), digest: digest_at(actual, path) }).collect(),
        before: touched_state(actual, paths.iter()),
        after: touched_state(desired, paths.iter()),
        diff,
        inverse,
        adopted: None,
        text: String::new(),
        impact: Impact::Hitless,
        collateral: vec![],
        overwritten: vec![],
        deviations: vec![],
        echoes: vec![],
        encrypted: vec![],
        simulated_only: true,
        defaults: vec![],
        warnings: vec![],
        protected: vec![],
        checks: vec![],
        one_session: false,
    }
}

pub fn plan(elements: Vec<ElementPlan>) -> Plan {
    Plan { id: String::new(), services: vec![], elements, numbers: vec![], warnings: vec![] }.sealed()
}
