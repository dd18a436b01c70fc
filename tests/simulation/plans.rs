//! Plans over small trees, and payloads that simulated elements understand: one JSON operation per line.

use crate::bare_plan::bare;
use crate::native::{Native, meddle};
use crate::story::Wish;
use andante::adapter::{CliLine, Payload};
use andante::domain::Class;
use andante::plan::{ElementPlan, Plan, ReadEntry, digest_at, matches_at};
use andante::transaction::Undo;
use andante::tree::{After, ConfigTree, Edit, Name, Node, Path, QName, Step, Value, diff, inverse};
use serde::{Deserialize, Serialize};

/// One operation, harmless when it is repeated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Operation {
    Merge(Path, Node),
    Remove(Path),
    /// The one that is not: the element gives the rule another number when this one is taken.
    Append(String, String),
    /// What a platform is really sent.
    Native(Native),
}

impl Operation {
    pub fn apply(&self, tree: &ConfigTree) -> ConfigTree {
        match self {
            Operation::Merge(path, node) => {
                let lone = ConfigTree::default().with(&path.parent().unwrap(), node.clone(), After::Keep);
                tree.overlay(&lone)
            }
            Operation::Remove(path) => tree.without(path),
            Operation::Append(number, text) => {
                let taken = tree.at(&rule_path(number)).is_some();
                let number = if taken { next_rule(tree) } else { number.clone() };
                let rule = entry("rule", &number, vec![leaf("text", text)]);
                tree.with(&Path::root(), rule, After::Keep)
            }
            Operation::Native(native) => native.apply(tree),
        }
    }
}

fn next_rule(tree: &ConfigTree) -> String {
    let numbers = (1..=90).map(|n| (n * 10).to_string());
    let free = |number: &String| tree.at(&rule_path(number)).is_none();
    let last = numbers.clone().rev().find(|number| !free(number));
    last.map_or_else(|| "10".into(), |number| (number.parse::<u32>().unwrap() + 10).to_string())
}

pub fn rule_path(number: &str) -> Path {
    Path::root().child(Step::entry(q("rule"), &[("name", number)]))
}

pub fn operations(payload: &Payload) -> Vec<Operation> {
    payload.native().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn payload(class: Class, operations: Vec<Operation>) -> Payload {
    if class == Class::D {
        // Line by line: a subtree becomes one line per leaf.
        let fine = operations.into_iter().flat_map(|operation| match operation {
            Operation::Merge(path, node) => leafs(&path, &node),
            Operation::Remove(path) => vec![Operation::Remove(path)],
            other @ (Operation::Append(..) | Operation::Native(_)) => vec![other],
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

/// What stands on an element before us: three ports and two VRFs that nobody here claims.
pub fn found() -> ConfigTree {
    ConfigTree::new(vec![
        entry("interface", "ge1", vec![leaf("vlan", "100"), leaf("mtu", "1500")]),
        entry("interface", "ge2", vec![leaf("vlan", "300"), leaf("description", "spare")]),
        entry("interface", "ge3", vec![leaf("vlan", "400"), leaf("description", "spare")]),
        entry("vrf", "v1", vec![leaf("rd", "65000:1"), leaf("rt", "65000:1")]),
        entry("vrf", "v2", vec![leaf("rd", "65000:9"), leaf("rt", "65000:9")]),
    ])
}

fn vrf_path(number: u8) -> Path {
    Path::root().child(Step::entry(q("vrf"), &[("name", &format!("v{number}"))]))
}

impl Wish {
    /// What makes it so on this tree; nothing where it has no place.
    pub fn operation(&self, tree: &ConfigTree) -> Option<Operation> {
        let port = |number: u8| vlan_path(&format!("ge{number}")).parent().unwrap();
        let merge = |parent: Path, node: Node| {
            (parent.steps().is_empty() || tree.at(&parent).is_some())
                .then(|| Operation::Merge(parent.child(node.step()), node))
        };
        let remove = |path: Path| tree.at(&path).is_some().then_some(Operation::Remove(path));
        match self {
            Wish::Vlan(number, vlan) => merge(port(*number), leaf("vlan", &vlan.to_string())),
            Wish::Mtu(number, mtu) => merge(port(*number), leaf("mtu", &mtu.to_string())),
            Wish::Describe(number, text) => merge(port(*number), leaf("description", &format!("text {text}"))),
            Wish::NoDescription(number) => remove(port(*number).child(Step::single(q("description")))),
            Wish::Vrf(number, leafs) => {
                let names = ["rd", "rt", "description", "limit"];
                let below = names.iter().take(usize::from(*leafs).clamp(1, 4));
                let node =
                    entry("vrf", &format!("v{number}"), below.map(|n| leaf(n, &format!("{n} {number}"))).collect());
                merge(Path::root(), node)
            }
            Wish::Target(number, target) => merge(vrf_path(*number), leaf("rt", &format!("65000:{target}"))),
            Wish::NoVrf(number) => remove(vrf_path(*number)),
            Wish::Rule(text) => {
                let rule = entry("rule", &next_rule(tree), vec![leaf("text", &format!("permit {text}"))]);
                merge(Path::root(), rule)
            }
            Wish::Native(meddling, number) => meddle(*meddling, *number, tree),
        }
    }

    pub fn apply(&self, tree: &ConfigTree) -> ConfigTree {
        self.operation(tree).map_or_else(|| tree.clone(), |operation| operation.apply(tree))
    }
}

pub fn element_plan(element: &str, class: Class, actual: &ConfigTree, desired: &ConfigTree) -> ElementPlan {
    let diff = diff(actual, desired);
    let paths: Vec<Path> = diff.edits.iter().map(|edit| edit.path().clone()).collect();
    let to_operation = |edit: &Edit| match edit {
        // Line by line a rule gets its number from the element: the one line that must not be sent twice.
        Edit::Create { path, node, .. } if class == Class::D && path.last().unwrap().name == q("rule") => {
            let text = node.children().iter().find_map(|child| child.value().map(ToString::to_string));
            let free = (10..=900).step_by(10).map(|n| n.to_string()).find(|number| rule_path(number) == *path);
            match (free, text) {
                (Some(number), Some(text)) => Operation::Append(number, text),
                _ => Operation::Merge(path.clone(), node.clone()),
            }
        }
        Edit::Create { path, node, .. } => Operation::Merge(path.clone(), node.clone()),
        Edit::Remove { path, .. } => Operation::Remove(path.clone()),
        Edit::Set { path, new, .. } => {
            Operation::Merge(path.clone(), Node::leaf(path.last().unwrap().name.clone(), new.clone()))
        }
        Edit::Move { .. } | Edit::Replace { .. } => panic!("no such edit in these trees"),
    };
    let inverse = inverse(&diff);
    let mut read_set: Vec<ReadEntry> =
        paths.iter().map(|path| ReadEntry { path: path.clone(), digest: digest_at(actual, path) }).collect();
    // What is put below somebody's entry needs that entry.
    let above = paths.iter().filter_map(|path| path.parent()).filter(|path| actual.at(path).is_some());
    read_set.extend(above.map(|path| ReadEntry { path, digest: Some("exists".into()) }));
    let payloads = (
        payload(class, diff.edits.iter().map(to_operation).collect()),
        payload(class, inverse.edits.iter().map(to_operation).collect()),
    );
    ElementPlan { read_set, ..bare(element, class, (actual, desired), payloads) }
}

pub fn plan(elements: Vec<ElementPlan>) -> Plan {
    Plan { id: String::new(), services: vec![], elements, numbers: vec![], warnings: vec![] }.sealed()
}
