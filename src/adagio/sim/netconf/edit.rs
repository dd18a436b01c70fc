//! What an `edit-config` makes of a datastore (RFC 6241 §7.2, RFC 7950 §7.5.8, §7.6.6, §7.7.9, §7.8.6). Pure.
//!
//! Removals first, then the rest in the order of the tree. A node of one case takes the nodes of the other cases of its
//! choice away (RFC 7950 §7.9). *Not here*: `must`, `when`, mandatory nodes, ranges.

use super::refusal::Refusal;
use super::rpc::DefaultOperation;
use crate::tree::schema::SchemaIndex;
use crate::tree::xml::{EditConfig, Insert, Mark, Operation};
use crate::tree::{After, Body, ConfigTree, Node, Path, QName, Step};
use std::collections::HashMap;

/// The datastore after the edit, or the first thing that stands in its way.
pub(super) fn edited(
    tree: &ConfigTree,
    edit: &EditConfig,
    default: DefaultOperation,
    index: &SchemaIndex,
) -> Result<ConfigTree, Refusal> {
    let marks = edit.marks.iter().map(|mark| (&mark.path, mark)).collect();
    let tree = if default == DefaultOperation::Replace { ConfigTree::default() } else { tree.clone() };
    let mut editor = Editor { index, marks, tree };
    for mark in &edit.marks {
        let Some(operation @ (Operation::Delete | Operation::Remove)) = mark.operation else { continue };
        if operation == Operation::Delete && editor.tree.at(&mark.path).is_none() {
            return Err(Refusal::at("data-missing", &mark.path, "there is nothing to delete"));
        }
        editor.tree = editor.tree.without(&mark.path);
    }
    let inherited = if default == DefaultOperation::None { None } else { Some(Operation::Merge) };
    editor.children(&Path::root(), edit.tree.root(), inherited)?;
    Ok(editor.tree)
}

/// What of an edit is left where it was refused on the way and nothing rolls it back (`error-option` stop-on-error,
/// RFC 6241 §7.2): its first part, which is the first node of the top level, or the first removal.
pub(super) fn first_part(edit: &EditConfig) -> EditConfig {
    let first = edit.tree.root().children().first().cloned();
    let within = |mark: &&Mark| match &first {
        Some(node) => mark.path.steps().first() == Some(&node.step()),
        None => edit.marks.first().is_some_and(|first| first.path == mark.path),
    };
    let marks = edit.marks.iter().filter(within).cloned().collect();
    EditConfig { tree: ConfigTree::new(first), marks }
}

struct Editor<'a> {
    index: &'a SchemaIndex,
    marks: HashMap<&'a Path, &'a Mark>,
    tree: ConfigTree,
}

impl Editor<'_> {
    fn children(&mut self, at: &Path, node: &Node, inherited: Option<Operation>) -> Result<(), Refusal> {
        for child in node.children() {
            self.node(at, child, inherited)?;
        }
        Ok(())
    }

    fn node(&mut self, parent: &Path, node: &Node, inherited: Option<Operation>) -> Result<(), Refusal> {
        let path = parent.child(node.step());
        let mark = self.marks.get(&path).copied();
        let insert = mark.and_then(|mark| mark.insert.as_ref());
        let operation = mark.and_then(|mark| mark.operation).or(inherited);
        let there = self.tree.at(&path).is_some();
        match operation {
            // `none`: the level must be there; only a container without presence is always there.
            None => {
                let always = matches!(node.body(), Body::Container { presence: false });
                if !there && !always {
                    return Err(Refusal::at("data-missing", &path, "the edit goes through a node that does not exist"));
                }
                self.children(&path, node, None)
            }
            Some(Operation::Create) if there => Err(Refusal::at("data-exists", &path, "it exists already")),
            Some(Operation::Create | Operation::Replace) => self.put(parent, node.clone(), insert),
            Some(Operation::Merge) => {
                if matches!(node.body(), Body::Leaf(_)) || !there {
                    self.put(parent, node.with_children(Vec::new()), insert)?;
                } else if insert.is_some()
                    && let Some(old) = self.tree.at(&path).cloned()
                {
                    self.put(parent, old, insert)?;
                }
                self.children(&path, node, operation)
            }
            // Done before; such a node is not in the tree.
            Some(Operation::Delete | Operation::Remove) => Ok(()),
        }
    }

    fn put(&mut self, parent: &Path, node: Node, insert: Option<&Insert>) -> Result<(), Refusal> {
        self.leave_other_cases(parent, &node);
        if matches!(node.body(), Body::Opaque { .. }) {
            // Anydata is set as a whole (RFC 7950 §7.10.3).
            let old = self.tree.at(parent).map(|above| above.children().to_vec()).unwrap_or_default();
            for old in old.iter().filter(|old| old.name() == node.name()) {
                self.tree = self.tree.without(&parent.child(old.step()));
            }
        }
        let path = parent.child(node.step());
        let missing = |step: &Step| {
            let message = format!("there is no {} beside it", parent.child(step.clone()));
            Refusal { app_tag: Some("missing-instance"), ..Refusal::at("bad-attribute", &path, message) }
        };
        let siblings = || self.tree.at(parent).map(|above| above.children().to_vec()).unwrap_or_default();
        let tree = match insert {
            None => self.tree.with(parent, node, After::Keep),
            Some(Insert::First) => self.tree.with(parent, node, After::First),
            Some(Insert::Last) => self.tree.without(&path).with(parent, node, After::Keep),
            Some(Insert::After(step)) => {
                if !siblings().iter().any(|have| have.is_at(step)) {
                    return Err(missing(step));
                }
                self.tree.with(parent, node, After::Sibling(step))
            }
            Some(Insert::Before(step)) => {
                let mut others = siblings();
                others.retain(|have| have.name() == node.name() && !have.is_beside(&node));
                let at = others.iter().position(|have| have.is_at(step)).ok_or_else(|| missing(step))?;
                match at.checked_sub(1).map(|at| others[at].step()) {
                    Some(before) => self.tree.with(parent, node, After::Sibling(&before)),
                    None => self.tree.with(parent, node, After::First),
                }
            }
        };
        self.tree = tree;
        Ok(())
    }

    fn leave_other_cases(&mut self, parent: &Path, node: &Node) {
        let above = self.index.resolve(parent);
        let cases = |name: &QName| match self.index.child(above, name) {
            Some(id) => self.index.node(id).cases.clone(),
            None => Vec::new(),
        };
        let mine = cases(node.name());
        let Some(have) = self.tree.at(parent).filter(|_| !mine.is_empty()) else { return };
        let rival = |child: &&Node| {
            cases(child.name()).iter().any(|(choice, case)| mine.iter().any(|(c, k)| c == choice && k != case))
        };
        let gone: Vec<Path> = have.children().iter().filter(rival).map(|c| parent.child(c.step())).collect();
        for path in gone {
            self.tree = self.tree.without(&path);
        }
    }
}
