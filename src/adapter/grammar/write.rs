//! Tree to text, and difference to payload.
//!
//! *Flow of a payload*: first everything that goes away (or that must go before its new value comes), then everything
//! that comes, each in the order that the grammar gives; contexts are entered and left by lines of their own. Every line
//! is typed into the model of the element at once, so what the element removes by itself is not removed again and what
//! it removed too much is typed again.
//!
//! *Guarantees*: the model says that the lines make `after` out of `before`, or there is no payload. Nothing but the
//! difference is typed. The cost follows the difference.
//!
//! *Caveats*: a secret cannot be typed again (it was masked when it was read), an unknown line is typed back as it was
//! read.

use super::GrammarError;
use super::effect::{Effect, SECRET, opaque, plant};
use super::model::Session;
use super::pattern::Bindings;
use super::rules::{ContextId, ROOT, Rules};
use super::source::RemoveSource;
use super::units::{Sort, Unit};
use crate::adapter::CliLine;
use crate::tree::{ConfigTree, Diff, Edit, Key, Node, Path, Step, diff};
use std::collections::BTreeSet;

impl Rules {
    /// The text of a tree, as the element would print it.
    pub(super) fn text(&self, tree: &ConfigTree) -> String {
        let mut out = String::new();
        self.print(ROOT, &Path::root(), tree.root(), 0, &mut out);
        out
    }

    fn print(&self, id: ContextId, base: &Path, node: &Node, depth: usize, out: &mut String) {
        let indent = " ".repeat(depth);
        let mut hidden: BTreeSet<Path> = BTreeSet::new();
        let mut lines: Vec<(Sort, String)> = Vec::new();
        // Where the element prints one line for several equal lists, so do we.
        for line in self.context(id).lines.iter().map(|id| self.line(*id)).filter(|line| line.alias && line.print) {
            let lists: Vec<Vec<&str>> = line.nodes.iter().filter_map(|n| n.last()).map(|s| members(node, s)).collect();
            if lists.first().is_some_and(|first| !first.is_empty() && lists.iter().all(|list| list == first)) {
                let name = line.value.args().first().map(|(name, _, _)| (*name).to_owned()).unwrap_or_default();
                let values = lists[0].iter().map(|value| (*value).to_owned()).collect();
                if let Some(text) = line.pattern.build(&Bindings::from([(name, values)])) {
                    let steps = line.nodes.iter().filter_map(|n| n.last());
                    hidden.extend(steps.map(|step| base.child(Step::single(step.name.clone()))));
                    lines.push(((line.order, String::new(), line.order, text.clone()), text));
                }
            }
        }
        let units = self.units(id, base, node, None).unwrap_or_default();
        lines.extend(units.into_iter().filter(|unit| !hidden.contains(&unit.path)).map(|u| (u.sort, u.text)));
        lines.sort();
        for (_, text) in lines {
            out.extend([indent.as_str(), &text, "\n"]);
        }
        for child in node.children().iter().filter(|child| opaque(child)) {
            print_opaque(child, depth, &self.general.leave, out);
            if id == ROOT {
                out.extend([self.general.comment.as_str(), "\n"]);
            }
        }
        let mut contexts: Vec<(i32, &Node, ContextId, Bindings)> = Vec::new();
        for child in node.children() {
            if let Some((below, bindings)) = self.child_at(id, &child.step()) {
                contexts.push((self.context(below).order, child, below, bindings));
            }
        }
        contexts.sort_by(|a, b| (a.0, a.1.step()).cmp(&(b.0, b.1.step())));
        for (_, child, below, bindings) in contexts {
            let context = self.context(below);
            let Some(enter) = context.enter.build(&bindings) else { continue };
            if context.separated {
                out.extend([indent.as_str(), &self.general.comment, "\n"]);
            }
            out.extend([indent.as_str(), &enter, "\n"]);
            self.print(below, &base.child(child.step()), child, depth + 1, out);
            out.extend([indent.as_str(), &context.exit, "\n"]);
            if id == ROOT {
                out.extend([self.general.comment.as_str(), "\n"]);
            }
        }
    }

    /// The lines that make `after` out of `before`, which is as the parser made it.
    pub(super) fn render(
        &self,
        difference: &Diff,
        before: &ConfigTree,
        after: &ConfigTree,
    ) -> Result<Vec<CliLine>, GrammarError> {
        let after = self.settled(after, difference);
        let session = Session { lenient: true, ..Session::new(before.clone()) };
        let mut writer = Writer { rules: self, session, lines: Vec::new() };
        let mut items = Vec::new();
        let now = writer.session.tree.clone();
        for place in self.touched(&diff(&now, &after)) {
            self.removals(&place, &now, &after, &mut items)?;
        }
        writer.write(items)?;
        let mut items = Vec::new();
        let now = writer.session.tree.clone();
        for place in self.touched(&diff(&now, &after)) {
            self.creations(&place, &now, &after, &mut items)?;
        }
        writer.write(items)?;
        writer.go(&Path::root())?;
        let mut left = diff(&writer.session.tree, &after);
        if !left.is_empty() {
            left = diff(&self.normalise(&writer.session.tree), &self.normalise(&after));
        }
        match left.edits.first() {
            None => Ok(writer.lines),
            Some(edit) => Err(GrammarError::Unreachable { path: edit.path().clone() }),
        }
    }

    /// The places that a difference touches, each once.
    fn touched(&self, diff: &Diff) -> BTreeSet<Touched> {
        let places = diff.edits.iter().map(|edit| {
            let path = edit.path();
            let (_, depth, _) = self.context_of(path);
            if depth == path.steps().len() {
                return Touched { context: path.clone(), child: None, whole: !matches!(edit, Edit::Set { .. }) };
            }
            let context = Path::new(path.steps()[..depth].to_vec());
            Touched { context, child: Some(path.steps()[depth].clone()), whole: false }
        });
        places.collect()
    }

    fn removals(
        &self,
        place: &Touched,
        before: &ConfigTree,
        after: &ConfigTree,
        items: &mut Vec<Item>,
    ) -> Result<(), GrammarError> {
        let Some(node) = before.at(&place.context) else { return Ok(()) };
        if place.whole {
            return if after.at(&place.context).is_none() { self.remove(&place.context, node, items) } else { Ok(()) };
        }
        let (context, ..) = self.context_of(&place.context);
        let key = self.key(&place.context, |context| context.remove_order);
        let old = self.units(context, &place.context, node, place.child.as_ref())?;
        let new = match after.at(&place.context) {
            Some(node) => self.units(context, &place.context, node, place.child.as_ref())?,
            None => Vec::new(),
        };
        for unit in old {
            let stays =
                new.iter().any(|new| new.path == unit.path && (new.text == unit.text || self.line(unit.line).replace));
            if !stays {
                items.push(self.removal(&key, &place.context, unit)?);
            }
        }
        self.opaque_items(place, before, after, &key, true, items);
        Ok(())
    }

    /// Removes a context with all its content.
    fn remove(&self, path: &Path, node: &Node, items: &mut Vec<Item>) -> Result<(), GrammarError> {
        let (id, _, bindings) = self.context_of(path);
        let context = self.context(id);
        let key = self.key(path, |context| context.remove_order);
        let owned = self.owns_context(id, &bindings);
        let negation = context.negate.as_ref().filter(|_| owned).and_then(|negate| negate.build(&bindings));
        let line_by_line = context.remove != RemoveSource::Whole || !owned;
        if !line_by_line {
            self.remove_first(path, node, items)?;
        } else {
            for unit in self.units(id, path, node, None)? {
                items.push(self.removal(&key, path, unit)?);
            }
            for child in node.children() {
                let below = path.child(child.step());
                if opaque(child) {
                    items.push(Item::opaque(&key, path, child, self.negated(child)));
                } else if self.child_at(id, &child.step()).is_some() {
                    self.remove(&below, child, items)?;
                }
            }
        }
        if context.remove == RemoveSource::Content {
            return Ok(());
        }
        let (Some(text), Some(parent)) = (negation, path.parent()) else { return Ok(()) };
        let only_if = (context.remove == RemoveSource::Whole).then(|| path.clone());
        let key = [key, vec![(i32::MAX, String::new(), 0, String::new())]].concat();
        let line = CliLine { text, busy: context.busy };
        items.push(Item { key, context: parent, what: What::Line { line, only_if } });
        Ok(())
    }

    /// The lines that must go before a context around them is negated.
    fn remove_first(&self, path: &Path, node: &Node, items: &mut Vec<Item>) -> Result<(), GrammarError> {
        let (id, ..) = self.context_of(path);
        let key = self.key(path, |context| context.remove_order);
        for unit in self.units(id, path, node, None)?.into_iter().filter(|u| self.line(u.line).before_context) {
            items.push(self.removal(&key, path, unit)?);
        }
        for child in node.children().iter().filter(|child| self.child_at(id, &child.step()).is_some()) {
            self.remove_first(&path.child(child.step()), child, items)?;
        }
        Ok(())
    }

    fn creations(
        &self,
        place: &Touched,
        before: &ConfigTree,
        after: &ConfigTree,
        items: &mut Vec<Item>,
    ) -> Result<(), GrammarError> {
        let Some(node) = after.at(&place.context) else { return Ok(()) };
        if place.whole {
            return self.create(&place.context, node, items);
        }
        let (context, ..) = self.context_of(&place.context);
        let key = self.key(&place.context, |context| context.order);
        let old = match before.at(&place.context) {
            Some(node) => self.units(context, &place.context, node, place.child.as_ref())?,
            None => Vec::new(),
        };
        for unit in self.units(context, &place.context, node, place.child.as_ref())? {
            if !old.iter().any(|old| old.path == unit.path && old.text == unit.text) {
                items.push(self.creation(&key, &place.context, unit)?);
            }
        }
        self.opaque_items(place, before, after, &key, false, items);
        Ok(())
    }

    /// Creates a context with all its content.
    fn create(&self, path: &Path, node: &Node, items: &mut Vec<Item>) -> Result<(), GrammarError> {
        let (id, ..) = self.context_of(path);
        let key = self.key(path, |context| context.order);
        let enter = [key.clone(), vec![(i32::MIN, String::new(), 0, String::new())]].concat();
        items.push(Item { key: enter, context: path.clone(), what: What::Enter });
        for unit in self.units(id, path, node, None)? {
            items.push(self.creation(&key, path, unit)?);
        }
        for child in node.children() {
            let below = path.child(child.step());
            if opaque(child) {
                items.push(Item::opaque(&key, path, child, None));
            } else if self.child_at(id, &child.step()).is_some() {
                self.create(&below, child, items)?;
            }
        }
        Ok(())
    }

    fn opaque_items(
        &self,
        place: &Touched,
        before: &ConfigTree,
        after: &ConfigTree,
        key: &[Sort],
        removing: bool,
        items: &mut Vec<Item>,
    ) {
        let Some(step) = place.child.as_ref().filter(|step| matches!(step.key, Key::Opaque(..))) else { return };
        let path = place.context.child(step.clone());
        let (old, new) = (before.at(&path), after.at(&path));
        if old == new {
            return;
        }
        match (removing, old, new) {
            (true, Some(old), _) => items.push(Item::opaque(key, &place.context, old, self.negated(old))),
            (false, _, Some(new)) => items.push(Item::opaque(key, &place.context, new, None)),
            _ => {}
        }
    }

    fn removal(&self, key: &[Sort], context: &Path, unit: Unit) -> Result<Item, GrammarError> {
        let Some(text) = unit.negation(self) else {
            return Err(GrammarError::Permanent { path: unit.path });
        };
        let line = self.line(unit.line);
        let (_, group, _, last) = unit.sort;
        let place = (line.remove_order, group, line.remove_order, last);
        let line = CliLine { text, busy: false };
        let what = What::Line { line, only_if: Some(unit.path) };
        Ok(Item { key: [key, &[place]].concat(), context: context.clone(), what })
    }

    fn creation(&self, key: &[Sort], context: &Path, unit: Unit) -> Result<Item, GrammarError> {
        if unit.is_masked(self) {
            return Err(GrammarError::Secret { path: unit.path });
        }
        let line = CliLine { text: unit.text, busy: false };
        let what = What::Line { line, only_if: None };
        Ok(Item { key: [key, &[unit.sort]].concat(), context: context.clone(), what })
    }

    /// The line that takes an unknown line back: nobody knows better.
    fn negated(&self, node: &Node) -> Option<String> {
        let Key::Opaque(text, _) = node.key() else { return None };
        let no = &self.general.no;
        Some(match text.strip_prefix(no.as_str()).and_then(|rest| rest.strip_prefix(' ')) {
            Some(positive) => positive.to_owned(),
            None => format!("{no} {text}"),
        })
    }

    /// The sort key of a context: one part per level.
    fn key(&self, path: &Path, order: impl Fn(&super::rules::Context) -> i32) -> Vec<Sort> {
        let mut at = ROOT;
        let mut key = Vec::new();
        for step in path.steps() {
            let Some((id, _)) = self.child_at(at, step) else { break };
            let text = Path::new(vec![step.clone()]).to_string();
            key.push((order(self.context(id)), text, 0, String::new()));
            at = id;
        }
        key
    }
}

/// A place that a difference touches: a child of a context, or the context as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Touched {
    context: Path,
    child: Option<Step>,
    whole: bool,
}

/// Something to be written, with its place in the order.
struct Item {
    key: Vec<Sort>,
    context: Path,
    what: What,
}

enum What {
    /// The context only.
    Enter,
    /// A line; a removal only if what it removes is still there.
    Line { line: CliLine, only_if: Option<Path> },
    /// An unknown line with all below it; with `negation` it is taken back.
    Opaque { node: Node, negation: Option<String> },
}

impl Item {
    fn opaque(key: &[Sort], context: &Path, node: &Node, negation: Option<String>) -> Self {
        let text = Path::new(vec![node.step()]).to_string();
        // Unknown lines come last and go first.
        let order = if negation.is_some() { i32::MIN + 1 } else { i32::MAX - 1 };
        let place = (order, text, 0, String::new());
        let what = What::Opaque { node: node.clone(), negation };
        Self { key: [key, &[place]].concat(), context: context.clone(), what }
    }
}

struct Writer<'r> {
    rules: &'r Rules,
    session: Session,
    lines: Vec<CliLine>,
}

impl Writer<'_> {
    fn write(&mut self, mut items: Vec<Item>) -> Result<(), GrammarError> {
        items.sort_by(|a, b| a.key.cmp(&b.key));
        for item in items {
            match item.what {
                What::Enter => self.go(&item.context)?,
                What::Line { line, only_if } => {
                    if only_if.as_ref().is_some_and(|path| !self.stands(path)) {
                        continue;
                    }
                    self.go(&item.context)?;
                    self.push(line)?;
                }
                What::Opaque { node, negation: Some(text) } => {
                    let path = item.context.child(node.step());
                    if self.session.tree.at(&path).is_some() {
                        self.go(&item.context)?;
                        self.lines.push(CliLine { text, busy: false });
                        self.session.tree = self.rules.change(&self.session.tree, &[Effect::Clear(path)]);
                    }
                }
                What::Opaque { node, negation: None } => {
                    if has_secret(&node) {
                        return Err(GrammarError::Secret { path: item.context.child(node.step()) });
                    }
                    self.go(&item.context)?;
                    let mut text = String::new();
                    print_opaque(&node, 0, &self.rules.general.leave, &mut text);
                    self.lines.extend(text.lines().map(|l| CliLine { text: l.trim().to_owned(), busy: false }));
                    let path = item.context.child(node.step());
                    self.session.tree = plant(&self.session.tree, &path, node);
                }
            }
        }
        Ok(())
    }

    /// Whether a path still stands; the path of a list of members is that of the leaf-list.
    fn stands(&self, path: &Path) -> bool {
        if self.session.tree.at(path).is_some() {
            return true;
        }
        let (Some(parent), Some(step)) = (path.parent(), path.last()) else { return false };
        let parent = self.session.tree.at(&parent);
        step.key == Key::Single && parent.is_some_and(|p| p.children().iter().any(|c| c.name() == &step.name))
    }

    /// Leaves and enters contexts until this one is reached.
    fn go(&mut self, target: &Path) -> Result<(), GrammarError> {
        while !self.session.stack.last().is_none_or(|(_, at)| target.starts_with(at)) {
            let Some((id, _)) = self.session.stack.last() else { break };
            let text = self.rules.context(*id).exit.clone();
            self.push_any(CliLine { text, busy: false })?;
        }
        while let Some((at, path)) = self.session.stack.last().cloned() {
            let Some(step) = target.steps().get(path.steps().len()) else { break };
            let (id, bindings) =
                self.rules.child_at(at, step).ok_or_else(|| GrammarError::NotALine { path: target.clone() })?;
            let text = self.rules.context(id).enter.build(&bindings);
            let text = text.ok_or_else(|| GrammarError::NotALine { path: target.clone() })?;
            self.push_any(CliLine { text, busy: false })?;
            if self.session.stack.last().map(|(_, path)| path.steps().len()) != Some(path.steps().len() + 1) {
                return Err(GrammarError::Unreachable { path: target.clone() });
            }
        }
        Ok(())
    }

    /// Types a line that must not change the mode.
    fn push(&mut self, line: CliLine) -> Result<(), GrammarError> {
        let depth = self.session.stack.len();
        let text = line.text.clone();
        self.push_any(line)?;
        if self.session.stack.len() != depth {
            return Err(GrammarError::Refused { line: text, answer: "the line changes the mode".to_owned() });
        }
        Ok(())
    }

    fn push_any(&mut self, line: CliLine) -> Result<(), GrammarError> {
        let typed = self.rules.type_line(&mut self.session, &line.text);
        typed.map_err(|answer| GrammarError::Refused { line: line.text.clone(), answer })?;
        self.lines.push(line);
        Ok(())
    }
}

fn has_secret(node: &Node) -> bool {
    let own = matches!(node.key(), Key::Opaque(text, _) if text.ends_with(SECRET));
    own || node.children().iter().any(|child| has_secret(child))
}

fn members<'a>(node: &'a Node, step: &super::nodepath::NodeStep) -> Vec<&'a str> {
    let members = node.children().iter().filter(|child| child.name() == &step.name);
    members.filter_map(|member| member.value()).map(|value| value.as_str()).collect()
}

fn print_opaque(node: &Node, depth: usize, leave: &str, out: &mut String) {
    let Key::Opaque(text, _) = node.key() else { return };
    let indent = " ".repeat(depth);
    out.extend([indent.as_str(), &text, "\n"]);
    for child in node.children() {
        print_opaque(child, depth + 1, leave, out);
    }
    if !node.children().is_empty() {
        out.extend([indent.as_str(), leave, "\n"]);
    }
}
