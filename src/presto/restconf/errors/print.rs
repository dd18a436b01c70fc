//! `ietf-restconf:errors` as JSON and as XML.

use super::{About, Entry, Problem};
use crate::presto::restconf::media::{Media, escape};
use crate::tree::SchemaIndex;
use serde_json::{Map, Value, json};
use std::fmt::Write;

impl Problem {
    /// The body of the answer.
    pub fn print(&self, media: Media, index: &SchemaIndex) -> String {
        match media {
            Media::Json => self.json(),
            Media::Xml => self.xml(index),
        }
    }

    fn json(&self) -> String {
        let errors: Vec<Value> = self.errors.iter().map(|entry| self.entry(entry)).collect();
        let body = json!({ "ietf-restconf:errors": { "error": errors } });
        format!("{body:#}\n")
    }

    fn entry(&self, entry: &Entry) -> Value {
        let mut error = Map::new();
        error.insert("error-type".into(), entry.layer.into());
        error.insert("error-tag".into(), entry.tag.into());
        put(&mut error, "error-app-tag", entry.app_tag.as_ref());
        put(&mut error, "error-path", entry.path.as_ref());
        error.insert("error-message".into(), clean(&entry.message).into());
        let mut info = Map::new();
        put(&mut info, "andante:transaction", self.transaction.as_ref());
        put(&mut info, "andante:document", entry.document.as_ref());
        if let Some(cause) = entry.cause {
            info.insert("andante:cause".into(), cause.into());
        }
        if !entry.elements.is_empty() {
            info.insert("andante:element".into(), entry.elements.iter().map(about).collect());
        }
        put(&mut info, "andante:remedy", entry.remedy.as_ref());
        if !info.is_empty() {
            error.insert("error-info".into(), info.into());
        }
        error.into()
    }

    fn xml(&self, index: &SchemaIndex) -> String {
        let mut out = String::from("<errors xmlns=\"urn:ietf:params:xml:ns:yang:ietf-restconf\">\n");
        for entry in &self.errors {
            out.push_str("  <error>\n");
            leaf(&mut out, 4, "error-type", Some(entry.layer));
            leaf(&mut out, 4, "error-tag", Some(entry.tag));
            leaf(&mut out, 4, "error-app-tag", entry.app_tag.as_deref());
            if let Some(path) = &entry.path {
                // The path uses module names as prefixes, so each is declared under its own name.
                let named = index.modules().iter().filter(|module| path.contains(&format!("/{}:", module.name)));
                let spaces: String =
                    named.map(|module| format!(" xmlns:{}=\"{}\"", module.name, escape(&module.namespace))).collect();
                let _ = writeln!(out, "    <error-path{spaces}>{}</error-path>", escape(path));
            }
            leaf(&mut out, 4, "error-message", Some(&entry.message));
            if self.transaction.is_some()
                || entry.cause.is_some()
                || !entry.elements.is_empty()
                || entry.remedy.is_some()
                || entry.document.is_some()
            {
                let space = index.module("andante").map_or("urn:andante:yang:andante", |module| &module.namespace);
                let own = |name: &str| format!("{name} xmlns=\"{}\"", escape(space));
                out.push_str("    <error-info>\n");
                wrapped(&mut out, &own("transaction"), "transaction", self.transaction.as_deref());
                wrapped(&mut out, &own("document"), "document", entry.document.as_deref());
                wrapped(&mut out, &own("cause"), "cause", entry.cause);
                for element in &entry.elements {
                    let _ = writeln!(out, "      <{}>", own("element"));
                    for (name, value) in fields(element) {
                        leaf(&mut out, 8, name, value.map(String::as_str));
                    }
                    out.push_str("      </element>\n");
                }
                wrapped(&mut out, &own("remedy"), "remedy", entry.remedy.as_deref());
                out.push_str("    </error-info>\n");
            }
            out.push_str("  </error>\n");
        }
        out.push_str("</errors>\n");
        out
    }
}

fn about(element: &About) -> Value {
    let mut map = Map::new();
    for (name, value) in fields(element) {
        put(&mut map, name, value);
    }
    map.into()
}

fn fields(element: &About) -> [(&'static str, Option<&String>); 6] {
    [
        ("name", Some(&element.name)),
        ("path", element.path.as_ref()),
        ("recorded", element.recorded.as_ref()),
        ("wanted", element.wanted.as_ref()),
        ("actual", element.actual.as_ref()),
        ("detail", element.detail.as_ref()),
    ]
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        map.insert(name.into(), clean(value).into());
    }
}

/// Elements answer with anything; control characters (terminal escapes) do not leave the house.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn leaf(out: &mut String, indent: usize, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = writeln!(out, "{:indent$}<{name}>{}</{name}>", "", escape(value));
    }
}

fn wrapped(out: &mut String, start: &str, end: &str, value: Option<&str>) {
    if let Some(value) = value {
        let _ = writeln!(out, "      <{start}>{}</{end}>", escape(value));
    }
}
