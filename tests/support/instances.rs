//! Random instances of any schema index, real ones included, and what an oracle's refusals teach about them.
//!
//! An index does not say everything (ranges, patterns, `must`), so the generator learns: an instance is a [`Sketch`], which
//! can be mended where the oracle found a fault ([`Instances::mend`]): another value, a missing node put in, the node left
//! out. What was learnt of a leaf (patterns, values that passed or failed) serves all later instances; a node for which
//! nothing passes is left out from then on, by name and reason. Equal seeds and equal answers give equal instances.
// A part of a test: not every test uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "instances/mend.rs"]
mod mend;
#[path = "instances/values.rs"]
mod values;

pub use mend::reason_of;
pub use values::candidate;

use crate::arbitrary::Dice;
use andante::tree::path::Keys;
use andante::tree::schema::{SchemaIndex, SchemaKind};
use andante::tree::{ConfigTree, Name, Node, SchemaId, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use values::Known;

/// One node of an instance that is still being made.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub id: SchemaId,
    /// Of a list entry, in the order of the schema.
    pub keys: Vec<Value>,
    /// Of a leaf or a member.
    pub value: Option<Value>,
    pub children: Vec<Sketch>,
}

/// How large and of what kind instances are.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Nodes of one instance, roughly.
    pub nodes: usize,
    /// Levels.
    pub depth: usize,
    /// Children that are drawn at one place.
    pub width: usize,
    /// Percent of texts with characters that need escaping.
    pub odd: usize,
}

/// The generator for one index.
pub struct Instances {
    pub index: Arc<SchemaIndex>,
    known: HashMap<SchemaId, Known>,
    /// Left out from now on, with the reason.
    pub left_out: BTreeMap<SchemaId, &'static str>,
}

impl Instances {
    pub fn new(index: Arc<SchemaIndex>) -> Self {
        Self { index, known: HashMap::new(), left_out: BTreeMap::new() }
    }

    /// The top-level nodes that can hold configuration.
    pub fn tops(&self) -> Vec<SchemaId> {
        let writable = |id: &&SchemaId| {
            let node = self.index.node(**id);
            node.config && !matches!(node.kind, SchemaKind::Operation | SchemaKind::Any)
        };
        self.index.top().iter().filter(writable).copied().collect()
    }

    /// An instance over the whole schema.
    pub fn whole(&mut self, dice: &mut Dice, shape: Shape) -> Vec<Sketch> {
        let mut left = shape.nodes;
        self.children(dice, shape, None, 0, &mut left)
    }

    /// An instance of one top-level node.
    pub fn below(&mut self, dice: &mut Dice, shape: Shape, top: SchemaId) -> Vec<Sketch> {
        let mut left = shape.nodes;
        let mut made = Vec::new();
        self.one(dice, shape, top, 0, &mut left, &mut made);
        made
    }

    /// An instance around some node deep in the schema: all that is needed above it, and something beside it on the way.
    pub fn around(&mut self, dice: &mut Dice, shape: Shape, id: SchemaId) -> Vec<Sketch> {
        let index = self.index.clone();
        let mut chain = vec![id];
        while let Some(parent) = index.node(chain[0]).parent {
            chain.insert(0, parent);
        }
        let mut left = shape.nodes;
        let mut inner = Vec::new();
        self.one(dice, Shape { depth: chain.len() + 3, ..shape }, id, chain.len(), &mut left, &mut inner);
        for above in chain.iter().rev().skip(1) {
            let mut sketch = Sketch { id: *above, keys: Vec::new(), value: None, children: inner };
            if let SchemaKind::List { .. } = index.node(*above).kind {
                let Some(keys) = self.keys(dice, shape, *above) else { return Vec::new() };
                sketch.keys = keys;
            }
            if dice.chance(40) {
                let mut left = 6;
                let others = self.children(dice, Shape { depth: 2, width: 2, ..shape }, Some(*above), 1, &mut left);
                for other in others {
                    let cases = &index.node(other.id).cases;
                    let fits = |here: &Sketch| here.id != other.id && fits(&index.node(here.id).cases, cases);
                    if sketch.children.iter().all(fits) {
                        sketch.children.push(other);
                    }
                }
            }
            inner = vec![sketch];
        }
        inner
    }

    /// A container or list of the configuration, any.
    pub fn any_place(&self, dice: &mut Dice) -> Option<SchemaId> {
        (0..200).map(|_| SchemaId(dice.below(self.index.len()) as u32)).find(|id| {
            let mut at = Some(*id);
            let inner = matches!(self.index.node(*id).kind, SchemaKind::Container { .. } | SchemaKind::List { .. });
            let mut good = inner;
            while let Some(id) = at {
                let node = self.index.node(id);
                good &= node.config && node.kind != SchemaKind::Operation && !self.left_out.contains_key(&id);
                at = node.parent;
            }
            good
        })
    }

    /// The tree that the sketches show.
    pub fn tree(&self, sketches: &[Sketch]) -> ConfigTree {
        ConfigTree::new(self.nodes(sketches))
    }

    fn nodes(&self, sketches: &[Sketch]) -> Vec<Node> {
        let node = |sketch: &Sketch| {
            let schema = self.index.node(sketch.id);
            let name = schema.name.clone();
            match (schema.kind, &sketch.value) {
                (SchemaKind::Container { presence }, _) => {
                    Node::container(name, presence, self.nodes(&sketch.children))
                }
                (SchemaKind::List { user_ordered }, _) => {
                    let keys: Keys = schema.keys.iter().cloned().zip(sketch.keys.clone()).collect();
                    Node::entry(name, keys, user_ordered, self.nodes(&sketch.children))
                }
                (SchemaKind::LeafList { user_ordered }, Some(value)) => Node::member(name, value.clone(), user_ordered),
                (_, Some(value)) => Node::leaf(name, value.clone()),
                other => panic!("{name}: {other:?} is not drawn"),
            }
        };
        sketches.iter().map(node).collect()
    }

    /// The children that are drawn below `parent`, keys aside.
    fn children(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        parent: Option<SchemaId>,
        depth: usize,
        left: &mut usize,
    ) -> Vec<Sketch> {
        let index = self.index.clone();
        let cases = self.cases(dice, parent);
        let wanted: Vec<SchemaId> = index
            .children(parent)
            .iter()
            .filter(|id| {
                let node = index.node(**id);
                node.config
                    && !matches!(node.kind, SchemaKind::Operation | SchemaKind::Any)
                    && !parent.is_some_and(|list| index.is_key(list, **id))
                    && !self.left_out.contains_key(id)
                    && node.cases.iter().enumerate().all(|(n, (choice, case))| {
                        cases.get(&(node.cases[..n].to_vec(), choice.clone())).is_none_or(|drawn| drawn == case)
                    })
            })
            .copied()
            .collect();
        let percent = (100 * shape.width / wanted.len().max(1)).clamp(1, 75);
        let mut made = Vec::new();
        for id in wanted {
            if index.node(id).mandatory || dice.chance(percent) && *left > 0 {
                self.one(dice, shape, id, depth, left, &mut made);
            }
        }
        if !made.is_empty() && dice.chance(50) {
            // The order in which they are given does not matter.
            let at = dice.below(made.len());
            made.rotate_left(at);
        }
        made
    }

    /// For each choice below `parent` (with the cases around it) a case.
    fn cases(&self, dice: &mut Dice, parent: Option<SchemaId>) -> HashMap<(Vec<(Name, Name)>, Name), Name> {
        let mut seen: Vec<((Vec<(Name, Name)>, Name), Vec<Name>)> = Vec::new();
        for id in self.index.children(parent) {
            let cases = &self.index.node(*id).cases;
            for (n, (choice, case)) in cases.iter().enumerate() {
                let place = (cases[..n].to_vec(), choice.clone());
                match seen.iter_mut().find(|(known, _)| *known == place) {
                    Some((_, names)) if !names.contains(case) => names.push(case.clone()),
                    Some(_) => {}
                    None => seen.push((place, vec![case.clone()])),
                }
            }
        }
        seen.into_iter().map(|(place, names)| (place, names[dice.below(names.len())].clone())).collect()
    }

    /// One schema node: a container, some entries, a leaf, some members.
    fn one(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        id: SchemaId,
        depth: usize,
        left: &mut usize,
        into: &mut Vec<Sketch>,
    ) {
        if depth >= shape.depth {
            return;
        }
        let index = self.index.clone();
        let schema = index.node(id);
        let plain = Sketch { id, keys: Vec::new(), value: None, children: Vec::new() };
        match schema.kind {
            SchemaKind::Container { .. } => {
                *left = left.saturating_sub(1);
                let children = self.children(dice, shape, Some(id), depth + 1, left);
                into.push(Sketch { children, ..plain });
            }
            SchemaKind::List { .. } => {
                let mut seen = HashSet::new();
                for _ in 0..1 + dice.below(3) {
                    *left = left.saturating_sub(1);
                    let Some(keys) = self.keys(dice, shape, id) else { return };
                    if seen.insert(keys.clone()) {
                        let children = self.children(dice, shape, Some(id), depth + 1, left);
                        into.push(Sketch { keys, children, ..plain.clone() });
                    }
                }
            }
            SchemaKind::LeafList { .. } => {
                let mut seen = HashSet::new();
                for _ in 0..1 + dice.below(4) {
                    *left = left.saturating_sub(1);
                    let Some(value) = self.value(dice, shape, id) else { return };
                    if seen.insert(value.clone()) {
                        into.push(Sketch { value: Some(value), ..plain.clone() });
                    }
                }
            }
            SchemaKind::Leaf => {
                *left = left.saturating_sub(1);
                if let Some(value) = self.value(dice, shape, id) {
                    into.push(Sketch { value: Some(value), ..plain });
                }
            }
            SchemaKind::Any | SchemaKind::Operation => {}
        }
    }

    fn keys(&mut self, dice: &mut Dice, shape: Shape, list: SchemaId) -> Option<Vec<Value>> {
        let index = self.index.clone();
        let schema = index.node(list);
        let keys: Option<Vec<Value>> = schema
            .keys
            .iter()
            .map(|key| {
                let leaf = index.child_named(Some(list), schema.name.module.as_str(), key.as_str())?;
                // A predicate cannot hold both kinds of quotes (RFC 7950 §7.8.6).
                (0..8).find_map(|_| {
                    self.value(dice, shape, leaf)
                        .filter(|value| !(value.as_str().contains('\'') && value.as_str().contains('"')))
                })
            })
            .collect();
        if keys.is_none() {
            self.left_out.insert(list, "no value is known for a key");
        }
        keys
    }

    /// All that stands in the sketches has passed.
    pub fn passed(&mut self, sketches: &[Sketch]) {
        for sketch in sketches {
            let index = self.index.clone();
            let schema = index.node(sketch.id);
            for (key, value) in schema.keys.iter().zip(&sketch.keys) {
                if let Some(leaf) = index.child_named(Some(sketch.id), schema.name.module.as_str(), key.as_str()) {
                    let known = self.known.entry(leaf).or_default();
                    known.refused = 0;
                    known.learn(value);
                }
            }
            let known = self.known.entry(sketch.id).or_default();
            known.refused = 0;
            if let Some(value) = &sketch.value {
                known.learn(value);
            }
            self.passed(&sketch.children);
        }
    }

    /// The sketches with some nodes taken away, some added, some changed, some put elsewhere.
    pub fn changed(&mut self, dice: &mut Dice, shape: Shape, sketches: &[Sketch]) -> Vec<Sketch> {
        let mut changed = sketches.to_vec();
        for _ in 0..1 + dice.below(5) {
            self.change_below(dice, shape, None, &mut changed, 0);
        }
        if dice.chance(50) {
            self.reorder(dice, &mut changed);
        }
        changed
    }

    /// Puts some entries and members elsewhere whose order is the user's.
    fn reorder(&self, dice: &mut Dice, siblings: &mut [Sketch]) {
        let ordered = |sketch: &Sketch| {
            let kind = self.index.node(sketch.id).kind;
            matches!(kind, SchemaKind::List { user_ordered: true } | SchemaKind::LeafList { user_ordered: true })
        };
        for run in siblings.chunk_by_mut(|a, b| a.id == b.id) {
            if run.len() > 1 && ordered(&run[0]) {
                let (from, to) = (dice.below(run.len()), dice.below(run.len()));
                run.swap(from, to);
                let by = dice.below(run.len());
                run.rotate_left(by);
            }
        }
        for sketch in siblings {
            self.reorder(dice, &mut sketch.children);
        }
    }

    fn change_below(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        parent: Option<SchemaId>,
        siblings: &mut Vec<Sketch>,
        depth: usize,
    ) {
        let count = siblings.len();
        let deeper: Vec<usize> = (0..count).filter(|n| !siblings[*n].children.is_empty()).collect();
        if !deeper.is_empty() && (depth == 0 || dice.chance(60)) {
            let sketch = &mut siblings[deeper[dice.below(deeper.len())]];
            let id = sketch.id;
            return self.change_below(dice, shape, Some(id), &mut sketch.children, depth + 1);
        }
        match dice.below(4) {
            0 if count > 0 => {
                siblings.remove(dice.below(count));
            }
            1 if count > 1 => {
                let (from, to) = (dice.below(count), dice.below(count));
                let node = siblings.remove(from);
                siblings.insert(to, node);
            }
            2 => {
                let mut left = 6;
                let others = self.children(dice, Shape { width: 2, ..shape }, parent, depth, &mut left);
                for other in others {
                    let index = self.index.clone();
                    let (schema, twin) = (index.node(other.id), siblings.iter().position(|s| s.id == other.id));
                    let many = matches!(schema.kind, SchemaKind::List { .. } | SchemaKind::LeafList { .. });
                    let again =
                        siblings.iter().any(|s| s.id == other.id && s.keys == other.keys && s.value == other.value);
                    match twin {
                        Some(twin) if !many => siblings[twin] = other,
                        _ if again => {}
                        _ => {
                            // One case of a choice gives way to the other.
                            siblings.retain(|old| fits(&index.node(old.id).cases, &schema.cases));
                            siblings.insert(dice.below(siblings.len() + 1), other);
                        }
                    }
                }
            }
            _ => {
                let leafs: Vec<usize> =
                    (0..count).filter(|n| self.index.node(siblings[*n].id).kind == SchemaKind::Leaf).collect();
                if !leafs.is_empty() {
                    let at = leafs[dice.below(leafs.len())];
                    if let Some(value) = self.value(dice, shape, siblings[at].id) {
                        siblings[at].value = Some(value);
                    }
                }
            }
        }
    }
}

/// Whether nodes in these cases can be together.
fn fits(a: &[(Name, Name)], b: &[(Name, Name)]) -> bool {
    for ((choice_a, case_a), (choice_b, case_b)) in a.iter().zip(b) {
        if choice_a != choice_b {
            return true;
        }
        if case_a != case_b {
            return false;
        }
    }
    true
}
