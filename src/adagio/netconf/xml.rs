//! A guarded walk over one NETCONF message: well-formed, no DTD, no entities of its own, limited depth.
//!
//! The message is read once. Payloads are not built into a tree here: they come out as exact slices of the message,
//! with the prefixes that are in scope, for the codecs above.

use super::message::BASE;
use super::plain;
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};

/// Why a message is not what XML or NETCONF allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not UTF-8.
    #[error("message is not utf-8 at byte {at}")]
    Encoding {
        /// first bad byte
        at: usize,
    },
    /// Not well-formed.
    #[error("message is not well-formed at byte {at}: {text}")]
    Malformed {
        /// where the parser stands
        at: u64,
        /// its words
        text: String,
    },
    /// A document type declaration.
    #[error("message carries a document type declaration")]
    Dtd,
    /// A reference to an entity that XML does not define.
    #[error("message refers to the entity {0:?}")]
    Entity(String),
    /// Too deep.
    #[error("message is nested deeper than {0}")]
    Depth(usize),
    /// It ended before its root element did.
    #[error("message ends inside an element")]
    Cut,
}

/// XML content cut out of a message, exactly as the element wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// The bytes between the start and the end tag.
    pub inner: String,
    /// Prefixes in scope there (`""` is the default namespace), needed when `inner` does not declare its own.
    pub namespaces: Vec<(String, String)>,
}

impl Fragment {
    /// The content inside an element `name` of NETCONF that declares every prefix in scope: a document of its own. The
    /// default namespace in scope may be a foreign one, and then this element has a prefix.
    pub fn to_document(&self, name: &str) -> String {
        let bound = |prefix: &str| self.namespaces.iter().find(|(known, _)| known == prefix);
        let (mut tag, mut own) = (name.to_owned(), None);
        if bound("").is_some_and(|(_, uri)| uri != BASE) {
            let mut prefix = "nc".to_owned();
            while bound(&prefix).is_some() {
                prefix.push('_');
            }
            (tag, own) = (format!("{prefix}:{name}"), Some((prefix, BASE.to_owned())));
        }
        let mut out = format!("<{tag}");
        for (prefix, uri) in self.namespaces.iter().chain(&own) {
            let uri = quick_xml::escape::escape(uri.as_str());
            match prefix.as_str() {
                "" => out.push_str(&format!(" xmlns=\"{uri}\"")),
                p => out.push_str(&format!(" xmlns:{p}=\"{uri}\"")),
            }
        }
        out.push('>');
        out.push_str(&self.inner);
        out.push_str(&format!("</{tag}>"));
        out
    }

    /// The text content, with references resolved and CDATA opened; tags and comments do not count.
    pub fn text(&self) -> Result<String, XmlError> {
        let document = format!("<x>{}</x>", self.inner);
        let mut walk = Walk::new(&document);
        let mut out = String::new();
        loop {
            match walk.next()? {
                Event::Text(t) => out.push_str(&t.xml10_content()),
                Event::CData(t) => out.push_str(&t.xml10_content()),
                Event::GeneralRef(r) => out.push(referenced(&r)?),
                Event::Eof => return Ok(out),
                _ => {}
            }
        }
    }
}

/// Namespace and local name of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub namespace: String,
    pub local: String,
}

impl Name {
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

/// An element whose start tag has been read. `empty`: it has no content and no end tag.
pub(super) struct Open<'a> {
    pub name: Name,
    pub tag: BytesStart<'a>,
    pub empty: bool,
}

impl Open<'_> {
    /// The value of an attribute without namespace.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.tag.attributes().flatten().find(|a| a.key.0 == name)?;
        attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(|v| v.into_owned())
    }
}

pub(super) struct Walk<'a> {
    text: &'a str,
    reader: NsReader<&'a [u8]>,
    depth: usize,
    /// Where the last event began.
    before: usize,
    /// Bytes that were passed over without events.
    passed: usize,
}

impl<'a> Walk<'a> {
    pub fn new(text: &'a str) -> Self {
        Walk { text, reader: NsReader::from_str(text), depth: 0, before: 0, passed: 0 }
    }

    /// The next event; checks everything that [`XmlError`] names.
    pub fn next(&mut self) -> Result<Event<'a>, XmlError> {
        self.before = self.position();
        let event = self
            .reader
            .read_event()
            .map_err(|e| XmlError::Malformed { at: self.error_position(), text: clip(&e.to_string()) })?;
        match &event {
            Event::Start(_) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(XmlError::Depth(MAX_DEPTH));
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(XmlError::Dtd),
            Event::GeneralRef(r) => {
                referenced(r)?;
            }
            Event::Eof if self.depth > 0 => return Err(XmlError::Cut),
            _ => {}
        }
        Ok(event)
    }

    /// The next child of the present element, or `None` at its end tag. Between children only whitespace, comments
    /// and processing instructions are expected; other text is passed over.
    pub fn child(&mut self) -> Result<Option<Open<'a>>, XmlError> {
        loop {
            match self.next()? {
                Event::Start(tag) => return Ok(Some(self.open(tag, false))),
                Event::Empty(tag) => return Ok(Some(self.open(tag, true))),
                Event::End(_) | Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// The content of an element that was just opened, up to and including its end tag.
    pub fn content(&mut self, open: &Open<'a>) -> Result<Fragment, XmlError> {
        let namespaces = self.namespaces();
        let from = self.position();
        if !open.empty {
            self.pass(from);
        }
        self.skip(open)?;
        let to = if open.empty { from } else { self.before };
        let inner = self.text.get(from..to).unwrap_or_default().to_owned();
        Ok(Fragment { inner, namespaces })
    }

    /// Goes to the end tag of the element that was just opened, without events, if it can be seen where that is.
    fn pass(&mut self, from: usize) {
        let Some(ahead) = self.text.get(from..) else { return };
        let Some(plain) = plain::content(ahead, MAX_DEPTH.saturating_sub(self.depth)) else { return };
        let input = self.reader.get_mut();
        // The reader keeps nothing back: what it has not read is what stands ahead.
        if input.len() == ahead.len()
            && let Some(rest) = input.get(plain..)
        {
            *input = rest;
            self.passed += plain;
        }
    }

    /// Passes over the rest of an element.
    pub fn skip(&mut self, open: &Open<'a>) -> Result<(), XmlError> {
        if open.empty {
            return Ok(());
        }
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// Byte offset behind the last event.
    pub fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).map_or(usize::MAX, |at| at + self.passed)
    }

    fn error_position(&self) -> u64 {
        self.reader.error_position() + self.passed as u64
    }

    /// Byte offset where the last event began.
    pub fn last_began(&self) -> usize {
        self.before
    }

    /// Prefixes in scope.
    pub fn namespaces(&self) -> Vec<(String, String)> {
        let prefix = |p| match p {
            PrefixDeclaration::Default => String::new(),
            PrefixDeclaration::Named(n) => String::from(n),
        };
        let all = self.reader.resolver().bindings();
        all.filter(|(p, _)| !matches!(p, PrefixDeclaration::Named("xml" | "xmlns")))
            .map(|(p, n)| (prefix(p), unescaped(n.0)))
            .collect()
    }

    fn open(&self, tag: BytesStart<'a>, empty: bool) -> Open<'a> {
        let (namespace, local) = self.reader.resolver().resolve_element(tag.name());
        let namespace = match namespace {
            ResolveResult::Bound(n) => unescaped(n.0),
            _ => String::new(),
        };
        let name = Name { namespace, local: String::from(local.into_inner()) };
        Open { name, tag, empty }
    }
}

/// Bytes of a message as text, without a byte order mark.
pub(super) fn utf8(message: &[u8]) -> Result<&str, XmlError> {
    let text = std::str::from_utf8(message).map_err(|e| XmlError::Encoding { at: e.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn referenced(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, XmlError> {
    let name: &str = reference;
    let unknown = || XmlError::Entity(clip(name));
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => reference.resolve_char_ref().ok().flatten().ok_or_else(unknown),
    }
}

/// Namespace names come from the parser as they are written; one that does not resolve stays as it is and matches
/// nothing.
fn unescaped(raw: &str) -> String {
    quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), |v| v.into_owned())
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Nesting of one message, envelope included. Configuration is rarely deeper than 30.
const MAX_DEPTH: usize = 256;
