//! What a simulated element answers instead of `<ok/>`: one `rpc-error` (RFC 6241 §4.3).

use crate::adagio::netconf::message::BASE;
use crate::tree::{CodecError, Path, SchemaIndex};
use quick_xml::escape::escape;
use std::fmt::Write;

/// One `rpc-error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `error-type`.
    pub layer: Layer,
    /// `error-tag`.
    pub tag: String,
    /// `error-app-tag`.
    pub app_tag: Option<&'static str>,
    /// What it is about.
    pub place: Place,
    /// `error-message`.
    pub message: String,
    /// The content of `error-info`.
    pub info: Option<Box<str>>,
}

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Rpc,
    Protocol,
    Application,
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nothing,
    Node(Path),
    /// A place in a document that could not be read as nodes.
    Text(String),
}

impl Refusal {
    /// An error of the protocol layer.
    pub fn protocol(tag: &str, message: impl Into<String>) -> Self {
        let tag = tag.to_owned();
        let (layer, place) = (Layer::Protocol, Place::Nothing);
        Self { layer, tag, app_tag: None, place, message: message.into(), info: None }
    }

    /// An error about a node of the configuration.
    pub fn at(tag: &str, path: &Path, message: impl Into<String>) -> Self {
        Self { layer: Layer::Application, place: Place::Node(path.clone()), ..Self::protocol(tag, message) }
    }

    /// An edit that does not fit the schema.
    pub fn codec(error: &CodecError) -> Self {
        let place = if error.path == "/" { Place::Nothing } else { Place::Text(error.path.clone()) };
        Self { place, ..Self::protocol(error.error_tag(), error.message.clone()) }
    }

    /// The same error naming the session that stands in the way.
    pub fn held_by(self, session: u32) -> Self {
        Self { info: Some(format!("<session-id>{session}</session-id>").into()), ..self }
    }

    /// The element `rpc-error`.
    pub fn xml(&self, index: &SchemaIndex) -> String {
        let mut out = format!(
            "<rpc-error><error-type>{}</error-type><error-tag>{}</error-tag><error-severity>error</error-severity>",
            match self.layer {
                Layer::Rpc => "rpc",
                Layer::Protocol => "protocol",
                Layer::Application => "application",
            },
            escape(&self.tag)
        );
        let mut put = |name: &str, attributes: &str, text: &str| {
            let _ = write!(out, "<{name}{attributes}>{}</{name}>", escape(text));
        };
        if let Some(app_tag) = self.app_tag {
            put("error-app-tag", "", app_tag);
        }
        match &self.place {
            Place::Nothing => {}
            Place::Text(place) => put("error-path", "", place),
            Place::Node(path) => put("error-path", &prefixes(path, index), &path.to_string()),
        }
        put("error-message", " xml:lang=\"en\"", &self.message);
        if let Some(info) = &self.info {
            let _ = write!(out, "<error-info>{info}</error-info>");
        }
        out.push_str("</rpc-error>");
        out
    }
}

/// The printed path has module names where XPath wants prefixes, so each name is declared as one.
fn prefixes(path: &Path, index: &SchemaIndex) -> String {
    let mut declared = String::new();
    for (at, step) in path.steps().iter().enumerate() {
        let module = step.name.module.as_str();
        let seen = path.steps()[..at].iter().any(|before| before.name.module.as_str() == module);
        if let Some(known) = index.module(module).filter(|_| !seen) {
            let _ = write!(declared, " xmlns:{module}=\"{}\"", escape(known.namespace.as_str()));
        }
    }
    declared
}

/// The envelope around what an operation answers.
pub(super) fn reply(message_id: Option<&str>, body: &str) -> String {
    match message_id {
        Some(id) => format!("<rpc-reply xmlns=\"{BASE}\" message-id=\"{}\">{body}</rpc-reply>", escape(id)),
        None => format!("<rpc-reply xmlns=\"{BASE}\">{body}</rpc-reply>"),
    }
}
