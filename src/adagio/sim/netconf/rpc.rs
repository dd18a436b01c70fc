//! An `<rpc>` of a client as a value. Pure.
//!
//! Well-formed XML without DTD and of limited depth; the content of `<config>` is cut out as a document of its own, with
//! all prefixes that are in scope, for the codec of `tree`.

use super::refusal::{Layer, Refusal};
use crate::adagio::netconf::message::{BASE, MONITORING};
use crate::adagio::netconf::operation::Datastore;
use quick_xml::NsReader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use std::time::Duration;

/// An element of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub namespace: String,
    pub name: String,
    pub text: String,
    pub children: Vec<Item>,
    pub message_id: Option<String>,
    /// A `<config>`: the whole element, readable without what stands around it.
    pub document: Option<String>,
}

impl Item {
    /// The child of this name in the base namespace.
    pub fn child(&self, name: &str) -> Option<&Item> {
        self.children.iter().find(|child| child.name == name && child.namespace == self.namespace)
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

/// `default-operation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DefaultOperation {
    #[default]
    Merge,
    Replace,
    None,
}

/// An operation with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Lock(Datastore),
    Unlock(Datastore),
    Edit {
        target: Datastore,
        default: DefaultOperation,
        test_only: bool,
        config: String,
    },
    Validate(Datastore),
    Commit(Commit),
    CancelCommit {
        persist_id: Option<String>,
    },
    Discard,
    /// Running to startup; there is no other copy.
    Copy,
    GetConfig {
        source: Datastore,
        filter: Option<Vec<Item>>,
    },
    Get {
        filter: Option<Vec<Item>>,
    },
    GetSchema {
        identifier: String,
    },
    KillSession(u32),
    CloseSession,
}

/// The arguments of a commit (RFC 6241 §8.3, §8.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Commit {
    pub confirmed: bool,
    pub timeout: Option<Duration>,
    pub persist: Option<String>,
    pub persist_id: Option<String>,
}

/// An rpc: its id, the name of the operation, and what it asks for.
pub(super) struct Rpc {
    pub message_id: Option<String>,
    pub operation: String,
    pub request: Result<Request, Refusal>,
}

/// Reads an rpc. `None`: not an rpc at all, which ends the session.
pub(super) fn parse_rpc(message: &[u8]) -> Option<Rpc> {
    let root = parse(message).ok()?;
    if root.name != "rpc" || root.namespace != BASE {
        return None;
    }
    let operation = root.children.first().map(|item| item.name.clone()).unwrap_or_default();
    let request = match (&root.message_id, root.children.as_slice()) {
        (None, _) => Err(Refusal::protocol("missing-attribute", "the rpc has no message-id").of_the_rpc_layer()),
        (_, [item]) => request(item),
        _ => Err(Refusal::protocol("malformed-message", "an rpc holds exactly one operation").of_the_rpc_layer()),
    };
    Some(Rpc { message_id: root.message_id, operation, request })
}

/// The capabilities of a client's hello.
pub(super) fn parse_hello(message: &[u8]) -> Option<Vec<String>> {
    let root = parse(message).ok()?;
    if root.name != "hello" || root.namespace != BASE {
        return None;
    }
    Some(root.child("capabilities")?.children.iter().map(|item| item.text.trim().to_owned()).collect())
}

impl Refusal {
    fn of_the_rpc_layer(self) -> Self {
        Self { layer: Layer::Rpc, ..self }
    }
}

fn request(item: &Item) -> Result<Request, Refusal> {
    let unknown = || Refusal::protocol("operation-not-supported", format!("there is no operation {}", item.name));
    if item.namespace == MONITORING && item.name == "get-schema" {
        let identifier = item.text_of("identifier").ok_or_else(|| missing("identifier"))?.to_owned();
        return Ok(Request::GetSchema { identifier });
    }
    if item.namespace != BASE {
        return Err(unknown());
    }
    let text = |name: &str| item.text_of(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(match item.name.as_str() {
        "lock" => Request::Lock(store(item, "target")?),
        "unlock" => Request::Unlock(store(item, "target")?),
        "edit-config" => {
            let config = item.child("config").and_then(|config| config.document.clone());
            let default = match item.text_of("default-operation") {
                None | Some("merge") => DefaultOperation::Merge,
                Some("replace") => DefaultOperation::Replace,
                Some("none") => DefaultOperation::None,
                Some(_) => return Err(wrong("default-operation")),
            };
            let test_only = match item.text_of("test-option") {
                None | Some("test-then-set" | "set") => false,
                Some("test-only") => true,
                Some(_) => return Err(wrong("test-option")),
            };
            let config = config.ok_or_else(|| missing("config"))?;
            Request::Edit { target: store(item, "target")?, default, test_only, config }
        }
        "validate" => Request::Validate(store(item, "source")?),
        "commit" => {
            let timeout = match item.text_of("confirm-timeout").map(str::parse::<u32>) {
                None => None,
                Some(Ok(seconds)) if seconds > 0 => Some(Duration::from_secs(seconds.into())),
                Some(_) => return Err(wrong("confirm-timeout")),
            };
            let (persist, persist_id) = (text("persist"), text("persist-id"));
            Request::Commit(Commit { confirmed: item.child("confirmed").is_some(), timeout, persist, persist_id })
        }
        "cancel-commit" => Request::CancelCommit { persist_id: text("persist-id") },
        "discard-changes" => Request::Discard,
        "copy-config" => {
            let named = |role: &str| item.child(role).and_then(|role| role.children.first()).map(|s| s.name.as_str());
            match (named("target"), named("source")) {
                (Some("startup"), Some("running")) => Request::Copy,
                _ => return Err(unknown()),
            }
        }
        "get-config" => Request::GetConfig { source: store(item, "source")?, filter: filter(item) },
        "get" => Request::Get { filter: filter(item) },
        "kill-session" => {
            let id = item.text_of("session-id").ok_or_else(|| missing("session-id"))?;
            Request::KillSession(id.parse().map_err(|_| wrong("session-id"))?)
        }
        "close-session" => Request::CloseSession,
        _ => return Err(unknown()),
    })
}

fn filter(item: &Item) -> Option<Vec<Item>> {
    item.child("filter").map(|filter| filter.children.clone())
}

fn store(item: &Item, role: &str) -> Result<Datastore, Refusal> {
    let named = item.child(role).and_then(|role| role.children.first()).ok_or_else(|| missing(role))?;
    match named.name.as_str() {
        "running" => Ok(Datastore::Running),
        "candidate" => Ok(Datastore::Candidate),
        other => Err(Refusal::protocol("invalid-value", format!("there is no datastore {other}"))),
    }
}

fn missing(name: &str) -> Refusal {
    Refusal {
        info: Some(format!("<bad-element>{name}</bad-element>").into()),
        ..Refusal::protocol("missing-element", format!("{name} is missing"))
    }
}

fn wrong(name: &str) -> Refusal {
    Refusal {
        info: Some(format!("<bad-element>{name}</bad-element>").into()),
        ..Refusal::protocol("invalid-value", format!("{name} has no such value"))
    }
}

/// Reads one message into items.
fn parse(message: &[u8]) -> Result<Item, quick_xml::Error> {
    let text = std::str::from_utf8(message).unwrap_or_default();
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Item> = vec![Item::default()];
    loop {
        let event = reader.read_event()?;
        match event {
            Event::Start(tag) => {
                let mut item = opened(&reader, &tag);
                if item.name == "config" && item.namespace == BASE {
                    item.document = Some(cut_out(&mut reader, text)?);
                    close(&mut open, item);
                } else if open.len() > MAX_DEPTH {
                    return Ok(Item::default());
                } else {
                    open.push(item);
                }
            }
            Event::Empty(tag) => {
                let mut item = opened(&reader, &tag);
                item.document =
                    (item.name == "config" && item.namespace == BASE).then(|| format!("<config xmlns=\"{BASE}\"/>"));
                close(&mut open, item);
            }
            Event::End(_) => {
                if let Some(item) = open.pop().filter(|_| !open.is_empty()) {
                    close(&mut open, item);
                }
            }
            Event::Text(piece) => append(&mut open, &piece.xml10_content()),
            Event::CData(piece) => append(&mut open, &piece.xml10_content()),
            Event::GeneralRef(reference) => {
                let written = format!("&{};", &*reference);
                append(&mut open, &unescape(&written).unwrap_or_default());
            }
            Event::DocType(_) => return Ok(Item::default()),
            Event::Eof => {
                let root = open.swap_remove(0);
                return Ok(root.children.into_iter().next().filter(|_| open.is_empty()).unwrap_or_default());
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn append(open: &mut [Item], piece: &str) {
    if let Some(item) = open.last_mut() {
        item.text.push_str(piece);
    }
}

fn close(open: &mut [Item], item: Item) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(item);
    }
}

fn opened(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> Item {
    let (namespace, local) = reader.resolver().resolve_element(tag.name());
    let namespace = match namespace {
        ResolveResult::Bound(bound) => String::from(bound.0),
        _ => String::new(),
    };
    let id = tag.attributes().flatten().find(|attribute| attribute.key.0 == "message-id");
    let id = id.and_then(|id| id.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()).map(|id| id.into_owned());
    Item { namespace, name: String::from(local.into_inner()), message_id: id, ..Item::default() }
}

/// The content of the element that was just opened, in an envelope that declares every prefix in scope.
fn cut_out(reader: &mut NsReader<&[u8]>, text: &str) -> Result<String, quick_xml::Error> {
    let mut document = format!("<{ENVELOPE}:config xmlns:{ENVELOPE}=\"{BASE}\"");
    for (prefix, namespace) in reader.resolver().bindings() {
        let namespace = escape(namespace.0);
        match prefix {
            PrefixDeclaration::Default => document.push_str(&format!(" xmlns=\"{namespace}\"")),
            PrefixDeclaration::Named("xml" | "xmlns") => {}
            PrefixDeclaration::Named(name) => document.push_str(&format!(" xmlns:{name}=\"{namespace}\"")),
        }
    }
    document.push('>');
    let at = |reader: &NsReader<&[u8]>| usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    let from = at(reader);
    let mut to = from;
    let mut depth = 1_usize;
    while depth > 0 {
        to = at(reader);
        match reader.read_event()? {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    document.push_str(text.get(from..to).unwrap_or_default());
    document.push_str(&format!("</{ENVELOPE}:config>"));
    Ok(document)
}

/// A prefix that no client uses.
const ENVELOPE: &str = "sim-envelope";
const MAX_DEPTH: usize = 64;
