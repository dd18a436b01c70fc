//! The difference of two trees, its application and its exact inverse.
//!
//! Equal subtrees are skipped by their hashes, so the cost follows the difference; user-ordered siblings are put in order
//! with as few moves as possible, in n log n of their number. A created or removed subtree is one
//! edit at its highest node that says something: a non-presence container comes and goes with what it holds (RFC 7950
//! §7.5.1), so it is never the place of an edit. Whoever removed `/vrfs` because the last VRF in it goes would take along
//! the one that somebody adds meanwhile. Edits stand in canonical order of their paths.
//!
//! Guarantees (property tests in `tests/laws`): `apply(diff(a, b), a) == b`, `diff(a, a)` is empty,
//! `apply(inverse(d), apply(d, a)) == a`.

mod line;

pub(crate) use line::{out_of_place, relined};

use super::children::{Children, Differing};
use super::name::QName;
use super::node::{Body, Node};
use super::pairs::count;
use super::path::{Path, Step};
use super::tree::{After, ConfigTree};
use super::value::Value;
use line::{Line, rising};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A subtree that was not there. `after`: the sibling before it, for user-ordered nodes only.
    Create {
        /// Where.
        path: Path,
        /// What.
        node: Node,
        /// The user-ordered sibling that it stands behind; `None` = first, or order does not matter.
        after: Option<Step>,
    },
    /// A subtree that is gone. `after` as in `Create`, for the inverse.
    Remove {
        /// Where.
        path: Path,
        /// What stood there.
        node: Node,
        /// The user-ordered sibling that it stood behind.
        after: Option<Step>,
    },
    /// A leaf with another value.
    Set {
        /// Where.
        path: Path,
        /// The value before.
        old: Value,
        /// The value after.
        new: Value,
    },
    /// A user-ordered node at another place.
    Move {
        /// Where (the key does not change).
        path: Path,
        /// The sibling that it stood behind; `None` = first.
        from: Option<Step>,
        /// The sibling that it stands behind; `None` = first.
        to: Option<Step>,
    },
    /// A node of another kind under the same name.
    Replace {
        /// Where.
        path: Path,
        /// What stood there.
        old: Node,
        /// What stands there.
        new: Node,
    },
}

impl Edit {
    /// The node that the edit is about.
    pub fn path(&self) -> &Path {
        match self {
            Edit::Create { path, .. }
            | Edit::Remove { path, .. }
            | Edit::Set { path, .. }
            | Edit::Move { path, .. }
            | Edit::Replace { path, .. } => path,
        }
    }

    /// How many nodes it touches.
    pub fn size(&self) -> u32 {
        match self {
            Edit::Create { node, .. } | Edit::Remove { node, .. } => node.count(),
            Edit::Set { .. } | Edit::Move { .. } => 1,
            Edit::Replace { old, new, .. } => old.count() + new.count(),
        }
    }
}

/// A list of differences, to be applied in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diff {
    /// The edits.
    pub edits: Vec<Edit>,
}

impl Diff {
    /// Whether the two trees were equal.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// How many nodes are touched.
    pub fn size(&self) -> u32 {
        self.edits.iter().map(Edit::size).sum()
    }
}

/// A difference that does not fit the tree it is applied to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: the tree is not the one that the difference was made for: {what}")]
pub struct Misfit {
    /// Where.
    pub path: Path,
    /// What was expected there.
    pub what: &'static str,
}

/// What turns `a` into `b`.
pub fn diff(a: &ConfigTree, b: &ConfigTree) -> Diff {
    let mut edits = Vec::new();
    children(&Path::root(), a.root(), b.root(), &mut edits);
    Diff { edits }
}

/// What turns the result back.
pub fn inverse(diff: &Diff) -> Diff {
    let edits = diff.edits.iter().rev().map(|edit| match edit.clone() {
        Edit::Create { path, node, after } => Edit::Remove { path, node, after },
        Edit::Remove { path, node, after } => Edit::Create { path, node, after },
        Edit::Set { path, old, new } => Edit::Set { path, old: new, new: old },
        Edit::Move { path, from, to } => Edit::Move { path, from: to, to: from },
        Edit::Replace { path, old, new } => Edit::Replace { path, old: new, new: old },
    });
    Diff { edits: edits.collect() }
}

/// The tree after the difference.
pub fn apply(diff: &Diff, tree: &ConfigTree) -> Result<ConfigTree, Misfit> {
    let mut tree = tree.clone();
    for edits in diff.edits.chunk_by(|a, b| placed_in(a).is_some_and(|list| placed_in(b) == Some(list))) {
        tree = match edits {
            [one] => apply_one(one, &tree)?,
            several => apply_order(several, &tree)?,
        };
    }
    Ok(tree)
}

/// The list of siblings in whose order an edit changes something: their parent and their name.
fn placed_in(edit: &Edit) -> Option<(&[Step], &QName)> {
    let ordered = match edit {
        Edit::Create { node, .. } | Edit::Remove { node, .. } => node.is_user_ordered(),
        Edit::Move { .. } => true,
        Edit::Set { .. } | Edit::Replace { .. } => false,
    };
    let (last, parent) = edit.path().steps().split_last()?;
    ordered.then_some((parent, &last.name))
}

/// Edits of one list of user-ordered siblings at once: one by one each would copy the list.
fn apply_order(edits: &[Edit], tree: &ConfigTree) -> Result<ConfigTree, Misfit> {
    let Some((parent, name)) = edits.first().and_then(placed_in) else { return Ok(tree.clone()) };
    let parent = Path::new(parent.to_vec());
    let stood = tree.at(&parent).cloned();
    let node = stood.or_else(|| parent.last().map(|step| Node::from_step(step.clone())));
    let node = node.unwrap_or_else(|| tree.root().clone());
    let (run, others): (Vec<Node>, Vec<Node>) = node.children().iter().cloned().partition(|node| node.name() == name);
    let mut line = Line::of(run.iter().map(Node::step));
    let mut nodes: HashMap<Step, Node> = run.into_iter().map(|node| (node.step(), node)).collect();
    for edit in edits {
        let misfit = |what| Misfit { path: edit.path().clone(), what };
        let Some(step) = edit.path().last() else { return Err(misfit("the root cannot be edited")) };
        let behind = |line: &Line, after: &Option<Step>| match after {
            None => Ok(None),
            Some(step) => line.number(step).map(Some).ok_or_else(|| misfit("the sibling before it is not there")),
        };
        match (edit, line.number(step)) {
            (Edit::Create { node, after, .. }, None) => {
                let after = behind(&line, after)?;
                line.add(step.clone(), after);
                nodes.insert(step.clone(), node.clone());
            }
            (Edit::Create { .. }, Some(_)) => return Err(misfit("nothing should stand here yet")),
            (Edit::Remove { .. }, Some(at)) => line.take(at),
            (Edit::Move { to, .. }, Some(at)) => {
                line.take(at);
                let to = behind(&line, to)?;
                line.put(at, to);
            }
            _ => return Err(misfit("a node should stand here")),
        }
    }
    let run = line.into_steps().into_iter().filter_map(|step| nodes.remove(&step));
    let node = node.with_children(others.into_iter().chain(run));
    Ok(match parent.parent() {
        Some(above) => tree.with(&above, node, After::Keep),
        None => ConfigTree::from_root(node),
    })
}

fn apply_one(edit: &Edit, tree: &ConfigTree) -> Result<ConfigTree, Misfit> {
    let misfit = |what| Misfit { path: edit.path().clone(), what };
    let parent = edit.path().parent().ok_or_else(|| misfit("the root cannot be edited"))?;
    let found = tree.at(edit.path());
    match edit {
        Edit::Create { node, after, .. } => {
            if found.is_some() {
                return Err(misfit("nothing should stand here yet"));
            }
            Ok(tree.with(&parent, node.clone(), place(node, after)))
        }
        Edit::Remove { .. } => {
            found.ok_or_else(|| misfit("a node should stand here"))?;
            Ok(tree.without(edit.path()))
        }
        Edit::Set { old, new, .. } => match found.map(|node| (node, node.body())) {
            Some((node, Body::Leaf(value))) if value == old => {
                let leaf = Node::leaf(node.name().clone(), new.clone());
                Ok(tree.with(&parent, leaf, After::Keep))
            }
            _ => Err(misfit("a leaf with the old value should stand here")),
        },
        Edit::Move { to, .. } => {
            let node = found.ok_or_else(|| misfit("a node should stand here"))?.clone();
            Ok(tree.with(&parent, node.clone(), place(&node, to)))
        }
        Edit::Replace { new, .. } => {
            found.ok_or_else(|| misfit("a node should stand here"))?;
            Ok(tree.with(&parent, new.clone(), After::Keep))
        }
    }
}

fn place<'a>(node: &Node, after: &'a Option<Step>) -> After<'a> {
    if !node.is_user_ordered() {
        return After::Keep;
    }
    match after {
        Some(step) => After::Sibling(step),
        None => After::First,
    }
}

fn children(path: &Path, a: &Node, b: &Node, edits: &mut Vec<Edit>) {
    if a.hash() == b.hash() {
        return;
    }
    a.children().differing(b.children(), &mut |found| {
        count(1);
        match found {
            Differing::Child(Some(old), Some(new)) => pair(path, old, new, edits),
            Differing::Child(Some(old), None) => match old.body() {
                Body::Container { presence: false } => children(&path.child(old.step()), old, &emptied(old), edits),
                _ => edits.push(Edit::Remove { path: path.child(old.step()), node: old.clone(), after: None }),
            },
            Differing::Child(None, Some(new)) => match new.body() {
                Body::Container { presence: false } => children(&path.child(new.step()), &emptied(new), new, edits),
                _ => edits.push(Edit::Create { path: path.child(new.step()), node: new.clone(), after: None }),
            },
            Differing::Child(None, None) => {}
            Differing::Ordered(old, new) => ordered(path, old, new, edits),
        }
    });
}

fn emptied(node: &Node) -> Node {
    node.with_children([])
}

fn pair(path: &Path, old: &Node, new: &Node, edits: &mut Vec<Edit>) {
    if old.hash() == new.hash() {
        return;
    }
    let path = path.child(old.step());
    match (old.body(), new.body()) {
        (Body::Leaf(before), Body::Leaf(after)) => {
            edits.push(Edit::Set { path, old: before.clone(), new: after.clone() });
        }
        (Body::Leaf(_), _) | (_, Body::Leaf(_)) => {
            edits.push(Edit::Replace { path, old: old.clone(), new: new.clone() });
        }
        _ => children(&path, old, new, edits),
    }
}

/// User-ordered siblings: removals from the back, then creations and moves from the front, each behind its new neighbour.
/// As few as possible are moved: those outside of the longest part that stands in the new order already (n log n).
fn ordered(path: &Path, a: Children<'_>, b: Children<'_>, edits: &mut Vec<Edit>) {
    count(a.len() + b.len());
    let mut now = Line::of(a.iter().map(Node::step));
    let coming: HashSet<Step> = b.iter().map(Node::step).collect();
    for (at, node) in a.iter().enumerate().rev().filter(|(_, node)| !coming.contains(&node.step())) {
        let after = now.before(at).cloned();
        now.take(at);
        edits.push(Edit::Remove { path: path.child(node.step()), node: node.clone(), after });
    }
    let common: Vec<usize> = b.iter().filter_map(|node| now.number(&node.step())).collect();
    let stays: HashSet<usize> = rising(&common).into_iter().collect();
    let mut last = None;
    for node in b {
        let (step, to) = (node.step(), last.map(|last| now.step(last).clone()));
        last = Some(match now.number(&step) {
            Some(at) if stays.contains(&at) => at,
            Some(at) => {
                let from = now.before(at).cloned();
                now.take(at);
                now.put(at, last);
                edits.push(Edit::Move { path: path.child(step), from, to });
                at
            }
            None => {
                let at = now.add(step.clone(), last);
                edits.push(Edit::Create { path: path.child(step), node: node.clone(), after: to });
                at
            }
        });
    }
    let stood: HashMap<Step, &Node> = a.iter().map(|node| (node.step(), node)).collect();
    for node in b {
        if let Some(old) = stood.get(&node.step()) {
            pair(path, old, node, edits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    fn leaf(name: &str, value: &str) -> Node {
        Node::leaf(q(name), Value::text(value))
    }

    fn tree(top: Vec<Node>) -> ConfigTree {
        ConfigTree::new(top)
    }

    #[test]
    fn a_changed_leaf_is_one_set() {
        let a = tree(vec![Node::container(q("c"), false, vec![leaf("vlan", "100"), leaf("x", "1")])]);
        let b = tree(vec![Node::container(q("c"), false, vec![leaf("vlan", "200"), leaf("x", "1")])]);
        let d = diff(&a, &b);
        assert_eq!(d.edits.len(), 1);
        assert!(matches!(&d.edits[0], Edit::Set { old, new, .. } if old.as_str() == "100" && new.as_str() == "200"));
        assert_eq!(apply(&d, &a).unwrap(), b);
        assert_eq!(apply(&inverse(&d), &b).unwrap(), a);
    }

    #[test]
    fn user_order_is_kept_and_undone() {
        let list = |keys: &[&str]| tree(keys.iter().map(|k| Node::member(q("l"), Value::text(k), true)).collect());
        for (from, to) in [(&["a", "b", "c"][..], &["c", "a", "b"][..]), (&["a", "b"], &["b", "x", "a"]), (&["a"], &[])]
        {
            let (a, b) = (list(from), list(to));
            let d = diff(&a, &b);
            assert_eq!(apply(&d, &a).unwrap(), b, "{from:?} -> {to:?}");
            assert_eq!(apply(&inverse(&d), &b).unwrap(), a, "{to:?} -> {from:?}");
        }
    }

    #[test]
    fn siblings_come_into_line_and_the_others_stay_where_they_are() {
        let steps =
            |keys: &str| keys.chars().map(|k| Step::member(q("l"), Value::text(&k.to_string()))).collect::<Vec<_>>();
        for (now, wanted, then) in [
            ("xAyBz", "BA", "xBAyz"),
            ("xAyBz", "AB", "xAyBz"),
            ("xAyBz", "ANB", "xANyBz"),
            ("xAyBz", "NAB", "xNAyBz"),
            ("xyz", "AB", "xyzAB"),
            ("ABCx", "CAB", "CABx"),
            ("", "AB", "AB"),
        ] {
            assert_eq!(relined(&steps(now), &steps(wanted)), steps(then), "{now} {wanted}");
        }
    }

    #[test]
    fn a_difference_refuses_a_tree_that_it_was_not_made_for() {
        let a = tree(vec![leaf("x", "1")]);
        let d = diff(&a, &tree(vec![leaf("x", "2")]));
        assert!(apply(&d, &tree(vec![leaf("x", "3")])).is_err());
    }

    /// What a quadratic difference would take minutes for.
    #[test]
    fn a_long_list_is_put_in_order_with_as_few_moves_as_possible() {
        let n = 20_000;
        let list = |keys: &[usize]| {
            tree(keys.iter().map(|k| Node::member(q("l"), Value::text(&k.to_string()), true)).collect())
        };
        let keys: Vec<usize> = (0..n).collect();
        let mut some_moved = keys.clone();
        for k in 0..50 {
            let key = some_moved.remove(k * 397);
            some_moved.insert((k * 7919) % n.saturating_sub(1), key);
        }
        let mut turned = keys.clone();
        turned.reverse();
        for (other, moves) in [(some_moved, 50), (turned, n - 1)] {
            let (a, b) = (list(&keys), list(&other));
            let d = diff(&a, &b);
            assert!(d.edits.len() <= moves, "{} moves", d.edits.len());
            assert_eq!(apply(&d, &a).unwrap(), b);
            assert_eq!(apply(&inverse(&d), &b).unwrap(), a);
        }
    }
}
