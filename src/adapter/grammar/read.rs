//! Text to tree: running configurations and the output of templates.
//!
//! Contexts are entered and left by their words; indentation is looked at only to find the block of a line that the
//! grammar does not know. As in the element's own shell a line that the current context does not know is tried in those
//! around it. Nothing is lost: what no context knows becomes an opaque node where it stands.

use super::GrammarError;
use super::effect::Draft;
use super::rules::{Action, ContextId, ROOT, Rules};
use crate::tree::{ConfigTree, Path, QName};

/// A tree and how much of the text it is.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Normalised, without derived lines.
    pub tree: ConfigTree,
    /// The end marker was seen.
    pub complete: bool,
    /// Lines that the grammar does not know.
    pub opaque: u32,
}

/// Name of opaque nodes.
pub(super) const OPAQUE: &str = "opaque";

impl Rules {
    /// Parses a text.
    pub(super) fn parse(&self, text: &str) -> Result<Parsed, GrammarError> {
        if text.len() > self.general.max_bytes {
            return Err(GrammarError::Limit { what: "bytes", limit: self.general.max_bytes });
        }
        let mut reading = Reading {
            rules: self,
            draft: Draft::new(),
            stack: vec![(ROOT, Path::root())],
            blocks: Vec::new(),
            opaque: 0,
            complete: false,
        };
        for (at, line) in text.lines().enumerate() {
            if at >= self.general.max_lines {
                return Err(GrammarError::Limit { what: "lines", limit: self.general.max_lines });
            }
            reading.line(line)?;
        }
        let tree = self.normalise(&ConfigTree::new(reading.draft.freeze()));
        Ok(Parsed { tree, complete: reading.complete, opaque: reading.opaque })
    }
}

struct Reading<'r> {
    rules: &'r Rules,
    draft: Draft,
    stack: Vec<(ContextId, Path)>,
    /// The unknown lines that enclose the next one, with their indentation.
    blocks: Vec<(usize, Path)>,
    opaque: u32,
    complete: bool,
}

impl Reading<'_> {
    fn line(&mut self, raw: &str) -> Result<(), GrammarError> {
        let general = &self.rules.general;
        let words: Vec<&str> = raw.split_whitespace().collect();
        let Some(first) = words.first() else { return Ok(()) };
        if first.starts_with(general.comment.as_str()) {
            return Ok(());
        }
        let indent = raw.len() - raw.trim_start().len();
        if self.in_block(indent, &words)? {
            return Ok(());
        }
        if words.len() == 1 && *first == general.end {
            self.complete = true;
            self.stack.truncate(1);
            return Ok(());
        }
        if words.len() == 1 && self.leaves(first) {
            return Ok(());
        }
        for depth in (0..self.stack.len()).rev() {
            let (context, path) = self.stack[depth].clone();
            let Some((action, bindings)) = self.rules.lookup(context, &words) else { continue };
            self.stack.truncate(depth + 1);
            match action {
                Action::Enter(id) => {
                    let Some((path, effect)) = self.rules.enter(*id, &path, &bindings) else { continue };
                    self.draft.change(vec![effect]);
                    self.stack.push((*id, path));
                    self.check_depth()?;
                }
                Action::Put(id) if self.rules.line(*id).opaque => {
                    self.opaque += 1;
                    let masked = self.rules.masked(&words);
                    let masked: Vec<&str> = masked.split_whitespace().collect();
                    let bindings = self.rules.line(*id).pattern.matches(&masked).unwrap_or(bindings);
                    self.draft.change(self.rules.put(*id, &path, &bindings));
                }
                Action::Put(id) => self.draft.change(self.rules.put(*id, &path, &bindings)),
                Action::Negate(id) => self.draft.change(self.rules.negate(*id, &path, &bindings)),
                Action::NegateContext(id) => self.draft.change(self.rules.negate_context(*id, &path, &bindings)),
                Action::Refuse(..) => {}
            }
            return Ok(());
        }
        if !self.rules.is_derived(&words) {
            let (_, path) = self.stack[self.stack.len() - 1].clone();
            self.unknown(indent, &path, &words);
        }
        Ok(())
    }

    /// Takes a line that stands inside a block of unknown lines.
    fn in_block(&mut self, indent: usize, words: &[&str]) -> Result<bool, GrammarError> {
        let leaves = words.len() == 1 && words[0].starts_with(self.rules.general.leave.as_str());
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
            if leaves && indent == outer && (outer > 0 || self.draft.has_children(&path)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unknown(&mut self, indent: usize, parent: &Path, words: &[&str]) {
        let step = self.draft.opaque(parent, QName::new(&self.rules.module, OPAQUE), &self.rules.masked(words));
        self.blocks.push((indent, parent.child(step)));
        self.opaque += 1;
    }

    fn leaves(&mut self, word: &str) -> bool {
        if word == self.rules.general.leave {
            if self.stack.len() > 1 {
                self.stack.pop();
            }
            return true;
        }
        if let Some(depth) = self.stack.iter().rposition(|(id, _)| self.rules.context(*id).exit == word)
            && depth > 0
        {
            self.stack.truncate(depth);
            return true;
        }
        // Leaving what was not entered says nothing.
        word.starts_with(self.rules.general.leave.as_str())
    }

    fn check_depth(&self) -> Result<(), GrammarError> {
        let limit = self.rules.general.max_depth;
        if self.stack.len() + self.blocks.len() > limit {
            return Err(GrammarError::Limit { what: "nested contexts", limit });
        }
        Ok(())
    }
}
