//! The family of blocks: contexts are entered by a line and left by a word.
//!
//! Indentation is looked at only to find the block of a line that the grammar does not know, unless the grammar says
//! `by_indent`: then a line that stands no deeper than the one that entered a context has left it, as on elements that
//! print no word there. Without it a line that the current context does not know is tried in those around it, as the
//! element's own shell does.

use super::super::GrammarError;
use super::super::block::Open;
use super::super::lex::{Token, lex};
use super::super::rules::{Action, ContextId, ROOT};
use super::{OPAQUE, Reading};
use crate::tree::Path;

pub(super) fn read(reading: &mut Reading<'_>, text: &str) -> Result<(), GrammarError> {
    let mut lines = Lines { reading, stack: vec![(ROOT, Path::root(), 0)], blocks: Vec::new(), open: None };
    for line in text.lines() {
        lines.line(line)?;
    }
    // A block that is not closed is kept as far as it came.
    if let Some(open) = lines.open.take() {
        lines.reading.counts.complete = false;
        let closed = open.close();
        let rules = lines.reading.rules;
        lines.reading.draft.change(rules, rules.put(closed.line, &closed.base, &closed.bindings));
    } else if lines.reading.rules.general.end.is_empty() {
        lines.reading.counts.complete = true;
    }
    Ok(())
}

struct Lines<'l, 'r> {
    reading: &'l mut Reading<'r>,
    /// Contexts with the indentation of the lines that entered them.
    stack: Vec<(ContextId, Path, usize)>,
    /// The unknown lines that enclose the next one, with their indentation.
    blocks: Vec<(usize, Path)>,
    open: Option<Open>,
}

impl Lines<'_, '_> {
    fn line(&mut self, raw: &str) -> Result<(), GrammarError> {
        let rules = self.reading.rules;
        let general = &rules.general;
        if let Some(open) = self.open.take() {
            match open.next(raw) {
                Ok(open) => self.open = Some(open),
                Err(closed) => self.reading.draft.change(rules, rules.put(closed.line, &closed.base, &closed.bindings)),
            }
            return Ok(());
        }
        let words = lex(raw, rules.quoting);
        let Some(first) = words.first() else { return Ok(()) };
        if first.tail.starts_with(general.comment.as_str()) {
            return Ok(());
        }
        let indent = raw.len() - raw.trim_start().len();
        if general.by_indent {
            let depth = self.stack.iter().skip(1).take_while(|(_, _, at)| *at < indent).count();
            self.stack.truncate(depth + 1);
        }
        if self.in_block(indent, &words)? {
            return Ok(());
        }
        if words.len() == 1 && first.text == general.end {
            self.reading.counts.complete = true;
            self.stack.truncate(1);
            return Ok(());
        }
        if words.len() == 1 && self.leaves(&first.text) {
            return Ok(());
        }
        let outermost = if general.by_indent { self.stack.len() - 1 } else { 0 };
        for depth in (outermost..self.stack.len()).rev() {
            let (context, path, _) = self.stack[depth].clone();
            let Some((action, bindings)) = rules.lookup(context, &words) else { continue };
            let effects = match action {
                Action::Enter(id) => {
                    let Some((path, effect)) = rules.enter(*id, &path, &bindings) else { continue };
                    self.stack.truncate(depth + 1);
                    self.stack.push((*id, path, indent));
                    self.check_depth()?;
                    vec![effect]
                }
                Action::Put(id) if rules.line(*id).opaque => {
                    self.reading.counts.opaque += 1;
                    let masked = rules.masked(&words);
                    let bindings = rules.line(*id).pattern.matches(&lex(&masked, rules.quoting)).unwrap_or(bindings);
                    rules.put(*id, &path, &bindings)
                }
                Action::Put(id) if rules.line(*id).block.is_some() => {
                    match Open::begin(rules.line(*id), *id, &path, bindings) {
                        Ok(open) => {
                            self.open = Some(open);
                            Vec::new()
                        }
                        Err(closed) => rules.put(closed.line, &closed.base, &closed.bindings),
                    }
                }
                Action::Put(id) => rules.put(*id, &path, &bindings),
                Action::Negate(id) => rules.negate(*id, &path, &bindings),
                Action::NegateContext(id) => rules.negate_context(*id, &path, &bindings),
                Action::Operate => {
                    self.reading.counts.actions += 1;
                    return Ok(());
                }
                Action::Refuse(..) => Vec::new(),
            };
            if !matches!(action, Action::Enter(_)) {
                self.stack.truncate(depth + 1);
            }
            self.reading.counts.lines += 1;
            self.reading.draft.change(rules, effects);
            return Ok(());
        }
        if rules.is_derived(&words) {
            self.reading.counts.derived += 1;
            return Ok(());
        }
        let (_, path, _) = self.stack[self.stack.len() - 1].clone();
        self.unknown(indent, &path, &words);
        Ok(())
    }

    /// Takes a line that stands inside a block of unknown lines.
    fn in_block(&mut self, indent: usize, words: &[Token<'_>]) -> Result<bool, GrammarError> {
        let leave = self.reading.rules.general.leave.as_str();
        let leaves = words.len() == 1 && words[0].text.starts_with(leave);
        while let Some((outer, path)) = self.blocks.last().cloned() {
            if indent > outer && leaves {
                return Ok(true);
            }
            if indent > outer {
                self.check_depth()?;
                self.unknown(indent, &path, words);
                return Ok(true);
            }
            self.blocks.pop();
            // The word that leaves the block stands where the block began. In a text without indentation a line that
            // opened no block may stand before the word that leaves a known context.
            if leaves && indent == outer && (outer > 0 || self.reading.draft.has_children(&path)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unknown(&mut self, indent: usize, parent: &Path, words: &[Token<'_>]) {
        let text = self.reading.rules.masked(words);
        let path = self.reading.opaque(parent, OPAQUE, &text);
        self.blocks.push((indent, path));
    }

    fn leaves(&mut self, word: &str) -> bool {
        let general = &self.reading.rules.general;
        if word == general.leave {
            if self.stack.len() > 1 {
                self.stack.pop();
            }
            return true;
        }
        if word == general.top && !word.is_empty() {
            self.stack.truncate(1);
            return true;
        }
        if let Some(depth) = self.stack.iter().rposition(|(id, ..)| self.reading.rules.context(*id).exit == word)
            && depth > 0
        {
            self.stack.truncate(depth);
            return true;
        }
        // Leaving what was not entered says nothing.
        word.starts_with(general.leave.as_str())
    }

    fn check_depth(&self) -> Result<(), GrammarError> {
        let limit = self.reading.rules.general.max_depth;
        if self.stack.len() + self.blocks.len() > limit {
            return Err(GrammarError::Limit { what: "nested contexts", limit });
        }
        Ok(())
    }
}
