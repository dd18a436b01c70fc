//! What a line does to a tree: puts and clears at places. The same effects serve the parser (a draft that is filled) and
//! the model of the element (a tree that is changed).

use super::pattern::Bindings;
use super::rules::{Cascade, ContextId, Line, LineId, Rules, Shape};
use crate::tree::secret::masked;
use crate::tree::{After, Body, ConfigTree, Diff, Key, Node, Path, QName, Step, Value, ValueKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One change at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A node without children stands here; a leaf takes the value. Children that it has stay.
    Put(Path, Place),
    /// Nothing stands here.
    Clear(Path),
    /// No child of this name stands below.
    ClearName(Path, QName),
    /// No opaque line below begins with this text.
    ClearText(Path, String),
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Node,
    Presence,
    Leaf(Value),
}

impl Rules {
    /// What entering a context puts.
    pub(super) fn enter(&self, id: ContextId, parent: &Path, bindings: &Bindings) -> Option<(Path, Effect)> {
        let context = self.context(id);
        let path = context.node.place(parent, bindings)?;
        let presence = context.presence && context.node.steps[0].keys.is_empty();
        let place = if presence { Place::Presence } else { Place::Node };
        Some((path.clone(), Effect::Put(path, place)))
    }

    /// What a typed line puts.
    pub(super) fn put(&self, id: LineId, base: &Path, bindings: &Bindings) -> Vec<Effect> {
        let line = self.line(id);
        let mut effects = Vec::new();
        for node in &line.nodes {
            let Some(path) = node.place(base, bindings) else { continue };
            let Some(last) = node.last() else { continue };
            match line.shape {
                Shape::Leaf => effects.push(Effect::Put(path, Place::Leaf(line.leaf_value(bindings)))),
                Shape::Member => {
                    if let Some(text) = line.value.build(bindings) {
                        effects.push(Effect::Put(path.child(line.member(&last.name, &text)), Place::Node));
                    }
                }
                Shape::Members => {
                    effects.push(Effect::ClearName(path.clone(), last.name.clone()));
                    for text in line.members(bindings) {
                        effects.push(Effect::Put(path.child(line.member(&last.name, &text)), Place::Node));
                    }
                }
                Shape::Entry => {
                    effects.push(Effect::Put(path.clone(), Place::Node));
                    for (name, ty, _) in line.value.args() {
                        let leaf = path.child(Step::single(QName::new(&self.module, name)));
                        effects.push(match bindings.get(name) {
                            Some(values) => Effect::Put(leaf, Place::Leaf(Value::new(ty.kind(), &values.join(" ")))),
                            None => Effect::Clear(leaf),
                        });
                    }
                }
            }
        }
        let implied = line.implies.iter().filter_map(|node| node.place(base, bindings));
        effects.extend(implied.map(|path| Effect::Put(path, Place::Node)));
        effects
    }

    /// What a negated line clears.
    pub(super) fn negate(&self, id: LineId, base: &Path, bindings: &Bindings) -> Vec<Effect> {
        let line = self.line(id);
        let mut effects = Vec::new();
        for node in &line.nodes {
            let Some(path) = node.place(base, bindings) else { continue };
            let Some(last) = node.last() else { continue };
            effects.push(match line.shape {
                Shape::Leaf | Shape::Entry => Effect::Clear(path),
                Shape::Members => Effect::ClearName(path, last.name.clone()),
                Shape::Member => match line.value.build(bindings) {
                    Some(text) if !text.is_empty() => Effect::Clear(path.child(line.member(&last.name, &text))),
                    _ => Effect::ClearName(path, last.name.clone()),
                },
            });
        }
        effects.extend(cascade(&line.cascade, base, bindings));
        effects
    }

    /// What a negated context clears.
    pub(super) fn negate_context(&self, id: ContextId, parent: &Path, bindings: &Bindings) -> Vec<Effect> {
        let context = self.context(id);
        let place = context.node.place(parent, bindings).map(Effect::Clear);
        place.into_iter().chain(cascade(&context.cascade, parent, bindings)).collect()
    }

    /// The tree after these effects, without entries that say nothing any more.
    pub(super) fn change(&self, tree: &ConfigTree, effects: &[Effect]) -> ConfigTree {
        effects.iter().fold(tree.clone(), |tree, effect| match effect {
            Effect::Put(path, place) => put(&tree, path, place),
            Effect::Clear(path) => self.clear(&tree, path),
            Effect::ClearName(parent, name) => {
                let gone = tree.at(parent).into_iter().flat_map(|node| node.children().to_vec());
                let gone = gone.filter(|child| child.name() == name);
                gone.fold(tree.clone(), |tree, child| self.clear(&tree, &parent.child(child.step())))
            }
            Effect::ClearText(parent, text) => {
                let gone = tree.at(parent).into_iter().flat_map(|node| node.children().to_vec());
                let gone = gone.filter(|child| begins(child, text));
                gone.fold(tree.clone(), |tree, child| self.clear(&tree, &parent.child(child.step())))
            }
        })
    }

    fn clear(&self, tree: &ConfigTree, path: &Path) -> ConfigTree {
        let mut tree = tree.without(path);
        let mut at = path.parent();
        while let Some(path) = at {
            match tree.at(&path) {
                Some(node) if self.is_hollow(&path, node) => tree = tree.without(&path),
                Some(_) => break,
                None => {}
            }
            at = path.parent();
        }
        tree
    }

    /// The tree without the entries that an edit has left hollow, or made so. The cost follows the difference.
    pub(super) fn settled(&self, tree: &ConfigTree, difference: &Diff) -> ConfigTree {
        difference.edits.iter().fold(tree.clone(), |tree, edit| {
            let mut tree = match tree.at(edit.path()) {
                Some(node) if !node.children().is_empty() => {
                    let normal = hollowed(self, edit.path(), node);
                    match normal {
                        Some(new) if Node::same(&new, node) => tree,
                        Some(new) => plant(&tree, edit.path(), new),
                        None => self.clear(&tree, edit.path()),
                    }
                }
                _ => tree,
            };
            let mut at = Some(edit.path().clone());
            while let Some(path) = at {
                if tree.at(&path).is_some_and(|node| self.is_hollow(&path, node)) {
                    tree = tree.without(&path);
                }
                at = path.parent();
            }
            tree
        })
    }

    /// The same tree without hollow entries.
    pub(super) fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        match hollowed(self, &Path::root(), tree.root()) {
            Some(root) if Node::same(&root, tree.root()) => tree.clone(),
            Some(root) => ConfigTree::new(root.children().to_vec()),
            None => ConfigTree::default(),
        }
    }
}

/// The node without hollow entries; `None` if it is one. Unchanged nodes stay the same.
fn hollowed(rules: &Rules, path: &Path, node: &Node) -> Option<Node> {
    let mut changed = false;
    let mut children = Vec::with_capacity(node.children().len());
    for child in node.children() {
        if child.children().is_empty() && !matches!(child.body(), Body::Entry { .. }) {
            children.push(child.clone());
            continue;
        }
        let path = path.child(child.step());
        match hollowed(rules, &path, child) {
            Some(new) => {
                changed |= !Node::same(&new, child);
                if !new.is_void() {
                    children.push(new);
                }
            }
            None => changed = true,
        }
    }
    let node = if changed { node.with_children(children) } else { node.clone() };
    (!rules.is_hollow(path, &node)).then_some(node)
}

fn cascade(rules: &[Cascade], base: &Path, bindings: &Bindings) -> Vec<Effect> {
    rules
        .iter()
        .filter_map(|rule| match rule {
            Cascade::Node(node) if node.member => {
                Some(Effect::ClearName(node.place(base, bindings)?, node.last()?.name.clone()))
            }
            Cascade::Node(node) => Some(Effect::Clear(node.place(base, bindings)?)),
            Cascade::Text(place, text) => {
                let parent = match place {
                    Some(place) => place.place(base, bindings)?,
                    None => base.clone(),
                };
                Some(Effect::ClearText(parent, filled(text, bindings)))
            }
        })
        .collect()
}

/// A text with `{argument}` filled in.
pub(super) fn filled(text: &str, bindings: &Bindings) -> String {
    bindings
        .iter()
        .fold(text.to_owned(), |text, (name, values)| text.replace(&format!("{{{name}}}"), &values.join(" ")))
}

fn begins(node: &Node, text: &str) -> bool {
    matches!(node.key(), Key::Opaque(line, _) if line.starts_with(text))
}

fn put(tree: &ConfigTree, path: &Path, place: &Place) -> ConfigTree {
    let Some(step) = path.last() else { return tree.clone() };
    match (place, tree.at(path)) {
        (Place::Node | Place::Presence, Some(_)) => tree.clone(),
        (place, _) => plant(tree, path, place.node(step)),
    }
}

/// The tree with this node in the place of what stands there.
pub(super) fn plant(tree: &ConfigTree, path: &Path, node: Node) -> ConfigTree {
    match path.parent() {
        Some(parent) => tree.with(&parent, node, After::Keep),
        None => tree.clone(),
    }
}

impl Place {
    /// The node at this step, without children.
    fn node(&self, step: &Step) -> Node {
        match self {
            Place::Node => Node::from_step(step.clone()),
            Place::Presence => Node::container(step.name.clone(), true, Vec::new()),
            Place::Leaf(value) => Node::leaf(step.name.clone(), value.clone()),
        }
    }
}

impl Line {
    /// The value of the leaf that these bindings make.
    pub(super) fn leaf_value(&self, bindings: &Bindings) -> Value {
        if self.value.is_empty() {
            return Value::new(ValueKind::Empty, "");
        }
        let text = self.value.build(bindings).unwrap_or_default();
        let text = if text.is_empty() { self.default.clone().unwrap_or_default() } else { text };
        if self.secret {
            // The template's token stays; what an element shows in clear becomes one.
            return Value::text(&masked(&text));
        }
        let kind = match &self.value.args()[..] {
            [(_, ty, _)] => ty.kind(),
            _ => ValueKind::Text,
        };
        // An optional number that is absent is no number.
        Value::new(if text.is_empty() { ValueKind::Text } else { kind }, &text)
    }

    /// The step of a leaf-list member.
    pub(super) fn member(&self, name: &QName, text: &str) -> Step {
        let kind = match &self.value.args()[..] {
            [(_, ty, _)] => ty.kind(),
            _ => ValueKind::Text,
        };
        Step::member(name.clone(), Value::new(kind, text))
    }

    /// All values of the repeated argument.
    pub(super) fn members(&self, bindings: &Bindings) -> Vec<String> {
        let name = self.value.args().into_iter().find(|(_, _, many)| *many).map(|(name, _, _)| name);
        name.and_then(|name| bindings.get(name)).cloned().unwrap_or_default()
    }

    /// The bindings of a value, to build the line again.
    pub(super) fn bind_value(&self, text: &str, bindings: &mut Bindings) -> bool {
        if self.value.is_empty() {
            return text.is_empty();
        }
        let text = if self.default.as_deref() == Some(text) { "" } else { text };
        let words: Vec<&str> = text.split_whitespace().collect();
        match self.value.matches(&words) {
            Some(found) => {
                bindings.extend(found);
                true
            }
            None => false,
        }
    }
}

/// What stands in the place of a secret.
pub(super) const SECRET: &str = "<secret>";

/// A tree that is being filled, cheap to change.
#[derive(Debug)]
pub(super) struct Draft {
    place: Place,
    children: BTreeMap<Step, Draft>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { place: Place::Node, children: BTreeMap::new() }
    }

    /// Applies the effects of a line.
    pub(super) fn change(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Put(path, place) => {
                    let at = path.steps().iter().fold(&mut *self, |at, step| at.below(step));
                    at.place = place;
                }
                Effect::Clear(path) => {
                    let (Some(parent), Some(step)) = (path.parent(), path.last()) else { continue };
                    if let Some(at) = self.find(&parent) {
                        at.children.remove(step);
                    }
                }
                Effect::ClearName(parent, name) => {
                    if let Some(at) = self.find(&parent) {
                        at.children.retain(|step, _| step.name != name);
                    }
                }
                Effect::ClearText(parent, text) => {
                    if let Some(at) = self.find(&parent) {
                        at.children
                            .retain(|step, _| !matches!(&step.key, Key::Opaque(line, _) if line.starts_with(&text)));
                    }
                }
            }
        }
    }

    /// Puts an opaque line below `parent` and answers its step; equal lines are counted.
    pub(super) fn opaque(&mut self, parent: &Path, name: QName, text: &str) -> Step {
        let at = parent.steps().iter().fold(self, |at, step| at.below(step));
        let mut nth = 0;
        loop {
            let step = Step { name: name.clone(), key: Key::Opaque(Arc::from(text), nth) };
            if !at.children.contains_key(&step) {
                at.below(&step);
                return step;
            }
            nth += 1;
        }
    }

    /// The finished children.
    pub(super) fn freeze(self) -> Vec<Node> {
        let nodes = self.children.into_iter().map(|(step, draft)| {
            let node = draft.place.node(&step);
            if draft.children.is_empty() { node } else { node.with_children(draft.freeze()) }
        });
        nodes.collect()
    }

    /// Whether anything stands below this place.
    pub(super) fn has_children(&mut self, path: &Path) -> bool {
        self.find(path).is_some_and(|draft| !draft.children.is_empty())
    }

    fn below(&mut self, step: &Step) -> &mut Draft {
        self.children.entry(step.clone()).or_insert_with(Draft::new)
    }

    fn find(&mut self, path: &Path) -> Option<&mut Draft> {
        path.steps().iter().try_fold(self, |at, step| at.children.get_mut(step))
    }
}

/// Whether a node is an opaque line.
pub(super) fn opaque(node: &Node) -> bool {
    node.opaque_text().is_some()
}
