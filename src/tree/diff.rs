//! The difference of two trees, its application and its exact inverse.
//!
//! Equal subtrees are skipped by their hashes, so the cost follows the difference. A created or removed subtree is one
//! edit at its highest node that says something: a non-presence container comes and goes with what it holds (RFC 7950
//! §7.5.1), so it is never the place of an edit. Whoever removed `/vrfs` because the last VRF in it goes would take along
//! the one that somebody adds meanwhile. Edits stand in canonical order of their paths.
//!
//! Guarantees (property tests in `tests/laws.rs`): `apply(diff(a, b), a) == b`, `diff(a, a)` is empty,
//! `apply(inverse(d), apply(d, a)) == a`.

use super::children::Children;
use super::node::{Body, Node};
use super::path::{Path, Step};
use super::tree::{After, ConfigTree};
use super::value::Value;
use serde::{Deserialize, Serialize};

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
    diff.edits.iter().try_fold(tree.clone(), |tree, edit| apply_one(edit, &tree))
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
    let mut at = 0;
    // Both child lists are sorted by name: walk runs of one name side by side.
    let (left, right) = (a.children(), b.children());
    let mut i = 0;
    while i < left.len() || at < right.len() {
        let name = match (left.get(i), right.get(at)) {
            (Some(l), Some(r)) => l.name().min(r.name()),
            (Some(l), None) => l.name(),
            (None, Some(r)) => r.name(),
            (None, None) => break,
        }
        .clone();
        let run = |list: Children<'_>, from: usize| {
            from + list.slice(from..list.len()).iter().take_while(|c| c.name() == &name).count()
        };
        let (left_end, right_end) = (run(left, i), run(right, at));
        siblings(path, left.slice(i..left_end), right.slice(at..right_end), edits);
        (i, at) = (left_end, right_end);
    }
}

fn siblings(path: &Path, a: Children<'_>, b: Children<'_>, edits: &mut Vec<Edit>) {
    if a.iter().chain(b).any(|node| node.is_user_ordered()) {
        return ordered(path, a, b, edits);
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (Some(old), Some(new)) if old.cmp_key(new).is_eq() => {
                pair(path, old, new, edits);
                (i, j) = (i + 1, j + 1);
            }
            (Some(old), new) if new.is_none_or(|new| old.cmp_key(new).is_lt()) => {
                let at = path.child(old.step());
                match old.body() {
                    Body::Container { presence: false } => children(&at, old, &emptied(old), edits),
                    _ => edits.push(Edit::Remove { path: at, node: old.clone(), after: None }),
                }
                i += 1;
            }
            (_, Some(new)) => {
                let at = path.child(new.step());
                match new.body() {
                    Body::Container { presence: false } => children(&at, &emptied(new), new, edits),
                    _ => edits.push(Edit::Create { path: at, node: new.clone(), after: None }),
                }
                j += 1;
            }
            (None, None) => return,
            (Some(_), None) => return, // covered by the guard above
        }
    }
}

fn emptied(node: &Node) -> Node {
    node.with_children(Vec::new())
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

/// User-ordered siblings: removals from the back, then creations and moves from the front, each behind its new neighbour;
/// a node whose neighbour is already right is not moved.
fn ordered(path: &Path, a: Children<'_>, b: Children<'_>, edits: &mut Vec<Edit>) {
    let mut now: Vec<Node> = a.to_vec();
    for at in (0..now.len()).rev() {
        if !b.iter().any(|node| node.is_beside(&now[at])) {
            let after = at.checked_sub(1).map(|at| now[at].step());
            let node = now.remove(at);
            edits.push(Edit::Remove { path: path.child(node.step()), node, after });
        }
    }
    for (at, node) in b.iter().enumerate() {
        let to = at.checked_sub(1).map(|at| b[at].step());
        match now.iter().position(|have| have.is_beside(node)) {
            Some(found) if found == at => {}
            Some(found) => {
                let from = found.checked_sub(1).map(|at| now[at].step());
                let moved = now.remove(found);
                now.insert(at, moved);
                edits.push(Edit::Move { path: path.child(node.step()), from, to });
            }
            None => {
                now.insert(at, node.clone());
                edits.push(Edit::Create { path: path.child(node.step()), node: node.clone(), after: to });
            }
        }
    }
    for node in b {
        if let Some(old) = a.iter().find(|old| old.is_beside(node)) {
            pair(path, old, node, edits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::QName;

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
    fn a_difference_refuses_a_tree_that_it_was_not_made_for() {
        let a = tree(vec![leaf("x", "1")]);
        let d = diff(&a, &tree(vec![leaf("x", "2")]));
        assert!(apply(&d, &tree(vec![leaf("x", "3")])).is_err());
    }
}
