//! Difference to payload.
//!
//! *Flow*: first everything that goes away (or that must go before its new value comes), then everything that comes, then
//! what could not go while something still referred to it; each in the order that the grammar gives. Contexts are entered
//! and left by lines of their own, or every line carries its path. Every line is typed into the model of the element at
//! once, so what the element removes by itself is not removed again and what it removed too much is typed again.
//!
//! *Guarantees*: the model says that the lines make `after` out of `before`, or there is no payload. Nothing but the
//! difference is typed, and nothing protected. The cost follows the difference.
//!
//! *Caveats*: a secret cannot be typed again (it was masked when it was read), an unknown line is typed back as it was
//! read. What the element never lets go stays: see [`Rules::lasting`].

mod items;
mod lasting;
mod order;
mod touched;
mod writer;

use super::GrammarError;
use super::model::Session;
use super::rules::Rules;
use crate::adapter::CliLine;
use crate::tree::{ConfigTree, Diff, Path, diff};
use items::Work;
use order::ordered;
use writer::Writer;

/// Whether what is protected may be typed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// It is refused.
    Held,
    /// The plan looked at it and was allowed to.
    Lifted,
}

impl Rules {
    /// The lines that make `after` out of `before`, which is as the parser made it.
    pub(super) fn render(
        &self,
        difference: &Diff,
        before: &ConfigTree,
        after: &ConfigTree,
        protection: Protection,
    ) -> Result<Vec<CliLine>, GrammarError> {
        if difference.is_empty() {
            return Ok(Vec::new());
        }
        let after = self.lasting(difference, &self.settled(after, difference));
        match self.attempt(before, &after, protection, self.has_refs) {
            // What refers and what has an order may want the contrary: then the order of the configuration counts.
            Err(GrammarError::Unreachable { .. }) if self.has_refs => self.attempt(before, &after, protection, false),
            lines => lines,
        }
    }

    fn attempt(
        &self,
        before: &ConfigTree,
        after: &ConfigTree,
        protection: Protection,
        refs: bool,
    ) -> Result<Vec<CliLine>, GrammarError> {
        let session = Session { lenient: true, ..Session::new(before.clone()) };
        let mut writer = Writer { rules: self, session, after, protection, lines: Vec::new() };
        let first = diff(before, after);
        let held = self.remove_pass(&mut writer, &first, refs, refs)?;
        // Nothing gone, nothing to look for again.
        let second = if writer.lines.is_empty() { first } else { diff(&writer.session.tree, after) };
        let mut work = Work::new(self, &writer.session.tree, after, protection);
        work.creations(&second)?;
        let items = ordered(work.items, refs, false);
        writer.write(items)?;
        if held {
            let left = diff(&writer.session.tree, after);
            self.remove_pass(&mut writer, &left, refs, false)?;
        }
        writer.go(&Path::root())?;
        let mut left = diff(&writer.session.tree, after);
        if !left.is_empty() {
            left = diff(&self.normalise(&writer.session.tree), &self.normalise(after));
        }
        match left.edits.first() {
            None => Ok(writer.lines),
            Some(edit) => Err(GrammarError::Unreachable { path: edit.path().clone() }),
        }
    }

    /// Types what goes; with `hold` without what something refers to that only changes later. Answers whether there is
    /// such a thing.
    fn remove_pass(
        &self,
        writer: &mut Writer<'_>,
        difference: &Diff,
        refs: bool,
        hold: bool,
    ) -> Result<bool, GrammarError> {
        let mut work = Work::new(self, &writer.session.tree, writer.after, writer.protection);
        work.removals(difference)?;
        let Work { items, held, lists, .. } = work;
        let waits = |path: &Path| hold && held.iter().any(|target| target.covers(path));
        let (later, now): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| waits(&item.place));
        writer.write(ordered(now, refs, true))?;
        writer.session.tree = self.with_canonical_lists(&writer.session.tree, &lists);
        Ok(!later.is_empty())
    }
}
