//! The model of the element: what typed lines make of a tree, refusals included.
//!
//! The simulator answers with it, and the renderer checks every payload with it before anyone sends it. It knows what
//! the grammar knows: a line that is not in the grammar is unknown to the model as well.

use super::block::Open;
use super::effect::{Effect, Place, filled};
use super::lex::{Token, lex};
use super::nodepath::{NodePath, NodeStep};
use super::pattern::Bindings;
use super::resolve::{Found, What, spread};
use super::rules::{Action, Condition, ContextId, ROOT, Rules, Verb};
use crate::tree::{ConfigTree, Key, Node, Path, Step, Value, ValueKind};

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
    /// The block that the next lines belong to.
    pub(super) block: Option<Open>,
    /// Lines of which the grammar knows the beginning only are taken too: the renderer may have to type them back.
    pub(super) lenient: bool,
}

impl Session {
    /// A session at the top of configuration mode.
    pub(super) fn new(tree: ConfigTree) -> Self {
        Self { tree, stack: vec![(ROOT, Path::root())], block: None, lenient: false }
    }

    /// What the element says now.
    pub fn tree(&self) -> &ConfigTree {
        &self.tree
    }
}

impl Rules {
    /// Types one line. An error leaves tree and mode as they were; its text is what the element answers.
    pub(super) fn type_line(&self, session: &mut Session, raw: &str) -> Result<(), String> {
        if let Some(open) = session.block.take() {
            match open.next(raw) {
                Ok(open) => session.block = Some(open),
                Err(closed) => {
                    let effects = self.put(closed.line, &closed.base, &closed.bindings);
                    session.tree = self.change(&session.tree, &effects);
                }
            }
            return Ok(());
        }
        let words = lex(raw, self.quoting);
        let Some(first) = words.first() else { return Ok(()) };
        if raw.trim_start().starts_with(self.general.comment.as_str()) {
            return Ok(());
        }
        if words.len() == 1 && !self.general.end.is_empty() && first.text == self.general.end {
            session.stack.truncate(1);
            return Ok(());
        }
        if self.is_absolute() {
            return self.type_statement(session, raw, &words);
        }
        if words.len() == 1 && self.leaves(session, &first.text) {
            return Ok(());
        }
        for depth in (0..session.stack.len()).rev() {
            let (context, path) = session.stack[depth].clone();
            self.refused(session, context, &path, &words)?;
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
                Action::Put(id) if self.line(*id).block.is_some() => {
                    session.stack.truncate(depth + 1);
                    match Open::begin(self.line(*id), *id, &path, bindings) {
                        Ok(open) => session.block = Some(open),
                        Err(closed) => {
                            let effects = self.put(closed.line, &closed.base, &closed.bindings);
                            session.tree = self.change(&session.tree, &effects);
                        }
                    }
                    return Ok(());
                }
                Action::Put(id) => self.put(*id, &path, &bindings),
                Action::Negate(id) => self.negate(*id, &path, &bindings),
                Action::NegateContext(id) => self.negate_context(*id, &path, &bindings),
                Action::Operate => Vec::new(),
                Action::Refuse(..) => continue,
            };
            session.stack.truncate(depth + 1);
            session.tree = self.change(&session.tree, &effects);
            return Ok(());
        }
        Err(self.general.unknown.replace("{line}", raw.trim_end()))
    }

    /// Whether a word leaves contexts, which is then done.
    fn leaves(&self, session: &mut Session, word: &str) -> bool {
        if word == self.general.leave {
            if session.stack.len() > 1 {
                session.stack.pop();
            }
            return true;
        }
        if word == self.general.top && !word.is_empty() {
            session.stack.truncate(1);
            return true;
        }
        match session.stack.iter().rposition(|(id, _)| self.context(*id).exit == word) {
            Some(depth) if depth > 0 => {
                session.stack.truncate(depth);
                true
            }
            _ => false,
        }
    }

    /// Types a line that carries its whole path.
    fn type_statement(&self, session: &mut Session, raw: &str, words: &[Token<'_>]) -> Result<(), String> {
        let unknown = || self.general.unknown.replace("{line}", raw.trim_end());
        let (verb, words) = self.verbs.of(words).ok_or_else(unknown)?;
        let before = session.tree.clone();
        for words in spread(words) {
            let typed = match self.resolve(verb, &words) {
                Ok(found) => self
                    .refused(session, found.context, &found.path, &words[words.len() - found.left..])
                    .and_then(|()| match self.statement(&session.tree, verb, &found, session.lenient) {
                        Some(effects) => {
                            session.tree = self.change(&session.tree, &effects);
                            Ok(())
                        }
                        None => Err(unknown()),
                    }),
                Err(_) => Err(unknown()),
            };
            if let Err(text) = typed {
                session.tree = before;
                return Err(text);
            }
        }
        Ok(())
    }

    /// What a statement does to a tree; `None` if the element does not take it.
    pub(super) fn statement(&self, tree: &ConfigTree, verb: Verb, found: &Found, lenient: bool) -> Option<Vec<Effect>> {
        let Found { context, path, bindings, .. } = found;
        let known = |id| lenient || !self.line(id).opaque;
        Some(match (verb, found.what) {
            (_, What::Operate) => Vec::new(),
            (Verb::Put, What::Context) => found.entered.clone(),
            (Verb::Put, What::Line(id)) if known(id) => {
                let mut effects = found.entered.clone();
                effects.extend(self.put(id, path, bindings));
                effects
            }
            (_, What::NegatedContext(id)) => self.negate_context(id, path, bindings),
            (Verb::Put | Verb::Delete, What::Negated(id)) if known(id) => self.negate(id, path, bindings),
            (Verb::Delete, What::Context) if *context != ROOT => {
                let parent = path.parent()?;
                let (_, _, bindings) = self.context_of(path);
                self.negate_context(*context, &parent, &bindings)
            }
            (Verb::Deactivate | Verb::Activate, _) => {
                let stands = tree.at(path).is_some_and(|node| self.marks_something(node, found));
                let step = self.mark_of(found)?;
                match verb {
                    Verb::Activate => vec![Effect::Clear(path.child(step))],
                    _ if !stands => Vec::new(),
                    _ => vec![Effect::Put(path.child(step.clone()), mark_place(&step))],
                }
            }
            _ => return None,
        })
    }

    /// The step below the context that marks a statement as deactivated.
    pub(super) fn mark_of(&self, found: &Found) -> Option<Step> {
        match found.what {
            What::Context if found.context != ROOT => Some(Step::single(self.inactive())),
            What::Negated(id) => {
                let text = self.line(id).mark_text(&found.bindings)?;
                Some(self.inactive_step(&text))
            }
            _ => None,
        }
    }

    /// Whether a statement is there to be deactivated.
    fn marks_something(&self, context: &Node, found: &Found) -> bool {
        match found.what {
            What::Negated(id) => self.line(id).nodes.iter().any(|node| stands(context, &node.steps, &found.bindings)),
            _ => true,
        }
    }

    fn refused(&self, session: &Session, context: ContextId, path: &Path, words: &[Token<'_>]) -> Result<(), String> {
        for (condition, text, bindings) in self.refusals(context, words) {
            if let Some(text) = refusal(&session.tree, condition, text, path, &bindings) {
                return Err(text);
            }
        }
        Ok(())
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

/// What stands where something is marked as deactivated.
pub(super) fn mark_place(step: &Step) -> Place {
    match step.key {
        Key::Single => Place::Leaf(Value::new(ValueKind::Empty, "")),
        _ => Place::Node,
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
                let ((_, found), same) = node.keys()?.split_first()?;
                let conflict = same == &wanted[1..] && *found != wanted[0].1;
                conflict.then(|| filled(text, bindings).replace("{found}", found.as_str()))
            })
        }
    }
}

/// Whether some node stands at these steps; a list step whose keys are not all bound means any entry.
pub(super) fn stands(node: &Node, steps: &[NodeStep], bindings: &Bindings) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let want = step.place(bindings).filter(|want| want.key != Key::Single);
    if let Some(want) = want {
        return node.child(&want).is_some_and(|child| stands(child, rest, bindings));
    }
    super::effect::named(node, &step.name).any(|child| stands(child, rest, bindings))
}
