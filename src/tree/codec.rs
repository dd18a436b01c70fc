//! What the JSON and the XML codec share: limits, the policy for what a schema does not know, and their error.
//!
//! All bytes that a codec reads are hostile, from the north and from an element alike, so every count has a limit. The
//! error says where (an instance identifier as far as it was read, and line and column of the text) and carries the
//! error-tag of RFC 6241 appendix A that RESTCONF answers with. It does no input or output.

use super::name::{Name, QName};
use super::path::{Key, Path, Step};
use super::schema::{SchemaIndex, SchemaKind};
use super::tree::ConfigTree;
use super::value::Value;
use super::{Children, Node, SchemaId};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

/// How much a document may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Nested containers, entries and unknown elements.
    pub depth: usize,
    /// Nodes in all.
    pub nodes: usize,
    /// XML attributes of one element.
    pub attributes: usize,
    /// Bytes of one value or name, escapes resolved.
    pub value_bytes: usize,
}

impl Limits {
    /// For documents from the north: 4 MiB.
    pub const NORTH: Self = Self { bytes: 4 << 20, depth: 64, nodes: 200_000, attributes: 64, value_bytes: 256 << 10 };
    /// For what an element sends: 64 MiB. It may declare the namespaces of all its modules at the top.
    pub const SOUTH: Self =
        Self { bytes: 64 << 20, depth: 64, nodes: 4_000_000, attributes: 192, value_bytes: 1 << 20 };
}

/// What to do with something that the schema does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// An error. Values must fit their types, metadata is refused.
    Refuse,
    /// Keep it as an opaque node. A value that does not fit its type is kept as text, metadata is skipped: this is for
    /// what an element says, which must never be lost and cannot be sent back for correction.
    Opaque,
}

/// What to do with nodes that are not configuration (`config false`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An error: the sender may not write them.
    Refuse,
    /// Skip them.
    Drop,
    /// Keep them: the document is state data or an operation's output.
    Keep,
}

/// How strictly a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nodes that the schema does not know.
    pub unknown: Unknown,
    /// Nodes that are not configuration.
    pub state: State,
}

impl Policy {
    /// A configuration document from the north: nothing unknown, no state.
    pub const STRICT: Self = Self { unknown: Unknown::Refuse, state: State::Refuse };
    /// What an element says: keep what is unknown, skip state.
    pub const ELEMENT: Self = Self { unknown: Unknown::Opaque, state: State::Drop };
    /// A document with state data that we made ourselves.
    pub const DATA: Self = Self { unknown: Unknown::Refuse, state: State::Keep };
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecErrorKind {
    /// Not JSON, not XML, or not of the shape that the encoding demands.
    Malformed,
    /// A node that the schema does not have here.
    UnknownElement,
    /// A namespace or module that the schema does not have.
    UnknownNamespace,
    /// A value that does not fit its type.
    InvalidValue,
    /// A list entry without one of its keys.
    MissingKey,
    /// Two entries with equal keys, two equal leaf-list members, or an XML leaf given twice.
    DuplicateEntry,
    /// A node that is not configuration in a document that may only hold configuration.
    NotConfiguration,
    /// A limit other than the depth is exceeded.
    TooBig,
    /// Nested deeper than allowed.
    TooDeep,
    /// An attribute or annotation that is not allowed here.
    BadAttribute,
}

impl CodecErrorKind {
    /// The error-tag (RFC 6241 appendix A, RFC 8040 §7).
    pub fn error_tag(self) -> &'static str {
        match self {
            Self::Malformed | Self::TooDeep => "malformed-message",
            Self::UnknownElement => "unknown-element",
            Self::UnknownNamespace => "unknown-namespace",
            Self::InvalidValue | Self::DuplicateEntry | Self::NotConfiguration => "invalid-value",
            Self::MissingKey => "missing-element",
            Self::TooBig => "too-big",
            Self::BadAttribute => "bad-attribute",
        }
    }
}

/// Why a document was not read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CodecError {
    /// What kind of fault.
    pub kind: CodecErrorKind,
    /// Instance identifier of the node, as far as it was read; `/` is the whole document.
    pub path: String,
    /// What is wrong, without the path.
    pub message: String,
    /// Line in the document, from 1; 0 when the fault is not at one place.
    pub line: u32,
    /// Column in characters, from 1; 0 when the fault is not at one place.
    pub column: u32,
}

impl CodecError {
    /// The error-tag (RFC 6241 appendix A, RFC 8040 §7).
    pub fn error_tag(&self) -> &'static str {
        self.kind.error_tag()
    }

    pub(super) fn at(kind: CodecErrorKind, path: String, message: String, text: &str, offset: usize) -> Self {
        let before = text.as_bytes().get(..offset.min(text.len())).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = before[start..].iter().filter(|byte| (**byte & 0xC0) != 0x80).count() as u32 + 1;
        Self { kind, path, message, line, column }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

/// What every document is held against before it is read: its text, and the schema node that it stands below (`None`: the
/// root).
pub(super) fn opened<'b>(
    bytes: &'b [u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    limits: &Limits,
) -> Result<(&'b str, Option<SchemaId>), CodecError> {
    let whole = |kind, message: String| {
        let path = Trail::new(at).to_string();
        CodecError { kind, path, message, line: 0, column: 0 }
    };
    if bytes.len() > limits.bytes {
        let message = format!("the document has {} bytes, {} are allowed", bytes.len(), limits.bytes);
        return Err(whole(CodecErrorKind::TooBig, message));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|fault| whole(CodecErrorKind::Malformed, format!("not UTF-8 at byte {}", fault.valid_up_to())))?;
    let parent = match at.filter(|path| !path.steps().is_empty()) {
        None => None,
        Some(path) => Some(index.resolve(path).ok_or_else(|| {
            whole(CodecErrorKind::UnknownElement, "the schema does not know the parent of the document".into())
        })?),
    };
    Ok((text, parent))
}

/// Where a reader stands, for the paths of errors.
#[derive(Debug, Default)]
pub(super) struct Trail {
    base: Vec<Step>,
    crumbs: Vec<Crumb>,
}

#[derive(Debug)]
struct Crumb {
    name: QName,
    keys: Vec<(Name, Value)>,
    /// Number of a list entry, shown until a key is known.
    nth: Option<usize>,
}

impl Trail {
    pub(super) fn new(at: Option<&Path>) -> Self {
        Self { base: at.map_or_else(Vec::new, |path| path.steps().to_vec()), crumbs: Vec::new() }
    }

    pub(super) fn push(&mut self, name: QName, nth: Option<usize>) {
        self.crumbs.push(Crumb { name, keys: Vec::new(), nth });
    }

    pub(super) fn pop(&mut self) {
        self.crumbs.pop();
    }

    /// A key of the innermost entry is known.
    pub(super) fn key(&mut self, name: &Name, value: &Value) {
        if let Some(crumb) = self.crumbs.last_mut() {
            crumb.keys.push((name.clone(), value.clone()));
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.crumbs.len()
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = self.base.clone();
        steps.extend(self.crumbs.iter().map(|crumb| {
            let key = if crumb.keys.is_empty() { Key::Single } else { Key::Entry(crumb.keys.as_slice().into()) };
            Step { name: crumb.name.clone(), key }
        }));
        write!(f, "{}", Path::new(steps))?;
        match self.crumbs.last() {
            Some(Crumb { nth: Some(nth), keys, .. }) if keys.is_empty() => write!(f, "[{nth}]"),
            _ => Ok(()),
        }
    }
}

/// Which children of a node were there, by their places in the schema.
#[derive(Default)]
pub(super) struct Ranks {
    first: u64,
    more: HashSet<u32>,
}

impl Ranks {
    /// Whether it was not there yet; from now on it was.
    pub(super) fn insert(&mut self, rank: u32) -> bool {
        if rank >= 64 {
            return self.more.insert(rank);
        }
        let before = self.first;
        self.first |= 1 << rank;
        self.first != before
    }
}

/// The entries of a list, or members of a leaf-list, that were read, to find what is there twice.
#[derive(Default)]
pub(super) struct Met {
    /// The last one, as long as they come in their order: then no other can be there twice.
    last: Option<Node>,
    /// All keys, once they do not.
    seen: Option<HashSet<Key>>,
}

impl Met {
    /// For nodes that the reader does not keep.
    pub(super) fn apart() -> Self {
        Self { last: None, seen: Some(HashSet::new()) }
    }

    /// Whether a node with this key was met already; from now on it was. `others` has all that were met before.
    pub(super) fn again(&mut self, node: &Node, others: &[Node]) -> bool {
        if let Some(seen) = &mut self.seen {
            return !seen.insert(node.key());
        }
        match self.last.as_ref().map(|last| last.cmp_key(node)) {
            Some(Ordering::Greater) => {
                let others = others.iter().filter(|other| other.name() == node.name() && other.opaque_text().is_none());
                let seen = self.seen.insert(others.map(Node::key).collect());
                !seen.insert(node.key())
            }
            order => {
                self.last = Some(node.clone());
                order == Some(Ordering::Equal)
            }
        }
    }
}

/// Hangs `children` below the ancestors that `at` names.
pub(super) fn below(at: Option<&Path>, index: &SchemaIndex, children: Vec<Node>) -> ConfigTree {
    let steps = at.map_or(&[][..], Path::steps);
    let mut ids = Vec::with_capacity(steps.len());
    let mut id = None;
    for (n, step) in steps.iter().enumerate() {
        // Behind an unknown step everything is unknown.
        id = if n > 0 && id.is_none() { None } else { index.child(id, &step.name) };
        ids.push(id);
    }
    let mut nodes = children;
    for (step, id) in steps.iter().zip(ids).rev() {
        let kind = id.map(|id| index.node(id).kind);
        let node = match (&step.key, kind) {
            (Key::Entry(keys), Some(SchemaKind::List { user_ordered })) => {
                Node::entry(step.name.clone(), keys.clone(), user_ordered, nodes)
            }
            (Key::Single, Some(SchemaKind::Container { presence })) => {
                Node::container(step.name.clone(), presence, nodes)
            }
            _ => Node::from_step(step.clone()).with_children(nodes),
        };
        nodes = vec![node];
    }
    ConfigTree::new(nodes)
}

/// The children of a node in the order in which they are printed: schema order, what the schema does not know last,
/// user order kept. With each child its schema number.
pub(super) fn in_schema_order<'a>(
    index: &SchemaIndex,
    parent: Option<SchemaIdAt>,
    children: Children<'a>,
) -> Vec<(Option<SchemaId>, &'a Node)> {
    let mut last: Option<(&QName, Option<SchemaId>)> = None;
    let mut ordered: Vec<_> = children
        .iter()
        .map(|child| {
            let id = match last {
                Some((name, id)) if name == child.name() => id,
                _ => match parent {
                    Some(SchemaIdAt::Top) => index.child(None, child.name()),
                    Some(SchemaIdAt::Below(id)) => index.child(Some(id), child.name()),
                    None => None,
                },
            };
            last = Some((child.name(), id));
            (id, child)
        })
        .collect();
    ordered.sort_by_key(|(id, _)| id.map_or(u32::MAX, |id| index.rank(id)));
    ordered
}

/// A place in the schema whose children are looked up; `None` beside it means "the schema does not know this place".
#[derive(Clone, Copy, Debug)]
pub(super) enum SchemaIdAt {
    Top,
    Below(SchemaId),
}

impl SchemaIdAt {
    pub(super) fn of(index: &SchemaIndex, path: &Path) -> Option<Self> {
        if path.steps().is_empty() { Some(Self::Top) } else { index.resolve(path).map(Self::Below) }
    }
}
