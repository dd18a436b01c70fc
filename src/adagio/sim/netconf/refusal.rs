//! What a simulated element answers instead of `<ok/>`: one `rpc-error` (RFC 6241 §4.3).

use crate::adagio::netconf::message::BASE;
use crate::tree::{CodecError, Path, SchemaIndex};
use quick_xml::escape::escape;
use std::fmt::Write;

/// One `rpc-error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `error-type`.
    pub kind: &'static str,
    /// `error-tag`.
    pub tag: String,
    /// `error-app-tag`.
    pub app_tag: Option<&'static str>,
    /// The node, when there is one.
    pub path: Option<Path>,
    /// A path that is known as text only.
    pub place: Option<String>,
    /// `error-message`.
    pub message: String,
    /// The content of `error-info`.
    pub info: Option<String>,
}

impl Refusal {
    /// An error of the protocol layer.
    pub fn protocol(tag: &str, message: impl Into<String>) -> Self {
        let tag = tag.to_owned();
        Self { kind: "protocol", tag, app_tag: None, path: None, place: None, message: message.into(), info: None }
    }

    /// An error about a node of the configuration.
    pub fn at(tag: &str, path: &Path, message: impl Into<String>) -> Self {
        Self { kind: "application", path: Some(path.clone()), ..Self::protocol(tag, message) }
    }

    /// An edit that does not fit the schema.
    pub fn codec(error: &CodecError) -> Self {
        let place = (error.path != "/").then(|| error.path.clone());
        Self { place, ..Self::protocol(error.error_tag(), error.message.clone()) }
    }

    /// The same error naming the session that stands in the way.
    pub fn held_by(self, session: u32) -> Self {
        Self { info: Some(format!("<session-id>{session}</session-id>")), ..self }
    }

    /// The element `rpc-error`.
    pub fn xml(&self, index: &SchemaIndex) -> String {
        let mut out = format!(
            "<rpc-error><error-type>{}</error-type><error-tag>{}</error-tag><error-severity>error</error-severity>",
            self.kind,
            escape(&self.tag)
        );
        let mut put = |name: &str, attributes: &str, text: &str| {
            let _ = write!(out, "<{name}{attributes}>{}</{name}>", escape(text));
        };
        if let Some(app_tag) = self.app_tag {
            put("error-app-tag", "", app_tag);
        }
        if let Some(path) = &self.path {
            // The printed path has module names where XPath wants prefixes, so each name is declared as one.
            let mut declared = String::new();
            for (at, step) in path.steps().iter().enumerate() {
                let module = step.name.module.as_str();
                let seen = path.steps()[..at].iter().any(|before| before.name.module.as_str() == module);
                if let Some(known) = index.module(module).filter(|_| !seen) {
                    let _ = write!(declared, " xmlns:{module}=\"{}\"", escape(known.namespace.as_str()));
                }
            }
            put("error-path", &declared, &path.to_string());
        } else if let Some(place) = &self.place {
            put("error-path", "", place);
        }
        put("error-message", " xml:lang=\"en\"", &self.message);
        if let Some(info) = &self.info {
            let _ = write!(out, "<error-info>{info}</error-info>");
        }
        out.push_str("</rpc-error>");
        out
    }
}

/// The envelope around what an operation answers.
pub(super) fn reply(message_id: Option<&str>, body: &str) -> String {
    match message_id {
        Some(id) => format!("<rpc-reply xmlns=\"{BASE}\" message-id=\"{}\">{body}</rpc-reply>", escape(id)),
        None => format!("<rpc-reply xmlns=\"{BASE}\">{body}</rpc-reply>"),
    }
}
