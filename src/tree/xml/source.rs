//! XML events with all that is not wanted refused, and the namespaces in scope. It knows nothing of schemas.

use super::{DEFAULTS, NETCONF, WITH_DEFAULTS, YANG};
use crate::tree::lexical::{is_name, shown, yang_char};
use crate::tree::{Name, SchemaIndex};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;

/// An event.
pub(super) enum Item<'a> {
    /// A start tag; an empty-element tag is followed by its own `Close`.
    Open { start: BytesStart<'a>, offset: usize },
    /// An end tag that fits the innermost open element.
    Close,
    /// Character data, references resolved.
    Text(Cow<'a, str>),
    /// The end of the document, no element open.
    End,
}

/// A namespace declaration in scope.
pub(super) struct Binding {
    prefix: String,
    pub(super) namespace: String,
    /// Name of the module of this namespace, if the schema knows it.
    pub(super) module: Option<Name>,
}

/// The attributes of an element that are no namespace declarations.
#[derive(Default)]
pub(super) struct Attributes {
    /// `operation` of NETCONF.
    pub(super) operation: Option<String>,
    /// `insert`, `key`, `value` of YANG.
    pub(super) insert: Option<String>,
    pub(super) anchor: Option<String>,
    /// `default` of RFC 6243.
    pub(super) default: Option<String>,
    /// All others: namespace, prefix, local name, value.
    pub(super) others: Vec<(String, String, String, String)>,
}

/// Where events come from.
pub(super) struct Source<'a> {
    text: &'a str,
    base: usize,
    reader: Reader<&'a [u8]>,
    open: Vec<&'a str>,
    bindings: Vec<Binding>,
    /// An empty-element tag was given out; its end is next.
    pending: bool,
    max_attributes: usize,
    /// Where to read on, when something was read without events.
    jump: Option<usize>,
}

/// A place to go back to.
pub(super) struct Bookmark {
    offset: usize,
    open: usize,
    bindings: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, max_attributes: usize) -> Self {
        // A byte order mark is no part of the document (XML 1.0 §4.3.3).
        let base = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        Self {
            text,
            base,
            reader: reader(""),
            open: Vec::new(),
            bindings: Vec::new(),
            pending: false,
            max_attributes,
            jump: Some(base),
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.jump.unwrap_or(self.base + self.reader.buffer_position() as usize)
    }

    /// The text that is not read yet, when it begins outside of any tag.
    pub(super) fn ahead(&self) -> Option<&'a str> {
        if self.pending { None } else { self.text.get(self.offset()..) }
    }

    /// So many bytes of [`Self::ahead`] were read without events: whole elements without attributes, and white space.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.jump = Some(self.offset() + bytes);
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The next event. The error is what is wrong.
    pub(super) fn next(&mut self) -> Result<Item<'a>, String> {
        if std::mem::take(&mut self.pending) {
            return Ok(Item::Close);
        }
        if let Some(at) = self.jump.take() {
            let rest = self.text.get(at..).unwrap_or_default();
            // A reader takes it for the mark at the beginning of a document. Here it is text.
            if rest.starts_with(BYTE_ORDER_MARK) {
                let (mark, _) = rest.split_at(BYTE_ORDER_MARK.len_utf8());
                self.jump = Some(at + mark.len());
                return Ok(Item::Text(Cow::Borrowed(mark)));
            }
            self.base = at;
            self.reader = reader(rest);
        }
        loop {
            let offset = self.offset();
            let event = self.reader.read_event().map_err(|error| error.to_string())?;
            return Ok(match event {
                Event::Start(start) => {
                    self.open.push(name_at(self.text, offset, start.name().0.len())?);
                    Item::Open { start, offset }
                }
                Event::Empty(start) => {
                    self.pending = true;
                    Item::Open { start, offset }
                }
                Event::End(end) => {
                    match self.open.pop() {
                        Some(open) if open == end.name().0 => {}
                        Some(open) => return Err(format!("</{}> stands where </{open}> is expected", end.name().0)),
                        None => return Err(format!("</{}> closes nothing", end.name().0)),
                    }
                    Item::Close
                }
                Event::Text(text) => match text.into_inner() {
                    Cow::Borrowed(text) => Item::Text(lines(Cow::Borrowed(text))?),
                    Cow::Owned(text) => Item::Text(lines(Cow::Owned(text))?),
                },
                Event::CData(data) => Item::Text(lines(data.into_inner())?),
                Event::GeneralRef(reference) => {
                    let c = match &*reference {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "apos" => '\'',
                        "quot" => '"',
                        name => match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                            Some(c) if yang_char(c) => c,
                            Some(_) => return Err(format!("the character &{name}; is not allowed")),
                            None => return Err(format!("the entity &{name}; is not known")),
                        },
                    };
                    Item::Text(Cow::Owned(c.to_string()))
                }
                Event::DocType(_) => return Err("a document type definition is not accepted".into()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof => match self.open.last() {
                    Some(open) => return Err(format!("the document ends inside <{open}>")),
                    None => Item::End,
                },
            });
        }
    }

    /// Reads the attributes of an element and brings its namespace declarations into scope until [`Self::leave`].
    pub(super) fn enter(&mut self, start: &BytesStart<'_>, index: &SchemaIndex) -> Result<(usize, Attributes), String> {
        let mark = self.bindings.len();
        let mut plain: Vec<(String, String)> = Vec::new();
        // Most elements have none, and the check for doubles is not free.
        if !start.attributes_raw().trim().is_empty() {
            for (n, attribute) in start.attributes().enumerate() {
                if n >= self.max_attributes {
                    return Err(format!("an element has more than {} attributes", self.max_attributes));
                }
                let attribute = attribute.map_err(|error| error.to_string())?;
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
                allowed(&value)?;
                let key = attribute.key.0;
                let names = key.split_once(':').map_or([key, "p"], |(prefix, local)| [local, prefix]);
                if !names.into_iter().all(is_name) {
                    return Err(format!("{} is not the name of an attribute", shown(key)));
                }
                let declared = if key == "xmlns" { Some("") } else { key.strip_prefix("xmlns:") };
                match declared {
                    Some(prefix) => self.bindings.push(Binding {
                        prefix: prefix.to_owned(),
                        namespace: value.to_string(),
                        module: index.module_of_namespace(&value).map(|module| module.name.clone()),
                    }),
                    None => plain.push((key.to_owned(), value.into_owned())),
                }
            }
        }
        let mut attributes = Attributes::default();
        for (key, value) in plain {
            let (prefix, local) = key.split_once(':').unwrap_or(("", &key));
            let namespace = match prefix {
                "" => "",
                "xml" => continue,
                prefix => match self.binding(prefix) {
                    Some(binding) => binding.namespace.as_str(),
                    None => return Err(format!("the prefix of the attribute '{key}' is not declared")),
                },
            };
            match (namespace, local) {
                (NETCONF, "operation") => attributes.operation = Some(value),
                (YANG, "insert") => attributes.insert = Some(value),
                (YANG, "key" | "value") => attributes.anchor = Some(value),
                (DEFAULTS | WITH_DEFAULTS, "default") => attributes.default = Some(value),
                _ => {
                    let (namespace, prefix, local) = (namespace.to_owned(), prefix.to_owned(), local.to_owned());
                    attributes.others.push((namespace, prefix, local, value));
                }
            }
        }
        Ok((mark, attributes))
    }

    /// Ends the scope that `enter` began.
    pub(super) fn leave(&mut self, mark: usize) {
        self.bindings.truncate(mark);
    }

    /// What a prefix means here; the empty one is the default namespace.
    pub(super) fn binding(&self, prefix: &str) -> Option<&Binding> {
        self.bindings.iter().rev().find(|binding| binding.prefix == prefix)
    }

    /// The module that a prefix means here, if the schema knows it.
    pub(super) fn module_of(&self, prefix: &str) -> Option<String> {
        self.binding(prefix)?.module.as_ref().map(|module| module.as_str().to_owned())
    }

    /// A bookmark before the element that was just opened at `offset` and not entered.
    pub(super) fn bookmark(&self, offset: usize) -> Bookmark {
        let open = if self.pending { self.open.len() } else { self.open.len().saturating_sub(1) };
        Bookmark { offset, open, bindings: self.bindings.len() }
    }

    /// Goes back.
    pub(super) fn rewind(&mut self, to: &Bookmark) {
        self.jump = None;
        self.base = to.offset;
        self.reader = reader(&self.text[to.offset..]);
        self.open.truncate(to.open);
        self.bindings.truncate(to.bindings);
        self.pending = false;
    }
}

/// End tags are matched here, so that reading can begin anywhere.
fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    reader
}

/// The name of the tag that begins at `offset`.
fn name_at(text: &str, offset: usize, length: usize) -> Result<&str, String> {
    text.get(offset + 1..offset + 1 + length).ok_or_else(|| "a tag begins inside a character".to_owned())
}

/// Character data with line ends as XML 1.0 §2.11 wants them; characters that YANG does not allow are an error.
fn lines(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'\x7f' | b'\n' | b'\t'));
    if plain {
        return Ok(text);
    }
    allowed(&text)?;
    if text.contains('\r') {
        return Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")));
    }
    Ok(text)
}

/// Refuses characters that no YANG string may hold; those of XML are the same.
fn allowed(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !yang_char(*c)) {
        Some(c) => Err(format!("the character U+{:04X} is not allowed", c as u32)),
        None => Ok(()),
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';
