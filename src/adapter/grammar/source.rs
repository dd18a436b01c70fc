//! `grammar.toml` as it stands in the file. Meaning is given to it in `rules/`; unknown keys are refused;
//! therefore what contexts and lines have in common stands in both (serde cannot refuse unknown keys of flattened parts).

use super::types::TypeSource;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrammarSource {
    pub(super) grammar: GeneralSource,
    #[serde(default)]
    pub(super) types: BTreeMap<String, TypeSource>,
    #[serde(default)]
    pub(super) context: Vec<ContextSource>,
    pub(super) line: Vec<LineSource>,
    #[serde(default)]
    pub(super) refuse: Vec<RefuseSource>,
    #[serde(default)]
    pub(super) action: Vec<ActionSource>,
    #[serde(default)]
    pub(super) protected: Vec<ProtectedSource>,
}

/// How the element writes its configuration, and how it wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Family {
    /// Blocks, entered by a line and left by a word or by indentation: IOS, IOS-XR, EOS, FRR.
    #[default]
    Indent,
    /// A line per leaf with its whole path behind `set`: VyOS, Junos as `display set`.
    Set,
    /// Curly blocks to read, lines as in `Set` to type; text as in `Set` is read, too: Junos.
    Brace,
    /// A line per leaf with its whole path behind a word: SR OS.
    Flat,
}

/// Which words an element prints in quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum QuoteSource {
    /// Those that need it.
    #[default]
    Needed,
    /// All values.
    Values,
}

/// What ends a statement in a curly text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CurlySource {
    Semicolon,
    Line,
}

/// What holds for every line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeneralSource {
    #[serde(default)]
    pub(super) family: Family,
    /// Lines beginning with this say nothing.
    pub(super) comment: String,
    /// The last line of a complete configuration; typed, it leaves configuration mode.
    #[serde(default)]
    pub(super) end: String,
    /// The word that leaves any context.
    #[serde(default)]
    pub(super) leave: String,
    /// The word that leaves all contexts.
    #[serde(default)]
    pub(super) top: String,
    /// The word that negates a line.
    #[serde(default)]
    pub(super) no: String,
    /// A line that stands no deeper than the one that entered a context leaves it.
    #[serde(default)]
    pub(super) by_indent: bool,
    /// The words before a path that say what is done to it.
    #[serde(default)]
    pub(super) put: String,
    #[serde(default)]
    pub(super) delete: String,
    #[serde(default)]
    pub(super) deactivate: String,
    #[serde(default)]
    pub(super) activate: String,
    /// The mark of quoted words.
    pub(super) quote: Option<char>,
    #[serde(default)]
    pub(super) quotes: QuoteSource,
    /// Curly text is read as well, its statements ending so.
    pub(super) curly: Option<CurlySource>,
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
    /// Longest line in bytes.
    #[serde(default = "max_line")]
    pub(super) max_line: usize,
    /// Deepest nesting of contexts.
    pub(super) max_depth: usize,
}

fn max_line() -> usize {
    65536
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
    pub(super) name: Spanned<String>,
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
    /// How it is removed. Where a path is enough to delete it: as a whole.
    pub(super) remove: Option<RemoveSource>,
    /// The line that removes it.
    pub(super) negate: Option<String>,
    /// Other lines that remove it; never rendered.
    #[serde(default)]
    pub(super) also_negate: Vec<String>,
    /// The element may refuse the negation for a while.
    #[serde(default)]
    pub(super) busy: bool,
    /// Place among its siblings when it is created.
    #[serde(default)]
    pub(super) order: i32,
    /// Place when it is removed; the reverse of `order` unless given.
    pub(super) remove_order: Option<i32>,
    /// Its place among its kind is part of the configuration.
    #[serde(default)]
    pub(super) ordered: bool,
    /// The element keeps it for ever: content goes, it stays.
    #[serde(default)]
    pub(super) never_delete: bool,
    /// No plan may touch it or what stands in it.
    #[serde(default)]
    pub(super) protected: bool,
    /// Objects that must be there before it and that go after it.
    #[serde(default)]
    pub(super) refs: Vec<String>,
    /// Questions that the element asks.
    #[serde(default)]
    pub(super) dialogue: Vec<DialogueSource>,
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

/// What the numbers of a list say that the element numbers by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceSource {
    /// The optional argument with the number.
    pub(super) argument: String,
    /// The first number that the element gives.
    pub(super) start: u64,
    /// The distance to the next one.
    pub(super) step: u64,
}

/// Lines that are one value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockSource {
    /// The line that ends it. Without one: the character that the block begins with ends it, too.
    pub(super) until: Option<String>,
    /// White space at line ends and empty first and last lines do not matter.
    #[serde(default)]
    pub(super) trim: bool,
}

/// When the element asks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AskedSource {
    /// When the line is typed.
    Create,
    /// When it is taken back.
    Remove,
}

/// A question of the element and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialogueSource {
    pub(super) on: AskedSource,
    /// Expression for the unfinished line that asks.
    pub(super) expect: String,
    /// What is typed.
    #[serde(default)]
    pub(super) answer: String,
}

/// A line that does something once and configures nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionSource {
    #[serde(rename = "in")]
    pub(super) contexts: Vec<String>,
    pub(super) line: Spanned<String>,
}

/// A line of a context.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineSource {
    /// Contexts that know it.
    #[serde(rename = "in")]
    pub(super) contexts: Vec<String>,
    /// The pattern.
    pub(super) line: Spanned<String>,
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
    /// It is taken back by its first so many words and arguments behind `no`.
    pub(super) negate_words: Option<usize>,
    /// It cannot be taken back on its own.
    #[serde(default)]
    pub(super) permanent: bool,
    /// A new value is typed over the old one; otherwise the old line is taken back first.
    #[serde(default = "yes")]
    pub(super) replace: bool,
    /// The value that the element does not print.
    pub(super) default: Option<String>,
    /// The element does not print the line at all when it has this value: the same as no line.
    pub(super) hidden: Option<String>,
    /// The place of a member or entry among its kind is part of the configuration.
    #[serde(default)]
    pub(super) ordered: bool,
    /// The element numbers the members by itself.
    pub(super) auto_seq: Option<SequenceSource>,
    /// Members stand in one statement in curly text: `[ a b ]`.
    #[serde(default)]
    pub(super) bracket: bool,
    /// Its value is a block of lines.
    pub(super) block: Option<BlockSource>,
    /// The element keeps it for ever.
    #[serde(default)]
    pub(super) never_delete: bool,
    /// No plan may touch it.
    #[serde(default)]
    pub(super) protected: bool,
    /// Objects that must be there before it and that go after it; from the root with a leading `/`.
    #[serde(default)]
    pub(super) refs: Vec<String>,
    /// Questions that the element asks.
    #[serde(default)]
    pub(super) dialogue: Vec<DialogueSource>,
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
    #[serde(default)]
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
    pub(super) line: Spanned<String>,
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
