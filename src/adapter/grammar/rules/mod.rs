//! A compiled grammar: contexts and lines, found by the words of a line or by a place in the tree.
//!
//! The order of a context's patterns is fixed by their weight, so a special line is tried before a general one.

mod compile;
mod line;

pub(super) use line::{Block, Cascade, Implied, Line, Question, Reference, Sequence, Shape, Target, answers};

use super::effect::SECRET;
use super::lex::{Quoting, Token};
use super::nodepath::NodePath;
use super::pattern::{Bindings, Pattern};
use super::source::{Family, GeneralSource, ImpactSource, OwnerSource, RemoveSource};
use crate::tree::{Path, QName, Step};
use regex::Regex;
use std::collections::HashMap;

/// Number of a context. Zero is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ContextId(pub(super) usize);

/// Number of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineId(pub(super) usize);

/// The root context.
pub(super) const ROOT: ContextId = ContextId(0);

/// All rules of a grammar.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) module: String,
    pub(super) general: GeneralSource,
    pub(super) quoting: Quoting,
    pub(super) verbs: Verbs,
    pub(super) contexts: Vec<Context>,
    pub(super) lines: Vec<Line>,
    pub(super) protected: Vec<(QName, Regex)>,
    derived: Vec<Pattern>,
    /// Some line refers to objects, so that a payload has to be put in order by them.
    pub(super) has_refs: bool,
    /// Something is never deleted or may not be touched.
    pub(super) has_lasting: bool,
    /// Some list is numbered by the element.
    pub(super) has_sequences: bool,
}

/// What is done to the path of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verb {
    #[default]
    Put,
    Delete,
    Deactivate,
    Activate,
}

/// The words before a path, per verb; empty where the family has no such word.
#[derive(Clone, Debug, Default)]
pub(super) struct Verbs {
    words: Vec<(Verb, Vec<String>)>,
}

impl Verbs {
    pub(super) fn new(general: &GeneralSource) -> Self {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut words: Vec<(Verb, Vec<String>)> = [
            (Verb::Put, &general.put),
            (Verb::Delete, &general.delete),
            (Verb::Deactivate, &general.deactivate),
            (Verb::Activate, &general.activate),
        ]
        .into_iter()
        .map(|(verb, text)| (verb, split(text)))
        .filter(|(_, words)| !words.is_empty())
        .collect();
        // `/configure delete` is tried before `/configure`.
        words.sort_by_key(|(_, words)| std::cmp::Reverse(words.len()));
        Self { words }
    }

    /// The verb of a line and what stands behind it.
    pub(super) fn of<'t, 'a>(&self, tokens: &'t [Token<'a>]) -> Option<(Verb, &'t [Token<'a>])> {
        self.words.iter().find_map(|(verb, words)| {
            let (head, rest) = tokens.split_at_checked(words.len())?;
            head.iter().zip(words).all(|(token, word)| !token.quoted && token.text == **word).then_some((*verb, rest))
        })
    }

    /// The words of a verb.
    pub(super) fn words(&self, verb: Verb) -> Option<String> {
        self.words.iter().find(|(have, _)| *have == verb).map(|(_, words)| words.join(" "))
    }

    /// Whether the family has this verb.
    pub(super) fn has(&self, verb: Verb) -> bool {
        self.words.iter().any(|(have, _)| *have == verb)
    }
}

/// A compiled context.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) name: String,
    pub(super) enter: Pattern,
    pub(super) exit: String,
    /// The exit line is printed.
    pub(super) prints_exit: bool,
    pub(super) node: NodePath,
    pub(super) presence: bool,
    pub(super) remove: RemoveSource,
    pub(super) negate: Option<Pattern>,
    pub(super) busy: bool,
    pub(super) order: i32,
    pub(super) remove_order: i32,
    pub(super) ordered: bool,
    pub(super) never_delete: bool,
    pub(super) protected: bool,
    pub(super) refs: Vec<Reference>,
    pub(super) dialogue: Vec<Question>,
    pub(super) ownership: OwnerSource,
    pub(super) own_when: Vec<(String, Regex)>,
    pub(super) cascade: Vec<Cascade>,
    pub(super) separated: bool,
    pub(super) impact: ImpactSource,
    /// Contexts below it, in order of creation.
    pub(super) children: Vec<ContextId>,
    /// Lines of it, in order of creation.
    pub(super) lines: Vec<LineId>,
    children_by_node: HashMap<QName, Vec<ContextId>>,
    lines_by_node: HashMap<QName, Vec<LineId>>,
    table: Vec<(Pattern, Action)>,
    by_word: HashMap<String, Vec<usize>>,
    without_word: Vec<usize>,
}

/// What a line of a context does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Enter(ContextId),
    Put(LineId),
    Negate(LineId),
    NegateContext(ContextId),
    /// Something that configures nothing.
    Operate,
    /// What the element answers, if the condition holds.
    Refuse(Condition, String),
}

/// When a refusal holds.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Always,
    Exists { absolute: bool, path: NodePath },
    Missing { absolute: bool, path: NodePath },
    Other { path: NodePath },
}

impl Rules {
    /// The context with this number.
    pub(super) fn context(&self, id: ContextId) -> &Context {
        &self.contexts[id.0]
    }

    /// The line with this number.
    pub(super) fn line(&self, id: LineId) -> &Line {
        &self.lines[id.0]
    }

    /// Whether a statement carries its whole path.
    pub(super) fn is_absolute(&self) -> bool {
        self.general.family != Family::Indent
    }

    /// What these words mean in a context, refusals left out.
    pub(super) fn lookup<'a>(&'a self, context: ContextId, words: &'a [Token<'_>]) -> Option<(&'a Action, Bindings)> {
        self.candidates(context, words).find(|(action, _)| !matches!(action, Action::Refuse(..)))
    }

    /// The refusals of a context for these words.
    pub(super) fn refusals<'a>(
        &'a self,
        context: ContextId,
        words: &'a [Token<'_>],
    ) -> Vec<(&'a Condition, &'a str, Bindings)> {
        self.candidates(context, words)
            .filter_map(|(action, bindings)| match action {
                Action::Refuse(condition, text) => Some((condition, text.as_str(), bindings)),
                _ => None,
            })
            .collect()
    }

    /// What the words may mean in a context, the most special meaning first.
    fn candidates<'a>(
        &'a self,
        context: ContextId,
        words: &'a [Token<'_>],
    ) -> impl Iterator<Item = (&'a Action, Bindings)> + 'a {
        self.context(context)
            .entries(words)
            .filter_map(move |(pattern, action)| pattern.matches(words).map(|bindings| (action, bindings)))
    }

    /// The text of a line that the grammar does not know, without what may be a secret.
    pub(super) fn masked(&self, words: &[Token<'_>]) -> String {
        let secret = |word: &Token<'_>| self.general.secret_words.iter().any(|secret| **secret == word.text);
        match words.iter().position(secret) {
            Some(at) if at + 1 < words.len() => format!("{} {SECRET}", self.quoting.joined(&words[..=at])),
            _ => self.quoting.joined(words),
        }
    }

    /// Whether a line says nothing that anyone configured.
    pub(super) fn is_derived(&self, words: &[Token<'_>]) -> bool {
        self.derived.iter().any(|pattern| pattern.matches(words).is_some())
    }

    /// The child context that stands at this step of the tree.
    pub(super) fn child_at(&self, context: ContextId, step: &Step) -> Option<(ContextId, Bindings)> {
        self.context(context).children_by_node.get(&step.name)?.iter().find_map(|id| {
            let mut bindings = Bindings::new();
            let own = self.context(*id).node.steps.first()?.bind(step, &mut bindings);
            own.then_some((*id, bindings))
        })
    }

    /// The deepest context on the way of a path, how many steps lead to it, and the bindings of its last step.
    pub(super) fn context_of(&self, path: &Path) -> (ContextId, usize, Bindings) {
        let mut at = (ROOT, 0, Bindings::new());
        for (depth, step) in path.steps().iter().enumerate() {
            match self.child_at(at.0, step) {
                Some((id, bindings)) => at = (id, depth + 1, bindings),
                None => break,
            }
        }
        at
    }

    /// Whether an entry without content at these steps below a context is not worth keeping: a context that is not echoed
    /// when it is empty, or the common step of several lines.
    pub(super) fn is_hollow_at(&self, context: ContextId, rest: &[Step]) -> bool {
        let Some(first) = rest.first() else { return context != ROOT && !self.context(context).presence };
        !self
            .context(context)
            .lines_at(&first.name)
            .iter()
            .map(|id| self.line(*id))
            .any(|line| line.shape == Shape::Entry && line.nodes.iter().any(|node| node.covers(rest)))
    }

    /// Whether a context may be negated: it is own.
    pub(super) fn owns_context(&self, id: ContextId, bindings: &Bindings) -> bool {
        let context = self.context(id);
        context.own_when.iter().all(|(arg, pattern)| {
            bindings.get(arg).and_then(|values| values.first()).is_some_and(|value| pattern.is_match(value))
        })
    }
}

impl Context {
    /// What words that begin like these may mean, whole or in part.
    pub(super) fn entries<'a>(&'a self, words: &[Token<'_>]) -> impl Iterator<Item = (&'a Pattern, &'a Action)> + 'a {
        let listed = words.first().and_then(|word| self.by_word.get(&*word.text));
        let numbers = listed.into_iter().flatten().chain(&self.without_word);
        numbers.map(|at| &self.table[*at]).map(|(pattern, action)| (pattern, action))
    }

    /// The lines whose nodes stand below this name, in order of creation.
    pub(super) fn lines_at(&self, name: &QName) -> &[LineId] {
        self.lines_by_node.get(name).map_or(&[], Vec::as_slice)
    }
}
