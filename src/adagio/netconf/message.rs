//! NETCONF messages (RFC 6241 §4, RFC 5277 §4): our envelopes, and what an element answers, as values.
//!
//! Pure. One pass over the message finds what it is; the data of a reply stays exactly the bytes that the element
//! wrote. Every `<rpc-error>` of a reply is kept with all its fields, in order.

use super::xml::{Fragment, Open, Walk, XmlError, utf8};
use std::fmt;

/// The namespace of RFC 6241.
pub const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
/// The namespace of RFC 5277.
pub const NOTIFICATION: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
/// The namespace of RFC 6022.
pub const MONITORING: &str = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring";

/// Our hello: base 1.0 and 1.1 (without 1.1 an element may refuse `persist`).
pub fn hello() -> String {
    format!(
        "<hello xmlns=\"{BASE}\"><capabilities>\
         <capability>urn:ietf:params:netconf:base:1.0</capability>\
         <capability>urn:ietf:params:netconf:base:1.1</capability>\
         </capabilities></hello>"
    )
}

/// An `<rpc>` around an operation; `operation` is well-formed XML and goes in unchanged.
pub fn rpc(message_id: u64, operation: &str) -> String {
    format!("<rpc xmlns=\"{BASE}\" message-id=\"{message_id}\">{operation}</rpc>")
}

/// What an element says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Capability URIs in the order given.
    pub capabilities: Vec<String>,
    /// The id of this session at the element.
    pub session_id: u32,
}

/// One message from an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The answer to an rpc.
    Reply(RpcReply),
    /// An event nobody asked for in particular.
    Notification(Notification),
}

/// An `<rpc-reply>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcReply {
    /// The `message-id` attribute as given.
    pub message_id: Option<String>,
    /// What it carries beside errors.
    pub body: ReplyBody,
    /// Every `<rpc-error>` of severity error (or of unknown severity).
    pub errors: Vec<RpcError>,
    /// Every `<rpc-error>` of severity warning.
    pub warnings: Vec<RpcError>,
    /// Errors and warnings above the limit, counted only.
    pub omitted: usize,
}

/// The content of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// `<ok/>`.
    Ok,
    /// `<data>`: its exact content.
    Data(Fragment),
    /// Output of another operation: the exact content of the reply.
    Output(Fragment),
    /// Nothing beside errors or warnings.
    Nothing,
}

/// The severity of an `<rpc-error>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The operation was refused.
    Error,
    /// It was carried out.
    Warning,
}

/// An `<rpc-error>` with all that the element said (RFC 6241 §4.3). Elements agree on the tag only: match on
/// `tag` and `app_tag`, never on type, path or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// `error-type`: transport, rpc, protocol, application.
    pub kind: String,
    /// `error-tag`.
    pub tag: String,
    /// `error-severity`.
    pub severity: Severity,
    /// `error-app-tag`.
    pub app_tag: Option<String>,
    /// `error-path` as the element wrote it.
    pub path: Option<String>,
    /// `error-message`.
    pub message: Option<String>,
    /// The exact content of `error-info`.
    pub info: Option<Fragment>,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag)?;
        if let Some(app_tag) = &self.app_tag {
            write!(f, " [{app_tag}]")?;
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// A `<notification>` (RFC 5277 §4). It means "look"; its content is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// `eventTime` as given.
    pub event_time: String,
    /// Local name of the event.
    pub name: String,
    /// Namespace of the event.
    pub namespace: String,
    /// The exact content of the event element.
    pub content: Fragment,
}

/// Why a message cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not XML that we accept.
    #[error("unreadable message")]
    Xml(#[from] XmlError),
    /// XML, but not a message of NETCONF.
    #[error("unexpected message {{{namespace}}}{local}")]
    Unexpected {
        /// of the root
        namespace: String,
        /// of the root
        local: String,
    },
    /// No element at all.
    #[error("message without an element")]
    Empty,
    /// Something behind the root element.
    #[error("something follows the message")]
    Trailing,
    /// A hello that breaks RFC 6241 §8.1.
    #[error("hello of the element {0}")]
    Hello(&'static str),
    /// An `<rpc-error>` without a tag.
    #[error("rpc-error without error-tag")]
    NoTag,
}

/// Reads the hello of an element.
pub fn parse_hello(message: &[u8]) -> Result<Hello, MessageError> {
    let mut walk = Walk::new(utf8(message)?);
    let root = root(&mut walk)?;
    if !root.name.is(BASE, "hello") {
        return Err(unexpected(&root));
    }
    let mut hello = Hello { capabilities: Vec::new(), session_id: 0 };
    while let Some(child) = next_child(&mut walk, &root)? {
        match (child.name.namespace.as_str(), child.name.local.as_str()) {
            (BASE, "capabilities") => {
                while let Some(entry) = next_child(&mut walk, &child)? {
                    let uri = trimmed(&mut walk, &entry)?;
                    if hello.capabilities.len() >= MAX_CAPABILITIES {
                        return Err(MessageError::Hello("has too many capabilities"));
                    }
                    if entry.name.is(BASE, "capability") {
                        hello.capabilities.push(uri);
                    }
                }
            }
            (BASE, "session-id") => {
                let id = trimmed(&mut walk, &child)?.parse().ok().filter(|id| *id > 0);
                hello.session_id = id.ok_or(MessageError::Hello("has a session-id that is no number above 0"))?;
            }
            _ => walk.skip(&child)?,
        }
    }
    end(&mut walk)?;
    if hello.session_id == 0 {
        return Err(MessageError::Hello("has no session-id"));
    }
    Ok(hello)
}

/// Reads any message after the hello.
pub fn parse(message: &[u8]) -> Result<Incoming, MessageError> {
    let text = utf8(message)?;
    let mut walk = Walk::new(text);
    let root = root(&mut walk)?;
    let incoming = if root.name.is(BASE, "rpc-reply") {
        Incoming::Reply(reply(text, &mut walk, &root)?)
    } else if root.name.is(NOTIFICATION, "notification") {
        Incoming::Notification(notification(&mut walk, &root)?)
    } else {
        return Err(unexpected(&root));
    };
    end(&mut walk)?;
    Ok(incoming)
}

fn reply(text: &str, walk: &mut Walk<'_>, root: &Open<'_>) -> Result<RpcReply, MessageError> {
    let mut reply = RpcReply {
        message_id: root.attribute("message-id"),
        body: ReplyBody::Nothing,
        errors: Vec::new(),
        warnings: Vec::new(),
        omitted: 0,
    };
    let namespaces = walk.namespaces();
    let from = walk.position();
    let mut output = false;
    while let Some(child) = next_child(walk, root)? {
        match (child.name.namespace.as_str(), child.name.local.as_str()) {
            (BASE, "ok") => {
                walk.skip(&child)?;
                reply.body = ReplyBody::Ok;
            }
            // get-schema answers with a data element of its own namespace (RFC 6022 §3.1).
            (BASE | MONITORING, "data") => {
                let content = open_content(walk, &child)?;
                reply.body = ReplyBody::Data(content);
            }
            (BASE, "rpc-error") => {
                let error = rpc_error(walk, &child)?;
                let list = match error.severity {
                    Severity::Error => &mut reply.errors,
                    Severity::Warning => &mut reply.warnings,
                };
                if list.len() < MAX_ERRORS {
                    list.push(error);
                } else {
                    reply.omitted += 1;
                }
            }
            _ => {
                walk.skip(&child)?;
                output = true;
            }
        }
    }
    if output && reply.body == ReplyBody::Nothing {
        let inner = text.get(from..walk.last_began()).unwrap_or_default().to_owned();
        reply.body = ReplyBody::Output(Fragment { inner, namespaces });
    }
    Ok(reply)
}

fn rpc_error(walk: &mut Walk<'_>, open: &Open<'_>) -> Result<RpcError, MessageError> {
    let mut error = RpcError {
        kind: String::new(),
        tag: String::new(),
        severity: Severity::Error,
        app_tag: None,
        path: None,
        message: None,
        info: None,
    };
    while let Some(child) = next_child(walk, open)? {
        if child.name.namespace != BASE {
            walk.skip(&child)?;
            continue;
        }
        match child.name.local.as_str() {
            "error-type" => error.kind = trimmed(walk, &child)?,
            "error-tag" => error.tag = trimmed(walk, &child)?,
            "error-severity" => {
                // Anything but a clear warning counts as an error.
                error.severity = if trimmed(walk, &child)? == "warning" { Severity::Warning } else { Severity::Error };
            }
            "error-app-tag" => error.app_tag = Some(trimmed(walk, &child)?),
            "error-path" => error.path = Some(trimmed(walk, &child)?),
            "error-message" => error.message = Some(trimmed(walk, &child)?),
            "error-info" => error.info = Some(open_content(walk, &child)?),
            _ => walk.skip(&child)?,
        }
    }
    if error.tag.is_empty() {
        return Err(MessageError::NoTag);
    }
    Ok(error)
}

fn notification(walk: &mut Walk<'_>, root: &Open<'_>) -> Result<Notification, MessageError> {
    let mut found = Notification {
        event_time: String::new(),
        name: String::new(),
        namespace: String::new(),
        content: Fragment::default(),
    };
    while let Some(child) = next_child(walk, root)? {
        if child.name.is(NOTIFICATION, "eventTime") {
            found.event_time = trimmed(walk, &child)?;
        } else if found.name.is_empty() {
            found.content = open_content(walk, &child)?;
            found.name = child.name.local;
            found.namespace = child.name.namespace;
        } else {
            walk.skip(&child)?;
        }
    }
    Ok(found)
}

fn root<'a>(walk: &mut Walk<'a>) -> Result<Open<'a>, MessageError> {
    walk.child()?.ok_or(MessageError::Empty)
}

/// The next child of `parent`; an empty parent has none.
fn next_child<'a>(walk: &mut Walk<'a>, parent: &Open<'_>) -> Result<Option<Open<'a>>, MessageError> {
    if parent.empty { Ok(None) } else { Ok(walk.child()?) }
}

fn open_content<'a>(walk: &mut Walk<'a>, open: &Open<'a>) -> Result<Fragment, MessageError> {
    Ok(walk.content(open)?)
}

fn trimmed<'a>(walk: &mut Walk<'a>, open: &Open<'a>) -> Result<String, MessageError> {
    Ok(walk.content(open)?.text()?.trim().to_owned())
}

fn end(walk: &mut Walk<'_>) -> Result<(), MessageError> {
    match walk.child()? {
        None => Ok(()),
        Some(_) => Err(MessageError::Trailing),
    }
}

fn unexpected(open: &Open<'_>) -> MessageError {
    let clip = |s: &str| s.chars().take(100).collect();
    MessageError::Unexpected { namespace: clip(&open.name.namespace), local: clip(&open.name.local) }
}

/// Errors kept of one reply.
const MAX_ERRORS: usize = 1000;
/// Capabilities kept of one hello; large routers list some two thousand modules.
const MAX_CAPABILITIES: usize = 20_000;

#[cfg(test)]
mod tests;
