//! The families of statements with their whole path: `set …` lines, flat lines, and curly text, which is the same
//! statements with their common beginnings written once.

use super::super::GrammarError;
use super::super::effect::Effect;
use super::super::lex::{Token, lex};
use super::super::model::mark_place;
use super::super::resolve::{What, spread};
use super::super::rules::Verb;
use super::super::source::Family;
use super::{FOREIGN, OPAQUE, Reading, curly};
use crate::tree::Path;

pub(super) fn read(reading: &mut Reading<'_>, text: &str) -> Result<(), GrammarError> {
    let rules = reading.rules;
    let general = &rules.general;
    let comment = |line: &str| line.is_empty() || line.starts_with(general.comment.as_str());
    if let Some(ends) = general.curly
        && is_curly(reading, text, &comment)
    {
        return curly::read(reading, text, ends);
    }
    reading.counts.complete = general.end.is_empty();
    for raw in text.lines() {
        let line = raw.trim();
        if comment(line) {
            continue;
        }
        let words = lex(line, rules.quoting);
        if !general.end.is_empty() && line == general.end {
            reading.counts.complete = true;
            continue;
        }
        match rules.verbs.of(&words) {
            Some((verb, words)) => {
                for words in spread(words) {
                    reading.statement(verb, &words);
                }
            }
            None if rules.is_derived(&words) => reading.counts.derived += 1,
            // No statement: kept as one word that no statement is, or as a line beside all statements.
            None if general.family == Family::Brace => {
                let word = rules.quoting.written(&(rules.masked(&words) + " "), true).into_owned();
                reading.opaque(&Path::root(), OPAQUE, &word);
            }
            None => {
                let text = if line == "}" { line.to_owned() } else { rules.masked(&words) };
                reading.opaque(&Path::root(), FOREIGN, &text);
            }
        }
    }
    Ok(())
}

/// Whether a text is curly. What is printed in curly form says so by its first statement; elsewhere a block must open.
fn is_curly(reading: &Reading<'_>, text: &str, comment: &dyn Fn(&str) -> bool) -> bool {
    let rules = reading.rules;
    if rules.general.family != Family::Brace {
        return text.lines().any(|line| line.trim_end().ends_with('{') && !comment(line.trim()));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !comment(line));
    lines
        .find(|line| !rules.is_derived(&lex(line, rules.quoting)))
        .is_some_and(|line| rules.verbs.of(&lex(line, rules.quoting)).is_none() || line.ends_with(['{', '}', ';']))
}

impl Reading<'_> {
    /// Takes a statement behind its verb.
    pub(super) fn statement(&mut self, verb: Verb, words: &[Token<'_>]) {
        let rules = self.rules;
        let found = match rules.resolve(verb, words) {
            Ok(found) => found,
            Err(beginning) => {
                self.draft.change(rules, if verb == Verb::Put { beginning.entered } else { Vec::new() });
                self.unknown(verb, &beginning.path, &words[words.len() - beginning.left..]);
                return;
            }
        };
        self.counts.lines += 1;
        match (verb, found.what) {
            (_, What::Operate) => {
                self.counts.lines -= 1;
                self.counts.actions += 1;
            }
            (Verb::Put, What::Line(id)) if rules.line(id).opaque => {
                self.counts.opaque += 1;
                let masked = rules.masked(&words[words.len() - found.left..]);
                let bindings = rules.line(id).pattern.matches(&lex(&masked, rules.quoting));
                self.draft.change(rules, found.entered);
                self.draft.change(rules, rules.put(id, &found.path, &bindings.unwrap_or(found.bindings)));
            }
            (Verb::Put, What::Line(id)) => {
                self.draft.change(rules, found.entered);
                self.draft.change(rules, rules.put(id, &found.path, &found.bindings));
            }
            (Verb::Put, What::Context) => self.draft.change(rules, found.entered),
            (Verb::Deactivate, _) => {
                let Some(step) = rules.mark_of(&found) else { return };
                let there = match found.what {
                    What::Negated(id) => {
                        let nodes = rules.line(id).nodes.iter();
                        let places = nodes.filter_map(|node| node.place(&found.path, &found.bindings));
                        places.into_iter().any(|path| self.draft.stands(&path))
                    }
                    _ => self.draft.stands(&found.path),
                };
                // Deactivating what is not there says nothing.
                if there {
                    let place = mark_place(&step);
                    self.draft.change(rules, vec![Effect::Put(found.path.child(step), place)]);
                }
            }
            _ => {
                let effects = rules.statement(&crate::tree::ConfigTree::default(), verb, &found, true);
                self.draft.change(rules, effects.unwrap_or_default());
            }
        }
    }

    /// A text that is no other statement behind the word that puts: `delete x` there would be one that deletes.
    fn plain_words(&self, text: String) -> String {
        let rules = self.rules;
        let line = rules.statement_text(Verb::Put, "", &text);
        let words = lex(&line, rules.quoting);
        match rules.verbs.of(&words) {
            Some((Verb::Put, rest)) if !rest.is_empty() => text,
            _ => {
                let words = lex(&text, rules.quoting);
                let first = words.first().map(|word| rules.quoting.written(&word.text, true).into_owned());
                [first.unwrap_or_default(), rules.quoting.joined(words.get(1..).unwrap_or_default())].join(" ")
            }
        }
    }

    /// Takes a statement of which only the beginning is known: the rest is an opaque node of that context.
    fn unknown(&mut self, verb: Verb, path: &Path, rest: &[Token<'_>]) {
        let rules = self.rules;
        let text = rules.masked(rest);
        let mark = path.child(rules.inactive_step(&text));
        match verb {
            Verb::Put => {
                let text = if path.steps().is_empty() { self.plain_words(text) } else { text };
                self.opaque(path, OPAQUE, &text);
            }
            Verb::Delete => self.draft.change(rules, vec![Effect::ClearText(path.clone(), text)]),
            Verb::Deactivate => {
                if !self.draft.begins(path, &text) {
                    self.opaque(path, OPAQUE, &text);
                }
                let place = mark_place(&rules.inactive_step(&text));
                self.draft.change(rules, vec![Effect::Put(mark, place)]);
            }
            Verb::Activate => self.draft.change(rules, vec![Effect::Clear(mark)]),
        }
    }
}
