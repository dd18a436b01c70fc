//! What has to be typed: for every place that a difference touches, the lines that go and the lines that come.

use super::super::GrammarError;
use super::super::effect::{named, opaque};
use super::super::rules::{Context, ContextId, LineId, ROOT, Rules, Target, Verb, answers};
use super::super::source::{AskedSource, RemoveSource};
use super::super::units::{Sort, Unit};
use super::Protection;
use super::touched::Touched;
use crate::adapter::Answer;
use crate::tree::{ConfigTree, Diff, Key, Node, Path, QName, count};
use std::collections::{BTreeMap, BTreeSet};

/// Something to be written, with its place in the order.
pub(super) struct Item {
    pub(super) key: Vec<Sort>,
    /// The context that it is typed in.
    pub(super) context: Path,
    /// What it makes or takes away.
    pub(super) place: Path,
    pub(super) refs: Vec<Target>,
    pub(super) what: What,
}

pub(super) enum What {
    /// The context only.
    Enter,
    /// A line; a removal only if what it removes is still there.
    Line { text: String, verb: Verb, busy: bool, answers: Vec<Answer>, only_if: Option<Path> },
    /// An unknown line with all below it; with `negation` it is taken back.
    Opaque { node: Node, negation: Option<String> },
}

/// The items that lead from one tree to another.
pub(super) struct Work<'w> {
    rules: &'w Rules,
    now: &'w ConfigTree,
    after: &'w ConfigTree,
    protection: Protection,
    pub(super) items: Vec<Item>,
    /// What lines refer to that get another value in place.
    pub(super) held: Vec<Target>,
    /// The places of numbered lists of which something goes.
    pub(super) lists: BTreeSet<Path>,
    /// Contexts that are typed, or gone, as a whole.
    whole: BTreeSet<Path>,
}

impl<'w> Work<'w> {
    pub(super) fn new(rules: &'w Rules, now: &'w ConfigTree, after: &'w ConfigTree, protection: Protection) -> Self {
        let (items, held) = (Vec::new(), Vec::new());
        Self { rules, now, after, protection, items, held, lists: BTreeSet::new(), whole: BTreeSet::new() }
    }

    /// Finds what goes.
    pub(super) fn removals(&mut self, difference: &Diff) -> Result<(), GrammarError> {
        for place in self.rules.touched(difference) {
            if self.is_within_whole(&place) {
                continue;
            }
            match &place {
                Touched::Order { context, name } => self.order_removals(context, name)?,
                Touched::Whole { context } => {
                    if let (Some(node), None) = (self.now.at(context), self.after.at(context)) {
                        self.remove(context, node)?;
                    }
                }
                Touched::Child { .. } => self.child_removals(&place)?,
            }
        }
        Ok(())
    }

    /// Finds what comes.
    pub(super) fn creations(&mut self, difference: &Diff) -> Result<(), GrammarError> {
        for place in self.rules.touched(difference) {
            if self.is_within_whole(&place) {
                continue;
            }
            match &place {
                Touched::Order { context, name } => {
                    let wanted: Vec<Node> = children(self.after, context, name);
                    for node in wanted {
                        let path = context.child(node.step());
                        if self.now.at(&path).is_none() {
                            self.create(&path, &node)?;
                            self.whole.insert(path);
                        }
                    }
                }
                Touched::Whole { context } => {
                    if let Some(node) = self.after.at(context) {
                        self.create(context, node)?;
                    }
                }
                Touched::Child { .. } => self.child_creations(&place)?,
            }
        }
        Ok(())
    }

    fn is_within_whole(&self, place: &Touched) -> bool {
        let mut at = if self.whole.is_empty() { None } else { Some(place.context().clone()) };
        while let Some(path) = at {
            if self.whole.contains(&path) {
                return true;
            }
            at = path.parent();
        }
        false
    }

    /// In a list whose order counts what stays is what it begins with when all is done: what is typed comes last.
    fn order_removals(&mut self, context: &Path, name: &QName) -> Result<(), GrammarError> {
        let have = children(self.now, context, name);
        let wanted = children(self.after, context, name);
        let mut right = wanted.iter().peekable();
        for node in &have {
            if right.next_if(|wanted| wanted.is_beside(node)).is_some() {
                continue;
            }
            let path = context.child(node.step());
            self.remove(&path, node)?;
            self.whole.insert(path);
        }
        Ok(())
    }

    fn units_at(&self, tree: &ConfigTree, place: &Touched) -> Result<Vec<Unit>, GrammarError> {
        let Touched::Child { context, child, .. } = place else { return Ok(Vec::new()) };
        let (id, ..) = self.rules.context_of(context);
        match tree.at(context) {
            Some(node) => self.rules.units(id, context, node, Some(child)),
            None => Ok(Vec::new()),
        }
    }

    fn child_removals(&mut self, place: &Touched) -> Result<(), GrammarError> {
        let context = place.context().clone();
        if self.now.at(&context).is_none() {
            return Ok(());
        }
        let key = self.key(self.now, &context, |context| context.remove_order);
        let old = self.units_at(self.now, place)?;
        let new = self.units_at(self.after, place)?;
        let staying = self.staying(&old, &new);
        let by_path: BTreeMap<(&Path, LineId), &Unit> =
            new.iter().map(|unit| ((&unit.path, unit.line), unit)).collect();
        let mut gone = Vec::new();
        for (at, unit) in old.iter().enumerate() {
            let line = self.rules.line(unit.line);
            let same = by_path.get(&(&unit.path, unit.line));
            let stays = match line.ordered {
                true => staying.contains(&at),
                false => same.is_some_and(|new| new.text == unit.text || line.replace),
            };
            match same {
                // It will be typed over: until then it refers to what it refers to now.
                Some(new) if stays && new.text != unit.text => {
                    let wanted = self.refs(new, &context);
                    self.held.extend(self.refs(unit, &context).into_iter().filter(|target| !wanted.contains(target)));
                }
                _ if stays => {}
                _ => gone.push(unit.clone()),
            }
        }
        for unit in gone {
            self.removal(&key, &context, unit)?;
        }
        self.opaque_items(place, &key, true)
    }

    /// Which units of ordered lists may stay where they are, by their place among `old`.
    fn staying(&self, old: &[Unit], new: &[Unit]) -> BTreeSet<usize> {
        let mut lists: BTreeMap<(LineId, Path), Vec<usize>> = BTreeMap::new();
        for (at, unit) in old.iter().enumerate() {
            if let Some(list) = unit.list(self.rules) {
                lists.entry(list).or_default().push(at);
            }
        }
        let mut staying = BTreeSet::new();
        for (list, places) in lists {
            let line = self.rules.line(list.0);
            let wanted: Vec<&Unit> = new.iter().filter(|unit| unit.list(self.rules).as_ref() == Some(&list)).collect();
            if line.sequence.is_some() {
                let text = |unit: &Unit| line.value.value_text(&unit.bindings).unwrap_or_default();
                let have: Vec<String> = places.iter().map(|at| text(&old[*at])).collect();
                let wanted: Vec<String> = wanted.iter().map(|unit| text(unit)).collect();
                let kept: BTreeSet<String> = self.rules.staying(line, &have, &wanted).into_iter().collect();
                staying.extend(places.iter().zip(&have).filter(|(_, text)| kept.contains(*text)).map(|(at, _)| *at));
                continue;
            }
            let mut right = wanted.iter().peekable();
            for at in places {
                let old = &old[at];
                let same = |unit: &&&Unit| old.path == unit.path && (old.text == unit.text || line.replace);
                if right.next_if(same).is_some() {
                    staying.insert(at);
                }
            }
        }
        staying
    }

    /// Removes a context with all its content.
    fn remove(&mut self, path: &Path, node: &Node) -> Result<(), GrammarError> {
        let (id, _, bindings) = self.rules.context_of(path);
        let rules = self.rules;
        let context = rules.context(id);
        let key = self.key(self.now, path, |context| context.remove_order);
        let owned = rules.owns_context(id, &bindings) && !(context.never_delete && context.presence);
        let lasting = rules.has_lasting && rules.keeps_something(id, path, node, self.protection)?;
        let removable = owned && !lasting;
        let deletes = rules.verbs.has(Verb::Delete);
        if context.remove == RemoveSource::Whole && removable {
            self.remove_first(id, path, node)?;
        } else {
            for unit in rules.units(id, path, node, None)? {
                if !rules.line(unit.line).never_delete {
                    self.removal(&key, path, unit)?;
                }
            }
            for child in node.children() {
                let below = path.child(child.step());
                if opaque(child) {
                    self.opaque(&key, path, child, Some(rules.negated(child)), 0)?;
                } else if rules.child_at(id, &child.step()).is_some() {
                    self.remove(&below, child)?;
                }
            }
        }
        if context.remove == RemoveSource::Content || !removable {
            return Ok(());
        }
        rules.guard(path, self.protection)?;
        let parent = path.parent().unwrap_or_default();
        let (text, verb, at) = match context.negate.as_ref().map(|negate| negate.build(&bindings)) {
            Some(Some(text)) => (text, Verb::Put, parent),
            _ if deletes => (String::new(), Verb::Delete, path.clone()),
            _ => return Ok(()),
        };
        let only_if = (context.remove == RemoveSource::Whole).then(|| path.clone());
        let key = [key, vec![(i32::MAX, String::new(), 0, String::new())]].concat();
        let answers = answers(&context.dialogue, AskedSource::Remove);
        let what = What::Line { text, verb, busy: context.busy, answers, only_if };
        let mut refs = self.context_refs(context, path, &bindings);
        if rules.has_refs {
            self.refs_below(id, path, node, &mut refs)?;
        }
        self.items.push(Item { key, context: at, place: path.clone(), refs, what });
        Ok(())
    }

    /// What the lines in a context refer to, for it takes them along.
    fn refs_below(&self, id: ContextId, path: &Path, node: &Node, out: &mut Vec<Target>) -> Result<(), GrammarError> {
        for unit in self.rules.units(id, path, node, None)? {
            out.extend(self.refs(&unit, path));
        }
        for child in node.children() {
            let step = child.step();
            if let Some((below, bindings)) = self.rules.child_at(id, &step) {
                let path = path.child(step);
                out.extend(self.context_refs(self.rules.context(below), &path, &bindings));
                self.refs_below(below, &path, child, out)?;
            }
        }
        Ok(())
    }

    /// The lines that must go before a context around them is negated.
    fn remove_first(&mut self, id: ContextId, path: &Path, node: &Node) -> Result<(), GrammarError> {
        let key = self.key(self.now, path, |context| context.remove_order);
        for unit in self.rules.units(id, path, node, None)? {
            if self.rules.line(unit.line).before_context {
                self.removal(&key, path, unit)?;
            }
        }
        for child in node.children() {
            let step = child.step();
            if let Some((below, _)) = self.rules.child_at(id, &step) {
                self.remove_first(below, &path.child(step), child)?;
            }
        }
        Ok(())
    }

    fn child_creations(&mut self, place: &Touched) -> Result<(), GrammarError> {
        let context = place.context().clone();
        if self.after.at(&context).is_none() {
            return Ok(());
        }
        let key = self.key(self.after, &context, |context| context.order);
        let old = self.units_at(self.now, place)?;
        let known: BTreeSet<(&Path, &str)> = old.iter().map(|unit| (&unit.path, unit.text.as_str())).collect();
        for unit in self.units_at(self.after, place)? {
            if !known.contains(&(&unit.path, unit.text.as_str())) {
                self.creation(&key, &context, unit)?;
            }
        }
        self.opaque_items(place, &key, false)
    }

    /// Creates a context with all its content.
    fn create(&mut self, path: &Path, node: &Node) -> Result<(), GrammarError> {
        let rules = self.rules;
        let (id, _, bindings) = rules.context_of(path);
        rules.guard(path, self.protection)?;
        let key = self.key(self.after, path, |context| context.order);
        let units = rules.units(id, path, node, None)?;
        let below = |child: &Node| opaque(child) || rules.child_at(id, &child.step()).is_some();
        let told =
            units.iter().any(|unit| rules.line(unit.line).verb == Verb::Put) || node.children().iter().any(below);
        // Where lines carry their path, a context with content needs no line of its own.
        if !rules.is_absolute() || !told {
            let enter = [key.clone(), vec![(i32::MIN, String::new(), 0, String::new())]].concat();
            let refs = self.context_refs(rules.context(id), path, &bindings);
            let item = Item { key: enter, context: path.clone(), place: path.clone(), refs, what: What::Enter };
            self.items.push(item);
        }
        for unit in units {
            self.creation(&key, path, unit)?;
        }
        for (turn, child) in node.children().iter().enumerate() {
            let below = path.child(child.step());
            if opaque(child) {
                self.opaque(&key, path, child, None, turn)?;
            } else if rules.child_at(id, &child.step()).is_some() {
                self.create(&below, child)?;
            }
        }
        Ok(())
    }

    fn opaque_items(&mut self, place: &Touched, key: &[Sort], removing: bool) -> Result<(), GrammarError> {
        let Touched::Child { context, child, moved } = place else { return Ok(()) };
        if !matches!(child.key, Key::Opaque(..)) {
            return Ok(());
        }
        let path = context.child(child.clone());
        let (old, new) = (self.now.at(&path), self.after.at(&path));
        if old == new && !(removing && *moved) {
            return Ok(());
        }
        match (removing, old, new) {
            (true, Some(old), _) => self.opaque(key, context, old, Some(self.rules.negated(old)), 0),
            (false, _, Some(new)) => {
                let siblings = children(self.after, context, &child.name);
                let turn = siblings.iter().position(|node| node.is_at(child)).unwrap_or_default();
                self.opaque(key, context, new, None, turn)
            }
            _ => Ok(()),
        }
    }

    fn opaque(
        &mut self,
        key: &[Sort],
        context: &Path,
        node: &Node,
        negation: Option<Option<String>>,
        turn: usize,
    ) -> Result<(), GrammarError> {
        let path = context.child(node.step());
        self.rules.guard(&path, self.protection)?;
        // Unknown lines come last and go first.
        let (order, text) = match negation {
            Some(_) => (i32::MIN + 1, Path::new(vec![node.step()]).to_string()),
            None => (i32::MAX - 1, format!("{turn:010}")),
        };
        let negation = match negation {
            Some(None) => return Err(GrammarError::Permanent { path }),
            Some(text) => text,
            None => None,
        };
        let key = [key, &[(order, text, 0, String::new())]].concat();
        let what = What::Opaque { node: node.clone(), negation };
        self.items.push(Item { key, context: context.clone(), place: path, refs: Vec::new(), what });
        Ok(())
    }

    fn removal(&mut self, key: &[Sort], context: &Path, unit: Unit) -> Result<(), GrammarError> {
        let rules = self.rules;
        let line = rules.line(unit.line);
        rules.guard_line(&unit.path, line, self.protection)?;
        let Some(text) = unit.negation(rules) else {
            return Err(GrammarError::Permanent { path: unit.path });
        };
        let refs = self.refs(&unit, context);
        if line.sequence.is_some() {
            self.lists.extend(unit.path.parent());
        }
        let (_, group, _, last) = unit.sort;
        let place = (line.remove_order, group, line.remove_order, last);
        let verb = match line.verb {
            Verb::Deactivate => Verb::Activate,
            _ if rules.verbs.has(Verb::Delete) => Verb::Delete,
            _ => Verb::Put,
        };
        let answers = answers(&line.dialogue, AskedSource::Remove);
        let what = What::Line { text, verb, busy: false, answers, only_if: Some(unit.path.clone()) };
        let key = [key, &[place]].concat();
        self.items.push(Item { key, context: context.clone(), place: unit.path, refs, what });
        Ok(())
    }

    fn creation(&mut self, key: &[Sort], context: &Path, unit: Unit) -> Result<(), GrammarError> {
        let line = self.rules.line(unit.line);
        self.rules.guard_line(&unit.path, line, self.protection)?;
        if unit.is_masked(self.rules) {
            return Err(GrammarError::Secret { path: unit.path });
        }
        let refs = self.refs(&unit, context);
        let answers = answers(&line.dialogue, AskedSource::Create);
        let what = What::Line { text: unit.text, verb: line.verb, busy: false, answers, only_if: None };
        let key = [key, &[unit.sort]].concat();
        self.items.push(Item { key, context: context.clone(), place: unit.path, refs, what });
        Ok(())
    }

    fn refs(&self, unit: &Unit, context: &Path) -> Vec<Target> {
        let refs = &self.rules.line(unit.line).refs;
        refs.iter().flat_map(|reference| reference.targets(context, &unit.bindings)).collect()
    }

    fn context_refs(&self, context: &Context, path: &Path, bindings: &super::super::pattern::Bindings) -> Vec<Target> {
        let parent = path.parent().unwrap_or_default();
        context.refs.iter().flat_map(|reference| reference.targets(&parent, bindings)).collect()
    }

    /// The sort key of a context: one part per level.
    fn key(&self, tree: &ConfigTree, path: &Path, order: impl Fn(&Context) -> i32) -> Vec<Sort> {
        let mut at = ROOT;
        let mut key = Vec::new();
        for (depth, step) in path.steps().iter().enumerate() {
            let Some((id, _)) = self.rules.child_at(at, step) else { break };
            let context = self.rules.context(id);
            let text = if context.ordered {
                let siblings = children(tree, &Path::new(path.steps()[..depth].to_vec()), &step.name);
                format!("{:010}", siblings.iter().position(|node| node.is_at(step)).unwrap_or(siblings.len()))
            } else {
                Path::new(vec![step.clone()]).to_string()
            };
            key.push((order(context), text, 0, String::new()));
            at = id;
        }
        key
    }
}

/// The nodes of one name below a place.
fn children(tree: &ConfigTree, context: &Path, name: &QName) -> Vec<Node> {
    let nodes: Vec<Node> = tree.at(context).map(|node| named(node, name).cloned().collect()).unwrap_or_default();
    count(nodes.len());
    nodes
}
