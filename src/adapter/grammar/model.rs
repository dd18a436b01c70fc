//! The model of the element: what typed lines make of a tree, refusals included.
//!
//! The simulator answers with it, and the renderer checks every payload with it before anyone sends it. It knows what
//! the grammar knows: a line that is not in the grammar is unknown to the model as well.

use super::effect::filled;
use super::nodepath::{NodePath, NodeStep};
use super::pattern::Bindings;
use super::rules::{Action, Condition, ContextId, ROOT, Rules};
use crate::tree::{ConfigTree, Key, Node, Path};

/// A line that the element refuses; the lines before it stay done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct ExecuteError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What the element answers.
    pub text: String,
    /// The tree as the lines before it left it.
    pub tree: ConfigTree,
}

/// A session in configuration mode.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) tree: ConfigTree,
    pub(super) stack: Vec<(ContextId, Path)>,
    /// Lines of which the grammar knows the beginning only are taken too: the renderer may have to type them back.
    pub(super) lenient: bool,
}

impl Session {
    /// A session at the top of configuration mode.
    pub(super) fn new(tree: ConfigTree) -> Self {
        Self { tree, stack: vec![(ROOT, Path::root())], lenient: false }
    }

    /// What the element says now.
    pub fn tree(&self) -> &ConfigTree {
        &self.tree
    }
}

impl Rules {
    /// Types one line. An error leaves tree and mode as they were; its text is what the element answers.
    pub(super) fn type_line(&self, session: &mut Session, raw: &str) -> Result<(), String> {
        let words: Vec<&str> = raw.split_whitespace().collect();
        let Some(first) = words.first() else { return Ok(()) };
        if first.starts_with(self.general.comment.as_str()) {
            return Ok(());
        }
        if words.len() == 1 && *first == self.general.end {
            session.stack.truncate(1);
            return Ok(());
        }
        if words.len() == 1 && *first == self.general.leave {
            if session.stack.len() > 1 {
                session.stack.pop();
            }
            return Ok(());
        }
        if words.len() == 1
            && let Some(depth) = session.stack.iter().rposition(|(id, _)| self.context(*id).exit == *first)
            && depth > 0
        {
            session.stack.truncate(depth);
            return Ok(());
        }
        for depth in (0..session.stack.len()).rev() {
            let (context, path) = session.stack[depth].clone();
            for (condition, text, bindings) in self.refusals(context, &words) {
                if let Some(text) = refusal(&session.tree, condition, text, &path, &bindings) {
                    return Err(text);
                }
            }
            let Some((action, bindings)) = self.lookup(context, &words) else { continue };
            let effects = match action {
                Action::Enter(id) => {
                    let Some((path, effect)) = self.enter(*id, &path, &bindings) else { continue };
                    session.tree = self.change(&session.tree, &[effect]);
                    session.stack.truncate(depth + 1);
                    session.stack.push((*id, path));
                    return Ok(());
                }
                // The beginning of a line is not a line.
                Action::Put(id) | Action::Negate(id) if self.line(*id).opaque && !session.lenient => continue,
                Action::Put(id) => self.put(*id, &path, &bindings),
                Action::Negate(id) => self.negate(*id, &path, &bindings),
                Action::NegateContext(id) => self.negate_context(*id, &path, &bindings),
                Action::Refuse(..) => continue,
            };
            session.stack.truncate(depth + 1);
            session.tree = self.change(&session.tree, &effects);
            return Ok(());
        }
        Err(self.general.unknown.replace("{line}", raw.trim_end()))
    }

    /// Types all lines, stops at the first that is refused.
    pub(super) fn execute(&self, tree: &ConfigTree, lines: &[&str]) -> Result<ConfigTree, ExecuteError> {
        let mut session = Session::new(tree.clone());
        for (at, line) in lines.iter().enumerate() {
            if let Err(text) = self.type_line(&mut session, line) {
                return Err(ExecuteError { line: at + 1, text, tree: self.normalise(&session.tree) });
            }
        }
        Ok(self.normalise(&session.tree))
    }
}

fn refusal(tree: &ConfigTree, condition: &Condition, text: &str, base: &Path, bindings: &Bindings) -> Option<String> {
    let exists = |absolute: bool, node: &NodePath| {
        let base = if absolute { Some(tree.root()) } else { tree.at(base) };
        base.is_some_and(|base| stands(base, &node.steps, bindings))
    };
    match condition {
        Condition::Always => Some(filled(text, bindings)),
        Condition::Exists { absolute, path } => exists(*absolute, path).then(|| filled(text, bindings)),
        Condition::Missing { absolute, path } => (!exists(*absolute, path)).then(|| filled(text, bindings)),
        Condition::Other { path } => {
            let want = path.steps.first()?.place(bindings)?;
            let Key::Entry(wanted) = &want.key else { return None };
            tree.top().iter().filter(|node| node.name() == &want.name).find_map(|node| {
                let Key::Entry(keys) = node.key() else { return None };
                let ((_, found), same) = keys.split_first()?;
                let conflict = same == &wanted[1..] && *found != wanted[0].1;
                conflict.then(|| filled(text, bindings).replace("{found}", found.as_str()))
            })
        }
    }
}

/// Whether some node stands at these steps; a list step whose keys are not all bound means any entry.
fn stands(node: &Node, steps: &[NodeStep], bindings: &Bindings) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let want = step.place(bindings).filter(|want| want.key != Key::Single);
    let named = node.children().iter().filter(|child| child.name() == &step.name);
    named.filter(|child| want.as_ref().is_none_or(|want| child.is_at(want))).any(|c| stands(c, rest, bindings))
}
