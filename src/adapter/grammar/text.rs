//! Tree to text, as the element would print it: indented blocks, statements with their whole path, or curly blocks.

use super::effect::{SECRET, named, opaque};
use super::nodepath::NodeStep;
use super::pattern::Bindings;
use super::read::FOREIGN;
use super::rules::{ContextId, ROOT, Rules, Verb};
use super::source::{CurlySource, Family};
use super::units::{Sort, Unit};
use crate::tree::{ConfigTree, Node, Path, Step};
use std::collections::BTreeSet;

impl Rules {
    /// The text of a tree, as the element would print it.
    pub(super) fn text(&self, tree: &ConfigTree) -> String {
        let mut out = String::new();
        match (self.general.family, self.general.curly) {
            (Family::Indent, _) => self.print(ROOT, &Path::root(), tree.root(), 0, &mut out),
            (Family::Brace, Some(ends)) => Curly { rules: self, ends, out: &mut out }.print(ROOT, tree.root(), 0),
            _ => {
                let mut marks = String::new();
                self.print_flat(ROOT, "", tree.root(), &mut out, &mut marks);
                out.push_str(&marks);
            }
        }
        for child in tree.top().iter().filter(|child| is_foreign(child)) {
            out.extend([child.opaque_text().unwrap_or_default(), "\n"]);
        }
        out
    }

    fn print(&self, id: ContextId, base: &Path, node: &Node, depth: usize, out: &mut String) {
        let indent = " ".repeat(depth);
        let mut hidden: BTreeSet<Path> = BTreeSet::new();
        let mut lines: Vec<(Sort, String)> = Vec::new();
        // Where the element prints one line for several equal lists, so do we.
        for line in self.context(id).lines.iter().map(|id| self.line(*id)).filter(|line| line.alias && line.print) {
            let lists: Vec<Vec<&str>> = line.nodes.iter().filter_map(|n| n.last()).map(|s| members(node, s)).collect();
            if lists.first().is_some_and(|first| !first.is_empty() && lists.iter().all(|list| list == first)) {
                let name = line.value.args().first().map(|(name, _, _)| (*name).to_owned()).unwrap_or_default();
                let values = lists[0].iter().map(|value| (*value).to_owned()).collect();
                if let Some(text) = line.pattern.build(&Bindings::from([(name, values)])) {
                    let steps = line.nodes.iter().filter_map(|n| n.last());
                    hidden.extend(steps.map(|step| base.child(Step::single(step.name.clone()))));
                    lines.push(((line.order, String::new(), line.order, text.clone()), text));
                }
            }
        }
        let units = self.units(id, base, node, None).unwrap_or_default();
        lines.extend(units.into_iter().filter(|unit| !hidden.contains(&unit.path)).map(|u| (u.sort, u.text)));
        lines.sort();
        for (_, text) in lines {
            out.extend([indent.as_str(), &text, "\n"]);
        }
        let leave = if self.general.by_indent { "" } else { self.general.leave.as_str() };
        for child in node.children().iter().filter(|child| opaque(child)) {
            print_opaque(child, depth, leave, out);
            if id == ROOT {
                out.extend([self.general.comment.as_str(), "\n"]);
            }
        }
        for (child, below, enter) in self.contexts_in(id, node) {
            let context = self.context(below);
            if context.separated {
                out.extend([indent.as_str(), &self.general.comment, "\n"]);
            }
            out.extend([indent.as_str(), &enter, "\n"]);
            self.print(below, &base.child(child.step()), child, depth + 1, out);
            if context.prints_exit {
                out.extend([indent.as_str(), &context.exit, "\n"]);
            }
            if id == ROOT {
                out.extend([self.general.comment.as_str(), "\n"]);
            }
        }
    }

    /// The contexts in a context, in order, with the words that enter them.
    fn contexts_in<'n>(&self, id: ContextId, node: &'n Node) -> Vec<(&'n Node, ContextId, String)> {
        let mut contexts = Vec::new();
        for (turn, child) in node.children().iter().enumerate() {
            let step = child.step();
            if let Some((below, bindings)) = self.child_at(id, &step)
                && let Some(enter) = self.context(below).enter.build(&bindings)
            {
                let turn = if self.context(below).ordered { turn } else { 0 };
                contexts.push((self.context(below).order, child.name(), turn, step, child, below, enter));
            }
        }
        contexts.sort_by(|a, b| (a.0, a.1, a.2, &a.3).cmp(&(b.0, b.1, b.2, &b.3)));
        contexts.into_iter().map(|(.., child, below, enter)| (child, below, enter)).collect()
    }

    /// Statements with their whole path; those that deactivate come behind all others.
    fn print_flat(&self, id: ContextId, prefix: &str, node: &Node, out: &mut String, marks: &mut String) {
        let mut told = false;
        for unit in self.units(id, &Path::root(), node, None).unwrap_or_default() {
            match self.line(unit.line).verb {
                Verb::Put => {
                    told = true;
                    out.extend([self.statement_text(Verb::Put, prefix, &unit.text).as_str(), "\n"]);
                }
                verb => marks.extend([self.statement_text(verb, prefix, &unit.text).as_str(), "\n"]),
            }
        }
        for child in node.children().iter().filter(|child| opaque(child) && !is_foreign(child)) {
            told = true;
            let text = child.opaque_text().unwrap_or_default();
            out.extend([self.statement_text(Verb::Put, prefix, text).as_str(), "\n"]);
        }
        for (child, below, enter) in self.contexts_in(id, node) {
            told = true;
            self.print_flat(below, &joined(prefix, &enter), child, out, marks);
        }
        if !told && id != ROOT {
            out.extend([self.statement_text(Verb::Put, prefix, "").as_str(), "\n"]);
        }
    }

    /// A statement: its verb, the words of the contexts around it, and its own.
    pub(super) fn statement_text(&self, verb: Verb, prefix: &str, text: &str) -> String {
        joined(&joined(&self.verbs.words(verb).unwrap_or_default(), prefix), text)
    }

    /// The words of the contexts on the way to a path; `None` if it is not one of contexts only.
    pub(super) fn prefix(&self, path: &Path) -> Option<String> {
        let mut at = ROOT;
        let mut out = String::new();
        for step in path.steps() {
            let (id, bindings) = self.child_at(at, step)?;
            out = joined(&out, &self.context(id).enter.build(&bindings)?);
            at = id;
        }
        Some(out)
    }
}

/// Curly text that is being written.
struct Curly<'c> {
    rules: &'c Rules,
    ends: CurlySource,
    out: &'c mut String,
}

impl Curly<'_> {
    fn print(&mut self, id: ContextId, node: &Node, depth: usize) {
        let marks: BTreeSet<String> = named(node, &self.rules.inactive_lines())
            .filter_map(|mark| mark.value())
            .map(|mark| mark.as_str().to_owned())
            .collect();
        let units = self.rules.units(id, &Path::root(), node, None).unwrap_or_default();
        let units: Vec<Unit> = units.into_iter().filter(|u| self.rules.line(u.line).verb == Verb::Put).collect();
        let mut at = 0;
        while at < units.len() {
            let unit = &units[at];
            let line = self.rules.line(unit.line);
            let same = |other: &&Unit| other.line == unit.line && other.path.parent() == unit.path.parent();
            let run = if line.bracket { units[at..].iter().take_while(same).count() } else { 1 };
            let inactive = line.mark_text(&unit.bindings).is_some_and(|text| marks.contains(&text));
            let head = line.negates.last().and_then(|negate| negate.build(&unit.bindings));
            let text = match head.filter(|_| run > 1) {
                Some(head) => {
                    let values: Vec<String> = units[at..at + run]
                        .iter()
                        .filter_map(|unit| line.value.value_text(&unit.bindings))
                        .map(|value| self.rules.quoting.written(&value, false).into_owned())
                        .collect();
                    format!("{head} [ {} ]", values.join(" "))
                }
                None => unit.text.clone(),
            };
            self.statement(&text, inactive, depth);
            at += run;
        }
        self.opaque_lines(node, &marks, depth);
        for (child, below, enter) in self.rules.contexts_in(id, node) {
            let inactive = child.child(&Step::single(self.rules.inactive())).is_some();
            let content = child.children().len() - usize::from(inactive);
            if content == 0 && self.ends == CurlySource::Semicolon {
                self.statement(&enter, inactive, depth);
                continue;
            }
            self.open(&enter, inactive, depth);
            self.print(below, child, depth + 1);
            self.close(depth);
        }
    }

    /// Unknown statements; those that are deactivated together stand in one block.
    fn opaque_lines(&mut self, node: &Node, marks: &BTreeSet<String>, depth: usize) {
        let texts: Vec<&str> = node
            .children()
            .iter()
            .filter(|child| opaque(child) && !is_foreign(child))
            .filter_map(|child| child.opaque_text())
            .collect();
        let mut at = 0;
        while at < texts.len() {
            let text = texts[at];
            let begins = |mark: &str, text: &str| text.strip_prefix(mark).is_some_and(|rest| rest.starts_with(' '));
            if marks.contains(text) {
                self.statement(text, true, depth);
                at += 1;
            } else if let Some(mark) = marks.iter().find(|mark| begins(mark, text)) {
                let run = texts[at..].iter().take_while(|text| begins(mark, text)).count();
                self.open(mark, true, depth);
                for text in &texts[at..at + run] {
                    self.statement(&text[mark.len() + 1..], false, depth + 1);
                }
                self.close(depth);
                at += run;
            } else {
                self.statement(text, false, depth);
                at += 1;
            }
        }
    }

    fn statement(&mut self, text: &str, inactive: bool, depth: usize) {
        let end = if self.ends == CurlySource::Semicolon { ";\n" } else { "\n" };
        self.head(text, inactive, depth);
        self.out.push_str(end);
    }

    fn open(&mut self, text: &str, inactive: bool, depth: usize) {
        self.head(text, inactive, depth);
        self.out.push_str(" {\n");
    }

    fn close(&mut self, depth: usize) {
        self.out.extend([INDENT.repeat(depth).as_str(), "}\n"]);
    }

    fn head(&mut self, text: &str, inactive: bool, depth: usize) {
        self.out.extend([INDENT.repeat(depth).as_str(), if inactive { "inactive: " } else { "" }, text]);
    }
}

const INDENT: &str = "    ";

fn joined(before: &str, after: &str) -> String {
    match (before, after) {
        ("", text) | (text, "") => text.to_owned(),
        (before, after) => format!("{before} {after}"),
    }
}

fn is_foreign(node: &Node) -> bool {
    opaque(node) && node.name().name.as_str() == FOREIGN
}

/// Whether an unknown line, or one below it, holds a masked secret.
pub(super) fn has_secret(node: &Node) -> bool {
    node.opaque_text().is_some_and(|text| text.ends_with(SECRET)) || node.children().iter().any(has_secret)
}

fn members<'a>(node: &'a Node, step: &'a NodeStep) -> Vec<&'a str> {
    named(node, &step.name).filter_map(|member| member.value()).map(|value| value.as_str()).collect()
}

/// An unknown line with those below it; `leave` is the word that leaves a block, empty for none.
pub(super) fn print_opaque(node: &Node, depth: usize, leave: &str, out: &mut String) {
    let Some(text) = node.opaque_text() else { return };
    let indent = " ".repeat(depth);
    out.extend([indent.as_str(), text, "\n"]);
    for child in node.children() {
        print_opaque(child, depth + 1, leave, out);
    }
    if !node.children().is_empty() && !leave.is_empty() {
        out.extend([indent.as_str(), leave, "\n"]);
    }
}
