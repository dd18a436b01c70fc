//! `grammar.toml` as it stands in the file. Meaning is given to it in `rules.rs`; unknown keys are refused.

use super::types::TypeSource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrammarSource {
    pub(super) grammar: GeneralSource,
    #[serde(default)]
    pub(super) types: BTreeMap<String, TypeSource>,
    pub(super) context: Vec<ContextSource>,
    pub(super) line: Vec<LineSource>,
    #[serde(default)]
    pub(super) refuse: Vec<RefuseSource>,
    #[serde(default)]
    pub(super) protected: Vec<ProtectedSource>,
}

/// What holds for every line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeneralSource {
    /// Lines beginning with this say nothing.
    pub(super) comment: String,
    /// The last line of a complete configuration; typed, it leaves configuration mode.
    pub(super) end: String,
    /// The word that leaves any context.
    pub(super) leave: String,
    /// The word that negates a line.
    pub(super) no: String,
    /// What the element answers to a line that it does not know; `{line}` is the line.
    pub(super) unknown: String,
    /// Patterns of lines that say nothing that anyone configured: never in a tree.
    #[serde(default)]
    pub(super) derived: Vec<String>,
    /// In a line that the grammar does not know, all that follows one of these words is masked.
    #[serde(default)]
    pub(super) secret_words: Vec<String>,
    /// Characters that may not stand in an argument.
    #[serde(default)]
    pub(super) forbidden: String,
    /// Longest text in bytes.
    pub(super) max_bytes: usize,
    /// Most lines.
    pub(super) max_lines: usize,
    /// Deepest nesting of contexts.
    pub(super) max_depth: usize,
}

/// Does what it covers belong to who created it, or to the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OwnerSource {
    Own,
    Shared,
}

/// How a context is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RemoveSource {
    /// One negation takes it with all its content.
    Whole,
    /// Line by line; the element forgets the empty context by itself.
    Content,
    /// Line by line, then the negation of the context.
    ContentThenWhole,
}

/// A context: lines that are entered and left.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextSource {
    /// Its name within the grammar.
    pub(super) name: String,
    /// Contexts that it stands in; `root` is the top.
    #[serde(rename = "in")]
    pub(super) parents: Vec<String>,
    /// The line that enters it.
    pub(super) enter: String,
    /// Other lines that enter it; never rendered.
    #[serde(default)]
    pub(super) alias: Vec<String>,
    /// The line that leaves it, as the element prints it.
    pub(super) exit: Option<String>,
    /// Where it stands in the tree: one step.
    pub(super) node: String,
    /// An empty one is echoed and means something.
    #[serde(default)]
    pub(super) presence: bool,
    /// How it is removed.
    pub(super) remove: RemoveSource,
    /// The line that removes it.
    pub(super) negate: Option<String>,
    /// Other lines that remove it; never rendered.
    #[serde(default)]
    pub(super) also_negate: Vec<String>,
    /// The element may refuse the negation for a while.
    #[serde(default)]
    pub(super) busy: bool,
    /// Place among its siblings when it is created.
    pub(super) order: i32,
    /// Place when it is removed; the reverse of `order` unless given.
    pub(super) remove_order: Option<i32>,
    /// `own` unless given.
    pub(super) ownership: Option<OwnerSource>,
    /// It is own only where this key matches this expression, shared elsewhere; a shared one is never negated.
    #[serde(default)]
    pub(super) own_when: BTreeMap<String, String>,
    /// Nodes that go with it, relative to the parent.
    #[serde(default)]
    pub(super) cascade: Vec<String>,
    /// Printed behind a comment line.
    #[serde(default)]
    pub(super) separated: bool,
    /// What its removal does to traffic.
    #[serde(default)]
    pub(super) impact: ImpactSource,
}

/// What a change does to traffic: `hitless`, `drops`, `resets TEXT`; arguments of the line may stand in the text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImpactSource {
    #[serde(default)]
    pub(super) create: String,
    #[serde(default)]
    pub(super) change: String,
    #[serde(default)]
    pub(super) remove: String,
}

/// A line of a context.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineSource {
    /// Contexts that know it.
    #[serde(rename = "in")]
    pub(super) contexts: Vec<String>,
    /// The pattern.
    pub(super) line: String,
    /// Where it stands in the tree. An alias may stand for several.
    #[serde(default)]
    pub(super) node: Vec<String>,
    /// Understood, never rendered.
    #[serde(default)]
    pub(super) alias: bool,
    /// An alias that the element prints where all its nodes have the same members.
    #[serde(default)]
    pub(super) print: bool,
    /// The lines that take it back; the first is rendered. Without any: the line behind `no`.
    #[serde(default)]
    pub(super) negate: Vec<String>,
    /// It cannot be taken back on its own.
    #[serde(default)]
    pub(super) permanent: bool,
    /// A new value is typed over the old one; otherwise the old line is taken back first.
    #[serde(default = "yes")]
    pub(super) replace: bool,
    /// The value that the element does not print.
    pub(super) default: Option<String>,
    /// Nodes that go with it; `~text` are lines that the grammar does not know and that begin so.
    #[serde(default)]
    pub(super) cascade: Vec<String>,
    /// Nodes that come with it.
    #[serde(default)]
    pub(super) implies: Vec<String>,
    /// It is taken back by a line of its own before a context around it is negated.
    #[serde(default)]
    pub(super) before_context: bool,
    /// Place among its siblings when it is created.
    pub(super) order: i32,
    /// Place when it is removed; the reverse of `order` unless given.
    pub(super) remove_order: Option<i32>,
    /// `own` unless given.
    pub(super) ownership: Option<OwnerSource>,
    /// Its value is masked before the tree is built.
    #[serde(default)]
    pub(super) secret: bool,
    /// A line of which only the beginning is known: kept, counted as opaque.
    #[serde(default)]
    pub(super) opaque: bool,
    /// What changes of it do to traffic.
    #[serde(default)]
    pub(super) impact: ImpactSource,
}

/// A line that the element refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefuseSource {
    #[serde(rename = "in")]
    pub(super) contexts: Vec<String>,
    pub(super) line: String,
    /// Only where this node exists; relative to the context, or to the root with a leading `/`. A list without keys
    /// means any entry.
    pub(super) exists: Option<String>,
    /// Only where this node does not exist.
    pub(super) missing: Option<String>,
    /// Only where an entry of this list with other keys exists; `{found}` is its first key.
    pub(super) other: Option<String>,
    /// What the element says; arguments of the line may stand in it.
    pub(super) text: String,
}

/// Nodes that no plan may touch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProtectedSource {
    /// Name of a top-level context node.
    pub(super) node: String,
    /// Expression for its first key.
    pub(super) key: String,
}

fn yes() -> bool {
    true
}
