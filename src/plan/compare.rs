//! Three-way comparison: what is intended, what was recorded, what is actual.
//!
//! Only claimed or recorded nodes are compared; what nobody claims is none of our business.

use crate::domain::DeviationKind;
use crate::plan::HandMade;
use crate::tree::{Body, ConfigTree, Intended, Key, Node, Path};

/// A difference between what was recorded and what is actual, at the highest node that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub kind: DeviationKind,
    /// Where, and the three values.
    pub found: HandMade,
}

/// All differences of one element, in canonical order.
pub fn differences(intended: &Intended, recorded: &ConfigTree, actual: &ConfigTree) -> Vec<Difference> {
    let mut found = Vec::new();
    wanted_below(&Path::root(), intended.tree.root(), recorded, actual.root(), intended, &mut found);
    orphans_below(&Path::root(), recorded.root(), &intended.tree, actual, &mut found);
    found
}

fn wanted_below(
    path: &Path,
    wanted: &Node,
    recorded: &ConfigTree,
    actual: &Node,
    intended: &Intended,
    found: &mut Vec<Difference>,
) {
    for want in wanted.children() {
        let path = path.child(want.step());
        let was = recorded.at(&path);
        match actual.child_beside(want) {
            // A container alone says nothing: what is missing is what stands in it, and stays so when a part comes back.
            None if matches!(want.body(), Body::Container { presence: false }) => {
                let nothing = Node::from_step(want.step());
                wanted_below(&path, want, recorded, &nothing, intended, found);
            }
            None => found.push(difference(DeviationKind::Missing, path, was, Some(want), None)),
            Some(have) if have.hash() == want.hash() => {}
            Some(have) => match (want.body(), have.body()) {
                (Body::Leaf(_), _) | (_, Body::Leaf(_)) => {
                    found.push(difference(DeviationKind::Changed, path, was, Some(want), Some(have)));
                }
                _ => {
                    wanted_below(&path, want, recorded, have, intended, found);
                    if intended.is_whole(&path) {
                        extras(&path, want, have, found);
                    }
                }
            },
        }
    }
}

fn extras(path: &Path, want: &Node, have: &Node, found: &mut Vec<Difference>) {
    for child in have.children() {
        let path = path.child(child.step());
        match want.child_beside(child) {
            None => found.push(difference(DeviationKind::Extra, path, None, None, Some(child))),
            Some(want) => extras(&path, want, child, found),
        }
    }
}

/// Recorded, no longer intended, still there.
fn orphans_below(path: &Path, recorded: &Node, wanted: &ConfigTree, actual: &ConfigTree, found: &mut Vec<Difference>) {
    for was in recorded.children() {
        let path = path.child(was.step());
        match (wanted.at(&path), actual.at(&path)) {
            (Some(_), _) => orphans_below(&path, was, wanted, actual, found),
            (None, Some(have)) => found.push(difference(DeviationKind::Orphan, path, Some(was), None, Some(have))),
            (None, None) => {}
        }
    }
}

fn difference(
    kind: DeviationKind,
    path: Path,
    recorded: Option<&Node>,
    wanted: Option<&Node>,
    actual: Option<&Node>,
) -> Difference {
    let found = HandMade { path, recorded: words(recorded), actual: words(actual), wanted: words(wanted) };
    Difference { kind, found }
}

/// A node in one line: the value of a leaf, the children of anything else.
pub(crate) fn words(node: Option<&Node>) -> Option<String> {
    let node = node?;
    if let Some(value) = node.value() {
        return Some(value.to_string());
    }
    let mut parts = Vec::new();
    summary(node, &mut parts);
    if parts.is_empty() {
        return Some("present".into());
    }
    let more = parts.len().saturating_sub(WORDS_MAX);
    parts.truncate(WORDS_MAX);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(format!("{}{tail}", parts.join(", ")))
}

fn summary(node: &Node, parts: &mut Vec<String>) {
    for child in node.children() {
        match child.value() {
            Some(value) => parts.push(format!("{} {value}", child.name().name)),
            None if child.children().is_empty() => parts.push(named(child)),
            None => summary(child, parts),
        }
    }
}

/// The name of a node and its keys, as a person says it: `ip-route 198.51.100.0/25 192.0.2.6`.
fn named(node: &Node) -> String {
    let mut text = node.name().name.to_string();
    if let Key::Entry(keys) = node.key() {
        for (_, value) in keys.iter() {
            text.push(' ');
            text.push_str(value.as_str());
        }
    }
    text
}

const WORDS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Claims, Layer, Owner, QName, Value};

    fn leaf(name: &str, value: &str) -> Node {
        Node::leaf(QName::new("m", name), Value::text(value))
    }

    fn tree(leafs: Vec<Node>) -> ConfigTree {
        ConfigTree::new(vec![Node::container(QName::new("m", "c"), false, leafs)])
    }

    #[test]
    fn a_deviation_keeps_its_path_while_others_beside_it_come_and_go() {
        let wanted = tree(vec![leaf("a", "1"), leaf("b", "2")]);
        let intended = Intended::merge([&Claims::new(Owner("s".into()), Layer::Service, wanted.clone())]).unwrap();
        let paths = |actual: &ConfigTree| {
            let found = differences(&intended, &wanted, actual);
            found.iter().map(|found| (found.kind, found.found.path.to_string())).collect::<Vec<_>>()
        };
        let (a, b) = ("/m:c/a".to_string(), "/m:c/b".to_string());
        assert_eq!(
            paths(&ConfigTree::default()),
            [(DeviationKind::Missing, a), (DeviationKind::Missing, b.clone())],
            "a container that says nothing is not what is missing"
        );
        assert_eq!(paths(&tree(vec![leaf("a", "1")])), [(DeviationKind::Missing, b)]);
        assert_eq!(paths(&wanted), []);
    }
}
