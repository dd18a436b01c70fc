//! Mending: what a refusal of the oracle says of an instance, and what is done about it.

use super::{Instances, Shape, Sketch};
use crate::arbitrary::Dice;
use andante::tree::schema::SchemaKind;
use andante::tree::{SchemaId, Value};

impl Instances {
    /// Changes the sketches where the oracle found a fault; false when it knows nothing better.
    pub fn mend(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        sketches: &mut Vec<Sketch>,
        path: &str,
        message: &str,
    ) -> bool {
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
            known.refuse(&text, message);
            if let Some(pattern) = quoted_pattern(message)
                && known.patterns.iter().all(|(have, _)| *have != pattern)
            {
                let regex = regex::Regex::new(&format!("^(?:{})$", super::values::xsd(&pattern))).ok();
                known.patterns.push((pattern, regex));
            }
            return self.revalue(dice, shape, sketches, &places, leaf);
        }
        if let Some((leaf, text)) = &leaf
            && self.known.entry(*leaf).or_default().refused < 8
        {
            let led = match reason {
                "leafref" => self
                    .index
                    .leafref(*leaf)
                    .is_some_and(|leafref| self.lead(dice, shape, sketches, &places, *leaf, text, leafref.target)),
                "instance-identifier" => self.point(sketches, &places, *leaf, text),
                _ => false,
            };
            if led {
                self.drop_twin(sketches, &places);
                self.known.entry(*leaf).or_default().refused += 1;
                return true;
            }
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

    /// Makes a leafref lead somewhere: it takes a value of its target, or the target is made with its value, both below the
    /// deepest instance that they share.
    #[allow(clippy::too_many_arguments)]
    fn lead(
        &mut self,
        dice: &mut Dice,
        shape: Shape,
        sketches: &mut Vec<Sketch>,
        places: &[usize],
        leaf: SchemaId,
        text: &str,
        target: SchemaId,
    ) -> bool {
        let index = self.index.clone();
        let mut chain = vec![target];
        while let Some(parent) = index.node(chain[0]).parent {
            chain.insert(0, parent);
        }
        let mut common = 0;
        while common < places.len() && common + 1 < chain.len() && at(sketches, &places[..=common]).id == chain[common]
        {
            common += 1;
        }
        let is_key = at(sketches, places).id != leaf;
        let Some(ty) = index.node(target).ty.as_ref() else { return false };
        let Ok(value) = ty.value(index.node(target).name.module.as_str(), text) else { return false };
        if !is_key {
            let mut there = Vec::new();
            let below = if common == 0 { &sketches[..] } else { &at(sketches, &places[..common]).children };
            self.values_of(below, target, &mut there);
            if common > 0 {
                self.values_of(std::slice::from_ref(at(sketches, &places[..common])), target, &mut there);
            }
            there.retain(|other| other.as_str() != text);
            if !there.is_empty() {
                at_mut(sketches, places).value = Some(there[dice.below(there.len())].clone());
                return true;
            }
        }
        let mut siblings = if common == 0 { sketches } else { &mut at_mut(sketches, &places[..common]).children };
        for (n, id) in chain.iter().enumerate().skip(common) {
            let schema = index.node(*id);
            let plain = Sketch { id: *id, keys: Vec::new(), value: None, children: Vec::new() };
            let found = siblings.iter().position(|sketch| sketch.id == *id);
            let at = match (schema.kind, found) {
                (SchemaKind::Leaf, Some(at)) => {
                    siblings[at].value = Some(value);
                    return true;
                }
                (SchemaKind::Leaf | SchemaKind::LeafList { .. }, _) => {
                    siblings.push(Sketch { value: Some(value), ..plain });
                    return true;
                }
                (SchemaKind::List { .. }, found) => {
                    let key = chain.get(n + 1).filter(|next| index.is_key(*id, **next) && n + 2 == chain.len());
                    match (key, found) {
                        (Some(key), _) => {
                            let Some(mut keys) = self.keys(dice, shape, *id) else { return false };
                            let Some(slot) = self.key_place(*id, *key) else { return false };
                            keys[slot] = value;
                            siblings.push(Sketch { keys, ..plain });
                            return true;
                        }
                        (None, Some(at)) => at,
                        (None, None) => {
                            let Some(keys) = self.keys(dice, shape, *id) else { return false };
                            siblings.push(Sketch { keys, ..plain });
                            siblings.len() - 1
                        }
                    }
                }
                (SchemaKind::Container { .. }, Some(at)) => at,
                (SchemaKind::Container { .. }, None) => {
                    siblings.push(plain);
                    siblings.len() - 1
                }
                _ => return false,
            };
            siblings = &mut siblings[at].children;
        }
        false
    }

    /// A member of a leaf-list that has just got a value goes if that is there already.
    fn drop_twin(&self, sketches: &mut Vec<Sketch>, places: &[usize]) {
        let Some((_, above)) = places.split_last() else { return };
        let now = at(sketches, places);
        if !matches!(self.index.node(now.id).kind, SchemaKind::LeafList { .. }) {
            return;
        }
        let siblings = if above.is_empty() { &sketches[..] } else { &at(sketches, above).children };
        if siblings.iter().filter(|twin| twin.id == now.id && twin.value == now.value).count() > 1 {
            remove(sketches, places);
        }
    }

    /// The values of a leaf or key in the sketches.
    fn values_of(&self, sketches: &[Sketch], target: SchemaId, into: &mut Vec<Value>) {
        for sketch in sketches {
            if sketch.id == target {
                into.extend(sketch.value.clone());
            }
            if self.index.is_key(sketch.id, target)
                && self.index.node(target).parent == Some(sketch.id)
                && let Some(slot) = self.key_place(sketch.id, target)
            {
                into.push(sketch.keys[slot].clone());
            }
            self.values_of(&sketch.children, target, into);
        }
    }

    /// Makes an instance identifier point at something that is there.
    fn point(&self, sketches: &mut [Sketch], places: &[usize], leaf: SchemaId, text: &str) -> bool {
        let container = |sketch: &&Sketch| matches!(self.index.node(sketch.id).kind, SchemaKind::Container { .. });
        let Some(top) = sketches.iter().find(container) else { return false };
        let schema = self.index.node(leaf);
        let path = format!("/{}", self.index.node(top.id).name);
        let Some(Ok(value)) = schema.ty.as_ref().map(|ty| ty.value(schema.name.module.as_str(), &path)) else {
            return false;
        };
        if value.as_str() == text || at(sketches, places).value.is_none() {
            return false;
        }
        at_mut(sketches, places).value = Some(value);
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
            twin.id == now.id
                && twin.keys == now.keys
                && (self.index.node(now.id).kind == SchemaKind::Leaf || twin.value == now.value)
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

    /// The node at `segments`, and the one above it: a path of the oracle is that of the parent, or of what is missing.
    fn parents(&self, sketches: &[Sketch], segments: &[Segment]) -> Vec<(Vec<usize>, Option<SchemaId>)> {
        let upto = [segments.len(), segments.len().saturating_sub(1)];
        let found = upto.into_iter().filter_map(|upto| self.find(sketches, &segments[..upto]));
        found.map(|places| (places.clone(), (!places.is_empty()).then(|| at(sketches, &places).id))).collect()
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
        for (places, parent) in self.parents(sketches, segments) {
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
            let siblings = children_at(sketches, &places);
            made.retain(|new| {
                siblings.iter().all(|old| old.id != new.id || old.keys != new.keys || old.value != new.value)
            });
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
        for (places, parent) in self.parents(sketches, segments) {
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
            let siblings = children_at(sketches, &places);
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
}

fn at<'a>(sketches: &'a [Sketch], places: &[usize]) -> &'a Sketch {
    let (first, rest) = places.split_first().unwrap();
    rest.iter().fold(&sketches[*first], |sketch, place| &sketch.children[*place])
}

/// What stands below a place; at the top without one.
fn children_at<'a>(sketches: &'a mut Vec<Sketch>, places: &[usize]) -> &'a mut Vec<Sketch> {
    if places.is_empty() { sketches } else { &mut at_mut(sketches, places).children }
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
        ("Failed to", "value"),
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
