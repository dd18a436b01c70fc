//! XML bytes -> tree.
//!
//! Recursive descent along the schema; the depth is checked before each step down. With [`Unknown::Opaque`] an element that
//! does not fit is read again from its start tag, as an opaque one.
//!
//! Here is the descent. `plain` reads what needs no events, `known` what an element of the schema holds, `marks` the
//! attributes of an `edit-config`.

mod known;
mod marks;
mod plain;

pub use marks::{EditConfig, Insert, Mark, Operation};

use super::entries::{Entries, Memory};
use super::source::{Binding, Item, Source};
use super::{NETCONF, RESTCONF};
use crate::tree::codec::{CodecError, CodecErrorKind, Limits, Met, Policy, Ranks, Trail, Unknown, below, opened};
use crate::tree::hash::Hash;
use crate::tree::lexical::{is_name, is_space, shown};
use crate::tree::schema::{SchemaIndex, SchemaKind};
use crate::tree::value::Pool;
use crate::tree::{Name, Node, Path, QName, SchemaId, Step, Value};
use quick_xml::events::BytesStart;
use std::collections::HashMap;

/// What a document is read for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'k> {
    /// Its tree.
    Read,
    /// Its tree; most of its entries may be known.
    Again(&'k Entries),
    /// Its operations, too.
    Edit,
}

pub(super) fn parse(
    bytes: &[u8],
    index: &SchemaIndex,
    at: Option<&Path>,
    policy: Policy,
    limits: &Limits,
    purpose: Purpose<'_>,
) -> Result<(EditConfig, Entries), CodecError> {
    let trail = Trail::new(at);
    let (text, parent) = opened(bytes, index, at, limits)?;
    let source = Source::new(text, limits.attributes);
    let mut reader = Reader {
        source,
        index,
        policy,
        limits,
        trail,
        nodes: 0,
        broken: false,
        pool: Pool::for_bytes(text.len()),
        edit: matches!(purpose, Purpose::Edit),
        marks: Vec::new(),
        memory: match purpose {
            Purpose::Again(last) => Some(Memory::of(last)),
            Purpose::Read | Purpose::Edit => None,
        },
    };
    let mut content = Content { parent, ..Content::default() };
    reader.document(&mut content)?;
    let marks = std::mem::take(&mut reader.marks).into_iter().map(|(mut steps, operation, insert)| {
        steps.reverse();
        Mark { path: Path::new(steps), operation, insert }
    });
    let marks = marks.collect();
    let now = reader.memory.map(Memory::done).unwrap_or_default();
    Ok((EditConfig { tree: below(at, index, content.nodes), marks }, now))
}

/// The name of an element, and its schema node or why there is none.
type Found = (QName, Result<SchemaId, CodecErrorKind>);

pub(super) struct Reader<'a> {
    pub(super) source: Source<'a>,
    pub(super) index: &'a SchemaIndex,
    policy: Policy,
    pub(super) limits: &'a Limits,
    trail: Trail,
    nodes: usize,
    /// The text is no XML: reading it again as an opaque node has failed.
    broken: bool,
    /// Equal values share one text.
    pool: Pool,
    /// Operations are wanted.
    edit: bool,
    /// Steps from the node up to the element being read, and what the node carries.
    marks: Vec<(Vec<Step>, Option<Operation>, Option<Insert>)>,
    /// What the last document had, and what this one has.
    memory: Option<Memory<'a>>,
}

/// The content of one element, while it is read.
#[derive(Default)]
struct Content {
    parent: Option<SchemaId>,
    nodes: Vec<Node>,
    /// The keys of an entry, by their places.
    keys: Vec<Option<Value>>,
    /// Containers and leafs that were there.
    single: Ranks,
    /// Lists and leaf-lists that were there.
    runs: Vec<Run>,
    /// Where the last known child stands among those of the schema: the next one is likely near.
    near: usize,
    /// How often an equal opaque sibling was there.
    opaque: HashMap<(QName, String), u32>,
    /// The depth and the namespaces in scope, once they were asked for: the same for all children.
    context: Option<Hash>,
}

impl Content {
    /// What is known of a list or leaf-list so far.
    fn run(&mut self, list: SchemaId, edit: bool) -> &mut Run {
        let at = match self.runs.iter().rposition(|run| run.list == list) {
            Some(at) => at,
            None => {
                // What is to be removed is not among the nodes, so an edit keeps all keys apart from the beginning.
                let met = if edit { Met::apart() } else { Met::default() };
                self.runs.push(Run { list, number: 0, met });
                self.runs.len() - 1
            }
        };
        &mut self.runs[at]
    }

    /// Whether an entry or member with this key was there already; from now on it was.
    fn again(&mut self, list: SchemaId, node: &Node, edit: bool) -> bool {
        let mut met = std::mem::take(&mut self.run(list, edit).met);
        let again = met.again(node, &self.nodes);
        self.run(list, edit).met = met;
        again
    }
}

/// The entries of a list, or members of a leaf-list, that were read.
struct Run {
    list: SchemaId,
    /// How many there were, for paths of errors.
    number: usize,
    met: Met,
}

impl<'a> Reader<'a> {
    /// The top-level elements, or the content of a `config` or `data` element around them.
    fn document(&mut self, content: &mut Content) -> Result<(), CodecError> {
        let mut wrapped = false;
        let mut mark = 0;
        let mut first = true;
        loop {
            match self.item()? {
                Item::Open { start, offset } => {
                    let alone = std::mem::take(&mut first);
                    if self.is_envelope(&start)? {
                        // Kept as unknown it could be printed first, and nobody could tell it from the envelope then.
                        if !alone {
                            return Err(self.malformed("an envelope stands beside or inside of other elements".into()));
                        }
                        mark = self.source.enter(&start, self.index).map_err(|fault| self.malformed(fault))?.0;
                        wrapped = true;
                        continue;
                    }
                    self.element(start, offset, 1, content)?;
                }
                Item::Close => {
                    // Only the envelope can be closed here.
                    self.source.leave(mark);
                    loop {
                        match self.item()? {
                            Item::End => return Ok(()),
                            Item::Text(text) if text.trim_matches(is_space).is_empty() => {}
                            _ => return Err(self.malformed("more stands behind the end of the document".into())),
                        }
                    }
                }
                Item::Text(text) => self.only_space(&text)?,
                Item::End if wrapped => return Err(self.malformed("the document ends inside an element".into())),
                Item::End => return Ok(()),
            }
        }
    }

    fn is_envelope(&mut self, start: &BytesStart<'a>) -> Result<bool, CodecError> {
        let name = start.name();
        let (prefix, local) = name.0.split_once(':').unwrap_or(("", name.0));
        if !matches!(local, "config" | "data") {
            return Ok(false);
        }
        let (mark, _) = self.source.enter(start, self.index).map_err(|fault| self.malformed(fault))?;
        let found = self.source.binding(prefix).map(|binding| binding.namespace.as_str());
        // Cut out of a message it may have lost the declaration; a data node without namespace there is none. An empty
        // declaration says that there is none (XML namespaces §6.2).
        let is = matches!(found, None | Some("" | NETCONF | RESTCONF));
        self.source.leave(mark);
        Ok(is)
    }

    /// Reads the children of the element that was just entered, up to its end.
    fn children(&mut self, depth: usize, content: &mut Content) -> Result<(), CodecError> {
        loop {
            while depth <= self.limits.depth && (self.plain_leaf(content).is_some() || self.entry_again(depth, content))
            {
            }
            match self.item()? {
                Item::Open { start, offset } => self.element(start, offset, depth, content)?,
                Item::Close => return Ok(()),
                Item::Text(text) => self.only_space(&text)?,
                Item::End => return Err(self.malformed("the document ends inside an element".into())),
            }
        }
    }

    /// One element: known, unknown, or known and of another shape than the schema says.
    fn element(
        &mut self,
        start: BytesStart<'a>,
        offset: usize,
        depth: usize,
        content: &mut Content,
    ) -> Result<(), CodecError> {
        if depth > self.limits.depth {
            return Err(self.error(CodecErrorKind::TooDeep, format!("nested deeper than {}", self.limits.depth)));
        }
        let bookmark = self.source.bookmark(offset);
        let (mark, attributes) = self.source.enter(&start, self.index).map_err(|fault| self.malformed(fault))?;
        let (name, found) = self.find(&start, content)?;
        let crumbs = self.trail.depth();
        let list = found.ok().filter(|id| matches!(self.index.node(*id).kind, SchemaKind::List { .. }));
        let number = list.map(|id| {
            let run = content.run(id, self.edit);
            run.number += 1;
            run.number
        });
        self.trail.push(name.clone(), number);
        let before = content.nodes.len();
        let learned = self.memory.as_ref().map(Memory::mark);
        let mut any = None;
        let result = match found {
            Ok(id) if self.index.node(id).kind != SchemaKind::Any => match self.known(id, attributes, depth, content) {
                Err(error) if self.keeps(&error) => Err(None),
                Err(error) => Err(Some(error)),
                Ok(()) => Ok(()),
            },
            Ok(id) => {
                // `anydata` or `anyxml`: its content is kept as it stands.
                any = self.operation(&attributes)?;
                if !self.index.node(id).config && self.leaves_out_state()? {
                    self.skip().map_err(Some)
                } else {
                    self.once(id, content)?;
                    Err(None)
                }
            }
            Err(kind) => match self.policy.unknown {
                Unknown::Opaque => Err(None),
                Unknown::Refuse => Err(Some(self.unknown(kind, content.parent, &name))),
            },
        };
        match result {
            Ok(()) => {
                self.source.leave(mark);
                if let (Some(list), Some(learned)) = (list, learned)
                    && content.nodes.len() == before + 1
                {
                    self.learn(list, (offset, learned), depth, content);
                }
            }
            Err(Some(error)) => return Err(error),
            Err(None) => {
                while self.trail.depth() > crumbs + 1 {
                    self.trail.pop();
                }
                content.nodes.truncate(before);
                self.source.rewind(&bookmark);
                let again = self.opaque(name, depth, content);
                self.broken = again.is_err();
                again?;
                self.mark_anything(any, content);
            }
        }
        self.trail.pop();
        Ok(())
    }

    /// Whether a fault means "of another shape", so that the element is kept as it is.
    fn keeps(&self, error: &CodecError) -> bool {
        let shape = matches!(error.kind, CodecErrorKind::Malformed | CodecErrorKind::MissingKey);
        self.policy.unknown == Unknown::Opaque && shape && !self.broken
    }

    /// The name of an element, and its schema node if there is one here.
    fn find(&self, start: &BytesStart<'a>, content: &mut Content) -> Result<Found, CodecError> {
        let name = start.name();
        let (prefix, local) = name.0.split_once(':').unwrap_or(("", name.0));
        let binding = self.source.binding(prefix);
        if let Some(module) = binding.and_then(|binding| binding.module.as_ref()) {
            let siblings = self.index.children(content.parent);
            let near = siblings.iter().enumerate().skip(content.near).take(3);
            let mut near = near.map(|(at, id)| (at, *id, &self.index.node(*id).name));
            if let Some((at, id, name)) =
                near.find(|(_, _, name)| name.name.as_str() == local && name.module == *module)
            {
                content.near = at;
                return Ok((name.clone(), Ok(id)));
            }
            if let Some(id) = self.index.child_named(content.parent, module.as_str(), local) {
                content.near = self.index.rank(id) as usize;
                return Ok((self.index.node(id).name.clone(), Ok(id)));
            }
        }
        if !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(self.malformed(format!("{} is not a name", shown(name.0))));
        }
        Ok(match binding {
            Some(Binding { module: Some(module), .. }) => {
                (QName { module: module.clone(), name: Name::unknown(local) }, Err(CodecErrorKind::UnknownElement))
            }
            Some(binding) => (QName::unknown(&binding.namespace, local), Err(CodecErrorKind::UnknownNamespace)),
            None => (QName::unknown(prefix, local), Err(CodecErrorKind::UnknownNamespace)),
        })
    }

    /// Reads the element again, which the bookmark has put in front of us, and keeps its text.
    fn opaque(&mut self, name: QName, depth: usize, content: &mut Content) -> Result<(), CodecError> {
        let Item::Open { start, .. } = self.item()? else {
            return Err(self.malformed("an element is expected".into()));
        };
        let mut text = String::new();
        self.opaque_text(&start, "", depth, &mut text)?;
        let nth = content.opaque.entry((name.clone(), text.clone())).or_default();
        content.nodes.push(Node::opaque(name, &text, *nth, Vec::new()));
        *nth += 1;
        Ok(())
    }

    fn only_space(&self, text: &str) -> Result<(), CodecError> {
        if text.trim_matches(is_space).is_empty() {
            return Ok(());
        }
        Err(self.malformed(format!("text {} stands where elements are expected", shown(text.trim()))))
    }

    pub(super) fn append(&self, text: &mut String, piece: &str) -> Result<(), CodecError> {
        text.push_str(piece);
        if text.len() > self.limits.value_bytes {
            let message = format!("a value is longer than {} bytes", self.limits.value_bytes);
            return Err(self.error(CodecErrorKind::TooBig, message));
        }
        Ok(())
    }

    pub(super) fn count(&mut self) -> Result<(), CodecError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("the document has more than {} nodes", self.limits.nodes);
            return Err(self.error(CodecErrorKind::TooBig, message));
        }
        Ok(())
    }

    pub(super) fn item(&mut self) -> Result<Item<'a>, CodecError> {
        self.source.next().map_err(|fault| self.malformed(fault))
    }

    fn unknown(&self, kind: CodecErrorKind, parent: Option<SchemaId>, name: &QName) -> CodecError {
        let mut known = self.index.children(parent).iter().map(|id| &self.index.node(*id).name);
        let hint = known.find(|known| known.name == name.name);
        let what = match kind {
            CodecErrorKind::UnknownNamespace => {
                format!("no module has the namespace {}", shown(name.module.as_str()))
            }
            _ => "unknown node".into(),
        };
        let message = match hint {
            Some(hint) => format!("{what}; did you mean '{hint}'?"),
            None => what,
        };
        self.error(kind, message)
    }

    pub(super) fn malformed(&self, message: String) -> CodecError {
        self.error(CodecErrorKind::Malformed, message)
    }

    pub(super) fn error(&self, kind: CodecErrorKind, message: String) -> CodecError {
        CodecError::at(kind, self.trail.to_string(), message, self.source.text(), self.source.offset())
    }
}
