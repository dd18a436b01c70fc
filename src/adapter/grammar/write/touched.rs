//! The places that a difference touches, each once.

use super::super::rules::{Rules, Shape};
use crate::tree::{Diff, Edit, Key, Path, QName, Step};
use std::collections::BTreeSet;

/// A place that a difference touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    /// The contexts of one name in a context, whose order counts.
    Order { context: Path, name: QName },
    /// A context as a whole.
    Whole { context: Path },
    /// A child of a context that is no context.
    Child { context: Path, child: Step, moved: bool },
}

impl Touched {
    /// The context that it is, or is in.
    pub(super) fn context(&self) -> &Path {
        match self {
            Touched::Order { context, .. } | Touched::Whole { context } | Touched::Child { context, .. } => context,
        }
    }
}

impl Rules {
    /// The places that a difference touches; those of whole lists first.
    pub(super) fn touched(&self, diff: &Diff) -> BTreeSet<Touched> {
        diff.edits.iter().filter_map(|edit| self.touched_by(edit)).collect()
    }

    fn touched_by(&self, edit: &Edit) -> Option<Touched> {
        let path = edit.path();
        let (id, depth, _) = self.context_of(path);
        let context = Path::new(path.steps()[..depth].to_vec());
        let Some(step) = path.steps().get(depth) else {
            let name = path.last()?.name.clone();
            return match path.parent() {
                Some(parent) if self.context(id).ordered => Some(Touched::Order { context: parent, name }),
                _ => Some(Touched::Whole { context }),
            };
        };
        let moved = matches!(edit, Edit::Move { .. }) && matches!(step.key, Key::Opaque(..));
        // What is one line, or one order, is touched as a whole, whichever of its members is.
        let whole = self.context(id).lines_at(&step.name).iter().map(|id| self.line(*id)).any(|line| {
            let single = line.nodes.first().is_some_and(|node| node.steps.len() == 1);
            line.shape == Shape::Members || line.ordered && single
        });
        let listed = matches!(step.key, Key::Member(_) | Key::Entry(_));
        let child = if whole && listed { Step::single(step.name.clone()) } else { step.clone() };
        Some(Touched::Child { context, child, moved })
    }
}
