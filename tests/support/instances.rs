//! Random instances of any schema index, real ones included, and what an oracle's refusals teach about them.
//!
//! An index does not say everything (ranges, patterns, `must`), so the generator learns: an instance is a [`Sketch`], which
//! can be mended where the oracle found a fault ([`Instances::mend`]): another value, a missing node put in, the node left
//! out. What was learnt of a leaf (patterns, values that passed or failed) serves all later instances; a node for which
//! nothing passes is left out from then on, by name and reason. Equal seeds and equal answers give equal instances.
// A part of a test: not every test uses all of it, and a panic is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::arbitrary::Dice;
use andante::tree::schema::{Canonical, SchemaIndex, SchemaKind, TypeSpec};
use andante::tree::path::Keys;
use andante::tree::{ConfigTree, Name, Node, SchemaId, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

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

#[derive(Default)]
struct Known {
    good: Vec<Value>,
    bad: HashSet<String>,
    /// Patterns that a value did not meet; `None` for one that we cannot use.
    patterns: Vec<(String, Option<regex::Regex>)>,
    /// Refusals of the node itself since it last passed.
    refused: u32,
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

    /// The tree that the sketches show.
    pub fn tree(&self, sketches: &[Sketch]) -> ConfigTree {
        ConfigTree::new(self.nodes(sketches))
    }

    fn nodes(&self, sketches: &[Sketch]) -> Vec<Node> {
        let node = |sketch: &Sketch| {
            let schema = self.index.node(sketch.id);
            let name = schema.name.clone();
            match (schema.kind, &sketch.value) {
                (SchemaKind::Container { presence }, _) => Node::container(name, presence, self.nodes(&sketch.children)),
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
    fn cases(
        &self,
        dice: &mut Dice,
        parent: Option<SchemaId>,
    ) -> HashMap<(Vec<(Name, Name)>, Name), Name> {
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

    /// A value for a leaf: one that passed before, or a new one; `None` when nothing is known that passes.
    fn value(&mut self, dice: &mut Dice, shape: Shape, leaf: SchemaId) -> Option<Value> {
        let index = self.index.clone();
        let schema = index.node(leaf);
        let ty = schema.ty.as_ref()?;
        let module = schema.name.module.as_str();
        let known = self.known.entry(leaf).or_default();
        if !known.good.is_empty() && dice.chance(50) {
            let at = dice.below(known.good.len());
            return Some(known.good[at].clone());
        }
        for round in 0..24 {
            let patterned = !known.patterns.is_empty() && (round % 2 == 0);
            let text = if patterned {
                let at = dice.below(known.patterns.len());
                match sample(&known.patterns[at].0, dice) {
                    Some(text) => text,
                    None => continue,
                }
            } else {
                candidate(dice, &index, ty, schema.name.name.as_str(), shape.odd)
            };
            let Ok(value) = ty.value(module, &text) else { continue };
            if moment(value.as_str()) && value.as_str() != MOMENT {
                continue;
            }
            let fits = known.patterns.iter().all(|(_, regex)| regex.as_ref().is_none_or(|r| r.is_match(value.as_str())));
            if (fits || round > 12) && !known.bad.contains(value.as_str()) {
                return Some(value);
            }
        }
        if !known.good.is_empty() {
            let at = dice.below(known.good.len());
            return Some(known.good[at].clone());
        }
        self.left_out.entry(leaf).or_insert("no value is known that passes");
        None
    }

    /// All that stands in the sketches has passed.
    pub fn passed(&mut self, sketches: &[Sketch]) {
        for sketch in sketches {
            let index = self.index.clone();
            let schema = index.node(sketch.id);
            for (key, value) in schema.keys.iter().zip(&sketch.keys) {
                if let Some(leaf) = index.child_named(Some(sketch.id), schema.name.module.as_str(), key.as_str()) {
                    self.known.entry(leaf).or_default().learn(value);
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

    /// Changes the sketches where the oracle found a fault; false when it knows nothing better.
    pub fn mend(&mut self, dice: &mut Dice, shape: Shape, sketches: &mut Vec<Sketch>, path: &str, message: &str) -> bool {
        let segments = segments(path);
        let missing = message.strip_prefix("Mandatory node ").or(message.strip_prefix("Too few "));
        if let Some(name) = missing.and_then(|rest| rest.split('"').nth(1)) {
            let name = name.rsplit(':').next().unwrap_or(name).to_owned();
            return self.put_in(dice, shape, sketches, &segments, &name);
        }
        if let Some(choice) = message.strip_prefix("Mandatory choice ").and_then(|rest| rest.split('"').nth(1)) {
            let choice = choice.to_owned();
            return self.choose(dice, shape, sketches, &segments, &choice);
        }
        let reason = reason_of(message);
        let mut found = self.find(sketches, &segments).filter(|places| !places.is_empty());
        let mut leaf = found.as_ref().and_then(|places| self.leaf_of(sketches, places, &segments));
        if leaf.is_none() && reason == "value" {
            // Of a key, and of a leaf at the top, libyang does not say where.
            let mut places = Vec::new();
            leaf = self.holder(sketches, segments.last().map(|last| last.name.as_str()), message, &mut places);
            found = leaf.as_ref().map(|_| places);
        }
        let Some(places) = found else { return drop_any(dice, sketches) };
        if let (Some((leaf, text)), "value") = (&leaf, reason) {
            let (leaf, text) = (*leaf, text.clone());
            let known = self.known.entry(leaf).or_default();
            known.bad.insert(text);
            if let Some(pattern) = quoted_pattern(message)
                && known.patterns.iter().all(|(have, _)| *have != pattern)
            {
                let regex = regex::Regex::new(&format!("^(?:{})$", xsd(&pattern))).ok();
                known.patterns.push((pattern, regex));
            }
            return self.revalue(dice, shape, sketches, &places, leaf);
        }
        let subject = leaf.map_or_else(|| at(sketches, &places).id, |(leaf, _)| leaf);
        let known = self.known.entry(subject).or_default();
        known.refused += 1;
        if known.refused > 3 && !self.index.node(subject).mandatory {
            self.left_out.insert(subject, reason);
        }
        remove(sketches, &places);
        true
    }

    /// Another value for the leaf at `places`, or for the key `leaf` of the entry there; without one the node goes.
    fn revalue(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        sketches: &mut Vec<Sketch>,
        places: &[usize],
        leaf: SchemaId,
    ) -> bool {
        let value = self.value(dice, shape, leaf);
        let id = at(sketches, places).id;
        let slot = if id == leaf { None } else { self.key_place(id, leaf) };
        let twins: Vec<Sketch> = match places.split_last() {
            Some((_, [])) => sketches.clone(),
            Some((_, above)) => at(sketches, above).children.clone(),
            None => return false,
        };
        let sketch = at_mut(sketches, places);
        match (value, slot) {
            (Some(value), None) => sketch.value = Some(value),
            (Some(value), Some(slot)) => sketch.keys[slot] = value,
            (None, _) => {
                remove(sketches, places);
                return true;
            }
        }
        let now = sketch.clone();
        let same = |twin: &&Sketch| {
            twin.id == now.id && twin.keys == now.keys && (self.index.node(now.id).kind == SchemaKind::Leaf || twin.value == now.value)
        };
        // A key or a member that is there already: one of them goes.
        if twins.iter().filter(same).count() > 0 && self.index.node(now.id).kind != SchemaKind::Leaf {
            remove(sketches, places);
        }
        true
    }

    fn key_place(&self, list: SchemaId, leaf: SchemaId) -> Option<usize> {
        let name = &self.index.node(leaf).name.name;
        self.index.node(list).keys.iter().position(|key| key == name)
    }

    /// Puts the missing node `name` below the node at `segments`.
    fn put_in(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        sketches: &mut Vec<Sketch>,
        segments: &[Segment],
        name: &str,
    ) -> bool {
        let index = self.index.clone();
        // The path is that of the parent, or of the missing node itself.
        for upto in [segments.len(), segments.len().saturating_sub(1)] {
            let Some(places) = self.find(sketches, &segments[..upto]) else { continue };
            let parent = (!places.is_empty()).then(|| at(sketches, &places).id);
            let found = index.children(parent).iter().find(|id| index.node(**id).name.name.as_str() == name);
            let Some(id) = found.copied() else { continue };
            let (mut made, mut left) = (Vec::new(), shape.nodes / 4);
            if !self.left_out.contains_key(&id) {
                self.one(dice, Shape { depth: 24, ..shape }, id, places.len(), &mut left, &mut made);
            }
            if made.is_empty() {
                if places.is_empty() {
                    return false;
                }
                if let Some(parent) = parent.filter(|parent| !index.node(*parent).mandatory) {
                    self.left_out.insert(parent, "a mandatory node has no value that passes");
                }
                remove(sketches, &places);
                return true;
            }
            let siblings = if places.is_empty() { sketches } else { &mut at_mut(sketches, &places).children };
            made.retain(|new| siblings.iter().all(|old| old.id != new.id || old.keys != new.keys || old.value != new.value));
            siblings.extend(made);
            return true;
        }
        drop_any(dice, sketches)
    }

    /// Draws a case of a mandatory choice.
    fn choose(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        sketches: &mut Vec<Sketch>,
        segments: &[Segment],
        choice: &str,
    ) -> bool {
        let index = self.index.clone();
        for upto in [segments.len(), segments.len().saturating_sub(1)] {
            let Some(places) = self.find(sketches, &segments[..upto]) else { continue };
            let parent = (!places.is_empty()).then(|| at(sketches, &places).id);
            let of_it: Vec<SchemaId> = index
                .children(parent)
                .iter()
                .filter(|id| index.node(**id).cases.iter().any(|(name, _)| name.as_str() == choice))
                .filter(|id| index.node(**id).config && !self.left_out.contains_key(id))
                .copied()
                .collect();
            if of_it.is_empty() {
                continue;
            }
            let (mut made, mut left) = (Vec::new(), shape.nodes / 4);
            let id = of_it[dice.below(of_it.len())];
            self.one(dice, Shape { depth: 24, ..shape }, id, places.len(), &mut left, &mut made);
            let siblings = if places.is_empty() { sketches } else { &mut at_mut(sketches, &places).children };
            siblings.extend(made);
            return true;
        }
        drop_any(dice, sketches)
    }

    /// Where in the sketches a path of the oracle leads: as far as it goes, a key leaf to its entry.
    fn find(&self, sketches: &[Sketch], segments: &[Segment]) -> Option<Vec<usize>> {
        let mut places = Vec::new();
        let mut siblings = sketches;
        for (n, segment) in segments.iter().enumerate() {
            let found = siblings.iter().position(|sketch| {
                let schema = self.index.node(sketch.id);
                let keyed = |(name, text): &(String, String)| match name.as_str() {
                    "." => sketch.value.as_ref().is_some_and(|value| value.as_str() == text),
                    name => schema
                        .keys
                        .iter()
                        .zip(&sketch.keys)
                        .any(|(key, value)| key.as_str() == name && value.as_str() == text),
                };
                schema.name.name.as_str() == segment.name
                    && segment.module.as_deref().is_none_or(|module| schema.name.module.as_str() == module)
                    && segment.keys.iter().all(keyed)
            });
            match found {
                Some(found) => {
                    places.push(found);
                    siblings = &siblings[found].children;
                }
                // The last one may be a key.
                None if n + 1 == segments.len() && n > 0 => return Some(places),
                None => return None,
            }
        }
        Some(places)
    }

    /// The leaf that a fault is about, and its text: the one at `places`, or the key that the last segment names.
    fn leaf_of(&self, sketches: &[Sketch], places: &[usize], segments: &[Segment]) -> Option<(SchemaId, String)> {
        if places.is_empty() {
            return None;
        }
        let sketch = at(sketches, places);
        if let Some(value) = &sketch.value {
            return Some((sketch.id, value.as_str().to_owned()));
        }
        let schema = self.index.node(sketch.id);
        let last = &segments.last()?.name;
        let slot = schema.keys.iter().position(|key| key.as_str() == last)?;
        let leaf = self.index.child_named(Some(sketch.id), schema.name.module.as_str(), last)?;
        (places.len() < segments.len()).then(|| (leaf, sketch.keys[slot].as_str().to_owned()))
    }

    /// The first leaf or key, of the given name if there is one, whose text the message quotes; `places` leads to it.
    fn holder(
        &self,
        sketches: &[Sketch],
        name: Option<&str>,
        message: &str,
        places: &mut Vec<usize>,
    ) -> Option<(SchemaId, String)> {
        let quoted = |text: &str| message.contains(&format!("\"{text}\""));
        let named = |id: SchemaId| name.is_none_or(|name| self.index.node(id).name.name.as_str() == name);
        for (n, sketch) in sketches.iter().enumerate() {
            places.push(n);
            if let Some(value) = &sketch.value
                && named(sketch.id)
                && quoted(value.as_str())
            {
                return Some((sketch.id, value.as_str().to_owned()));
            }
            let schema = self.index.node(sketch.id);
            for (key, value) in schema.keys.iter().zip(&sketch.keys) {
                let leaf = self.index.child_named(Some(sketch.id), schema.name.module.as_str(), key.as_str())?;
                if named(leaf) && quoted(value.as_str()) {
                    return Some((leaf, value.as_str().to_owned()));
                }
            }
            if let Some(found) = self.holder(&sketch.children, name, message, places) {
                return Some(found);
            }
            places.pop();
        }
        None
    }

    /// The sketches with some nodes taken away, some added, some changed, some put elsewhere.
    pub fn changed(&mut self, dice: &mut Dice, shape: Shape, sketches: &[Sketch]) -> Vec<Sketch> {
        let mut changed = sketches.to_vec();
        for _ in 0..1 + dice.below(5) {
            self.change_below(dice, shape, None, &mut changed, 0);
        }
        changed
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
                let node = siblings.remove(dice.below(count));
                siblings.insert(dice.below(count), node);
            }
            2 => {
                let mut left = 6;
                let others = self.children(dice, Shape { width: 2, ..shape }, parent, depth, &mut left);
                for other in others {
                    let index = self.index.clone();
                    let (schema, twin) = (index.node(other.id), siblings.iter().position(|s| s.id == other.id));
                    let many = matches!(schema.kind, SchemaKind::List { .. } | SchemaKind::LeafList { .. });
                    let again = siblings.iter().any(|s| s.id == other.id && s.keys == other.keys && s.value == other.value);
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
                let leafs: Vec<usize> = (0..count)
                    .filter(|n| self.index.node(siblings[*n].id).kind == SchemaKind::Leaf)
                    .collect();
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

impl Known {
    fn learn(&mut self, value: &Value) {
        if self.good.len() < 12 && !self.good.contains(value) {
            self.good.push(value.clone());
        }
    }
}

/// A date with time and zone. RFC 6991 leaves its canonical form to the device's clock, and libyang takes the zone of its own
/// process and the next minute for a leap second; we keep the text. Only [`MOMENT`] is drawn, which both leave alone.
fn moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 18 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && matches!(bytes[10], b'T' | b't')
}

const MOMENT: &str = "2024-01-02T03:04:05Z";

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

fn at<'a>(sketches: &'a [Sketch], places: &[usize]) -> &'a Sketch {
    let (first, rest) = places.split_first().unwrap();
    rest.iter().fold(&sketches[*first], |sketch, place| &sketch.children[*place])
}

fn at_mut<'a>(sketches: &'a mut [Sketch], places: &[usize]) -> &'a mut Sketch {
    let (first, rest) = places.split_first().unwrap();
    rest.iter().fold(&mut sketches[*first], |sketch, place| &mut sketch.children[*place])
}

fn remove(sketches: &mut Vec<Sketch>, places: &[usize]) {
    match places.split_last() {
        Some((last, [])) => drop(sketches.remove(*last)),
        Some((last, above)) => drop(at_mut(sketches, above).children.remove(*last)),
        None => sketches.clear(),
    }
}

/// When nobody knows what is wrong where.
fn drop_any(dice: &mut Dice, sketches: &mut Vec<Sketch>) -> bool {
    let siblings = match sketches.as_mut_slice() {
        [only] if !only.children.is_empty() => &mut only.children,
        _ => sketches,
    };
    if siblings.is_empty() {
        return false;
    }
    siblings.remove(dice.below(siblings.len()));
    true
}

/// What kind of refusal a message of libyang is.
pub fn reason_of(message: &str) -> &'static str {
    let kinds = [
        ("Invalid leafref value", "leafref"),
        ("Invalid instance-identifier", "instance-identifier"),
        ("When condition", "when"),
        ("Must condition", "must"),
        ("Unique data", "unique"),
        ("Too many", "max-elements"),
        ("Too few", "min-elements"),
        ("Mandatory", "mandatory"),
        ("Data for both cases", "choice"),
        ("Duplicate instance", "duplicate"),
        ("Unsatisfied", "value"),
        ("Invalid", "value"),
        ("Value", "value"),
    ];
    kinds.iter().find(|(begin, _)| message.starts_with(begin)).map_or("other", |(_, kind)| kind)
}

/// The pattern in `Unsatisfied pattern - "x" does not match "PATTERN".`
fn quoted_pattern(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Unsatisfied pattern - ")?;
    let start = rest.rfind(" match \"").map(|at| at + 8)?;
    Some(rest.get(start..)?.trim_end_matches('.').trim_end_matches('"').to_owned())
}

/// A text that a pattern of XML Schema allows.
fn sample(pattern: &str, dice: &mut Dice) -> Option<String> {
    let mut seed = [0; 32];
    for chunk in seed.chunks_mut(8) {
        chunk.copy_from_slice(&(dice.below(usize::MAX) as u64).to_le_bytes());
    }
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let strategy = proptest::string::string_regex(&xsd(pattern)).ok()?;
    let mut text = strategy.new_tree(&mut runner).ok()?.current();
    if dice.chance(50) {
        // Most texts have a length, too; whether the shorter one still fits is asked later.
        text = text.chars().take(1 + dice.below(8)).collect();
    }
    (text.len() < 200 && text.chars().all(|c| c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic())).then_some(text)
}

/// From a pattern of XML Schema to one of ours: its own classes, and the anchors that some modules write and it does not have.
fn xsd(pattern: &str) -> String {
    let pattern = pattern
        .replace("\\i", "[A-Za-z_:]")
        .replace("\\c", "[A-Za-z0-9_:.-]")
        .replace("\\d", "[0-9]")
        .replace("\\p{N}", "[0-9]")
        .replace("\\p{L}", "[A-Za-z]");
    let bare = pattern.strip_prefix('^').unwrap_or(&pattern);
    bare.strip_suffix('$').unwrap_or(bare).to_owned()
}

/// A text that may be a value of the type.
pub fn candidate(dice: &mut Dice, index: &SchemaIndex, ty: &TypeSpec, name: &str, odd: usize) -> String {
    match ty {
        TypeSpec::Integer { bits, signed } => {
            let whole = if *bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            let positive = match dice.below(8) {
                0 => 0,
                1 if *signed => whole / 2,
                1 => whole,
                2..=4 => dice.below(16) as u64,
                5 => 1 + dice.below(100) as u64,
                6 => 1 + dice.below(4094) as u64,
                _ => dice.below(usize::MAX) as u64,
            };
            let positive = positive & if *signed { whole / 2 } else { whole };
            if *signed && dice.chance(25) { format!("-{positive}") } else { positive.to_string() }
        }
        TypeSpec::Decimal64 { .. } => {
            let sign = ["", "", "-"][dice.below(3)];
            let point = [".0", ".5", ".1", ".9", ".25"][dice.below(5)];
            format!("{sign}{}{point}", dice.below(12))
        }
        TypeSpec::Bool => ["true", "false"][dice.below(2)].into(),
        TypeSpec::Empty => String::new(),
        TypeSpec::Enumeration(names) if !names.is_empty() => names[dice.below(names.len())].clone(),
        TypeSpec::Bits(names) => {
            let some: Vec<&str> = names.iter().filter(|_| dice.chance(50)).map(String::as_str).collect();
            some.join(" ")
        }
        TypeSpec::Binary => ["AAECAw==", "", "/+8=", "QQ=="][dice.below(4)].into(),
        TypeSpec::Identity { identities } if !identities.is_empty() => identities[dice.below(identities.len())].clone(),
        TypeSpec::InstanceIdentifier => {
            let tops = index.top();
            match tops.get(dice.below(tops.len().max(1))).map(|top| index.node(*top)) {
                Some(top) if matches!(top.kind, SchemaKind::Container { .. }) => format!("/{}", top.name),
                _ => "/ietf-interfaces:interfaces".into(),
            }
        }
        TypeSpec::Text(Canonical::IpAddress) => ["192.0.2.1", "2001:db8::1", "::", "203.0.113.77"][dice.below(4)].into(),
        TypeSpec::Text(Canonical::IpPrefix) => {
            ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0"][dice.below(5)].into()
        }
        TypeSpec::Text(_) => text(dice, name, odd),
        TypeSpec::Union(members) if !members.is_empty() => {
            let member = dice.below(members.len());
            candidate(dice, index, &members[member], name, odd)
        }
        TypeSpec::Enumeration(_) | TypeSpec::Identity { .. } | TypeSpec::Union(_) => "none".into(),
    }
}

fn text(dice: &mut Dice, name: &str, odd: usize) -> String {
    if dice.chance(odd) {
        let parts = ["a", " ", "<", "&amp;", "'", "\"", "\n", "\t", "é", "😀", "]]>", "\\", "alpha:x", "/"];
        return (0..1 + dice.below(5)).map(|_| parts[dice.below(parts.len())]).collect();
    }
    let hints: &[(&str, &[&str])] = &[
        ("addr", &["192.0.2.1", "2001:db8::1", "00:11:22:33:44:55", "0011.2233.4455"]),
        ("prefix", &["10.0.0.0/8", "2001:db8::/32", "192.0.2.0"]),
        ("mask", &["255.255.255.0", "0.0.0.255"]),
        ("mac", &["00:11:22:33:44:55", "0011.2233.4455"]),
        ("time", &["12:30:00", MOMENT, "10:00"]),
        ("date", &["2024-01-02", MOMENT]),
        ("interface", &["GigabitEthernet0/0/0/0", "Loopback0", "eth0", "1/0"]),
        ("rd", &["65000:1", "192.0.2.1:7"]),
        ("target", &["65000:1", "route-target:65000:1"]),
    ];
    if dice.chance(40)
        && let Some((_, texts)) = hints.iter().find(|(hint, _)| name.contains(hint))
    {
        return texts[dice.below(texts.len())].into();
    }
    TEXTS[dice.below(TEXTS.len())].into()
}

const TEXTS: &[&str] = &[
    "a", "abc", "word", "default", "GigabitEthernet0/0/0/0", "Loopback0", "eth0", "192.0.2.1", "10.0.0.0/8", "2001:db8::1",
    "2001:db8::/32", "00:11:22:33:44:55", "0011.2233.4455", "1", "7", "42", "100", "65000", "65000:1", "1.1", "0.0.0.0",
    MOMENT, "2024-01-02", "12:30:00", "12:30", "example.com", "FF", "00000001", "0123456789abcdef",
    "49.0001.0000.0000.0001.00", "any", "A", "1/0", "0/0/CPU0", "act", "x-y_z", "1.3.6.1.4.1", "1d", "", "b1", "1..2", "10.1",
    "encrypted", "route-target:65000:1", "3:45", "e1f2",
];

/// One step of a path of libyang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    module: Option<String>,
    name: String,
    keys: Vec<(String, String)>,
}

/// The steps of a data path as libyang writes it.
pub fn segments(path: &str) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    let mut rest = path;
    while let Some(tail) = rest.strip_prefix('/') {
        let end = tail.find(['/', '[']).unwrap_or(tail.len());
        let (module, name) = match tail[..end].split_once(':') {
            Some((module, name)) => (Some(module.to_owned()), name.to_owned()),
            None => (None, tail[..end].to_owned()),
        };
        let mut keys = Vec::new();
        rest = &tail[end..];
        while let Some(tail) = rest.strip_prefix('[') {
            let Some((name, tail)) = tail.split_once('=') else { break };
            let Some(quote) = tail.chars().next().filter(|c| matches!(c, '\'' | '"')) else { break };
            let Some((value, tail)) = tail[1..].split_once(quote) else { break };
            keys.push((name.rsplit(':').next().unwrap_or(name).to_owned(), value.to_owned()));
            rest = tail.strip_prefix(']').unwrap_or(tail);
        }
        found.push(Segment { module, name, keys });
    }
    found
}
