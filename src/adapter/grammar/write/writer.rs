//! Items become lines, each typed into the model of the element at once.

use super::super::GrammarError;
use super::super::effect::Effect;
use super::super::model::Session;
use super::super::rules::{Rules, Verb, answers};
use super::super::source::AskedSource;
use super::super::text::{has_secret, print_opaque};
use super::Protection;
use super::items::{Item, What};
use crate::adapter::CliLine;
use crate::tree::{After, ConfigTree, Key, Node, Path};

/// A payload that is being written.
pub(super) struct Writer<'r> {
    pub(super) rules: &'r Rules,
    pub(super) session: Session,
    pub(super) after: &'r ConfigTree,
    pub(super) protection: Protection,
    pub(super) lines: Vec<CliLine>,
}

impl Writer<'_> {
    pub(super) fn write(&mut self, items: Vec<Item>) -> Result<(), GrammarError> {
        for item in items {
            match item.what {
                What::Enter if self.rules.is_absolute() => {
                    if self.session.tree.at(&item.context).is_none() {
                        self.push(&item.context, Verb::Put, CliLine::new(""))?;
                    }
                }
                What::Enter => self.go(&item.context)?,
                What::Line { text, verb, busy, answers, only_if } => {
                    if only_if.as_ref().is_some_and(|path| !self.stands(path)) {
                        continue;
                    }
                    self.go(&item.context)?;
                    self.push(&item.context, verb, CliLine { busy, answers, ..CliLine::new(text) })?;
                }
                What::Opaque { node, negation: Some(text) } => {
                    let path = item.context.child(node.step());
                    if self.session.tree.at(&path).is_some() {
                        self.go(&item.context)?;
                        let text = self.whole(&item.context, Verb::Delete, &text)?;
                        self.lines.push(CliLine::new(text));
                        self.session.tree = self.rules.change(&self.session.tree, &[Effect::Clear(path)]);
                    }
                }
                What::Opaque { node, negation: None } => self.opaque(&item.context, node)?,
            }
        }
        Ok(())
    }

    /// Types an unknown line with all below it, as it was read; it comes to stand where it is wanted.
    fn opaque(&mut self, context: &Path, node: Node) -> Result<(), GrammarError> {
        let path = context.child(node.step());
        if has_secret(&node) {
            return Err(GrammarError::Secret { path });
        }
        self.go(context)?;
        let mut text = String::new();
        print_opaque(&node, 0, &self.rules.general.leave, &mut text);
        for line in text.lines() {
            let text = self.whole(context, Verb::Put, line.trim())?;
            self.lines.push(CliLine::new(text));
        }
        let siblings = self.after.at(context).map(|node| node.children().to_vec()).unwrap_or_default();
        let at = siblings.iter().position(|child| child.is_beside(&node)).unwrap_or_default();
        let before = siblings[..at].iter().rev().take_while(|child| child.name() == node.name());
        let standing = |child: &&Node| self.session.tree.at(&context.child(child.step())).is_some();
        let before = before.into_iter().find(standing).map(Node::step);
        let after = before.as_ref().map_or(After::First, After::Sibling);
        self.session.tree = self.session.tree.with(context, node, after);
        Ok(())
    }

    /// Whether a path still stands; the path of a list of members is that of the leaf-list.
    fn stands(&self, path: &Path) -> bool {
        if self.session.tree.at(path).is_some() {
            return true;
        }
        let (Some(parent), Some(step)) = (path.parent(), path.last()) else { return false };
        let parent = self.session.tree.at(&parent);
        step.key == Key::Single && parent.is_some_and(|p| super::super::effect::named(p, &step.name).next().is_some())
    }

    /// Leaves and enters contexts until this one is reached. Where lines carry their path there is nowhere to go.
    pub(super) fn go(&mut self, target: &Path) -> Result<(), GrammarError> {
        if self.rules.is_absolute() {
            return Ok(());
        }
        while !self.session.stack.last().is_none_or(|(_, at)| target.starts_with(at)) {
            let Some((id, _)) = self.session.stack.last() else { break };
            let text = self.rules.context(*id).exit.clone();
            self.push_any(CliLine::new(text))?;
        }
        while let Some((at, path)) = self.session.stack.last().cloned() {
            let Some(step) = target.steps().get(path.steps().len()) else { break };
            let (id, bindings) =
                self.rules.child_at(at, step).ok_or_else(|| GrammarError::NotALine { path: target.clone() })?;
            let context = self.rules.context(id);
            let text = context.enter.build(&bindings);
            let text = text.ok_or_else(|| GrammarError::NotALine { path: target.clone() })?;
            let new = self.session.tree.at(&path.child(step.clone())).is_none();
            let answers = if new { answers(&context.dialogue, AskedSource::Create) } else { Vec::new() };
            self.push_any(CliLine { answers, ..CliLine::new(text) })?;
            if self.session.stack.last().map(|(_, path)| path.steps().len()) != Some(path.steps().len() + 1) {
                return Err(GrammarError::Unreachable { path: target.clone() });
            }
        }
        Ok(())
    }

    /// A line of a context as it is typed: where lines carry their path, with its verb and its path.
    fn whole(&self, context: &Path, verb: Verb, text: &str) -> Result<String, GrammarError> {
        if !self.rules.is_absolute() {
            return Ok(text.to_owned());
        }
        let prefix = self.rules.prefix(context).ok_or_else(|| GrammarError::NotALine { path: context.clone() })?;
        let verb = if self.rules.verbs.has(verb) { verb } else { Verb::Put };
        Ok(self.rules.statement_text(verb, &prefix, text))
    }

    /// Types a line that must not change the mode.
    fn push(&mut self, context: &Path, verb: Verb, line: CliLine) -> Result<(), GrammarError> {
        let depth = self.session.stack.len();
        let text = self.whole(context, verb, &line.text)?;
        self.push_any(CliLine { text: text.clone(), ..line })?;
        if self.session.stack.len() != depth {
            return Err(GrammarError::Refused { line: text, answer: "the line changes the mode".to_owned() });
        }
        Ok(())
    }

    /// Types a line; one that holds a block is typed line by line, and asks behind the last one.
    fn push_any(&mut self, line: CliLine) -> Result<(), GrammarError> {
        let count = line.text.split('\n').count();
        for (at, text) in line.text.split('\n').enumerate() {
            let typed = self.rules.type_line(&mut self.session, text);
            typed.map_err(|answer| GrammarError::Refused { line: text.to_owned(), answer })?;
            let last = at + 1 == count;
            let answers = if last { line.answers.clone() } else { Vec::new() };
            self.lines.push(CliLine { text: text.to_owned(), busy: line.busy && last, answers, more: !last });
        }
        Ok(())
    }
}
