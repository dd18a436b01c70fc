//! What a statement with its whole path means: contexts are walked by their words until a line, or nothing, is left.

use super::effect::Effect;
use super::lex::Token;
use super::pattern::Bindings;
use super::rules::{Action, ContextId, LineId, ROOT, Rules, Verb};
use crate::tree::Path;

/// A statement that the grammar knows.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) context: ContextId,
    /// Where the context stands.
    pub(super) path: Path,
    /// What entering the contexts on the way puts.
    pub(super) entered: Vec<Effect>,
    /// How many words are left behind the contexts.
    pub(super) left: usize,
    pub(super) what: What,
    pub(super) bindings: Bindings,
}

/// What stands at the end of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The context itself.
    Context,
    Line(LineId),
    /// A line by the words that take it back.
    Negated(LineId),
    /// A context by the words that remove it.
    NegatedContext(ContextId),
    Operate,
}

/// A statement of which only the beginning is known: a context, and how many words are left behind it.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub(super) path: Path,
    pub(super) entered: Vec<Effect>,
    pub(super) left: usize,
}

impl Rules {
    /// What the words behind a verb mean.
    pub(super) fn resolve(&self, verb: Verb, words: &[Token<'_>]) -> Result<Found, Beginning> {
        let mut search = Search {
            rules: self,
            // Where no word before the path takes a line back, a word before the line does.
            inline: !self.verbs.has(Verb::Delete),
            verb,
            beginning: Beginning { path: Path::root(), entered: Vec::new(), left: words.len() },
            entered: Vec::new(),
        };
        search.descend(ROOT, &Path::root(), words).ok_or(search.beginning)
    }
}

struct Search<'r> {
    rules: &'r Rules,
    inline: bool,
    verb: Verb,
    beginning: Beginning,
    entered: Vec<Effect>,
}

impl Search<'_> {
    fn descend(&mut self, id: ContextId, path: &Path, words: &[Token<'_>]) -> Option<Found> {
        if words.len() < self.beginning.left {
            self.beginning = Beginning { path: path.clone(), entered: self.entered.clone(), left: words.len() };
        }
        if words.is_empty() {
            return Some(self.found(id, path, words, What::Context, Bindings::new()));
        }
        // A context may match no words at all: the depth, not the words, ends that.
        if self.entered.len() >= self.rules.general.max_depth {
            return None;
        }
        let rules = self.rules;
        for (pattern, action) in rules.context(id).entries(words) {
            let what = match action {
                Action::Enter(below) => {
                    if let Some(found) = self.enter(*below, path, pattern, words) {
                        return Some(found);
                    }
                    continue;
                }
                Action::Put(line) if self.verb == Verb::Put => What::Line(*line),
                Action::Negate(line) if self.verb != Verb::Put || self.inline => What::Negated(*line),
                Action::NegateContext(below) if self.inline => What::NegatedContext(*below),
                Action::Operate if self.verb == Verb::Put => What::Operate,
                _ => continue,
            };
            if let Some(bindings) = pattern.matches(words) {
                return Some(self.found(id, path, words, what, bindings));
            }
        }
        None
    }

    fn enter(
        &mut self,
        below: ContextId,
        path: &Path,
        pattern: &super::pattern::Pattern,
        words: &[Token<'_>],
    ) -> Option<Found> {
        let mut found = None;
        pattern.begins(words, &mut |rest, bindings| {
            let Some((at, effect)) = self.rules.enter(below, path, bindings) else { return false };
            self.entered.push(effect);
            found = self.descend(below, &at, rest);
            self.entered.pop();
            found.is_some()
        });
        found
    }

    fn found(&self, context: ContextId, path: &Path, words: &[Token<'_>], what: What, bindings: Bindings) -> Found {
        let entered = self.entered.clone();
        Found { context, path: path.clone(), entered, left: words.len(), what, bindings }
    }
}

/// The statements that a bracketed list stands for: `export [ a b ]` is `export a` and `export b`. An empty or an open list
/// is left as it stands.
pub(super) fn spread<'a>(words: &[Token<'a>]) -> Vec<Vec<Token<'a>>> {
    let bracket = |word: &Token<'_>, mark: &str| !word.quoted && word.text == mark;
    let open = words.iter().position(|word| bracket(word, "["));
    let close = words.iter().position(|word| bracket(word, "]"));
    match (open, close) {
        (Some(open), Some(close)) if open + 1 < close => words[open + 1..close]
            .iter()
            .map(|word| [&words[..open], std::slice::from_ref(word), &words[close + 1..]].concat())
            .collect(),
        _ => vec![words.to_vec()],
    }
}
