//! What the grammar says about paths and edits: own or shared, protected, derived, impact.

use super::effect::filled;
use super::lex::lex;
use super::pattern::Bindings;
use super::rules::{Line, ROOT, Rules, Shape};
use super::source::OwnerSource;
use crate::adapter::{Impact, Ownership};
use crate::tree::{Edit, Key, Node, Path};

impl Rules {
    /// Whether the node at a path belongs to who creates it.
    pub(super) fn ownership(&self, path: &Path) -> Ownership {
        let (id, depth, bindings) = self.context_of(path);
        let rest = &path.steps()[depth..];
        let own = if rest.is_empty() {
            self.context(id).ownership == OwnerSource::Own && self.owns_context(id, &bindings)
        } else {
            let touching = self.lines_at(path).filter(|line| line.nodes.iter().any(|n| n.touches(rest)));
            // A common step of several lines is own if any of its lines is.
            touching.map(|line| line.ownership == OwnerSource::Own).reduce(|a, b| a || b).unwrap_or(true)
        };
        if own { Ownership::Own } else { Ownership::Shared }
    }

    /// Whether no plan may touch it.
    pub(super) fn is_protected(&self, path: &Path) -> bool {
        let Some(step) = path.steps().first() else { return false };
        if let Key::Entry(keys) = &step.key {
            let key = keys.first().map(|(_, value)| value.as_str()).unwrap_or_default();
            if self.protected.iter().any(|(name, pattern)| *name == step.name && pattern.is_match(key)) {
                return true;
            }
        }
        if !self.has_lasting {
            return false;
        }
        let mut at = ROOT;
        for (depth, step) in path.steps().iter().enumerate() {
            let Some((id, _)) = self.child_at(at, step) else {
                let rest = &path.steps()[depth..];
                let lines = self.context(at).lines_at(&step.name).iter().map(|id| self.line(*id));
                return lines
                    .filter(|line| line.protected)
                    .any(|line| line.nodes.iter().any(|node| node.touches(rest) && rest.len() >= node.steps.len()));
            };
            if self.context(id).protected {
                return true;
            }
            at = id;
        }
        false
    }

    /// Whether it is an unknown line that only mirrors the state of the element.
    pub(super) fn is_derived_path(&self, path: &Path) -> bool {
        path.steps().iter().any(|step| match &step.key {
            Key::Opaque(text, _) => self.is_derived(&lex(text, self.quoting)),
            _ => false,
        })
    }

    /// What an edit does to traffic.
    pub(super) fn impact(&self, edit: &Edit) -> Impact {
        match edit {
            Edit::Create { path, node, .. } => match self.context_of(path) {
                // What comes with a routing process that was not there disturbs nobody: its sessions are new, too. An
                // interface without presence may have worked before its first line.
                (id, depth, bindings) if id != ROOT && depth == path.steps().len() && self.context(id).presence => {
                    said(&self.context(id).impact.create, &bindings)
                }
                _ => self.worst(path, node, &|impact| &impact.create, true),
            },
            Edit::Remove { path, node, .. } => self.worst(path, node, &|impact| &impact.remove, true),
            Edit::Set { path, .. } | Edit::Move { path, .. } => self.at_lines(path, None, &|impact| &impact.change),
            Edit::Replace { path, old, .. } => self.worst(path, old, &|impact| &impact.change, true),
        }
    }

    fn worst(&self, path: &Path, node: &Node, which: Which<'_>, top: bool) -> Impact {
        let (id, depth, bindings) = self.context_of(path);
        let here = if depth == path.steps().len() {
            if top && id != ROOT { said(which(&self.context(id).impact), &bindings) } else { Impact::Hitless }
        } else {
            self.at_lines(path, Some(node), which)
        };
        let below = node.children().iter().map(|c| self.worst(&path.child(c.step()), c, which, false));
        below.fold(here, Impact::max)
    }

    fn at_lines(&self, path: &Path, node: Option<&Node>, which: Which<'_>) -> Impact {
        let (_, depth, _) = self.context_of(path);
        let rest = &path.steps()[depth..];
        let mut worst = Impact::Hitless;
        for line in self.lines_at(path).filter(|line| !line.alias) {
            let place = &line.nodes[0];
            // A leaf of an entry is part of the entry's line.
            let inside = line.shape == Shape::Entry && node.is_none() && rest.len() > place.steps.len();
            let steps = if inside { &rest[..place.steps.len()] } else { rest };
            let mut bindings = Bindings::new();
            let same = place.steps.len() == steps.len()
                && place.steps.iter().zip(steps).all(|(want, have)| want.bind(have, &mut bindings));
            if same {
                worst = worst.max(said(which(&line.impact), &bindings));
            }
        }
        worst
    }

    fn lines_at(&self, path: &Path) -> impl Iterator<Item = &Line> {
        let (id, ..) = self.context_of(path);
        self.context(id).lines.iter().map(|id| self.line(*id))
    }
}

type Which<'w> = &'w dyn Fn(&super::source::ImpactSource) -> &String;

/// An impact as the grammar writes it.
fn said(text: &str, bindings: &Bindings) -> Impact {
    match text.split_once(' ') {
        None if text == "drops" => Impact::DropsTraffic,
        Some(("resets", what)) => Impact::ResetsSession(filled(what, bindings)),
        _ => Impact::Hitless,
    }
}
