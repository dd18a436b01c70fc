//! Tree to lines: which lines a context consists of. Text for people and payloads are both made of these.

use super::GrammarError;
use super::effect::SECRET;
use super::pattern::Bindings;
use super::rules::{ContextId, Line, LineId, Rules, Shape};
use crate::tree::{Body, Key, Node, Path, Step};

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
        for id in &self.context(context).lines {
            let line = self.line(*id);
            if line.alias {
                continue;
            }
            let Some(first) = line.nodes[0].steps.first() else { continue };
            if only.is_some_and(|step| step.name != first.name) {
                continue;
            }
            // A list of members is one line, whichever member is asked for.
            let only = only.filter(|step| !matches!(step.key, Key::Member(_)) || line.shape != Shape::Members);
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
        let found = match only {
            Some(step) => node.child(step).into_iter().cloned().collect(),
            None => node.children().iter().filter(|c| c.name() == &want.name).cloned().collect::<Vec<_>>(),
        };
        for child in found {
            let mut bindings = bindings.clone();
            let path = path.child(child.step());
            if !want.bind(&child.step(), &mut bindings) {
                continue;
            }
            if !last {
                self.down(depth + 1, &child, &path, &bindings, None)?;
            } else if self.value(&child, &mut bindings) {
                self.unit(path, bindings)?;
            } else {
                return Err(GrammarError::NotALine { path });
            }
        }
        Ok(())
    }

    /// Takes the value of a node into the bindings.
    fn value(&self, node: &Node, bindings: &mut Bindings) -> bool {
        match (self.line.shape, node.body()) {
            (Shape::Leaf, Body::Leaf(value)) if self.line.secret => {
                let name = self.line.value.args().first().map(|(name, _, _)| (*name).to_owned());
                bindings.extend(name.map(|name| (name, vec![value.as_str().to_owned()])));
                true
            }
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
        let members = node.children().iter().filter(|child| child.name() == &last.name);
        let values: Vec<String> = members.filter_map(|m| m.value()).map(|v| v.as_str().to_owned()).collect();
        if values.is_empty() {
            return Ok(());
        }
        let mut bindings = bindings.clone();
        if let Some((name, _, _)) = self.line.value.args().into_iter().find(|(_, _, many)| *many) {
            bindings.insert(name.to_owned(), values);
        }
        self.unit(path.child(Step::single(last.name.clone())), bindings)
    }

    fn unit(&mut self, path: Path, bindings: Bindings) -> Result<(), GrammarError> {
        let Some(text) = self.line.pattern.build(&bindings) else {
            return Err(GrammarError::NotALine { path });
        };
        let first = &self.line.nodes[0].steps[0];
        let grouped = self.line.nodes[0].steps.len() > 1;
        let group = if grouped { first.place(&bindings) } else { None };
        let group = group.map(|step| Path::new(vec![step]).to_string()).unwrap_or_default();
        let sort = (self.line.block_order, group, self.line.order, text.clone());
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
}
