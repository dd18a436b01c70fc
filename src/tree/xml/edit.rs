//! The bodies of NETCONF operations: `edit-config` from a difference, subtree filters from paths.
//!
//! An edit is one document with shared ancestors, for `default-operation=none`: ancestors carry no operation (RFC 6241
//! §7.2), the changed node carries `merge`, `remove` or `replace`, never `create` or `delete`, so that sending it again
//! after an unknown outcome is harmless. A container in which things are created and nothing else happens may not be there
//! yet (an ancestor without operation that is missing is `data-missing`), so there the highest such container carries the
//! `merge`; a removal stands at the removed node itself, never at a container that others use, too. What goes because
//! another case of its choice comes is not removed in words (RFC 7950 §7.9). Keys stand first in every entry. The bytes depend on nothing but the
//! difference and the schema.

use super::print::Printer;
use super::{NETCONF, YANG, escape};
use crate::tree::codec::SchemaIdAt;
use crate::tree::schema::{SchemaIndex, SchemaKind};
use crate::tree::{Body, Diff, Edit, Key, Name, Node, Path, QName, SchemaId, Step};
use std::collections::HashMap;

/// The content of `<config>` for a difference; empty for an empty one.
pub fn edit_config(diff: &Diff, index: &SchemaIndex) -> String {
    let mut root = Branch::default();
    let taken = Cases::of(diff, index);
    for edit in diff.edits.iter().filter(|edit| !taken.removes_by_itself(edit)) {
        let (path, act) = match edit {
            Edit::Create { path, node, after } => (path, Act::Set { node: node.clone(), place: Some(after.clone()) }),
            Edit::Remove { path, node, .. } => (path, Act::Remove { node: node.clone() }),
            Edit::Set { path, new, .. } => {
                let Some(step) = path.last() else { continue };
                let node = Node::leaf(step.name.clone(), new.clone());
                (path, Act::Set { node, place: None })
            }
            Edit::Move { path, to, .. } => (path, Act::Move { to: to.clone() }),
            Edit::Replace { path, new, .. } => (path, Act::Replace { node: new.clone() }),
        };
        root.at(path.steps()).acts.push(act);
    }
    let mut printer = Printer::new(index, false);
    for branch in root.ordered(index, Some(SchemaIdAt::Top)) {
        branch.1.print(branch.0, None, Above::Nothing, &mut printer);
    }
    printer.out
}

/// The cases of choices that a difference brings into being: by where the choice stands and its name.
struct Cases<'a> {
    index: &'a SchemaIndex,
    taken: HashMap<(&'a [Step], Vec<(Name, Name)>, Name), Name>,
}

impl<'a> Cases<'a> {
    fn of(diff: &'a Diff, index: &'a SchemaIndex) -> Self {
        let mut cases = Self { index, taken: HashMap::new() };
        for edit in &diff.edits {
            if let Edit::Create { path, .. } = edit {
                let choices: Vec<_> = cases.choices(path).collect();
                cases.taken.extend(choices);
            }
        }
        cases
    }

    /// The choices on the way to a node, with the case of each.
    fn choices(&self, path: &'a Path) -> impl Iterator<Item = ((&'a [Step], Vec<(Name, Name)>, Name), Name)> {
        let steps = path.steps();
        let mut at = None;
        let ids: Vec<Option<SchemaId>> = steps
            .iter()
            .enumerate()
            .map(|(depth, step)| {
                at = if depth > 0 && at.is_none() { None } else { self.index.child(at, &step.name) };
                at
            })
            .collect();
        let found: Vec<_> = ids
            .into_iter()
            .enumerate()
            .filter_map(|(depth, id)| Some((depth, &self.index.node(id?).cases)))
            .flat_map(|(depth, cases)| {
                cases.iter().enumerate().map(move |(nth, (choice, case))| {
                    ((&steps[..depth], cases[..nth].to_vec(), choice.clone()), case.clone())
                })
            })
            .collect();
        found.into_iter()
    }

    /// Whether the node goes by itself because another case of its choice is created: the creation of a node from one case
    /// deletes all nodes of the others (RFC 7950 §7.9). To say the removal as well would contradict the creation.
    fn removes_by_itself(&self, edit: &'a Edit) -> bool {
        let Edit::Remove { path, .. } = edit else { return false };
        self.choices(path).any(|(choice, case)| self.taken.get(&choice).is_some_and(|taken| *taken != case))
    }
}

/// The content of a subtree filter that selects these nodes with all below them (RFC 6241 §6). Entries are selected by their
/// keys. Without paths it is empty, which selects nothing.
pub fn subtree_filter<'a>(paths: impl IntoIterator<Item = &'a Path>, index: &SchemaIndex) -> String {
    let mut root = Branch::default();
    for path in paths {
        root.at(path.steps()).whole = true;
    }
    let mut printer = Printer::new(index, false);
    for branch in root.ordered(index, Some(SchemaIdAt::Top)) {
        branch.1.select(branch.0, None, &mut printer);
    }
    printer.out
}

/// What is to be done with one node.
enum Act {
    /// It is to be there so; `place` for a new one: the user-ordered sibling that it stands behind.
    Set {
        node: Node,
        place: Option<Option<Step>>,
    },
    Remove {
        node: Node,
    },
    Replace {
        node: Node,
    },
    Move {
        to: Option<Step>,
    },
}

/// What stands above a branch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Above {
    /// Nothing: it is an element at the top.
    Nothing,
    /// An element without operation.
    Silence,
    /// An element whose `merge` holds for what is below it.
    Merge,
}

/// The paths of a document, merged.
#[derive(Default)]
struct Branch {
    step: Option<Step>,
    acts: Vec<Act>,
    /// Selected with all below (filters).
    whole: bool,
    below: Vec<Branch>,
    places: HashMap<Step, usize>,
}

impl Branch {
    fn at(&mut self, steps: &[Step]) -> &mut Branch {
        let Some((step, rest)) = steps.split_first() else { return self };
        let place = *self.places.entry(step.clone()).or_insert_with(|| {
            self.below.push(Branch { step: Some(step.clone()), ..Branch::default() });
            self.below.len() - 1
        });
        self.below[place].at(rest)
    }

    /// The branches below in schema order; branches of one name keep the order of the edits. An `anydata` that gets another
    /// content is set as a whole (RFC 7950 §7.10.3): a removal of the content before would take the new one along.
    fn ordered(&self, index: &SchemaIndex, parent: Option<SchemaIdAt>) -> Vec<(Option<SchemaId>, &Branch)> {
        let mut below: Vec<(Option<SchemaId>, &Branch)> = self
            .below
            .iter()
            .map(|branch| {
                let id = branch.step.as_ref().and_then(|step| match parent? {
                    SchemaIdAt::Top => index.child(None, &step.name),
                    SchemaIdAt::Below(id) => index.child(Some(id), &step.name),
                });
                (id, branch)
            })
            .collect();
        let any = |id: &Option<SchemaId>| id.is_some_and(|id| index.node(id).kind == SchemaKind::Any);
        let set: Vec<Option<SchemaId>> =
            below.iter().filter(|(id, branch)| any(id) && !branch.removes_only()).map(|(id, _)| *id).collect();
        below.retain(|(id, branch)| !branch.removes_only() || !set.contains(id));
        below.sort_by_key(|(id, _)| id.map_or(u32::MAX, |id| index.rank(id)));
        below
    }

    fn removes_only(&self) -> bool {
        self.below.is_empty() && self.acts.iter().all(|act| matches!(act, Act::Remove { .. }))
    }

    /// Whether things are created here or, through non-presence containers, below, and nothing else happens.
    fn creates_only(&self, id: Option<SchemaId>, index: &SchemaIndex) -> bool {
        if !self.acts.is_empty() {
            return self.below.is_empty() && self.acts.iter().all(|act| matches!(act, Act::Set { place: Some(_), .. }));
        }
        let container = id.is_some_and(|id| index.node(id).kind == SchemaKind::Container { presence: false });
        container && self.ordered(index, id.map(SchemaIdAt::Below)).iter().all(|(id, b)| b.creates_only(*id, index))
    }

    fn print(&self, id: Option<SchemaId>, outer: Option<&Name>, above: Above, printer: &mut Printer<'_>) {
        let Some(step) = &self.step else { return };
        let mut declared = String::new();
        if above == Above::Nothing {
            super::opaque::declare("nc", NETCONF, &mut declared);
        }
        let merge = if above == Above::Merge { "" } else { MERGE };
        // Whole subtrees first; a move and changes below the moved node share one element.
        let mut moved = None;
        for act in &self.acts {
            match act {
                Act::Set { node, place } => {
                    let mut attributes = format!("{declared}{merge}");
                    if let Some(after) = place.as_ref().filter(|_| node.is_user_ordered()) {
                        // A place goes with an operation of its own.
                        attributes = format!("{declared}{MERGE}{}", insert(id, after.as_ref(), printer));
                    }
                    printer.node(id, node, outer, &attributes);
                }
                Act::Replace { node } => {
                    printer.node(id, node, outer, &format!("{declared} nc:operation=\"replace\""));
                }
                Act::Remove { node } => {
                    let attributes = format!("{declared} nc:operation=\"remove\"");
                    match node.body() {
                        // The value of a leaf to be removed does not matter.
                        Body::Leaf(_) => printer.bare(node.name(), outer, &attributes),
                        Body::Member { .. } | Body::Opaque { .. } => printer.node(id, node, outer, &attributes),
                        Body::Container { .. } | Body::Entry { .. } => {
                            printer.open(step, id, outer, &attributes);
                            printer.close(step, false);
                        }
                    }
                }
                Act::Move { to } => moved = Some(to),
            }
        }
        if moved.is_none() && self.below.is_empty() {
            return;
        }
        let lifted = self.creates_only(id, printer.index);
        let attributes = match moved {
            Some(to) => format!("{declared}{MERGE}{}", insert(id, to.as_ref(), printer)),
            None if lifted => format!("{declared}{merge}"),
            None => declared,
        };
        if let Key::Member(value) = &step.key {
            let ty = id.and_then(|id| printer.index.node(id).ty.as_deref());
            return printer.leaf(&step.name, value, ty, outer, &attributes);
        }
        let inner = printer.open(step, id, outer, &attributes);
        for (id, branch) in self.ordered(printer.index, id.map(SchemaIdAt::Below)) {
            branch.print(id, inner, if lifted { Above::Merge } else { Above::Silence }, printer);
        }
        printer.close(step, !self.below.is_empty());
    }

    fn select(&self, id: Option<SchemaId>, outer: Option<&Name>, printer: &mut Printer<'_>) {
        let Some(step) = &self.step else { return };
        match &step.key {
            Key::Entry(_) => {}
            Key::Single if !self.whole && !self.below.is_empty() => {}
            // A leaf-list and what no schema knows are selected by name.
            _ => return printer.bare(&step.name, outer, ""),
        }
        let inner = printer.open(step, id, outer, "");
        if !self.whole {
            for (id, branch) in self.ordered(printer.index, id.map(SchemaIdAt::Below)) {
                branch.select(id, inner, printer);
            }
        }
        printer.close(step, !self.whole && !self.below.is_empty());
    }
}

/// The attributes that put a user-ordered node behind `after` (RFC 7950 §7.7.9, §7.8.6). A key with both kinds of quotes
/// cannot be written in a predicate; the node is then put last, and the read-back will tell.
fn insert(id: Option<SchemaId>, after: Option<&Step>, printer: &Printer<'_>) -> String {
    let mut out = String::new();
    super::opaque::declare("yang", YANG, &mut out);
    let Some(after) = after else {
        out.push_str(" yang:insert=\"first\"");
        return out;
    };
    out.push_str(" yang:insert=\"after\"");
    let (attribute, text) = match &after.key {
        Key::Member(value) => {
            let ty = id.and_then(|id| printer.index.node(id).ty.as_deref());
            ("value", printer.wire(value, ty, &mut out))
        }
        Key::Entry(keys) => {
            let prefix = printer.prefix(after.name.module.as_str(), &mut out);
            let mut text = String::new();
            for (key, value) in keys.iter() {
                let name = QName { module: after.name.module.clone(), name: key.clone() };
                let leaf = id.and_then(|id| printer.index.child(Some(id), &name));
                let ty = leaf.and_then(|leaf| printer.index.node(leaf).ty.as_deref());
                let value = printer.wire(value, ty, &mut out);
                if value.contains('\'') && value.contains('"') {
                    return out.replace(" yang:insert=\"after\"", " yang:insert=\"last\"");
                }
                let quote = if value.contains('\'') { '"' } else { '\'' };
                text.push_str(&format!("[{prefix}:{key}={quote}{value}{quote}]"));
            }
            ("key", text)
        }
        Key::Single | Key::Opaque(..) => return String::new(),
    };
    out.push_str(&format!(" yang:{attribute}=\""));
    escape(&text, true, &mut out);
    out.push('"');
    out
}

const MERGE: &str = " nc:operation=\"merge\"";
