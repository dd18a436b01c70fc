//! Tree to lines: which lines a context consists of. Text for people and payloads are both made of these.

use super::GrammarError;
use super::effect::{SECRET, named};
use super::pattern::Bindings;
use super::rules::{ContextId, Line, LineId, Rules, Shape};
use crate::tree::{Body, Node, Path, Step, count};

/// A line that stands for a part of the tree.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) line: LineId,
    /// What it stands for; equal in two trees = the same line with perhaps another value. For a list of members the
    /// leaf-list itself.
    pub(super) path: Path,
    pub(super) text: String,
    pub(super) bindings: Bindings,
    /// Place among its siblings: the order of the lines of one list entry is kept together.
    pub(super) sort: Sort,
}

/// Place of an item among its siblings.
pub(super) type Sort = (i32, String, i32, String);

impl Rules {
    /// The lines of a context in order of creation. With `only` those that concern children at these steps.
    pub(super) fn units(
        &self,
        context: ContextId,
        base: &Path,
        node: &Node,
        only: Option<&Step>,
    ) -> Result<Vec<Unit>, GrammarError> {
        let mut units = Vec::new();
        let context = self.context(context);
        let lines = match only {
            Some(step) => context.lines_at(&step.name),
            None => &context.lines,
        };
        for id in lines {
            let line = self.line(*id);
            if line.alias {
                continue;
            }
            let Some(first) = line.nodes[0].steps.first() else { continue };
            if only.is_some_and(|step| step.name != first.name) {
                continue;
            }
            // A list of members is one line, whichever member is asked for; of an ordered list the whole order counts.
            let whole = line.shape == Shape::Members || line.ordered && line.nodes[0].steps.len() == 1;
            let only = only.filter(|_| !whole);
            let mut walk = Walk { id: *id, line, units: &mut units };
            walk.down(0, node, base, &Bindings::new(), only)?;
        }
        units.sort_by(|a, b| a.sort.cmp(&b.sort));
        Ok(units)
    }
}

struct Walk<'a> {
    id: LineId,
    line: &'a Line,
    units: &'a mut Vec<Unit>,
}

impl Walk<'_> {
    fn down(
        &mut self,
        depth: usize,
        node: &Node,
        path: &Path,
        bindings: &Bindings,
        only: Option<&Step>,
    ) -> Result<(), GrammarError> {
        let nodes = &self.line.nodes[0];
        let (want, last) = (&nodes.steps[depth], depth + 1 == nodes.steps.len());
        if last && self.line.shape == Shape::Members {
            return self.members(node, path, bindings);
        }
        let found: Vec<&Node> = match (only, want.keys.is_empty() && !(last && nodes.member)) {
            (Some(step), _) => node.child(step).into_iter().collect(),
            (None, true) => node.child(&Step::single(want.name.clone())).into_iter().collect(),
            (None, false) => named(node, &want.name).collect(),
        };
        count(found.len());
        for (turn, child) in found.into_iter().enumerate() {
            let mut bindings = bindings.clone();
            let step = child.step();
            if !want.bind(&step, &mut bindings) {
                continue;
            }
            let path = path.child(step);
            if !last {
                self.down(depth + 1, child, &path, &bindings, None)?;
            } else if self.value(child, &mut bindings) {
                self.unit(path, bindings, turn)?;
            } else {
                return Err(GrammarError::NotALine { path });
            }
        }
        Ok(())
    }

    /// Takes the value of a node into the bindings.
    fn value(&self, node: &Node, bindings: &mut Bindings) -> bool {
        match (self.line.shape, node.body()) {
            (Shape::Leaf, Body::Leaf(value)) => self.line.bind_value(value.as_str(), bindings),
            (Shape::Member, Body::Member { .. }) => {
                node.value().is_some_and(|value| self.line.bind_value(value.as_str(), bindings))
            }
            (Shape::Entry, Body::Entry { .. }) => node.children().iter().all(|child| match child.body() {
                Body::Leaf(value) => {
                    let name = child.name().name.as_str();
                    let known = self.line.value.arg(name).and_then(|ty| ty.canonical(value.as_str()));
                    known.map(|value| bindings.insert(name.to_owned(), vec![value])).is_some()
                }
                _ => false,
            }),
            _ => false,
        }
    }

    fn members(&mut self, node: &Node, path: &Path, bindings: &Bindings) -> Result<(), GrammarError> {
        let Some(last) = self.line.nodes[0].last() else { return Ok(()) };
        let members = named(node, &last.name);
        let values: Vec<String> = members.filter_map(|m| m.value()).map(|v| v.as_str().to_owned()).collect();
        if values.is_empty() {
            return Ok(());
        }
        let mut bindings = bindings.clone();
        if let Some((name, _, _)) = self.line.value.args().into_iter().find(|(_, _, many)| *many) {
            bindings.insert(name.to_owned(), values);
        }
        self.unit(path.child(Step::single(last.name.clone())), bindings, 0)
    }

    fn unit(&mut self, path: Path, bindings: Bindings, turn: usize) -> Result<(), GrammarError> {
        let text = match &self.line.block {
            Some(block) => block.print(&bindings),
            None => self.line.pattern.build(&bindings),
        };
        let Some(text) = text else { return Err(GrammarError::NotALine { path }) };
        let first = &self.line.nodes[0].steps[0];
        let grouped = self.line.nodes[0].steps.len() > 1;
        let group = if grouped { first.place(&bindings) } else { None };
        let group = group.map(|step| Path::new(vec![step]).to_string()).unwrap_or_default();
        let place = if self.line.ordered { format!("{turn:010}") } else { text.clone() };
        let sort = (self.line.block_order, group, self.line.order, place);
        self.units.push(Unit { line: self.id, path, text, bindings, sort });
        Ok(())
    }
}

impl Unit {
    /// Whether its text holds a masked secret, so that it cannot be typed.
    pub(super) fn is_masked(&self, rules: &Rules) -> bool {
        let line = rules.line(self.line);
        (line.secret || line.opaque) && self.bindings.values().flatten().any(|value| value.ends_with(SECRET))
    }

    /// The line that takes it back.
    pub(super) fn negation(&self, rules: &Rules) -> Option<String> {
        rules.line(self.line).negates.first()?.build(&self.bindings)
    }

    /// The list that it is a member of, where the order of that list counts.
    pub(super) fn list(&self, rules: &Rules) -> Option<(LineId, Path)> {
        if rules.line(self.line).ordered { Some((self.line, self.path.parent()?)) } else { None }
    }
}
