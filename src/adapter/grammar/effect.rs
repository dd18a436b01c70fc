//! What a line does to a tree: puts and clears at places. The same effects serve the parser (a draft that is filled) and
//! the model of the element (a tree that is changed).

use super::pattern::Bindings;
use super::rules::{Cascade, Context, ContextId, Implied, Line, LineId, ROOT, Rules, Shape, Verb};
use crate::tree::secret::masked;
use crate::tree::{After, Body, ConfigTree, Diff, Node, Path, QName, Step, Value, ValueKind, count};

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
    /// A member with or without a number is in the list of this line below this place.
    Insert(Path, LineId, Bindings),
    /// It is not.
    Withdraw(Path, LineId, Bindings),
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Node,
    Presence,
    /// An entry, a member or an opaque line whose place among its kind matters.
    Ordered,
    Leaf(Value),
}

impl Rules {
    /// What entering a context puts.
    pub(super) fn enter(&self, id: ContextId, parent: &Path, bindings: &Bindings) -> Option<(Path, Effect)> {
        let context = self.context(id);
        let path = context.node.place(parent, bindings)?;
        Some((path.clone(), Effect::Put(path, context.place())))
    }

    /// What a typed line puts.
    pub(super) fn put(&self, id: LineId, base: &Path, bindings: &Bindings) -> Vec<Effect> {
        let line = self.line(id);
        let mut effects = Vec::new();
        let one = if line.ordered { Place::Ordered } else { Place::Node };
        for node in &line.nodes {
            let Some(path) = node.place(base, bindings) else { continue };
            let Some(last) = node.last() else { continue };
            match line.shape {
                Shape::Leaf => {
                    let value = line.leaf_value(bindings);
                    let hidden = line.hidden.as_deref().is_some_and(|hidden| value.as_str() == hidden);
                    effects.push(if hidden { Effect::Clear(path) } else { Effect::Put(path, Place::Leaf(value)) });
                }
                Shape::Member if line.sequence.is_some() => effects.push(Effect::Insert(path, id, bindings.clone())),
                Shape::Member => {
                    if let Some(text) = line.value.value_text(bindings) {
                        effects.push(Effect::Put(path.child(line.member(&last.name, &text)), one.clone()));
                    }
                }
                Shape::Members => {
                    effects.push(Effect::ClearName(path.clone(), last.name.clone()));
                    for text in line.members(bindings) {
                        effects.push(Effect::Put(path.child(line.member(&last.name, &text)), Place::Node));
                    }
                }
                Shape::Entry => {
                    effects.push(Effect::Put(path.clone(), one.clone()));
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
        let implied = line.implies.iter().filter_map(|(node, what)| Some((node.place(base, bindings)?, what)));
        effects.extend(implied.map(|(path, what)| Effect::Put(path, what.place())));
        effects
    }

    /// What a negated line clears.
    pub(super) fn negate(&self, id: LineId, base: &Path, bindings: &Bindings) -> Vec<Effect> {
        let line = self.line(id);
        let mut effects = Vec::new();
        if line.never_delete {
            return effects;
        }
        for node in &line.nodes {
            let Some(path) = node.place(base, bindings) else { continue };
            let Some(last) = node.last() else { continue };
            effects.push(match line.shape {
                Shape::Leaf | Shape::Entry => Effect::Clear(path),
                Shape::Members => Effect::ClearName(path, last.name.clone()),
                Shape::Member if line.sequence.is_some() => Effect::Withdraw(path, id, bindings.clone()),
                Shape::Member => match line.value.value_text(bindings) {
                    Some(text) if !text.is_empty() => Effect::Clear(path.child(line.member(&last.name, &text))),
                    _ => Effect::ClearName(path, last.name.clone()),
                },
            });
        }
        effects.extend(cascade(&line.cascade, base, bindings));
        // The mark of a statement goes with it.
        if self.deactivates()
            && line.verb == Verb::Put
            && !line.bracket
            && let Some(text) = line.mark_text(bindings)
        {
            effects.push(Effect::Clear(base.child(self.inactive_step(&text))));
        }
        effects
    }

    /// The leaf-list member that marks a statement as deactivated.
    pub(super) fn inactive_step(&self, statement: &str) -> Step {
        Step::member(self.inactive_lines(), Value::text(statement))
    }

    /// What a negated context clears.
    pub(super) fn negate_context(&self, id: ContextId, parent: &Path, bindings: &Bindings) -> Vec<Effect> {
        let context = self.context(id);
        if context.never_delete {
            return Vec::new();
        }
        let place = context.node.place(parent, bindings).map(Effect::Clear);
        place.into_iter().chain(cascade(&context.cascade, parent, bindings)).collect()
    }

    /// The tree after these effects, without entries that say nothing any more.
    pub(super) fn change(&self, tree: &ConfigTree, effects: &[Effect]) -> ConfigTree {
        effects.iter().fold(tree.clone(), |tree, effect| match effect {
            Effect::Put(path, place) => put(&tree, path, place),
            Effect::Clear(path) => self.clear(&tree, path),
            Effect::ClearName(parent, name) => {
                self.clear_where(tree, parent, |node| named(node, name).cloned().collect())
            }
            Effect::ClearText(parent, text) => self.clear_where(tree, parent, |node| {
                node.children().iter().filter(|child| begins(child, text)).cloned().collect()
            }),
            Effect::Insert(parent, line, bindings) => self.insert(&tree, parent, *line, bindings),
            Effect::Withdraw(parent, line, bindings) => self.withdraw(&tree, parent, *line, bindings),
        })
    }

    fn clear_where(&self, tree: ConfigTree, parent: &Path, gone: impl Fn(&Node) -> Vec<Node>) -> ConfigTree {
        let gone = tree.at(parent).map(gone).unwrap_or_default();
        gone.iter().fold(tree, |tree, child| self.clear(&tree, &parent.child(child.step())))
    }

    /// The tree without this node, and without what it leaves hollow.
    pub(super) fn clear(&self, tree: &ConfigTree, path: &Path) -> ConfigTree {
        if tree.at(path).is_none() {
            return tree.clone();
        }
        self.pruned(tree.without(path), path.parent())
    }

    /// The tree without hollow nodes from a place upwards.
    pub(super) fn pruned(&self, mut tree: ConfigTree, from: Option<Path>) -> ConfigTree {
        let mut at = from;
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

    /// Whether an entry without content is not worth keeping.
    fn is_hollow(&self, path: &Path, node: &Node) -> bool {
        if !node.children().is_empty() || !matches!(node.body(), Body::Entry { .. }) {
            return false;
        }
        let (context, depth, _) = self.context_of(path);
        self.is_hollow_at(context, &path.steps()[depth..])
    }

    /// The tree without the entries that an edit has left hollow, or made so. The cost follows the difference.
    pub(super) fn settled(&self, tree: &ConfigTree, difference: &Diff) -> ConfigTree {
        difference.edits.iter().fold(tree.clone(), |tree, edit| {
            let mut tree = match tree.at(edit.path()) {
                Some(node) if !node.children().is_empty() => {
                    let (context, depth, _) = self.context_of(edit.path());
                    let mut rest = edit.path().steps()[depth..].to_vec();
                    match self.hollowed(context, &mut rest, node) {
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

    /// The same tree without hollow entries, numbered lists in their canonical form.
    pub(super) fn normalise(&self, tree: &ConfigTree) -> ConfigTree {
        match self.hollowed(ROOT, &mut Vec::new(), tree.root()) {
            Some(root) if Node::same(&root, tree.root()) => tree.clone(),
            Some(root) => ConfigTree::new(root.children().to_vec()),
            None => ConfigTree::default(),
        }
    }

    /// The node without hollow entries; `None` if it is one. Unchanged nodes stay the same. `rest` are its steps below
    /// its context.
    fn hollowed(&self, context: ContextId, rest: &mut Vec<Step>, node: &Node) -> Option<Node> {
        count(node.children().len());
        let mut changed = false;
        let mut children = Vec::with_capacity(node.children().len());
        for child in node.children() {
            if child.children().is_empty() && !matches!(child.body(), Body::Entry { .. }) {
                children.push(child.clone());
                continue;
            }
            let step = child.step();
            let below = if rest.is_empty() { self.child_at(context, &step) } else { None };
            let new = match below {
                Some((below, _)) => self.hollowed(below, &mut Vec::new(), child),
                None => {
                    rest.push(step);
                    let new = self.hollowed(context, rest, child);
                    rest.pop();
                    new
                }
            };
            match new {
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
        let node = self.sequenced(context, rest, node);
        let hollow = node.children().is_empty() && matches!(node.body(), Body::Entry { .. });
        (!(hollow && self.is_hollow_at(context, rest))).then_some(node)
    }
}

impl Context {
    /// What stands where it is entered.
    pub(super) fn place(&self) -> Place {
        match () {
            () if self.ordered => Place::Ordered,
            () if self.presence && self.node.steps.first().is_some_and(|step| step.keys.is_empty()) => Place::Presence,
            () => Place::Node,
        }
    }
}

impl Implied {
    fn place(self) -> Place {
        match self {
            Implied::Node => Place::Node,
            Implied::Presence => Place::Presence,
            Implied::Flag => Place::Leaf(Value::new(ValueKind::Empty, "")),
        }
    }
}

/// The children of this name. They stand together, for children stand by name.
pub(super) fn named<'a>(node: &'a Node, name: &'a QName) -> impl Iterator<Item = &'a Node> + use<'a> {
    let children = node.children();
    let (mut low, mut high) = (0, children.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match children.get(middle) {
            Some(child) if child.name() < name => low = middle + 1,
            _ => high = middle,
        }
    }
    (low..children.len()).map_while(move |at| children.get(at)).take_while(move |child| child.name() == name)
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
    node.opaque_text().is_some_and(|line| line.starts_with(text))
}

fn put(tree: &ConfigTree, path: &Path, place: &Place) -> ConfigTree {
    let Some(step) = path.last() else { return tree.clone() };
    match (place, tree.at(path)) {
        (Place::Node | Place::Presence | Place::Ordered, Some(_)) => tree.clone(),
        (place, _) => plant(tree, path, place.node(step)),
    }
}

/// The tree with this node in the place of what stands there; a new one whose order matters stands last.
pub(super) fn plant(tree: &ConfigTree, path: &Path, node: Node) -> ConfigTree {
    match path.parent() {
        Some(parent) => tree.with(&parent, node, After::Keep),
        None => ConfigTree::new(node.children().to_vec()),
    }
}

impl Place {
    /// The node at this step, without children.
    pub(super) fn node(&self, step: &Step) -> Node {
        use crate::tree::Key;
        match (self, &step.key) {
            (_, Key::Opaque(text, nth)) => Node::opaque_ordered(step.name.clone(), text, *nth, []),
            (Place::Ordered, Key::Entry(keys)) => Node::entry(step.name.clone(), keys.clone(), true, []),
            (Place::Ordered, Key::Member(value)) => Node::member(step.name.clone(), value.clone(), true),
            (Place::Node | Place::Ordered, _) => Node::from_step(step.clone()),
            (Place::Presence, _) => Node::container(step.name.clone(), true, []),
            (Place::Leaf(value), _) => Node::leaf(step.name.clone(), value.clone()),
        }
    }
}

impl Line {
    /// The value of the leaf that these bindings make.
    pub(super) fn leaf_value(&self, bindings: &Bindings) -> Value {
        if self.value.is_empty() {
            return Value::new(ValueKind::Empty, "");
        }
        if self.secret {
            return Value::text(&self.masked(bindings));
        }
        let text = self.value.value_text(bindings).unwrap_or_default();
        let text = if text.is_empty() { self.default.clone().unwrap_or_default() } else { text };
        let kind = match &self.value.args()[..] {
            [(_, ty, _)] => ty.kind(),
            _ => ValueKind::Text,
        };
        // An optional number that is absent is no number.
        Value::new(if text.is_empty() { ValueKind::Text } else { kind }, &text)
    }

    /// The statement by which a line is deactivated: as short as it can be taken back, a list in brackets as a whole.
    pub(super) fn mark_text(&self, bindings: &Bindings) -> Option<String> {
        if self.bracket {
            return self.negates.last()?.build(bindings);
        }
        let mut bindings = bindings.clone();
        if let Some(sequence) = &self.sequence {
            bindings.remove(&sequence.argument);
        }
        self.negates.iter().find_map(|negate| negate.build(&bindings))
    }

    /// The value with its last argument masked: what stands before the secret says how it is written. The token of a
    /// template stays; what an element shows in clear becomes one.
    fn masked(&self, bindings: &Bindings) -> String {
        let mut bindings = bindings.clone();
        if let Some((name, ..)) = self.value.args().last()
            && let Some(values) = bindings.get_mut(*name)
        {
            *values = vec![masked(&values.join(" ")).into_owned()];
        }
        self.value.value_text(&bindings).unwrap_or_else(|| SECRET.to_owned())
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
        match self.value.bind_text(text) {
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

/// Whether a node is an opaque line.
pub(super) fn opaque(node: &Node) -> bool {
    node.opaque_text().is_some()
}
