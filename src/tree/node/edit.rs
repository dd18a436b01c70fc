//! The children of a node: found, put, taken and kept in canonical order.
//!
//! Guarantees: an edit gives what building anew gives, hash included; it copies the chunks that it touches and no more.

use super::{Kind, Label, Node, Repr};
use crate::tree::children::Children;
use crate::tree::chunks::{self, Chunks, Splice};
use crate::tree::name::QName;
use crate::tree::path::{KeyRef, Step};

impl Node {
    /// The children in canonical order.
    pub fn children(&self) -> Children<'_> {
        Children::of(self)
    }

    /// The child at this step. Logarithmic, except among siblings in the user's order.
    pub fn child(&self, step: &Step) -> Option<&Node> {
        self.children().seek(&step.name, step.key.as_ref()).ok().map(|(_, child)| child)
    }

    /// The child at the place of `other`, which is a child of another parent.
    pub fn child_beside(&self, other: &Node) -> Option<&Node> {
        self.children().seek(other.name(), other.key_ref()).ok().map(|(_, child)| child)
    }

    /// The child of this name that needs no key: a container or a leaf.
    pub fn named(&self, name: &QName) -> Option<&Node> {
        self.children().seek(name, KeyRef::Single).ok().map(|(_, child)| child)
    }

    /// Whether some children keep the order in which they were given.
    pub fn keeps_order(&self) -> bool {
        self.head().is_some_and(|head| head.ordered)
    }

    /// The same node with some children put or taken: `None` takes the child at this step away, a node takes the place of
    /// the child with its step or is put where it belongs. The changes may stand in any order, one per step. What is
    /// copied follows their number, not the number of children.
    pub fn edited(&self, changes: impl IntoIterator<Item = (Step, Option<Node>)>) -> Self {
        let own = self.children();
        let mut splices: Vec<Splice> = Vec::new();
        let mut anew: Vec<Node> = Vec::new();
        for (step, change) in changes {
            let change = change.filter(|child| !child.is_void());
            let found = own.seek(&step.name, step.key.as_ref()).map(|(at, _)| at);
            let Some(child) = change else {
                splices.extend(found.ok().map(|at| Splice { at, take: true, put: None }));
                continue;
            };
            let (Ok(at) | Err(at)) = found;
            splices.push(Splice { at, take: found.is_ok(), put: Some(child.clone()) });
            if own.user_order_of(&step.name) != Some(child.is_user_ordered()) {
                // New siblings, or such that know better than those that are here whether the user orders them.
                anew.push(child);
            }
        }
        let Some(label) = self.label().filter(|_| !splices.is_empty()) else { return self.clone() };
        let unlike = |child: &Node| match own.user_order_of(child.name()) {
            Some(ordered) => !ordered,
            None => anew.iter().any(|other| other.name() == child.name() && unlike_order(other, child)),
        };
        if anew.iter().any(unlike) {
            return self.rebuilt(label, splices);
        }
        for child in splices.iter_mut().filter_map(|splice| splice.put.as_mut()) {
            if own.user_order_of(child.name()) == Some(true) && !child.is_user_ordered() {
                *child = child.in_user_order();
            }
        }
        splices.sort_by(Splice::order);
        self.spliced(label, &splices)
    }

    /// The same node with one child put where it belongs; a child of the same step gives way, keeping its place.
    pub(in crate::tree) fn with_child(&self, child: Node) -> Self {
        self.edited([(child.step(), Some(child))])
    }

    /// The same node without the child at this step.
    pub(in crate::tree) fn without_child(&self, step: &Step) -> Self {
        self.edited([(step.clone(), None)])
    }

    /// The same node with a child at a place among its siblings: behind `after`, first without it, last where that
    /// sibling is missing. Without effect on the order of siblings that the user does not order.
    pub(in crate::tree) fn with_child_at(&self, child: Node, after: Option<&Step>) -> Self {
        let own = self.children();
        let present = own.user_order_of(child.name());
        let ordered = present.unwrap_or(false) || child.is_user_ordered();
        let Some(label) = self.label().filter(|_| ordered && !child.is_void()) else { return self.with_child(child) };
        if present == Some(false) {
            // The siblings do not know yet that the user orders them.
            let run = own.range_of(child.name());
            let siblings = own.slice(run).iter().map(|sibling| (sibling.step(), Some(sibling.in_user_order())));
            return self.edited(siblings).with_child_at(child, after);
        }
        let run = own.range_of(child.name());
        let old = own.seek(child.name(), child.key_ref()).ok().map(|(at, _)| at);
        let at = match after {
            None => run.start,
            Some(step) if child.is_at(step) => run.end,
            Some(step) => own.seek(&step.name, step.key.as_ref()).map_or(run.end, |(at, _)| at + 1),
        };
        let mut splices = vec![Splice { at, take: false, put: Some(child.in_user_order()) }];
        splices.extend(old.map(|at| Splice { at, take: true, put: None }));
        splices.sort_by_key(|splice| (splice.at, splice.take));
        self.spliced(label, &splices)
    }

    fn spliced(&self, label: Label, splices: &[Splice]) -> Self {
        let height = self.head().map_or(0, |head| head.height);
        let Chunks { items, height } = chunks::spliced(self.items(), height, splices);
        label.sealed(items, height)
    }

    /// The slow way: all children anew.
    fn rebuilt(&self, label: Label, splices: Vec<Splice>) -> Self {
        let mut children: Vec<Option<Node>> = self.children().iter().cloned().map(Some).collect();
        let mut new = Vec::new();
        for Splice { at, take, put } in splices {
            match (children.get_mut(at), take) {
                (Some(place), true) => *place = put,
                _ => new.extend(put),
            }
        }
        built(label, children.into_iter().flatten().chain(new).collect())
    }

    /// The same node, knowing that the user orders it.
    fn in_user_order(&self) -> Self {
        let kind = match self.kind() {
            Kind::Entry => Kind::UserEntry,
            Kind::Member => Kind::UserMember,
            Kind::Opaque => Kind::UserOpaque,
            _ => return self.clone(),
        };
        match &self.0 {
            Repr::Small(_, value) => Self::small(kind, self.name().clone(), value.clone()),
            Repr::Branch(branch) => {
                let head = &branch.header.header;
                let label = Label { mark: head.mark, key: head.key.clone(), kind };
                label.sealed(branch.slice.to_vec(), head.height)
            }
        }
    }
}

fn unlike_order(a: &Node, b: &Node) -> bool {
    a.is_user_ordered() != b.is_user_ordered()
}

pub(super) fn collected(children: impl IntoIterator<Item = Node>) -> Vec<Node> {
    children.into_iter().collect()
}

pub(super) fn built(label: Label, mut children: Vec<Node>) -> Node {
    children.retain(|child| !child.is_void());
    if !children.is_sorted_by(|a, b| a.name() <= b.name()) {
        // Stable, so user-ordered siblings keep their places. First by name: one comparison over mixed siblings would not
        // be an order.
        children.sort_by(|a, b| a.name().cmp(b.name()));
    }
    for run in children.chunk_by_mut(|a, b| a.name() == b.name()) {
        if run.iter().any(Node::is_user_ordered) {
            // All of them, then: a step alone does not say that its list is ordered by the user.
            run.iter_mut().filter(|child| !child.is_user_ordered()).for_each(|child| *child = child.in_user_order());
        } else if !run.is_sorted_by(|a, b| a.cmp_key(b).is_le()) {
            run.sort_by(Node::cmp_key);
        }
    }
    let Chunks { items, height } = chunks::of(children);
    label.sealed(items, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::value::Value;

    fn q(name: &str) -> QName {
        QName::new("m", name)
    }

    fn member(name: &str, value: &str, user_ordered: bool) -> Node {
        Node::member(q(name), Value::text(value), user_ordered)
    }

    #[test]
    fn one_child_put_or_taken_gives_what_building_anew_gives() {
        for user_ordered in [false, true] {
            let mut children: Vec<_> = ["d", "b", "c"].iter().map(|v| member("l", v, user_ordered)).collect();
            children.push(member("k", "z", false));
            children.push(member("m", "a", false));
            let node = Node::container(q("top"), false, children.clone());
            for value in ["a", "b", "e"] {
                let put = node.with_child(member("l", value, user_ordered));
                let mut anew = node.children().to_vec();
                if node.child(&member("l", value, user_ordered).step()).is_none() {
                    anew.push(member("l", value, user_ordered));
                }
                let anew = node.with_children(anew);
                assert_eq!((put.hash(), put.count()), (anew.hash(), anew.count()), "{value} {user_ordered}");
                let step = member("l", value, false).step();
                assert!(put.child(&step).is_some());
                let taken = put.without_child(&step);
                assert!(taken.child(&step).is_none());
                assert_eq!(taken.hash(), taken.with_children(taken.children().to_vec()).hash());
            }
            for child in &children {
                assert_eq!(node.child(&child.step()), Some(child));
            }
        }
    }

    /// A step alone does not say that its list is ordered by the user, so one run may hold both kinds.
    #[test]
    fn siblings_of_which_only_some_know_their_order_keep_it() {
        let mixed = vec![member("l", "c", true), member("l", "a", false), member("l", "b", true)];
        let node = Node::container(q("top"), false, mixed.clone());
        assert_eq!(node.children().to_vec(), mixed);
        assert!(mixed.iter().all(|child| node.child(&child.step()) == Some(child)));
    }
}
