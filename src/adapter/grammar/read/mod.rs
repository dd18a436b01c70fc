//! Text to tree: running configurations and the output of templates.
//!
//! Each family has a reader; all of them end in the same effects on the same draft. Nothing is lost: what the grammar does
//! not know becomes an opaque node where it stands, in its order, with what may be a secret masked.

mod absolute;
mod curly;
mod indent;

use super::GrammarError;
use super::draft::Draft;
use super::rules::Rules;
use crate::tree::{ConfigTree, Path, QName};

/// A tree and how much of the text it is.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Normalised, without derived lines.
    pub tree: ConfigTree,
    /// The end marker was seen; in a family that has none, nothing was left open.
    pub complete: bool,
    /// Lines that the grammar does not know.
    pub opaque: u32,
    /// Lines that say something: those of the tree, the opaque ones included.
    pub lines: u32,
    /// Lines that mirror the state of the element and are in no tree.
    pub derived: u32,
    /// Lines that do something once and are in no tree.
    pub actions: u32,
}

/// Names of opaque nodes: a statement that the grammar does not know, and a line that is no statement at all.
pub(super) const OPAQUE: &str = "opaque";
pub(super) const FOREIGN: &str = "foreign";

impl Rules {
    /// Parses a text.
    pub(super) fn parse(&self, text: &str) -> Result<Parsed, GrammarError> {
        if text.len() > self.general.max_bytes {
            return Err(GrammarError::Limit { what: "bytes", limit: self.general.max_bytes });
        }
        let mut lines = 0;
        for line in text.lines() {
            lines += 1;
            if lines > self.general.max_lines {
                return Err(GrammarError::Limit { what: "lines", limit: self.general.max_lines });
            }
            if line.len() > self.general.max_line {
                return Err(GrammarError::Limit { what: "bytes in a line", limit: self.general.max_line });
            }
        }
        let mut reading = Reading::new(self);
        if self.is_absolute() {
            absolute::read(&mut reading, text)?
        } else {
            indent::read(&mut reading, text)?
        }
        let Counts { complete, opaque, lines, derived, actions } = reading.counts;
        let tree = self.normalise(&ConfigTree::new(reading.draft.freeze(self)));
        Ok(Parsed { tree, complete, opaque, lines, derived, actions })
    }
}

/// What is being read.
struct Reading<'r> {
    rules: &'r Rules,
    draft: Draft,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    complete: bool,
    opaque: u32,
    lines: u32,
    derived: u32,
    actions: u32,
}

impl<'r> Reading<'r> {
    fn new(rules: &'r Rules) -> Self {
        Self { rules, draft: Draft::new(), counts: Counts::default() }
    }

    /// Puts a line that the grammar does not know.
    fn opaque(&mut self, parent: &Path, name: &str, text: &str) -> Path {
        self.counts.opaque += 1;
        self.counts.lines += 1;
        let step = self.draft.opaque(parent, QName::new(&self.rules.module, name), text);
        parent.child(step)
    }
}
