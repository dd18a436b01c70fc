//! What may not be touched, and what the element never lets go.

use super::super::GrammarError;
use super::super::effect::plant;
use super::super::read::FOREIGN;
use super::super::rules::{ContextId, Line, Rules, Verb};
use super::Protection;
use crate::tree::{ConfigTree, Diff, Edit, Node, Path};

impl Rules {
    /// The wanted tree with what the element keeps of the old one whatever is typed. The cost follows the difference.
    pub(in super::super) fn lasting(&self, difference: &Diff, after: &ConfigTree) -> ConfigTree {
        if !self.has_lasting {
            return after.clone();
        }
        difference.edits.iter().fold(after.clone(), |tree, edit| match edit {
            Edit::Remove { path, node, .. } | Edit::Replace { path, old: node, .. } => {
                let mut kept = Vec::new();
                self.kept(path, node, &mut kept);
                kept.into_iter().fold(tree, |tree, (path, node)| match tree.at(&path) {
                    Some(_) => tree,
                    None => plant(&tree, &path, node),
                })
            }
            _ => tree,
        })
    }

    /// The lines and contexts at or below a place that are never deleted.
    fn kept(&self, path: &Path, node: &Node, out: &mut Vec<(Path, Node)>) {
        let (id, depth, _) = self.context_of(path);
        let rest = &path.steps()[depth..];
        let context = self.context(id);
        if rest.is_empty() && context.never_delete && context.presence {
            out.push((path.clone(), node.with_children([])));
        }
        let lines = rest.first().map(|step| context.lines_at(&step.name)).unwrap_or_default();
        let mut lines = lines.iter().map(|id| self.line(*id)).filter(|line| line.never_delete);
        if lines.any(|line| line.nodes.iter().any(|place| place.covers(rest))) {
            out.push((path.clone(), node.clone()));
            return;
        }
        for child in node.children() {
            self.kept(&path.child(child.step()), child, out);
        }
    }

    /// Whether a context holds something that is never deleted; an error where it holds something protected.
    pub(super) fn keeps_something(
        &self,
        id: ContextId,
        path: &Path,
        node: &Node,
        protection: Protection,
    ) -> Result<bool, GrammarError> {
        let mut keeps = self.context(id).never_delete && self.context(id).presence;
        let held = protection == Protection::Held;
        if held && self.context(id).protected {
            return Err(GrammarError::Protected { path: path.clone() });
        }
        for unit in self.units(id, path, node, None)? {
            let line = self.line(unit.line);
            if held && line.protected {
                return Err(GrammarError::Protected { path: unit.path });
            }
            keeps |= line.never_delete;
        }
        for child in node.children() {
            let step = child.step();
            if let Some((below, _)) = self.child_at(id, &step) {
                keeps |= self.keeps_something(below, &path.child(step), child, protection)?;
            }
        }
        Ok(keeps)
    }

    /// Refuses what is protected.
    pub(super) fn guard(&self, path: &Path, protection: Protection) -> Result<(), GrammarError> {
        match protection {
            Protection::Held if self.is_protected(path) => Err(GrammarError::Protected { path: path.clone() }),
            _ => Ok(()),
        }
    }

    /// The same for the node of a line.
    pub(super) fn guard_line(&self, path: &Path, line: &Line, protection: Protection) -> Result<(), GrammarError> {
        match protection {
            Protection::Held if line.protected => Err(GrammarError::Protected { path: path.clone() }),
            _ => self.guard(path, protection),
        }
    }

    /// The line that takes an unknown line back: nobody knows better. `None` for what is no statement.
    pub(super) fn negated(&self, node: &Node) -> Option<String> {
        let text = node.opaque_text().filter(|_| node.name().name.as_str() != FOREIGN)?;
        if self.verbs.has(Verb::Delete) {
            return Some(text.to_owned());
        }
        let no = &self.general.no;
        Some(match text.strip_prefix(no.as_str()).and_then(|rest| rest.strip_prefix(' ')) {
            Some(positive) => positive.to_owned(),
            None => format!("{no} {text}"),
        })
    }
}
